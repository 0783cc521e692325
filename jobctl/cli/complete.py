"""What the shell may offer behind a verb: job selectors, queue names and other known words.

Called while somebody types: nothing here creates a store, waits, prints or raises.
"""

from __future__ import annotations

import os
from collections.abc import Callable, Collection, Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any

from jobctl.clock import SystemClock
from jobctl.errors import JobctlError
from jobctl.model.states import ACTIVE, TERMINAL, JobStatus
from jobctl.settings import resolve_home
from jobctl.store import Store

if TYPE_CHECKING:
    from jobctl.model.definitions import Definition
    from jobctl.model.jobs import Job
    from jobctl.model.parameters import Parameter

Candidate = tuple[str, str]
"""A word and what it stands for."""

MOST_IDS = 50

_ALL = tuple(JobStatus)
_ENDED = tuple(status for status in JobStatus if status in TERMINAL)
_WAITING = (JobStatus.CREATED, JobStatus.QUEUED)


def complete_jobs(ctx: Any, args: list[str], incomplete: str) -> list[Candidate]:
    """Selectors of any jobs."""
    return _quietly(lambda: _selectors(ctx, incomplete, _ALL, args))


def complete_jobs_active(ctx: Any, args: list[str], incomplete: str) -> list[Candidate]:
    """Selectors of jobs that have not ended: for ``cancel``, ``logs -f``, ``wait``."""
    return _quietly(lambda: _selectors(ctx, incomplete, ACTIVE, args))


def complete_jobs_ended(ctx: Any, args: list[str], incomplete: str) -> list[Candidate]:
    """Selectors of jobs that have ended: for ``retry``, ``remove``."""
    return _quietly(lambda: _selectors(ctx, incomplete, _ENDED, args))


def complete_jobs_waiting(ctx: Any, args: list[str], incomplete: str) -> list[Candidate]:
    """Selectors of jobs that wait: for ``hold``, ``release``, ``edit``."""
    return _quietly(lambda: _selectors(ctx, incomplete, _WAITING, args))


def complete_batches(ctx: Any, args: list[str], incomplete: str) -> list[Candidate]:
    """Ids of batches."""
    del args
    return _quietly(lambda: _batches(ctx, incomplete))


def complete_workflows(ctx: Any, args: list[str], incomplete: str) -> list[Candidate]:
    """Ids of runs of workflows."""
    del args
    return _quietly(lambda: _workflows(ctx, incomplete))


def complete_steps(ctx: Any, args: list[str], incomplete: str) -> list[Candidate]:
    """Steps of the run that was named before."""
    del args
    return _quietly(lambda: _steps(ctx, incomplete))


def complete_workflow_files(ctx: Any, args: list[str], incomplete: str) -> list[Candidate]:
    """Names of workflows, and files in the directory being typed."""
    del args
    return _quietly(lambda: _workflow_names(ctx, incomplete)) + _quietly(lambda: _workflow_paths(incomplete))


def complete_graphs(ctx: Any, args: list[str], incomplete: str) -> list[Candidate]:
    """Runs, names and files."""
    return complete_workflows(ctx, args, incomplete) + complete_workflow_files(ctx, args, incomplete)


def complete_parameters(ctx: Any, args: list[str], incomplete: str) -> list[Candidate]:
    """The parameters of the workflow that was named before, and what one of them may be."""
    del args
    return _quietly(lambda: _workflow_parameters(ctx, incomplete))


def complete_queues(ctx: Any, args: list[str], incomplete: str) -> list[Candidate]:
    """Names of queues."""
    del args
    return _quietly(lambda: [(name, "queue") for name in _queue_names(ctx) if name.startswith(incomplete)])


def complete_targets(ctx: Any, args: list[str], incomplete: str) -> list[Candidate]:
    """Names of targets of notifications, as they were last applied."""
    del args
    return _quietly(lambda: [(name, "target") for name in _targets(ctx) if name.startswith(incomplete)])


def complete_daemons(ctx: Any, args: list[str], incomplete: str) -> list[Candidate]:
    """Names of daemons with their states; those already given are left out."""
    del args
    return _quietly(lambda: _daemons(ctx, incomplete))


def complete_names(ctx: Any, args: list[str], incomplete: str) -> list[Candidate]:
    """Names of jobs."""
    del args
    return _quietly(lambda: [(name, "") for name in _job_names(ctx, incomplete)])


def complete_tags(ctx: Any, args: list[str], incomplete: str) -> list[Candidate]:
    """Tags of jobs."""
    del args
    return _quietly(lambda: [(tag, "") for tag in _tags(ctx, incomplete)])


def complete_statuses(ctx: Any, args: list[str], incomplete: str) -> list[Candidate]:
    """The states of jobs; several may be joined by commas."""
    del ctx, args
    before, word = _last_part(incomplete)
    return [(before + status.value, "") for status in JobStatus if status.value.startswith(word)]


def complete_event_kinds(ctx: Any, args: list[str], incomplete: str) -> list[Candidate]:
    """Kinds of events, and the patterns for all of one entity."""
    del ctx, args
    from jobctl.model.events import EventKind

    kinds = [kind.value for kind in EventKind]
    patterns = sorted({kind.partition(".")[0] + ".*" for kind in kinds})
    return [(word, "") for word in [*patterns, *kinds] if word.startswith(incomplete)]


def complete_schedules(ctx: Any, args: list[str], incomplete: str) -> list[Candidate]:
    """Names of schedules."""
    del args
    return _quietly(lambda: [(name, "") for name in _schedule_names(ctx, incomplete) if name.isprintable()])


def complete_definitions(ctx: Any, args: list[str], incomplete: str) -> list[Candidate]:
    """Names of definitions."""
    del args
    return _quietly(lambda: _definitions(ctx, incomplete))


def complete_definition_words(ctx: Any, args: list[str], incomplete: str) -> list[Candidate]:
    """The name of a definition, then ``parameter=`` of it, then what it may be."""
    given = [str(word) for word in ctx.params.get("definition") or ctx.params.get("words") or args or ()]
    if not given:
        return _quietly(lambda: _definitions(ctx, incomplete))
    return _quietly(lambda: _parameters(ctx, given, incomplete))


def complete_functions(ctx: Any, args: list[str], incomplete: str) -> list[Candidate]:
    """Functions that may be called, as far as they are known."""
    del args
    return _quietly(lambda: [(name, "") for name in _functions(ctx) if name.startswith(incomplete)])


def complete_words(*words: str) -> Callable[[Any, list[str], str], list[Candidate]]:
    """A completion among fixed words."""

    def complete(ctx: Any, args: list[str], incomplete: str) -> list[Candidate]:
        del ctx, args
        return [(word, "") for word in words if word.startswith(incomplete)]

    return complete


def _selectors(
    ctx: Any, incomplete: str, states: tuple[JobStatus, ...], args: Sequence[str]
) -> list[Candidate]:
    before, word = _last_part(incomplete)
    kind, colon, value = word.partition(":")
    if colon:
        found = [(f"{kind}:{known}", "") for known in _values(ctx, kind, value)]
    else:
        taken = set(before.split(",")) | set(args)
        ids = [entry for entry in _ids(ctx, states, word) if entry[0] not in taken]
        found = ids + [entry for entry in _words(states) if entry[0].startswith(word)]
    return [(before + candidate, text) for candidate, text in found]


def _ids(ctx: Any, states: tuple[JobStatus, ...], prefix: str) -> list[Candidate]:
    """The newest jobs in one of ``states``; more of them once digits narrow the choice."""
    if prefix and not prefix.isdigit():
        return []
    from jobctl.model.filters import JobFilter, SortKey  # only a completion pays for it

    with _store(ctx) as store:
        if store is None:
            return []
        wanted = () if states == _ALL else states
        limit = 20 * MOST_IDS if prefix else MOST_IDS
        filters = [
            JobFilter(statuses=() if status is None else (status,), sort=SortKey.ID, limit=limit)
            for status in wanted or (None,)
        ]
        jobs = [job for one in filters for job in store.jobs.list(one)]
    found = sorted((job for job in jobs if str(job.id).startswith(prefix)), key=lambda job: -job.id)
    return [(str(job.id), _about(job)) for job in found[:MOST_IDS]]


def _batches(ctx: Any, prefix: str) -> list[Candidate]:
    with _store(ctx) as store:
        ids = [] if store is None else [batch.job_id for batch in store.batches.list(20 * MOST_IDS)]
        shown = [job_id for job_id in ids if str(job_id).startswith(prefix)][:MOST_IDS]
        jobs = [] if store is None else [store.jobs.get(job_id) for job_id in shown]
    return [(str(job.id), _about(job)) for job in jobs if job is not None]


def _workflows(ctx: Any, prefix: str) -> list[Candidate]:
    with _store(ctx) as store:
        runs = [] if store is None else store.workflows.list(20 * MOST_IDS)
    found = [run for run in runs if str(run.job_id).startswith(prefix)][:MOST_IDS]
    return [(str(run.job_id), _told(run.name, run.status)) for run in found]


def _steps(ctx: Any, prefix: str) -> list[Candidate]:
    from jobctl.actions.workflow_steps import one_run

    with _store(ctx) as store:
        if store is None:
            return []
        run_id = one_run(store, ctx.params["job"]).id
        found = [(step.id, step.status.value) for step in store.workflows.steps(run_id)]
        found += [(one.path, "waiting") for one in store.workflow_questions.of(run_id) if "/" in one.path]
    return [candidate for candidate in found if candidate[0].startswith(prefix)]


def _workflow_names(ctx: Any, prefix: str) -> list[Candidate]:
    from jobctl.actions.workflow_sources import workflow_names

    home = resolve_home(_home_option(ctx), os.environ, os.getcwd())
    return [
        (name, "workflow") for name in workflow_names(home) if name.startswith(prefix) and name.isprintable()
    ]


def _workflow_paths(incomplete: str) -> list[Candidate]:
    from jobctl.actions.workflow_sources import ENDINGS

    directory, slash, start = incomplete.rpartition("/")
    found = []
    for entry in sorted(os.scandir(directory + slash or "."), key=lambda entry: entry.name):
        if not entry.name.startswith(start) or not entry.name.isprintable():
            continue
        if entry.is_dir() and not entry.name.startswith("."):
            found.append((f"{directory}{slash}{entry.name}/", ""))
        elif entry.name.endswith(ENDINGS):
            found.append((f"{directory}{slash}{entry.name}", "file"))
    return found[:MOST_IDS]


def _workflow_parameters(ctx: Any, incomplete: str) -> list[Candidate]:
    from jobctl.actions.workflow_sources import load_workflow

    home = resolve_home(_home_option(ctx), os.environ, os.getcwd())
    params = load_workflow(ctx.params["workflow"], home, os.getcwd()).definition.params
    return _parameter_words(params, (), incomplete)


def _about(job: Job) -> str:
    return _told(job.name, job.status)


def _told(name: str, status: JobStatus) -> str:
    from jobctl.views.text import printable

    # Typer reads the help of a candidate as Rich markup: a job called "[/b]" would end in a traceback.
    return f"{printable(name).replace('[', '(').replace(']', ')')} {status.value}"


def _words(states: tuple[JobStatus, ...]) -> list[Candidate]:
    words = [("last", "the newest job submitted by hand"), ("all", "every job")]
    words += [(f"@{status.value}", f"all {status.value} jobs") for status in states]
    return [
        *words,
        ("name:", "by name"),
        ("tag:", "by tag"),
        ("queue:", "by queue"),
        ("batch:", "items of a batch"),
        ("parent:", "children of a job"),
    ]


def _values(ctx: Any, kind: str, prefix: str) -> list[str]:
    if kind == "queue":
        return [name for name in _queue_names(ctx) if name.startswith(prefix)]
    if kind == "name":
        return _job_names(ctx, prefix)
    if kind == "tag":
        return _tags(ctx, prefix)
    if kind in ("parent", "batch"):
        return [word for word, _ in _ids(ctx, _ALL, prefix)]
    return []


def _definitions(ctx: Any, prefix: str) -> list[Candidate]:
    return [
        (name, found.help.partition("\n")[0].replace("[", "(").replace("]", ")"))
        for name, found in _catalog(ctx).items()
        if name.startswith(prefix) and name.isprintable()
    ]


def _parameters(ctx: Any, given: Sequence[str], incomplete: str) -> list[Candidate]:
    taken = [word.partition("=")[0] for word in given[1:]]
    return _parameter_words(_catalog(ctx)[given[0]].parameters, taken, incomplete)


def _parameter_words(
    parameters: Iterable[Parameter], taken: Collection[str], incomplete: str
) -> list[Candidate]:
    """``name=`` of those not yet given, then what the one may be."""
    name, equals, value = incomplete.partition("=")
    for parameter in parameters:
        if equals and parameter.name == name:
            values = ["true", "false"] if parameter.type.value == "bool" else map(str, parameter.choices)
            return [(f"{name}={word}", "") for word in values if word.startswith(value)]
    return [
        (f"{parameter.name}=", (parameter.help or parameter.words).replace("[", "(").replace("]", ")"))
        for parameter in parameters
        if parameter.name.startswith(incomplete) and parameter.name not in taken
    ]


def _catalog(ctx: Any) -> Mapping[str, Definition]:
    from jobctl.actions.definitions import definitions_of  # only a completion of names pays for it
    from jobctl.configuration import read_configuration

    configuration = read_configuration(resolve_home(_home_option(ctx), os.environ, os.getcwd()))
    with _store(ctx) as store:
        return definitions_of(configuration, store)


def _queue_names(ctx: Any) -> list[str]:
    with _store(ctx) as store:
        return ["default"] if store is None else store.queues.names()


def _functions(ctx: Any) -> list[str]:
    with _store(ctx) as store:
        return [] if store is None else store.signatures.names()


def _targets(ctx: Any) -> list[str]:
    with _store(ctx) as store:
        found = None if store is None else store.notifications.plan()
        return [] if found is None else list(found[0].targets)


def _daemons(ctx: Any, prefix: str) -> list[Candidate]:
    taken = ctx.params.get("names") or ()
    with _store(ctx) as store:
        daemons = [] if store is None else store.daemons.all()
    return [
        (daemon.name, daemon.state.value)
        for daemon in daemons
        if daemon.name.startswith(prefix) and daemon.name.isprintable() and daemon.name not in taken
    ]


def _job_names(ctx: Any, prefix: str) -> list[str]:
    with _store(ctx) as store:
        return [] if store is None else [name for name in store.jobs.names(prefix) if name.isprintable()]


def _schedule_names(ctx: Any, prefix: str) -> list[str]:
    with _store(ctx) as store:
        return [] if store is None else store.schedules.names(prefix)


def _tags(ctx: Any, prefix: str) -> list[str]:
    with _store(ctx) as store:
        return [] if store is None else [tag for tag in store.jobs.tags(prefix) if tag.isprintable()]


def _last_part(incomplete: str) -> tuple[str, str]:
    """What stands before the last comma, with it, and the part being typed."""
    before, comma, word = incomplete.rpartition(",")
    return before + comma, word


@contextmanager
def _store(ctx: Any) -> Iterator[Store | None]:
    """The store the command line is about, if there is one."""
    home = resolve_home(_home_option(ctx), os.environ, os.getcwd())
    if not os.path.exists(home.store):
        yield None
        return
    try:
        store = Store.open(home, SystemClock(), timeout_seconds=0.2)
    except JobctlError:  # damaged or newer: the words that need no store are offered all the same
        yield None
        return
    with store:
        yield store


def _home_option(ctx: Any) -> str | None:
    """``--home`` before or behind the verb."""
    own: str | None = ctx.params.get("home_")
    above: str | None = ctx.find_root().params.get("home")
    return own or above


def _quietly(ask: Callable[[], list[Candidate]]) -> list[Candidate]:
    try:
        return ask()
    except Exception:  # noqa: BLE001 - a traceback in the middle of a typed line helps nobody
        return []
