"""The pane of the daemons, each with the newest lines of its log. Imports Rich."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

from rich.text import Text

from jobctl.model.daemons import Daemon
from jobctl.model.dashboards import LogLine, PaneName, Snapshot, WatchedDaemon
from jobctl.model.sizes import format_size
from jobctl.views.daemon_tables import STYLES
from jobctl.views.daemons import SYMBOLS, remarks, state_text
from jobctl.views.instants import ago, length
from jobctl.views.panes import FAINT, Pane, allocate, brief, table_lines
from jobctl.views.tables import Column
from jobctl.views.text import printable_bytes, shorten

_MOST_SHOWN = 300


def daemons_pane(snapshot: Snapshot) -> Pane:
    """Every daemon on a line; what room is left over is shared by their logs."""
    daemons, now = [_cut(one) for one in snapshot.daemons], snapshot.now

    def draw(width: int, rows: int) -> list[Text]:
        ordered = daemons
        if len(daemons) > rows:
            ordered = sorted(daemons, key=lambda one: one.daemon.is_as_wanted)[: max(1, rows - 1)]
        shown = ordered[:rows]
        states = table_lines(_columns(now), [one.daemon for one in shown], width)
        room = max(0, rows - len(shown) - (len(daemons) > len(shown)))
        shares = _shares(shown, room)
        lines: list[Text] = []
        for one, state, share in zip(shown, states, shares, strict=True):
            lines.append(state)
            lines += [_log_line(line, width) for line in one.lines[len(one.lines) - share :]]
        if len(daemons) > len(shown) and len(lines) < rows:
            lines.append(Text(f"… and {len(daemons) - len(shown):,} more", style=FAINT))
        return lines

    demand = sum(1 + len(one.lines) for one in daemons)
    return Pane(PaneName.DAEMONS, "daemons", demand, 1, draw)


def _cut(one: WatchedDaemon) -> WatchedDaemon:
    """The daemon with no more of its texts than can be shown."""
    daemon = one.daemon
    cut = replace(
        daemon,
        reason=(daemon.reason or "")[:_MOST_SHOWN] or None,
        error=(daemon.error or "")[:_MOST_SHOWN] or None,
        status_text=(daemon.status_text or "")[:_MOST_SHOWN] or None,
    )
    return replace(one, daemon=cut)


def _shares(daemons: Sequence[WatchedDaemon], room: int) -> list[int]:
    """How many lines of each log are shown."""
    return allocate([len(one.lines) for one in daemons], [1] * len(daemons), room)


def _columns(now: int) -> list[Column[Daemon]]:
    return [
        Column("name", lambda one: f"{SYMBOLS[one.state]} {brief(one.name)}", least=8, style=_style),
        Column("state", lambda one: brief(state_text(one, now)), style=_style),
        Column("up", lambda one: _uptime(one, now), drop=2, right=True),
        Column("heartbeat", lambda one: _heartbeat(one, now), drop=3, style=lambda _: "magenta"),
        Column(
            "restarts", lambda one: f"↻ {one.restarts}" if one.restarts else "", drop=4, style=_restart_style
        ),
        Column(
            "cpu",
            lambda one: "" if one.cpu_percent is None else f"{one.cpu_percent:.0f}%",
            drop=6,
            right=True,
        ),
        Column("memory", _memory, drop=5, right=True),
        Column("remarks", lambda one: brief(remarks(one)), drop=1, least=8),
    ]


def _style(daemon: Daemon) -> str:
    return STYLES[daemon.state]


def _restart_style(daemon: Daemon) -> str:
    return "yellow" if daemon.consecutive_failures else FAINT


def _uptime(daemon: Daemon, now: int) -> str:
    seconds = daemon.uptime_seconds(now)
    return "" if seconds is None else length(float(int(seconds)))


def _heartbeat(daemon: Daemon, now: int) -> str:
    return "" if daemon.heartbeat_at is None else f"♥ {ago(daemon.heartbeat_at, now)}"


def _memory(daemon: Daemon) -> str:
    return "" if daemon.memory_bytes is None else format_size(daemon.memory_bytes)


def _log_line(line: LogLine, width: int) -> Text:
    is_error = line.stream == "stderr"
    text = shorten(printable_bytes(line.text[: width * 4]), max(0, width - 4))
    return Text.assemble(("  ┆ ", "red" if is_error else FAINT), (text, "red" if is_error else FAINT))
