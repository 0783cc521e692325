"""``jobctl up``: the foreground supervisor."""

from __future__ import annotations

import contextlib
import os
import resource
import signal
import sys
from dataclasses import dataclass
from queue import SimpleQueue
from typing import Annotated

import typer

from jobctl.actions.configuration_checks import find_warnings
from jobctl.actions.configurations import apply_configuration
from jobctl.actions.inspections import examined
from jobctl.cli.complete import complete_words
from jobctl.cli.invocation import Invocation
from jobctl.configuration import read_configuration
from jobctl.errors import BadInputError, JobctlError, UnusableError
from jobctl.executors.descriptors import raise_descriptor_limit
from jobctl.executors.registry import EXECUTORS
from jobctl.executors.threads import start_thread
from jobctl.model.durations import parse_duration
from jobctl.model.events import Event
from jobctl.model.lives import LifeKind, StopMode
from jobctl.model.names import parse_whole
from jobctl.settings import Settings
from jobctl.supervisor.lifeline import Lifeline
from jobctl.supervisor.supervisor import Supervisor
from jobctl.supervisor.wakeups import Wakeups
from jobctl.views.events import event_json, event_line
from jobctl.views.text import printable

NEEDED_DESCRIPTORS = 48
"""Store, locks, selector, up to 64 pidfds less what can be polled, and a spawn's own handful."""
_LINES = 10_000
_FLUSH_SECONDS = 2.0


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
            log_format == "json" or call.json,
            tuple(applied),
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


def _supervise(call: Invocation, lifeline: Lifeline, terms: _Terms) -> int:
    store, until_idle = lifeline.store, terms.until_idle
    log = LogWriter(json=terms.json)
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
    try:
        supervisor.run(wakeups, until=lambda: _watch(supervisor, log, until_idle))
        reason = supervisor.stopping.value if supervisor.stopping is not None else "idle"
        left = store.jobs.left_waiting() if until_idle and supervisor.stopping is None else []
        if supervisor.stopping is None:
            # Daemons keep nothing from being idle; they end with their supervisor.
            supervisor.stop(StopMode.DRAIN)
            supervisor.run(wakeups, until=lambda: _watch(supervisor, log, until_idle=False))
        supervisor.abandon()
        lifeline.end(reason)
    finally:
        wakeups.close()
    for line in left:
        log.remark(f"left: {line}")
    log.remark(f"supervisor ended: {reason}")
    log.close()
    if supervisor.stopping is StopMode.NOW and wakeups.stops:
        return 128 + (signal.SIGTERM if wakeups.last_stop == signal.SIGTERM else signal.SIGINT)
    return 1 if until_idle and supervisor.failed_jobs else 0


def _watch(supervisor: Supervisor, log: LogWriter, until_idle: bool) -> bool:
    log.trouble(supervisor.trouble)
    if supervisor.stopping is not None:
        names = [str(job_id) for job_id in supervisor.watcher.active]
        log.once(f"{supervisor.stopping.value}: waiting for {_jobs(names)}" if names else "")
        daemons = [] if names or supervisor.daemons is None else supervisor.daemons.living
        log.once(f"{supervisor.stopping.value}: stopping {', '.join(daemons)}" if daemons else "")
    return until_idle and supervisor.stopping is None and supervisor.is_idle


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


class LogWriter:
    """Writes log lines from a thread of its own: a full pipe or a stopped terminal never stops the loop.

    What does not fit into the backlog is dropped and counted; every event is in the store anyway.
    """

    def __init__(self, *, json: bool) -> None:
        self._json = json
        self._pieces: SimpleQueue[list[str] | None] = SimpleQueue()
        self._put_lines = self._written = self._dropped = 0
        self._said: set[str] = set()
        self._trouble: str | None = None
        self._thread = start_thread("log", self._write)

    def events(self, events: list[Event]) -> None:
        """Each event is a line."""
        if self._json:
            import json

            self._put([json.dumps(event_json(event), ensure_ascii=False) for event in events])
        else:
            self._put([event_line(event) for event in events])

    def remark(self, text: str) -> None:
        """A line of the supervisor's own; not part of JSON output."""
        if not self._json:
            self._put([printable(text)])

    def once(self, text: str) -> None:
        """A remark that is not repeated."""
        if text and text not in self._said:
            self._said.add(text)
            self.remark(text)

    def trouble(self, text: str | None) -> None:
        """The trouble, and its end, are a line each; not one a turn."""
        if text != self._trouble:
            self._trouble = text
            self.remark(f"{text}; recording waits" if text is not None else "recording goes on")

    def close(self) -> None:
        """What can be written without waiting long is written."""
        self._pieces.put(None)
        self._thread.join(_FLUSH_SECONDS)

    def _put(self, lines: list[str]) -> None:
        """A page of lines costs the loop one hand-over."""
        kept = lines[: max(0, _LINES - self._put_lines + self._written)]
        self._dropped += len(lines) - len(kept)
        if kept:
            self._put_lines += len(kept)
            self._pieces.put(kept)

    def _write(self) -> None:
        while (lines := self._pieces.get()) is not None:
            try:
                if self._dropped:
                    dropped, self._dropped = self._dropped, 0
                    sys.stdout.write(f"({dropped} log lines dropped; see: jobctl events)\n")
                sys.stdout.write("\n".join(lines) + "\n")
                self._written += len(lines)
                if self._pieces.empty():
                    sys.stdout.flush()
            except (OSError, ValueError):
                return
        with contextlib.suppress(OSError, ValueError):
            sys.stdout.flush()
