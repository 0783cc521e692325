"""The log of ``jobctl up``: a line an event, and remarks of the supervisor itself."""

from __future__ import annotations

import contextlib
import sys
from collections.abc import Callable
from queue import SimpleQueue

from jobctl.executors.threads import start_thread
from jobctl.model.events import Event
from jobctl.views.events import event_json, event_line
from jobctl.views.text import printable, printable_json

_LINES = 10_000
_FLUSH_SECONDS = 2.0


class EventLog:
    """Writes log lines from a thread of its own: a full pipe or a stopped terminal never stops the loop.

    What does not fit into the backlog is dropped and counted; every event is in the store anyway.
    """

    def __init__(self, *, json: bool) -> None:
        self._json = json
        self._pieces: SimpleQueue[list[str] | None] = SimpleQueue()
        self._put_lines = self._written = self._dropped = 0
        self._said: set[str] = set()
        self._trouble: str | None = None
        self._dashboard: Callable[[str], None] | None = None
        self._thread = start_thread("log", self._write)

    def events(self, events: list[Event]) -> None:
        """Each event is a line, unless a dashboard shows them."""
        if self._dashboard is not None:
            return
        if self._json:
            import json

            documents = (json.dumps(event_json(event), ensure_ascii=False) for event in events)
            self._put([f"{printable_json(document)}\n" for document in documents])
        else:
            self._put([f"{event_line(event)}\n" for event in events])

    def remark(self, text: str) -> None:
        """A line of the supervisor's own; not part of JSON output."""
        if self._dashboard is not None:
            self._dashboard(printable(text))
        elif not self._json:
            self._put([f"{printable(text)}\n"])

    def once(self, text: str) -> None:
        """A remark that is not repeated."""
        if text and text not in self._said:
            self._said.add(text)
            self.remark(text)

    def trouble(self, text: str | None) -> None:
        """The trouble, and its end, are a line each; not one a turn."""
        if text != self._trouble:
            self._trouble = text
            if text is None and self._dashboard is not None:
                self._dashboard("")
                return
            self.remark(f"{text}; recording waits" if text is not None else "recording goes on")

    def divert(self, dashboard: Callable[[str], None] | None, restore: str = "") -> None:
        """Remarks go to a dashboard, and events nowhere; None: to the log again.

        Args:
            dashboard: gets each remark.
            restore: what makes the terminal usable again, to be written before any line.
        """
        self._dashboard = dashboard
        if restore:
            self._put([restore])

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
                sys.stdout.write("".join(lines))
                self._written += len(lines)
                if self._pieces.empty():
                    sys.stdout.flush()
            except (OSError, ValueError):
                return
        with contextlib.suppress(OSError, ValueError):
            sys.stdout.flush()
