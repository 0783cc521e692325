"""What a job hands back: one JSON value, and outputs as lines. Pure; every rule about bad content is here."""

from __future__ import annotations

import json
import math
from collections.abc import Iterator

MAX_DEPTH = 64


class _BadResultError(ValueError):
    """The text is JSON for Python but not for everybody."""


def parse_result(content: bytes) -> tuple[object, str | None]:
    """The value and ``None``, or ``None`` and why it is no JSON value that everything can read back.

    Refused beside broken JSON (RFC 8259): NaN, infinities, duplicate keys, lone surrogates, nesting over 64.
    An empty file is no result.
    """
    try:
        text = content.decode("utf-8")
        if not text.strip():
            return None, None
        value: object = json.loads(
            text, parse_constant=_refuse_constant, parse_float=_finite, object_pairs_hook=_unique
        )
        check_value(value)
    except RecursionError:
        return None, f"result is nested deeper than {MAX_DEPTH}"
    except UnicodeDecodeError as error:
        return None, f"result is not UTF-8: byte {error.start}"
    except _BadResultError as error:
        return None, f"result is not usable JSON: {error}"
    except ValueError as error:
        return None, f"result is not JSON: {error}"
    return value, None


def parse_outputs(text: str) -> dict[str, str]:
    """``key=value`` lines and ``key<<WORD`` … ``WORD`` blocks, as in GitHub's ``$GITHUB_OUTPUT``.

    The last of a key wins. Lines that are neither are skipped; a block without its end runs on.
    """
    outputs: dict[str, str] = {}
    lines = iter(text.split("\n"))
    for line in lines:
        key, equals, value = line.partition("=")
        block_key, arrows, word = line.partition("<<")
        if arrows and len(block_key) < len(key) and word.strip():
            key, value = block_key, "\n".join(_block(lines, word.strip()))
        elif not equals:
            continue
        if key.strip():
            outputs[key.strip()] = value.removesuffix("\r")
    return outputs


def _block(lines: Iterator[str], word: str) -> Iterator[str]:
    for line in lines:
        if line.removesuffix("\r") == word:
            return
        yield line


def _refuse_constant(name: str) -> object:
    raise _BadResultError(f"{name} is not a JSON number")


def _finite(text: str) -> float:
    value = float(text)
    if not math.isfinite(value):
        raise _BadResultError(f"{text[:20]} is too large a number")
    return value


def _unique(pairs: list[tuple[str, object]]) -> dict[str, object]:
    found = dict(pairs)
    if len(found) < len(pairs):
        names = [name for name, _ in pairs]
        twice = next(name for name in names if names.count(name) > 1)
        raise _BadResultError(f"duplicate key {twice[:40]!a}")
    return found


def check_value(value: object) -> None:
    """Nothing in ``value`` is nested too deep or holds a lone surrogate; no recursion.

    Raises:
        RecursionError: it is nested too deep.
        ValueError: something in it is no JSON for everybody.
    """
    waiting: list[tuple[object, int]] = [(value, 1)]
    while waiting:
        item, depth = waiting.pop()
        if isinstance(item, dict | list) and depth > MAX_DEPTH:
            raise RecursionError
        if isinstance(item, str):
            _check_text(item)
        elif isinstance(item, dict):
            for key, inner in item.items():
                _check_text(key)
                waiting.append((inner, depth + 1))
        elif isinstance(item, list):
            waiting.extend((inner, depth + 1) for inner in item)


def _check_text(text: str) -> None:
    if not text.isascii() and any("\ud800" <= ch <= "\udfff" for ch in text):
        raise _BadResultError("lone surrogate in a string")
