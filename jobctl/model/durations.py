"""How lengths of time are written: ``90``, ``90s``, ``5m``, ``2h``, ``1d``, ``1h30m``, ``250ms``."""

from __future__ import annotations

import math
import re

from jobctl.errors import BadInputError

LONGEST_SECONDS = 36_525 * 86_400.0
"""A hundred years: whatever is longer is a slip of the finger."""

_UNIT_SECONDS = {"w": 604_800.0, "d": 86_400.0, "h": 3_600.0, "m": 60.0, "s": 1.0, "ms": 0.001}
_NUMBER = r"[0-9]+(?:\.[0-9]+)?"
_UNITS = "".join(rf"(?:({_NUMBER}){unit}(?![a-z]))?" for unit in _UNIT_SECONDS)
_NEGATIVE = rf"-{_NUMBER}[a-z0-9.]*"
_EXAMPLES = "examples: 90s, 5m, 2h30m, 1d"


def parse_duration(
    text: str,
    what: str = "duration",
    *,
    allow_zero: bool = False,
    minimum_seconds: float = 0.0,
    maximum_seconds: float = LONGEST_SECONDS,
) -> float:
    """The seconds that ``text`` means, exact to a millisecond; a bare number is seconds.

    Raises:
        BadInputError: ``E_DURATION``: not a duration, not positive, or outside the limits.
    """
    seconds = _seconds_of(text)
    if seconds is None:
        if re.fullmatch(_NEGATIVE, text):
            raise BadInputError(f"{what} must be positive", text, _EXAMPLES, "E_DURATION")
        raise BadInputError(f"bad {what}", text, _EXAMPLES, "E_DURATION")
    if seconds == 0 and not allow_zero:
        raise BadInputError(f"{what} must be positive", text, _EXAMPLES, "E_DURATION")
    if seconds < minimum_seconds:
        least = f"give at least {format_duration(minimum_seconds)}"
        raise BadInputError(f"{what} is too short", text, least, "E_DURATION")
    if seconds > maximum_seconds:
        most = f"give at most {format_duration(maximum_seconds)}"
        raise BadInputError(f"{what} is too long", text, most, "E_DURATION")
    return seconds


def format_duration(seconds: float) -> str:
    """A duration for people in at most two units: ``40ms``, ``0.3s``, ``12s``, ``3m 5s``, ``3d 4h``.

    From ten seconds on it is cut, never rounded up: 59.9 seconds are not yet a minute.
    """
    if not math.isfinite(seconds):
        return "?"
    if seconds < 0:
        text = format_duration(-seconds)
        return text if text == "0s" else f"-{text}"
    if seconds < 0.1:
        milliseconds = round(seconds * 1000)
        return f"{milliseconds}ms" if milliseconds else "0s"
    if seconds < 10:
        return f"{seconds:.1f}".removesuffix(".0") + "s"
    return _two_units(int(seconds))


def _seconds_of(text: str) -> float | None:
    if re.fullmatch(_NUMBER, text):
        return round(float(text), 3)
    match = re.fullmatch(_UNITS, text)
    if not match or not text:
        return None
    amounts = zip(match.groups(), _UNIT_SECONDS.values(), strict=True)
    return round(sum(float(amount) * unit for amount, unit in amounts if amount), 3)


def _two_units(seconds: int) -> str:
    for size, unit, smaller_size, smaller_unit in (
        (86_400, "d", 3_600, "h"),
        (3_600, "h", 60, "m"),
        (60, "m", 1, "s"),
    ):
        if seconds >= size:
            whole, rest = divmod(seconds, size)
            smaller = rest // smaller_size
            return f"{whole}{unit} {smaller}{smaller_unit}" if smaller else f"{whole}{unit}"
    return f"{seconds}s"
