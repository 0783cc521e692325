"""``workflow validate``, ``schema`` and ``graph``: what needs no run."""

from __future__ import annotations

import os
from functools import cache
from typing import Annotated

import typer

from jobctl.actions.selections import one_job
from jobctl.actions.workflow_sources import is_path, load_workflow, workflow_names
from jobctl.actions.workflows import workflow_report
from jobctl.cli.complete import complete_graphs, complete_words, complete_workflow_files
from jobctl.cli.invocation import Invocation
from jobctl.cli.submit import call_functions
from jobctl.cli.words import one_of
from jobctl.errors import BadFileError, JobctlError
from jobctl.model.workflows import WorkflowDefinition
from jobctl.views.text import printable

FORMATS = ("tree", "mermaid", "dot", "json", "svg")


def validate(
    call: Invocation,
    files: Annotated[
        list[str],
        typer.Argument(metavar="FILE...", help="Files or names.", autocompletion=complete_workflow_files),
    ],
) -> None:
    """Check workflow files without running them: every problem with line, column and what to write instead.

    Functions that steps call are looked at in a process of its own, where the last reload did not see them.

    Exit 0 when all are right, 2 when one is wrong, 3 when one is not there.

    \b
    Examples:
      jobctl workflow validate nightly.yaml
      jobctl workflow validate workflows/*.yaml
    """
    good: list[tuple[str, WorkflowDefinition]] = []
    wrong: list[tuple[str, JobctlError]] = []
    functions = cache(lambda: call_functions(call.home(), call.settings))
    for file in files:
        try:
            good.append((file, load_workflow(file, call.home(), os.getcwd(), functions).definition))
        except JobctlError as error:
            wrong.append((file, error))
    if not call.json:
        for file, found in good:
            count = len(found.steps)
            call.print(
                f"{printable(file)}: {printable(found.name)}, {count} step{'s' * (count != 1)}, no problem"
            )
    if len(wrong) == 1:
        raise wrong[0][1]
    if wrong:
        raise _together(wrong, len(files))
    if call.json:
        call.print_json({"workflows": [_valid_json(file, found) for file, found in good]})


def _valid_json(file: str, found: WorkflowDefinition) -> dict[str, object]:
    return {
        "file": printable(file),
        "name": found.name,
        "valid": True,
        "steps": len(found.steps),
        "problems": [],
    }


def _together(wrong: list[tuple[str, JobctlError]], count: int) -> JobctlError:
    """What is wrong with several files as one error: of bad input if any of them is."""
    details: list[str] = []
    problems: list[dict[str, object]] = []
    for file, error in wrong:
        if isinstance(error, BadFileError):
            details += [] if len(error.problems) > 1 else [str(error)]
            details += error.details
            problems += [{"file": file, **problem} for problem in error.problems]
        else:
            details.append(str(error))
            problems.append({"file": file, "message": error.message, "hint": error.hint or None})
    if not any(error.exit_code == BadFileError.exit_code for _, error in wrong):
        return wrong[0][1]
    return BadFileError(
        f"{len(wrong)} of {count} workflows have problems", None, "", "E_WORKFLOW",
        details=tuple(details), problems=tuple(problems),
    )  # fmt: skip


def schema(call: Invocation) -> None:
    """Print the JSON Schema of workflow files, for editors.

    \b
    Examples:
      jobctl workflow schema > workflow.schema.json
      jobctl workflow schema | jq '.properties | keys'
    """
    import json

    from jobctl.model.workflow_files import workflow_schema

    found = workflow_schema()
    if call.json:
        call.print_json(found)
    else:
        call.print(json.dumps(found, indent=2))


def graph(
    call: Invocation,
    workflow: Annotated[
        str,
        typer.Argument(metavar="FILE|ID", help="A file, a name or a run.", autocompletion=complete_graphs),
    ],
    format_: Annotated[
        str,
        typer.Option(
            "--format",
            metavar="F",
            help="tree, mermaid, dot, json or svg.",
            autocompletion=complete_words(*FORMATS),
        ),
    ] = "tree",
) -> None:
    """Draw the steps of a workflow and what they need; of a run with their states.

    \b
    Examples:
      jobctl workflow graph nightly.yaml
      jobctl workflow graph 12 --format svg > run12.svg
      jobctl workflow graph nightly.yaml --format mermaid
    """
    from jobctl.views import workflow_graphs as views

    kind = one_of(format_, FORMATS, "format")
    definition, statuses = _drawn(call, workflow)
    found = views.workflow_graph(definition, statuses)
    if call.json or kind == "json":
        call.print_json(views.graph_json(found))
    elif kind == "svg":
        from jobctl.views.workflow_svg import graph_svg

        call.print(graph_svg(found))
    else:
        draw = {"tree": views.graph_tree, "mermaid": views.graph_mermaid, "dot": views.graph_dot}[kind]
        call.print(draw(found))


def _drawn(call: Invocation, text: str) -> tuple[WorkflowDefinition, dict[str, str] | None]:
    """The workflow, and the states of its steps if a run was named: no file, and no name of one."""
    if is_path(text) or text in workflow_names(call.home()) or _is_word(text):
        return load_workflow(text, call.home(), os.getcwd()).definition, None
    with call.store() as store:
        report = workflow_report(store, one_job(store, text))
    return report.definition, {step.id: step.status.value for step in report.steps}


def _is_word(text: str) -> bool:
    """Whether ``text`` can only be a name: selectors are ids, ``last``, or have a colon."""
    return (
        not text.isdigit()
        and text != "last"
        and ":" not in text
        and "," not in text
        and not text.startswith("@")
    )
