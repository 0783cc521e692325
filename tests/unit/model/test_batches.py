from __future__ import annotations

import shutil
import subprocess

import pytest
from hypothesis import given
from hypothesis import strategies as st

from jobctl.errors import BadInputError
from jobctl.model.batches import Batch, Item, item_name, items_of, outcome_of, parse_max_failures, replaced
from jobctl.model.states import JobId, JobStatus, Reason

KINDS = ("", ".", "/", "//", "/.", "#")
AWKWARD = [
    "foo.", ".bashrc", "a/.b", "a/b.c", "a//b", "/", "a/b/", "x.tar.gz", "..", "a.b/c", "/x", "a/", "//", "//a",
    "a b.c", "é.x", "$(id)", "'", "it's; rm -rf", "-n", "{}", "{.}", "*", "", "\\",
]  # fmt: skip


def counted(**counts: int) -> Batch:
    given_ = {name: counts.get(name, 0) for name in ("created", "queued", "running")}
    ended = {name: counts.get(name, 0) for name in ("completed", "failed", "cancelled", "timeout")}
    return Batch(
        JobId(1), sum(given_.values()) + sum(ended.values()), **given_, **ended,
        max_parallel=None, max_failures=counts.get("max_failures"),
    )  # fmt: skip


@pytest.mark.skipif(shutil.which("parallel") is None, reason="GNU parallel is not installed")
def test_replacement_strings_are_those_of_gnu_parallel() -> None:
    words = [f"[{{{kind}}}]" for kind in KINDS]
    ran = subprocess.run(
        ["parallel", "-k", "-j1", "-q", "printf", r"%s\n", *words, ":::", *AWKWARD],
        capture_output=True,
        check=True,
    )
    ours = [
        f"[{replaced(kind, item, number)}]" for number, item in enumerate(AWKWARD, start=1) for kind in KINDS
    ]
    assert ours == ran.stdout.decode().splitlines()


def test_every_part_of_a_path_can_be_put_into_the_command() -> None:
    made = items_of(["a/b.c"], ["x{}y", "{.}", "{/}", "{//}", "{/.}", "{#}", "{?}"], None)
    assert made == [Item("a/b.c", ("xa/b.cy", "a/b", "b.c", "a", "b", "1", "{?}"))]


def test_an_item_without_replacement_string_is_the_last_argument() -> None:
    assert [item.command for item in items_of(["a b", "-c"], ["rm"], None)] == [("rm", "a b"), ("rm", "-c")]
    assert items_of(["x y"], None, "cat")[0].command == "cat 'x y'"


def test_the_number_alone_is_a_replacement_string() -> None:
    assert [item.command for item in items_of(["a", "b"], ["echo", "{#}"], None)] == [
        ("echo", "1"),
        ("echo", "2"),
    ]


def test_what_an_item_says_is_never_replaced_again() -> None:
    assert items_of(["{#}{}"], ["echo", "{}", "{/}"], None)[0].command == ("echo", "{#}{}", "{#}{}")


@given(st.text(alphabet=st.characters(exclude_characters="\0", exclude_categories=["Cs"]), max_size=20))
def test_a_shell_reads_an_item_as_one_word_whatever_it_holds(item: str) -> None:
    import shlex

    line = items_of([item], None, "echo {} {/}")[0].command
    assert isinstance(line, str)
    assert shlex.split(line)[1] == item


def test_an_item_with_a_nul_is_refused() -> None:
    with pytest.raises(BadInputError, match="item 2"):
        items_of(["a", "b\0"], ["echo"], None)


@pytest.mark.parametrize(
    ("text", "total", "allowed"), [("0", 9, 0), ("3", 2, 3), ("10%", 25, 2), ("100%", 7, 7), ("0%", 7, 0)]
)
def test_failures_are_allowed_by_number_or_share(text: str, total: int, allowed: int) -> None:
    assert parse_max_failures(text, total) == allowed


@pytest.mark.parametrize("text", ["-1", "101%", "%", "x", "1.5%", ""])
def test_other_limits_of_failures_are_refused(text: str) -> None:
    with pytest.raises(BadInputError):
        parse_max_failures(text, 10)


@pytest.mark.parametrize(
    ("batch", "stopped", "ended"),
    [
        (counted(completed=3), None, (JobStatus.COMPLETED, None)),
        (counted(), None, (JobStatus.COMPLETED, None)),
        (counted(completed=3), "requested", (JobStatus.COMPLETED, None)),
        (counted(completed=2, failed=1), None, (JobStatus.FAILED, Reason.ITEMS_FAILED)),
        (counted(completed=2, timeout=1), None, (JobStatus.FAILED, Reason.ITEMS_FAILED)),
        (counted(completed=2, failed=1, max_failures=1), None, (JobStatus.COMPLETED, None)),
        (counted(failed=2, max_failures=1), None, (JobStatus.FAILED, Reason.ITEMS_FAILED)),
        (
            counted(failed=2, cancelled=5, max_failures=1),
            "max_failures",
            (JobStatus.FAILED, Reason.ITEMS_FAILED),
        ),
        (counted(completed=1, cancelled=1), None, (JobStatus.CANCELLED, Reason.ITEMS_CANCELLED)),
        (counted(failed=1, cancelled=1), "requested", (JobStatus.CANCELLED, Reason.REQUESTED)),
    ],
)
def test_how_a_batch_ends(batch: Batch, stopped: str | None, ended: tuple[JobStatus, Reason | None]) -> None:
    assert outcome_of(batch, stopped) == ended


def test_the_summary_shows_partial_failure() -> None:
    assert (
        counted(completed=96, failed=1, timeout=2, cancelled=1).summary
        == "3 of 100 failed, 1 of 100 cancelled"
    )
    assert counted(completed=4).summary == "4 completed"


def test_the_name_of_items_fits_even_behind_the_longest_name() -> None:
    assert item_name("resize") == "resize:item"
    assert len(item_name("x" * 128)) == 128
