"""How amounts of memory and disk are written: ``512M``, ``1.5g``, ``1GiB``, ``1048576``; powers of 1024."""

from __future__ import annotations

import re

from jobctl.errors import BadInputError

LARGEST_BYTES = 2**63 - 1
"""The largest integer that SQLite, ``setrlimit`` and ``off_t`` agree on."""

_PREFIXES = "kmgtp"
_SIZE = r"([0-9]{1,30})(?:\.([0-9]{1,30}))?(?:([kmgtp])(?:i?b)?|b)?"
_EXAMPLES = "examples: 512M, 1.5G, 100k, 1048576"


def parse_size(text: str, what: str = "size", *, allow_zero: bool = False) -> int:
    """The bytes that ``text`` means: a bare number is bytes, ``k M G T P`` are powers of 1024.

    Raises:
        BadInputError: ``E_SIZE``: not a size, zero, a fraction of a byte, or above 2^63 - 1.
    """
    match = re.fullmatch(_SIZE, text, re.IGNORECASE) if text.isascii() else None
    if match is None:
        what = f"{what} must be positive" if text.startswith("-") else f"bad {what}"
        raise BadInputError(what, text, _EXAMPLES, "E_SIZE")
    whole, fraction, prefix = match[1], match[2] or "", match[3]
    if fraction and not prefix:
        raise BadInputError(f"{what} must be whole bytes", text, _EXAMPLES, "E_SIZE")
    unit = 1 << 10 * (_PREFIXES.index(prefix.lower()) + 1) if prefix else 1
    size = int(whole + fraction) * unit // int("1" + "0" * len(fraction))
    if size == 0 and not allow_zero:
        raise BadInputError(f"{what} must be positive", text, _EXAMPLES, "E_SIZE")
    if size > LARGEST_BYTES:
        raise BadInputError(f"{what} is too large", text, "give less than 8192P", "E_SIZE")
    return size


def format_size(size: int) -> str:
    """A size for people, readable by :func:`parse_size`: ``100B``, ``1.5MiB``, ``512GiB``."""
    if size < 0:
        return f"-{format_size(-size)}"
    if size < 1024:
        return f"{size}B"
    power = min((size.bit_length() - 1) // 10, len(_PREFIXES))
    # 1048575 is 1024.0 KiB to one decimal: that reads as the next unit.
    if power < len(_PREFIXES) and round(size / 1024**power, 1) >= 1024:
        power += 1
    amount = size / 1024**power
    shown = f"{amount:.1f}".removesuffix(".0") if amount < 100 else f"{amount:.0f}"
    return f"{shown}{_PREFIXES[power - 1].upper()}iB"
