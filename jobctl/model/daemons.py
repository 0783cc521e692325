"""Daemons: what is to be kept alive and how, what is observed of it, and who needs whom (DESIGN section 8)."""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from enum import StrEnum
from typing import NewType

from jobctl.errors import BadInputError
from jobctl.model.calls import Call

DaemonId = NewType("DaemonId", int)
Generation = NewType("Generation", int)
"""Each start has the next one; what an older one still has to say is dropped."""
NO_GENERATION = Generation(0)


class Wanted(StrEnum):
    """What the user, or autostart, asks for."""

    UP = "up"
    DOWN = "down"


class DaemonState(StrEnum):
    """What the supervisor observes."""

    STOPPED = "stopped"
    WAITING = "waiting"
    """For a daemon it depends on, or for room on the machine."""
    STARTING = "starting"
    RUNNING = "running"
    BACKOFF = "backoff"
    STOPPING = "stopping"
    EXITED = "exited"
    """It ended and its policy says that this is all."""
    ERROR = "error"
    """It was given up; a start by hand tries anew."""

    @property
    def is_live(self) -> bool:
        """Whether a generation of it may have processes."""
        return self in LIVE


LIVE = frozenset({DaemonState.STARTING, DaemonState.RUNNING, DaemonState.STOPPING})


class DaemonReason(StrEnum):
    """Why a daemon is in its state, or why it was restarted; spawn errors and the like have texts of their own."""

    DEPENDENCY = "dependency"
    RESTART = "restart"
    STOP = "stop"
    SHUTDOWN = "shutdown"
    """The supervisor stops."""
    EXIT = "exit"
    SIGNAL = "signal"
    LOST = "lost"
    """It ended without an exit record."""
    START_TIMEOUT = "start_timeout"
    WATCHDOG = "watchdog"
    UNHEALTHY = "unhealthy"
    MEMORY = "memory"
    FORKED = "forked"
    """Its leader ended and left processes behind that nobody vouched for (MAINPID)."""
    SURVIVORS = "survivors"
    """Processes of an older generation could not be killed."""
    MAX_RESTARTS = "max_restarts"
    SPAWN_ERROR = "spawn_error"
    REMOVED = "removed"


class Health(StrEnum):
    """What its health command says."""

    HEALTHY = "healthy"
    UNHEALTHY = "unhealthy"


class Restart(StrEnum):
    """After which ends a daemon is started again."""

    ALWAYS = "always"
    ON_FAILURE = "on-failure"
    NEVER = "never"


class Autostart(StrEnum):
    """Which daemons a starting supervisor wants up."""

    ALWAYS = "always"
    UNLESS_STOPPED = "unless-stopped"
    NEVER = "never"


class DaemonSource(StrEnum):
    """Who declared a daemon."""

    CLI = "cli"
    FILE = "file"
    """``jobctl.yaml``: a reload changes it."""
    GONE = "gone"
    """``jobctl.yaml`` once, which names it no more: it was stopped then."""


class ReadyKind(StrEnum):
    """How it is known that a daemon is ready."""

    UPTIME = "uptime"
    NOTIFY = "notify"
    LOG = "log"
    COMMAND = "cmd"


@dataclass(frozen=True, slots=True)
class Readiness:
    """``uptime``, ``notify``, ``log:REGEX`` or ``cmd:SHELL LINE``."""

    kind: ReadyKind = ReadyKind.UPTIME
    text: str = ""
    """The expression, or the shell line."""

    def __str__(self) -> str:
        return f"{self.kind.value}:{self.text}" if self.text else self.kind.value


def parse_ready(text: str, what: str = "ready") -> Readiness:
    """The readiness that ``text`` names.

    Raises:
        BadInputError: ``E_READY``: none of the four, an empty or broken expression, an empty command.
    """
    hint = "one of: uptime, notify, log:REGEX, cmd:COMMAND"
    word, colon, rest = text.partition(":")
    if word in (ReadyKind.UPTIME, ReadyKind.NOTIFY) and not colon:
        return Readiness(ReadyKind(word))
    if word not in (ReadyKind.LOG, ReadyKind.COMMAND) or not rest.strip():
        raise BadInputError(f"bad {what}", text, hint, "E_READY")
    if word == ReadyKind.LOG:
        try:
            re.compile(rest)
        except (re.error, OverflowError, RecursionError) as error:  # a{99999999999}, 3000 parentheses
            raise BadInputError(
                f"bad regular expression in {what} ({error})", text, hint, "E_READY"
            ) from None
    return Readiness(ReadyKind(word), rest)


@dataclass(frozen=True, slots=True)
class DaemonDefinition:
    """What was declared: the launch and the policy. Policy fields hold at once, launch fields from the next start.

    Strings of ``command`` and ``cwd`` may hold lone surrogates for bytes that are not UTF-8 (PEP 383).
    """

    name: str
    command: tuple[str, ...] = ()
    shell: str | None = None
    cwd: str = "/"
    umask: int = 0o022
    env: Mapping[str, str] = field(default_factory=dict)
    autostart: Autostart = Autostart.UNLESS_STOPPED
    restart: Restart = Restart.ALWAYS
    backoff_seconds: float = 1.0
    """Before the first restart; it doubles with each consecutive failure, ± 20 %."""
    max_delay_seconds: float = 60.0
    max_restarts: int = 10
    """Consecutive ones before it is given up; 0: never."""
    stable_seconds: float = 30.0
    """Being up this long is what resets the counter of consecutive failures."""
    start_seconds: float = 1.0
    """With the readiness ``uptime``: how long it must live to count as running."""
    start_timeout_seconds: float = 30.0
    stop_timeout_seconds: float = 10.0
    stop_signal: str = "SIGTERM"
    ready: Readiness = Readiness()
    watchdog_seconds: float | None = None
    health: str | None = None
    """A shell line; 0 is healthy."""
    health_every_seconds: float = 30.0
    max_memory_bytes: int | None = None
    """The resident memory of its whole tree."""
    max_log_bytes: int = 10 << 20
    """Of one log file."""
    keep_logs: int = 5
    """How many rotated files are kept beside the current one."""
    depends_on: tuple[str, ...] = ()
    success_codes: tuple[int, ...] = (0,)
    call: Call | None = None
    """The Python function it is, in a process of its own; then there is neither a command nor a shell line."""

    def argv(self) -> tuple[str, ...]:
        """The argument vector that is executed; of a function none is known here."""
        return self.command if self.shell is None else ("/bin/sh", "-c", self.shell)

    @property
    def examination(self) -> tuple[object, ...]:
        """By what its health is known."""
        return self.health, self.health_every_seconds

    def launches_like(self, other: DaemonDefinition) -> bool:
        """Whether a process started by ``other`` is what this definition would start."""
        return self._launch() == other._launch()

    def _launch(self) -> tuple[object, ...]:
        watchdog = self.watchdog_seconds  # it is in the environment
        return (self.command, self.shell, self.call, self.cwd, self.umask, dict(self.env), watchdog)

    def delay_after(self, failures: int, spread: float) -> float:
        """Seconds to wait after the ``failures``-th consecutive failure: doubled each time, capped, ± 20 %.

        Args:
            failures: from 1.
            spread: a number in [0, 1) that places the delay within the jitter.
        """
        try:
            delay = self.backoff_seconds * 2.0 ** (failures - 1)
        except OverflowError:
            delay = self.max_delay_seconds
        return min(delay, self.max_delay_seconds) * (0.8 + 0.4 * spread)

    def restarts_after(self, *, success: bool) -> bool:
        """Whether an end that nobody asked for is followed by another start."""
        if self.restart is Restart.ON_FAILURE:
            return not success
        return self.restart is Restart.ALWAYS


@dataclass(frozen=True, slots=True)
class Daemon:
    """A daemon as the store knows it: definition, intent and facts. Instants in milliseconds UTC."""

    id: DaemonId
    definition: DaemonDefinition
    source: DaemonSource
    created_at: int
    updated_at: int
    """Of the definition."""
    revision: int
    """Grows with each change of a launch field; a running generation remembers the one it was started with."""
    # Intent: written by actions and autostart.
    wanted: Wanted = Wanted.DOWN
    starts_asked: int = 0
    """Grows with each start by hand: it resets the counter of failures."""
    restarts_asked: int = 0
    removed_at: int | None = None
    """It is being stopped for good; then nothing of it is left."""
    # Facts: written by the supervisor.
    state: DaemonState = DaemonState.STOPPED
    reason: str | None = None
    """Of a daemon that is up: why it was restarted lately."""
    error: str | None = None
    """The same in words, where there is more to say."""
    generation: Generation = NO_GENERATION
    pid: int | None = None
    """The daemon's own process, while there is one."""
    vouched: bool = False
    """Whether ``pid`` is what the daemon itself said (MAINPID): then its leader may end."""
    started_at: int | None = None
    """Of the living generation."""
    ready_at: int | None = None
    started_revision: int | None = None
    """The revision that the living generation was started with."""
    restarts: int = 0
    """Starts that followed an end, since it was declared."""
    consecutive_failures: int = 0
    next_restart_at: int | None = None
    heartbeat_at: int | None = None
    status_text: str | None = None
    last_exit_code: int | None = None
    last_signal: str | None = None
    memory_bytes: int | None = None
    cpu_percent: float | None = None
    health: Health | None = None
    starts_done: int = 0
    """Which of ``starts_asked`` was heeded last; likewise ``restarts_done``."""
    restarts_done: int = 0

    @property
    def name(self) -> str:
        """Its name, unique among the daemons of a home."""
        return self.definition.name

    @property
    def restart_pending(self) -> bool:
        """Whether what runs was started by an older definition."""
        return self.state.is_live and self.started_revision not in (None, self.revision)

    @property
    def is_settled(self) -> bool:
        """Whether the supervisor has heeded everything that was asked so far."""
        return self.starts_done >= self.starts_asked and self.restarts_done >= self.restarts_asked

    @property
    def is_as_wanted(self) -> bool:
        """What ``daemon check`` asks: it runs if it is wanted up. One that ended as its policy allows is well."""
        if self.wanted is Wanted.DOWN:
            return True
        return self.state is DaemonState.RUNNING or (
            self.state is DaemonState.EXITED and self.last_exit_code in self.definition.success_codes
        )

    def uptime_seconds(self, now: int) -> float | None:
        """How long the living generation has lived; None if there is none."""
        if self.started_at is None or not self.state.is_live:
            return None
        return max(0, now - self.started_at) / 1000


@dataclass(frozen=True, slots=True)
class DaemonExit:
    """How one generation ended. Instants in milliseconds UTC."""

    generation: Generation
    pid: int | None
    started_at: int
    ended_at: int
    exit_code: int | None
    signal: str | None
    reason: str | None
    """Why jobctl ended it, or ``exit``, ``signal``, ``lost``, ``spawn_error``."""
    error: str | None

    @property
    def uptime_seconds(self) -> float:
        """How long it lived."""
        return max(0, self.ended_at - self.started_at) / 1000


def order(needs: Mapping[str, Iterable[str]]) -> list[str]:
    """The names so that each comes after all it needs; names that are needed but not declared are left out.

    Raises:
        BadInputError: ``E_CYCLE``: they need one another in a circle, which is named.
    """
    ordered: dict[str, None] = {}
    for name in needs:
        if name not in ordered:
            _visit(name, needs, ordered)
    return list(ordered)


def _visit(name: str, needs: Mapping[str, Iterable[str]], ordered: dict[str, None]) -> None:
    # A stack of its own: a chain of a thousand daemons is deeper than Python's.
    stack = [(name, iter(needs[name]))]
    path = {name: None}
    while stack:
        current, left = stack[-1]
        needed = next((one for one in left if one in needs and one not in ordered), None)
        if needed is None:
            stack.pop()
            del path[current]
            ordered[current] = None
        elif needed in path:
            names = list(path)
            circle = " → ".join([*names[names.index(needed) :], needed])
            raise BadInputError("daemons depend on one another", circle, "remove one of these", "E_CYCLE")
        else:
            path[needed] = None
            stack.append((needed, iter(needs[needed])))
