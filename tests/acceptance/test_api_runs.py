"""Programs that run work: with a supervisor of their own, without one, by patterns, and in an event loop."""

from __future__ import annotations

import asyncio
import subprocess
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from jobctl import TaskOrchestrator, TaskPattern, api
from jobctl.api import AsyncClient, Client, JobStatus, SupervisorProcess
from jobctl.errors import (
    BadInputError,
    JobctlError,
    NotFoundError,
    StateConflictError,
    SupervisorDownError,
    WaitTimeoutError,
)
from tests.support.supervisors import Site
from tests.support.waiting import wait_until

SCRIPT = """
import os, sys, time
with open(os.environ["JOBCTL_PROGRESS"], "a") as progress:
    progress.write("1/1 all\\n")
with open(os.environ["JOBCTL_RESULT"], "w") as result:
    result.write('{"args": ' + str(len(sys.argv) - 1) + '}')
print("out", *sys.argv[1:])
print("err", file=sys.stderr)
while os.path.exists("gate"):
    sys.stdout.flush()
    time.sleep(0.01)
sys.exit(3 if "fail" in sys.argv else 0)
"""


@pytest.fixture
def client(site: Site, monkeypatch: pytest.MonkeyPatch) -> Iterator[Client]:
    """A client of the site's home, beside whose root is a script."""
    monkeypatch.setenv("JOBCTL_HOME", site.home.path)
    monkeypatch.chdir(site.root)
    (site.root / "script.py").write_text(SCRIPT)
    with Client() as found:
        yield found


@pytest.fixture(scope="module")
def shared(tmp_path_factory: pytest.TempPathFactory) -> Iterator[tuple[Site, SupervisorProcess]]:
    """A supervisor that several tests use; beside its home is a script, and in it a module that it may call."""
    site = Site(tmp_path_factory.mktemp("shared"))
    (site.root / "script.py").write_text(SCRIPT)
    Path(site.home.path, "jobctl.yaml").write_text("settings: {modules: [own_reports], max_workers: 1}\n")
    Path(site.home.path, "own_reports.py").write_text("def build(days: int) -> int:\n    return days + 1\n")
    with api.supervisor(home=site.home.path, concurrency=4) as running:
        yield site, running
    site.close()


@pytest.fixture
def supervised(
    shared: tuple[Site, SupervisorProcess], monkeypatch: pytest.MonkeyPatch
) -> Iterator[tuple[Client, Site]]:
    """A client of the home that is supervised."""
    site, _ = shared
    monkeypatch.setenv("JOBCTL_HOME", site.home.path)
    monkeypatch.chdir(site.root)
    with Client() as found:
        yield found, site


def test_a_supervisor_for_a_block_runs_what_is_submitted_and_drains(client: Client) -> None:
    with api.supervisor(until_idle=True, concurrency=1) as running:
        assert client.supervisor_runs()
        late = client.submit(["true"])
        pid = running.pid
    assert late.refresh().completed, "until_idle: what was queued at the end of the block has run"
    assert not client.supervisor_runs()
    assert not Path(f"/proc/{pid}").exists()
    with pytest.raises(SupervisorDownError):
        _ = running.pid


def test_listeners_and_waits_see_what_a_supervisor_does(supervised: tuple[Client, Site]) -> None:
    client, _ = supervised
    listened: list[int] = []
    with client.listen(on_completed=lambda job, _: listened.append(job.id)):
        jobs = [client.submit(["echo", str(number)]) for number in range(3)]
        assert [job.status for job in client.wait(jobs, timeout="60s")] == [JobStatus.COMPLETED] * 3
    assert sorted(listened) == [job.id for job in jobs]
    assert client.wait(jobs, any=True)[0] in client.list()


def test_functions_and_scripts_run_in_a_warm_worker(supervised: tuple[Client, Site]) -> None:
    client, site = supervised
    assert client.submit(call="own_reports:build", args={"days": 7}).result(timeout=60) == 8
    (site.root / "where.py").write_text(
        "import os, sys\nfrom jobctl import context\ncontext.result([os.getcwd(), *sys.argv[1:]])\nprint('hi')\n"
    )
    pooled = TaskOrchestrator(client).execute("where.py", ["a b"], high_frequency=True)
    assert (pooled.pattern, pooled.exit_code, pooled.stdout) == (TaskPattern.POOLED, 0, "hi\n")
    assert pooled.value == [str(site.root), "a b"]
    (site.root / "bad.py").write_text("raise ValueError('no good')\n")
    failed = TaskOrchestrator(client).execute("bad.py", high_frequency=True)
    assert (failed.exit_code, failed.stderr.splitlines()[-1]) == (1, "ValueError: no good")
    assert 'bad.py", line 1' in failed.stderr


def test_an_exception_in_the_block_stops_what_runs(client: Client, site: Site) -> None:
    job = client.submit(["sleep", "1000"])

    def fail_while_it_runs() -> None:
        with api.supervisor():
            wait_until(lambda: job.refresh().status is JobStatus.RUNNING)
            raise ZeroDivisionError

    with pytest.raises(ZeroDivisionError):
        fail_while_it_runs()
    assert not client.supervisor_runs()
    assert job.refresh().status is JobStatus.QUEUED
    assert not site.processes()


def test_until_idle_alone_tells_whether_a_job_failed(client: Client) -> None:
    completed, failed = client.submit(["true"]), client.submit(shell="exit 3")
    assert not api.run_until_idle()
    assert (completed.refresh().exit_code, failed.refresh().exit_code) == (0, 3)


def in_place_of_up(monkeypatch: pytest.MonkeyPatch, *command: str) -> list[int]:
    """What the next supervisor of a program is; returns its pid, once it was started."""
    pids: list[int] = []
    spawn = subprocess.Popen

    def start(_: object, **streams: Any) -> subprocess.Popen[bytes]:
        made = spawn(command, **streams)
        pids.append(made.pid)
        return made

    monkeypatch.setattr(subprocess, "Popen", start)
    return pids


def test_until_idle_gives_up_in_time(client: Client, monkeypatch: pytest.MonkeyPatch) -> None:
    client.submit(["true"], hold=True)
    pids = in_place_of_up(monkeypatch, "sleep", "1000")
    with pytest.raises(WaitTimeoutError):
        api.run_until_idle(timeout=0.05)
    assert not Path(f"/proc/{pids[0]}").exists()


@pytest.mark.parametrize(("exit_code", "kind"), [(2, BadInputError), (4, StateConflictError)])
def test_a_supervisor_that_cannot_start_is_told_with_its_error(
    client: Client, monkeypatch: pytest.MonkeyPatch, exit_code: int, kind: type[JobctlError]
) -> None:
    said = "jobctl: error: it is wrong: '3'; make it right [E_WRONG]"
    in_place_of_up(monkeypatch, "sh", "-c", f'echo "{said}" >&2; exit {exit_code}')
    with pytest.raises(kind, match="it is wrong") as refused, api.supervisor():
        pytest.fail("it started")
    assert refused.value.code == "E_WRONG"


def test_a_run_without_a_supervisor_is_run_by_itself(client: Client) -> None:
    waiting = client.submit(["true"], name="other")
    child = subprocess.Popen(["sh", "-c", "exit 5"])
    simple = TaskOrchestrator(client).execute("script.py", ["a b", "fail"])
    assert (simple.pattern, simple.exit_code, simple.stdout, simple.stderr) == (
        TaskPattern.SIMPLE, 3, "out a b fail\n", "err\n",
    )  # fmt: skip
    assert simple.reasons == ("it is short and its result is wanted: run it and wait",)
    assert simple.finished is not None
    assert (simple.finished.ok, simple.finished.as_json()["stdout"]) == (False, "out a b fail\n")
    assert waiting.refresh().status is JobStatus.QUEUED, "nothing else is run"
    with pytest.raises(NotFoundError):
        client.run(["true"], queue="nonsense")
    with pytest.raises(BadInputError):
        client.run(["true"], timeout="x")
    with pytest.raises(NotFoundError):
        client.run(definition="nonsense")
    assert child.wait(60) == 5, "what is not a job's is left alone"


def test_an_error_in_a_callback_ends_the_job(client: Client, site: Site) -> None:
    def fail(line: str, stream: str) -> None:
        raise RuntimeError(f"{stream} {line}")

    with pytest.raises(RuntimeError, match="stdout up"):
        client.run(shell="echo up; exec sleep 1000", on_line=fail)
    assert client.job("last").status is JobStatus.CANCELLED
    assert not site.processes()


def test_long_running_scripts_tell_of_their_lines_and_progress(supervised: tuple[Client, Site]) -> None:
    client, _ = supervised
    lines: list[tuple[str, str]] = []
    seen: list[float | None] = []
    streamed = TaskOrchestrator(client).execute(
        Path("script.py"),
        on_line=lambda line, stream: lines.append((stream, line)),
        on_progress=lambda job: seen.append(job.percent),
    )
    assert (streamed.pattern, streamed.ok) == (TaskPattern.LONG_RUNNING, True)
    assert sorted(lines) == [("stderr", "err"), ("stdout", "out")]
    assert seen[-1] == 100.0
    assert streamed.value == {"args": 0}
    together = client.run(shell="echo out; echo err >&2", split_output=False)
    assert (together.stdout, together.stderr) == ("out\nerr\n", "")


async def in_an_event_loop(client: Client) -> None:
    """What an event loop does with jobs."""
    async with AsyncClient(client.home) as own:
        first, second = await asyncio.gather(
            own.submit(["sh", "-c", "echo a; echo b"]), own.submit(shell='echo 7 > "$JOBCTL_RESULT"')
        )
        lines = [line async for line in own.logs(first)]
        kinds = [event.kind async for event in own.follow(job=first.id)]
        jobs, result = await asyncio.gather(own.wait([first, second], timeout=60), own.result(second))
        with pytest.raises(WaitTimeoutError):
            await own.wait(await own.submit(["true"], hold=True), timeout=0.05)
        with pytest.raises(NotFoundError):
            await own.job(99)
        assert (lines, kinds[-1], len(jobs), result) == (["a", "b"], "job.completed", 2, 7)
        assert await own.call(own.sync.counts) == client.counts()


def test_many_scripts_at_once_need_a_supervisor(client: Client) -> None:
    with pytest.raises(SupervisorDownError):
        TaskOrchestrator(client).execute("script.py", arg_lists=[["1"], ["2"]])
    assert client.list() == [], "nothing was stored"


def test_forgotten_periodic_and_concurrent_scripts(supervised: tuple[Client, Site]) -> None:
    client, _ = supervised
    orchestrator = TaskOrchestrator(client)
    fired = orchestrator.execute("script.py", ["x"], needs_result=False, attempts=2)
    assert fired.pattern is TaskPattern.FIRE_AND_FORGET
    assert fired.job is not None
    periodic = orchestrator.execute("script.py", interval="5m", enabled=False, name="every5", attempts=3)
    assert periodic.pattern is TaskPattern.PERIODIC
    assert periodic.schedule is not None
    assert (periodic.schedule.enabled, periodic.schedule.enable().enabled) == (False, True)
    many = orchestrator.execute(
        "script.py", ["same"], arg_lists=[["1"], ["fail"], ["3"]], max_parallel=2, tags=["t"]
    )
    assert many.pattern is TaskPattern.CONCURRENT
    assert many.batch is not None
    assert (many.exit_code, many.batch.record.completed, many.batch.record.max_parallel) == (1, 2, 2)
    assert fired.job.wait(timeout=60).completed
    run = periodic.schedule.run().wait(timeout=60)
    assert run.name == "every5"
    assert [item.command[1:] for item in client.batches.items(many.batch)][1][1:] == ("same", "fail")


def test_an_event_loop_has_the_same(supervised: tuple[Client, Site]) -> None:
    asyncio.run(in_an_event_loop(supervised[0]))


def test_what_does_not_go_with_a_pattern_is_refused(client: Client, site: Site) -> None:
    orchestrator = TaskOrchestrator(client)
    (site.root / "plain").write_text("true")
    with pytest.raises(NotFoundError, match="no such script"):
        orchestrator.execute("nonsense.py")
    with pytest.raises(BadInputError, match="not executable"):
        orchestrator.execute("plain")
    with pytest.raises(BadInputError, match="unknown pattern"):
        orchestrator.execute("script.py", pattern="quick")
    with pytest.raises(BadInputError, match="interval does not go with"):
        orchestrator.execute("script.py", pattern=TaskPattern.SIMPLE, interval=5)
    with pytest.raises(BadInputError, match="no interval"):
        orchestrator.execute("script.py", pattern=TaskPattern.PERIODIC)
    with pytest.raises(BadInputError, match="nothing to run at once"):
        orchestrator.execute("script.py", pattern=TaskPattern.CONCURRENT)
    with pytest.raises(BadInputError, match="arg_lists is empty"):
        orchestrator.execute("script.py", arg_lists=[], pattern=TaskPattern.CONCURRENT)
    with pytest.raises(BadInputError, match="args is one text"):
        orchestrator.execute("script.py", "abc")
    with pytest.raises(BadInputError):
        orchestrator.execute("script.py", expected_duration_seconds=-1)
    assert client.list() == []


def test_cancelling_an_execution_cancels_its_job(supervised: tuple[Client, Site]) -> None:
    client, site = supervised
    (site.root / "gate").touch()

    async def work() -> None:
        started = asyncio.Event()
        orchestrator = TaskOrchestrator(client)
        task = asyncio.create_task(
            orchestrator.aexecute("script.py", on_line=lambda line, stream: started.set())
        )
        await asyncio.wait_for(started.wait(), 60)
        task.cancel()
        with pytest.raises(asyncio.CancelledError):
            await task

    asyncio.run(work())
    assert client.job("last").status is JobStatus.CANCELLED
