"""Bars on standard error for ``wait --progress``. Imports Rich."""

from __future__ import annotations

from collections.abc import Callable

from rich.console import Console
from rich.progress import BarColumn, Progress, TaskID, TaskProgressColumn, TextColumn, TimeElapsedColumn
from rich.table import Column

from jobctl.views.text import printable, shorten

Look = Callable[[], tuple[int, list[tuple[int, str, float]]]]
"""How many have ended, and ``(id, name, percent)`` of those that tell their progress."""


class WaitBars:
    """One bar for all jobs, one for each job that reports."""

    def __init__(self, total: int, look: Look, *, no_color: bool) -> None:
        self._look = look
        self._progress = Progress(
            TextColumn("{task.description}", markup=False, table_column=Column(no_wrap=True)),
            BarColumn(),
            TaskProgressColumn(),
            TimeElapsedColumn(),
            console=Console(stderr=True, no_color=no_color or None),
            auto_refresh=False,
        )
        self._all = self._progress.add_task("all jobs", total=total)
        self._jobs: dict[int, TaskID] = {}

    def update(self) -> None:
        """What is known now is shown."""
        ended, running = self._look()
        self._progress.update(self._all, completed=ended)
        for job_id, name, percent in running:
            if job_id not in self._jobs:
                title = shorten(printable(f"{job_id} {name}"), 30)
                self._jobs[job_id] = self._progress.add_task(title, total=100)
            self._progress.update(self._jobs[job_id], completed=percent)
        for job_id in set(self._jobs) - {job_id for job_id, _, _ in running}:
            self._progress.remove_task(self._jobs.pop(job_id))
        self._progress.refresh()

    def __enter__(self) -> WaitBars:
        """The bars are shown."""
        self._progress.start()
        return self

    def __exit__(self, *_: object) -> None:
        """They stay as they stand."""
        self.update()
        self._progress.stop()
