"""A client of one home: everything that the command line can ask for, as methods."""

from __future__ import annotations

import os
import time
from collections.abc import Callable, Sequence
from functools import cached_property
from types import TracebackType
from typing import TYPE_CHECKING, Unpack

from jobctl.actions.changes import POLL_SECONDS
from jobctl.actions.supervisors import is_alive, request_stop, supervisor_runs
from jobctl.api.batch_verbs import BatchVerbs
from jobctl.api.connections import Connections
from jobctl.api.home_verbs import HomeVerbs
from jobctl.api.job_changes import JobChanges
from jobctl.api.job_submits import JobSubmits
from jobctl.api.job_waits import JobWaits, deadline_of
from jobctl.api.options import Duration, Function, JobOptions, Path, Word
from jobctl.api.queue_verbs import QueueVerbs
from jobctl.api.records import Job
from jobctl.errors import SupervisorDownError, WaitTimeoutError
from jobctl.model.lives import StopMode
from jobctl.settings import resolve_home

if TYPE_CHECKING:
    from collections.abc import Mapping

    from jobctl.api.daemon_verbs import DaemonVerbs
    from jobctl.api.interruptions import Interruption
    from jobctl.api.runs import Finished
    from jobctl.api.schedule_verbs import ScheduleVerbs
    from jobctl.api.workflow_verbs import WorkflowVerbs
    from jobctl.model.documents import Json


class Client(JobSubmits, JobWaits, JobChanges, HomeVerbs):
    """A home as programs use it. No supervisor has to run, except for work to be done.

    Safe in threads: each has a connection of its own, opened when it is first needed and closed with the thread or by
    ``close``; each iterator has one, too. No transaction is open between two calls. After a fork the child opens its
    own. In a process with an event loop use ``AsyncClient``.

    Args:
        home: the directory; else ``$JOBCTL_HOME``, ``.jobctl`` beside the nearest ``jobctl.yaml``, or the user's.

    Raises:
        BadInputError, UnusableError: ``E_HOME``: it cannot be one.
    """

    def __init__(self, home: Path | None = None) -> None:
        flag = None if home is None else os.fspath(home)
        super().__init__(Connections(resolve_home(flag, os.environ, os.getcwd())))

    def __repr__(self) -> str:
        return f"<Client {self.home!r}>"

    @property
    def home(self) -> str:
        """Its directory."""
        return self.connections.home.path

    @cached_property
    def queues(self) -> QueueVerbs:
        """Named lanes."""
        return QueueVerbs(self.connections)

    @cached_property
    def batches(self) -> BatchVerbs:
        """One command for many items."""
        return BatchVerbs(self)

    @cached_property
    def schedules(self) -> ScheduleVerbs:
        """What is due when."""
        from jobctl.api.schedule_verbs import ScheduleVerbs

        return ScheduleVerbs(self.connections, self)

    @cached_property
    def daemons(self) -> DaemonVerbs:
        """Processes that are kept alive."""
        from jobctl.api.daemon_verbs import DaemonVerbs

        return DaemonVerbs(self.connections, self)

    @cached_property
    def workflows(self) -> WorkflowVerbs:
        """Steps that need each other."""
        from jobctl.api.workflow_verbs import WorkflowVerbs

        return WorkflowVerbs(self)

    def run(
        self,
        command: Sequence[Word] | None = None,
        /,
        *,
        shell: str | None = None,
        call: str | Function | None = None,
        definition: str | None = None,
        parameters: Mapping[str, Json] | None = None,
        on_start: Callable[[Job], None] | None = None,
        on_line: Callable[[str, str], None] | None = None,
        on_progress: Callable[[Job], None] | None = None,
        cancel: Interruption | None = None,
        **options: Unpack[JobOptions],
    ) -> Finished:
        """The job has ended, however; returns its exit code, stdout and stderr. As ``jobctl run``.

        Without a supervisor a child process runs this one job, and nothing else. An exception, Ctrl-C too, cancels
        the job.

        Args:
            command, shell, call, definition, parameters, options: as in ``submit``; with ``split_output=False``
                everything it prints counts as its stdout.
            on_start: called with the job once it is stored.
            on_line: called with each line it prints, and ``stdout`` or ``stderr``.
            on_progress: called with the job whenever its progress is another than before.
            cancel: once its ``is_set()`` is true (a ``threading.Event``), the job is cancelled.

        Raises: as ``submit``; ``SupervisorDownError``: the supervisor that has the job has gone.
        """
        from jobctl.api.runs import Hooks, run_request

        if options.get("split_output") is None:
            options["split_output"] = True
        request = self.request(command, shell, call, definition, parameters, options)
        return run_request(self, request, Hooks(on_start, on_line, on_progress, cancel))

    def supervisor_runs(self) -> bool:
        """Whether an ``up`` runs for this home (20 µs)."""
        return supervisor_runs(self.connections.home)

    def down(self, *, now: bool = False, timeout: Duration | None = None) -> None:
        """The running supervisor has ended: drained, or with ``now`` what ran is back in its queue.

        Raises:
            SupervisorDownError: none runs.
            WaitTimeoutError: it has not ended in time; the request stands.
        """
        if not self.supervisor_runs():
            raise SupervisorDownError("no supervisor for", self.home, "start one with: jobctl up")
        life = request_stop(self.connections.store(), StopMode.NOW if now else StopMode.DRAIN)
        deadline = deadline_of(timeout)
        while is_alive(self.connections.home, life):
            if deadline is not None and time.monotonic() >= deadline:
                raise WaitTimeoutError("the supervisor has not stopped yet: pid", life.pid)
            time.sleep(POLL_SECONDS)

    def close(self) -> None:
        """No connection is open any more; see ``Connections.close``."""
        self.connections.close()

    def __enter__(self) -> Client:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()


_clients: dict[str, Client] = {}


def default_client() -> Client:
    """The client of the default home as it is now: ``$JOBCTL_HOME`` may change; one client a home."""
    path = resolve_home(None, os.environ, os.getcwd()).path
    found = _clients.get(path)
    if found is None:
        found = _clients.setdefault(path, Client(path))
    return found


def forget_client(client: Client) -> None:
    """It is closed and, where it was that, no longer the client of the default home."""
    client.close()
    if _clients.get(client.home) is client:
        del _clients[client.home]
