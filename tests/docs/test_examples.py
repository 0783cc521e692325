"""The console blocks of README.md run: each in a home of its own, with a supervisor, in one working directory.

Most lines are a plain call of ``jobctl``, made in this process: bash and a new interpreter for each of 200 took a fifth
of the whole suite. What needs a shell, or might wait for ever, gets one.
"""

from __future__ import annotations

import re
import shlex
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import pytest

from tests.docs import readme
from tests.support.calls import Calls
from tests.support.cli import Completed, cli_environment
from tests.support.supervisors import PATIENCE, Site

BLOCKS = readme.blocks("console")
_QUOTED = re.compile(r"""'[^']*'|"[^"$`\\]*\"""")
_SHELL = frozenset("$|&;<>`\n*?~(){}[]\\#!\"'")
_WAITING = frozenset({"run", "wait", "watch", "up", "demo", "-f"})


@pytest.fixture
def environment(site: Site) -> dict[str, str]:
    """The environment of somebody who follows the README: ``jobctl`` on the path, a home, a supervisor."""
    site.root.chmod(0o700)
    programs = site.root / "bin"
    programs.mkdir()
    program = programs / "jobctl"
    program.write_text(f'#!/bin/sh\nexec {sys.executable} -m jobctl "$@"\n')
    program.chmod(0o755)
    site.up()
    found = cli_environment(site.home.path)
    return found | {"PATH": f"{programs}:{found.get('PATH', '/usr/bin:/bin')}", "HOME": str(site.root)}


@pytest.fixture
def execute(
    environment: dict[str, str],
    tmp_path: Path,
    capsys: pytest.CaptureFixture[str],
    monkeypatch: pytest.MonkeyPatch,
) -> Callable[[str], Completed]:
    """Types a line into the shell of that somebody."""
    work = tmp_path / "work"
    work.mkdir()
    for name, text in readme.marked("workflow").items():
        (work / f"{name}.yaml").write_text(f"{text}\n")
    monkeypatch.chdir(work)
    for name, value in environment.items():
        monkeypatch.setenv(name, value)
    call = Calls(environment["JOBCTL_HOME"], capsys, monkeypatch)

    def executed(line: str) -> Completed:
        if is_plain(line):
            return call(*shlex.split(line)[1:])
        done = subprocess.run(
            ["bash", "-c", line], stdin=subprocess.DEVNULL, capture_output=True, text=True, errors="replace",
            env=environment, cwd=work, timeout=PATIENCE, check=False,
        )  # fmt: skip
        return Completed(done.returncode, done.stdout, done.stderr)

    return executed


def is_plain(line: str) -> bool:
    """Whether it is one call of jobctl that no shell would change, and that does not wait."""
    bare = _QUOTED.sub("", line)
    return line.startswith("jobctl ") and not _SHELL & set(bare) and not _WAITING & set(bare.split())


def test_what_a_shell_would_change_is_given_to_one() -> None:
    assert all(map(is_plain, ("jobctl list", "jobctl submit -- sh -c 'exit $x'", 'jobctl add "a b" --x=1')))
    shells = (
        "jobctl list | cat",
        "jobctl show $(x)",
        'jobctl a "$B"',
        "jobctl a *",
        "A=1 jobctl a",
        "jobctl wait 1",
    )
    assert not any(map(is_plain, shells))


@pytest.mark.parametrize("block", BLOCKS, ids=[f"line{block.line}" for block in BLOCKS])
def test_example_runs(block: readme.Block, execute: Callable[[str], Completed]) -> None:
    commands = readme.commands(block)
    assert commands, "a console block without a command"
    for command in commands:
        done = execute(command.text)
        assert done.code == command.exit_code, f"$ {command.text}\n{done.out}\n{done.err}"
        assert "Traceback" not in done.err
