"""Reading jobs, their attempts, logs and events. Nothing is written; where there is no store, there are no jobs."""

from __future__ import annotations

import builtins
from collections.abc import Iterator, Sequence

from jobctl.actions.events import EventQuery, events_after, newest_events
from jobctl.actions.explanations import explain_job
from jobctl.actions.selections import listed_jobs, one_job, past_instant
from jobctl.api.following import Since, cursor_of
from jobctl.api.log_lines import log_lines
from jobctl.api.options import Instant, Selection, plain, selector_of, texts_of
from jobctl.api.records import Attempt, Event, Job, Reason, event_of, reasons_of
from jobctl.api.verbs import Verbs
from jobctl.errors import BadInputError
from jobctl.model.events import Entity
from jobctl.model.filters import JobFilter, SortKey
from jobctl.model.selectors import parse_status
from jobctl.model.states import ACTIVE, JobStatus


class JobReads(Verbs):
    """What reads jobs."""

    def job(self, selection: Selection) -> Job:
        """The one job that is selected, as it stands now.

        Raises:
            NotFoundError: there is none.
            BadInputError: it selects several.
        """
        texts = texts_of(selection)
        store = self.connections.store()
        [found] = store.jobs.with_usual([one_job(store, ",".join(texts))])
        return self.job_of(found)

    def find(self, job_id: int) -> Job | None:
        """The job with this id; None if there is none."""
        store = self.connections.existing()
        found = None if store is None else store.jobs.get(job_id)
        return None if found is None else self.job_of(found)

    def list(
        self,
        selection: Selection | None = None,
        *,
        status: str | Sequence[str] | None = None,
        active: bool = False,
        queue: str | None = None,
        tags: Sequence[str] = (),
        name: str | None = None,
        type: str | None = None,
        user: str | None = None,
        parent: int | None = None,
        since: Instant | None = None,
        until: Instant | None = None,
        sort: str = "id",
        limit: int | None = None,
    ) -> builtins.list[Job]:
        """The jobs that fit every filter, newest first; all of them, or the first ``limit``.

        Args:
            selection, queue, tags, name, type, user, parent: what they must be; None: whatever.
            status: one state, or any of several.
            active: only created, queued and running ones.
            since, until: submitted since and before; a text such as ``"2h"`` is so long ago.
            sort: id, created, started, finished, priority, duration or name.
            limit: at most so many.

        Raises:
            BadInputError: a filter says nothing that can be.
            NotFoundError: a job or a queue that is named does not exist.
        """
        now = self.connections.clock.now_ms()
        words = [status] if isinstance(status, str) else status or ()
        wanted = [parse_status(word) for word in words]
        narrowed = JobFilter(
            selector=None if selection is None else selector_of(selection),
            statuses=tuple(dict.fromkeys([*wanted, *ACTIVE])) if active else tuple(dict.fromkeys(wanted)),
            queue=queue,
            tags=tuple(tags),
            name=name,
            type=type,
            user=user,
            parent=parent,
            since=None if since is None else past_instant(plain(since), "since", now),
            until=None if until is None else past_instant(plain(until), "until", now),
            sort=_sort_key(sort),
            limit=_limit(limit),
        )
        store = self.connections.existing()
        if store is None or (
            selection is not None and narrowed.selector is not None and not narrowed.selector.parts
        ):
            return []
        return [self.job_of(found) for found in listed_jobs(store, narrowed)]

    def recent(self, *, user: str | None = None, limit: int = 50) -> builtins.list[Job]:
        """The newest jobs, also only those for a user."""
        return self.list(user=user, limit=limit)

    def active(self, *, user: str | None = None) -> builtins.list[Job]:
        """The jobs that have not ended."""
        return self.list(active=True, user=user)

    def history(self, name: str, *, limit: int | None = None) -> builtins.list[Job]:
        """The jobs of a name that have run, newest first."""
        store = self.connections.existing()
        return [] if store is None else [self.job_of(job) for job in store.jobs.history(name, _limit(limit))]

    def counts(self) -> dict[str, int]:
        """How many jobs are in each state."""
        store = self.connections.existing()
        return (
            dict.fromkeys((status.value for status in JobStatus), 0) if store is None else store.jobs.counts()
        )

    def attempts(self, selection: Selection) -> builtins.list[Attempt]:
        """The attempts of a job, oldest first."""
        job = self.job(selection)
        records = self.connections.store().attempts.of(job.record.id)
        return [Attempt(record, self.connections.home, self.now()) for record in records]

    def explain(self, selection: Selection) -> builtins.list[Reason]:
        """Why a job is not running, or why it ended so: each reason with ``code``, ``message`` and ``facts``."""
        job = self.job(selection)
        causes = explain_job(self.connections.store(), job.record, self.connections.clock.now_ms())
        return reasons_of(causes)

    def logs(
        self,
        selection: Selection,
        *,
        follow: bool = False,
        tail: int | None = None,
        attempt: int | None = None,
        stream: str = "both",
    ) -> Iterator[str]:
        """The lines that jobs printed, without line ends; bytes that are not UTF-8 are replaced.

        Of a batch or a workflow the lines of its jobs. Nothing is escaped: it may hold control characters.

        Args:
            selection: the jobs.
            follow: go on to the end of the last of them, through queueing and retries.
            tail: only the last so many lines of what is there now.
            attempt: of this attempt, not the newest.
            stream: ``stdout`` or ``stderr`` of a job that was submitted with ``split_output``.

        Raises:
            NotFoundError: there is no such job or attempt.
        """
        return log_lines(
            self.connections, texts_of(selection), follow=follow, tail=tail, attempt=attempt, stream=stream
        )

    def log_lines(self, job_id: int, *, follow: bool) -> Iterator[str]:
        """``logs`` of one job."""
        return self.logs(job_id, follow=follow)

    def events(
        self, *, since: Since | None = 0, kinds: Sequence[str] = (), limit: int | None = None
    ) -> builtins.list[Event]:
        """What happened since, oldest first; with ``limit`` the newest so many. Kinds may be ``job.*``."""
        store = self.connections.existing()
        if store is None:
            return []
        query = EventQuery(cursor_of(store, since, self.connections.clock.now_ms()), tuple(kinds))
        found = events_after(store, query) if limit is None else newest_events(store, query, limit)
        return [event_of(record) for record in found]

    def events_of(self, selection: Selection) -> builtins.list[Event]:
        """Every event about one job, oldest first."""
        job = self.job(selection)
        return [event_of(record) for record in self.connections.store().events.about(Entity.JOB, job.id)]


def _sort_key(text: str) -> SortKey:
    try:
        return SortKey(text)
    except ValueError:
        hint = "one of: " + " ".join(key.value for key in SortKey)
        raise BadInputError("unknown sort key", text, hint, "E_USAGE") from None


def _limit(limit: int | None) -> int | None:
    if limit is not None and (isinstance(limit, bool) or limit < 1):
        raise BadInputError("bad limit", limit, "give 1 or more", "E_NUMBER")
    return limit
