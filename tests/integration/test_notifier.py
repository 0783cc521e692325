"""Notifications through a supervisor turned by hand: what waits, what is sent and how often."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from jobctl.actions.configurations import apply_configuration
from jobctl.model.configurations import parse_configuration
from jobctl.model.filters import JobFilter
from jobctl.model.jobs import Job
from jobctl.model.notifications import GROUPING_MS, MOST_TOLD, QUEUE
from tests.support.supervisors import Stage

PLAN = """
notifications:
  targets: {me: {url_env: MAIL_SECRET, limit: 2/1h}, all: dbus://}
  rules:
    - {on: failure, to: me}
    - {on: [failure, success], to: all, queue: quick}
queues: {quick: {concurrency: 3}}
"""


@pytest.fixture
def stage(tmp_path: Path) -> Iterator[Stage]:
    made = Stage(tmp_path)
    apply_configuration(made.store, parse_configuration(PLAN, "jobctl.yaml"), made.clock)
    with made.store.write():
        made.store.queues.add(QUEUE, 1, made.clock.now_ms())
        made.store.queues.set_paused(QUEUE, True, made.clock.now_ms())  # deliveries are looked at, not run
    yield made
    made.close()


def deliveries(stage: Stage) -> list[Job]:
    """The delivering jobs, oldest first."""
    return sorted(stage.store.jobs.list(JobFilter(type="notification")), key=lambda job: job.id)


def told(stage: Stage, job: Job) -> list[str]:
    """The titles that the job tells."""
    return [title for title, _ in stage.store.notifications.items(job.id, MOST_TOLD)[0]]


def test_a_burst_is_one_message_and_no_part_of_a_batch_is_told(stage: Stage) -> None:
    supervisor = stage.supervise()
    ids = [stage.shell("exit 3", name=f"f{n}") for n in range(3)]
    item = stage.shell("exit 3", name="item", item="x")
    stage.turn_until(supervisor, lambda: all(stage.status(job).is_terminal for job in [*ids, item]))
    assert deliveries(stage) == []
    assert not supervisor.is_idle
    stage.clock.advance(GROUPING_MS / 1000)
    supervisor.turn()
    sent = deliveries(stage)
    assert [job.name for job in sent] == ["notify:me"]
    assert sorted(told(stage, sent[0])) == [f"f{n} failed (job {job})" for n, job in enumerate(ids)]
    assert sent[0].spec.secret_env == ("MAIL_SECRET",)
    assert sent[0].queue == QUEUE


def fail(stage: Stage, name: str, **changes: object) -> None:
    """A job of this name failed, and the grouping time is over."""
    supervisor = stage.supervise()
    job = stage.shell("exit 3", name=name, **changes)
    stage.turn_until(supervisor, lambda: stage.status(job).is_terminal)
    stage.clock.advance(GROUPING_MS / 1000)
    supervisor.turn()
    stage.kill(supervisor)


def test_above_the_limit_all_waits_for_one_message_and_kills_lose_and_double_nothing(stage: Stage) -> None:
    for name in ("a", "b", "c", "d"):
        fail(stage, name)
    assert [told(stage, job)[0][0] for job in deliveries(stage)] == ["a", "b"]
    assert stage.store.notifications.told()["me"].waiting == 2
    stage.clock.advance(3600)
    supervisor = stage.supervise()
    supervisor.turn()
    assert [[title[0] for title in told(stage, job)] for job in deliveries(stage)] == [
        ["a"],
        ["b"],
        ["c", "d"],
    ]


def test_each_target_is_told_of_what_it_asked_for(stage: Stage) -> None:
    fail(stage, "slow")
    fail(stage, "fast", queue="quick")
    sent = [(job.name, told(stage, job)[0].split()[0]) for job in deliveries(stage)]
    assert sorted(sent) == [("notify:all", "fast"), ("notify:me", "fast"), ("notify:me", "slow")]


def test_a_failing_delivery_is_not_told_of(stage: Stage) -> None:
    fail(stage, "delivery", type="notification")
    assert deliveries(stage)[0].name == "delivery"
    assert len(deliveries(stage)) == 1


def test_what_happened_before_the_plan_is_not_told_and_without_one_nothing_is_written(tmp_path: Path) -> None:
    stage = Stage(tmp_path)
    try:
        fail(stage, "before")
        apply_configuration(stage.store, parse_configuration(PLAN, "jobctl.yaml"), stage.clock)
        supervisor = stage.supervise()
        supervisor.turn()
        stage.clock.advance(GROUPING_MS / 1000)
        supervisor.turn()
        assert deliveries(stage) == []
        changes = apply_configuration(stage.store, parse_configuration("", "jobctl.yaml"), stage.clock)
        assert "notifications rules: none" in [str(change) for change in changes]
        assert stage.store.notifications.plan() is None
    finally:
        stage.close()
