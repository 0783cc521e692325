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
from jobctl.model.queues import DEFAULT_CONCURRENCY, DEFAULT_QUEUE, Queue, parse_rate
from jobctl.store import Store
from jobctl.views.queues import queue_json, queues_plain

NewName = Annotated[str, typer.Argument(metavar="NAME", help="The new queue.")]
Name = Annotated[str, typer.Argument(metavar="NAME", help="The queue.", autocompletion=complete_queues)]
Concurrency = Annotated[
    str | None, typer.Option("--concurrency", metavar="N", help="How many of its jobs may run at once.")
]

RateOption = Annotated[
    str | None,
    typer.Option(
        "--rate", metavar="N/TIME|none", help="At most so many starts in a time: 10/min, 2/s, 100/6h."
    ),
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
    elif call.is_terminal:
        from jobctl.views.queue_tables import queue_columns
        from jobctl.views.tables import show_table  # only a terminal pays for Rich

        show_table(queue_columns(), found, color=call.color)
    else:
        call.print(queues_plain(found))


def add(call: Invocation, name: NewName, concurrency: Concurrency = None, rate: RateOption = None) -> None:
    """Add a queue; jobs join it with --queue.

    \b
    Examples:
      jobctl queue add gpu --concurrency 1
      jobctl queue add mail --rate 10/min
      jobctl submit --queue gpu -- python train.py
    """
    slots = DEFAULT_CONCURRENCY if concurrency is None else actions.parse_concurrency(concurrency)
    limit = None if rate is None else parse_rate(rate)
    check_queue_name(name)
    with call.store(create=True) as store:
        actions.add_queue(store, name, slots, call.clock, limit)
        _report(call, store, name, "added")


def set_(call: Invocation, name: Name, concurrency: Concurrency = None, rate: RateOption = None) -> None:
    """Change a queue; what runs goes on even above a lower concurrency.

    A rate counts starts, also across restarts of the supervisor; after a pause up to N may start at once.

    \b
    Examples:
      jobctl queue set default --concurrency 2
      jobctl queue set mail --rate 10/min
      jobctl queue set mail --rate none --json
    """
    if concurrency is None and rate is None:
        raise BadInputError("nothing to change", hint="give --concurrency N or --rate N/TIME", code="E_USAGE")
    slots = None if concurrency is None else actions.parse_concurrency(concurrency)
    limit = None if rate is None else parse_rate(rate)
    with _store_with(call, name) as store:
        actions.set_queue(
            store,
            name,
            call.clock,
            concurrency=slots,
            rate=limit,
            unlimited=rate is not None and limit is None,
        )
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


def drain(call: Invocation, name: Name) -> None:
    """Take no new jobs into a queue; those it has go on.

    \b
    Examples:
      jobctl queue drain gpu
      jobctl queue resume gpu
      jobctl queue drain gpu --json
    """
    with _store_with(call, name) as store:
        actions.drain_queue(store, name, call.clock)
        _report(call, store, name, "draining")


def resume(call: Invocation, name: Name) -> None:
    """Start jobs from a paused queue again, and take new ones into a draining one.

    \b
    Examples:
      jobctl queue resume gpu
      jobctl queue resume default
    """
    with _store_with(call, name) as store:
        actions.resume_queue(store, name, call.clock)
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
