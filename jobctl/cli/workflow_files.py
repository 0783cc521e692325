"""``workflow validate``, ``schema`` and ``graph``: what needs no run."""

from __future__ import annotations

import os
from functools import cache
from typing import Annotated

import typer

from jobctl.actions.workflow_askings import place, unmet
from jobctl.actions.workflow_sources import (
    CheckedWorkflows,
    LoadedWorkflow,
    check_workflows,
    is_path,
    load_workflow,
    workflow_names,
    wrong_files,
)
from jobctl.actions.workflow_steps import one_run
from jobctl.actions.workflows import workflow_report
from jobctl.cli.complete import complete_graphs, complete_words, complete_workflow_files
from jobctl.cli.invocation import Invocation
from jobctl.cli.submit import call_functions
from jobctl.cli.words import existing_store, one_of
from jobctl.errors import BadFileError, JobctlError
from jobctl.model.workflow_parts import Asked
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

    So are the workflows that their steps run. Queues and resources that this home lacks are warned of.

    Exit 0 when all are right, 2 when one is wrong, 3 when one is not there.

    \b
    Examples:
      jobctl workflow validate nightly.yaml
      jobctl workflow validate workflows/*.yaml
    """
    functions = cache(lambda: call_functions(call.home(), call.settings))
    checked = check_workflows(files, call.home(), os.getcwd(), functions)
    warnings = _warnings(call, checked)
    if not call.json:
        for file, found in checked.good:
            count = len(found.definition.steps)
            name = found.definition.name
            call.print(f"{printable(file)}: {printable(name)}, {count} step{'s' * (count != 1)}, no problem")
        for told in dict.fromkeys(line for lines in warnings.values() for line in lines):
            call.note(f"warning: {told}")
    if checked.wrong:
        raise _together(checked.wrong, len(files))
    if call.json:
        call.print_json(
            {"workflows": [_valid_json(file, found, warnings[file]) for file, found in checked.good]}
        )


def _warnings(call: Invocation, checked: CheckedWorkflows) -> dict[str, dict[str, dict[str, object]]]:
    """By file what this home lacks of what the workflow asks for: by its line for people."""
    store = existing_store(call) if any(found.asked for _, found in checked.good) else None
    if store is None:
        return {file: {} for file, _ in checked.good}
    with store:
        return {
            file: {
                f"{place(asked)}: {error}": _warning_json(asked, error)
                for asked, error in unmet(store, found)
            }
            for file, found in checked.good
        }


def _warning_json(asked: Asked, error: JobctlError) -> dict[str, object]:
    return {
        "file": printable(asked.source), "line": asked.mark.line, "column": asked.mark.column,
        "message": error.what, "value": error.value, "hint": error.hint or None,
    }  # fmt: skip


def _valid_json(
    file: str, found: LoadedWorkflow, warnings: dict[str, dict[str, object]]
) -> dict[str, object]:
    return {
        "file": printable(file),
        "name": found.definition.name,
        "valid": True,
        "steps": len(found.definition.steps),
        "problems": [],
        "warnings": list(warnings.values()),
    }


def _together(wrong: list[tuple[str, JobctlError]], count: int) -> JobctlError:
    """What is wrong with several files as one error: of bad input if any of them is."""
    if len(wrong) == 1 or not any(error.exit_code == BadFileError.exit_code for _, error in wrong):
        return wrong[0][1]
    return wrong_files(wrong, f"{len(wrong)} of {count} workflows have problems")


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
        report = workflow_report(store, one_run(store, text))
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
