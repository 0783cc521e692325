"""Which jobs a reading verb is about."""

from __future__ import annotations

from collections.abc import Sequence

from jobctl.errors import BadInputError, NotFoundError
from jobctl.model.jobs import Job
from jobctl.model.selectors import Selector, SelectorKind, SelectorPart, parse_selector
from jobctl.store import Store
from jobctl.store.jobs import Selected

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


def _unknown(part: SelectorPart) -> NotFoundError:
    if part.kind is SelectorKind.LAST:
        return NotFoundError("no job was submitted yet", str(part), "submit one: jobctl submit -- CMD")
    return NotFoundError("no such job", str(part), "see: jobctl list")
