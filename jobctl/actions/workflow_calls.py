"""The functions that steps of a workflow call, checked as far as its file tells."""

from __future__ import annotations

from collections.abc import Iterator

from jobctl.actions.functions import Functions
from jobctl.errors import JobctlError
from jobctl.model.calls import Call
from jobctl.model.signatures import Signature, check_argument, check_missing, check_name
from jobctl.model.templates import OPENING
from jobctl.model.workflows import StepDefinition, WorkflowDefinition


def wrong_calls(
    definition: WorkflowDefinition, functions: Functions
) -> Iterator[tuple[StepDefinition, str, JobctlError]]:
    """What is wrong with each call: the step, its key, and the error. What a run fills in is checked by that run."""
    for step_id, call in definition.calls:
        step = definition.step(step_id)
        undoes = step.undo is not None and call is step.undo.run
        try:
            signature = functions.signature(call.function)
        except JobctlError as error:
            yield step, "undo" if undoes else "call", error
            continue
        if signature is not None:
            for misfit in _misfits(signature, call):
                yield step, "undo" if undoes else "with", misfit


def _misfits(signature: Signature, call: Call) -> Iterator[JobctlError]:
    for name, value in call.args.items():
        try:
            if OPENING not in str(value):
                check_argument(signature, name, value)
            else:
                check_name(signature, name)
        except JobctlError as error:
            yield error
    try:
        check_missing(signature, call.args)
    except JobctlError as error:
        yield error
