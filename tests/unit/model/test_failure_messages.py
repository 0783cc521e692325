from __future__ import annotations

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from jobctl.model.failure_messages import LONGEST, failure_message, normalised


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("ValueError: bad line 17 in '/data/a b.csv'", "ValueError: bad line <n> in <text>"),
        ("cannot open /var/lib/x-3/f.txt: No such file", "cannot open <path>: No such file"),
        ("connect to https://a.example:8080/x?y=1 failed", "connect to <url> failed"),
        ("object 0xDEADbeef at 7fffae01c9", "object <hex> at <hex>"),
        ("run 123e4567-e89b-12d3-a456-426614174000 lost", "run <id> lost"),
        ("2026-11-22T03:04:05.678Z disk full", "<time> disk full"),
        ("can't read 3 of 10,000 items\n  (retry in 1.5 s)", "can't read <n> of <n> items (retry in <n> s)"),
        ("  \n\t ", ""),
    ],
)
def test_what_differs_between_two_times_is_replaced(text: str, expected: str) -> None:
    assert normalised(text) == expected


@settings(max_examples=80)
@given(st.text(max_size=400))
def test_any_text_becomes_one_short_line(text: str) -> None:
    found = normalised(text)
    assert len(found) <= LONGEST
    assert "\n" not in found


@pytest.mark.parametrize(
    ("how", "expected"),
    [
        (("failed", "exit", 3, None, "bad 7"), "exit code 3: bad <n>"),
        (("failed", "exit", 3, None, None), "exit code 3"),
        (("failed", "exit", 139, "SIGSEGV", None), "ended by SIGSEGV"),
        (("timeout", "timeout", None, "SIGTERM", "still 4 to do"), "time-out: still <n> to do"),
        (("lost", "lost", None, None, None), "lost"),
        (
            ("failed", "spawn_error", 127, None, "no such command: 'x'"),
            "spawn error: no such command: <text>",
        ),
        (("failed", "memory", None, None, ""), "memory"),
    ],
)
def test_a_failure_says_how_and_what(
    how: tuple[str, str | None, int | None, str | None, str | None], expected: str
) -> None:
    assert failure_message(*how) == expected
