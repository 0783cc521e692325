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
