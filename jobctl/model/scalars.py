"""What a plain word of a YAML file means: the core schema of YAML 1.2 (https://yaml.org/spec/1.2.2/#103-core-schema).

PyYAML follows YAML 1.1, where ``on``, ``yes``, ``012`` and ``1:30`` are true, true, 10 and 90. Here they stay
texts. One rule is stricter than 1.2: a number with a leading zero is a text too, so that nobody has to know
whether ``012`` is ten or twelve.
"""

from __future__ import annotations

import re

Value = None | bool | int | float | str
"""What a scalar may mean."""

_WORDS: dict[str, Value] = {
    "": None, "~": None, "null": None, "Null": None, "NULL": None,
    "true": True, "True": True, "TRUE": True, "false": False, "False": False, "FALSE": False,
}  # fmt: skip
_DECIMAL = r"[-+]?(?:0|[1-9][0-9]*)"
_BASED = r"0o[0-7]+|0x[0-9a-fA-F]+"
_FRACTION = r"[-+]?(?:(?:0|[1-9][0-9]*)(?:\.[0-9]*)?|\.[0-9]+)(?:[eE][-+]?[0-9]+)?"
_INFINITE = r"[-+]?\.(?:inf|Inf|INF)|\.(?:nan|NaN|NAN)"
_MOST_DIGITS = 1000
"""Beyond 4,300 digits ``int`` itself refuses."""


def plain_value(text: str) -> Value:
    """The value of an unquoted scalar: null, a truth value, a number, else the text itself."""
    if text in _WORDS:
        return _WORDS[text]
    if text[0] not in "-+.0123456789" or len(text) > _MOST_DIGITS:
        return text
    if re.fullmatch(_DECIMAL, text):
        return int(text)
    if re.fullmatch(_BASED, text):
        return int(text, 0)
    if re.fullmatch(_FRACTION, text):
        return float(text)
    if re.fullmatch(_INFINITE, text):
        return float(text.replace(".", "", 1))
    return text
