"""Progress: what a job says of itself, one line at a time.

``40 message`` percent; ``12/300 message`` items; ``/300`` their total; ``+1`` or ``+N message`` more items
done; ``!item error`` a failed item; or a JSON object with
``percent done total failed add message item error``.
"""

from __future__ import annotations

import json
import re
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, replace

MAX_MESSAGE = 500
MAX_ITEM = 200
MAX_ITEM_ERRORS = 1000
MAX_COUNT = 2**53 - 1
"""The largest count that every JSON reader keeps exact."""

_COUNT = re.compile(r"(\d{1,16})/(\d{1,16})(?:\s+(.*))?", re.ASCII | re.DOTALL)
_TOTAL = re.compile(r"/(\d{1,16})(?:\s+(.*))?", re.ASCII | re.DOTALL)
_MORE = re.compile(r"\+(\d{1,16})(?:\s+(.*))?", re.ASCII | re.DOTALL)
_PERCENT = re.compile(r"(\d{1,9}(?:\.\d{0,9})?)\s?%?(?:\s+(.*))?", re.ASCII | re.DOTALL)
_FAILED = re.compile(r"!\s*(\S+)(?:\s+(.*))?", re.DOTALL)


@dataclass(frozen=True, slots=True)
class Progress:
    """What is known of a running job; ``fold`` makes the next one."""

    percent: float | None = None
    """0 to 100; follows from done and total when both are known."""
    items_done: int | None = None
    items_total: int | None = None
    items_failed: int = 0
    item_errors: tuple[tuple[str, str], ...] = ()
    """(item, error), the first 1000; ``items_failed`` counts all."""
    message: str | None = None
    ignored: int = 0
    """Lines that made no sense."""


class _NonsenseError(ValueError):
    """The line is no progress line."""


def fold(progress: Progress, line: str) -> Progress:
    """The progress after ``line``; a line without sense changes nothing but the count of such lines."""
    text = line.strip()
    if not text:
        return progress
    try:
        return _applied(progress, _parsed(text))
    except (ValueError, RecursionError):  # _NonsenseError and what json raises
        return replace(progress, ignored=progress.ignored + 1)


def fold_all(progress: Progress, lines: Iterable[str]) -> Progress:
    """The progress after all of ``lines``; runs of plain ``+N`` lines cost next to nothing."""
    more = 0
    for line in lines:
        text = line.strip()
        if text[:1] == "+" and text[1:].isdecimal() and text.isascii() and len(text) <= 10:
            more += int(text[1:])
            continue
        if more:
            progress, more = fold(progress, f"+{more}"), 0
        progress = fold(progress, text)
    return fold(progress, f"+{more}") if more else progress


def _parsed(text: str) -> Mapping[str, object]:
    """The line as the JSON object it stands for."""
    if text.startswith("{"):
        value = json.loads(text)
        if not isinstance(value, dict):  # pragma: no cover - "{" opens an object
            raise _NonsenseError
        return value
    if match := _COUNT.fullmatch(text):
        done, total, message = match.groups()
        return {"done": int(done), "total": int(total), "message": message}
    if match := _TOTAL.fullmatch(text):
        return {"total": int(match[1]), "message": match[2]}
    if match := _MORE.fullmatch(text):
        return {"add": int(match[1]), "message": match[2]}
    if match := _PERCENT.fullmatch(text):
        return {"percent": float(match[1]), "message": match[2]}
    if match := _FAILED.fullmatch(text):
        return {"item": match[1], "error": match[2] or ""}
    raise _NonsenseError


def _applied(old: Progress, said: Mapping[str, object]) -> Progress:
    percent, message, error = _percent(said), _text(said, "message", MAX_MESSAGE), _error(said)
    done, total, failed = (_count(said, key) for key in ("done", "total", "failed"))
    more = _count(said, "add")
    if all(value is None for value in (percent, message, error, done, total, failed, more)):
        raise _NonsenseError
    if done is not None and total is not None and done > total:
        raise _NonsenseError
    done = old.items_done if done is None else done
    if more is not None:
        done = min(MAX_COUNT, (done or 0) + more)
    total = old.items_total if total is None else total
    failed = old.items_failed if failed is None else failed
    errors = old.item_errors
    if error is not None:
        failed = min(MAX_COUNT, failed + ("failed" not in said))
        errors = (*errors, error) if len(errors) < MAX_ITEM_ERRORS else errors
    if done is not None and total:
        percent = min(100.0, done / total * 100)
    return replace(
        old,
        percent=old.percent if percent is None else percent,
        items_done=done,
        items_total=total,
        items_failed=failed,
        item_errors=errors,
        message=old.message if message is None else message,
    )


def _percent(said: Mapping[str, object]) -> float | None:
    value = said.get("percent")
    if value is None:
        return None
    if isinstance(value, bool) or not isinstance(value, int | float) or not 0 <= value <= 100:
        raise _NonsenseError  # NaN compares false
    return float(value)


def _count(said: Mapping[str, object], key: str) -> int | None:
    value = said.get(key)
    if value is None:
        return None
    if isinstance(value, bool) or not isinstance(value, int) or not 0 <= value <= MAX_COUNT:
        raise _NonsenseError
    return value


def _text(said: Mapping[str, object], key: str, most: int) -> str | None:
    value = said.get(key)
    if value is None:
        return None
    if not isinstance(value, str):
        raise _NonsenseError
    # JSON can spell lone surrogates, which no UTF-8 store takes
    return value.encode("utf-8", "replace").decode("utf-8").strip()[:most]


def _error(said: Mapping[str, object]) -> tuple[str, str] | None:
    """The failed item, if the line tells of one; an ``item`` without ``error`` is none."""
    error = _text(said, "error", MAX_MESSAGE)
    item = _text(said, "item", MAX_ITEM)
    return None if error is None else (item or "", error)
