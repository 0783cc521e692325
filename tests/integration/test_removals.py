from __future__ import annotations

from pathlib import Path

import pytest

from jobctl.actions.jobs import cancel
from jobctl.actions.jobs import retry as retry_jobs
from jobctl.actions.removals import PruneRequest, prunable, prune, remove, statuses_of
from jobctl.errors import BadInputError, NotFoundError, StateConflictError
from jobctl.model.dependencies import Condition, Dependency
from jobctl.model.selectors import parse_selector
from jobctl.model.states import JobId, JobStatus
from tests.support.supervisors import Stage


def finished(stage: Stage, *lines: str) -> list[JobId]:
    """Jobs of these shell lines, all ended."""
    supervisor = stage.supervise()
    jobs = [stage.shell(line) for line in lines]
    stage.turn_until(supervisor, lambda: all(stage.status(job).is_terminal for job in jobs))
    stage.kill(supervisor)
    return jobs


def rows_of(stage: Stage, job_id: JobId) -> dict[str, int]:
    """How many rows of each table are about the job."""
    counted = {}
    for table in ("job_specs", "job_tags", "job_results", "job_progress", "cancel_requests", "attempts"):
        sql = f"SELECT count(*) FROM {table} WHERE job_id=?"
        counted[table] = stage.store.database.value(sql, (job_id,))
    counted["jobs"] = stage.store.database.value("SELECT count(*) FROM jobs WHERE id=?", (job_id,))
    return counted


def removed(stage: Stage, selector: str) -> list[int]:
    return [one.id for one in remove(stage.store, parse_selector(selector), stage.clock)]


def test_an_ended_job_goes_with_its_rows_and_files_and_its_id_is_not_used_again(stage: Stage) -> None:
    (job,) = finished(stage, 'echo out; echo \'{"a": 1}\' >"$JOBCTL_RESULT"; echo 5 >"$JOBCTL_PROGRESS"')
    assert stage.output(job) == "out\n"
    assert removed(stage, str(job)) == [job]
    assert set(rows_of(stage, job).values()) == {0}
    assert not Path(stage.home.job(job)).exists()
    assert stage.kinds(job)[-1] == "removed"
    assert stage.submit("true") == job + 1


def test_an_environment_goes_with_the_last_job_that_has_it(stage: Stage) -> None:
    count = "SELECT count(*) FROM environments"
    jobs = finished(stage, "true", "true")
    assert stage.store.database.value(count) == 1
    removed(stage, str(jobs[0]))
    assert stage.store.database.value(count) == 1
    removed(stage, str(jobs[1]))
    assert stage.store.database.value(count) == 0


def test_a_running_job_named_outright_is_refused_and_nothing_is_removed(stage: Stage) -> None:
    supervisor = stage.supervise()
    running = stage.submit("sleep", "60")
    stage.start(supervisor, running)
    waiting = stage.submit("true", hold=True)
    with pytest.raises(StateConflictError, match="cannot remove a running job"):
        removed(stage, f"{waiting},{running}")
    assert stage.status(waiting) is JobStatus.CREATED


def test_a_bulk_selection_leaves_running_jobs(stage: Stage) -> None:
    supervisor = stage.supervise()
    running = stage.submit("sleep", "60")
    stage.start(supervisor, running)
    waiting = stage.submit("true", hold=True)
    assert removed(stage, "all") == [waiting]
    assert stage.status(running) is JobStatus.RUNNING


def test_an_unknown_id_is_not_found(stage: Stage) -> None:
    with pytest.raises(NotFoundError):
        removed(stage, "7")
    assert removed(stage, "@failed") == []


def test_removing_a_waiting_job_cancels_what_waits_for_it(stage: Stage) -> None:
    first = stage.submit("true", hold=True)
    second = stage.submit("true", after=(Dependency(first, Condition.SUCCESS),))
    third = stage.submit("true", after=(Dependency(second, Condition.SUCCESS),))
    assert removed(stage, str(first)) == [first]
    assert [stage.job(job).reason for job in (second, third)] == ["dependency", "dependency"]
    assert [stage.status(job) for job in (second, third)] == [JobStatus.CANCELLED] * 2


def test_a_need_that_was_met_stays_met_when_its_job_is_removed(stage: Stage) -> None:
    (done,) = finished(stage, "true")
    broken = stage.submit("true", hold=True)
    needs = (Dependency(done, Condition.SUCCESS), Dependency(broken, Condition.SUCCESS))
    dependent = stage.submit("true", after=needs)
    cancel(stage.store, parse_selector(str(broken)), stage.clock)
    assert stage.status(dependent) is JobStatus.CANCELLED
    removed(stage, str(done))
    retry_jobs(stage.store, parse_selector(str(broken)), stage.clock)
    assert (stage.status(dependent), stage.job(dependent).reason) == (JobStatus.CREATED, "dependency")


def test_a_removed_parent_leaves_its_children(stage: Stage) -> None:
    (parent,) = finished(stage, "true")
    child = stage.submit("true", parent_id=parent)
    removed(stage, str(parent))
    assert stage.job(child).parent_id is None


def test_standard_input_kept_for_a_removed_job_goes_with_it(stage: Stage) -> None:
    spool = Path(stage.home.spool)
    spool.mkdir(mode=0o700)
    kept, foreign = spool / "a", stage.root / "mine"
    kept.touch()
    foreign.touch()
    jobs = [stage.submit("cat", stdin=str(path), hold=True) for path in (kept, foreign)]
    assert removed(stage, f"{jobs[0]},{jobs[1]}") == jobs
    assert not kept.exists()
    assert foreign.exists()


def test_more_than_a_thousand_jobs_go_in_several_transactions(stage: Stage) -> None:
    from jobctl.actions.admissions import submit
    from tests.support.stores import make_submission

    submit(stage.store, [make_submission(hold=True) for _ in range(2100)], stage.clock)
    before = stage.store.events.last_id()
    assert len(removed(stage, "all")) == 2100
    assert stage.store.events.last_id() == before + 2 * 2100
    assert stage.store.database.value("SELECT count(*) FROM jobs") == 0


def pruned(stage: Stage, request: PruneRequest) -> list[int]:
    wanted = prunable(stage.store, request, stage.clock)
    return [one.id for step in prune(stage.store, wanted, stage.clock) for one in step]


def test_prune_needs_a_criterion(stage: Stage) -> None:
    with pytest.raises(BadInputError, match="needs criteria"):
        prunable(stage.store, PruneRequest(), stage.clock)


def test_prune_takes_ended_jobs_only(stage: Stage) -> None:
    with pytest.raises(BadInputError, match="queued"):
        prunable(stage.store, PruneRequest(statuses=(JobStatus.QUEUED,)), stage.clock)
    waiting = stage.submit("true", hold=True)
    done = finished(stage, "true")
    assert pruned(stage, PruneRequest(keep=0)) == done
    assert stage.status(waiting) is JobStatus.CREATED


def test_prune_takes_what_meets_every_criterion_and_keeps_the_newest(stage: Stage) -> None:
    done = finished(stage, "true", "true", "true", "false")
    completed = (JobStatus.COMPLETED,)
    assert prunable(stage.store, PruneRequest(older_than_seconds=60), stage.clock) == []
    stage.clock.advance(3600)
    assert len(prunable(stage.store, PruneRequest(older_than_seconds=60), stage.clock)) == 4
    assert len(prunable(stage.store, PruneRequest(statuses=completed), stage.clock)) == 3
    gone = pruned(stage, PruneRequest(older_than_seconds=60, statuses=completed, keep=1))
    assert len(gone) == 2
    assert set(gone) < set(done[:3])
    assert not any(Path(stage.home.job(job)).exists() for job in gone)


def test_what_was_removed_is_counted_by_state(stage: Stage) -> None:
    finished(stage, "true", "false", "false")
    wanted = prunable(stage.store, PruneRequest(keep=0), stage.clock)
    done = [one for step in prune(stage.store, wanted, stage.clock) for one in step]
    assert statuses_of(done) == {"completed": 1, "failed": 2}


def test_prune_leaves_the_children_of_a_parent_that_has_not_ended(stage: Stage) -> None:
    parent = stage.submit("true", hold=True)
    supervisor = stage.supervise()
    child = stage.submit("true", parent_id=parent)
    stage.turn_until_status(supervisor, child, JobStatus.COMPLETED)
    assert prunable(stage.store, PruneRequest(keep=0), stage.clock) == []
