"""Which slots of a schedule were decided though their rows were pruned: no wrong clock lets them come again."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

from jobctl.store.database import Database, Row

TRIMMED = "schedule_id, due_at, due_at IS NOT NULL AND outcome<>'missed'"
"""What ``remember`` wants to know of each row that is gone. Slots that were missed never fired."""
REACH_MS = 86_400_000
"""Slots no further apart are one stretch. A clock that was more than a day ahead leaves a gap, which may still fire."""


def remember(database: Database, gone: Sequence[Row]) -> None:
    """The slots of these rows, ``TRIMMED`` of each, count as decided; in an open write transaction."""
    dues: dict[int, list[int]] = {}
    for schedule_id, due_at, was_decided in gone:
        if was_decided:
            dues.setdefault(schedule_id, []).append(due_at)
    for schedule_id, instants in dues.items():
        for first, last in _stretches(sorted(instants)):
            _remember_stretch(database, schedule_id, first, last)


def _stretches(instants: Sequence[int]) -> Iterator[tuple[int, int]]:
    """First and last of each run of ascending instants that are within reach of each other."""
    first = last = instants[0]
    for instant in instants[1:]:
        if instant - last > REACH_MS:
            yield first, last
            first = instant
        last = instant
    yield first, last


def _remember_stretch(database: Database, schedule_id: int, first: int, last: int) -> None:
    touched = database.rows(
        "DELETE FROM schedule_trims WHERE schedule_id=? AND first_due<=? AND last_due>=?"
        " RETURNING first_due, last_due",
        (schedule_id, last + REACH_MS, first - REACH_MS),
    )
    first, last = min([first, *(row[0] for row in touched)]), max([last, *(row[1] for row in touched)])
    database.rows("INSERT INTO schedule_trims VALUES(?,?,?)", (schedule_id, first, last))
