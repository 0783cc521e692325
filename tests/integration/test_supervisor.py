"""The life of a job under a supervisor turned by hand: states, instants, order, limits, intent."""

from __future__ import annotations

import sys
from pathlib import Path

import pytest

from jobctl.actions.jobs import CancelOptions, cancel, hold, release, retry
from jobctl.errors import StateConflictError
from jobctl.executors.base import AttemptOrder, StartRefused
from jobctl.model.attempts import Outcome
from jobctl.model.events import Event
from jobctl.model.lives import StopMode
from jobctl.model.selectors import parse_selector
from jobctl.model.specs import OnCrash, RetryPolicy
from jobctl.model.states import JobStatus
from jobctl.supervisor.supervisor import REFUSED_SECONDS
from tests.support.clocks import START_MS
from tests.support.supervisors import RecordingExecutor, Stage, starts_and_ends, submission

COMPLETED, FAILED, CANCELLED = JobStatus.COMPLETED, JobStatus.FAILED, JobStatus.CANCELLED
CREATED, QUEUED, RUNNING, TIMEOUT = JobStatus.CREATED, JobStatus.QUEUED, JobStatus.RUNNING, JobStatus.TIMEOUT


def ask_cancel(stage: Stage, job_id: int, **options: object) -> None:
    cancel(stage.store, parse_selector(str(job_id)), stage.clock, CancelOptions(**options))  # type: ignore[arg-type]


def test_each_state_has_its_instant(stage: Stage) -> None:
    job_id = stage.shell("while [ -e gate ]; do sleep 0.01; done")
    (stage.root / "gate").touch()
    queued = stage.job(job_id)
    assert (queued.status, queued.created_at, queued.queued_at) == (QUEUED, START_MS, START_MS)
    stage.clock.advance(2)
    supervisor = stage.supervise()
    pid = stage.start(supervisor, job_id)
    running = stage.job(job_id)
    assert (running.status, running.started_at, running.finished_at) == (RUNNING, START_MS + 2000, None)
    stage.clock.advance(3)
    (stage.root / "gate").unlink()
    ended = stage.turn_until_status(supervisor, job_id, COMPLETED)
    assert (ended.started_at, ended.finished_at, ended.exit_code) == (START_MS + 2000, START_MS + 5000, 0)
    [attempt] = stage.attempts(job_id)
    assert (attempt.number, attempt.pid, attempt.outcome) == (1, pid, Outcome.COMPLETED)
    assert (attempt.started_at, attempt.finished_at) == (START_MS + 2000, START_MS + 5000)
    assert stage.kinds(job_id) == ["submitted", "started", "completed"]
    assert starts_and_ends(stage.events(job_id)) == {1: (1, 1)}


def test_a_failure_keeps_its_code_and_a_signal_its_name(stage: Stage) -> None:
    failing, killed = stage.shell("exit 7"), stage.shell("kill -KILL $$")
    supervisor = stage.supervise()
    job = stage.turn_until_status(supervisor, failing, FAILED)
    assert (job.exit_code, job.signal, job.reason) == (7, None, "exit")
    job = stage.turn_until_status(supervisor, killed, FAILED)
    assert (job.exit_code, job.signal, job.reason) == (137, "SIGKILL", "signal")
    assert supervisor.failed_jobs == 2


def test_the_listener_gets_every_event_once_and_in_order(stage: Stage) -> None:
    heard: list[Event] = []
    supervisor = stage.supervise(listener=heard.extend)
    job_id = stage.submit("true")
    stage.turn_until_status(supervisor, job_id, COMPLETED)
    supervisor.turn()
    ids = [event.id for event in heard]
    assert ids == sorted(set(ids))
    assert [event.kind for event in heard if event.entity == "job"] == [
        "job.submitted", "job.started", "job.completed",
    ]  # fmt: skip


def test_the_most_urgent_starts_first_and_the_oldest_of_equals(stage: Stage) -> None:
    with stage.store.write():
        stage.store.queues.set_concurrency("default", 1, 0)
    jobs = [(stage.submit("true", priority=priority), priority) for priority in (5, 10, 1, 5, 9, 1, 2)]
    executor = RecordingExecutor()
    supervisor = stage.supervise(executor=executor)
    stage.turn_until(supervisor, lambda: all(stage.status(job_id) is COMPLETED for job_id, _ in jobs))
    assert executor.started == [job_id for job_id, _ in sorted(jobs, key=lambda job: (job[1], job[0]))]


def test_a_queue_runs_as_many_as_it_has_slots_and_a_change_counts_at_once(stage: Stage) -> None:
    with stage.store.write():
        stage.store.queues.add("lane", 2, 0)
    jobs = [stage.submit("sleep", "1000", queue="lane") for _ in range(5)]
    supervisor = stage.supervise()
    stage.turn_until(supervisor, lambda: len(supervisor.active) == 2)
    supervisor.turn()
    assert sorted(supervisor.active) == jobs[:2]
    with stage.store.write():
        stage.store.queues.set_concurrency("lane", 4, 0)
    stage.turn_until(supervisor, lambda: len(supervisor.active) == 4)
    with stage.store.write():
        stage.store.queues.set_concurrency("lane", 1, 0)
    supervisor.turn()
    assert sorted(supervisor.active) == jobs[:4]
    for job_id in jobs[:4]:
        ask_cancel(stage, job_id)
    stage.turn_until(supervisor, lambda: sorted(supervisor.active) == jobs[4:])


def test_a_paused_queue_starts_nothing_and_lets_what_runs_end(stage: Stage) -> None:
    first = stage.shell("while [ -e gate ]; do sleep 0.01; done")
    (stage.root / "gate").touch()
    supervisor = stage.supervise()
    stage.start(supervisor, first)
    with stage.store.write():
        stage.store.queues.set_paused("default", True, 0)
    second = stage.submit("true")
    (stage.root / "gate").unlink()
    stage.turn_until_status(supervisor, first, COMPLETED)
    supervisor.turn()
    assert stage.status(second) is QUEUED
    assert supervisor.is_idle
    with stage.store.write():
        stage.store.queues.set_paused("default", False, 0)
    stage.turn_until_status(supervisor, second, COMPLETED)


def test_up_concurrency_sets_the_default_queue_for_this_life_alone(stage: Stage) -> None:
    jobs = [stage.submit("sleep", "1000") for _ in range(4)]
    supervisor = stage.supervise()
    supervisor.dispatcher.default_concurrency = 1
    stage.start(supervisor, jobs[0])
    supervisor.turn()
    assert sorted(supervisor.active) == jobs[:1]
    assert stage.store.queues.list()[0].concurrency == 5


def test_a_queued_job_is_cancelled_at_once(stage: Stage) -> None:
    job_id = stage.submit("true")
    ask_cancel(stage, job_id)
    job = stage.job(job_id)
    assert (job.status, job.reason, job.attempt) == (CANCELLED, "requested", 0)
    supervisor = stage.supervise()
    supervisor.turn()
    assert stage.attempts(job_id) == []


def test_a_running_job_is_cancelled_with_its_tree(stage: Stage) -> None:
    job_id = stage.shell("setsid sleep 1000 & sleep 1000")
    supervisor = stage.supervise()
    stage.start(supervisor, job_id)
    stage.turn_until(supervisor, lambda: len(stage.processes()) >= 4)
    ask_cancel(stage, job_id, reason="enough")
    job = stage.turn_until_status(supervisor, job_id, CANCELLED)
    assert (job.reason, job.signal) == ("requested", "SIGTERM")
    assert stage.processes() == []
    assert stage.attempts(job_id)[0].outcome is Outcome.CANCELLED
    assert starts_and_ends(stage.events(job_id)) == {1: (1, 1)}


def test_a_second_cancel_hurries_one_that_ignores_the_first(stage: Stage) -> None:
    job_id = stage.shell("trap '' TERM; echo ready; while :; do sleep 0.01; done", grace_seconds=600.0)
    supervisor = stage.supervise()
    stage.turn_until(supervisor, lambda: stage.output(job_id) == "ready\n")
    ask_cancel(stage, job_id)
    for _ in range(20):
        supervisor.turn()
    assert stage.status(job_id) is RUNNING
    ask_cancel(stage, job_id)
    assert stage.turn_until_status(supervisor, job_id, CANCELLED).signal == "SIGKILL"


def test_a_cancel_may_name_its_signal_and_grace(stage: Stage) -> None:
    job_id = stage.shell("trap 'echo got; exit 3' USR1; trap '' TERM; echo ready; while :; do :; done")
    supervisor = stage.supervise()
    stage.turn_until(supervisor, lambda: stage.output(job_id) == "ready\n")
    ask_cancel(stage, job_id, signal=10)
    job = stage.turn_until_status(supervisor, job_id, CANCELLED)
    assert job.exit_code == 3
    assert stage.output(job_id) == "ready\ngot\n"


def test_a_retried_job_that_is_cancelled_meanwhile_is_not_started_again(stage: Stage) -> None:
    job_id = stage.shell("exit 1", retry=RetryPolicy(attempts=3, delay_seconds=60.0))
    supervisor = stage.supervise()
    stage.turn_until_status(supervisor, job_id, CREATED)
    ask_cancel(stage, job_id)
    stage.clock.advance(100)
    supervisor.turn()
    assert stage.status(job_id) is CANCELLED
    assert len(stage.attempts(job_id)) == 1


def test_a_held_job_waits_for_its_release(stage: Stage) -> None:
    held, queued = stage.submit("true", hold=True), stage.submit("true")
    hold(stage.store, parse_selector(str(queued)), stage.clock)
    supervisor = stage.supervise()
    stage.clock.advance(1e6)
    supervisor.turn()
    assert [(stage.job(job_id).status, stage.job(job_id).reason) for job_id in (held, queued)] == [
        (CREATED, "hold"), (CREATED, "hold"),
    ]  # fmt: skip
    assert supervisor.is_idle
    release(stage.store, parse_selector(f"{held},{queued}"), stage.clock)
    stage.turn_until(supervisor, lambda: {stage.status(held), stage.status(queued)} == {COMPLETED})


def test_a_job_for_later_starts_when_its_time_has_come(stage: Stage) -> None:
    job_id = stage.submit("true", eligible_at=START_MS + 60_000)
    supervisor = stage.supervise()
    supervisor.turn()
    assert (stage.job(job_id).status, stage.job(job_id).reason) == (CREATED, "time")
    assert supervisor.is_idle
    assert supervisor.pause_seconds() <= 1.0
    stage.clock.advance(59.5)
    supervisor.turn()
    assert stage.status(job_id) is CREATED
    assert 0 < supervisor.pause_seconds() <= 0.5
    stage.clock.advance(0.5)
    job = stage.turn_until_status(supervisor, job_id, COMPLETED)
    assert job.queued_at == START_MS + 60_000


def test_a_job_released_before_its_time_waits_for_it(stage: Stage) -> None:
    job_id = stage.submit("true", eligible_at=START_MS + 60_000, hold=True)
    release(stage.store, parse_selector(str(job_id)), stage.clock)
    assert (stage.job(job_id).status, stage.job(job_id).reason) == (CREATED, "time")


def test_a_retry_by_hand_grants_a_fresh_budget_and_goes_on_counting(stage: Stage) -> None:
    job_id = stage.shell("exit 1", retry=RetryPolicy(attempts=2, delay_seconds=0.0))
    supervisor = stage.supervise()
    stage.turn_until_status(supervisor, job_id, FAILED)
    assert len(stage.attempts(job_id)) == 2
    retry(stage.store, parse_selector(str(job_id)), stage.clock)
    queued = stage.job(job_id)
    assert (queued.status, queued.revision, queued.exit_code) == (QUEUED, 1, None)
    stage.turn_until_status(supervisor, job_id, FAILED)
    assert [attempt.number for attempt in stage.attempts(job_id)] == [1, 2, 3, 4]
    assert starts_and_ends(stage.events(job_id)) == dict.fromkeys((1, 2, 3, 4), (1, 1))


def test_progress_without_sense_is_told_in_one_event_and_changes_nothing(stage: Stage) -> None:
    job_id = stage.shell(r"printf '10\n200\n{\"percent\": NaN}\n' >>$JOBCTL_PROGRESS")
    job = stage.turn_until_status(stage.supervise(), job_id, COMPLETED)
    assert job.progress.percent == 10
    told = [event.data for event in stage.events(job_id) if event.kind == "job.progress_ignored"]
    assert told == [{"attempt": 1, "lines": 2}]


def test_result_and_progress_are_stored(stage: Stage) -> None:
    job_id = stage.shell(
        """echo '{"rows": 3}' >"$JOBCTL_RESULT"; printf '1/4 one\\n3/4 three' >>"$JOBCTL_PROGRESS";"""
        " while [ -e gate ]; do sleep 0.01; done"
    )
    (stage.root / "gate").touch()
    supervisor = stage.supervise()
    stage.start(supervisor, job_id)

    def reported() -> bool:
        stage.clock.advance(0.25)
        return stage.job(job_id).progress.message == "one"

    stage.turn_until(supervisor, reported)
    (stage.root / "gate").unlink()
    job = stage.turn_until_status(supervisor, job_id, COMPLETED)
    assert job.result == {"rows": 3}
    assert (job.progress.items_done, job.progress.items_total, job.progress.message) == (3, 4, "three")


@pytest.mark.parametrize(
    ("text", "problem"),
    [("echo '{' >$JOBCTL_RESULT", "not JSON"), ("mkdir $JOBCTL_RESULT", "regular"),
     ("head -c 1100000 /dev/zero >$JOBCTL_RESULT", "1 MiB"), ("mkfifo $JOBCTL_RESULT", "regular")],
)  # fmt: skip
def test_a_bad_result_is_noted_and_the_job_still_counts(stage: Stage, text: str, problem: str) -> None:
    job_id = stage.shell(text)
    job = stage.turn_until_status(stage.supervise(), job_id, COMPLETED)
    assert job.result is None
    assert problem in (job.error or "")


def test_a_program_that_is_not_there_fails_once_and_for_all(stage: Stage) -> None:
    policy = RetryPolicy(attempts=5, delay_seconds=0.0)
    (stage.root / "data").write_text("no program")
    missing, plain = stage.submit("no-such-program", retry=policy), stage.submit("./data", retry=policy)
    supervisor = stage.supervise()
    for job_id, code in ((missing, 127), (plain, 126)):
        job = stage.turn_until_status(supervisor, job_id, FAILED)
        assert (job.exit_code, job.reason) == (code, "spawn_error")
        assert job.error
        assert len(stage.attempts(job_id)) == 1
        assert starts_and_ends(stage.events(job_id)) == {1: (1, 1)}
    assert supervisor.failed_jobs == 2


def test_a_refused_start_goes_back_to_its_queue_and_burns_nothing(stage: Stage) -> None:
    refusals = iter(range(5))

    def refuse(order: AttemptOrder) -> None:
        if next(refusals, None) is not None:
            raise StartRefused("no processes left")

    executor = RecordingExecutor(refuse)
    job_id = stage.submit("true")
    supervisor = stage.supervise(executor=executor)
    for tries in range(1, 6):
        supervisor.turn()
        assert len(executor.orders) == tries
        supervisor.turn()
        assert stage.status(job_id) is QUEUED
        supervisor.turn()
        assert len(executor.orders) == tries  # not at once again
        assert supervisor.pause_seconds() <= REFUSED_SECONDS
        stage.clock.advance(REFUSED_SECONDS)
    job = stage.turn_until_status(supervisor, job_id, COMPLETED)
    assert (job.attempt, job.attempts_used) == (1, 1)
    assert starts_and_ends(stage.events(job_id)) == {1: (1, 1)}


def test_a_refused_job_that_is_cancelled_meanwhile_never_starts(stage: Stage) -> None:
    def refuse(order: AttemptOrder) -> None:
        ask_cancel(stage, order.job_id)
        raise StartRefused("no processes left")

    job_id = stage.submit("true")
    supervisor = stage.supervise(executor=RecordingExecutor(refuse))
    supervisor.turn()
    supervisor.turn()
    assert stage.status(job_id) is CANCELLED
    assert stage.attempts(job_id) == []


def test_leftovers_of_an_ended_job_are_killed_before_its_end_is_on_record(stage: Stage) -> None:
    job_id = stage.shell("(setsid sleep 1000 &) ; exit 4")
    supervisor = stage.supervise()
    job = stage.turn_until_status(supervisor, job_id, FAILED)
    assert job.exit_code == 4
    assert stage.processes() == []
    assert "strays_killed" in stage.kinds(job_id)


def test_leftovers_are_found_even_if_another_job_ended_while_they_lived(stage: Stage) -> None:
    (stage.root / "gate").touch()
    first = stage.shell("(setsid sleep 1000 &); echo ready; while [ -e gate ]; do sleep 0.01; done")
    supervisor = stage.supervise()
    stage.turn_until(supervisor, lambda: stage.output(first) == "ready\n")
    second = stage.submit("true")
    stage.turn_until_status(supervisor, second, COMPLETED)
    (stage.root / "gate").unlink()
    stage.turn_until_status(supervisor, first, COMPLETED)
    assert stage.processes() == []


def test_children_that_are_to_be_kept_live_on(stage: Stage) -> None:
    job_id = stage.shell("(setsid sleep 1000 &) ; exit 0", keep_children=True)
    supervisor = stage.supervise()
    stage.turn_until_status(supervisor, job_id, COMPLETED)
    assert len(stage.processes()) == 1
    other = stage.shell("(setsid sleep 1000 &) ; exit 0")
    stage.turn_until_status(supervisor, other, COMPLETED)
    assert len(stage.processes()) == 1


def test_a_drain_ends_what_runs_and_starts_nothing(stage: Stage) -> None:
    (stage.root / "gate").touch()
    running = stage.shell("while [ -e gate ]; do sleep 0.01; done")
    supervisor = stage.supervise()
    stage.start(supervisor, running)
    supervisor.stop(StopMode.DRAIN)
    queued = stage.submit("true")
    supervisor.turn()
    assert not supervisor.finished
    (stage.root / "gate").unlink()
    stage.turn_until(supervisor, lambda: supervisor.finished)
    assert (stage.status(running), stage.status(queued)) == (COMPLETED, QUEUED)


def test_a_stop_puts_running_jobs_back_and_burns_no_attempt(stage: Stage) -> None:
    job_id, fatal = stage.submit("sleep", "1000"), stage.submit("sleep", "1000", on_crash=OnCrash.FAIL)
    supervisor = stage.supervise()
    stage.start(supervisor, job_id)
    stage.start(supervisor, fatal)
    supervisor.stop(StopMode.NOW)
    stage.turn_until(supervisor, lambda: supervisor.finished)
    job = stage.job(job_id)
    assert (job.status, job.attempts_used, job.attempt) == (QUEUED, 0, 1)
    assert (stage.job(fatal).status, stage.job(fatal).reason) == (FAILED, "stopped")
    assert stage.attempts(job_id)[0].outcome is Outcome.CANCELLED
    assert starts_and_ends(stage.events(job_id)) == {1: (1, 1)}
    assert stage.processes() == []


def test_a_supervisor_that_leaves_its_jobs_is_followed_by_one_that_adopts_them(stage: Stage) -> None:
    job_id = stage.submit("sleep", "1000")
    supervisor = stage.supervise()
    pid = stage.start(supervisor, job_id)
    supervisor.stop(StopMode.LEAVE_RUNNING)
    supervisor.turn()
    assert supervisor.finished
    stage.kill(supervisor)
    following = stage.supervise()
    following.turn()
    assert following.active[job_id].pid == pid


def test_two_supervisors_of_one_home_are_refused(stage: Stage) -> None:
    stage.supervise()
    with pytest.raises(StateConflictError, match="already runs"):
        stage.supervise()


def test_a_second_supervisor_is_refused_even_where_the_lock_file_was_deleted(stage: Stage) -> None:
    stage.supervise()
    Path(stage.home.supervisor_lock).unlink()
    with pytest.raises(StateConflictError, match="already runs"):
        stage.supervise()


def test_lives_side_by_side_respect_one_queue_limit(stage: Stage) -> None:
    with stage.store.write():
        stage.store.queues.set_concurrency("default", 2, 0)
    ordinary = [stage.submit("sleep", "1000") for _ in range(2)]
    up = stage.supervise()
    stage.start(up, ordinary[0])
    private = [stage.supervise(reserved=submission(stage.root, "sleep", "1000")) for _ in range(3)]
    for _ in range(3):
        for life in (*private, up):
            life.turn()
    assert sum(stage.store.queues.running().values()) == 2
    assert sorted(up.active) == ordinary
    ask_cancel(stage, ordinary[0])
    stage.turn_until_status(up, ordinary[0], CANCELLED)
    private[1].turn()
    assert len(private[1].active) == 1
    for life in (*private, up):
        life.turn()
    assert sum(stage.store.queues.running().values()) == 2


def test_a_reserved_job_is_its_lifes_alone_until_that_life_dies(stage: Stage) -> None:
    private = stage.supervise(reserved=submission(stage.root, "true"))
    assert private.reservation is not None
    job_id = private.reservation.job_id
    up = stage.supervise()
    for _ in range(3):
        up.turn()
        stage.clock.advance(3)
    assert stage.status(job_id) is QUEUED
    stage.kill(private)
    stage.turn_until_status(up, job_id, COMPLETED)


def test_an_idle_supervisor_sleeps_and_does_not_write(stage: Stage) -> None:
    supervisor = stage.supervise()
    stage.turn_until_status(supervisor, stage.submit("true"), COMPLETED)
    supervisor.turn()
    supervisor.turn()  # it has emptied the WAL by now
    events = stage.store.events.last_id()
    version = stage.store.database.data_version()
    for _ in range(5):
        supervisor.turn()
        stage.clock.advance(1)
    assert stage.store.events.last_id() == events
    assert stage.store.database.data_version() == version
    assert supervisor.pause_seconds() == 1.0


def test_the_interpreter_of_this_suite_runs_as_a_job(stage: Stage) -> None:
    job_id = stage.submit(sys.executable, "-c", "import os; print(os.environ['JOBCTL_JOB_ID'])")
    stage.turn_until_status(stage.supervise(), job_id, COMPLETED)
    assert stage.output(job_id) == f"{job_id}\n"
