"""The console blocks of README.md run: each in a home of its own, with a supervisor, in one working directory."""

from __future__ import annotations

import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.docs import readme
from tests.support.cli import cli_environment, run_cli, start_cli
from tests.support.waiting import wait_until

BLOCKS = readme.blocks("console")
SECONDS = 30


@pytest.fixture
def environment(tmp_path: Path) -> Iterator[dict[str, str]]:
    """The environment of somebody who follows the README: ``jobctl`` on the path, a home, a supervisor."""
    tmp_path.chmod(0o700)
    home, programs = tmp_path / "home", tmp_path / "bin"
    home.mkdir(mode=0o700)
    programs.mkdir()
    program = programs / "jobctl"
    program.write_text(f'#!/bin/sh\nexec {sys.executable} -m jobctl "$@"\n')
    program.chmod(0o755)
    found = cli_environment(home)
    found["PATH"] = f"{programs}:{found.get('PATH', '/usr/bin:/bin')}"
    found["HOME"] = str(tmp_path)
    supervisor = start_cli("up", home=home)
    try:
        wait_until(lambda: run_cli("status", home=home).code == 0)
        yield found
    finally:
        supervisor.terminate()
        supervisor.terminate()
        supervisor.communicate(timeout=SECONDS)


@pytest.mark.parametrize("block", BLOCKS, ids=[f"line{block.line}" for block in BLOCKS])
def test_example_runs(block: readme.Block, environment: dict[str, str], tmp_path: Path) -> None:
    work = tmp_path / "work"
    work.mkdir()
    for name, text in readme.marked("workflow").items():
        (work / f"{name}.yaml").write_text(f"{text}\n")
    commands = readme.commands(block)
    assert commands, "a console block without a command"
    for command in commands:
        done = subprocess.run(
            ["bash", "-c", command.text],
            stdin=subprocess.DEVNULL,
            capture_output=True,
            env=environment,
            cwd=work,
            timeout=SECONDS,
            check=False,
        )
        assert done.returncode == command.exit_code, f"$ {command.text}\n{done.stdout!r}\n{done.stderr!r}"
        assert b"Traceback" not in done.stderr
