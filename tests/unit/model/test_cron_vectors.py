"""Every row of ``tests/data/cron/cron_vectors.json`` is agreed with."""

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
    wrong = [row for row in ROWS if not _agrees(row)]
    print(f"cron vectors: {len(ROWS) - len(wrong)} of {len(ROWS)} rows agree")
    assert wrong == []
    assert len(ROWS) == 469


def test_an_oversized_step_is_refused_alone_and_taken_in_a_list() -> None:
    with pytest.raises(BadInputError, match="a step is 1 to 31"):
        parse_cron("1 1 */100 * MON")
    assert parse_cron("1 1 */100,1-7 * MON")


def test_raw_croniter_would_not_pass() -> None:
    """The wrapper is there for a reason: without it these rows fail."""
    assert sum("croniter_got" in row for row in ROWS) == 32
