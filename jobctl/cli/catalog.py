"""``catalog``: the jobs that have a name before they run."""

from __future__ import annotations

import json
import os
from collections.abc import Iterable
from typing import TYPE_CHECKING, Annotated

import typer

from jobctl.actions import catalog as actions
from jobctl.actions.configuration_checks import check_here, find_warnings
from jobctl.actions.inspections import examined
from jobctl.cli.complete import complete_definitions
from jobctl.cli.invocation import Invocation
from jobctl.cli.words import existing_store
from jobctl.configuration import check_configuration, configuration_path, read_configuration
from jobctl.errors import NotFoundError
from jobctl.model.configurations import Configuration, configuration_schema
from jobctl.store import Store
from jobctl.views.definitions import (
    definition_fields,
    definition_json,
    definitions_plain,
    parameters_plain,
    recent_json,
    recent_plain,
)
from jobctl.views.jobs import encodable
from jobctl.views.text import printable

if TYPE_CHECKING:
    from rich.console import RenderableType

RECENT = 10
Name = Annotated[str, typer.Argument(metavar="NAME", help="The job.", autocompletion=complete_definitions)]
All = Annotated[bool, typer.Option("--all", help="Also those that are gone from the file.")]


def catalog(call: Invocation, all: All = False) -> None:
    """Show the jobs that jobctl.yaml names, and the built-in ones: state, last run, next run, usual duration.

    \b
    Examples:
      jobctl catalog
      jobctl catalog --json
    """
    list_(call, all)


def list_(call: Invocation, all: All = False) -> None:
    """Show a card for each job of the catalog; in a pipe, a line.

    \b
    Examples:
      jobctl catalog list
      jobctl catalog list --json
      jobctl catalog list --all
    """
    configuration = read_configuration(call.home())
    store = existing_store(call)
    try:
        cards = [card for card in actions.catalog(store, configuration) if all or not card.is_gone]
    finally:
        _close(store)
    now = call.clock.now_ms()
    if call.json:
        call.print_json({"definitions": [definition_json(card) for card in cards]})
        return
    if call.is_terminal:
        from jobctl.views.definition_cards import definition_cards  # only a terminal pays for Rich

        _show(call, definition_cards(cards, now))
    else:
        call.print(definitions_plain(cards, now))
    if any(not card.is_current and not card.is_gone for card in cards):
        call.note("jobctl.yaml is not applied as it is now; apply it with: jobctl reload")


def show(call: Invocation, name: Name) -> None:
    """Show one job of the catalog: parameters, command, options, schedules, recent runs.

    \b
    Examples:
      jobctl catalog show report
      jobctl catalog show system.backup --json
    """
    configuration = read_configuration(call.home())
    store = existing_store(call)
    try:
        found = actions.details(store, configuration, name, RECENT)
    finally:
        _close(store)
    now = call.clock.now_ms()
    if call.json:
        recent = [recent_json(job, now) for job in found.recent]
        call.print_json({**definition_json(found.card), "recent": recent})
        return
    for label, text in definition_fields(found.card, now):
        call.print(f"{label:<14} {text}")
    call.print(f"parameters\n{parameters_plain(found.card.definition)}")
    call.print(f"recent runs\n{recent_plain(found.recent, now)}")


def validate(
    call: Invocation,
    file: Annotated[
        str | None, typer.Argument(metavar="FILE", help="Another file than the one of the home.")
    ] = None,
) -> None:
    """Check jobctl.yaml, or another file of that kind: every problem with its place; exit 2 if there is one.

    Queues and resources that it needs may also be in the store of the home. What is only odd is a warning.

    \b
    Examples:
      jobctl catalog validate
      jobctl catalog validate ./jobctl.yaml
    """
    path = configuration_path(call.home()) if file is None else file
    found = read_configuration(call.home()) if file is None else check_configuration(file)
    if found is None:
        raise NotFoundError("no configuration at", path, "make one, or name a file", "E_NO_CONFIG")
    counts = _counts(found)
    directory = None if file is None else os.path.dirname(os.path.abspath(file))
    found = examined(found, call.home(), call.settings_over(found), directory)
    store, now = existing_store(call), call.clock.now_ms()
    try:
        check_here(store, found, now)
        warnings = find_warnings(store, found, now)
    finally:
        _close(store)
    for warning in warnings:
        call.note(f"warning: {warning}")
    if call.json:
        call.print_json({"file": encodable(path), "valid": True, "warnings": warnings, **counts})
        return
    told = ", ".join(f"{count} {word}" for word, count in counts.items() if count) or "nothing in it"
    call.print(f"{printable(path)}: {told}; no problems")


def schema(call: Invocation) -> None:
    """Print the JSON Schema of jobctl.yaml, for editors.

    \b
    Examples:
      jobctl catalog schema > jobctl.schema.json
      jobctl catalog schema --json | jq '.properties.jobs'
    """
    if call.json:
        call.print_json(configuration_schema())
    else:
        call.print(json.dumps(configuration_schema(), indent=2))


def _counts(found: Configuration) -> dict[str, int]:
    return {
        "settings": len(found.settings),
        "queues": len(found.queues),
        "resources": len(found.resources or {}),
        "jobs": len(found.definitions),
        "schedules": len(found.schedules),
        "daemons": len(found.daemons),
    }


def _close(store: Store | None) -> None:
    if store is not None:
        store.close()


def _show(call: Invocation, parts: Iterable[RenderableType]) -> None:
    from rich.console import Console

    console = Console(no_color=not call.color, highlight=False, markup=False)
    for part in parts:
        console.print(part)
