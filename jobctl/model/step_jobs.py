"""From a step to the job that runs it: texts rendered, directories resolved, variables set.

Everything that is not said by the step is that of the run's own job, and so of the caller who started it.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field, replace
from functools import lru_cache
from typing import Any

from jobctl.errors import EvaluationError
from jobctl.model.calls import Call, check_arguments
from jobctl.model.documents import Json
from jobctl.model.expressions import Expression, Reference
from jobctl.model.names import LONGEST_NAME
from jobctl.model.parameters import bind
from jobctl.model.specs import JobSpec, OnCrash, RetryPolicy, Submission
from jobctl.model.states import JobId, JobKind
from jobctl.model.templates import Template
from jobctl.model.workflow_runs import Role, label_of
from jobctl.model.workflows import MOST_ITEMS, NO_RETRY, Command, StepDefinition, WorkflowDefinition

Names = Mapping[str, Json]

_OF_COMMANDS: Mapping[str, Any] = {
    "shell": None, "command": (), "stdin": None, "nice": 0, "secret_env": (), "progress_from": None,
    "keep_children": False,
}  # fmt: skip
"""What may be asked of the run for its commands and means nothing for a function."""


@dataclass(frozen=True, slots=True)
class RunFacts:
    """What the jobs of a run have in common."""

    run_id: JobId
    base: Submission
    """The run's own job, as it was submitted."""
    definition: WorkflowDefinition

    @property
    def home(self) -> str:
        """What ``~`` stands for."""
        return self.base.environment.get("HOME") or "/"


@dataclass(frozen=True, slots=True)
class Work:
    """What a job of a run does, before it is rendered."""

    role: Role
    command: Command | Call
    label: str = ""
    """Of the step or item; empty for a handler."""
    directory: str | None = None
    env: Mapping[str, str] = field(default_factory=dict)
    timeout_seconds: float | None = None
    retry: RetryPolicy = NO_RETRY
    idempotent: bool = True


def step_work(definition: WorkflowDefinition, step: StepDefinition, map_index: int) -> Work:
    """What the job of a ``run`` or ``call`` step does."""
    does = step.run if step.target is None else Call(step.target, step.arguments)
    if does is None:
        raise AssertionError(f"{step.id} runs no command")
    return Work(
        Role.STEP, does, label_of(step.id, map_index), definition.directory_of(step), step.env,
        step.timeout_seconds, step.retry, step.idempotent,
    )  # fmt: skip


def undo_work(definition: WorkflowDefinition, step: StepDefinition, map_index: int) -> Work:
    """What the job does that takes a step back."""
    undo = step.undo
    if undo is None:
        raise AssertionError(f"{step.id} has no undo")
    label, directory = label_of(step.id, map_index), definition.directory_of(step)
    return Work(Role.UNDO, undo.run, label, directory, step.env, undo.timeout_seconds, undo.retry)


def handler_work(definition: WorkflowDefinition, role: Role) -> Work | None:
    """What the job of a handler does; None where the workflow has no such handler."""
    command = definition.on_failure if role is Role.ON_FAILURE else definition.on_exit
    return None if command is None else Work(role, command, "", definition.cwd, definition.env)


def work_references(work: Work) -> Iterator[Reference]:
    """Everything its texts look up."""
    if isinstance(work.command, Call):
        yield from value_references(dict(work.command.args))
    else:
        for template in _command_templates(work.command):
            yield from template.names()
    for text in (*work.env.values(), work.directory or ""):
        yield from template_of(text).names()


def submission_of(facts: RunFacts, work: Work, step: StepDefinition | None, names: Names) -> Submission:
    """The job that does ``work``.

    Raises:
        EvaluationError: a ``${{ }}`` of it has no value.
        BadInputError: a function would be given more than a job can carry.
    """
    base = facts.base
    cwd = _directory(facts, work.directory, names)
    env = {name: template_of(text).render(names) for name, text in work.env.items()}
    if cwd != base.spec.cwd and not isinstance(work.command, Call):
        env.setdefault("PWD", cwd)
    spec = replace(
        base.spec,
        cwd=cwd,
        env={**base.spec.env, **env, **_own_variables(facts.run_id, work)},
        timeout_seconds=work.timeout_seconds,
        retry=work.retry,
        on_crash=OnCrash.RETRY if work.idempotent else OnCrash.FAIL,
        on_success=None,
        on_failure=None,
    )
    if isinstance(work.command, Call):
        given = check_arguments({name: rendered(value, names) for name, value in work.command.args.items()})
        spec = replace(spec, **_OF_COMMANDS, call=Call(work.command.function, given), supervisor_env=True)
        return replace(_child(facts, work, step, spec), kind=JobKind.FUNCTION, environment={})
    shell, command = _command(work.command, names)
    return _child(facts, work, step, replace(spec, shell=shell, command=command))


def run_submission(facts: RunFacts, step: StepDefinition, map_index: int, name: str) -> Submission:
    """The job of a run that is a step of this one."""
    base = facts.base
    label = label_of(step.id, map_index)
    directory = _directory(facts, facts.definition.directory_of(step), {})
    spec = replace(base.spec, cwd=directory, command=(), on_success=None, on_failure=None)
    return replace(
        _child(facts, Work(Role.STEP, (), label), step, spec), name=_name(name, label), kind=JobKind.WORKFLOW
    )


def run_arguments(
    facts: RunFacts, part: WorkflowDefinition, step: StepDefinition, names: Names
) -> dict[str, Json]:
    """The parameters of a run that is a step of this one.

    Raises:
        BadInputError: ``with:`` does not fit them, or a ``${{ }}`` has no value (EvaluationError).
    """
    given = {name: rendered(value, names) for name, value in step.arguments.items()}
    return bind(part.params, given, facts.home, texts=False)


def items_of(step: StepDefinition, names: Names) -> list[Json]:
    """What the step is repeated for.

    Raises:
        EvaluationError: no list, or one with too many items.
    """
    source = step.foreach
    if source is None:
        raise AssertionError(f"{step.id} is not repeated")
    found = template_of(source).value(names) if isinstance(source, str) else list(source)
    if not isinstance(found, list):
        raise EvaluationError("foreach needs a list", str(source), "an output of type json can hold one")
    if len(found) > MOST_ITEMS:
        raise EvaluationError("foreach has too many items", str(len(found)), f"at most {MOST_ITEMS}")
    return found


def rendered(value: Json, names: Names) -> Json:
    """A JSON value with every ``${{ }}`` in its texts put in; a text that is one alone gives its typed value."""
    if isinstance(value, str):
        return template_of(value).value(names)
    if isinstance(value, list):
        return [rendered(item, names) for item in value]
    if isinstance(value, dict):
        return {key: rendered(member, names) for key, member in value.items()}
    return value


def value_references(value: Json) -> Iterator[Reference]:
    """Everything that the texts of a JSON value look up."""
    if isinstance(value, str):
        yield from template_of(value).names()
    elif isinstance(value, list | dict):
        for member in value.values() if isinstance(value, dict) else value:
            yield from value_references(member)


@lru_cache(maxsize=4096)
def template_of(text: str) -> Template:
    """The template; the same text is taken apart once."""
    return Template.parse(text)


@lru_cache(maxsize=4096)
def line_of(text: str) -> Template:
    """The template of a shell line; the same text is taken apart once."""
    return Template.parse(text, shell=True)  # noqa: S604  (it only quotes)


@lru_cache(maxsize=4096)
def condition_of(text: str) -> Expression:
    """The condition; the same text is read once."""
    return Expression.parse(text)


def _command_templates(command: Command) -> list[Template]:
    """A shell line as one template that quotes, the words of an argument vector each as they are."""
    if isinstance(command, str):
        return [line_of(command)]
    return [template_of(word) for word in command]


def _command(command: Command, names: Names) -> tuple[str | None, tuple[str, ...]]:
    """The shell line, or the argument vector."""
    texts = tuple(template.render(names) for template in _command_templates(command))
    if isinstance(command, str):
        return texts[0], ()
    if not texts[0]:
        raise EvaluationError("the command is empty", command[0], "its first word names the program")
    return None, texts


def _own_variables(run_id: JobId, work: Work) -> dict[str, str]:
    label = work.label or work.role.value
    # run/step, run/step#i for an item, run/step/undo (notes/workflows.md section 2).
    step, _, index = label.removesuffix("]").partition("[")
    key = f"{run_id}/{step}{f'#{index}' if index else ''}{'/undo' if work.role is Role.UNDO else ''}"
    return {"JOBCTL_WORKFLOW_ID": str(run_id), "JOBCTL_STEP": label, "JOBCTL_IDEMPOTENCY_KEY": key}


def _directory(facts: RunFacts, text: str | None, names: Names) -> str:
    """An absolute path: from the directory of the run, ``~`` is the caller's home."""
    base = facts.base.spec.cwd
    if text is None:
        return base
    path = template_of(text).render(names)
    if path == "~" or path.startswith("~/"):
        path = facts.home.rstrip("/") + path[1:]
    if not path:
        raise EvaluationError("the working directory is empty", text, "name one")
    return path if path.startswith("/") else f"{base.rstrip('/')}/{path}"


def _child(facts: RunFacts, work: Work, step: StepDefinition | None, spec: JobSpec) -> Submission:
    base = facts.base
    label = work.label or work.role.value
    name = f"{label}:undo" if work.role is Role.UNDO else label
    given = step is not None and work.role is Role.STEP
    return Submission(
        name=_name(facts.definition.name, name),
        spec=spec,
        environment=base.environment,
        queue=step.queue if step is not None and step.queue is not None else base.queue,
        priority=step.priority if step is not None and step.priority is not None else base.priority,
        type=base.type,
        category=base.category,
        user=base.user,
        tags=base.tags,
        parent_id=facts.run_id,
        workflow_id=facts.run_id,
        step=label,
        submitted_by=f"workflow:{facts.run_id}",
        resources=step.resources if step is not None and given else {},
    )


def _name(workflow: str, label: str) -> str:
    """``catalog/import[3]``, cut in front."""
    return f"{workflow[: max(1, LONGEST_NAME - len(label) - 1)]}/{label}"[:LONGEST_NAME]
