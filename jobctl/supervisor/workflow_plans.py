"""What a supervisor keeps in memory of the runs at hand: their definitions, each read once, and their own jobs."""

from __future__ import annotations

from collections import OrderedDict
from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace
from typing import Generic, TypeVar

from jobctl.errors import NotFoundError
from jobctl.model.jobs import Job
from jobctl.model.specs import Submission
from jobctl.model.states import JobId, JobKind
from jobctl.model.step_jobs import RunFacts
from jobctl.model.workflow_bundles import WorkflowBundle
from jobctl.model.workflow_graphs import children_of
from jobctl.model.workflows import StepDefinition, UndoIf
from jobctl.store import Store
from jobctl.store.runs import RunState

K = TypeVar("K")
V = TypeVar("V")

MOST_DEFINITIONS = 64
MOST_RUNS = 1024


@dataclass(frozen=True, slots=True)
class Layout:
    """What all runs of one definition have in common."""

    bundle: WorkflowBundle
    steps: Mapping[str, StepDefinition]
    children: Mapping[str, list[str]]
    undo_if: Mapping[str, UndoIf]
    """After which ends a rollback takes a step back, of those that it can."""


@dataclass(frozen=True, slots=True)
class Plan:
    """The unchanging part of a run."""

    layout: Layout
    facts: RunFacts
    created_at: int

    @property
    def bundle(self) -> WorkflowBundle:
        """The definition, with those its steps start."""
        return self.layout.bundle

    @property
    def steps(self) -> Mapping[str, StepDefinition]:
        """By id."""
        return self.layout.steps

    @property
    def children(self) -> Mapping[str, list[str]]:
        """What needs each step."""
        return self.layout.children


class Plans:
    """The plans of the runs at hand; of a thousand runs of one file the definition is read once."""

    def __init__(self, store: Store) -> None:
        self._store = store
        self._layouts: _Newest[str, Layout] = _Newest(MOST_DEFINITIONS)
        self._plans: _Newest[tuple[JobId, str], Plan] = _Newest(MOST_RUNS)

    def of(self, state: RunState) -> Plan:
        """The plan of the run.

        Raises:
            BadInputError: its definition is damaged, or this version cannot read it.
        """
        return self._plans.get((state.job_id, state.definition_hash), lambda: self._plan(state))

    def forget(self, state: RunState) -> None:
        """The run has ended."""
        self._plans.drop((state.job_id, state.definition_hash))

    def _plan(self, state: RunState) -> Plan:
        job = self._store.jobs.get(state.job_id)
        if job is None:
            raise NotFoundError("no such workflow", state.job_id)
        layout = self._layouts.get(state.definition_hash, lambda: self._layout(state.job_id))
        base = base_of(job, self._store.jobs.environment_of(state.job_id))
        return Plan(layout, RunFacts(state.job_id, base, layout.bundle.definition), job.created_at)

    def _layout(self, run_id: JobId) -> Layout:
        bundle = self._store.workflows.bundle(run_id)
        definition = bundle.definition
        steps = {step.id: step for step in definition.steps}
        return Layout(bundle, steps, children_of(definition.needs), bundle.undo_if)


class _Newest(Generic[K, V]):
    """At most ``most`` values by key; the one that was asked for longest ago goes first."""

    def __init__(self, most: int) -> None:
        self._most = most
        self._found: OrderedDict[K, V] = OrderedDict()

    def get(self, key: K, read: Callable[[], V]) -> V:
        if key in self._found:
            self._found.move_to_end(key)
            return self._found[key]
        value = self._found[key] = read()
        if len(self._found) > self._most:
            self._found.popitem(last=False)
        return value

    def drop(self, key: K) -> None:
        self._found.pop(key, None)


def base_of(job: Job, environment: Mapping[str, str]) -> Submission:
    """What the caller asked for when he started the run, as its jobs take it over."""
    spec = replace(job.spec, command=(), shell=None)
    return Submission(
        job.name, spec, environment, job.queue, job.priority, JobKind.WORKFLOW, job.type, job.category, job.user,
        job.tags,
    )  # fmt: skip
