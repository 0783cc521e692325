"""What a retry of a workflow will do, step by step, before it is done: reset, kept, new or dropped, and why."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from enum import StrEnum

from jobctl.errors import BadInputError, NotFoundError, StateConflictError
from jobctl.model.problems import did_you_mean
from jobctl.model.workflow_graphs import Needs, descendants_of
from jobctl.model.workflow_states import RESET_BY_RETRY, StepStatus


class DefinitionChoice(StrEnum):
    """``--definition``: which text of the workflow a retry follows."""

    ORIGINAL = "original"
    CURRENT = "current"


class Action(StrEnum):
    """What a retry does with a step."""

    RESET = "reset"
    """It runs again, unless its needs or its condition say otherwise."""
    KEEP = "keep"
    NEW = "new"
    """The current definition has it, the recorded one has not."""
    DROP = "drop"
    """The current definition has it no more."""


@dataclass(frozen=True, slots=True)
class RetryRequest:
    """What the caller asked for."""

    from_step: str | None = None
    only_step: str | None = None
    definition: DefinitionChoice = DefinitionChoice.ORIGINAL


@dataclass(frozen=True, slots=True)
class RecordedStep:
    """A step of the run as it stands, and the hash of what it was defined as."""

    status: StepStatus
    spec_hash: str
    can_be_undone: bool = False


@dataclass(frozen=True, slots=True)
class PlannedStep:
    """What will become of one step."""

    id: str
    action: Action
    status: StepStatus | None
    """As it stands; None for a new one."""
    reason: str
    """For people: ``failed``, ``behind transform``, ``completed``, ``changed``."""


@dataclass(frozen=True, slots=True)
class RetryPlan:
    """The whole: steps in the order of the definition that is followed, then those that are dropped."""

    steps: tuple[PlannedStep, ...]

    def of(self, action: Action) -> tuple[str, ...]:
        """The steps with which this is done."""
        return tuple(step.id for step in self.steps if step.action is action)

    @property
    def runs(self) -> tuple[str, ...]:
        """The steps that become pending."""
        return tuple(step.id for step in self.steps if step.action in (Action.RESET, Action.NEW))


def plan_retry(
    request: RetryRequest, recorded: Mapping[str, RecordedStep], needs: Needs, hashes: Mapping[str, str]
) -> RetryPlan:
    """What the retry does, by one walk over the graph (a step is visited once, however many ways lead to it).

    Args:
        request: what was asked for.
        recorded: every step of the run.
        needs: the graph of the definition that is to be followed.
        hashes: of the steps of that definition; those of ``ORIGINAL`` are the recorded ones.

    Raises:
        NotFoundError: no such step.
        BadInputError: ``--from`` and ``--only``.
        StateConflictError: every step completed; there is nothing to do. Or ``--only``, and other steps are defined
            in another way now, too.
    """
    seeds = _seeds(request, recorded, needs, hashes)
    reset = set(seeds) if request.only_step is not None else descendants_of(needs, seeds)
    behind = _origins(needs, seeds, reset)
    steps = [_planned(step, recorded.get(step), seeds, reset, behind) for step in needs]
    dropped = [
        PlannedStep(step, Action.DROP, found.status, _dropped(found))
        for step, found in recorded.items()
        if step not in needs
    ]
    if not reset and not dropped:
        raise StateConflictError(
            "nothing to retry: every step completed", None, "name one with --from or --only"
        )
    return RetryPlan((*steps, *dropped))


def _dropped(step: RecordedStep) -> str:
    is_lost = step.can_be_undone and step.status is StepStatus.COMPLETED
    return f"no longer in the definition{', will not be undone' if is_lost else ''}"


def _seeds(
    request: RetryRequest, recorded: Mapping[str, RecordedStep], needs: Needs, hashes: Mapping[str, str]
) -> dict[str, str]:
    """The steps a retry starts from, each with its reason."""
    if request.from_step is not None and request.only_step is not None:
        raise BadInputError("--from and --only", None, "give one of them", "E_BAD_INPUT")
    seeds = {}
    if request.definition is DefinitionChoice.CURRENT:
        seeds = {
            step: "changed" for step in needs if step in recorded and recorded[step].spec_hash != hashes[step]
        }
        seeds |= {step: "new" for step in needs if step not in recorded}
    if request.only_step is not None:
        return _alone(_known(request.only_step, needs), seeds)
    if request.from_step is not None:
        return {_known(request.from_step, needs): "asked for"} | seeds
    for step, found in recorded.items():
        if step in needs and (found.status in RESET_BY_RETRY or not found.status.is_terminal):
            seeds.setdefault(step, found.status.value)
    return seeds


def _alone(step: str, changed: Mapping[str, str]) -> dict[str, str]:
    """The step as the only seed; a definition that was changed elsewhere cannot be followed by halves."""
    other = next((one for one in changed if one != step), None)
    if other is not None:
        what = f"the current definition is not the recorded one elsewhere, too ({changed[other]})"
        raise StateConflictError(what, other, "leave out --only")
    return {step: "asked for"}


def _known(step: str, needs: Needs) -> str:
    if step not in needs:
        raise NotFoundError("no such step", step, did_you_mean(step, list(needs)[:100]))
    return step


def _origins(needs: Needs, seeds: Iterable[str], reset: set[str]) -> dict[str, str]:
    """For each step that is reset only because of another: the need it stands behind."""
    known = set(seeds)
    return {
        step: next(need for need in needed if need in reset)
        for step, needed in needs.items()
        if step in reset and step not in known
    }


def _planned(
    step: str,
    found: RecordedStep | None,
    seeds: Mapping[str, str],
    reset: set[str],
    behind: Mapping[str, str],
) -> PlannedStep:
    if found is None:
        return PlannedStep(step, Action.NEW, None, "new")
    if step not in reset:
        return PlannedStep(step, Action.KEEP, found.status, found.status.value)
    reason = seeds[step] if step in seeds else f"behind {behind[step]}"
    return PlannedStep(step, Action.RESET, found.status, reason)
