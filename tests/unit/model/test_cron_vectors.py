"""Every row of ``tests/data/cron/cron_vectors.json``: agreed with, or on the list of deliberate differences."""

from __future__ import annotations

import json
from collections.abc import Mapping
from datetime import datetime
from pathlib import Path
from zoneinfo import ZoneInfo

import pytest

from jobctl.errors import BadInputError
from jobctl.model.cron import parse_cron

_Row = Mapping[str, str | int | None]
ROWS: list[_Row] = json.loads(
    (Path(__file__).parents[2] / "data" / "cron" / "cron_vectors.json").read_text(encoding="utf-8")
)
DIFFERENT = {
    # A step beyond the field is a slip of the finger: cronexpr and Quartz refuse it too. cronsim takes ``*/100,1-7``
    # as a trick to make the day fields AND; ``*/31,1-7`` does the same here.
    "policy: oversized step refused": {374, 375, 376, 377},
}
_FIXED_ZONES = {"fixed+05:30": "Asia/Kolkata"}


def _agrees(row: _Row) -> bool:
    expected = row["expected_next"]
    assert expected is None or isinstance(expected, str)
    try:
        line = parse_cron(str(row["expr"]))
    except BadInputError:
        return expected in (None, "invalid")
    if expected in (None, "invalid"):
        return False
    name = str(row["tz"] or "UTC")
    zone = ZoneInfo(_FIXED_ZONES.get(name, name))
    wanted = _instant(str(expected).removeprefix("not:"), zone)
    found = line.next_after(_instant(str(row["start"]), zone), zone)
    return (found == wanted) is not str(expected).startswith("not:")


def _instant(text: str, zone: ZoneInfo) -> datetime:
    moment = datetime.fromisoformat(text)
    return moment if moment.tzinfo else moment.replace(tzinfo=zone)


def test_the_rows_that_other_projects_expect_come_out_as_expected() -> None:
    different = {row_id for rows in DIFFERENT.values() for row_id in rows}
    wrong = [row for row in ROWS if row["id"] not in different and not _agrees(row)]
    print(f"cron vectors: {len(ROWS) - len(wrong) - len(different)} of {len(ROWS)} rows agree")
    assert wrong == []
    assert len(ROWS) == 469


@pytest.mark.parametrize("category", DIFFERENT)
def test_a_row_listed_as_different_is_different(category: str) -> None:
    listed = [row for row in ROWS if row["id"] in DIFFERENT[category]]
    assert len(listed) == len(DIFFERENT[category])
    assert not any(_agrees(row) for row in listed)


def test_the_trick_of_the_oversized_step_has_another_spelling() -> None:
    zone = ZoneInfo("UTC")
    line = parse_cron("1 1 */31,1-7 * MON")
    for row in ROWS:
        if row["id"] in DIFFERENT["policy: oversized step refused"]:
            assert line.next_after(_instant(str(row["start"]), zone), zone) == _instant(
                str(row["expected_next"]), zone
            )


def test_raw_croniter_would_not_pass() -> None:
    """The wrapper is there for a reason: without it these rows fail."""
    assert sum("croniter_got" in row for row in ROWS) == 32
