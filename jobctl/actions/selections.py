"""Which jobs a reading verb is about."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import UTC, datetime

from jobctl.clock import to_ms
from jobctl.errors import BadInputError, NotFoundError
from jobctl.model.durations import parse_duration
from jobctl.model.filters import JobFilter
from jobctl.model.instants import LocalZone, parse_instant
from jobctl.model.jobs import Job
from jobctl.model.selectors import Selector, SelectorKind, SelectorPart, parse_selector
from jobctl.store import Store
from jobctl.store.jobs import Selected

MOST_WITH_USUAL = 50
"""Of longer lists it is not told how long jobs of a name usually take."""
_MAY_BE_EMPTY = frozenset({SelectorKind.ALL, SelectorKind.STATE, SelectorKind.QUEUE})


def selected_jobs(store: Store, texts: Sequence[str]) -> list[Selected]:
    """The jobs that the selectors name together, by id, each once.

    Only ``all``, ``@state`` and ``queue:`` may find none.

    Raises:
        BadInputError: a text is no selector.
        NotFoundError: a part that names jobs outright, by name, tag or parent finds none.
    """
    found: dict[int, Selected] = {}
    for part in (part for text in texts for part in parse_selector(text).parts):
        matches = store.jobs.select(Selector((part,)))
        if not matches and part.kind not in _MAY_BE_EMPTY:
            raise _unknown(part)
        for match in matches:
            if match.id not in found or match.outright:
                found[match.id] = match
    return [found[number] for number in sorted(found)]


def one_job(store: Store, text: str) -> Job:
    """The one job that ``text`` selects.

    Raises:
        BadInputError: no selector, or it selects several jobs.
        NotFoundError: there is no such job.
    """
    found = selected_jobs(store, [text])
    if len(found) > 1:
        raise BadInputError(f"selects {len(found)} jobs, not one", text, "give one id", "E_SELECTOR")
    job = store.jobs.get(found[0].id) if found else None
    if job is None:
        raise NotFoundError("no such job", text, "see: jobctl list")
    return job


def listed_jobs(store: Store, narrowed: JobFilter) -> list[Job]:
    """The jobs of a listing; of a short one with how long jobs of their names usually take.

    Raises:
        NotFoundError: a job named outright does not exist, or nothing was found in a queue that does not exist.
        BadInputError: what is no name of a queue.
    """
    for part in narrowed.selector.parts if narrowed.selector else ():
        is_one = part.kind is SelectorKind.IDS and part.first == part.last
        if is_one and not store.jobs.select(Selector((part,))):
            raise NotFoundError("no such job", str(part), "see: jobctl list")
    jobs = store.jobs.list(narrowed)
    if not jobs:
        _check_queues(store, narrowed)
    return store.jobs.with_usual(jobs) if len(jobs) <= MOST_WITH_USUAL else jobs


def _check_queues(store: Store, narrowed: JobFilter) -> None:
    """Nothing was found, and not for a queue that does not exist."""
    parts = narrowed.selector.parts if narrowed.selector else ()
    named = [str(part.text) for part in parts if part.kind is SelectorKind.QUEUE]
    known = store.queues.names()
    for name in [*named, *([narrowed.queue] if narrowed.queue is not None else [])]:
        if name not in known:
            from jobctl.actions.submissions import unknown_queue  # only on the way to an error

            raise unknown_queue(name, known)


def past_instant(text: str, what: str, now_ms: int) -> int:
    """The milliseconds of an instant, or of a duration ago: ``2h`` is two hours before now.

    Raises:
        BadInputError: it is neither.
    """
    try:
        return now_ms - round(parse_duration(text, what, allow_zero=True) * 1000)
    except BadInputError:
        now = datetime.fromtimestamp(now_ms / 1000, UTC)
        return to_ms(parse_instant(text, now, what, LocalZone(), past=True))


def _unknown(part: SelectorPart) -> NotFoundError:
    if part.kind is SelectorKind.LAST:
        return NotFoundError("no job was submitted yet", str(part), "submit one: jobctl submit -- CMD")
    return NotFoundError("no such job", str(part), "see: jobctl list")
