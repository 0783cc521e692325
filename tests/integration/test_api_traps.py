"""What programs do to the API that people at a terminal never do: threads, late cancels, None, loops, objects."""

from __future__ import annotations

import asyncio
import builtins
import functools
import importlib
import inspect
import json
import os
import signal
import sys
import threading
from collections.abc import AsyncIterator, Iterator
from pathlib import Path
from typing import Any, cast

import pytest

from jobctl import PatternAdvisor, TaskOrchestrator, TaskPattern, api
from jobctl.api import AsyncClient, Client
from jobctl.api.runs import Finished, finished
from jobctl.errors import BadInputError, NotFoundError, StateConflictError
from jobctl.executors.logs import LogFollower
from jobctl.model.states import JobId
from jobctl.pytest_plugin import JobctlHome
from tests.support.calls import Calls
from tests.support.supervisors import Stage
from tests.support.waiting import wait_until


@pytest.fixture
def client(stage: Stage, monkeypatch: pytest.MonkeyPatch) -> Iterator[Client]:
    """A client of the stage's home, beside which is a script."""
    monkeypatch.setenv("JOBCTL_HOME", stage.home.path)
    monkeypatch.chdir(stage.root)
    (stage.root / "script.py").write_text("print('here')\n")
    with Client(stage.home.path) as found:
        yield found


class TooLate:
    """Set once the job has ended: between the last look at it and the cancel."""

    def __init__(self, stage: Stage, job_id: int) -> None:
        self._stage, self._job_id = stage, JobId(job_id)

    def is_set(self) -> bool:
        """Whether it is; it always is, but not soon."""
        self._stage.turn_until(self._stage.supervise(), lambda: self._stage.status(self._job_id).is_terminal)
        return True


def test_what_a_callback_starts_may_be_signalled(client: Client) -> None:
    masks: list[set[int]] = []
    before = signal.pthread_sigmask(signal.SIG_BLOCK, ())
    with client.listen(
        on_status_changed=lambda job, event: masks.append(
            {int(one) for one in signal.pthread_sigmask(signal.SIG_BLOCK, ())}
        )
    ):
        client.submit(["true"], hold=True)
        wait_until(lambda: bool(masks))
    assert masks == [{int(one) for one in before}]


def test_a_cancel_that_comes_after_the_end_changes_nothing(client: Client, stage: Stage) -> None:
    batch = client.batches.submit(["true"], ["1", "2"])
    assert client.await_end(batch.id, TooLate(stage, batch.id)).completed


def test_a_cancel_ends_what_is_waited_for(client: Client, stage: Stage) -> None:
    job = client.submit(["true"], hold=True)
    cancel = threading.Event()
    cancel.set()
    ended = client.await_end(job.id, cancel)
    assert ended.status.value == "cancelled"
    assert client.events_of(job)[-1].data["reason"] == "the program that waited for it was interrupted"


def test_a_script_in_a_warm_worker_stands_where_the_caller_does(
    client: Client, stage: Stage, monkeypatch: pytest.MonkeyPatch
) -> None:
    orchestrator = TaskOrchestrator(client)
    asked: list[dict[str, Any]] = []

    def run(**options: Any) -> Finished:
        asked.append(options)
        return finished(client.submit(["true"], hold=True))

    monkeypatch.setattr(client, "run", run)
    orchestrator.execute("script.py", pattern="pooled")
    orchestrator.execute("script.py", pattern="pooled", cwd="/")
    assert [one["cwd"] for one in asked] == [str(stage.root), "/"]
    (stage.root / "script.sh").write_text("true")
    with pytest.raises(BadInputError) as refused:
        orchestrator.execute("script.sh", pattern="pooled")
    assert refused.value.code == "E_SCRIPT"


def test_a_fixture_leaves_no_descriptor_open(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    tmp_path.chmod(0o700)
    path = tmp_path / "jobctl_home"
    monkeypatch.setenv("JOBCTL_HOME", str(path))
    home = JobctlHome(path)
    assert api.submit(["true"]).id == home.client.job("last").id
    home.close()
    assert [link for link in _open_files() if link.startswith(str(path))] == []
    assert api.default_client() is not home.client


async def _next(lines: AsyncIterator[str]) -> str:
    return await anext(lines)


def _open_files() -> list[str]:
    links = []
    for number in os.listdir("/proc/self/fd"):
        try:
            links.append(os.readlink(f"/proc/self/fd/{number}"))
        except FileNotFoundError:  # the listing's own
            continue
    return links


class _WithId:
    id = 7


def test_only_jobs_stand_for_their_ids_and_only_where_jobs_are_meant(client: Client) -> None:
    job = client.submit(["true"])
    batch = client.batches.submit(["true"], ["1"])
    after = client.submit(["true"], after=[job, batch], after_any=job)
    assert (
        after.as_json()["after"]
        == client.submit(["true"], after=[job.id, batch.id], after_any=job.id).as_json()["after"]
    )
    for meant in ({"user": job}, {"user": _WithId()}):
        with pytest.raises(BadInputError):
            client.submit(["true"], meta=meant)
    with pytest.raises(BadInputError):
        client.job(_WithId())  # type: ignore[arg-type]


def test_an_event_loop_reads_nothing_itself(
    client: Client, stage: Stage, monkeypatch: pytest.MonkeyPatch
) -> None:
    job = client.submit(["sh", "-c", "seq 3000"])
    stage.turn_until(stage.supervise(), lambda: stage.status(JobId(job.id)).is_terminal)
    readers: set[int] = set()
    read = LogFollower.read

    def noted(self: LogFollower) -> Any:
        readers.add(threading.get_ident())
        return read(self)

    monkeypatch.setattr(LogFollower, "read", noted)

    async def lines() -> list[str]:
        async with AsyncClient(client.home) as own:
            assert [event.kind async for event in own.follow(job=job.id)][-1] == "job.completed"
            return [line async for line in own.logs(job.id)]

    assert asyncio.run(lines()) == [str(number) for number in range(1, 3001)]
    assert readers
    assert threading.get_ident() not in readers


def test_leaving_a_log_in_an_event_loop_closes_its_connection(client: Client, stage: Stage) -> None:
    job = client.submit(["true"])

    async def left() -> None:
        async with AsyncClient(client.home) as own:
            lines = own.logs(job.id)
            waiting = asyncio.create_task(_next(lines))
            await asyncio.sleep(0)
            waiting.cancel()
            with pytest.raises(asyncio.CancelledError):
                await waiting

    asyncio.run(left())  # SQLite keeps a descriptor of a file that others have open, for the next connection
    before = sum(link.startswith(stage.home.path) for link in _open_files())
    for _ in range(3):
        asyncio.run(left())
    assert sum(link.startswith(stage.home.path) for link in _open_files()) == before


def test_waiting_in_an_event_loop_makes_no_store(tmp_path: Path) -> None:
    tmp_path.chmod(0o700)

    async def wait() -> None:
        async with AsyncClient(tmp_path / "none") as own:
            for asked in (own.wait(1), own.logs(1).__anext__(), own.follow(job=1).__anext__()):
                with pytest.raises(NotFoundError) as missing:
                    await asked
                assert missing.value.code == "E_NO_STORE"

    asyncio.run(wait())
    with Client(tmp_path / "none") as own, pytest.raises(NotFoundError):
        next(own.follow(job=1))
    assert not (tmp_path / "none").exists()


def test_options_that_are_none_were_not_given(client: Client) -> None:
    orchestrator = TaskOrchestrator(client)
    nothing = dict.fromkeys(
        ("on_line", "on_progress", "interval", "arg_lists", "needs_result", "high_frequency")
    )
    assert orchestrator.choose(nothing).pattern is TaskPattern.SIMPLE
    unsaid: dict[str, Any] = dict.fromkeys(("on_line", "interval", "timeout", "name"))
    run = orchestrator.execute("script.py", pattern="fire_and_forget", **unsaid)
    assert run.job is not None
    assert run.job.name == "script"


@pytest.mark.parametrize(
    ("pattern", "options"),
    [
        ("fire_and_forget", {"on_progress": print}),
        ("fire_and_forget", {"cancel": threading.Event()}),
        ("periodic", {"interval": 60, "on_start": print}),
        ("periodic", {"interval": 60, "on_progress": print}),
        ("periodic", {"interval": 60, "cancel": threading.Event()}),
        ("concurrent", {"arg_lists": [["1"]], "needs_result": False, "cancel": threading.Event()}),
        ("concurrent", {"arg_lists": [["1"]], "needs_result": False, "on_progress": print}),
    ],
)
def test_what_a_pattern_would_ignore_is_refused(
    client: Client, pattern: str, options: dict[str, Any]
) -> None:
    with pytest.raises(BadInputError) as refused:
        TaskOrchestrator(client).execute("script.py", pattern=pattern, **options)
    assert refused.value.code == "E_PATTERN"
    assert (client.list(), client.schedules.list()) == ([], [])


def test_an_event_loop_forgets_tasks_too(client: Client) -> None:
    run = asyncio.run(TaskOrchestrator(client).aexecute("script.py", needs_result=False))
    assert run.pattern is TaskPattern.FIRE_AND_FORGET


@pytest.mark.parametrize(
    "wrong",
    [
        {"expected_duration_seconds": "30"},
        {"expected_duration_seconds": True},
        {"expected_duration_seconds": 10**400},
        {"concurrent_tasks": "4"},
        {"concurrent_tasks": 2.5},
        {"concurrent_tasks": None},
        {"needs_result": "no"},
        {"recurring": 1},
    ],
)
def test_advice_on_what_is_no_number_is_refused(wrong: dict[str, Any]) -> None:
    with pytest.raises(BadInputError) as refused:
        PatternAdvisor().recommend(**wrong)
    assert refused.value.code == "E_ADVICE"


def test_functions_of_the_module_have_the_signatures_that_callers_see() -> None:
    assert next(iter(inspect.signature(api.submit).parameters)) == "command"
    assert "self" not in inspect.signature(api.wait).parameters
    assert (api.submit.__module__, api.submit.__qualname__) == ("jobctl.api", "submit")
    names: dict[str, object] = {}
    exec("from jobctl.api import *", names)
    assert names.get("list", builtins.list) is builtins.list
    assert names["submit"] is api.submit


def test_a_supervisor_is_started_once(client: Client, monkeypatch: pytest.MonkeyPatch) -> None:
    found = api.supervisor()

    class Started:
        pid = 7

    monkeypatch.setattr(found, "_process", Started())
    monkeypatch.setattr("subprocess.Popen", lambda *_, **__: pytest.fail("a second one"))
    for start in (found.start, found.run_until_idle):
        with pytest.raises(StateConflictError, match="7"):
            start()


MODULE = """
def build(days: int, title: str = "x") -> dict:
    return {"days": days}

def watch(folder: str) -> None:
    pass
"""


@pytest.fixture
def reports(stage: Stage, monkeypatch: pytest.MonkeyPatch) -> Any:
    """A module of the user's, which ``jobctl.yaml`` allows."""
    (stage.root / "home" / "jobctl.yaml").write_text("settings: {modules: [api_reports]}\n")
    (stage.root / "home" / "api_reports.py").write_text(MODULE)
    monkeypatch.syspath_prepend(str(stage.root / "home"))
    monkeypatch.delitem(sys.modules, "api_reports", raising=False)
    yield importlib.import_module("api_reports")
    sys.modules.pop("api_reports", None)


def test_functions_of_the_user_are_checked_as_on_the_command_line(client: Client, reports: Any) -> None:
    job = client.submit(call=reports.build, args={"days": 7})
    assert job.as_json()["call"] == {"function": "api_reports:build", "args": {"days": 7}}
    daemon = client.daemons.add("inbox", call=reports.watch, args={"folder": "/srv"})
    assert daemon.record.definition.cwd == client.home
    for wrong, code in (
        ({"call": "os.path:join"}, "E_MODULE"),
        ({"call": "api_reports:nonsense"}, "E_FUNCTION"),
        ({"call": reports.watch, "args": {"folder": 3}}, "E_ARGUMENT"),
    ):
        told: list[str] = []
        for add in (client.submit, functools.partial(client.daemons.add, "other")):
            with pytest.raises(BadInputError) as refused:
                add(**wrong)
            told.append(refused.value.code)
        assert told == [code, code]
    with pytest.raises(BadInputError):
        client.daemons.edit("inbox", args={"folders": "/srv"})
    assert client.daemons.edit("inbox", args={"folder": "/tmp"}).record.definition.call is not None
    assert [one.name for one in client.daemons.list()] == ["inbox"]


def test_a_home_is_asked_how_it_stands_and_told_to_read_its_file(
    client: Client, stage: Stage, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    with pytest.raises(NotFoundError):
        api.reload()
    (stage.root / "home" / "jobctl.yaml").write_text(
        "queues: {gpu: {concurrency: 1}}\njobs: {report: {command: [date]}}\n"
    )
    found = api.reload()
    assert {change["name"] for change in cast("list[dict[str, object]]", found["changes"])} == {
        "gpu",
        "report",
    }
    jobctl = Calls(client.home, capsys, monkeypatch)
    assert {**found, "changes": []} == json.loads(jobctl("reload", "--json").out)
    assert api.catalog() == json.loads(jobctl("catalog", "--json").out)["definitions"]
    assert api.status() == json.loads(jobctl("status", "--json").out)
    with Client(stage.root / "none") as nothing:
        assert cast("dict[str, object]", nothing.status()["supervisor"])["state"] == "down"
