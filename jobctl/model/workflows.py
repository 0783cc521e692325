"""Workflows as they are defined: steps, what each needs and runs, and what holds for the whole.

``document()`` is the one canonical form: a JSON document that is itself a valid workflow file, with defaults resolved
into the steps and lengths of time in seconds. A run stores it, ``spec_hash`` compares it and the builder makes it.
"""

from __future__ import annotations

import hashlib
from collections.abc import Mapping
from dataclasses import dataclass, field
from enum import StrEnum
from typing import Any

from jobctl.errors import BadInputError
from jobctl.model.calls import Call
from jobctl.model.documents import Json, canonical_json
from jobctl.model.names import parse_whole
from jobctl.model.parameters import Parameter, ParameterType
from jobctl.model.specs import RetryPolicy

MOST_ITEMS = 10_000
"""Of one ``foreach``."""
MOST_STEPS = 10_000
STEP_KEYS = frozenset({"status", "reason", "exit_code", "outputs", "result", "job_id", "attempt"})
"""What an expression may ask of a step: ``steps.scan.status``."""
RUN_KEYS = frozenset({"id", "name", "attempt", "started_at"})
FAILURE_KEYS = frozenset({"step", "status", "reason", "exit_code", "message"})

NO_RETRY = RetryPolicy()
Command = str | tuple[str, ...]
"""A shell line, or an argument vector."""


class StepKind(StrEnum):
    """What a step is."""

    RUN = "run"
    CALL = "call"
    WORKFLOW = "workflow"
    APPROVE = "approve"


class Trigger(StrEnum):
    """Which ends of its needs make a step ready."""

    NONE_FAILED = "none_failed"
    """None failed and at least one is live; skips stop a chain and pass a join."""
    STRICT = "strict"
    """Every one completed, or was allowed to fail."""
    ALL_DONE = "all_done"
    """However they ended."""
    ANY_FAILED = "any_failed"
    """At least one failed, or could not run because another did; also an allowed failure."""


class Rollback(StrEnum):
    """When the undo commands of completed steps run by themselves."""

    NEVER = "never"
    ON_FAILURE = "on_failure"
    ON_CANCEL = "on_cancel"


class UndoIf(StrEnum):
    """Whose undo command a rollback runs."""

    COMPLETED = "completed"
    STARTED = "started"
    """Also of a step that was started and did not complete."""


@dataclass(frozen=True, slots=True)
class Approval:
    """A step that waits for a person."""

    prompt: str = ""
    expires_seconds: float | None = None

    def document(self) -> dict[str, Json]:
        """As a file writes it."""
        return _given({"prompt": self.prompt or None, "expires": self.expires_seconds})


@dataclass(frozen=True, slots=True)
class Undo:
    """What takes back what a step did."""

    run: Command | Call
    timeout_seconds: float | None = None
    retry: RetryPolicy = NO_RETRY

    def document(self) -> Json:
        """As a file writes it: the command alone where there is no more."""
        more = _given({"timeout": self.timeout_seconds, "retry": retry_document(self.retry)})
        if isinstance(self.run, Call):
            return {"call": self.run.function, **_given({"with": dict(self.run.args) or None}), **more}
        run = _command_document(self.run)
        return {"run": run, **more} if more else run


@dataclass(frozen=True, slots=True)
class Tolerance:
    """How many items of a ``foreach`` may fail: a number, or a share of them rounded down."""

    amount: int
    is_percent: bool = False

    @classmethod
    def parse(cls, text: str, what: str = "tolerate") -> Tolerance:
        """``3`` or ``5%``.

        Raises:
            BadInputError: ``E_NUMBER``.
        """
        if text.endswith("%"):
            return cls(parse_whole(text[:-1], what, 0, 100), True)
        return cls(parse_whole(text, what, 0, MOST_ITEMS))

    def of(self, total: int) -> int:
        """How many of ``total`` items may fail."""
        return total * self.amount // 100 if self.is_percent else self.amount

    def document(self) -> Json:
        """As a file writes it."""
        return f"{self.amount}%" if self.is_percent else self.amount


NO_TOLERANCE = Tolerance(0)


@dataclass(frozen=True, slots=True)
class StepDefinition:
    """One step, complete: defaults of the workflow are in it. Texts hold their ``${{ }}`` unrendered."""

    id: str
    kind: StepKind
    run: Command | None = None
    """Of ``RUN``."""
    target: str | None = None
    """Of ``CALL`` the function, of ``WORKFLOW`` the file or name."""
    approval: Approval | None = None
    arguments: Mapping[str, Json] = field(default_factory=dict)
    """``with:``, for ``CALL`` and ``WORKFLOW``."""
    needs: tuple[str, ...] = ()
    when: str | None = None
    trigger: Trigger = Trigger.NONE_FAILED
    foreach: str | tuple[Json, ...] | None = None
    """A template that gives the list, or the list."""
    parallel: int | None = None
    tolerate: Tolerance = NO_TOLERANCE
    retry: RetryPolicy = NO_RETRY
    timeout_seconds: float | None = None
    continue_on_error: bool = False
    optional: bool = False
    outputs: Mapping[str, ParameterType] = field(default_factory=dict)
    undo: Undo | None = None
    undo_if: UndoIf = UndoIf.COMPLETED
    cwd: str | None = None
    env: Mapping[str, str] = field(default_factory=dict)
    queue: str | None = None
    resources: Mapping[str, int] = field(default_factory=dict)
    priority: int | None = None
    idempotent: bool = True
    """Whether an attempt that was lost with the machine may be repeated."""
    help: str = ""

    def document(self) -> dict[str, Any]:
        """As a file writes it, without what is not said."""
        return _given({
            "id": self.id,
            self.kind.value: self._subject(),
            "with": dict(self.arguments) or None,
            "needs": list(self.needs) or None,
            "when": self.when,
            "trigger": None if self.trigger is Trigger.NONE_FAILED else self.trigger.value,
            "foreach": list(self.foreach) if isinstance(self.foreach, tuple) else self.foreach,
            "parallel": self.parallel,
            "tolerate": None if self.tolerate == NO_TOLERANCE else self.tolerate.document(),
            "retry": retry_document(self.retry),
            "timeout": self.timeout_seconds,
            "continue_on_error": self.continue_on_error or None,
            "optional": self.optional or None,
            "outputs": {name: kind.value for name, kind in self.outputs.items()} or None,
            "undo": None if self.undo is None else self.undo.document(),
            "undo_if": None if self.undo_if is UndoIf.COMPLETED else self.undo_if.value,
            "cwd": self.cwd,
            "env": dict(self.env) or None,
            "queue": self.queue,
            "resources": dict(self.resources) or None,
            "priority": self.priority,
            "idempotent": None if self.idempotent else False,
            "help": self.help or None,
        })  # fmt: skip

    def spec_hash(self, directory: str | None) -> str:
        """Equal exactly for steps that would do the same in ``directory``: all that is said but the help text."""
        said = {name: value for name, value in self.document().items() if name != "help"}
        return hashlib.sha256(canonical_json({**said, "cwd": directory}).encode()).hexdigest()

    def _subject(self) -> Json:
        match self.kind:
            case StepKind.RUN if self.run is not None:
                return _command_document(self.run)
            case StepKind.APPROVE if self.approval is not None:
                return self.approval.document() or True
            case StepKind.CALL | StepKind.WORKFLOW if self.target is not None:
                return self.target
            case _:
                raise BadInputError(
                    "a step with nothing to do", self.id, "give run, call, workflow or approve"
                )


@dataclass(frozen=True, slots=True)
class WorkflowDefinition:
    """A workflow, complete and checked; made by ``workflow_files`` or the builder."""

    name: str
    steps: tuple[StepDefinition, ...]
    params: tuple[Parameter, ...] = ()
    cwd: str | None = None
    env: Mapping[str, str] = field(default_factory=dict)
    """For the handlers; the steps have it already."""
    max_parallel: int | None = None
    fail_fast: bool = False
    timeout_seconds: float | None = None
    rollback: frozenset[Rollback] = frozenset()
    """Empty: never by itself."""
    on_failure: Command | None = None
    on_exit: Command | None = None
    help: str = ""

    def step(self, step_id: str) -> StepDefinition:
        """The step of this id; KeyError if there is none."""
        for found in self.steps:
            if found.id == step_id:
                return found
        raise KeyError(step_id)

    @property
    def needs(self) -> dict[str, tuple[str, ...]]:
        """What each step needs, in the order of the file."""
        return {step.id: step.needs for step in self.steps}

    @property
    def calls(self) -> list[tuple[str, Call]]:
        """Every function that it calls itself, with the step; texts of the arguments may hold ``${{ }}``."""
        found = [
            (step.id, Call(step.target or "", step.arguments))
            for step in self.steps
            if step.kind is StepKind.CALL
        ]
        undone = ((step.id, step.undo.run) for step in self.steps if step.undo is not None)
        return [*found, *((step_id, run) for step_id, run in undone if isinstance(run, Call))]

    @property
    def spec_hashes(self) -> dict[str, str]:
        """By step."""
        return {step.id: step.spec_hash(self.directory_of(step)) for step in self.steps}

    def directory_of(self, step: StepDefinition) -> str | None:
        """Where a step works, from the file's directory: its own ``cwd`` seen from that of the workflow."""
        if self.cwd is None or step.cwd is None:
            return self.cwd if step.cwd is None else step.cwd
        return step.cwd if step.cwd.startswith(("/", "~", "${{")) else f"{self.cwd.rstrip('/')}/{step.cwd}"

    def document(self) -> dict[str, Any]:
        """As a file writes it; ``workflow_files.workflow_of`` reads it back."""
        handlers = {"on_failure": self.on_failure, "on_exit": self.on_exit}
        return _given({
            "name": self.name,
            "help": self.help or None,
            "params": {found.name: _parameter_document(found) for found in self.params} or None,
            "cwd": self.cwd,
            "env": dict(self.env) or None,
            "max_parallel": self.max_parallel,
            "fail_fast": self.fail_fast or None,
            "timeout": self.timeout_seconds,
            "rollback": sorted(self.rollback) or None,
            "steps": [step.document() for step in self.steps],
            **{name: None if found is None else _command_document(found) for name, found in handlers.items()},
        })  # fmt: skip


def retry_document(retry: RetryPolicy) -> dict[str, Json] | None:
    """As ``retry:`` writes it; None: not tried again."""
    if retry == NO_RETRY:
        return None
    return {
        "times": retry.attempts - 1, "delay": retry.delay_seconds, "backoff": retry.backoff,
        "max_delay": retry.max_delay_seconds, **({"on_exit": list(retry.retry_on)} if retry.retry_on else {}),
    }  # fmt: skip


def _parameter_document(parameter: Parameter) -> dict[str, Json]:
    found = _given({
        "type": parameter.type.value, "choices": list(parameter.choices) or None, "default": parameter.default,
        "min": parameter.min, "max": parameter.max, "pattern": parameter.pattern, "help": parameter.help or None,
    })  # fmt: skip
    if not parameter.required and parameter.default is None:
        found["required"] = False
    return found


def _command_document(command: Command) -> Json:
    return command if isinstance(command, str) else list(command)


def _given(members: dict[str, Any]) -> dict[str, Any]:
    return {name: value for name, value in members.items() if value is not None}
