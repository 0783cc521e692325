"""Names, tags, queue names, keys, priorities and whole numbers."""

from __future__ import annotations

import unicodedata

import pytest
from hypothesis import given
from hypothesis import strategies as st

from jobctl.errors import BadInputError
from jobctl.model.names import check_key, check_name, check_priority, check_queue_name, check_tag, parse_whole


@pytest.mark.parametrize(
    "name",
    ["build", "nightly build", "x[/]y", "[/bold]", "[/b]", ":skull:", "größe", "日本語", "a[b*",
     "a/b", "a:b", "v1.2", "_x", "3a", "☠", "a=b", "x" * 128, "name'quoted\"", "e\u0301"],
)  # fmt: skip
def test_an_ordinary_name_is_accepted_unchanged(name: str) -> None:
    assert check_name(name) == name
    assert check_tag(name) == name


@pytest.mark.parametrize(
    ("name", "complaint"),
    [
        ("", "name is empty"),
        ("x" * 129, "name is longer than 128 characters"),
        ("x" * 5000, "name is longer than 128 characters"),
        ("\x1b[2J\x1b[Hok", r"control character U\+001B in name: '\\x1b"),
        ("\u009b2J", r"control character U\+009B in name"),
        ("a\0b", r"control character U\+0000 in name"),
        ("a\nb", r"control character U\+000A in name"),
        ("\u202egpj.exe", r"invisible or bidi character U\+202E in name"),
        ("a\u200bb", r"invisible or bidi character U\+200B in name"),
        ("a\u2028b", r"invisible or bidi character U\+2028 in name"),
        ("a\u2029b", r"invisible or bidi character U\+2029 in name"),
        ("a\ue000b", r"invisible or bidi character U\+E000 in name"),
        ("\u3164", r"invisible or bidi character U\+3164 in name"),
        ("\udcff", "name is not valid UTF-8"),
        ("..", r"name may not start with '\.'"),
        (".hidden", r"name may not start with '\.'"),
        ("-n", "name may not start with '-'"),
        ("@failed", "name may not start with '@'"),
        (" x", "name starts or ends with a blank"),
        ("x ", "name starts or ends with a blank"),
        ("x\u00a0", "name starts or ends with a blank"),
        ("a,b", "name contains a comma"),
        ("123", "name is only digits"),
        ("１２", "name is only digits"),
    ],
)
def test_a_bad_name_is_refused_and_the_rule_named(name: str, complaint: str) -> None:
    with pytest.raises(BadInputError, match=complaint) as caught:
        check_name(name)
    assert caught.value.code == "E_NAME"
    assert str(caught.value).isprintable()


def test_a_tag_may_be_a_year_but_not_a_list() -> None:
    assert check_tag("2026") == "2026"
    with pytest.raises(BadInputError, match="tag contains a comma"):
        check_tag("a,b")


@given(st.text())
def test_an_accepted_name_never_holds_what_a_terminal_obeys(text: str) -> None:
    try:
        name = check_name(text)
    except BadInputError:
        return
    assert name == text
    assert not {unicodedata.category(character) for character in name} & {"Cc", "Cf", "Cs", "Co", "Zl", "Zp"}
    assert not name.startswith((".", "-", "@"))


@pytest.mark.parametrize("name", ["default", "gpu-0", "A.b_c", "0", "x" * 64])
def test_a_plain_queue_name_is_accepted(name: str) -> None:
    assert check_queue_name(name) == name


@pytest.mark.parametrize(
    "name", ["", "x" * 65, "a b", "ä", ".a", "-a", "_a", "a/b", "a,b", "a\n", "a:b", "５"]
)
def test_any_other_queue_name_is_refused(name: str) -> None:
    with pytest.raises(BadInputError, match="bad queue name") as caught:
        check_queue_name(name)
    assert caught.value.code == "E_NAME"


@pytest.mark.parametrize("key", ["k", "x" * 256, "backup /srv, daily", "-", "42"])
def test_a_visible_key_is_accepted(key: str) -> None:
    assert check_key(key) == key


@pytest.mark.parametrize("key", ["", "x" * 257, "a\x1bb", "a\u202eb", "\udcff", "a\tb"])
def test_an_empty_long_or_invisible_key_is_refused(key: str) -> None:
    with pytest.raises(BadInputError) as caught:
        check_key(key, "lock key")
    assert caught.value.code == "E_KEY"
    assert "lock key" in caught.value.what


@pytest.mark.parametrize(("value", "priority"), [("1", 1), ("10", 10), ("7", 7), (1, 1), (10, 10)])
def test_a_priority_is_a_whole_number_from_1_to_10(value: object, priority: int) -> None:
    assert check_priority(value) == priority


@pytest.mark.parametrize("value", ["0", "11", 0, 11, -1, "-1", "9" * 5000])
def test_a_priority_out_of_range_is_refused(value: object) -> None:
    with pytest.raises(BadInputError, match=r"priority must be 1\.\.10") as caught:
        check_priority(value)
    assert caught.value.code == "E_NUMBER"


@pytest.mark.parametrize(
    "value", ["3.0", " 7 ", "1_0", "５", "", "+5", "1e1", "x", "5\n", "--5", 3.0, True, None, [5], "٣"]
)
def test_a_priority_that_is_not_a_whole_number_is_refused(value: object) -> None:
    with pytest.raises(BadInputError, match="priority must be a whole number") as caught:
        check_priority(value)
    assert caught.value.code == "E_NUMBER"


def test_a_leading_zero_is_refused_because_it_may_mean_octal() -> None:
    with pytest.raises(BadInputError, match="priority must be written without leading zero: '012'; give 12"):
        parse_whole("012", "priority", 1, 100)
    with pytest.raises(BadInputError, match="give 0"):
        parse_whole("00", "priority", 0, 100)


@given(st.integers(-(10**12), 10**12))
def test_a_plain_number_reads_as_itself(number: int) -> None:
    assert parse_whole(str(number), "number", -(10**12), 10**12) == number


@given(st.text())
def test_any_text_is_a_number_in_range_or_bad_input(text: str) -> None:
    try:
        assert 0 <= parse_whole(text, "number", 0, 1000) <= 1000
    except BadInputError as error:
        assert error.exit_code == 2  # noqa: PT017
