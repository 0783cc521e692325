"""jobctl from Python: everything that the command line can do, with the same checks and the same errors.

::

    from jobctl import api

    job = api.submit(["python", "train.py", "--epochs", "3"], timeout="2h", attempts=3)
    print(api.wait(job)[0].status)          # some supervisor has to run: api.supervisor(), or jobctl up
    for line in job.logs():
        print(line)

The functions here are methods of ``Client`` for the default home: ``$JOBCTL_HOME``, ``.jobctl`` beside the nearest
``jobctl.yaml``, or the user's. ``queues``, ``batches``, ``schedules``, ``daemons`` and ``workflows`` are its nouns. Any
of them may be called from any thread; only ``AsyncClient`` from an event loop.

Errors are those of ``jobctl.errors``: each has a ``message``, a ``hint``, a ``code`` and the ``exit_code`` of the verb.
"""

from __future__ import annotations

from collections.abc import Callable
from functools import wraps
from inspect import signature
from typing import TYPE_CHECKING, Concatenate, ParamSpec, TypeVar

from jobctl.api.batch_verbs import Batch, BatchVerbs
from jobctl.api.client import Client, default_client
from jobctl.api.following import Listener
from jobctl.api.options import JobOptions
from jobctl.api.queue_verbs import Queue, QueueVerbs
from jobctl.api.records import Attempt, Change, Event, Job, Reason
from jobctl.errors import (
    BadFileError,
    BadInputError,
    JobctlError,
    JobFailedError,
    NotFoundError,
    StateConflictError,
    SupervisorDownError,
    UnusableError,
    WaitTimeoutError,
)
from jobctl.model.patterns import PatternAdvisor, Recommendation, TaskPattern
from jobctl.model.states import JobKind, JobStatus

if TYPE_CHECKING:
    from jobctl.api.aio import AsyncClient as AsyncClient
    from jobctl.api.daemon_verbs import Daemon as Daemon
    from jobctl.api.daemon_verbs import DaemonVerbs
    from jobctl.api.orchestrator import TaskOrchestrator as TaskOrchestrator
    from jobctl.api.orchestrator import TaskRun as TaskRun
    from jobctl.api.runs import Finished as Finished
    from jobctl.api.schedule_verbs import Schedule as Schedule
    from jobctl.api.schedule_verbs import ScheduleVerbs
    from jobctl.api.supervision import SupervisorProcess as SupervisorProcess
    from jobctl.api.supervision import run_until_idle as run_until_idle
    from jobctl.api.supervision import supervisor as supervisor
    from jobctl.api.workflow_verbs import Workflow as Workflow
    from jobctl.api.workflow_verbs import WorkflowVerbs
    from jobctl.model.workflow_builder import WorkflowBuilder as WorkflowBuilder

    queues: QueueVerbs
    batches: BatchVerbs
    schedules: ScheduleVerbs
    daemons: DaemonVerbs
    workflows: WorkflowVerbs

P = ParamSpec("P")
R = TypeVar("R")


def _of_default(method: Callable[Concatenate[Client, P], R]) -> Callable[P, R]:
    """The method of the client of the default home, as a function."""

    @wraps(method)
    def function(*args: P.args, **kwargs: P.kwargs) -> R:
        return method(default_client(), *args, **kwargs)

    whole = signature(method)
    vars(function)["__signature__"] = whole.replace(parameters=[*whole.parameters.values()][1:])
    function.__module__, function.__qualname__ = __name__, function.__name__
    return function


submit = _of_default(Client.submit)
submit_many = _of_default(Client.submit_many)
run = _of_default(Client.run)
job = _of_default(Client.job)
list = _of_default(Client.list)
recent = _of_default(Client.recent)
active = _of_default(Client.active)
history = _of_default(Client.history)
counts = _of_default(Client.counts)
attempts = _of_default(Client.attempts)
explain = _of_default(Client.explain)
logs = _of_default(Client.logs)
wait = _of_default(Client.wait)
result = _of_default(Client.result)
events = _of_default(Client.events)
follow = _of_default(Client.follow)
listen = _of_default(Client.listen)
cancel = _of_default(Client.cancel)
retry = _of_default(Client.retry)
hold = _of_default(Client.hold)
release = _of_default(Client.release)
pause = _of_default(Client.pause)
resume = _of_default(Client.resume)
edit = _of_default(Client.edit)
remove = _of_default(Client.remove)
prune = _of_default(Client.prune)
supervisor_runs = _of_default(Client.supervisor_runs)
down = _of_default(Client.down)
status = _of_default(Client.status)
catalog = _of_default(Client.catalog)
reload = _of_default(Client.reload)

_NOUNS = frozenset({"queues", "batches", "schedules", "daemons", "workflows"})
_PLACES = {
    "AsyncClient": "jobctl.api.aio",
    "Daemon": "jobctl.api.daemon_verbs",
    "Finished": "jobctl.api.runs",
    "Schedule": "jobctl.api.schedule_verbs",
    "SupervisorProcess": "jobctl.api.supervision",
    "TaskOrchestrator": "jobctl.api.orchestrator",
    "TaskRun": "jobctl.api.orchestrator",
    "Workflow": "jobctl.api.workflow_verbs",
    "WorkflowBuilder": "jobctl.model.workflow_builder",
    "run_until_idle": "jobctl.api.supervision",
    "supervisor": "jobctl.api.supervision",
}
"""Name → the module it comes from, imported when it is first used."""


def __getattr__(name: str) -> object:
    if name in _NOUNS:
        found: object = getattr(default_client(), name)
        return found
    if name not in _PLACES:
        raise AttributeError(f"module 'jobctl.api' has no attribute {name!r}")
    from importlib import import_module

    made: object = getattr(import_module(_PLACES[name]), name)
    globals()[name] = made
    return made


__all__ = [
    "AsyncClient",
    "Attempt",
    "BadFileError",
    "BadInputError",
    "Batch",
    "Change",
    "Client",
    "Daemon",
    "Event",
    "Finished",
    "Job",
    "JobFailedError",
    "JobKind",
    "JobOptions",
    "JobStatus",
    "JobctlError",
    "Listener",
    "NotFoundError",
    "PatternAdvisor",
    "Queue",
    "Reason",
    "Recommendation",
    "Schedule",
    "StateConflictError",
    "SupervisorDownError",
    "SupervisorProcess",
    "TaskOrchestrator",
    "TaskPattern",
    "TaskRun",
    "UnusableError",
    "WaitTimeoutError",
    "Workflow",
    "WorkflowBuilder",
    "active",
    "attempts",
    "batches",
    "cancel",
    "catalog",
    "counts",
    "daemons",
    "default_client",
    "down",
    "edit",
    "events",
    "explain",
    "follow",
    "history",
    "hold",
    "job",
    "listen",
    "logs",
    "pause",
    "prune",
    "queues",
    "recent",
    "release",
    "reload",
    "remove",
    "result",
    "resume",
    "retry",
    "run",
    "run_until_idle",
    "schedules",
    "status",
    "submit",
    "submit_many",
    "supervisor",
    "supervisor_runs",
    "wait",
    "workflows",
]
"""All but ``list``: ``import *`` leaves the built-in one alone."""
