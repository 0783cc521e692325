"""Paused runs of workflows: nothing of them starts before they go on."""

from __future__ import annotations

from jobctl.actions.jobs import cancel, pause, resume
from jobctl.model.selectors import parse_selector
from jobctl.model.states import JobStatus
from jobctl.supervisor.supervisor import Supervisor
from tests.support.supervisors import Stage
from tests.support.workflows import Watched, add_workflow, bundle

FLOW = """
    timeout: 60
    steps:
      - {id: held, run: "while [ -e gate ]; do sleep 0.01; done"}
      - {id: short, run: "while [ -e short ]; do sleep 0.01; done"}
      - {id: behind, needs: short, run: echo behind >> ledger}
      - {id: queued, run: echo queued >> ledger, queue: closed}
    on_exit: echo bye >> ledger
"""


def running(stage: Stage, text: str = FLOW) -> tuple[Watched, Supervisor]:
    for name in ("gate", "short"):
        (stage.root / name).touch()
    stage.store.queues.add("closed", 0, stage.clock.now_ms())
    made = Watched(stage, add_workflow(stage, text))
    supervisor = stage.supervise()
    stage.turn_until(supervisor, lambda: made.statuses["held"] == made.statuses["short"] == "running")
    return made, supervisor


def settle(stage: Stage, supervisor: Supervisor) -> None:
    """Whatever the supervisor has to do is done."""
    for _ in range(20):
        supervisor.turn()


def test_nothing_starts_before_the_run_goes_on(stage: Stage) -> None:
    made, supervisor = running(stage)
    done = pause(stage.store, parse_selector(str(made.id)), stage.clock)
    assert made.id in [one.id for one in done]
    assert (made.run.status, made.run.reason) == (JobStatus.RUNNING, "paused")
    stage.turn_until(supervisor, lambda: stage.job(made.job("short")).reason == "paused")
    # One of its jobs goes on by itself and ends: what is behind it still waits.
    resume(stage.store, parse_selector(str(made.job("short"))), stage.clock)
    (stage.root / "short").unlink()
    stage.turn_until(supervisor, lambda: made.statuses["short"] == "completed")
    stage.store.queues.set_concurrency("closed", 3, stage.clock.now_ms())
    settle(stage, supervisor)
    assert (made.statuses["behind"], made.statuses["queued"]) == ("ready", "ready")
    assert stage.job(made.job("queued")).reason == "paused"
    assert not (stage.root / "ledger").exists()
    (stage.root / "gate").unlink()
    resume(stage.store, parse_selector(str(made.id)), stage.clock)
    assert made.end(supervisor).status is JobStatus.COMPLETED
    assert sorted((stage.root / "ledger").read_text().split()) == ["behind", "bye", "queued"]
    assert (stage.root / "ledger").read_text().split()[-1] == "bye"


def test_the_time_out_of_a_paused_run_does_not_count(stage: Stage) -> None:
    made, supervisor = running(stage)
    pause(stage.store, parse_selector(str(made.id)), stage.clock)
    stage.clock.advance(1000)
    settle(stage, supervisor)
    assert made.run.phase == "running"
    before = made.run.deadline_at or 0
    resume(stage.store, parse_selector(str(made.id)), stage.clock)
    assert made.run.deadline_at == before + 1_000_000
    stage.clock.advance(61)
    for name in ("gate", "short"):
        (stage.root / name).unlink()
    assert made.end(supervisor).status is JobStatus.TIMEOUT


def test_a_step_that_is_to_be_tried_again_waits_too(stage: Stage) -> None:
    made = Watched(
        stage,
        add_workflow(
            stage,
            'steps: [{id: a, run: "echo try >> ledger; test $JOBCTL_ATTEMPT = 2", retry: {times: 1, delay: 5}}]',
        ),
    )
    supervisor = stage.supervise()
    stage.turn_until(supervisor, lambda: made.statuses["a"] == "waiting")
    pause(stage.store, parse_selector(str(made.id)), stage.clock)
    stage.clock.advance(10)
    settle(stage, supervisor)
    assert (stage.root / "ledger").read_text().split() == ["try"]
    resume(stage.store, parse_selector(str(made.id)), stage.clock)
    assert made.end(supervisor).status is JobStatus.COMPLETED


def test_pausing_reaches_the_runs_within_and_a_kill_changes_nothing(stage: Stage) -> None:
    (stage.root / "gate").touch()
    below = bundle(
        "name: below\nsteps: [{id: one, run: 'while [ -e gate ]; do sleep 0.01; done'},"
        " {id: two, needs: one, run: echo two >> ledger}]"
    )
    made = Watched(stage, add_workflow(stage, "steps: [{id: part, workflow: b}]", parts={"b": below}))
    supervisor = stage.supervise()
    stage.turn_until(supervisor, lambda: made.step("part").job_id is not None)
    inner = Watched(stage, made.job("part"))
    stage.turn_until(supervisor, lambda: inner.statuses["one"] == "running")
    pause(stage.store, parse_selector(str(made.id)), stage.clock)
    resume(stage.store, parse_selector(str(inner.job("one"))), stage.clock)
    (stage.root / "gate").unlink()
    stage.turn_until(supervisor, lambda: inner.statuses["one"] == "completed")
    stage.kill(supervisor)
    second = stage.supervise()
    settle(stage, second)
    assert (inner.statuses["two"], inner.run.reason) == ("ready", "paused")
    resume(stage.store, parse_selector(str(made.id)), stage.clock)
    assert made.end(second).status is JobStatus.COMPLETED
    assert (stage.root / "ledger").read_text().split() == ["two"]


def test_a_paused_run_can_be_cancelled(stage: Stage) -> None:
    made, supervisor = running(stage)
    pause(stage.store, parse_selector(str(made.id)), stage.clock)
    cancel(stage.store, parse_selector(str(made.id)), stage.clock)
    run = made.end(supervisor, tick=1)
    assert (run.status, run.reason) == (JobStatus.CANCELLED, "requested")
    assert (stage.root / "ledger").read_text().split() == ["bye"]
