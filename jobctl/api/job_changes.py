"""Changing jobs: what is wanted of them is written; a supervisor does the rest."""

from __future__ import annotations

import builtins
from collections.abc import Callable, Sequence
from typing import TypedDict, Unpack

from jobctl.actions import jobs as actions
from jobctl.actions.edits import EditRequest, edit
from jobctl.actions.removals import PruneRequest, prunable, prune, remove
from jobctl.api.job_reads import JobReads
from jobctl.api.options import Duration, Selection, number_text, seconds_text, selector_of, texts_of
from jobctl.api.records import Change, Job
from jobctl.clock import Clock
from jobctl.errors import BadInputError
from jobctl.model.durations import parse_duration
from jobctl.model.selectors import Selector, parse_status
from jobctl.store import Store

_EDITABLE = frozenset(EditRequest.__dataclass_fields__)
_Change = Callable[[Store, Selector, Clock], list[actions.Done]]


class EditOptions(TypedDict, total=False):
    """What can be changed of a job that waits."""

    name: str
    queue: str
    priority: int
    timeout: Duration
    grace: Duration
    attempts: int
    retry_delay: Duration
    backoff: float
    max_delay: Duration


class JobChanges(JobReads):
    """What changes jobs."""

    def cancel(
        self,
        selection: Selection,
        *,
        grace: Duration | None = None,
        signal: int | str | None = None,
        reason: str | None = None,
    ) -> builtins.list[Change]:
        """Waiting jobs are cancelled, running ones will be ended with their whole trees; so are their children.

        Args:
            selection: the jobs; of a bulk selection those that have ended are passed over.
            grace: from the signal to KILL; else each job's own.
            signal: sent first; else TERM.
            reason: kept on record.

        Raises:
            NotFoundError: a job named outright does not exist.
            StateConflictError: a job named outright has ended.
        """
        options = actions.CancelOptions(
            None if grace is None else parse_duration(seconds_text(grace) or "", "grace", allow_zero=True),
            None if signal is None else actions.parse_signal(str(signal)),
            None if reason is None else actions.check_reason(reason),
        )
        return self._change(
            selection, lambda store, selector, clock: actions.cancel(store, selector, clock, options)
        )

    def retry(self, selection: Selection) -> builtins.list[Change]:
        """Ended jobs run again: the same ids, the next attempts, a fresh attempt budget."""
        return self._change(selection, actions.retry)

    def hold(self, selection: Selection) -> builtins.list[Change]:
        """Waiting jobs do not start before they are released."""
        return self._change(selection, actions.hold)

    def release(self, selection: Selection) -> builtins.list[Change]:
        """Held jobs may start."""
        return self._change(selection, actions.release)

    def pause(self, selection: Selection) -> builtins.list[Change]:
        """The processes of running jobs will be stopped, and the clocks of their time-outs."""
        return self._change(selection, actions.pause)

    def resume(self, selection: Selection) -> builtins.list[Change]:
        """Paused jobs go on."""
        return self._change(selection, actions.resume)

    def cancel_one(self, job_id: int, reason: str | None) -> None:
        """``cancel`` of one job."""
        self.cancel(job_id, reason=reason)

    def retry_one(self, job_id: int) -> None:
        """``retry`` of one job."""
        self.retry(job_id)

    def _change(self, selection: Selection, change: _Change) -> builtins.list[Change]:
        selector = selector_of(selection)
        if not selector.parts:
            return []
        done = change(self.connections.store(), selector, self.connections.clock)
        return [Change(one.id, one.status, one.action.value) for one in done]

    def edit(self, selection: Selection, **changes: Unpack[EditOptions]) -> Job:
        """A waiting job is as asked for; returns it.

        Args:
            selection: the job.
            changes: ``name queue priority timeout grace attempts retry_delay backoff max_delay``.

        Raises:
            BadInputError: nothing to change, or a value is wrong.
            NotFoundError: no such job or queue.
            StateConflictError: it runs or has ended, or the queue takes no new jobs.
        """
        for name in changes:
            if name not in _EDITABLE:
                hint = "one of: " + " ".join(sorted(_EDITABLE))
                raise BadInputError("no option of edit", name, hint, "E_USAGE")
        request = EditRequest(**{name: number_text(value) for name, value in changes.items()})
        store = self.connections.store()
        return self.job_of(edit(store, ",".join(texts_of(selection)), request, self.connections.clock))

    def remove(self, selection: Selection) -> builtins.list[int]:
        """The jobs are gone with their logs; returns their ids. Of a bulk selection running ones stay."""
        selector = selector_of(selection)
        if not selector.parts:
            return []
        return [one.id for one in remove(self.connections.store(), selector, self.connections.clock)]

    def prune(
        self,
        *,
        older_than: Duration | None = None,
        status: str | Sequence[str] | None = None,
        keep: int | None = None,
        dry_run: bool = False,
    ) -> builtins.list[int]:
        """Ended jobs that fit every criterion are gone; returns their ids. At least one criterion has to be given."""
        words = [status] if isinstance(status, str) else status or ()
        age = seconds_text(older_than)
        request = PruneRequest(
            None if age is None else parse_duration(age, "older_than", allow_zero=True),
            tuple(parse_status(word) for word in words),
            keep,
        )
        store = self.connections.store()
        found = prunable(store, request, self.connections.clock)
        if dry_run:
            return [int(job_id) for job_id in found]
        return [one.id for step in prune(store, found, self.connections.clock) for one in step]
