from __future__ import annotations

import signal
from contextlib import suppress
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from jobctl.errors import BadInputError
from jobctl.model.documents import Json, canonical_json
from jobctl.model.parameters import Parameter, ParameterType, bind, check_parameter, inferred_type

STRING, INT, FLOAT, BOOL, PATH, DURATION, JSON = ParameterType
HOME = "/home/ada"


def bound(parameter: Parameter, value: Json, *, texts: bool = True) -> Json:
    return bind([parameter], {parameter.name: value}, HOME, texts=texts)[parameter.name]


def refused(parameter: Parameter, value: Json, *, texts: bool = True) -> str:
    with pytest.raises(BadInputError) as caught:
        bound(parameter, value, texts=texts)
    assert caught.value.exit_code == 2
    return str(caught.value)


@pytest.mark.parametrize(
    ("type_", "text", "value"),
    [
        (STRING, "12", "12"), (STRING, "", ""), (STRING, "a b", "a b"),
        (INT, "12", 12), (INT, "-3", -3), (INT, "007", 7), (INT, 5, 5),
        (FLOAT, "1.5", 1.5), (FLOAT, "1e-3", 0.001), (FLOAT, ".5", 0.5), (FLOAT, 2, 2.0), (FLOAT, 2.5, 2.5),
        (BOOL, "true", True), (BOOL, "False", False), (BOOL, False, False),
        (PATH, "~/in", "/home/ada/in"), (PATH, "~", "/home/ada"), (PATH, "a/~b", "a/~b"), (PATH, "./~x", "./~x"),
        (DURATION, "30d", "30d"), (DURATION, 90, "90"), (DURATION, 1.5, "1.5"), (DURATION, "0", "0"),
        (JSON, '{"a": [1, null]}', {"a": [1, None]}), (JSON, "3", 3), (JSON, [1], [1]), (JSON, None, None),
    ],
)  # fmt: skip
def test_a_text_or_a_value_becomes_what_the_type_says(type_: ParameterType, text: Json, value: Json) -> None:
    found = bound(Parameter("x", type_), text)
    assert found == value
    assert type(found) is type(value)


@pytest.mark.parametrize(
    ("type_", "value"),
    [
        (STRING, 5), (STRING, None), (STRING, "a\0b"), (INT, "1.0"), (INT, "1_000"), (INT, "٣"), (INT, 1.0),
        (INT, True), (INT, ""), (INT, "9" * 5000), (FLOAT, "inf"), (FLOAT, "nan"), (FLOAT, "1e999"), (FLOAT, "x"),
        (FLOAT, 10**400), (FLOAT, True), (BOOL, "yes"), (BOOL, 1), (PATH, ""), (PATH, "~bob/x"), (PATH, "a\0"),
        (DURATION, "abc"), (DURATION, "-5s"), (DURATION, True), (DURATION, None), (DURATION, ""),
        (JSON, "{"), (JSON, "NaN"), (JSON, "[" * 100),
    ],
)  # fmt: skip
def test_what_the_type_cannot_take_is_refused(type_: ParameterType, value: Json) -> None:
    assert refused(Parameter("x", type_), value)


@pytest.mark.parametrize("pattern", ["(a+)+$", "(a|a)*$", "a*a*a*a*a*a*a*a*a*a*a*$"])
def test_a_pattern_that_backtracks_for_ever_refuses_the_value(pattern: str) -> None:
    evil = Parameter("x", pattern=pattern)
    assert "takes too long" in refused(evil, "a" * 60 + "!")
    assert bound(evil, "a" * 60) == "a" * 60
    assert signal.getitimer(signal.ITIMER_VIRTUAL) == (0.0, 0.0)


def test_a_yaml_string_for_json_is_that_string() -> None:
    assert bound(Parameter("x", JSON), "{", texts=False) == "{"


def test_unknown_names_are_told_with_the_nearest_one() -> None:
    with pytest.raises(BadInputError) as caught:
        bind([Parameter("keep_days", INT, default=1)], {"keep-day": "3"}, HOME)
    assert str(caught.value) == "unknown parameter: 'keep-day'; did you mean keep_days?"
    with pytest.raises(BadInputError, match="it takes none"):
        bind([], {"a": "1"}, HOME)


def test_a_missing_one_is_refused_and_the_others_have_their_defaults() -> None:
    optional = [Parameter("source", PATH, default="~/in"), Parameter("note"), Parameter("n", INT, default=2)]
    assert bind(optional, {}, HOME) == {"source": "/home/ada/in", "note": None, "n": 2}
    with pytest.raises(BadInputError) as caught:
        bind([*optional, Parameter("mode", choices=("full", "fast"), required=True)], {}, HOME)
    assert str(caught.value) == "parameter missing: 'mode'; give mode=full or fast"


def test_choices_limits_and_patterns_hold() -> None:
    assert refused(Parameter("mode", choices=("full", "incremental")), "ful").endswith("did you mean full?")
    assert refused(Parameter("n", INT, min=1, max=9), "10").endswith(
        "give a whole number, at least 1, at most 9"
    )
    assert refused(Parameter("n", FLOAT, min=0.5), "0.4").endswith("give a number, at least 0.5")
    assert refused(Parameter("s", pattern="[a-z]+"), "ab1").endswith("give a text, matching [a-z]+")
    assert bound(Parameter("s", pattern="[a-z]+"), "ab") == "ab"
    assert bound(Parameter("n", INT, choices=(1, 2)), "2") == 2


@pytest.mark.parametrize(
    "parameter",
    [
        Parameter("a-b"), Parameter(""), Parameter("1a"), Parameter("x" * 65), Parameter("x", min=1),
        Parameter("x", INT, min=2, max=1), Parameter("x", INT, pattern="a"), Parameter("x", pattern="("),
        Parameter("x", INT, default="y"), Parameter("x", INT, default=0, min=1), Parameter("x", choices=(1,)),
        Parameter("x", choices=("a",), default="b"), Parameter("x", default="a", required=True),
        Parameter("x", INT, choices=(1, 12), max=9), Parameter("x", BOOL, default="perhaps"),
    ],
)  # fmt: skip
def test_a_parameter_that_makes_no_sense_is_refused(parameter: Parameter) -> None:
    with pytest.raises(BadInputError):
        check_parameter(parameter)


@pytest.mark.parametrize(
    ("values", "type_"),
    [([14], INT), ([1, 2.5], FLOAT), ([True], BOOL), ([[1]], JSON), (["a"], STRING), ([], STRING), ([None], STRING),
     ([1, True], STRING)],
)  # fmt: skip
def test_the_type_is_inferred_from_default_and_choices(values: list[Any], type_: ParameterType) -> None:
    assert inferred_type(values) is type_


DOCUMENTS = st.recursive(
    st.none()
    | st.booleans()
    | st.integers()
    | st.floats(allow_nan=False, allow_infinity=False)
    | st.text("ab~\0é"),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text("ab"), inner, max_size=3),
    max_leaves=5,
)


@given(st.sampled_from(list(ParameterType)), DOCUMENTS, st.booleans())
def test_any_value_is_typed_or_refused(type_: ParameterType, value: Json, texts: bool) -> None:
    kinds = {STRING: str, INT: int, FLOAT: float, BOOL: bool, PATH: str, DURATION: str}
    with suppress(BadInputError):
        found = bound(Parameter("x", type_), value, texts=texts)
        assert type_ is JSON or type(found) is kinds[type_]
        assert bound(Parameter("x", type_), found, texts=False) == found


@given(st.integers(-(10**20), 10**20), st.floats(-1e20, 1e20), DOCUMENTS)
def test_texts_round_trip(whole: int, number: float, document: Json) -> None:
    assert bound(Parameter("x", INT), str(whole)) == whole
    assert bound(Parameter("x", FLOAT), repr(number)) == number
    assert bound(Parameter("x", JSON), canonical_json(document)) == document
