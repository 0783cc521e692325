"""Outputs of steps as the types that are promised."""

from __future__ import annotations

import pytest

from jobctl.errors import BadInputError
from jobctl.model.documents import Json
from jobctl.model.parameters import ParameterType
from jobctl.model.step_outputs import typed_outputs


@pytest.mark.parametrize(
    ("kind", "text", "value"),
    [
        ("int", "3", 3), ("float", "0.5", 0.5), ("bool", "true", True), ("string", "3", "3"),
        ("json", '{"a": [1]}', {"a": [1]}), ("path", "~/x", "/home/ada/x"),
    ],
)  # fmt: skip
def test_a_text_becomes_what_was_promised(kind: str, text: str, value: Json) -> None:
    found = typed_outputs({"x": text, "more": "7"}, {"x": ParameterType(kind)}, "/home/ada")
    assert found == {"x": value, "more": "7"}
    assert type(found["x"]) is type(value)


def test_a_promised_output_that_is_missing_is_named() -> None:
    with pytest.raises(BadInputError, match="output x is promised and was not written"):
        typed_outputs({"y": "1"}, {"x": ParameterType.INT}, "/")


@pytest.mark.parametrize(("kind", "text"), [("int", "3.5"), ("bool", "yes"), ("json", "{"), ("float", "nan")])
def test_another_type_is_refused_with_the_name_of_the_output(kind: str, text: str) -> None:
    with pytest.raises(BadInputError, match="output x is not"):
        typed_outputs({"x": text}, {"x": ParameterType(kind)}, "/")


def test_what_a_function_returned_are_outputs_with_their_types() -> None:
    promised = {"n": ParameterType.INT, "path": ParameterType.PATH, "text": ParameterType.JSON}
    result: Json = {"n": 3, "path": "~/x", "text": "[1]", "more": [None], "none": None}
    found = typed_outputs({"n": "4", "line": "5"}, promised, "/home/ada", result)
    assert found == {
        "n": 4, "path": "/home/ada/x", "text": "[1]", "more": [None], "none": None, "line": "5",
    }  # fmt: skip
    assert typed_outputs({}, {}, "/", [1, 2]) == {}
    with pytest.raises(BadInputError, match="output n is not a whole number: 'x'"):
        typed_outputs({}, {"n": ParameterType.INT}, "/", {"n": "x"})
