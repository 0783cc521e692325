"""Patterns that read progress from output, on real output of real programs."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

from jobctl.errors import BadInputError
from jobctl.model.progress import Progress, fold
from jobctl.model.progress_patterns import LONGEST_LINE, parse_progress_pattern

SAMPLES = Path(__file__).parents[2] / "data" / "progress"
FFMPEG = r"Duration: (?P<total>[\d:.]+)|time=(?P<done>[\d:.]+)"


def progress_of(pattern: str, name: str) -> tuple[Progress, list[float]]:
    """What is known at the end of a sample, and every percentage on the way."""
    parsed = parse_progress_pattern(pattern)
    progress, percents = Progress(), []
    for line in re.split(r"[\r\n]+", (SAMPLES / name).read_text()):
        said = parsed.read(line)
        if said is not None:
            progress = fold(progress, said)
            if progress.percent is not None:
                percents.append(progress.percent)
    return progress, percents


@pytest.mark.parametrize(
    ("pattern", "sample", "done", "total"),
    [
        (r"(\d+)%\|", "tqdm-4.70.1.log", None, None),
        (r"(\d+)/(\d+) \[", "tqdm-4.70.1.log", 300, 300),
        (r"(?P<message>\w+): .*?(?P<done>\d+)/(?P<total>\d+) \[", "tqdm-4.70.1.log", 300, 300),
        (r"(?P<done>[\d,]+)\s+(?P<percent>\d+)%", "rsync-3.5.0.log", 80_000_000, None),
        (FFMPEG, "ffmpeg-9.0.2.log", None, 40),
    ],
)
def test_real_output_leads_up_to_the_end(
    pattern: str, sample: str, done: int | None, total: int | None
) -> None:
    progress, percents = progress_of(pattern, sample)
    assert len(percents) > 5
    assert percents == sorted(percents)
    assert percents[0] < 40
    assert percents[-1] >= 95
    assert (progress.items_total, progress.ignored) == (total, 0)
    if done is not None:
        assert progress.items_done == done


@pytest.mark.parametrize(
    ("text", "count"),
    [
        ("1,234,567", 1_234_567),
        ("1.234.567", 1_234_567),
        ("12.3M", 12_300_000),
        ("7kB", 7000),
        ("2 GiB", 2_000_000_000),
        ("00:01:02.50", 62),
        ("1:02", 62),
        ("42", 42),
    ],
)
def test_numbers_are_read_as_programs_write_them(text: str, count: int) -> None:
    said = parse_progress_pattern("(?P<done>.+)").read(text)
    assert said is not None
    assert fold(Progress(), said).items_done == count


@pytest.mark.parametrize("line", ["", "nothing", "120% of (x)", "x%", "٤٠%"])
def test_a_line_that_tells_nothing_gives_nothing(line: str) -> None:
    assert parse_progress_pattern(r"([\d.x]*)%").read(line) is None


def test_the_last_match_of_a_line_counts_and_only_the_end_of_a_long_line_is_seen() -> None:
    pattern = parse_progress_pattern(r"(\d+)%")
    assert fold(Progress(), pattern.read("1% 2% 30%") or "").percent == 30
    assert pattern.read("50%" + " " * LONGEST_LINE) is None


@pytest.mark.parametrize(
    ("pattern", "said"),
    [
        ("", "bad progress pattern"),
        ("(", "bad progress pattern"),
        ("x" * 501, "bad progress pattern"),
        (r"\d+%", "needs one group"),
        (r"(\d)(\d)(\d)", "needs one group"),
        (r"(?P<share>\d+)%", "unknown group"),
    ],
)
def test_a_pattern_that_can_tell_nothing_is_refused(pattern: str, said: str) -> None:
    with pytest.raises(BadInputError, match=said) as caught:
        parse_progress_pattern(pattern)
    assert caught.value.code == "E_PATTERN"
