"""Completion, asked as the shells ask and, where a shell is installed, typed into it."""

from __future__ import annotations

import os
import shutil
import stat
import subprocess
import sys
from pathlib import Path

import pytest

from jobctl.cli.completion_scripts import FILES, SCRIPTS
from tests.support.calls import Calls
from tests.support.cli import cli_environment, run_cli
from tests.support.histories import History
from tests.support.shells import typed_into_bash, typed_into_zsh

ROOT = Path(__file__).parents[2]


@pytest.fixture
def history(tmp_path: Path) -> History:
    made = History(tmp_path / "home")
    made.run("good", tags=("nightly",))
    made.run("bad", 1)
    made.submit("held", hold=True)
    made.submit("waiting")
    made.submit("odd[/b] name")
    made.store.close()
    return made


class Completions:
    """What shells are offered. Asked in this process; that a spawned ``jobctl`` answers, typing into a shell shows."""

    def __init__(self, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch) -> None:
        self._capsys = capsys
        self._monkeypatch = monkeypatch

    def __call__(self, line: str, home: str, shell: str = "bash") -> list[str]:
        """The rows that a shell is given to complete ``line``."""
        if shell == "bash":
            asked = {"COMP_WORDS": line, "COMP_CWORD": str(len(line.split(" ")) - 1)}
        else:
            asked = {"_TYPER_COMPLETE_ARGS": line, "_TYPER_COMPLETE_FISH_ACTION": "get-args"}
        asked["_JOBCTL_COMPLETE"] = f"complete_{shell}"
        for name, value in asked.items():
            self._monkeypatch.setenv(name, value)
        ended = Calls(home, self._capsys, self._monkeypatch).completed()
        assert ended.err == ""
        return ended.out.splitlines()


@pytest.fixture
def offered(capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch) -> Completions:
    return Completions(capsys, monkeypatch)


@pytest.mark.parametrize("shell", sorted(SCRIPTS))
def test_the_script_for_packagers_is_the_one_that_is_shown(shell: str, tmp_path: Path) -> None:
    stored = (ROOT / "completions" / FILES[shell]).read_text()
    assert stored == SCRIPTS[shell]
    assert run_cli("completion", "show", shell, home=tmp_path).out == stored


@pytest.mark.parametrize(
    ("line", "some", "not_"),
    [
        ("jobctl ", ["submit", "list", "completion"], []),
        ("jobctl list --sta", ["--status"], []),
        ("jobctl queue ", ["add", "list", "pause"], []),
        ("jobctl submit --queue ", ["default"], []),
        ("jobctl show ", ["5", "4", "3", "2", "1", "last", "all", "@failed", "name:"], []),
        ("jobctl cancel ", ["5", "4", "3", "@queued"], ["1", "2", "@failed"]),
        ("jobctl retry ", ["1", "2", "@failed"], ["3", "4", "@queued"]),
        ("jobctl hold ", ["4", "5"], ["1", "2"]),
        ("jobctl show 1,", ["1,2", "1,last", "1,@failed"], ["1,1"]),
        ("jobctl list name:", ["name:good", "name:bad"], []),
        ("jobctl list tag:n", ["tag:nightly"], []),
        ("jobctl list --status failed,c", ["failed,created", "failed,completed"], ["failed,failed"]),
        ("jobctl events --kind job.s", ["job.submitted", "job.started"], ["job.*"]),
        ("jobctl logs 1 --stream ", ["stdout", "stderr", "both"], []),
        ("jobctl completion show ", ["bash", "zsh", "fish"], []),
    ],
)
def test_verbs_options_and_selectors_complete(
    history: History, offered: Completions, line: str, some: list[str], not_: list[str]
) -> None:
    found = offered(line, history.home.path)
    assert set(some) <= set(found)
    assert not set(not_) & set(found)


def test_the_newest_ids_come_first_with_name_and_status_as_their_help(
    history: History, offered: Completions
) -> None:
    found = offered("jobctl show ", history.home.path, "fish")
    assert found[:3] == ["5\todd(/b) name queued", "4\twaiting queued", "3\theld created"]


def test_the_home_on_the_command_line_is_the_one_asked(
    history: History, offered: Completions, tmp_path: Path
) -> None:
    other = str(tmp_path / "other")
    assert "4" in offered(f"jobctl show --home {history.home.path} ", other)
    assert "4" in offered(f"jobctl --home {history.home.path} show ", other)
    assert "4" not in offered("jobctl show ", other)
    assert not os.path.exists(other)


def test_a_damaged_store_offers_words_and_no_traceback(offered: Completions, tmp_path: Path) -> None:
    (tmp_path / "jobctl.db").write_bytes(b"no database at all" * 100)
    found = offered("jobctl show ", str(tmp_path))
    assert found[:2] == ["last", "all"]
    assert "list" in offered("jobctl ", str(tmp_path))


@pytest.fixture
def with_jobctl(history: History, tmp_path: Path) -> dict[str, str]:
    """An environment in which ``jobctl`` is found."""
    bin_ = tmp_path / "bin"
    bin_.mkdir()
    launcher = bin_ / "jobctl"
    launcher.write_text(f'#!/bin/sh\nexec {sys.executable} -m jobctl "$@"\n')
    launcher.chmod(launcher.stat().st_mode | stat.S_IXUSR)
    return cli_environment(history.home.path, {"PATH": f"{bin_}:{os.environ['PATH']}", "HOME": str(tmp_path)})


_TYPED = [
    ("jobctl comp", "jobctl completion "),
    ("jobctl queue pause de", "jobctl queue pause default "),
    ("jobctl retry @fai", "jobctl retry @failed "),
    ("jobctl list name:go", "jobctl list name:good "),
    ("jobctl list tag:", "jobctl list tag:nightly "),
    ("jobctl submit -- ls /et", "jobctl submit -- ls /etc/"),
]


@pytest.mark.skipif(shutil.which("bash") is None, reason="no bash here")
@pytest.mark.parametrize(
    ("line", "completed"),
    [*_TYPED, ("jobctl show 1,@fai", "jobctl show 1,@failed "), ("jobctl list na", "jobctl list name:")],
)
def test_bash_completes_what_is_typed(with_jobctl: dict[str, str], line: str, completed: str) -> None:
    assert typed_into_bash(line, str(ROOT / "completions" / "jobctl.bash"), with_jobctl) == completed


@pytest.mark.skipif(shutil.which("zsh") is None, reason="no zsh here")
@pytest.mark.parametrize(("line", "completed"), _TYPED)
def test_zsh_completes_what_is_typed(with_jobctl: dict[str, str], line: str, completed: str) -> None:
    assert typed_into_zsh(line, str(ROOT / "completions"), with_jobctl) == completed


@pytest.mark.skipif(shutil.which("fish") is None, reason="no fish here")
@pytest.mark.parametrize(("line", "completed"), _TYPED)
def test_fish_completes_what_is_typed(with_jobctl: dict[str, str], line: str, completed: str) -> None:
    script = f"source {ROOT}/completions/jobctl.fish; complete -C '{line}'"
    ended = subprocess.run(
        ["fish", "--no-config", "-c", script],
        env=with_jobctl,
        capture_output=True,
        text=True,
        check=False,
        timeout=60,
    )
    assert completed.split()[-1] in [found.partition("\t")[0] for found in ended.stdout.splitlines()], (
        ended.stderr
    )


@pytest.mark.parametrize(
    ("shell", "env", "path"),
    [
        ("bash", {}, ".local/share/bash-completion/completions/jobctl"),
        ("bash", {"XDG_DATA_HOME": "{}/data"}, "data/bash-completion/completions/jobctl"),
        ("zsh", {}, ".zfunc/_jobctl"),
        ("zsh", {"ZDOTDIR": "{}/z"}, "z/.zfunc/_jobctl"),
        ("fish", {}, ".config/fish/completions/jobctl.fish"),
        ("fish", {"XDG_CONFIG_HOME": "{}/c"}, "c/fish/completions/jobctl.fish"),
    ],
)
def test_install_writes_where_the_shell_looks(
    tmp_path: Path, shell: str, env: dict[str, str], path: str
) -> None:
    clean = {"XDG_DATA_HOME": "", "XDG_CONFIG_HOME": "", "ZDOTDIR": "", "SHELL": f"/usr/bin/{shell}"}
    env = clean | {name: value.format(tmp_path) for name, value in env.items()} | {"HOME": str(tmp_path)}
    for _ in range(2):
        ended = run_cli("completion", "install", home=tmp_path / "home", env=env)
        assert ended.code == 0, ended.err
        assert ended.out == f"wrote {tmp_path}/{path}\n"
    assert (tmp_path / path).read_text() == SCRIPTS[shell]
    assert os.listdir((tmp_path / path).parent) == [(tmp_path / path).name]
    assert not (tmp_path / "home").exists()


def test_a_shell_that_is_not_known_exits_2(tmp_path: Path) -> None:
    assert run_cli("completion", "show", "tcsh", home=tmp_path).code == 2
    assert run_cli("completion", "show", "bsh", home=tmp_path).err.count("did you mean bash?") == 1
    ended = run_cli("completion", "install", home=tmp_path, env={"SHELL": "/bin/tcsh"})
    assert ended.code == 2
    assert "completion install bash|zsh|fish" in ended.err
