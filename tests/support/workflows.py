"""Workflows on a stage: started from the text of their file, turned to their end, looked at."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from jobctl.model.documents import Json
from jobctl.model.parameters import bind
from jobctl.model.states import JobId, JobKind, JobStatus
from jobctl.model.workflow_bundles import WorkflowBundle
from jobctl.model.workflow_files import parse_workflow
from jobctl.model.workflow_runs import Role, StepRun, WorkflowRun, WorkflowSubmission
from jobctl.supervisor.supervisor import Supervisor
from tests.support.supervisors import Premises, Stage, submission


def bundle(text: str, parts: Mapping[str, WorkflowBundle] | None = None) -> WorkflowBundle:
    """The workflow of a file, with those its steps start."""
    return WorkflowBundle(parse_workflow(text, "flow.yaml"), parts or {})


def add_workflow(
    premises: Premises,
    text: str,
    params: Mapping[str, Json] | None = None,
    parts: Mapping[str, WorkflowBundle] | None = None,
    **changes: Any,
) -> JobId:
    """A stored run of the file ``text``; ``changes`` are about its own job."""
    made = bundle(text, parts)
    parent = submission(premises.root, kind=JobKind.WORKFLOW, name=made.definition.name, **changes)
    bound = bind(made.definition.params, params or {}, "/nowhere")
    with premises.store.write():
        return premises.store.workflows.submit(
            WorkflowSubmission(parent, made, bound), premises.clock.now_ms()
        ).id


@dataclass(frozen=True, slots=True)
class Watched:
    """A run on a stage."""

    stage: Stage
    id: JobId

    @property
    def run(self) -> WorkflowRun:
        """As it stands."""
        found = self.stage.store.workflows.get(self.id)
        assert found is not None
        return found

    def step(self, step: str) -> StepRun:
        """One of its steps as it stands."""
        found = self.stage.store.workflows.step(self.id, step)
        assert found is not None
        return found

    @property
    def statuses(self) -> dict[str, str]:
        """The status of each step."""
        return {step.id: step.status.value for step in self.stage.store.workflows.steps(self.id)}

    @property
    def item_statuses(self) -> dict[str, list[str]]:
        """The status of each item, by step."""
        return {
            step.id: [item.status.value for item in self.stage.store.workflows.items(self.id, step.id)]
            for step in self.stage.store.workflows.steps(self.id)
            if step.items is not None
        }

    def job(self, step: str) -> JobId:
        """The newest job of a step."""
        found = self.step(step).job_id
        assert found is not None
        return found

    def output(self, step: str) -> str:
        """What the first attempt of a step's newest job printed."""
        return self.stage.output(self.job(step))

    def of_role(self, role: Role) -> list[str]:
        """The labels of the jobs it had in this role, in the order of their making."""
        return [child.label for child in self.stage.store.workflows.children(self.id) if child.role is role]

    def end(self, supervisor: Supervisor | None = None, *, tick: float = 0.0) -> WorkflowRun:
        """The run has ended; without a supervisor one was about until then."""
        turned = supervisor or self.stage.supervise()
        self.stage.turn_until(turned, lambda: self.stage.status(self.id).is_terminal, tick=tick)
        if supervisor is None:
            self.stage.kill(turned)
        return self.run


def run_workflow(
    stage: Stage,
    text: str,
    params: Mapping[str, Json] | None = None,
    parts: Mapping[str, WorkflowBundle] | None = None,
) -> Watched:
    """A run that has ended."""
    watched = Watched(stage, add_workflow(stage, text, params, parts))
    watched.end()
    return watched


def ended(status: JobStatus, run: WorkflowRun) -> bool:
    """Whether the run ended so and left nothing open."""
    return run.status is status and run.phase.value == "ended" and run.ended == run.steps
