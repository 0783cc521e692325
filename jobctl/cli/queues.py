"""``jobctl queue …``: named lanes with a concurrency of their own."""

from __future__ import annotations

import os
from typing import Annotated

import typer

from jobctl.actions import queues as actions
from jobctl.actions.submissions import unknown_queue
from jobctl.cli.complete import complete_queues
from jobctl.cli.invocation import Invocation
from jobctl.errors import BadInputError
from jobctl.model.names import check_queue_name
from jobctl.model.queues import DEFAULT_CONCURRENCY, DEFAULT_QUEUE, Queue
from jobctl.store import Store
from jobctl.views.queues import queue_json, queues_plain

NewName = Annotated[str, typer.Argument(metavar="NAME", help="The new queue.")]
Name = Annotated[str, typer.Argument(metavar="NAME", help="The queue.", autocompletion=complete_queues)]
Concurrency = Annotated[
    str | None, typer.Option("--concurrency", metavar="N", help="How many of its jobs may run at once.")
]


def list_(call: Invocation) -> None:
    """List queues with their slots and live counts.

    \b
    Examples:
      jobctl queue list
      jobctl queue list --json
    """
    found = [Queue(DEFAULT_QUEUE, DEFAULT_CONCURRENCY, paused=False)]
    if _has_store(call):
        with call.store() as store:
            found = store.queues.list()
    if call.json:
        call.print_json({"queues": [queue_json(queue) for queue in found]})
    else:
        call.print(queues_plain(found))


def add(call: Invocation, name: NewName, concurrency: Concurrency = None) -> None:
    """Add a queue; jobs join it with --queue.

    \b
    Examples:
      jobctl queue add gpu --concurrency 1
      jobctl submit --queue gpu -- python train.py
    """
    slots = DEFAULT_CONCURRENCY if concurrency is None else actions.parse_concurrency(concurrency)
    check_queue_name(name)
    with call.store(create=True) as store:
        actions.add_queue(store, name, slots, call.clock)
        _report(call, store, name, "added")


def set_(call: Invocation, name: Name, concurrency: Concurrency = None) -> None:
    """Change a queue; what runs goes on even above a lower concurrency.

    \b
    Examples:
      jobctl queue set default --concurrency 2
      jobctl queue set gpu --concurrency 4 --json
    """
    if concurrency is None:
        raise BadInputError("nothing to change", hint="give --concurrency N", code="E_USAGE")
    slots = actions.parse_concurrency(concurrency)
    with _store_with(call, name) as store:
        actions.set_concurrency(store, name, slots, call.clock)
        _report(call, store, name, "changed")


def pause(call: Invocation, name: Name) -> None:
    """Start nothing more from a queue; what runs goes on.

    \b
    Examples:
      jobctl queue pause gpu
      jobctl queue pause default
    """
    with _store_with(call, name) as store:
        actions.set_paused(store, name, True, call.clock)
        _report(call, store, name, "paused")


def resume(call: Invocation, name: Name) -> None:
    """Start jobs from a paused queue again.

    \b
    Examples:
      jobctl queue resume gpu
      jobctl queue resume default
    """
    with _store_with(call, name) as store:
        actions.set_paused(store, name, False, call.clock)
        _report(call, store, name, "resumed")


def remove(call: Invocation, name: Name) -> None:
    """Remove a queue that has no jobs, ended ones included.

    \b
    Examples:
      jobctl queue remove gpu
      jobctl queue rm gpu
    """
    with _store_with(call, name) as store:
        actions.remove_queue(store, name, call.clock)
    if call.json:
        call.print_json({"name": name, "removed": True})
    else:
        call.print(f"queue {name} removed")


def _has_store(call: Invocation) -> bool:
    return os.path.exists(call.home().store)


def _store_with(call: Invocation, name: str) -> Store:
    """The store; a new one only for the queue that every store has."""
    if name != DEFAULT_QUEUE and not _has_store(call):
        raise unknown_queue(name, [DEFAULT_QUEUE])
    return call.store(create=True)


def _report(call: Invocation, store: Store, name: str, action: str) -> None:
    if call.json:
        call.print_json(next(queue_json(queue) for queue in store.queues.list() if queue.name == name))
    else:
        call.print(f"queue {name} {action}")
