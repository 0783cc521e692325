"""What ``jobctl demo`` shows: live progress on a terminal, plain lines elsewhere, and a final table."""

from __future__ import annotations

import sys
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass, field
from types import TracebackType

from rich.box import SQUARE
from rich.console import Console, Group
from rich.live import Live
from rich.progress_bar import ProgressBar
from rich.table import Table
from rich.text import Text

from jobctl.model.jobs import Job
from jobctl.views.text import printable, shorten


@dataclass(frozen=True, slots=True)
class DemoTotals:
    """What the demo did, read back from its store and its logs."""

    files: int
    checksums: int
    jobs: int
    completed: int
    failed: int
    retried: int
    seconds: float
    slowest: list[tuple[str, float]] = field(default_factory=list)

    @property
    def succeeded(self) -> bool:
        """Whether every file has a checksum, every job completed and the flaky one was retried."""
        return self.checksums == self.files and self.completed == self.jobs and self.retried == 1

    def as_json(self) -> dict[str, object]:
        """The totals as one JSON object."""
        found: dict[str, object] = asdict(self)
        found["seconds"] = round(self.seconds, 3)
        found["slowest"] = [{"name": name, "duration_seconds": seconds} for name, seconds in self.slowest]
        return found


class DemoScreen:
    """Live progress while the demo's supervisor works; a context manager that leaves the terminal clean."""

    def __init__(self, top: str, files: int, jobs: int, *, live: bool, quiet: bool) -> None:
        self._console = Console(file=sys.stdout, highlight=False, quiet=quiet)
        self._jobs = jobs
        self._tenth = 0
        self._live = Live(console=self._console, refresh_per_second=10, transient=True) if live else None
        self._console.print(
            Text(f"checksumming {files} files under {printable(top)} as {jobs} jobs"), soft_wrap=True
        )

    def __enter__(self) -> DemoScreen:
        if self._live is not None:
            self._live.start()
        return self

    def __exit__(
        self, _kind: type[BaseException] | None, _error: BaseException | None, _where: TracebackType | None
    ) -> None:
        if self._live is not None:
            self._live.stop()

    def update(self, counts: Mapping[str, int], running: Sequence[Job], now_ms: int) -> None:
        """The present counts are shown."""
        ended = sum(counts[state] for state in ("completed", "failed", "cancelled", "timeout"))
        if self._live is not None:
            self._live.update(self._screen(counts, ended, running, now_ms))
            return
        tenth = ended * 10 // self._jobs
        if tenth > self._tenth:
            self._tenth = tenth
            self._console.print(Text(f"  {tenth * 10:3}%  {ended} of {self._jobs} jobs ended"))

    def _screen(self, counts: Mapping[str, int], ended: int, running: Sequence[Job], now_ms: int) -> Group:
        line = Table.grid(padding=(0, 1))
        line.add_row(
            ProgressBar(total=self._jobs, completed=ended, width=40),
            Text(f"{ended * 100 // self._jobs:3}%", style="bold"),
            Text(f"{ended}/{self._jobs} jobs"),
            Text(f"{counts['queued']} queued", style="cyan"),
            Text(f"{counts['running']} running", style="yellow"),
        )
        table = Table.grid(padding=(0, 2))
        for job in running:
            elapsed = (now_ms - (job.started_at or now_ms)) / 1000
            table.add_row(
                Text(f"▶ {job.id}", style="yellow"),
                Text(shorten(printable(job.name), 48)),
                Text(f"{elapsed:.1f}s"),
            )
        return Group(line, table)

    def final(self, totals: DemoTotals) -> None:
        """The final table is printed."""
        lines = SQUARE if self._console.is_terminal and not self._console.is_dumb_terminal else None
        table = Table(show_header=False, box=lines)
        table.add_column(style="bold")
        table.add_column(justify="right")
        mark = "✔" if totals.succeeded else "✘"
        rows = {
            "files": f"{totals.files}",
            "checksums in the logs": f"{totals.checksums}",
            "jobs": f"{totals.jobs}",
            "completed": f"{mark} {totals.completed}",
            "failed": f"{totals.failed}",
            "failed once, retried": f"↻ {totals.retried}",
            "time": f"{totals.seconds:.1f} s",
        }
        for name, value in rows.items():
            table.add_row(name, value)
        self._console.print(table)
        for name, seconds in totals.slowest:
            self._console.print(
                Text(f"  slowest: {shorten(printable(name), 50)}  {seconds:.2f} s", style="dim")
            )
