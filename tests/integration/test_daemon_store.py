"""The rows of daemons: definitions, intent, facts, ends."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import pytest

from jobctl.model.calls import Call
from jobctl.model.daemons import (
    Autostart,
    DaemonDefinition,
    DaemonExit,
    DaemonSource,
    DaemonState,
    Generation,
    Health,
    Readiness,
    ReadyKind,
    Restart,
    Wanted,
)
from jobctl.store.daemons import KEPT_EXITS, definition_of, definition_text
from tests.support.daemons import DaemonStage

FULL = DaemonDefinition(
    "web", ("/bin/x", "a\udcffb"), "echo", "/tmp", 0o077, {"A": "1"}, Autostart.NEVER, Restart.ON_FAILURE,
    0.5, 10.0, 3, 7.0, 2.0, 8.0, 9.0, "SIGINT", Readiness(ReadyKind.LOG, "up"), 4.0, "true", 5.0, 1 << 30,
    1 << 20, 2, ("db",), (0, 3),
)  # fmt: skip


CALLING = DaemonDefinition("inbox", call=Call("media.inbox:watch", {"every": 5, "deep": {"a": [None, "ä"]}}))


@pytest.fixture
def stage(tmp_path: Path) -> Iterator[DaemonStage]:
    found = DaemonStage(tmp_path)
    yield found
    found.close()


@pytest.mark.parametrize("definition", [FULL, DaemonDefinition("plain", ("true",)), CALLING])
def test_a_definition_comes_back_as_it_was_stored(definition: DaemonDefinition) -> None:
    assert definition_of(definition_text(definition)) == definition


def test_defaults_are_not_stored() -> None:
    assert definition_text(DaemonDefinition("x")) == '{"name":"x"}'


def test_intent_is_counted_and_facts_are_fenced_by_generation(stage: DaemonStage) -> None:
    stage.declare("web")
    stage.ask("restart", "web")
    daemon = stage.daemon("web")
    assert (daemon.wanted, daemon.starts_asked, daemon.restarts_asked) == (Wanted.UP, 1, 1)
    assert not daemon.is_settled
    newer = replace(
        daemon, generation=Generation(2), state=DaemonState.RUNNING, health=Health.HEALTHY, starts_done=1,
        restarts_done=1, vouched=True, pid=5, cpu_percent=1.5,
    )  # fmt: skip
    with stage.store.write():
        assert stage.store.daemons.record(newer)
        assert not stage.store.daemons.record(replace(daemon, generation=Generation(1)))
    assert stage.daemon("web") == newer


def test_a_removed_daemon_is_not_seen_and_may_be_declared_anew(stage: DaemonStage) -> None:
    stage.declare("web")
    with stage.store.write():
        stage.store.daemons.record(replace(stage.daemon("web"), generation=Generation(7)))
    stage.ask("remove", "web")
    assert stage.store.daemons.get("web") is None
    assert stage.store.daemons.names() == []
    (intent,) = stage.store.daemons.intents()
    assert (intent.removed, intent.wanted) == (True, Wanted.DOWN)
    stage.declare("web", start=False)
    daemon = stage.daemon("web")
    assert (daemon.generation, daemon.wanted, daemon.id) == (7, Wanted.DOWN, intent.id)
    with stage.store.write():
        assert not stage.store.daemons.delete(daemon.id)


def test_only_a_change_of_the_launch_is_a_revision(stage: DaemonStage) -> None:
    stage.declare("web", start=False)
    stage.edit("web", max_restarts=3)
    assert stage.daemon("web").revision == 1
    stage.edit("web", env={"A": "1"})
    assert stage.daemon("web").revision == 2
    (intent,) = stage.store.daemons.intents()
    assert intent.edits == 3


def test_the_newest_ends_are_kept(stage: DaemonStage) -> None:
    stage.declare("web", start=False)
    number = stage.daemon("web").id
    with stage.store.write():
        for generation in range(1, KEPT_EXITS + 11):
            ended = DaemonExit(Generation(generation), 1, 1000, 2500, 3, None, "exit", None)
            stage.store.daemons.record_exit(number, ended)
    found = stage.exits("web")
    assert [ended.generation for ended in found] == list(range(KEPT_EXITS + 10, 10, -1))
    assert found[0].uptime_seconds == 1.5


def test_sources_are_told(stage: DaemonStage) -> None:
    stage.declare("web", start=False)
    with stage.store.write():
        stage.store.daemons.edit(stage.daemon("web").definition, DaemonSource.FILE, 1)
    assert stage.daemon("web").source is DaemonSource.FILE
