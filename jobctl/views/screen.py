"""The dashboard on a terminal, kept up to date: drawn when something changed, and not otherwise. Imports Rich."""

from __future__ import annotations

import time
from dataclasses import dataclass
from typing import Protocol

from jobctl.model.dashboards import PaneName, Snapshot
from jobctl.views.dashboard import Frame, dashboard_lines
from jobctl.views.terminals import Heard, Terminal
from jobctl.views.text import printable

LOOK_SECONDS = 0.25
"""Between two looks whether something changed."""
BUSY_SECONDS = 1.0
"""While something runs its time is drawn so often."""
IDLE_SECONDS = 5.0
_QUIT = (b"q", b"Q")
_ALL = (b"0", b"a", b"\x1b")
_FORWARD = (b"\t", b"\x1b[C", b"\x1bOC")
_BACK = (b"\x1b[Z", b"\x1b[D", b"\x1bOD")


class Source(Protocol):
    """Where snapshots come from."""

    def changed(self) -> bool:
        """Whether reading may give something new."""

    def read(self, rows: int) -> Snapshot:
        """The home as it is now."""

    def refreshed(self, last: Snapshot) -> Snapshot:
        """The last snapshot with the present time."""


@dataclass(frozen=True, slots=True)
class Terms:
    """How a dashboard is watched."""

    pane: PaneName | None = None
    seconds: float = LOOK_SECONDS
    is_attached: bool = False
    """Whether it belongs to a supervisor, with which it ends."""


class Dashboard:
    """A dashboard on a terminal."""

    def __init__(self, source: Source, terminal: Terminal, terms: Terms) -> None:
        self._source = source
        self._terminal = terminal
        self._terms = terms
        self._pane = terms.pane
        self._panes: list[PaneName | None] = [None, *(name for name in PaneName if name != PaneName.WORKFLOW)]
        if terms.pane is PaneName.WORKFLOW:
            self._panes.append(PaneName.WORKFLOW)
        self._notice = ""
        self._snapshot: Snapshot | None = None
        self._size = (0, 0)
        self._read_at = self._drawn_at = 0.0
        self._stale = True
        """Whether what is shown differs from what is known."""

    def run(self) -> int:
        """The exit code, when it has ended: 0, or 128 and the signal that ended it."""
        while not self._terminal.ended_by:
            if self._terminal.is_ready():
                self._update()
            heard = self._terminal.wait(self._terms.seconds)
            if heard.is_alone or self._hear(heard):
                return 0
        return 128 + self._terminal.ended_by

    def _update(self) -> None:
        """What changed since the last look is on the screen."""
        now, size = time.monotonic(), self._terminal.size()
        if size != self._size:
            if size[1] > self._size[1]:
                self._snapshot = None  # there is room for more
            self._size = size
            self._terminal.forget()
            self._stale = True
        if self._snapshot is None or (now - self._read_at >= self._terms.seconds and self._source.changed()):
            self._snapshot, self._read_at, self._stale = self._source.read(size[1]), now, True
        elif now - self._drawn_at >= self._patience(self._snapshot):
            self._snapshot, self._stale = self._source.refreshed(self._snapshot), True
        if self._stale:
            way_out = "^C drains, twice stops" if self._terms.is_attached else "q quits"
            frame = Frame(*size, self._pane, self._keys(), way_out, self._notice)
            self._terminal.draw(dashboard_lines(self._snapshot, frame))
            self._drawn_at, self._stale = now, False

    def _patience(self, snapshot: Snapshot) -> float:
        return max(self._terms.seconds, BUSY_SECONDS if snapshot.is_busy else IDLE_SECONDS)

    def _keys(self) -> str:
        return "  ".join(f"{number} {name or 'all'}" for number, name in enumerate(self._panes))

    def _hear(self, heard: Heard) -> bool:
        """Whether the user has seen enough."""
        if heard.notices:
            # Several may have come: the last one counts.
            last = heard.notices.decode("utf-8", "replace").rstrip("\n").rpartition("\n")[2]
            self._notice, self._stale = printable(last), True
        if not heard.keys:
            return False
        self._stale = True
        if heard.keys in _QUIT:
            return not self._terms.is_attached
        index = self._panes.index(self._pane)
        if heard.keys in _ALL:
            index = 0
        elif heard.keys in _FORWARD:
            index += 1
        elif heard.keys in _BACK:
            index -= 1
        elif heard.keys.isdigit() and int(heard.keys) < len(self._panes):
            index = int(heard.keys)
        self._pane = self._panes[index % len(self._panes)]
        return False
