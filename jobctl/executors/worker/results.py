"""What a function may return: JSON that everything can read back (RFC 8259), at most 1 MiB of it."""

from __future__ import annotations

import math

from jobctl.executors.worker.journal import encode

LARGEST = 1 << 20
DEEPEST = 64


class ResultError(ValueError):
    """The value is no result."""


def result_text(value: object) -> str:
    """``value`` as JSON.

    Raises:
        ResultError: JSON cannot hold it, not everything could read it, or it is too large.
    """
    if value is None:
        return "null"
    _check(value)
    try:
        text = encode(value)
        size = len(text) if text.isascii() else len(text.encode())
    except UnicodeEncodeError:
        raise ResultError("result is not usable JSON: lone surrogate in a string") from None
    except (ValueError, TypeError, RecursionError, OverflowError) as error:
        raise ResultError(f"result is not JSON: {error}") from None
    if size > LARGEST:
        raise _too_large()
    return text


def _check(value: object) -> None:
    """All of it is JSON and not nested too deep; without recursion, for a list may hold itself."""
    waiting: list[tuple[object, int]] = [(value, 1)]
    seen = 0
    while waiting:
        item, depth = waiting.pop()
        seen += 1
        if seen > LARGEST // 2:  # each takes a comma at least
            raise _too_large()
        if isinstance(item, float) and not math.isfinite(item):
            raise ResultError(f"result is not JSON: {item} is not a JSON number")
        if isinstance(item, str) and len(item) > LARGEST:
            raise _too_large()
        if isinstance(item, dict | list | tuple):
            if depth > DEEPEST:
                raise ResultError(f"result is nested deeper than {DEEPEST}")
            if isinstance(item, dict):
                _check_keys(item)
                waiting.extend((inner, depth + 1) for inner in item.values())
            else:
                waiting.extend((inner, depth + 1) for inner in item)
        elif item is not None and not isinstance(item, str | int | float):
            raise ResultError(f"result is not JSON: {_type_name(item)} is no JSON type")


def _check_keys(item: dict[object, object]) -> None:
    for key in item:
        if not isinstance(key, str):
            raise ResultError(f"result is not JSON: a key is {_type_name(key)}, not a text")


def _type_name(value: object) -> str:
    kind = type(value)
    return kind.__qualname__ if kind.__module__ == "builtins" else f"{kind.__module__}.{kind.__qualname__}"


def _too_large() -> ResultError:
    return ResultError("result is larger than 1 MiB; write a file and return its path")
