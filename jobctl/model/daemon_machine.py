"""The state machine of daemons (DESIGN section 8): conditions, events, and the step from one to the next.

``step`` is pure. What is to be done follows from where it leads: a new generation in STARTING is to be spawned, one
that has come to STOPPING is to be ended. Every event about a generation names it; those of older ones change nothing.
"""

from __future__ import annotations

from dataclasses import dataclass, replace

from jobctl.model.daemons import LIVE, NO_GENERATION, DaemonDefinition, DaemonReason, DaemonState, Generation

REFUSED_SECONDS, LONGEST_REFUSED_SECONDS = 1.0, 60.0
"""Until the next try when the machine had no room for a process; it doubles, but is nobody's failure."""

_UP = frozenset({DaemonState.STARTING, DaemonState.RUNNING})


@dataclass(frozen=True, slots=True)
class Condition:
    """Where a daemon stands. Instants are those of a monotonic clock."""

    wanted: bool = False
    state: DaemonState = DaemonState.STOPPED
    reason: str | None = None
    """Why it is so; of one that is up, why it was restarted lately."""
    error: str | None = None
    """The same in words, where there is more to say."""
    generation: Generation = NO_GENERATION
    failures: int = 0
    """Consecutive ones; a start by hand, or being up for long, resets them."""
    restarts: int = 0
    refusals: int = 0
    """How often in a row the machine had no room for it."""
    again: bool = False
    """Whether a start is to follow the end of what is stopping."""
    closing: bool = False
    """The supervisor stops: nothing starts any more."""
    retry_at: float | None = None
    start_deadline: float | None = None
    ready_at: float | None = None

    @property
    def is_live(self) -> bool:
        """Whether a generation of it may have processes."""
        return self.state in LIVE

    @property
    def due_at(self) -> float | None:
        """When time alone may move it next, but for becoming stable."""
        if self.state is DaemonState.BACKOFF:
            return self.retry_at
        return self.start_deadline if self.state is DaemonState.STARTING else None


@dataclass(frozen=True, slots=True)
class Wished:
    """What is asked for now; ``start`` and ``restart`` say that it was asked for anew since the last time."""

    wanted: bool
    start: bool = False
    restart: bool = False


@dataclass(frozen=True, slots=True)
class Unblocked:
    """Nothing it depends on is missing."""


@dataclass(frozen=True, slots=True)
class Blocked:
    """Something it depends on is missing."""

    error: str


@dataclass(frozen=True, slots=True)
class Refused:
    """The generation could not be spawned; ``final``: trying again would be no use."""

    generation: Generation
    error: str
    final: bool


@dataclass(frozen=True, slots=True)
class Readied:
    """The generation is ready."""

    generation: Generation


@dataclass(frozen=True, slots=True)
class Extended:
    """The generation asks for time until then to become ready."""

    generation: Generation
    until: float


@dataclass(frozen=True, slots=True)
class Faulted:
    """The generation has to be ended: watchdog, health, memory."""

    generation: Generation
    reason: DaemonReason
    error: str | None = None


@dataclass(frozen=True, slots=True)
class Ended:
    """The generation has no process any more, or only ``survivors``."""

    generation: Generation
    reason: DaemonReason
    """``exit``, ``signal``, ``lost`` or ``forked``."""
    success: bool = False
    """Whether its code is one that the definition calls a success."""
    survivors: bool = False
    error: str | None = None


@dataclass(frozen=True, slots=True)
class Passed:
    """Time has passed."""


@dataclass(frozen=True, slots=True)
class Closed:
    """The supervisor stops."""


Event = Wished | Unblocked | Blocked | Refused | Readied | Extended | Faulted | Ended | Passed | Closed


def step(
    condition: Condition, definition: DaemonDefinition, event: Event, now: float, spread: float = 0.5
) -> Condition:
    """Where ``event`` leads.

    Args:
        condition: where the daemon stands.
        definition: its policy, as it is now.
        event: what happened.
        now: the monotonic clock.
        spread: a number in [0, 1) for the jitter of the back-off.
    """
    match event:
        case Wished():
            return _wish(condition, event)
        case Unblocked():
            return _unblock(condition, definition, now)
        case Blocked():
            return _block(condition, event)
        case Refused():
            return _refuse(condition, event, now)
        case Ended():
            return _end(condition, definition, event, now, spread)
        case Passed():
            return _pass(condition, definition, now)
        case Closed():
            return _close(condition)
        case _:
            return _signal(condition, definition, event, now)


def _signal(
    condition: Condition, definition: DaemonDefinition, event: Readied | Extended | Faulted, now: float
) -> Condition:
    """What a living generation tells of itself."""
    if event.generation != condition.generation or condition.state not in _UP:
        return condition
    if isinstance(event, Faulted):
        return _stopping(_pass(condition, definition, now), event.reason, event.error)
    if condition.state is not DaemonState.STARTING:
        return condition
    if isinstance(event, Extended):
        return replace(condition, start_deadline=max(condition.start_deadline or now, event.until))
    return replace(condition, state=DaemonState.RUNNING, ready_at=now, start_deadline=None, refusals=0)


def _wish(condition: Condition, event: Wished) -> Condition:
    news = replace(condition, wanted=event.wanted)
    if not event.wanted:
        return _lay_down(news)
    if news.closing:
        return news
    asked = event.start or event.restart
    if news.state in _UP:
        if not event.restart:
            return news
        return replace(_stopping(news, DaemonReason.RESTART), again=True, failures=0)
    if news.state is DaemonState.STOPPING:
        if not asked and condition.wanted:
            return news
        return replace(news, again=True, failures=0)
    if not asked and (condition.wanted or news.state is not DaemonState.STOPPED):
        return news
    if news.state is DaemonState.WAITING:
        return replace(news, failures=0)
    failures = 0 if asked else news.failures  # a new life asks for nothing anew
    return replace(_waiting(news), failures=failures, refusals=0, reason=None, error=None)


def _lay_down(condition: Condition) -> Condition:
    """It is not wanted: at once where nothing runs."""
    if condition.state in _UP:
        return _stopping(condition, DaemonReason.STOP)
    if condition.state is DaemonState.STOPPING:
        return replace(condition, again=False)
    if condition.state is DaemonState.STOPPED:
        return condition
    return _stopped(condition, None)


def _unblock(condition: Condition, definition: DaemonDefinition, now: float) -> Condition:
    if condition.state is not DaemonState.WAITING or condition.closing or not condition.wanted:
        return condition
    if condition.reason == DaemonReason.DEPENDENCY:
        condition = replace(condition, reason=None, error=None)
    return replace(
        condition,
        state=DaemonState.STARTING,
        generation=Generation(condition.generation + 1),
        start_deadline=now + definition.start_timeout_seconds,
        ready_at=None,
    )


def _block(condition: Condition, event: Blocked) -> Condition:
    if condition.state is not DaemonState.WAITING:
        return condition
    return replace(condition, reason=DaemonReason.DEPENDENCY, error=event.error)


def _refuse(condition: Condition, event: Refused, now: float) -> Condition:
    if event.generation != condition.generation or condition.state not in LIVE:
        return condition
    reason = DaemonReason.SPAWN_ERROR
    if condition.closing or not condition.wanted:
        return _stopped(condition, None)
    if condition.again:
        return _waiting(condition)
    if event.final:
        return _at_rest(condition, DaemonState.ERROR, reason, event.error)
    delay = min(LONGEST_REFUSED_SECONDS, REFUSED_SECONDS * 2.0 ** min(condition.refusals, 10))
    return replace(
        _at_rest(condition, DaemonState.BACKOFF, reason, event.error),
        retry_at=now + delay, refusals=condition.refusals + 1,
    )  # fmt: skip


def _end(
    condition: Condition, definition: DaemonDefinition, event: Ended, now: float, spread: float
) -> Condition:
    if event.generation != condition.generation or not condition.is_live:
        return condition
    condition = replace(condition, refusals=0)
    if event.survivors:
        return _at_rest(condition, DaemonState.ERROR, DaemonReason.SURVIVORS, event.error)
    if condition.closing:
        return _stopped(condition, DaemonReason.SHUTDOWN)
    if not condition.wanted:
        return _stopped(condition, None)
    if condition.again:
        return _waiting(condition)
    faulted = condition.state is DaemonState.STOPPING
    reason = condition.reason if faulted else event.reason
    error = condition.error if faulted else event.error
    if event.reason is DaemonReason.FORKED and not faulted:
        return _at_rest(condition, DaemonState.ERROR, reason, error)
    if not definition.restarts_after(success=event.success and not faulted):
        return _at_rest(condition, DaemonState.EXITED, reason, error)
    failures = (0 if _is_stable(condition, definition, now) else condition.failures) + 1
    condition = replace(condition, failures=failures)
    if definition.max_restarts and failures > definition.max_restarts:
        why = f"{failures} failures in a row, the last one: {error or reason}"
        return _at_rest(condition, DaemonState.ERROR, DaemonReason.MAX_RESTARTS, why)
    delay = definition.delay_after(failures, spread)
    return replace(_at_rest(condition, DaemonState.BACKOFF, reason, error), retry_at=now + delay)


def _pass(condition: Condition, definition: DaemonDefinition, now: float) -> Condition:
    if condition.state is DaemonState.BACKOFF and condition.retry_at is not None:
        if now < condition.retry_at:
            return condition
        return replace(_waiting(condition), restarts=condition.restarts + 1)
    if condition.state is DaemonState.STARTING:
        if condition.start_deadline is None or now < condition.start_deadline:
            return condition
        return _stopping(condition, DaemonReason.START_TIMEOUT, "it was not ready in time")
    if _is_stable(condition, definition, now):
        return replace(condition, failures=0, reason=None, error=None)
    return condition


def _is_stable(condition: Condition, definition: DaemonDefinition, now: float) -> bool:
    if condition.ready_at is None or condition.state is not DaemonState.RUNNING:
        return False
    return now - condition.ready_at >= definition.stable_seconds


def _close(condition: Condition) -> Condition:
    condition = replace(condition, closing=True)
    if condition.state in _UP:
        return _stopping(condition, DaemonReason.SHUTDOWN)
    if condition.state in (DaemonState.WAITING, DaemonState.BACKOFF):
        return _stopped(condition, DaemonReason.SHUTDOWN)
    return condition


def _stopping(condition: Condition, reason: str, error: str | None = None) -> Condition:
    return replace(
        condition, state=DaemonState.STOPPING, reason=reason, error=error, again=False, start_deadline=None
    )


def _stopped(condition: Condition, reason: str | None) -> Condition:
    return _at_rest(condition, DaemonState.STOPPED, reason, None)


def _waiting(condition: Condition) -> Condition:
    return _at_rest(condition, DaemonState.WAITING, condition.reason, condition.error)


def _at_rest(condition: Condition, state: DaemonState, reason: str | None, error: str | None) -> Condition:
    """Nothing of it runs and no timer is set."""
    return replace(
        condition, state=state, reason=reason, error=error, again=False, retry_at=None,
        start_deadline=None, ready_at=None,
    )  # fmt: skip
