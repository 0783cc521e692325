"""Queues, batches, schedules, daemons and workflows through the API; documents are those that the verbs print."""

from __future__ import annotations

import json
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest

from jobctl.api import Client, WorkflowBuilder
from jobctl.errors import BadFileError, BadInputError, NotFoundError, StateConflictError, WaitTimeoutError
from jobctl.model.states import JobId
from jobctl.supervisor.supervisor import Supervisor
from tests.support.calls import Calls
from tests.support.supervisors import Stage


@pytest.fixture
def client(stage: Stage, monkeypatch: pytest.MonkeyPatch) -> Iterator[Client]:
    """A client of the stage's home."""
    monkeypatch.chdir(stage.root)
    with Client(stage.home.path) as found:
        yield found


@pytest.fixture
def jobctl(stage: Stage, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch) -> Calls:
    """The command line about the same home."""
    return Calls(stage.home.path, capsys, monkeypatch)


def until_ended(stage: Stage, job_id: int, supervisor: Supervisor | None = None) -> None:
    """A supervisor has brought the job to its end."""
    stage.turn_until(supervisor or stage.supervise(), lambda: stage.status(JobId(job_id)).is_terminal)


def printed(call: Calls, *words: str) -> Any:
    """What a verb prints with ``--json``."""
    said = call(*words, "--json")
    assert said.code == 0, said.err
    return json.loads(said.out)


def test_queues(client: Client, jobctl: Calls) -> None:
    added = client.queues.add("gpu", concurrency=1, rate="10/min")
    assert (added.name, added.concurrency, added.rate) == ("gpu", 1, "10/min")
    assert client.queues.set("gpu", concurrency=2, rate="none").rate is None
    assert client.queues.pause("gpu").paused
    assert client.queues.drain("gpu").draining
    with pytest.raises(StateConflictError, match="draining"):
        client.submit(["true"], queue="gpu")
    assert [queue.as_json() for queue in client.queues.list()] == printed(jobctl, "queue", "list")["queues"]
    assert not client.queues.resume("gpu").paused
    client.queues.remove("gpu")
    with pytest.raises(NotFoundError, match="did you mean"):
        client.queues.get("defualt")
    with pytest.raises(BadInputError, match="nothing to change"):
        client.queues.set("default")
    with pytest.raises(StateConflictError):
        client.queues.add("default")


def test_batches(client: Client, stage: Stage, jobctl: Calls) -> None:
    batch = client.batches.submit(["sh", "-c", "exit {}"], ["0", "3", "0"], max_parallel=2, name="codes")
    assert (batch.total, batch.ended, batch.record.max_parallel) == (3, False, 2)
    until_ended(stage, batch.id)
    batch = client.batches.get(batch)
    assert batch.ended
    assert [item.exit_code for item in batch.failed] == [3]
    assert batch.as_json() == printed(jobctl, "batch", "show", str(batch.id))
    assert [job.exit_code for job in client.batches.items(batch)] == [0, 3, 0]
    assert [one.id for one in client.batches.list()] == [batch.id]
    assert client.batches.retry(batch) == 1
    with pytest.raises(BadInputError, match="max parallel must be"):
        client.batches.submit(["true"], ["a"], max_parallel=0)
    with pytest.raises(NotFoundError):
        client.batches.get(client.submit(["true"]))


def test_batches_of_whole_commands(client: Client, stage: Stage) -> None:
    batch = client.batches.submit_commands([["echo", "{}", "a b"], ["true"]], name="words", tags=["t"])
    until_ended(stage, batch.id)
    first, second = client.batches.items(batch)
    assert (first.command, second.command) == (("echo", "{}", "a b"), ("true",))
    assert list(first.logs()) == ["{} a b"]
    assert (first.name, first.tags, batch.job.name) == ("words:item", ("t",), "words")
    for commands in ([], [["true"], []], [["true"], ["a\0b"]]):
        with pytest.raises(BadInputError):
            client.batches.submit_commands(commands)


def test_schedules_by_type_and_user(client: Client, jobctl: Calls) -> None:
    client.schedules.add("nightly", ["true"], daily="02:30", tz="UTC", type="backup", user="ana", attempts=3)
    client.schedules.add("poll", shell="true", every=timedelta(seconds=90), overlap="skip", type="poll")
    assert [one.name for one in client.schedules.list(type="backup")] == ["nightly"]
    assert [one.name for one in client.schedules.list(user="ana")] == ["nightly"]
    assert {one.name for one in client.schedules.list()} == {"nightly", "poll"}
    nightly = client.schedules.get("nightly")
    assert (nightly.kind, nightly.expression, nightly.enabled) == ("daily", "02:30", True)
    assert nightly.as_json() == printed(jobctl, "schedule", "show", "nightly")
    assert nightly.disable().enabled is False
    assert nightly.enable().enabled
    assert client.schedules.edit("nightly", daily="03:15").expression == "03:15"
    assert client.schedules.edit("nightly", timeout="5m").as_json()["job"] == {
        "command": ["true"], "attempts": "3", "timeout": "5m", "type": "backup", "user": "ana",
    }  # fmt: skip
    with pytest.raises(StateConflictError):
        client.schedules.add("poll", ["true"], every="5m")
    with pytest.raises(BadInputError, match="never"):
        client.schedules.add("never", ["true"], cron="0 0 31 2 *")
    with pytest.raises(BadInputError, match="a schedule has no option"):
        client.schedules.add("held", ["true"], every="5m", hold=True)
    client.schedules.remove("poll")
    with pytest.raises(NotFoundError):
        client.schedules.get("poll")


def test_runs_and_instants_of_schedules(client: Client, stage: Stage, jobctl: Calls) -> None:
    client.schedules.add("poll", ["true"], every="90s", name="polling")
    job = client.schedules.run("poll")
    assert job.name == "polling"
    with pytest.raises(StateConflictError, match="has not ended"):
        client.schedules.run("poll")
    until_ended(stage, job.id)
    assert client.schedules.get("poll").last_status == "completed"
    [fire] = client.schedules.history("poll", limit=1)
    assert (fire.outcome, fire.job_id) == ("fired", job.id)
    assert [one.as_json() for one in client.schedules.history("poll")] == printed(
        jobctl, "schedule", "history", "poll"
    )["fires"]
    first, second = client.schedules.next("poll", count=2)
    assert second - first == timedelta(seconds=90)
    after = datetime(2027, 3, 13, tzinfo=UTC)
    found = client.schedules.preview(cron="30 2 * * *", tz="UTC", after=after, count=2)
    assert found == [after.replace(hour=2, minute=30), after.replace(day=14, hour=2, minute=30)]
    assert client.schedules.why("poll")
    with pytest.raises(BadInputError, match="bad count"):
        client.schedules.next("poll", count=0)


def test_daemons_are_declared_started_and_stopped(client: Client, stage: Stage, jobctl: Calls) -> None:
    daemon = client.daemons.add("web", ["sh", "-c", "echo listening; exec sleep 1000"], ready="log:listening")
    assert (daemon.wanted, daemon.state.value) == ("down", "stopped")
    assert client.daemons.edit("web", env={"A": "1"}, backoff=2.5).record.definition.backoff_seconds == 2.5
    assert client.daemons.start("web").wanted == "up", "without a supervisor it is not waited for"
    supervisor = stage.supervise()
    stage.turn_until(supervisor, lambda: client.daemons.get("web").state.value == "running", tick=0.05)
    assert client.daemons.wait("web").pid is not None
    assert client.daemons.logs("web") == ["listening"]
    listed = printed(jobctl, "daemon", "list")["daemons"]
    assert [one["name"] for one in listed] == [one.name for one in client.daemons.list()]
    assert client.daemons.get("web").as_json().keys() == listed[0].keys()
    with pytest.raises(WaitTimeoutError):
        client.daemons.wait("web", "stopped", timeout=0)
    assert client.daemons.stop("web", wait=False).wanted == "down"
    stage.turn_until(supervisor, lambda: client.daemons.get("web").state.value == "stopped", tick=0.05)
    assert client.daemons.check()
    assert client.daemons.jobs("web") == []
    client.daemons.remove("web")
    with pytest.raises(NotFoundError):
        client.daemons.start("web")


def test_daemons_that_cannot_be_are_refused(client: Client) -> None:
    with pytest.raises(BadInputError, match="did you mean watchdog"):
        client.daemons.add("a", ["true"], watchdogs=3)  # type: ignore[call-arg]
    with pytest.raises(BadInputError, match="nothing to run"):
        client.daemons.add("a")
    with pytest.raises(BadInputError, match="more than one"):
        client.daemons.add("a", ["true"], shell="true")
    with pytest.raises(NotFoundError, match="no such daemon"):
        client.daemons.add("a", ["true"], depends_on=["b"])
    client.daemons.add("a", ["true"])
    with pytest.raises(BadInputError, match="unknown state"):
        client.daemons.wait("a", "happy")
    with pytest.raises(BadInputError, match="nothing to change"):
        client.daemons.edit("a")


def flow() -> WorkflowBuilder:
    """Two steps, the second after the first; what the first prints depends on a parameter."""
    built = WorkflowBuilder("nightly", max_parallel=2)
    mode = built.param("mode", choices=["full", "half"], default="half")
    scan = built.step(
        "scan", run=["sh", "-c", 'echo mode=$0 >> "$JOBCTL_OUTPUT"', mode], outputs={"mode": "string"}
    )
    built.step("load", run=["true"], needs=scan, when="steps.scan.outputs.mode == 'full'")
    return built


def test_a_workflow_built_in_python_runs(client: Client, stage: Stage, jobctl: Calls) -> None:
    run = client.workflows.run(flow(), {"mode": "full"}, tags=["t"])
    assert (run.name, run.ended, set(run.steps)) == ("nightly", False, {"scan", "load"})
    until_ended(stage, run.id)
    run = client.workflows.get(run)
    assert {step: status.value for step, status in run.steps.items()} == {
        "scan": "completed",
        "load": "completed",
    }
    assert run.step("scan").outputs == {"mode": "full"}
    assert run.as_json() == printed(jobctl, "workflow", "show", str(run.id))
    assert [one.id for one in client.workflows.list()] == [run.id]
    assert client.workflows.explain(run, "load")[0].code == "completed"
    assert client.workflows.explain(run)
    with pytest.raises(StateConflictError):
        client.workflows.retry(run)
    plan = client.workflows.retry(run, from_step="load", dry_run=True)
    assert [step.id for step in plan.steps if step.action.value == "reset"] == ["load"]
    with pytest.raises(BadInputError, match="was read from standard input"):
        client.workflows.retry(run, from_step="load", definition="current")
    client.workflows.retry(run, from_step="load", definition=flow())
    assert client.workflows.get(run).status.value == "running"
    assert client.workflows.cancel(run, reason="enough").job.record.cancel_requested_at is not None


def test_workflows_from_files_and_mistakes(client: Client, stage: Stage) -> None:
    (stage.root / "w.yaml").write_text("name: w\nsteps:\n  - id: a\n    approve: really?\n")
    run = client.workflows.run("./w.yaml")
    supervisor = stage.supervise()
    stage.turn_until(supervisor, lambda: client.workflows.get(run).steps["a"].value == "waiting")
    assert client.workflows.approve(run, "a", by="ana").step("a").decided_by == "ana"
    until_ended(stage, run.id, supervisor)
    assert client.workflows.get(run).outcome == "clean"
    with pytest.raises(StateConflictError):
        client.workflows.approve(run, "a")
    wrong = flow()
    wrong.step("c", run=["true"], needs="nonsense")
    with pytest.raises(BadFileError, match="needs an unknown step"):
        client.workflows.run(wrong)
    with pytest.raises(BadInputError) as refused:
        client.workflows.run(flow(), {"mode": "most"})
    assert refused.value.code == "E_PARAMETER"
    with pytest.raises(BadInputError, match="has no option"):
        client.workflows.run(flow(), attempts=3)
    with pytest.raises(NotFoundError):
        client.workflows.run("nonsense")
    assert len(client.workflows.preview(flow(), {"mode": "full"}).steps) == 2
    assert client.workflows.check("./w.yaml").name == "w"
    assert len(client.workflows.list()) == 1
