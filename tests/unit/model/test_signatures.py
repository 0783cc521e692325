"""Signatures: what fits a type, how texts are read for it, and what of a call is refused."""

from __future__ import annotations

import json
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from jobctl.errors import BadInputError
from jobctl.model.signatures import Argument, Signature, bind_arguments, signature_of
from jobctl.model.value_types import fits, read_text, type_words

_LEAVES = st.sampled_from(["int", "float", "str", "bool", "none"])
TYPES = st.recursive(
    _LEAVES,
    lambda inner: st.one_of(
        st.builds(lambda one: {"list": one}, inner),
        st.builds(lambda one: {"dict": one}, inner),
        st.builds(lambda some: {"union": some}, st.lists(inner, min_size=1, max_size=3)),
        st.builds(lambda some: {"literal": some}, st.lists(st.one_of(st.integers(), st.text()), min_size=1)),
    ),
    max_leaves=4,
)
_VALUES = {
    "int": st.integers(-(2**53), 2**53), "float": st.floats(allow_nan=False, allow_infinity=False),
    "str": st.text(), "bool": st.booleans(), "none": st.none(),
}  # fmt: skip


def values(kind: Any) -> st.SearchStrategy[Any]:
    """What fits the type."""
    if isinstance(kind, str):
        return _VALUES[kind]
    ((name, inner),) = kind.items()
    match name:
        case "list":
            return st.lists(values(inner), max_size=3)
        case "dict":
            return st.dictionaries(st.text(max_size=5), values(inner), max_size=3)
        case "union":
            return st.one_of(*map(values, inner))
    return st.sampled_from(inner)


SCAN = Signature(
    "media:scan",
    (
        Argument("path", type="str", required=True),
        Argument("depth", type={"union": ["int", "none"]}),
        Argument("mode", type={"literal": ["full", "fast", 3]}, default="fast"),
        Argument("ratio", type="float", default=0.5),
        Argument("tags", type={"list": "str"}, default=[]),
        Argument("deep", type="bool", default=False),
        Argument("rest", kind="var_positional"),
    ),
)
OPEN = Signature(
    "a:b", (Argument("x", kind="positional_only", required=True), Argument("more", "var_keyword", "int"))
)


def refused(args: dict[str, Any], texts: dict[str, str] | None = None, of: Signature = SCAN) -> str:
    with pytest.raises(BadInputError) as caught:
        bind_arguments(of, args, texts)
    assert caught.value.code == "E_ARGUMENT"
    return str(caught.value)


@settings(max_examples=40)
@given(TYPES.flatmap(lambda kind: st.tuples(st.just(kind), values(kind))))
def test_what_fits_a_type_is_taken_as_it_is_and_as_its_text(found: tuple[Any, Any]) -> None:
    kind, value = found
    assert fits(value, kind)
    assert type_words(kind)
    signature = Signature("m:f", (Argument("x", type=kind, required=True),))
    assert bind_arguments(signature, {"x": value}) == {"x": value}
    text = value if isinstance(value, str) else json.dumps(value)
    read = read_text(text, kind, "x")
    assert fits(read, kind)
    if not isinstance(value, str):
        # A type that also takes texts may have meant the text itself.
        assert read in (value, text)


@settings(max_examples=20)
@given(TYPES)
def test_a_signature_comes_back_from_its_document(kind: Any) -> None:
    signature = Signature(
        "m:f",
        (Argument("x", "keyword_only", kind, required=True), Argument("y", default_text="object()")),
        "Help.",
        True,
    )
    assert signature_of(json.loads(json.dumps(signature.document()))) == signature


@pytest.mark.parametrize(
    ("kind", "text", "value"),
    [
        ("str", "5", "5"), ("str", "true", "true"), ("str", '"quoted"', '"quoted"'), ("int", "5", 5),
        ("float", "5", 5), ("float", "1e3", 1000.0), ("bool", "true", True), ("any", "[1, 2]", [1, 2]),
        ("any", "plain text", "plain text"), ({"union": ["int", "str"]}, "5", 5), ("none", "null", None),
        ({"union": ["int", "str"]}, "five", "five"), ({"literal": ["1", 2]}, "1", "1"), ({"literal": ["1", 2]}, "2", 2),
        ({"dict": "int"}, '{"a": 1}', {"a": 1}),
    ],
)  # fmt: skip
def test_a_text_is_json_where_that_is_wanted(kind: Any, text: str, value: object) -> None:
    found = read_text(text, kind, "x")
    assert (found, type(found)) == (value, type(value))


@pytest.mark.parametrize(
    ("args", "message"),
    [
        ({"pth": "x"}, "unknown argument of media:scan: 'pth'; did you mean path?"),
        ({}, "argument of media:scan missing: 'path'; give a text"),
        ({"path": 5}, "bad argument path of media:scan: '5'; give a text"),
        ({"path": "x", "depth": True}, "bad argument depth of media:scan: 'true'; give a whole number or null"),
        ({"path": "x", "depth": 1.0}, "bad argument depth of media:scan: '1.0'; give a whole number or null"),
        ({"path": "x", "mode": "slow"}, """bad argument mode of media:scan: '"slow"'; give "full" or "fast" or 3"""),
        ({"path": "x", "ratio": "1"}, "bad argument ratio of media:scan: '\"1\"'; give a number"),
        ({"path": "x", "tags": ["a", 1]}, "bad argument tags of media:scan: '[\"a\",1]'; give a list, each a text"),
        ({"path": "x", "deep": 1}, "bad argument deep of media:scan: '1'; give true or false"),
        ({"path": "x", "rest": []}, "unknown argument of media:scan: 'rest'; *rest takes values without names"),
    ],
)  # fmt: skip
def test_what_does_not_fit_is_refused_with_what_would(args: dict[str, Any], message: str) -> None:
    assert refused(args).startswith(message)


@pytest.mark.parametrize("text", ["nan", "Infinity", "1e400", "yes", "[1", "0x10"])
def test_a_number_on_a_command_line_is_one_of_json(text: str) -> None:
    assert refused({"path": "x"}, {"ratio": text}) == (
        f"bad argument ratio of media:scan: '{text}'; give a number"
    )


def test_an_argument_is_given_once_and_unknown_names_go_to_kwargs_only() -> None:
    assert "given twice: 'path'" in refused({"path": "x"}, {"path": "y"})
    assert bind_arguments(OPEN, {"x": [1], "other": 3}, {"third": "4"}) == {"x": [1], "other": 3, "third": 4}
    assert "bad argument other of a:b" in refused({"x": 1, "other": "three"}, of=OPEN)
    assert "it takes none" in refused({"x": 1}, of=Signature("m:f"))
