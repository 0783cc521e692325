"""How the exceptions of functions came about, as Python would have shown them on standard error."""

from __future__ import annotations

from jobctl.model.jobs import Job
from jobctl.model.tracebacks import is_of_exit
from jobctl.store import Store


def shown_traceback(store: Store, job: Job, attempt: int | None = None) -> str:
    """The traceback of the attempt (the newest), ending with a line break; empty if no exception ended it."""
    if job.spec.call is None:
        return ""
    text = store.functions.traceback(job.id, job.attempt if attempt is None else attempt) or ""
    return "" if not text or is_of_exit(text) else text.rstrip("\n") + "\n"
