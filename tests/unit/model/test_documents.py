"""JSON documents: strict in, canonical out."""

from __future__ import annotations

import json
import math

import pytest
from hypothesis import given
from hypothesis import strategies as st

from jobctl.errors import BadInputError
from jobctl.model.documents import canonical_json, parse_json


@pytest.mark.parametrize(
    ("text", "value"),
    [
        ("1", 1),
        (' {"a": [1, 2.5, null, true]}\n', {"a": [1, 2.5, None, True]}),
        (b'"gr\xc3\xb6\xc3\x9fe"', "größe"),
        (r'"\ud83d\ude00"', "😀"),
        (r'"\\ud800"', r"\ud800"),
        ("[" * 64 + "]" * 64, None),
        ('"' + "[" * 100 + '"', "[" * 100),
        (json.dumps([[]] * 1000), [[]] * 1000),
        (json.dumps(["\\", '"[[', "]"] * 100), ["\\", '"[[', "]"] * 100),
    ],
)
def test_a_document_reads_as_its_value(text: str | bytes, value: object) -> None:
    assert parse_json(text, "payload") == (value if value is not None else json.loads(text))


@pytest.mark.parametrize(
    ("text", "complaint"),
    [
        ("", "payload is empty"),
        (b" \n", "payload is empty"),
        ("{a:1}", "payload is not JSON: '{a:1}'; line 1 column 2"),
        ('{"a":\n 1,}', "line 2 column 4"),
        ("[1] [2]", "line 1 column 5"),
        ("'x'", "payload is not JSON"),
        ("[1,]", "payload is not JSON"),
        ("\ufeff1", "payload is not JSON"),
        ("\u00a01", "payload is not JSON"),
        ('"a\nb"', "payload is not JSON"),
        ('{"a":NaN}', "payload: NaN is not JSON"),
        ("-Infinity", "payload: -Infinity is not JSON"),
        ("[1e999]", "payload: number out of range: '1e999'"),
        ("9" * 5000, "payload: number has too many digits"),
        ('{"a":1,"a":2}', "payload: key given twice: 'a'"),
        ('{"x":{"b":1,"c":1,"b":2}}', "payload: key given twice: 'b'"),
        ("[" * 100000 + "]" * 100000, "payload nested deeper than 64; at line 1 column 65"),
        ("[" * 100000, "payload nested deeper than 64"),
        ('{"a":' * 65 + "1" + "}" * 65, "payload nested deeper than 64"),
        ('"x",\n' + "[" * 65, "line 2 column 65"),
        (b'"\xff"', "payload is not valid UTF-8"),
        ('"\udcff"', "payload is not valid UTF-8"),
        (r'"\ud800"', "payload contains half a surrogate pair"),
        (r'{"\uDFFF": 1}', "payload contains half a surrogate pair"),
        ('"' + "x" * (1 << 20) + '"', "payload above 1 MiB; pass a path instead"),
        ('"' + "ö" * (1 << 19) + '"', "payload above 1 MiB; pass a path instead"),
        (b"1" * 11_000_000, "payload above 1 MiB; pass a path instead"),
    ],
)  # fmt: skip
def test_a_bad_document_is_refused_and_the_reason_named(text: str | bytes, complaint: str) -> None:
    with pytest.raises(BadInputError) as caught:
        parse_json(text, "payload")
    assert complaint in str(caught.value)
    assert caught.value.code == "E_JSON"
    assert len(str(caught.value)) < 300


def test_the_limits_of_the_caller_count() -> None:
    assert parse_json("[[1]]", "meta", max_bytes=5, max_depth=2) == [[1]]
    with pytest.raises(BadInputError, match="meta above 4 bytes"):
        parse_json("[[1]]", "meta", max_bytes=4)
    with pytest.raises(BadInputError, match="meta nested deeper than 1"):
        parse_json("[[1]]", "meta", max_depth=1)


@pytest.mark.parametrize(
    "text", ['["' + '\\"' * 300_000, '"' * 600_000, '"\\' * 300_000, "[" + '{"' * 300_000]
)
def test_a_hostile_document_of_full_size_is_refused_in_linear_time(text: str) -> None:
    with pytest.raises(BadInputError):
        parse_json(text + "[" * 65, "payload")


json_values = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False, allow_infinity=False) | st.text(),
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(st.text(), inner, max_size=4),
    max_leaves=20,
)


@given(json_values)
def test_what_is_written_reads_back(value: object) -> None:
    text = canonical_json(value)
    assert text.isascii()
    assert parse_json(text, "value") == value
    assert canonical_json(parse_json(text, "value")) == text


def test_equal_values_are_written_alike_and_compact() -> None:
    assert canonical_json({"b": 1, "a": [1, "ö"]}) == canonical_json({"a": [1, "ö"], "b": 1})
    assert canonical_json({"b": 1, "a": [1, "ö"]}) == r'{"a":[1,"\u00f6"],"b":1}'


def test_bytes_that_are_not_utf8_survive_in_a_command() -> None:
    argv = ["cat", b"\xff\xfe".decode("utf-8", "surrogateescape")]
    again = json.loads(canonical_json(argv))
    assert again[1].encode("utf-8", "surrogateescape") == b"\xff\xfe"


def test_not_a_number_is_never_written() -> None:
    with pytest.raises(ValueError):
        canonical_json(math.nan)


@given(st.text(alphabet='[]{}",:\\ud8\n1eNa') | st.binary())
def test_any_input_is_a_document_or_bad_input(text: str | bytes) -> None:
    try:
        value = parse_json(text, "payload")
    except BadInputError as error:
        assert error.code == "E_JSON"  # noqa: PT017
    else:
        assert value == json.loads(text)
