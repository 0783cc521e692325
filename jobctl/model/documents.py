"""JSON as jobctl reads and writes it: strict on the way in, canonical on the way out (RFC 8259)."""

from __future__ import annotations

import json
import math
import re
from typing import Any, NoReturn

from jobctl.errors import BadInputError

Json = None | bool | int | float | str | list[Any] | dict[str, Any]
"""What a JSON document may hold."""

LARGEST_DOCUMENT = 1 << 20
DEEPEST_DOCUMENT = 64

# A string or a bracket; an unclosed string runs to the end, so that the scan stays linear.
_STRING_OR_BRACKET = r'"[^"\\]*(?:\\[\s\S][^"\\]*)*(?:"|\\?\Z)|[\[\]{}]'
_SURROGATE_ESCAPE = r"\\u[dD][89a-fA-F]"


def parse_json(
    text: str | bytes, what: str, *, max_bytes: int = LARGEST_DOCUMENT, max_depth: int = DEEPEST_DOCUMENT
) -> object:
    """The value of one strict JSON document; deep nesting is found before it can exhaust the stack.

    Raises:
        BadInputError: ``E_JSON``: empty, too big, not UTF-8, too deep, NaN or infinite, a key given twice,
            half a surrogate pair, or not JSON (with line and column).
    """
    document = _decoded(text, what, max_bytes)
    if not document.strip(" \t\r\n"):
        raise BadInputError(f"{what} is empty", document, "give a JSON document", "E_JSON")
    _check_depth(document, what, max_depth)
    value = _loaded(document, what)
    if re.search(_SURROGATE_ESCAPE, document) and not _is_encodable(value):
        raise BadInputError(f"{what} contains half a surrogate pair", document, "write it whole", "E_JSON")
    return value


def canonical_json(value: object) -> str:
    r"""``value`` as compact ASCII JSON with sorted keys: equal values give equal texts.

    A byte that is not UTF-8 (a surrogate after ``os.fsdecode``) becomes ``\udcXX`` and returns with
    ``json.loads``; :func:`parse_json` would refuse it.
    """
    return json.dumps(value, sort_keys=True, separators=(",", ":"), ensure_ascii=True, allow_nan=False)


def _decoded(text: str | bytes, what: str, max_bytes: int) -> str:
    if len(text) > max_bytes:
        raise _too_big(what, max_bytes)
    try:
        encoded = text.encode() if isinstance(text, str) else text
        document = text if isinstance(text, str) else text.decode()
    except UnicodeError:
        raise BadInputError(f"{what} is not valid UTF-8", None, "give it in UTF-8", "E_JSON") from None
    if len(encoded) > max_bytes:
        raise _too_big(what, max_bytes)
    return document


def _too_big(what: str, max_bytes: int) -> BadInputError:
    whole, rest = divmod(max_bytes, 1 << 20)
    limit = f"{whole} MiB" if whole and not rest else f"{max_bytes} bytes"
    return BadInputError(f"{what} above {limit}", None, "pass a path instead", "E_JSON")


def _check_depth(document: str, what: str, max_depth: int) -> None:
    if document.count("[") + document.count("{") <= max_depth:
        return
    depth = 0
    for token in re.finditer(_STRING_OR_BRACKET, document):
        if token[0] in "[{":
            depth += 1
        elif token[0] in "]}":
            depth -= 1
        if depth > max_depth:
            where = _position(document, token.start())
            hint = f"at {where}; flatten it"
            raise BadInputError(f"{what} nested deeper than {max_depth}", None, hint, "E_JSON")


def _loaded(document: str, what: str) -> object:
    def refuse_constant(constant: str) -> NoReturn:
        raise BadInputError(f"{what}: {constant} is not JSON", document, "use null or a string", "E_JSON")

    def finite(number: str) -> float:
        value = float(number)
        if math.isinf(value):
            raise BadInputError(f"{what}: number out of range", number, "give it as a string", "E_JSON")
        return value

    def unique_keys(pairs: list[tuple[str, object]]) -> dict[str, object]:
        members = dict(pairs)
        if len(members) < len(pairs):
            raise BadInputError(f"{what}: key given twice", _first_repeated(pairs), "keep one", "E_JSON")
        return members

    try:
        value: object = json.loads(
            document, parse_constant=refuse_constant, parse_float=finite, object_pairs_hook=unique_keys
        )
    except json.JSONDecodeError as error:
        hint = f"line {error.lineno} column {error.colno}: {error.msg}"
        raise BadInputError(f"{what} is not JSON", document, hint, "E_JSON") from None
    except ValueError:  # int() refuses more than sys.get_int_max_str_digits() digits
        what = f"{what}: number has too many digits"
        raise BadInputError(what, None, "give it as a string", "E_JSON") from None
    return value


def _first_repeated(pairs: list[tuple[str, object]]) -> str:
    seen: set[str] = set()
    for key, _ in pairs:
        if key in seen:
            return key
        seen.add(key)
    raise AssertionError("no key is repeated")


def _is_encodable(value: object) -> bool:
    try:
        json.dumps(value, ensure_ascii=False).encode()
    except UnicodeEncodeError:
        return False
    return True


def _position(document: str, index: int) -> str:
    line = document.count("\n", 0, index) + 1
    return f"line {line} column {index - document.rfind(chr(10), 0, index)}"
