"""Daemons on a terminal. Imports Rich."""

from __future__ import annotations

from jobctl.model.daemons import Daemon, DaemonState, Wanted
from jobctl.model.sizes import format_size
from jobctl.views.daemons import SYMBOLS, remarks, state_text
from jobctl.views.instants import length
from jobctl.views.job_tables import LEAST_NAME
from jobctl.views.tables import Column
from jobctl.views.text import printable

STYLES = {
    DaemonState.STOPPED: "dim",
    DaemonState.WAITING: "cyan",
    DaemonState.STARTING: "cyan",
    DaemonState.RUNNING: "green",
    DaemonState.BACKOFF: "yellow",
    DaemonState.STOPPING: "yellow",
    DaemonState.EXITED: "dim",
    DaemonState.ERROR: "bold red",
}


def daemon_columns(now_ms: int) -> list[Column[Daemon]]:
    """The columns of ``daemon list``."""
    return [
        Column("name", lambda daemon: printable(daemon.name), flexible=True, least=LEAST_NAME),
        Column(
            "state",
            lambda daemon: f"{SYMBOLS[daemon.state]} {state_text(daemon, now_ms)}",
            flexible=True,
            least=24,
            style=lambda daemon: STYLES[daemon.state],
        ),
        Column("wanted", _wanted, drop=6, style=lambda daemon: "" if daemon.is_as_wanted else "yellow"),
        Column("pid", lambda daemon: "" if daemon.pid is None else str(daemon.pid), drop=4, right=True),
        Column("uptime", lambda daemon: length(daemon.uptime_seconds(now_ms)), drop=1, right=True),
        Column(
            "restarts",
            lambda daemon: str(daemon.restarts or ""),
            drop=3,
            right=True,
            style=lambda daemon: "yellow" if daemon.consecutive_failures else "",
        ),
        Column("memory", _memory, drop=5, right=True),
        Column("status", lambda daemon: printable(remarks(daemon)), drop=2, flexible=True, least=20),
    ]


def _wanted(daemon: Daemon) -> str:
    return f"{'↑' if daemon.wanted is Wanted.UP else '↓'} {daemon.wanted.value}"


def _memory(daemon: Daemon) -> str:
    return "" if daemon.memory_bytes is None else format_size(daemon.memory_bytes)
