"""Daemons that are functions, kept by a real supervisor with a manual clock."""

from __future__ import annotations

import json
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from jobctl.model.calls import Call
from jobctl.model.daemons import DaemonState, Readiness, ReadyKind, Restart
from jobctl.model.filters import JobFilter
from jobctl.settings import Settings
from jobctl.supervisor.supervisor import Supervisor
from tests.support.calls import Calls
from tests.support.daemons import DaemonStage

BACKOFF, ERROR, EXITED, RUNNING, STOPPED = (
    DaemonState.BACKOFF, DaemonState.ERROR, DaemonState.EXITED, DaemonState.RUNNING, DaemonState.STOPPED,
)  # fmt: skip
NOTIFY = Readiness(ReadyKind.NOTIFY)

MODULE = """
import asyncio
import os
import sys
import time
from pathlib import Path

from jobctl import context


def inbox(folder: Path, every: float = 0.05):
    context.state["starts"] = context.state.get("starts", 0) + 1
    print("watching", type(folder).__name__, folder, "\\udcff")
    if context.state["starts"] == 1:
        print(int(context.submit(["true"], name="from-inbox")))
    context.status(f"start {context.state['starts']}")
    context.ready()
    while not context.stopping(wait=every):
        context.heartbeat()
    print("bye")


async def polite(*, name="x"):
    context.ready()
    await context.stopped()
    await asyncio.sleep(0)
    print("stopped", name)


async def cancelled():
    try:
        context.ready()
        await asyncio.sleep(600)
    finally:
        print("cleaned")


def raised():
    try:
        context.ready()
        time.sleep(600)
    finally:
        print("cleaned")


def deaf():
    context.stopping()
    context.ready()
    while True:
        time.sleep(600)


def returns():
    print("done")


def fails():
    raise ValueError("no such thing: \\ud800")


def exits():
    sys.exit(75)


def yields():
    yield 1
"""


@pytest.fixture
def stage(tmp_path: Path) -> Iterator[DaemonStage]:
    found = DaemonStage(tmp_path)
    (tmp_path / "home" / "mine.py").write_text(MODULE)
    yield found
    found.close()


def supervise(stage: DaemonStage, *modules: str) -> Supervisor:
    """A supervisor that allows the modules."""
    found = stage.supervise()
    assert found.daemons is not None
    found.daemons.functions.use(Settings(modules=modules))
    return found


def declare(stage: DaemonStage, function: str, **changes: Any) -> None:
    """The daemon of the function's name is wanted up."""
    call = Call(f"mine:{function}", changes.pop("args", {}))
    stage.declare(function, command=(), call=call, **changes)


def printed(stage: DaemonStage, name: str) -> str:
    """All that the daemon printed."""
    files = sorted(Path(stage.home.daemon(name), "log").glob("*.log"))
    return "".join(file.read_text() for file in files)


def test_a_function_is_a_daemon_with_state_status_and_jobs_of_its_own(stage: DaemonStage) -> None:
    declare(stage, "inbox", args={"folder": "/srv/in"}, ready=NOTIFY)
    supervisor = supervise(stage, "mine")
    first = stage.running(supervisor, "inbox")
    stage.wait_for(supervisor, lambda: stage.daemon("inbox").status_text == "start 1", tick=0.1)
    (job,) = stage.store.jobs.list(JobFilter(daemon="inbox"))
    assert (job.name, job.submitted_by) == ("from-inbox", "daemon:inbox")
    stage.wait_for(supervisor, lambda: stage.daemon("inbox").heartbeat_at is not None, tick=0.5)
    stage.ask("restart", "inbox")
    stage.turn_until(supervisor, lambda: stage.daemon("inbox").generation > first.generation, tick=0.05)
    stage.running(supervisor, "inbox")
    stage.wait_for(supervisor, lambda: stage.daemon("inbox").status_text == "start 2", tick=0.1)
    stage.ask("stop", "inbox")
    stage.turn_until_state(supervisor, "inbox", STOPPED)
    assert [(ended.exit_code, ended.reason) for ended in stage.exits("inbox")] == [
        (0, "stop"),
        (0, "restart"),
    ]
    stage.wait_for(supervisor, lambda: printed(stage, "inbox").count("bye") == 2, tick=0.2)
    assert "watching PosixPath /srv/in \\udcff" in printed(stage, "inbox")
    state = Path(stage.home.daemon_state("inbox"), "state.json")
    assert json.loads(state.read_text()) == {"starts": 2}
    assert not stage.processes()


def test_sync_and_async_functions_end_when_they_are_asked_to(stage: DaemonStage) -> None:
    names = ("polite", "cancelled", "raised", "deaf")
    for name in names:
        declare(
            stage,
            name,
            ready=NOTIFY,
            stop_timeout_seconds=0.5,
            args={"name": "y"} if name == "polite" else {},
        )
    supervisor = supervise(stage, "mine")
    for name in names:
        stage.running(supervisor, name)
    stage.ask("stop", *names)
    for name in names:
        stage.turn_until_state(supervisor, name, STOPPED)
    codes = {name: (stage.exits(name)[0].exit_code, stage.exits(name)[0].signal) for name in names}
    assert codes == {
        "polite": (0, None), "cancelled": (0, None), "raised": (0, None), "deaf": (137, "SIGKILL"),
    }  # fmt: skip
    for name, text in (("polite", "stopped y"), ("cancelled", "cleaned"), ("raised", "cleaned")):
        stage.wait_for(supervisor, lambda name=name, text=text: text in printed(stage, name), tick=0.2)  # type: ignore[misc]
        assert "Traceback" not in printed(stage, name)


def test_a_function_that_ends_has_an_exit_code_and_a_readable_traceback(stage: DaemonStage) -> None:
    names = ("returns", "fails", "exits", "yields")
    for name in names:
        declare(stage, name, restart=Restart.NEVER, success_codes=(0, 75))
    supervisor = supervise(stage, "mine")
    for name in names:
        stage.turn_until_state(supervisor, name, EXITED, ERROR)
    codes = {name: stage.exits(name)[0].exit_code for name in names}
    assert codes == {"returns": 0, "fails": 1, "exits": 75, "yields": 1}
    stage.wait_for(supervisor, lambda: "ValueError" in printed(stage, "fails"), tick=0.2)
    told = printed(stage, "fails")
    assert "mine.py" in told
    assert "no such thing: \\ud800" in told
    assert "daemon.py" not in told
    stage.wait_for(supervisor, lambda: "is a generator" in printed(stage, "yields"), tick=0.2)


def test_a_module_that_is_allowed_no_more_is_not_started(stage: DaemonStage) -> None:
    declare(stage, "returns")
    declare(stage, "fails")
    (stage.root / "home" / "mine.py").write_text("import nothing_of_that_name\n")
    supervisor = supervise(stage, "other")
    daemon = stage.turn_until_state(supervisor, "returns", ERROR)
    assert daemon.error is not None
    assert "functions of this module may not be called: 'mine'" in daemon.error
    assert stage.exits("returns")[0].exit_code != 0


def test_an_edit_of_its_arguments_waits_for_the_next_start(stage: DaemonStage) -> None:
    declare(stage, "polite", ready=NOTIFY)
    supervisor = supervise(stage, "mine")
    stage.running(supervisor, "polite")
    stage.edit("polite", call=Call("mine:polite", {"name": "z"}))
    assert stage.daemon("polite").restart_pending
    assert stage.daemon("polite").definition.call == Call("mine:polite", {"name": "z"})
    stage.ask("restart", "polite")
    stage.turn_until(supervisor, lambda: stage.daemon("polite").generation == 2, tick=0.05)
    stage.running(supervisor, "polite")
    assert not stage.daemon("polite").restart_pending


def test_another_life_adopts_it(stage: DaemonStage) -> None:
    declare(stage, "inbox", args={"folder": "/srv"}, ready=NOTIFY)
    first = supervise(stage, "mine")
    pid = stage.running(first, "inbox").pid
    stage.kill(first)
    second = supervise(stage, "mine")
    stage.turn_until(second, lambda: "adopted" in stage.daemon_kinds("inbox"), tick=0.05)
    assert (stage.running(second, "inbox").pid, stage.daemon("inbox").generation) == (pid, 1)
    stage.ask("stop", "inbox")
    stage.turn_until_state(second, "inbox", STOPPED)
    assert stage.exits("inbox")[0].exit_code == 0


COMMAND = """
import sys
sys.path.insert(0, sys.argv[1])
from jobctl import context
context.state["runs"] = context.state.get("runs", 0) + 1
context.ready()
context.status("as a command")
while not context.stopping(wait=0.05):
    context.heartbeat()
print("bye")
"""


def test_a_command_written_in_python_speaks_the_same_way(stage: DaemonStage) -> None:
    stage.path("web.py").write_text(COMMAND)
    root = str(Path(__file__).parents[2])
    stage.declare("web", command=(sys.executable, str(stage.path("web.py")), root), ready=NOTIFY)
    supervisor = stage.supervise()
    stage.running(supervisor, "web")
    stage.wait_for(supervisor, lambda: stage.daemon("web").status_text == "as a command", tick=0.1)
    stage.ask("stop", "web")
    stage.turn_until_state(supervisor, "web", STOPPED)
    assert stage.exits("web")[0].exit_code == 0
    assert json.loads(Path(stage.home.daemon_state("web"), "state.json").read_text()) == {"runs": 1}


def test_the_file_declares_functions_that_it_allows(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    home = tmp_path / "home"
    home.mkdir(mode=0o700)
    call = Calls(str(home), capsys, monkeypatch)
    (home / "mine.py").write_text(MODULE)

    def applied(daemon: str, modules: str = "mine") -> str:
        text = f"settings: {{modules: [{modules}]}}\ndaemons: {{inbox: {daemon}}}\n"
        (home / "jobctl.yaml").write_text(text)
        done = call("reload")
        assert done.code == (2 if done.err.startswith("jobctl: error") else 0)
        return done.out + done.err

    good = "{call: 'mine:inbox', args: {folder: /srv, every: 2}}"
    assert "functions of this module may not be called: 'mine'" in applied(good, "json")
    assert "unknown argument of mine:inbox: 'fodler'" in applied("{call: 'mine:inbox', args: {fodler: x}}")
    assert "daemon inbox: added" in applied(good)
    shown = call("daemon", "show", "inbox", "--json").document
    assert shown["call"] == {"function": "mine:inbox", "args": {"folder": "/srv", "every": 2}}
    assert shown["definition"]["cwd"] == str(home)
    changed = applied("{call: 'mine:inbox', args: {folder: /srv}}")
    assert 'call mine:inbox {"every":2,"folder":"/srv"} → mine:inbox {"folder":"/srv"}' in changed
