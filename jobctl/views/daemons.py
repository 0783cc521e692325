"""Daemons as JSON and as text; nothing here needs Rich."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass
from shlex import join

from jobctl.model.daemons import Daemon, DaemonDefinition, DaemonExit, DaemonSource, DaemonState, Wanted
from jobctl.model.documents import canonical_json
from jobctl.model.homes import Home
from jobctl.model.jobs import Job
from jobctl.model.sizes import format_size
from jobctl.views.instants import ago, exact, instant_json, length
from jobctl.views.jobs import aligned, encodable, status_text
from jobctl.views.text import printable, shorten

SYMBOLS = {
    DaemonState.STOPPED: "○",
    DaemonState.WAITING: "◌",
    DaemonState.STARTING: "◔",
    DaemonState.RUNNING: "●",
    DaemonState.BACKOFF: "↻",
    DaemonState.STOPPING: "◑",
    DaemonState.EXITED: "✓",
    DaemonState.ERROR: "✗",
}
"""One cell each: a state is never told by colour alone."""

HEADER = ("NAME", "STATE", "WANTED", "PID", "UPTIME", "RESTARTS", "MEMORY", "STATUS")
_WIDEST_STATUS = 60
_SHOWN_EXITS = 10
_SHOWN_JOBS = 5


@dataclass(frozen=True, slots=True)
class DaemonCard:
    """Everything known of one daemon; the newest exits and jobs first."""

    daemon: Daemon
    exits: Sequence[DaemonExit]
    jobs: Sequence[Job]
    job_count: int


def daemon_json(daemon: Daemon, now_ms: int) -> dict[str, object]:
    """The daemon with the keys of CLI.md, in their order, then what else tells how it stands."""
    return {
        "name": daemon.name,
        "wanted": daemon.wanted.value,
        "state": daemon.state.value,
        "reason": daemon.reason,
        "pid": daemon.pid,
        "generation": daemon.generation,
        "uptime_seconds": daemon.uptime_seconds(now_ms),
        "restarts": daemon.restarts,
        "consecutive_failures": daemon.consecutive_failures,
        "next_restart_at": instant_json(daemon.next_restart_at),
        "heartbeat_at": instant_json(daemon.heartbeat_at),
        "status_text": None if daemon.status_text is None else encodable(daemon.status_text),
        "last_exit_code": daemon.last_exit_code,
        "last_signal": daemon.last_signal,
        "memory_bytes": daemon.memory_bytes,
        "cpu_percent": daemon.cpu_percent,
        "health": None if daemon.health is None else daemon.health.value,
        "error": None if daemon.error is None else encodable(daemon.error),
        "restart_pending": daemon.restart_pending,
        "call": None if daemon.definition.call is None else daemon.definition.call.document(),
        "source": daemon.source.value,
    }


def card_json(card: DaemonCard, home: Home, now_ms: int) -> dict[str, object]:
    """The daemon, its definition, how its generations ended, where its files are, and its jobs."""
    daemon = card.daemon
    return {
        **daemon_json(daemon, now_ms),
        "started_at": instant_json(daemon.started_at),
        "ready_at": instant_json(daemon.ready_at),
        "created_at": instant_json(daemon.created_at),
        "updated_at": instant_json(daemon.updated_at),
        "definition": definition_json(daemon.definition),
        "exits": [exit_json(ended) for ended in card.exits],
        "directory": encodable(home.daemon(daemon.name)),
        "state_dir": encodable(home.daemon_state(daemon.name)),
        "job_count": card.job_count,
        "jobs": [{"id": job.id, "name": job.name, "status": job.status.value} for job in card.jobs],
    }


def definition_json(definition: DaemonDefinition) -> dict[str, object]:
    """The definition with the keys that ``jobctl.yaml`` has for it; durations in seconds."""
    return {
        "command": _command_json(definition),
        "call": None if definition.call is None else definition.call.document(),
        "cwd": encodable(definition.cwd),
        "env": {encodable(name): encodable(value) for name, value in definition.env.items()},
        "autostart": definition.autostart.value,
        "restart": definition.restart.value,
        "backoff_seconds": definition.backoff_seconds,
        "max_delay_seconds": definition.max_delay_seconds,
        "max_restarts": definition.max_restarts,
        "stable_seconds": definition.stable_seconds,
        "start_seconds": definition.start_seconds,
        "start_timeout_seconds": definition.start_timeout_seconds,
        "stop_timeout_seconds": definition.stop_timeout_seconds,
        "stop_signal": definition.stop_signal,
        "ready": str(definition.ready),
        "watchdog_seconds": definition.watchdog_seconds,
        "health": definition.health,
        "health_every_seconds": definition.health_every_seconds,
        "max_memory_bytes": definition.max_memory_bytes,
        "max_log_bytes": definition.max_log_bytes,
        "keep_logs": definition.keep_logs,
        "depends_on": list(definition.depends_on),
        "success_codes": list(definition.success_codes),
    }


def _command_json(definition: DaemonDefinition) -> list[str] | str | None:
    if definition.call is not None:
        return None
    if definition.shell is not None:
        return encodable(definition.shell)
    return [encodable(word) for word in definition.command]


def exit_json(ended: DaemonExit) -> dict[str, object]:
    """How one generation ended."""
    return {
        "generation": ended.generation,
        "pid": ended.pid,
        "started_at": instant_json(ended.started_at),
        "ended_at": instant_json(ended.ended_at),
        "uptime_seconds": ended.uptime_seconds,
        "exit_code": ended.exit_code,
        "signal": ended.signal,
        "reason": ended.reason,
        "error": None if ended.error is None else encodable(ended.error),
    }


def overview_json(daemons: Sequence[Daemon]) -> dict[str, object]:
    """For ``status``: how many are in each state, and which are not as they are wanted."""
    counted = Counter(daemon.state for daemon in daemons)
    return {
        **{state.value: counted[state] for state in DaemonState},
        "total": len(daemons),
        "wanted": sum(daemon.wanted is Wanted.UP for daemon in daemons),
        "not_as_wanted": [daemon.name for daemon in daemons if not daemon.is_as_wanted],
    }


def overview_line(daemon: Daemon, now_ms: int) -> str:
    """For ``status``: ``web: ● running, up 3h 4m; 12 requests/s``."""
    up = daemon.uptime_seconds(now_ms)
    parts = [f"{printable(daemon.name)}: {SYMBOLS[daemon.state]} {state_text(daemon, now_ms)}"]
    parts.append("" if up is None else f"up {length(up)}")
    text = ", ".join(filter(None, parts))
    note = shorten(printable(remarks(daemon)), _WIDEST_STATUS)
    return f"{text}; {note}" if note else text


def daemons_plain(daemons: Sequence[Daemon], now_ms: int) -> str:
    """Aligned columns under a header, one daemon a line: what pipes get."""
    return aligned([HEADER, *(_row(daemon, now_ms) for daemon in daemons)])


def _row(daemon: Daemon, now_ms: int) -> tuple[str, ...]:
    memory = "" if daemon.memory_bytes is None else format_size(daemon.memory_bytes)
    return (
        printable(daemon.name),
        f"{SYMBOLS[daemon.state]} {state_text(daemon, now_ms)}",
        daemon.wanted.value,
        "-" if daemon.pid is None else str(daemon.pid),
        length(daemon.uptime_seconds(now_ms)) or "-",
        str(daemon.restarts),
        memory or "-",
        printable(remarks(daemon)),
    )


def state_text(daemon: Daemon, now_ms: int) -> str:
    """The state with its reason and, before a restart, the countdown: ``backoff (exit), restart in 4s``."""
    text = daemon.state.value
    if daemon.reason and daemon.state is not DaemonState.RUNNING:
        text += f" ({printable(daemon.reason)})"
    if daemon.state is DaemonState.BACKOFF and daemon.next_restart_at is not None:
        text += f", restart {ago(max(daemon.next_restart_at, now_ms), now_ms)}"
    return text


def remarks(daemon: Daemon) -> str:
    """What else is worth a word in one line: pending restart, health, the status it tells of itself."""
    return "; ".join(
        filter(
            None,
            (
                "restart pending" if daemon.restart_pending else "",
                daemon.health.value if daemon.health is not None else "",
                "no longer in jobctl.yaml" if daemon.source is DaemonSource.GONE else "",
                daemon.error if daemon.state is not DaemonState.RUNNING else "",
                daemon.status_text or "",
            ),
        )
    )


def card_fields(card: DaemonCard, home: Home, now_ms: int) -> list[tuple[str, str]]:
    """What is known of one daemon as ``(label, printable text)``, without what is unknown."""
    daemon, definition = card.daemon, card.daemon.definition
    fields = [
        ("state", f"{SYMBOLS[daemon.state]} {state_text(daemon, now_ms)}, wanted {daemon.wanted.value}"),
        ("error", daemon.error or ""),
        ("pending", "restart pending: it runs an older definition" if daemon.restart_pending else ""),
        ("status", daemon.status_text or ""),
        ("health", "" if daemon.health is None else daemon.health.value),
        ("pid", "" if daemon.pid is None else f"{daemon.pid}, generation {daemon.generation}"),
        ("started", exact(daemon.started_at, now_ms)),
        ("ready", exact(daemon.ready_at, now_ms)),
        ("heartbeat", exact(daemon.heartbeat_at, now_ms)),
        ("restarts", f"{daemon.restarts}, {daemon.consecutive_failures} failures in a row"),
        ("memory", "" if daemon.memory_bytes is None else format_size(daemon.memory_bytes)),
        ("cpu", "" if daemon.cpu_percent is None else f"{daemon.cpu_percent:.1f}%"),
        ("last exit", last_exit_text(daemon)),
        ("source", _SOURCES[daemon.source]),
        *_definition_fields(definition),
        ("directory", home.daemon(daemon.name)),
        ("state dir", home.daemon_state(daemon.name)),
    ]
    return [(label, printable(text)) for label, text in fields if text]


def card_sections(card: DaemonCard, now_ms: int) -> list[tuple[str, list[str]]]:
    """How its generations ended and the jobs it submitted: titles and printable lines."""
    name = printable(card.daemon.name)
    title = f"jobs ({card.job_count}; all of them: jobctl daemon jobs {name})"
    jobs = [f"{job.id} {printable(job.name)} {status_text(job)}" for job in card.jobs[:_SHOWN_JOBS]]
    exits = [exit_line(ended, now_ms) for ended in card.exits[:_SHOWN_EXITS]]
    return [("exits", exits), (title, jobs)]


_SOURCES = {
    DaemonSource.CLI: "jobctl daemon add",
    DaemonSource.FILE: "jobctl.yaml",
    DaemonSource.GONE: "jobctl.yaml, which no longer names it",
}


def _definition_fields(definition: DaemonDefinition) -> list[tuple[str, str]]:
    """The policy in a few lines."""
    delays = f"after {length(definition.backoff_seconds)} doubling to {length(definition.max_delay_seconds)}"
    most = f"{definition.max_restarts} failures in a row" if definition.max_restarts else "never"
    limit = definition.max_memory_bytes
    return [
        ("command", join(definition.command) if definition.shell is None else definition.shell),
        ("function", "" if definition.call is None else definition.call.function),
        (
            "arguments",
            ""
            if definition.call is None or not definition.call.args
            else canonical_json(definition.call.args),
        ),
        ("cwd", definition.cwd),
        ("env", " ".join(f"{name}={value}" for name, value in definition.env.items())),
        ("autostart", definition.autostart.value),
        ("restart", f"{definition.restart.value}, {delays}, given up after: {most}"),
        ("readiness", f"{definition.ready}, within {length(definition.start_timeout_seconds)}"),
        ("stop", f"{definition.stop_signal}, KILL after {length(definition.stop_timeout_seconds)}"),
        ("watchdog", length(definition.watchdog_seconds)),
        ("health check", f"{definition.health}" if definition.health else ""),
        ("max memory", "" if limit is None else format_size(limit)),
        ("logs", f"{definition.keep_logs} x {format_size(definition.max_log_bytes)} kept"),
        ("depends on", ", ".join(definition.depends_on)),
    ]


def last_exit_text(daemon: Daemon) -> str:
    """``exit 3`` or ``SIGTERM``; empty before the first end."""
    if daemon.last_signal is not None:
        return daemon.last_signal
    return "" if daemon.last_exit_code is None else f"exit {daemon.last_exit_code}"


def exit_line(ended: DaemonExit, now_ms: int) -> str:
    """``#7 exit 3 after 1.3s, 4m ago (watchdog): message``."""
    how = "exit " + str(ended.exit_code) if ended.exit_code is not None else "no exit code"
    text = f"#{ended.generation} {ended.signal or how} after {length(ended.uptime_seconds)}"
    text += f", {ago(ended.ended_at, now_ms)}"
    if ended.reason in (None, "exit", "signal"):
        return printable(text)
    return printable(f"{text} ({ended.reason})" + (f": {ended.error}" if ended.error else ""))
