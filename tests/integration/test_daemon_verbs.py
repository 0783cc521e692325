"""``jobctl daemon …`` without a supervisor, called in process: what is printed, and every exit code."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from jobctl.cli.app import root
from tests.support.calls import Calls
from tests.support.cli import Completed


class Shell:
    """Calls of one home, as a line of words, and what the last one printed."""

    def __init__(self, calls: Calls) -> None:
        self._calls = calls
        self._last = Completed(0, "", "")

    def __call__(self, line: str, *more: str) -> int:
        self._last = self._calls(*line.split(), *more)
        return self._last.code

    @property
    def out(self) -> str:
        return self._last.out

    @property
    def err(self) -> str:
        return self._last.err

    @property
    def document(self) -> Any:
        return self._last.document


@pytest.fixture
def jobctl(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> Shell:
    home = tmp_path / "home"
    home.mkdir(mode=0o700)
    monkeypatch.chdir(tmp_path)
    return Shell(Calls(str(home), capsys, monkeypatch))


@pytest.mark.parametrize(
    ("line", "code", "message"),
    [
        ("daemon add", 2, "NAME"),
        ("daemon add web", 2, "nothing to run: 'web'"),
        ("daemon add web --", 2, "the command is empty"),
        ("daemon add web --call a.b:c", 2, "functions of this module may not be called: 'a.b'"),
        ("daemon add web --call a.b.c", 2, "did you mean a.b:c?"),
        ("daemon add web --call jobctl.builtin_functions.demo:simulate -- x", 2, "a command and a function"),
        ("daemon add web --arg n=3 -- x", 2, "arguments mean nothing without a function"),
        ("daemon add web --args-json [3] -- x", 2, "args-json must be an object"),
        ("daemon add web --shell x -- y", 2, "a command and a shell line"),
        ("daemon add 17 -- x", 2, "name is only digits"),
        ("daemon add web --ready log:( -- x", 2, "bad regular expression in ready"),
        ("daemon add web --depends-on db -- x", 3, "no such daemon: 'db'"),
        ("daemon add web --depends-on web -- x", 2, "depends on itself"),
        ("daemon add web --cwd /nowhere/at/all -- x", 2, "cannot use the working directory"),
        ("daemon add web --env API_KEY=hunter2 -- x", 2, "secret values are not stored: 'API_KEY'"),
        ("daemon add web --env JOBCTL_HOME=/x -- x", 2, "jobctl itself sets this variable"),
        ("daemon add web --restart sometimes -- x", 2, "bad restart: 'sometimes'"),
        ("daemon show web", 3, "no such daemon: 'web'"),
        ("daemon start web", 3, "no such daemon: 'web'"),
        ("daemon stop web", 3, "no such daemon: 'web'"),
        ("daemon restart web", 3, "no such daemon: 'web'"),
        ("daemon remove web", 3, "no such daemon: 'web'"),
        ("daemon edit web --keep-logs 1", 3, "no such daemon: 'web'"),
        ("daemon edit web", 2, "nothing to change"),
        ("daemon check web", 3, "no such daemon: 'web'"),
        ("daemon logs web", 3, "no such daemon: 'web'"),
        ("daemon jobs web", 3, "no such daemon: 'web'"),
        ("daemon wait web", 3, "no such daemon: 'web'"),
        ("daemon wait web --state up", 2, "unknown state: 'up'"),
        ("daemon logs web --grep (", 2, "bad pattern: '('"),
    ],
)  # fmt: skip
def test_bad_calls_change_nothing_and_say_why(jobctl: Shell, line: str, code: int, message: str) -> None:
    assert jobctl(line) == code
    assert jobctl.out == ""
    assert message in jobctl.err
    assert "hunter2" not in jobctl.err
    assert jobctl("daemon list --json") == 0
    assert jobctl.document == {"daemons": []}


def test_what_add_was_told_is_shown(jobctl: Shell) -> None:
    options = (
        "--autostart never --restart on-failure --backoff 2s --max-delay 3m --max-restarts 4 --stable 1m "
        "--start-seconds 2 --start-timeout 20s --stop-timeout 3s --stop-signal INT --ready notify --watchdog 9s "
        "--health true --health-every 8s --max-memory 1M --max-log 2M --keep-logs 6 --success-codes 3,4 --env A=1"
    )
    assert jobctl("daemon add db -- sleep 60") == 0
    assert jobctl.out == "daemon db added; start it with: jobctl daemon start db\n"
    assert jobctl(f"daemon add web --depends-on db {options} -- ./web", "two words") == 0
    assert jobctl("daemon show web --json") == 0
    shown = jobctl.document
    assert shown["definition"] == {
        "command": ["./web", "two words"], "call": None, "cwd": str(Path.cwd()), "env": {"A": "1"},
        "autostart": "never",
        "restart": "on-failure", "backoff_seconds": 2.0, "max_delay_seconds": 180.0, "max_restarts": 4,
        "stable_seconds": 60.0, "start_seconds": 2.0, "start_timeout_seconds": 20.0, "stop_timeout_seconds": 3.0,
        "stop_signal": "SIGINT", "ready": "notify", "watchdog_seconds": 9.0, "health": "true",
        "health_every_seconds": 8.0, "max_memory_bytes": 1 << 20, "max_log_bytes": 2 << 20, "keep_logs": 6,
        "depends_on": ["db"], "success_codes": [0, 3, 4],
    }  # fmt: skip
    assert (shown["state"], shown["wanted"], shown["exits"], shown["jobs"]) == ("stopped", "down", [], [])
    assert shown["state_dir"].endswith("/daemons/web/state")
    assert jobctl("daemon add web -- x") == 4
    assert "the daemon exists: 'web'" in jobctl.err


def test_a_function_is_declared_checked_shown_and_edited(jobctl: Shell) -> None:
    Path("jobctl.yaml").write_text("settings: {modules: [mine]}")
    home = Path("home")
    (home / "jobctl.yaml").write_text("settings: {modules: [mine]}")
    (home / "mine.py").write_text("def watch(folder: str, every: float = 5.0): ...\ndef other(): ...\n")
    assert jobctl("daemon add inbox --call mine:watch --arg folder=7 --args-json", '{"every": 2}') == 0
    assert jobctl("daemon show inbox --json") == 0
    call = {"function": "mine:watch", "args": {"folder": "7", "every": 2}}
    assert (jobctl.document["call"], jobctl.document["definition"]["call"]) == (call, call)
    assert (jobctl.document["definition"]["command"], jobctl.document["definition"]["cwd"]) == (
        None, str(home.resolve()),
    )  # fmt: skip
    assert jobctl("daemon show inbox") == 0
    assert 'arguments     {"every":2,"folder":"7"}' in jobctl.out
    for line, message in (
        ("--call mine:watc", "no such function: 'mine:watc'; did you mean mine:watch?"),
        ("--call mine:watch", "argument of mine:watch missing: 'folder'"),
        ("--arg fodler=x", "unknown argument of mine:watch: 'fodler'; did you mean folder?"),
        ("--arg every=often", "argument every of mine:watch"),
    ):
        assert jobctl(f"daemon edit inbox {line}") == 2
        assert message in jobctl.err
    assert jobctl("daemon edit inbox --arg every=9 --json") == 0
    assert jobctl.document["call"] == {"function": "mine:watch", "args": {"folder": "7", "every": 9.0}}
    assert jobctl("daemon edit inbox --call mine:other --json") == 0
    assert jobctl.document["call"] == {"function": "mine:other", "args": {}}
    assert jobctl("daemon edit inbox -- sleep 60") == 0
    assert jobctl("daemon list --json") == 0
    assert jobctl.document["daemons"][0]["call"] is None


def test_start_without_a_supervisor_notes_the_wish(jobctl: Shell) -> None:
    jobctl("daemon add web -- sleep 60")
    assert jobctl("daemon check") == 0
    assert jobctl("daemon start web") == 0
    assert jobctl.out == "daemon web is wanted up; it starts with: jobctl up\n"
    assert jobctl.err.startswith("no supervisor for ")
    assert jobctl("daemon start web --json") == 0
    assert (jobctl.document["wanted"], jobctl.document["state"]) == ("up", "stopped")
    assert jobctl("daemon check") == 6
    assert jobctl("daemon check web --json") == 6
    assert jobctl.document["error"]["code"] == "E_NO_SUPERVISOR"
    assert jobctl("daemon wait web --timeout 0") == 124
    assert "the daemon web is not running but: 'stopped'" in jobctl.err
    assert jobctl("daemon wait web --state stopped --json") == 0
    assert jobctl.document["name"] == "web"
    assert jobctl("status --json") == 6
    assert jobctl.document["daemons"]["not_as_wanted"] == ["web"]
    assert jobctl("daemon restart web") == 0
    assert jobctl("daemon stop web") == 0
    assert jobctl.out == "daemon web is wanted down\n"
    assert jobctl("daemon check") == 0


def test_several_are_one_document_and_all_or_nothing(jobctl: Shell) -> None:
    jobctl("daemon add web -- sleep 60")
    jobctl("daemon add db -- sleep 60")
    assert jobctl("daemon start web db --json") == 0
    assert [one["name"] for one in jobctl.document["daemons"]] == ["web", "db"]
    assert jobctl("daemon stop db wep") == 3
    assert "did you mean web?" in jobctl.err
    jobctl("daemon list --json")
    assert [one["wanted"] for one in jobctl.document["daemons"]] == ["up", "up"]
    assert jobctl("daemon show web db --json") == 0
    assert [one["name"] for one in jobctl.document["daemons"]] == ["web", "db"]


def test_an_edit_says_what_it_did(jobctl: Shell) -> None:
    jobctl("daemon add web --env A=1 --env B=2 -- sleep 60")
    assert jobctl("daemon edit web --unset-env A --env B=3 --watchdog 5s --json --", "sleep", "70") == 0
    jobctl("daemon show web --json")
    definition = jobctl.document["definition"]
    assert (definition["env"], definition["command"]) == ({"B": "3"}, ["sleep", "70"])
    assert definition["watchdog_seconds"] == 5.0
    assert jobctl("daemon edit web --watchdog none") == 0
    assert jobctl.out == "daemon web changed\n"
    jobctl("daemon show web --json")
    assert jobctl.document["definition"]["watchdog_seconds"] is None


def test_remove_without_a_supervisor_forgets_at_once(jobctl: Shell) -> None:
    jobctl("daemon add db -- sleep 60")
    jobctl("daemon add web --depends-on db -- sleep 60")
    assert jobctl("daemon remove db") == 4
    assert "the daemon web depends on: 'db'" in jobctl.err
    assert jobctl("daemon remove web --json") == 0
    assert jobctl.document == {"name": "web", "removed": True}
    assert jobctl("daemon rm db") == 0
    assert jobctl("daemon list") == 0
    assert (jobctl.out, "no daemons" in jobctl.err) == ("", True)


def test_who_reads_is_told_what_is_missing(jobctl: Shell) -> None:
    jobctl("daemon add web -- sleep 60")
    assert jobctl("daemon logs web") == 0
    assert (jobctl.out, jobctl.err) == ("", "the daemon web has written nothing\n")
    assert jobctl("daemon jobs web --json") == 0
    assert jobctl.document == {"jobs": []}
    assert jobctl("daemon list") == 0
    assert jobctl.out.splitlines()[1].split()[:4] == ["web", "○", "stopped", "down"]


def test_the_file_declares_them(jobctl: Shell) -> None:
    path = Path("home/jobctl.yaml")
    path.write_text("daemons: {web: {command: sleep 60}}")
    path.chmod(0o600)
    assert jobctl("reload") == 0
    assert jobctl.out == "daemon web: added\n"
    assert jobctl("daemon edit web --keep-logs 2") == 0
    assert "jobctl.yaml declares web" in jobctl.err
    assert jobctl("reload") == 0
    assert jobctl.out == "daemon web: keep_logs 2 → 5\n"
    path.write_text("daemons: {web: {command: x, depends_on: nope}}")
    assert jobctl("reload") == 2
    assert "daemons: web: no such daemon: 'nope'" in jobctl.err
    path.write_text("settings: {}")
    assert jobctl("reload") == 0
    assert jobctl.out == "daemon web: gone from the file; stopped\n"
    jobctl("daemon list")
    assert "no longer in jobctl.yaml" in jobctl.out


def test_names_complete_with_their_states_and_each_once(jobctl: Shell) -> None:
    for name in ("web", "worker", "db"):
        jobctl(f"daemon add {name} -- x")
    assert _offered("w", []) == {"web": "stopped", "worker": "stopped"}
    assert _offered("w", ["web"]) == {"worker": "stopped"}
    assert _offered("", ["web", "worker"]) == {"db": "stopped"}


def _offered(incomplete: str, before: list[str]) -> dict[str, str | None]:
    """What completion offers behind ``jobctl daemon start``."""
    command: Any = root().get_command(None, "daemon").get_command(None, "start")
    context = command.make_context("start", list(before), resilient_parsing=True)
    names = next(param for param in command.params if param.name == "names")
    return {item.value: item.help for item in names.shell_complete(context, incomplete)}
