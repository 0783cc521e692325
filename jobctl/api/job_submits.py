"""Submitting jobs: through the same requests, checks and storing as the command line."""

from __future__ import annotations

import builtins
from collections.abc import Iterable, Mapping, Sequence
from typing import TYPE_CHECKING, Any, Unpack

from jobctl.actions.admissions import needed_jobs, store_jobs
from jobctl.actions.callers import caller_context
from jobctl.actions.requests import JobRequest, located
from jobctl.actions.submissions import SubmissionBuilder
from jobctl.api.job_reads import JobReads
from jobctl.api.options import Function, JobOptions, Word, job_request, plain
from jobctl.api.records import Job
from jobctl.configuration import read_configuration
from jobctl.errors import BadInputError, JobctlError
from jobctl.model.documents import Json
from jobctl.model.homes import Home
from jobctl.model.specs import Submission
from jobctl.settings import Settings
from jobctl.store import Store

if TYPE_CHECKING:
    from jobctl.actions.functions import Functions


class JobSubmits(JobReads):
    """What makes jobs."""

    def submit(
        self,
        command: Sequence[Word] | None = None,
        /,
        *,
        shell: str | None = None,
        call: str | Function | None = None,
        definition: str | None = None,
        parameters: Mapping[str, Json] | None = None,
        **options: Unpack[JobOptions],
    ) -> Job:
        """The job is on disk; returns it. It runs when a supervisor has room, now or later.

        With a unique key that is taken, the job that has it is returned.

        Args:
            command: an argument vector: ``["python", "train.py"]``.
            shell: a shell line in its place.
            call: a Python function in its place, or its name ``pkg.mod:func``; its arguments are in ``args``.
            definition: a job of ``jobctl.yaml`` in its place, with its ``parameters``.
            parameters: of the definition.
            options: those of ``jobctl submit``; see ``JobOptions``.

        Raises:
            BadInputError: something is wrong with it; nothing was stored.
            NotFoundError: there is no such queue, definition or job to wait for.
            StateConflictError: the queue is draining, or the unique key is taken and ``on_duplicate="reject"``.
        """
        submission = self.submission(self.request(command, shell, call, definition, parameters, options))
        stored = store_jobs(self.connections.store(create=True), [submission], self.connections.clock)
        return self.job(stored[0].id)

    def submit_many(
        self, requests: Iterable[Mapping[str, Any]], **defaults: Unpack[JobOptions]
    ) -> builtins.list[int]:
        """All jobs are on disk, in one transaction, or none is; returns their ids.

        Args:
            requests: a mapping a job, with the keys of ``submit --jsonl``: ``{"command": ["./step", "1"]}``.
            defaults: options of those that say nothing else.

        Raises:
            BadInputError, NotFoundError, StateConflictError: as ``submit``; says which request is wrong.
        """
        base, builder, jobs = job_request(None, None, None, defaults), self.builder(), []
        for number, given in enumerate(requests):
            try:
                options = dict(given)
                command, shell, call = (options.pop(key, None) for key in ("command", "shell", "call"))
                jobs.append(self.built(builder, job_request(command, shell, call, options, base)))
            except JobctlError as error:
                raise located(error, f"requests[{number}]") from None
        stored = store_jobs(self.connections.store(create=True), jobs, self.connections.clock)
        return [one.id for one in stored]

    def request(
        self,
        command: Sequence[Word] | None,
        shell: str | None,
        call: str | Function | None,
        definition: str | None,
        parameters: Mapping[str, Json] | None,
        options: Mapping[str, Any],
    ) -> JobRequest:
        """What ``submit`` with these arguments asks for, not checked against the store."""
        request = job_request(command, shell, call, options)
        if definition is None:
            if parameters:
                raise BadInputError("parameters without a definition", code="E_USAGE")
            return request
        if command is not None or shell is not None or call is not None:
            raise BadInputError("a definition and a command", definition, "give one of them", "E_USAGE")
        from jobctl.actions.definitions import definition_request, named_definition  # 30 ms that few need

        home = self.connections.home
        found = named_definition(home, read_configuration(home), definition)
        return definition_request(found, plain(parameters or {}), home, request, texts=False)

    def submission(self, request: JobRequest) -> Submission:
        """The checked submission of a request of this process."""
        return self.built(self.builder(), request)

    def builder(self) -> SubmissionBuilder:
        """What checks requests of this process."""
        home, clock = self.connections.home, self.connections.clock
        store, settings = self.connections.store(create=True), self.connections.settings()
        return SubmissionBuilder(
            caller_context(home.path, clock.now_ms()),
            settings,
            store.queues.names,
            lambda text: needed_jobs(store, text),
            waits=False,
            functions=lambda: _callable(home, settings, store),
        )

    def built(self, builder: SubmissionBuilder, request: JobRequest) -> Submission:
        """The checked submission; what was looked up of its function need not be looked up again."""
        made = builder.build(request)
        if builder.functions is not None and builder.functions.learned:
            from jobctl.actions.inspections import remember  # only function jobs pay for it

            remember(self.connections.store(), builder.functions, self.connections.clock)
        return made


def _callable(home: Home, settings: Settings, store: Store) -> Functions:
    from jobctl.actions.inspections import caller_functions  # only function jobs pay for it

    return caller_functions(home, settings, store)
