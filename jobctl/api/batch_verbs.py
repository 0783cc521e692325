"""Batches: one command for many items."""

from __future__ import annotations

import builtins
from collections.abc import Sequence
from dataclasses import dataclass, field, replace
from typing import Unpack

from jobctl.actions import batches as actions
from jobctl.actions.command_checks import check_command
from jobctl.actions.requests import JobRequest
from jobctl.actions.selections import one_job
from jobctl.api.job_submits import JobSubmits
from jobctl.api.options import HasId, JobOptions, Selection, Word, job_request, number_text, plain, texts_of
from jobctl.api.records import Job
from jobctl.clock import to_ms
from jobctl.model.batches import Batch as BatchRecord
from jobctl.model.batches import BatchSubmission, Item, parse_max_failures
from jobctl.model.names import parse_whole
from jobctl.model.states import JobId
from jobctl.views.batches import batch_json, failed_item_json


@dataclass(frozen=True, slots=True)
class Batch(HasId):
    """A batch as it stood when it was read: the parent's job, and how many items are in each state."""

    job: Job
    record: BatchRecord = field(repr=False)
    """``total created queued running completed failed cancelled timeout max_parallel max_failures``."""
    failed: tuple[Job, ...] = ()
    """The first 100 items that failed, where they were asked for."""

    @property
    def id(self) -> int:
        """Of the parent."""
        return self.job.id

    @property
    def total(self) -> int:
        """How many items it has."""
        return self.record.total

    @property
    def ended(self) -> bool:
        """Whether all of its items have ended."""
        return self.job.ended

    def as_json(self) -> dict[str, object]:
        """The document that ``batch show --json`` prints."""
        document = batch_json(self.record, self.job.record, to_ms(self.job.read_at))
        document["failed_items"] = [failed_item_json(self.record, item.record) for item in self.failed]
        return document


class BatchVerbs:
    """``client.batches``."""

    def __init__(self, jobs: JobSubmits) -> None:
        self._jobs = jobs

    def submit(
        self,
        command: Sequence[Word] | None,
        items: Sequence[Word],
        *,
        shell: str | None = None,
        max_parallel: int | None = None,
        max_failures: int | str | None = None,
        **options: Unpack[JobOptions],
    ) -> Batch:
        """A parent and one job an item are on disk; returns the batch. In the command ``{}`` is the item.

        Args:
            command: an argument vector with ``{} {.} {/} {//} {/.} {#}`` as in GNU parallel.
            items: one text a job.
            shell: a shell line in place of the command.
            max_parallel: so many items at once, at most.
            max_failures: when more fail, the rest is cancelled: a number, or ``"10%"``.
            options: of each item; name, unique key and hooks are the batch's.

        Raises: as ``Client.submit``.
        """
        request = job_request(command, shell, None, options)
        made = actions.batch_submission(self._jobs.builder(), request, [str(plain(item)) for item in items])
        return self._store(made, max_parallel, max_failures)

    def submit_commands(
        self,
        commands: Sequence[Sequence[Word]],
        *,
        max_parallel: int | None = None,
        max_failures: int | str | None = None,
        **options: Unpack[JobOptions],
    ) -> Batch:
        """The same with a whole argument vector for each item."""
        vectors = [tuple(str(plain(word)) for word in command) for command in commands]
        whole = self._jobs.submission(job_request(vectors[0] if vectors else (), None, None, options))
        for vector in vectors[1:]:
            check_command(JobRequest(command=vector))
        items = [Item(" ".join(vector), vector) for vector in vectors]
        return self._store(actions.shared_out(whole, items), max_parallel, max_failures)

    def _store(
        self, batch: BatchSubmission, max_parallel: int | None, max_failures: int | str | None
    ) -> Batch:
        if max_parallel is not None:
            text = number_text(max_parallel) or ""
            most = parse_whole(text, "max parallel", 1, actions.MOST_PARALLEL)
            batch = replace(batch, max_parallel=most)
        if max_failures is not None:
            batch = replace(
                batch, max_failures=parse_max_failures(number_text(max_failures) or "", len(batch.items))
            )
        connections = self._jobs.connections
        stored = actions.submit_batch(connections.store(create=True), batch, connections.clock)
        return self.get(stored.id)

    def get(self, selection: Selection) -> Batch:
        """The batch with its counts, and the items that failed.

        Raises:
            NotFoundError: there is no such batch.
        """
        store = self._jobs.connections.store()
        report = actions.batch_report(store, one_job(store, ",".join(texts_of(selection))))
        failed = tuple(map(self._jobs.job_of, report.failed))
        return Batch(self._jobs.job_of(report.job), report.batch, failed)

    def list(self) -> builtins.list[Batch]:
        """Every batch, newest first."""
        store = self._jobs.connections.existing()
        found = [] if store is None else actions.list_batches(store)
        return [Batch(self._jobs.job_of(job), batch) for batch, job in found]

    def items(self, selection: Selection) -> builtins.list[Job]:
        """The jobs of a batch, in the order of its items."""
        batch = self.get(selection)
        return self._jobs.list(f"batch:{batch.id}")[::-1]

    def retry(self, selection: Selection, *, failed_only: bool = False) -> int:
        """Items that did not complete run again; returns how many.

        Raises:
            NotFoundError: there is no such batch.
            StateConflictError: there is nothing to retry.
        """
        connections = self._jobs.connections
        job_id = JobId(self.get(selection).id)
        return actions.retry_items(connections.store(), job_id, connections.clock, failed_only=failed_only)
