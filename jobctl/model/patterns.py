"""Which of the four mechanisms and the six execution patterns fits a piece of work, and why.

The rules are data, tried from the top: the first that applies decides, the others that apply are named as well.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from enum import StrEnum

from jobctl.errors import BadInputError
from jobctl.model.durations import format_duration

LONG_SECONDS = 30.0
"""Longer than people like to look at nothing."""
FREQUENT_PER_MINUTE = 30.0
"""From here on starting an interpreter for each call is most of the work (20 ms bare, a second with pandas)."""
MOST_SECONDS = 10**10
"""Three hundred years."""
MOST_TASKS = 1_000_000
MOST_STEPS = 10_000
WARM_FUNCTION = "jobctl.builtin_functions.scripts:run_script"
"""The function that runs a script in a warm worker."""


class TaskPattern(StrEnum):
    """How a piece of work is executed; all six are presets of the same jobs."""

    SIMPLE = "simple"
    """Run, wait, get exit code, stdout and stderr."""
    LONG_RUNNING = "long_running"
    """Live output and progress; can be cancelled."""
    CONCURRENT = "concurrent"
    """Many at once under a limit."""
    FIRE_AND_FORGET = "fire_and_forget"
    """Stored and returned from at once; tracked by its id."""
    PERIODIC = "periodic"
    """Again and again at an interval."""
    POOLED = "pooled"
    """In warm workers, which keep what is expensive to make."""


class Mechanism(StrEnum):
    """What jobctl keeps of it."""

    JOB = "job"
    WORKFLOW = "workflow"
    SCHEDULE = "schedule"
    DAEMON = "daemon"


@dataclass(frozen=True, slots=True)
class Need:
    """What is known of a piece of work; durations in seconds, None: not known."""

    expected_duration_seconds: float | None = None
    requires_streaming: bool = False
    concurrent_tasks: int = 1
    needs_result: bool = True
    recurring: bool = False
    high_frequency: bool = False
    steps: int = 1
    continuous: bool = False

    @property
    def is_long(self) -> bool:
        """Whether it takes longer than anybody waits without seeing something."""
        return (self.expected_duration_seconds or 0.0) > LONG_SECONDS


@dataclass(frozen=True, slots=True)
class Recommendation:
    """What fits, why (the decisive reason first), and what to type."""

    pattern: TaskPattern
    mechanism: Mechanism
    reasons: tuple[str, ...]
    command: str

    def as_json(self) -> dict[str, object]:
        """The document that ``advise --json`` prints."""
        return {
            "mechanism": self.mechanism.value,
            "pattern": self.pattern.value,
            "reasons": list(self.reasons),
            "command": self.command,
        }


@dataclass(frozen=True, slots=True)
class PatternRule:
    """``pattern`` fits where ``applies``; ``reason`` says why, with ``{need}`` and ``{length}`` filled in."""

    pattern: TaskPattern
    applies: Callable[[Need], bool]
    reason: str


@dataclass(frozen=True, slots=True)
class MechanismRule:
    """The same for mechanisms."""

    mechanism: Mechanism
    applies: Callable[[Need], bool]
    reason: str


MECHANISMS = (
    MechanismRule(
        Mechanism.DAEMON,
        lambda need: need.continuous,
        "it is to run all the time: a daemon is kept alive, watched and restarted",
    ),
    MechanismRule(
        Mechanism.SCHEDULE,
        lambda need: need.recurring,
        "it is to run again and again: a schedule fires each slot once and keeps the history of slots",
    ),
    MechanismRule(
        Mechanism.WORKFLOW,
        lambda need: need.steps > 1,
        "it has {need.steps} steps: a workflow orders them, and a retry runs only what did not complete",
    ),
    MechanismRule(Mechanism.JOB, lambda need: True, "it is one piece of work that ends: a job"),
)

PATTERNS = (
    PatternRule(
        TaskPattern.LONG_RUNNING, lambda need: need.continuous, "what never ends is followed by its output"
    ),
    PatternRule(TaskPattern.PERIODIC, lambda need: need.recurring, "it recurs: an interval starts it"),
    PatternRule(
        TaskPattern.POOLED,
        lambda need: need.high_frequency,
        "it is called often: warm workers pay for imports and connections once",
    ),
    PatternRule(
        TaskPattern.CONCURRENT,
        lambda need: need.concurrent_tasks > 1,
        "there are {need.concurrent_tasks} alike: a batch runs them side by side under a limit",
    ),
    PatternRule(
        TaskPattern.LONG_RUNNING,
        lambda need: need.requires_streaming,
        "its output is wanted while it runs",
    ),
    PatternRule(
        TaskPattern.FIRE_AND_FORGET,
        lambda need: not need.needs_result,
        "nobody waits for its result: it is stored, and tracked by its id",
    ),
    PatternRule(
        TaskPattern.LONG_RUNNING,
        lambda need: need.is_long,
        "it takes about {length}: progress and a way to cancel it are wanted",
    ),
    PatternRule(
        TaskPattern.SIMPLE, lambda need: True, "it is short and its result is wanted: run it and wait"
    ),
)

_COMMANDS = {
    TaskPattern.SIMPLE: "jobctl run -- CMD …",
    TaskPattern.LONG_RUNNING: 'jobctl logs -f "$(jobctl submit -q -- CMD …)"',
    TaskPattern.CONCURRENT: "jobctl batch --max-parallel {need.parallel} -- CMD … {{}} ::: ITEM …",
    TaskPattern.FIRE_AND_FORGET: "jobctl submit -- CMD …",
    TaskPattern.POOLED: f'jobctl submit --cwd "$PWD" --call {WARM_FUNCTION} --arg script="$PWD/SCRIPT.py"',
}


_NOT_BESIDES = (TaskPattern.FIRE_AND_FORGET, TaskPattern.SIMPLE)
"""That nobody has asked for a result says nothing more once something else decides."""


def recommend(need: Need) -> Recommendation:
    """What fits ``need``.

    Raises:
        BadInputError: ``E_ADVICE``: its parts contradict each other, or a number is none.
    """
    _check(need)
    mechanism = next(rule for rule in MECHANISMS if rule.applies(need))
    fitting = [rule for rule in PATTERNS if rule.applies(need)]
    texts = [mechanism.reason, *(rule.reason for rule in fitting[:1])]
    texts += [rule.reason for rule in fitting[1:-1] if rule.pattern not in _NOT_BESIDES]
    length = format_duration(need.expected_duration_seconds or 0)
    reasons = tuple(text.format(need=need, length=length) for text in texts)
    pattern = fitting[0].pattern
    return Recommendation(pattern, mechanism.mechanism, reasons, _command(need, mechanism.mechanism, pattern))


def _command(need: Need, mechanism: Mechanism, pattern: TaskPattern) -> str:
    flow = "jobctl workflow run FILE.yaml --wait"
    match mechanism:
        case Mechanism.DAEMON:
            return "jobctl daemon add NAME --start -- CMD …"
        case Mechanism.SCHEDULE:
            work = flow if need.steps > 1 else "CMD …"
            return f"jobctl schedule add NAME --every 1h -- {work}"
        case Mechanism.WORKFLOW:
            return flow
        case Mechanism.JOB:
            most = min(need.concurrent_tasks, 4)
            text = _COMMANDS[pattern].replace("{need.parallel}", str(most))
            return text.replace("{{}}", "{}")


def _check(need: Need) -> None:
    seconds = need.expected_duration_seconds
    if seconds is not None and not _is_duration(seconds):
        raise _bad("bad expected duration", seconds, f"give seconds, 0 to {MOST_SECONDS:,}")
    if not _is_whole(need.concurrent_tasks, MOST_TASKS):
        raise _bad("bad number of tasks", need.concurrent_tasks, f"give 1 to {MOST_TASKS:,}")
    if not _is_whole(need.steps, MOST_STEPS):
        raise _bad("bad number of steps", need.steps, f"give 1 to {MOST_STEPS:,}")
    for name in ("requires_streaming", "needs_result", "recurring", "high_frequency", "continuous"):
        if not isinstance(getattr(need, name), bool):
            raise _bad(f"{name} is neither true nor false", getattr(need, name), "give True or False")
    for holds, what, why in _NONSENSE:
        if holds(need):
            raise BadInputError(what, hint=why, code="E_ADVICE")


def _is_duration(value: object) -> bool:
    return isinstance(value, int | float) and not isinstance(value, bool) and 0 <= value <= MOST_SECONDS


def _is_whole(value: object, most: int) -> bool:
    return isinstance(value, int) and not isinstance(value, bool) and 1 <= value <= most


_NONSENSE: tuple[tuple[Callable[[Need], bool], str, str], ...] = (
    (
        lambda need: need.continuous and need.recurring,
        "continuous and recurring exclude each other",
        "what runs all the time never starts again; give one of them",
    ),
    (
        lambda need: need.continuous and need.expected_duration_seconds is not None,
        "what is continuous has no duration",
        "give one of them",
    ),
    (
        lambda need: need.continuous and need.high_frequency,
        "what is continuous is not called often",
        "what a daemon calls often is described by itself, without continuous",
    ),
    (
        lambda need: need.continuous and need.steps > 1,
        "what is continuous has no steps",
        "what a daemon starts is described by itself, without continuous",
    ),
    (
        lambda need: need.concurrent_tasks > 1 and need.steps > 1,
        "many alike and steps exclude each other",
        "steps repeat with foreach: advise for one of them",
    ),
)


def _bad(what: str, value: object, hint: str) -> BadInputError:
    return BadInputError(what, value, hint, "E_ADVICE")


class PatternAdvisor:
    """Recommends an execution pattern; it keeps nothing, so one is as good as another."""

    def recommend(
        self,
        expected_duration_seconds: float | None = None,
        requires_streaming: bool = False,
        concurrent_tasks: int = 1,
        needs_result: bool = True,
        recurring: bool = False,
        high_frequency: bool = False,
    ) -> Recommendation:
        """What fits work like this.

        Args:
            expected_duration_seconds: how long one run takes; None: not known.
            requires_streaming: its output is wanted while it runs.
            concurrent_tasks: how many alike there are.
            needs_result: somebody waits for exit code, output or result.
            recurring: it runs again and again.
            high_frequency: it is called more often than about every two seconds.

        Raises:
            BadInputError: ``E_ADVICE``: a number is none, a flag neither true nor false.
        """
        return recommend(
            Need(
                expected_duration_seconds,
                requires_streaming,
                concurrent_tasks,
                needs_result,
                recurring,
                high_frequency,
            )
        )
