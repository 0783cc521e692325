"""What is wrong with ``jobctl.yaml``, or odd about it, that only shows here and now: beside the store, in this zone."""

from __future__ import annotations

from collections.abc import Collection, Iterator, Mapping
from datetime import datetime
from typing import Any

from jobctl.actions.schedule_files import entry_keys, entry_problem, entry_terms
from jobctl.clock import Milliseconds, to_datetime
from jobctl.errors import BadInputError
from jobctl.model.configurations import Configuration
from jobctl.model.definitions import ScheduleEntry
from jobctl.model.nested_shells import reader_in, reader_of
from jobctl.model.problems import Problem, did_you_mean, file_error
from jobctl.model.queues import DEFAULT_QUEUE
from jobctl.model.schedule_lint import lint_terms
from jobctl.model.schedule_records import Schedule, ScheduleSource
from jobctl.model.schedule_rules import At
from jobctl.model.schedules import ScheduleTerms
from jobctl.store import Store


def check_here(store: Store | None, configuration: Configuration, now: Milliseconds) -> None:
    """The file could be applied to the store, None for a new one. Nothing is changed.

    Raises:
        BadFileError: ``E_CONFIG``: every problem with its place.
    """
    check_references(store, configuration)
    problems = []
    for entry in configuration.schedules:
        try:
            entry_terms(entry, now)
        except BadInputError as error:
            problems.append(entry_problem(configuration.file, entry, error))
    _refuse(configuration, problems)


def check_references(store: Store | None, configuration: Configuration) -> None:
    """The queues, resources and daemons that the file's entries need are in it or in the store.

    Raises:
        BadFileError: ``E_CONFIG``.
    """
    queues = {DEFAULT_QUEUE, *(queue.name for queue in configuration.queues)}
    daemons = {daemon.name for daemon in configuration.daemons}
    resources: Collection[str] = configuration.resources or ()
    if store is not None:
        queues |= {queue.name for queue in store.queues.limits()}
        daemons |= {daemon.name for daemon in store.daemons.all()}
        if configuration.resources is None:
            resources = store.queues.resources()
    problems = list(_missing(configuration, queues, resources))
    for daemon in configuration.daemons:
        for name in daemon.given.get("depends_on", ()):
            if name not in daemons:
                mark = configuration.file.mark("daemons", daemon.name, "depends_on")
                what = f"daemons: {daemon.name}: no such daemon"
                problems.append(Problem(mark, what, name, "name it under daemons:"))
    _refuse(configuration, problems)


def find_warnings(store: Store | None, configuration: Configuration, now: Milliseconds) -> list[str]:
    """What of the file may not be meant, each with its place; before it is applied."""
    known = {} if store is None else {schedule.name: schedule for schedule in store.schedules.list()}
    problems = list(_nested_shells(configuration))
    for entry in configuration.schedules:
        try:
            terms = entry_terms(entry, now)
        except BadInputError:
            continue  # applying it says so
        mark = configuration.file.mark(*entry_keys(configuration.file, entry))
        told = _odd(entry, terms, known.get(entry.name), to_datetime(now))
        problems += [Problem(mark, f"schedule {entry.name}: {text}") for text in told]
    return [configuration.file.line(problem) for problem in sorted(problems, key=lambda one: one.mark)]


def _missing(
    configuration: Configuration, queues: Collection[str], resources: Collection[str]
) -> Iterator[Problem]:
    file = configuration.file
    wanted: list[tuple[str, tuple[str, ...], Mapping[str, Any]]] = [
        (f"jobs: {name}", ("jobs", name), found.options) for name, found in configuration.definitions.items()
    ]
    wanted += [
        (f"schedules: {entry.name}", entry_keys(file, entry), entry.request)
        for entry in configuration.schedules
    ]
    for where, keys, options in wanted:
        queue = options.get("queue")
        if queue is not None and queue not in queues:
            hint = _near(queue, queues) or "name it under queues:"
            yield Problem(file.mark(*keys, "queue"), f"{where}: no such queue", queue, hint)
        for name in options.get("resources", {}):
            if name not in resources:
                hint = _near(name, resources) or "name it under resources:"
                mark = file.mark(*keys, "resources", name)
                yield Problem(mark, f"{where}: no such resource", name, hint)


def _near(name: str, known: Collection[str]) -> str:
    near = did_you_mean(name, known)
    return near if near.startswith("did you mean") else ""


def _odd(entry: ScheduleEntry, terms: ScheduleTerms, known: Schedule | None, now: datetime) -> Iterator[str]:
    if known is not None and known.source is ScheduleSource.COMMAND_LINE:
        was = f"{known.text.kind} {known.text.expression}".strip()
        yield f"it takes the place of the one that was added on the command line ({was})"
    has_run = known is not None and known.source is ScheduleSource.FILE and known.runs > 0
    if not entry.times.get("disabled") and not has_run:
        if terms.policy.end_at is not None and terms.policy.end_at <= now:
            yield f"its end has passed ({entry.times['end']}): it has ended and never fires"
        elif isinstance(terms.rule, At) and terms.rule.at < now:
            yield f"its time has passed ({entry.times['at']}): it has ended and never fires"
    yield from terms.notes
    yield from lint_terms(terms, now, entry.name)


def _nested_shells(configuration: Configuration) -> Iterator[Problem]:
    for name, definition in configuration.definitions.items():
        reader = reader_of(definition.command) if definition.shell is None else reader_in(definition.shell)
        if reader is not None:
            mark = configuration.file.mark("jobs", name, "command")
            what = f"job {name}: {reader} reads a value as part of a program, so it can be executed"
            hint = "give it as a word behind (sh -c 'echo \"$1\"' sh ${{ … }}) or by env:"
            yield Problem(mark, what, None, hint)


def _refuse(configuration: Configuration, problems: list[Problem]) -> None:
    if problems:
        file = configuration.file
        raise file_error(file.source, file.text, problems, "E_CONFIG")
