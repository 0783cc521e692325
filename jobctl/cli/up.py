"""``jobctl up``: the foreground supervisor."""

from __future__ import annotations

import os
import resource
import signal
from dataclasses import dataclass
from typing import Annotated

import typer

from jobctl.actions.configuration_checks import find_warnings
from jobctl.actions.configurations import apply_configuration
from jobctl.actions.inspections import examined
from jobctl.cli.companions import Companion, may_have_companion
from jobctl.cli.complete import complete_words
from jobctl.cli.event_log import EventLog
from jobctl.cli.invocation import Invocation
from jobctl.configuration import read_configuration
from jobctl.errors import BadInputError, JobctlError, UnusableError
from jobctl.executors.descriptors import raise_descriptor_limit
from jobctl.executors.registry import EXECUTORS
from jobctl.model.durations import parse_duration
from jobctl.model.lives import LifeKind, StopMode
from jobctl.model.names import parse_whole
from jobctl.settings import Settings
from jobctl.supervisor.lifeline import Lifeline
from jobctl.supervisor.supervisor import Supervisor
from jobctl.supervisor.wakeups import Wakeups

NEEDED_DESCRIPTORS = 48
"""Store, locks, selector, up to 64 pidfds less what can be polled, and a spawn's own handful."""


def up(
    call: Invocation,
    concurrency: Annotated[
        str | None,
        typer.Option("--concurrency", metavar="N", help="Slots of the queue default, for this run."),
    ] = None,
    until_idle: Annotated[
        bool, typer.Option("--until-idle", help="Exit when nothing is left to run.")
    ] = False,
    grace: Annotated[
        str | None, typer.Option("--grace", metavar="DURATION", help="From TERM to KILL for jobs it stops.")
    ] = None,
    no_dashboard: Annotated[
        bool, typer.Option("--no-dashboard", help="Log lines also on a terminal.")
    ] = False,
    log_format: Annotated[
        str,
        typer.Option(
            "--log-format",
            metavar="text|json",
            help="How events are logged.",
            autocompletion=complete_words("text", "json"),
        ),
    ] = "text",
) -> int:
    """Run the supervisor in the foreground: it starts queued jobs and records what becomes of them.

    On a terminal it shows what happens on a dashboard, the same as `jobctl watch`; elsewhere, and with
    --no-dashboard, it writes a line for each event.

    The first Ctrl-C (or SIGTERM) drains: nothing new starts, running jobs end. The second stops them; they go
    back to their queue. Killed outright it loses nothing: the next `jobctl up` takes over what runs.

    \b
    Examples:
      jobctl up
      jobctl up --concurrency 8
      jobctl up --until-idle
    """
    slots = None if concurrency is None else parse_whole(concurrency, "concurrency", 1, 100_000)
    stop_grace = None if grace is None else parse_duration(grace, "grace", allow_zero=True)
    if log_format not in ("text", "json"):
        raise BadInputError("unknown log format", log_format, "text or json", "E_LOG_FORMAT")
    is_json = log_format == "json" or call.json
    _check_descriptors()
    configuration = read_configuration(call.home())
    settings = call.settings_over(configuration)
    if slots is None and os.environ.get("JOBCTL_CONCURRENCY"):
        slots = settings.concurrency
    with call.store(create=True) as store:
        lifeline = Lifeline(store, call.clock, LifeKind.UP)
        # Only who has become the supervisor: a second one changes nothing.
        try:
            # A file that is missing (not mounted yet, say) takes nothing back; an empty one does.
            applied: list[str] = []
            if configuration is not None:
                configuration = examined(configuration, store.home, settings)
                warnings = find_warnings(store, configuration, call.clock.now_ms())
                applied = [str(change) for change in apply_configuration(store, configuration, call.clock)]
                applied += [f"warning: {warning}" for warning in warnings]
        except (JobctlError, KeyboardInterrupt):
            lifeline.end("refused")
            raise
        terms = _Terms(
            settings,
            slots,
            stop_grace,
            until_idle,
            is_json,
            tuple(applied),
            not no_dashboard and not is_json and may_have_companion(call),
        )
        return _supervise(call, lifeline, terms)


@dataclass(frozen=True, slots=True)
class _Terms:
    """How this supervisor runs; ``applied`` is what the file has changed, and what is odd about it."""

    settings: Settings
    slots: int | None
    stop_grace: float | None
    until_idle: bool
    json: bool
    applied: tuple[str, ...] = ()
    shows_dashboard: bool = False


def _supervise(call: Invocation, lifeline: Lifeline, terms: _Terms) -> int:
    store, until_idle = lifeline.store, terms.until_idle
    log = EventLog(json=terms.json)
    stop_signals = (signal.SIGINT, signal.SIGTERM)
    wakeups = Wakeups(lifeline.wake, stop_signals=stop_signals)
    supervisor = Supervisor(
        store, terms.settings, call.clock, EXECUTORS["command"](), lifeline, listener=log.events
    )
    supervisor.dispatcher.default_concurrency = terms.slots
    supervisor.stop_grace = terms.stop_grace
    if until_idle and supervisor.scheduler is not None:
        supervisor.scheduler.is_off = True
    log.remark(f"supervisor for {store.home.path}, pid {os.getpid()}; Ctrl-C drains, twice stops")
    for change in terms.applied:
        log.remark(change)
    companion = _companion(call, supervisor, log) if terms.shows_dashboard else None
    look = _Look(supervisor, log, companion)
    try:
        supervisor.run(wakeups, until=lambda: look.tell() and until_idle and look.is_idle)
        reason = supervisor.stopping.value if supervisor.stopping is not None else "idle"
        left = store.jobs.left_waiting() if until_idle and supervisor.stopping is None else []
        if supervisor.stopping is None:
            # Daemons keep nothing from being idle; they end with their supervisor.
            supervisor.stop(StopMode.DRAIN)
            supervisor.run(wakeups, until=lambda: not look.tell())
        supervisor.abandon()
        lifeline.end(reason)
    finally:
        wakeups.close()
        look.close()
    for line in left:
        log.remark(f"left: {line}")
    log.remark(f"supervisor ended: {reason}")
    log.close()
    if supervisor.stopping is StopMode.NOW and wakeups.stops:
        return 128 + (signal.SIGTERM if wakeups.last_stop == signal.SIGTERM else signal.SIGINT)
    return 1 if until_idle and supervisor.failed_jobs else 0


def _companion(call: Invocation, supervisor: Supervisor, log: EventLog) -> Companion | None:
    """The dashboard, to which all remarks go from now on; None where the system starts no process."""
    try:
        companion = Companion(call, supervisor.watcher)
    except OSError as error:
        log.remark(f"no dashboard ({error.strerror}); log lines instead")
        return None
    log.divert(companion.say)
    return companion


class _Look:
    """What is told of the supervisor after each turn."""

    def __init__(self, supervisor: Supervisor, log: EventLog, companion: Companion | None) -> None:
        self._supervisor = supervisor
        self._log = log
        self._companion = companion
        self._how = ""

    def tell(self) -> bool:
        """What is new about the supervisor itself is told. Always true."""
        supervisor, log = self._supervisor, self._log
        if self._companion is not None and self._companion.status is not None:
            self.close()
            log.remark(f"the dashboard has ended ({self._how}); log lines from here on, or: jobctl watch")
        log.trouble(supervisor.trouble)
        if supervisor.stopping is not None:
            names = [str(job_id) for job_id in supervisor.watcher.active]
            log.once(f"{supervisor.stopping.value}: waiting for {_jobs(names)}" if names else "")
            daemons = [] if names or supervisor.daemons is None else supervisor.daemons.living
            log.once(f"{supervisor.stopping.value}: stopping {', '.join(daemons)}" if daemons else "")
        return True

    @property
    def is_idle(self) -> bool:
        """Whether nothing is left to run, and nobody has asked it to stop."""
        return self._supervisor.stopping is None and self._supervisor.is_idle

    def close(self) -> None:
        """The dashboard has left the terminal, and remarks go to the log again."""
        if self._companion is None:
            return
        companion, self._companion = self._companion, None
        self._log.divert(None, companion.end())
        self._how = companion.how


def _jobs(names: list[str]) -> str:
    shown = ", ".join(names[:10]) + (f" and {len(names) - 10} more" if len(names) > 10 else "")
    return f"job {shown}" if len(names) == 1 else f"jobs {shown}"


def _check_descriptors() -> None:
    raise_descriptor_limit()
    allowed = resource.getrlimit(resource.RLIMIT_NOFILE)[0]
    if allowed != resource.RLIM_INFINITY and allowed < NEEDED_DESCRIPTORS:
        raise UnusableError(
            f"only {allowed} open files are allowed, {NEEDED_DESCRIPTORS} are needed",
            hint="raise it with ulimit -n",
        )
