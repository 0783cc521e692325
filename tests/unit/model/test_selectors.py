"""Job selectors: read, refused with a good hint, written back."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from jobctl.errors import BadInputError
from jobctl.model.selectors import (
    JOB_STATES,
    LONGEST_RANGE,
    Selector,
    SelectorKind,
    SelectorPart,
    format_selector,
    parse_job_id,
    parse_selector,
)


def ids(first: int, last: int | None = None) -> SelectorPart:
    return SelectorPart(SelectorKind.IDS, first, first if last is None else last)


@pytest.mark.parametrize(
    ("text", "parts"),
    [
        ("12", (ids(12),)),
        ("1,3,5-8", (ids(1), ids(3), ids(5, 8))),
        ("5-5", (ids(5),)),
        ("1-1000000", (ids(1, 1_000_000),)),
        ("last", (SelectorPart(SelectorKind.LAST),)),
        ("all", (SelectorPart(SelectorKind.ALL),)),
        ("@failed", (SelectorPart(SelectorKind.STATE, text="failed"),)),
        ("name:build", (SelectorPart(SelectorKind.NAME, text="build"),)),
        ("name::skull:", (SelectorPart(SelectorKind.NAME, text=":skull:"),)),
        ("name:x[/]y", (SelectorPart(SelectorKind.NAME, text="x[/]y"),)),
        ("name:a[b*", (SelectorPart(SelectorKind.NAME, text="a[b*"),)),
        ("tag:2026", (SelectorPart(SelectorKind.TAG, text="2026"),)),
        ("queue:gpu", (SelectorPart(SelectorKind.QUEUE, text="gpu"),)),
        ("batch:7", (SelectorPart(SelectorKind.BATCH, 7, 7),)),
        ("parent:7", (SelectorPart(SelectorKind.PARENT, 7, 7),)),
        ("1,3,tag:x", (ids(1), ids(3), SelectorPart(SelectorKind.TAG, text="x"))),
    ],
)
def test_a_selector_reads_as_these_parts(text: str, parts: tuple[SelectorPart, ...]) -> None:
    assert parse_selector(text) == Selector(parts)


@pytest.mark.parametrize("state", JOB_STATES)
def test_every_state_can_be_selected(state: str) -> None:
    assert parse_selector(f"@{state}").parts[0].text == state


@pytest.mark.parametrize(
    ("text", "complaint"),
    [
        ("", "selector is empty"),
        (",", "empty part in selector"),
        ("1,,3", "empty part in selector: '1,,3'; remove the extra comma"),
        ("1,", "empty part in selector"),
        ("1, 3", "blank in selector: '1, 3'; write it without blanks"),
        ("0", "job id must be positive: '0'"),
        ("-1", "job id must be positive: '-1'"),
        ("0-5", "job id must be positive: '0'"),
        ("8-5", "range runs backwards: '8-5'; write 5-8"),
        ("1-1000001", "range is too long"),
        ("9223372036854775808", "job id is too large"),
        ("9" * 5000, "job id is too large"),
        ("5-", "bad range: '5-'; write both ends: 5-8"),
        ("5..8", r"bad range: '5\.\.8'; write both ends: 5-8"),
        ("５", "bad selector: '５'; examples: 12 "),
        ("1_0", "bad selector: '1_0'; examples: 12 "),
        ("1.0", r"bad selector: '1\.0'; examples: 12 "),
        ("@faild", "unknown state: '@faild'; did you mean @failed[?]"),
        ("@Failed", "unknown state: '@Failed'; did you mean @failed[?]"),
        ("@canceled", "did you mean @cancelled[?]"),
        ("@done", "did you mean @completed[?]"),
        ("@pending", "did you mean @queued[?]"),
        ("@", "unknown state: '@'; states: created queued running"),
        ("@zzz", "unknown state: '@zzz'; states: created queued running"),
        ("name:", "nothing after the colon: 'name:'; write name:X"),
        ("batch:", "nothing after the colon: 'batch:'; write batch:7"),
        ("batch:x", "bad batch id: 'x'"),
        ("parent:0", "parent id must be positive: '0'"),
        ("nmae:x", "unknown selector: 'nmae:x'; did you mean name:x[?]"),
        ("tags:x", "did you mean tag:x[?]"),
        ("status:failed", "did you mean @failed[?]"),
        ("build", "bad selector: 'build'; did you mean name:build[?]"),
        ("lats", "did you mean last[?]"),
        ("All", "did you mean all[?]"),
        ("failed", "bad selector: 'failed'; did you mean @failed[?]"),
    ],
)
def test_a_bad_selector_is_refused_with_a_hint(text: str, complaint: str) -> None:
    with pytest.raises(BadInputError, match=complaint) as caught:
        parse_selector(text)
    assert caught.value.code == "E_SELECTOR"
    assert caught.value.exit_code == 2


@pytest.mark.parametrize("text", ["12", "1,3,5-8", "last", "last,4"])
def test_jobs_named_outright_are_not_bulk(text: str) -> None:
    assert not parse_selector(text).is_bulk


@pytest.mark.parametrize(
    "text", ["all", "@failed", "name:x", "tag:x", "queue:x", "batch:1", "parent:1", "1,tag:x"]
)
def test_jobs_selected_by_a_property_are_bulk(text: str) -> None:
    assert parse_selector(text).is_bulk


@pytest.mark.parametrize(
    ("text", "job_id"), [("12", 12), ("5-5", 5), ("5-6", None), ("1,2", None), ("last", None)]
)
def test_a_selector_knows_whether_it_is_one_id(text: str, job_id: int | None) -> None:
    assert parse_selector(text).single_id == job_id


@pytest.mark.parametrize("text", ["", "x", "1.0", " 1", "1_0", "５", "+1"])
def test_a_job_id_is_plain_digits(text: str) -> None:
    assert parse_job_id("12") == 12
    with pytest.raises(BadInputError, match="bad job id"):
        parse_job_id(text)


job_ids = st.integers(1, 2**63 - 1)
labels = st.text(st.characters(exclude_characters=","), min_size=1).filter(lambda text: text == text.strip())
parts = st.one_of(
    job_ids.map(ids),
    st.builds(
        lambda first, span: ids(first, first + span), st.integers(1, 2**40), st.integers(0, LONGEST_RANGE - 1)
    ),
    st.sampled_from([SelectorPart(SelectorKind.LAST), SelectorPart(SelectorKind.ALL)]),
    st.sampled_from(JOB_STATES).map(lambda state: SelectorPart(SelectorKind.STATE, text=state)),
    st.builds(
        lambda kind, text: SelectorPart(kind, text=text),
        st.sampled_from([SelectorKind.NAME, SelectorKind.TAG, SelectorKind.QUEUE]),
        labels,
    ),
    st.builds(
        lambda kind, job_id: SelectorPart(kind, job_id, job_id),
        st.sampled_from([SelectorKind.BATCH, SelectorKind.PARENT]),
        job_ids,
    ),
)


@given(st.lists(parts, min_size=1, max_size=8).map(lambda some: Selector(tuple(some))))
def test_a_written_selector_reads_back_as_itself(selector: Selector) -> None:
    assert parse_selector(format_selector(selector)) == selector


@given(st.text() | st.text(alphabet="0123456789-,:@. lastnme"))
def test_any_text_is_a_selector_or_bad_input_on_one_safe_line(text: str) -> None:
    try:
        selector = parse_selector(text)
    except BadInputError as error:
        assert error.code == "E_SELECTOR"  # noqa: PT017
        assert str(error).isprintable()  # noqa: PT017
    else:
        assert parse_selector(format_selector(selector)) == selector
