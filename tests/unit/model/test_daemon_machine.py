"""The state machine of daemons, alone and against a simulated world."""

from __future__ import annotations

from dataclasses import dataclass, field, replace

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from jobctl.model.daemon_machine import (
    Blocked,
    Closed,
    Condition,
    Ended,
    Event,
    Extended,
    Faulted,
    Passed,
    Readied,
    Refused,
    Unblocked,
    Wished,
    step,
)
from jobctl.model.daemons import DaemonDefinition, DaemonReason, DaemonState, Generation, Restart

PLAIN = DaemonDefinition("web")
START, STOP, RESTART = Wished(True, start=True), Wished(False), Wished(True, restart=True)


@dataclass
class World:
    """A daemon, its condition, and the generations that have processes."""

    definition: DaemonDefinition = PLAIN
    condition: Condition = field(default_factory=Condition)
    now: float = 0.0
    alive: set[int] = field(default_factory=set)
    most_alive: int = 0

    def tell(self, event: Event) -> World:
        before = self.condition
        self.condition = step(before, self.definition, event, self.now)
        if self.condition.generation != before.generation:
            self.alive.add(self.condition.generation)
            self.most_alive = max(self.most_alive, len(self.alive))
        return self

    def end(self, **how: object) -> World:
        """The living generation ends by itself, or as it was told to."""
        if self.condition.generation in self.alive:
            self.alive.discard(self.condition.generation)
            found = {"reason": DaemonReason.EXIT, **how}
            self.tell(Ended(self.condition.generation, **found))  # type: ignore[arg-type]
        return self

    def up(self) -> World:
        """It is started and ready."""
        return self.tell(START).tell(Unblocked()).tell(Readied(self.condition.generation))

    def crash(self) -> World:
        """It fails, its back-off passes, and it is ready again if it was not given up."""
        self.end()
        if self.condition.retry_at is not None:
            self.now = self.condition.retry_at
        return self.tell(Passed()).tell(Unblocked()).tell(Readied(self.condition.generation))

    @property
    def state(self) -> DaemonState:
        return self.condition.state


def test_a_start_leads_through_waiting_and_starting_to_running() -> None:
    world = World().tell(START)
    assert world.state is DaemonState.WAITING
    assert world.tell(Unblocked()).state is DaemonState.STARTING
    assert world.tell(Readied(Generation(1))).state is DaemonState.RUNNING
    assert world.alive == {1}


def test_back_off_doubles_up_to_its_cap_and_ends_in_error() -> None:
    world, gaps = World().up(), []
    while world.state is not DaemonState.ERROR:
        world.now += 1.3  # longer than supervisord's startsecs
        world.end()
        if world.condition.retry_at is not None:
            gaps.append(round(world.condition.retry_at - world.now, 3))
            world.now = world.condition.retry_at
            world.tell(Passed()).tell(Unblocked()).tell(Readied(world.condition.generation))
    assert gaps == [1, 2, 4, 8, 16, 32, 60, 60, 60, 60]
    assert world.condition.reason == DaemonReason.MAX_RESTARTS
    assert world.condition.failures == 11


def test_only_stable_seconds_of_being_ready_reset_the_counter() -> None:
    world = World().up().crash().crash()
    world.now += PLAIN.stable_seconds - 0.1
    assert world.tell(Passed()).condition.failures == 2
    world.now += 0.1
    assert world.tell(Passed()).condition.failures == 0
    assert world.end().condition.failures == 1


def test_time_spent_starting_is_not_being_stable() -> None:
    world = World(replace(PLAIN, start_timeout_seconds=500.0)).tell(START).tell(Unblocked())
    world.end()
    world.now += 10
    world.tell(Passed()).tell(Unblocked())
    world.now += 100
    assert world.end().condition.failures == 2


def test_a_fault_after_a_long_stable_time_is_the_first_failure() -> None:
    world = World().up().crash().crash()
    world.now += 3600
    world.tell(Faulted(world.condition.generation, DaemonReason.WATCHDOG))
    assert world.end().condition.failures == 1
    assert world.condition.reason == DaemonReason.WATCHDOG


def test_a_start_by_hand_during_back_off_starts_at_once_with_a_fresh_count() -> None:
    world = World().up().end()
    assert world.state is DaemonState.BACKOFF
    world.tell(START)
    assert (world.state, world.condition.failures) == (DaemonState.WAITING, 0)


@pytest.mark.parametrize("state", ["waiting", "backoff"])
def test_a_stop_is_immediate_where_nothing_runs(state: str) -> None:
    world = World().tell(START) if state == "waiting" else World().up().end()
    assert world.state == state
    assert world.tell(STOP).state is DaemonState.STOPPED
    world.now += 1000
    assert world.tell(Passed()).tell(Unblocked()).state is DaemonState.STOPPED


def test_restarts_while_it_stops_are_one() -> None:
    world = World().up()
    for _ in range(10):
        world.tell(RESTART)
    world.end().tell(Unblocked())
    assert (world.state, world.condition.generation) == (DaemonState.STARTING, 2)
    assert world.most_alive == 1


def test_a_stop_after_a_restart_wins() -> None:
    world = World().up().tell(RESTART).tell(STOP)
    assert world.end().state is DaemonState.STOPPED


def test_a_start_after_a_stop_follows_its_end() -> None:
    world = World().up().tell(STOP).tell(START)
    assert world.state is DaemonState.STOPPING
    assert world.end().state is DaemonState.WAITING


@pytest.mark.parametrize(
    ("restart", "success", "expected"),
    [
        (Restart.ALWAYS, True, DaemonState.BACKOFF),
        (Restart.ALWAYS, False, DaemonState.BACKOFF),
        (Restart.ON_FAILURE, True, DaemonState.EXITED),
        (Restart.ON_FAILURE, False, DaemonState.BACKOFF),
        (Restart.NEVER, False, DaemonState.EXITED),
    ],
)
def test_the_policy_decides_what_follows_an_end(
    restart: Restart, success: bool, expected: DaemonState
) -> None:
    assert World(replace(PLAIN, restart=restart)).up().end(success=success).state is expected


def test_what_cannot_be_started_is_an_error_at_once() -> None:
    world = World().tell(START).tell(Unblocked())
    world.tell(Refused(Generation(1), "/no/such: no such file", final=True))
    assert (world.state, world.condition.reason) == (DaemonState.ERROR, DaemonReason.SPAWN_ERROR)


def test_a_machine_without_room_is_nobodys_failure() -> None:
    world = World().tell(START).tell(Unblocked()).tell(Refused(Generation(1), "no forks", final=False))
    assert (world.state, world.condition.failures) == (DaemonState.BACKOFF, 0)


def test_a_start_that_takes_too_long_is_a_failure_unless_it_asked_for_more() -> None:
    world = World().tell(START).tell(Unblocked()).tell(Extended(Generation(1), 45.0))
    world.now = 44.0
    assert world.tell(Passed()).state is DaemonState.STARTING
    world.now = 45.0
    assert world.tell(Passed()).state is DaemonState.STOPPING
    assert world.end(success=True).state is DaemonState.BACKOFF
    assert world.condition.failures == 1


def test_survivors_and_forks_are_errors_and_nothing_starts_beside_them() -> None:
    assert World().up().end(reason=DaemonReason.FORKED).state is DaemonState.ERROR
    world = World().up().tell(RESTART).end(survivors=True)
    assert (world.state, world.condition.reason) == (DaemonState.ERROR, DaemonReason.SURVIVORS)


def test_closing_stops_all_and_forgets_no_wish() -> None:
    world = World().up().tell(Closed())
    assert world.state is DaemonState.STOPPING
    assert world.end().tell(START).tell(Unblocked()).state is DaemonState.STOPPED
    assert world.condition.wanted


def test_why_it_waits_is_gone_when_it_starts() -> None:
    world = World().tell(START).tell(Blocked("waits for db"))
    assert (world.condition.reason, world.condition.error) == (DaemonReason.DEPENDENCY, "waits for db")
    world.tell(Unblocked())
    assert (world.condition.reason, world.condition.error) == (None, None)


# --- any history ---

ACTIONS = st.one_of(
    st.sampled_from(
        ["start", "stop", "restart", "same", "unblock", "ready", "end", "clean", "pass", "close"]
    ),
    st.tuples(st.just("stale"), st.integers(0, 30)),
    st.tuples(st.just("fault"), st.sampled_from([DaemonReason.WATCHDOG, DaemonReason.MEMORY])),
    st.tuples(st.just("time"), st.floats(0.0, 70.0)),
    st.tuples(st.just("refuse"), st.booleans()),
)


def _act(world: World, action: str | tuple[str, object]) -> None:
    name, value = (action, None) if isinstance(action, str) else action
    number = world.condition.generation
    match name:
        case "start" | "stop" | "restart":
            world.tell({"start": START, "stop": STOP, "restart": RESTART}[name])
        case "same":
            world.tell(Wished(world.condition.wanted))
        case "unblock":
            world.tell(Unblocked())
        case "ready":
            world.tell(Readied(number))
        case "end" | "clean":
            world.end(success=name == "clean")
        case "pass":
            world.tell(Passed())
        case "close":
            world.tell(Closed())
        case "stale" if isinstance(value, int) and value < number:
            old = Generation(value)
            before = world.condition
            for event in (
                Readied(old),
                Ended(old, DaemonReason.EXIT),
                Faulted(old, DaemonReason.MEMORY),
                Refused(old, "", True),
            ):
                world.tell(event)
            assert world.condition == before
        case "fault" if isinstance(value, DaemonReason):
            world.tell(Faulted(number, value))
        case "time" if isinstance(value, float):
            world.now += value
            world.tell(Passed())
        case "refuse" if number in world.alive and world.state is DaemonState.STARTING:
            world.alive.discard(number)
            world.tell(Refused(number, "cannot", bool(value)))


@settings(max_examples=300, deadline=None)
@given(st.lists(ACTIONS, max_size=60), st.sampled_from(list(Restart)), st.integers(0, 3))
def test_whatever_happens_no_two_generations_live_and_the_last_wish_is_heeded(
    history: list[str | tuple[str, object]], restart: Restart, most: int
) -> None:
    world = World(replace(PLAIN, restart=restart, max_restarts=most))
    for action in history:
        before = world.condition
        _act(world, action)
        after = world.condition
        assert len(world.alive) <= 1
        assert bool(world.alive) == after.is_live
        assert after.generation >= before.generation
        assert (after.retry_at is not None) == (after.state is DaemonState.BACKOFF)
        if after.failures < before.failures:
            by_hand = action in ("start", "restart")
            stable = before.ready_at is not None and world.now - before.ready_at >= PLAIN.stable_seconds
            assert by_hand or stable or action == "same"
        if most:
            assert after.failures <= most + 1
        if before.closing:
            assert after.generation == before.generation
        if not after.wanted:
            assert after.state in (DaemonState.STOPPED, DaemonState.STOPPING)
    world.tell(STOP)
    world.end()
    world.now += 1000
    for event in (Passed(), Unblocked(), Readied(world.condition.generation)):
        world.tell(event)
    assert world.state is DaemonState.STOPPED
    assert not world.alive
