"""Queues and resources that workflow files name, held against the store: warnings of a check, refusals of a run."""

from __future__ import annotations

from jobctl.actions.admissions import resource_error
from jobctl.actions.submissions import unknown_queue
from jobctl.actions.workflow_sources import LoadedWorkflow
from jobctl.errors import BadInputError, JobctlError, NotFoundError
from jobctl.model.workflow_parts import Asked
from jobctl.store import Store


def unmet(store: Store, loaded: LoadedWorkflow) -> list[tuple[Asked, JobctlError]]:
    """What the files ask for that is not there, each with why."""
    if not loaded.asked:
        return []
    queues, totals = {queue.name for queue in store.queues.limits()}, store.queues.resources()
    found: list[tuple[Asked, JobctlError]] = []
    for asked in loaded.asked:
        if asked.queue is None:
            error: JobctlError | None = resource_error(asked.resource, asked.amount, totals)
        else:
            error = None if asked.queue in queues else unknown_queue(asked.queue, queues)
        if error is not None:
            found.append((asked, error))
    return found


def check_askings(store: Store, loaded: LoadedWorkflow) -> None:
    """Every queue and resource that the files name is there.

    Raises:
        NotFoundError: no such queue; with its place.
        BadInputError: no such resource, or not so much of it; with its place.
    """
    for asked, error in unmet(store, loaded):
        what = f"{place(asked)}: {error.what}"
        kind = NotFoundError if isinstance(error, NotFoundError) else BadInputError
        raise kind(what, error.value, error.hint, error.code)


def place(asked: Asked) -> str:
    """``file:line:column``."""
    return f"{asked.source}:{asked.mark.line}:{asked.mark.column}"
