from __future__ import annotations

import json
import os
from pathlib import Path

import pytest

from jobctl.actions.progress import progress_line, report_progress
from jobctl.errors import BadInputError, UnusableError
from jobctl.model.progress import Progress, fold


@pytest.mark.parametrize(
    ("words", "said"),
    [
        (["40"], {"percent": 40.0}),
        (["40%", "half", "way"], {"percent": 40.0, "message": "half way"}),
        (["12/300", "m"], {"done": 12, "total": 300, "message": "m"}),
        (["+1"], {"add": 1}),
        (["starting", "40"], {"message": "starting 40"}),
        (["done:\n+5"], {"message": "done:\n+5"}),
    ],
)
def test_words_become_one_line(words: list[str], said: dict[str, object]) -> None:
    line = progress_line(words)
    assert json.loads(line) == said
    assert "\n" not in line


def test_a_failed_item_keeps_its_blanks_and_its_error() -> None:
    progress = fold(Progress(), progress_line(["+1", "bad", "header"], "30", "a b.png"))
    assert (progress.items_done, progress.items_total, progress.items_failed) == (1, 30, 1)
    assert progress.item_errors == (("a b.png", "bad header"),)


@pytest.mark.parametrize("words", [[], ["101"], ["1e3"], ["5/3"], ["+"], ["+x"], ["40 now"], ["0x10"]])
def test_what_makes_no_sense_is_refused(words: list[str]) -> None:
    with pytest.raises(BadInputError):
        progress_line(words)


def test_a_total_is_a_plain_number() -> None:
    with pytest.raises(BadInputError, match="total must be a whole number"):
        progress_line([], "3.5")


def test_a_done_count_above_the_given_total_is_refused() -> None:
    with pytest.raises(BadInputError):
        progress_line(["5/9"], "3")


def test_each_report_is_one_appended_line(tmp_path: Path) -> None:
    environment = {"JOBCTL_PROGRESS": str(tmp_path / "progress")}
    for percent in ("1", "2"):
        report_progress(progress_line([percent]), environment)
    assert (tmp_path / "progress").read_text() == '{"percent":1.0}\n{"percent":2.0}\n'
    assert os.stat(tmp_path / "progress").st_mode & 0o777 == 0o600


def test_outside_a_job_there_is_nothing_to_report_to() -> None:
    with pytest.raises(BadInputError, match="not inside a job"):
        report_progress("{}", {})


def test_an_attempt_that_is_gone_cannot_be_reported_to(tmp_path: Path) -> None:
    with pytest.raises(UnusableError, match="cannot report progress"):
        report_progress("{}", {"JOBCTL_PROGRESS": str(tmp_path / "gone" / "progress")})
