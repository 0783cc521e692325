"""Tables on a terminal: every list at every width."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from jobctl.model.batches import Batch
from jobctl.model.daemons import Daemon, DaemonDefinition, DaemonId, DaemonSource, DaemonState
from jobctl.model.jobs import Job
from jobctl.model.queues import Queue, Rate
from jobctl.model.states import JobId
from jobctl.views.batch_tables import batch_columns, failed_columns
from jobctl.views.daemon_tables import daemon_columns
from jobctl.views.job_tables import history_columns, job_columns
from jobctl.views.queue_tables import queue_columns
from jobctl.views.tables import Column, bar, layout
from jobctl.views.text import width_of
from tests.support.histories import History
from tests.support.tables import table_text

NOW = 1_795_000_000_000
WIDTHS = (20, 40, 80, 100, 200)
HOSTILE = "[red]\x1b]52;c;eA==\x07\u202e[/b] 長い名前"


@pytest.fixture(scope="module")
def jobs(tmp_path_factory: pytest.TempPathFactory) -> list[Job]:
    """One that ended well, one that did not, one that waits; with names that do not fit."""
    history = History(tmp_path_factory.mktemp("tables") / "home")
    ids = [history.run(HOSTILE * 20), history.run("b", 1), history.submit("c", hold=True)]
    found = [history.store.jobs.get(job_id) for job_id in ids]
    history.close()
    return [job for job in found if job is not None]


def _cases(jobs: list[Job]) -> dict[str, tuple[list[Column[Any]], list[Any]]]:
    batch = Batch(JobId(1), 300, 1, 2, 3, 280, 6, 5, 3, None, None)
    daemon = Daemon(DaemonId(1), DaemonDefinition(HOSTILE * 5, ("./web",)), DaemonSource.CLI, NOW, NOW, 1)
    daemon = replace(daemon, state=DaemonState.ERROR, reason="watchdog", error=HOSTILE * 30, pid=4711)
    queues = [
        Queue(HOSTILE * 3, 5, paused=True, running=3, queued=100_000),
        Queue("q", 10**6, paused=False, rate=Rate(3, 90.0)),
    ]
    return {
        "jobs": (job_columns(NOW), jobs),
        "history": (history_columns(NOW), jobs),
        "batches": (batch_columns(NOW), [(batch, job) for job in jobs]),
        "failed items": (failed_columns(batch), [replace(job, error=HOSTILE * 9) for job in jobs]),
        "daemons": (daemon_columns(NOW), [daemon]),
        "queues": (queue_columns(), queues),
    }  # fmt: skip


@pytest.mark.parametrize("noun", ["jobs", "history", "batches", "failed items", "daemons", "queues"])
def test_a_list_has_a_line_a_row_of_at_most_its_width_and_nothing_raw(jobs: list[Job], noun: str) -> None:
    columns, rows = _cases(jobs)[noun]
    for width in WIDTHS:
        lines = table_text(columns, rows, width)
        assert len(lines) == len(rows) + 1
        assert max(map(width_of, lines)) <= width, (width, lines)
        assert all(line.isprintable() for line in lines)


@pytest.mark.parametrize(
    ("noun", "said"),
    [
        ("jobs", "✓ completed"), ("jobs", "✗ failed"), ("jobs", "◌ created"), ("history", "✗ failed"),
        ("batches", "✗ failed"), ("daemons", "✗ error"), ("queues", "‖ paused"), ("queues", "● open"),
    ],
)  # fmt: skip
def test_a_state_has_a_symbol_beside_its_colour(jobs: list[Job], noun: str, said: str) -> None:
    columns, rows = _cases(jobs)[noun]
    for width in (60, 80, 200):
        assert any(said in line for line in table_text(columns, rows, width)), width
    assert any(column.style is not None for column in columns)


def test_what_says_least_goes_first(jobs: list[Job]) -> None:
    def titles(width: int) -> list[str]:
        return table_text(job_columns(NOW), jobs, width)[0].split()

    assert titles(200) == ["id", "name", "status", "queue", "pri", "started", "duration", "exit"]
    assert titles(60) == ["id", "name", "status", "started", "duration", "exit"]
    assert titles(40) == ["id", "name", "status", "duration"]


def _cell(size: int) -> Callable[[str], str]:
    return lambda _: "x" * size


@settings(max_examples=60)
@given(
    st.lists(st.tuples(st.integers(0, 40), st.booleans(), st.integers(0, 3)), min_size=1, max_size=6),
    st.integers(1, 90),
)
def test_columns_fit_whenever_one_cell_each_does(shape: list[tuple[int, bool, int]], width: int) -> None:  # fmt: skip
    columns: list[Column[str]] = [
        Column(f"{number}", _cell(size), drop=drop if number else 0, flexible=flexible)
        for number, (size, flexible, drop) in enumerate(shape)
    ]
    shown, widths = layout(columns, ["row"], width)
    assert all(column in [one for one, _ in shown] for column in columns if not column.drop)
    assert min(widths) >= 1
    assert sum(widths) + 2 * (len(widths) - 1) <= width or set(widths) == {1}
    natural = [max(1, len(cells[0])) for _, cells in shown]
    if sum(natural) + 2 * (len(natural) - 1) <= width:
        assert widths == natural


@pytest.mark.parametrize(
    ("done", "total", "text"), [(0, 4, "╌╌╌╌"), (2, 4, "━━╌╌"), (9, 4, "━━━━"), (-1, 4, "╌╌╌╌"), (1, 0, "")]
)
def test_a_bar_says_how_much_is_done(done: int, total: int, text: str) -> None:
    assert bar(done, total, 4) == text
