"""What may be a name, a tag, a key or a whole number. Nothing here is ever corrected in silence."""

from __future__ import annotations

import re
import unicodedata

from jobctl.errors import BadInputError

LONGEST_NAME = 128
LONGEST_KEY = 256
MOST_URGENT, LEAST_URGENT = 1, 10

_INVISIBLE = frozenset({"Cf", "Zl", "Zp", "Co"})
# Letters by category, blank on the screen: the Hangul fillers.
_FILLERS = frozenset("\u115f\u1160\u3164\uffa0")
_QUEUE_NAME = r"[A-Za-z0-9][A-Za-z0-9._-]{0,63}"
_WHOLE = r"-?[0-9]+"
RESOURCE_NAME = r"[A-Za-z][A-Za-z0-9_-]{0,31}"


def check_name(text: str, what: str = "name") -> str:
    """``text``, proven fit to name a job, schedule, daemon or definition in any verb and on any terminal.

    Raises:
        BadInputError: ``E_NAME``: says which rule it breaks.
    """
    _check_label(text, what)
    if text.isdigit():
        raise BadInputError(f"{what} is only digits", text, "that reads as an id; add a letter", "E_NAME")
    return text


def check_tag(text: str, what: str = "tag") -> str:
    """``text``, proven fit to be a tag: as a name, but it may be only digits (``tag:2026``).

    Raises:
        BadInputError: ``E_NAME``: says which rule it breaks.
    """
    _check_label(text, what)
    return text


def check_queue_name(text: str, what: str = "queue name") -> str:
    """``text``, proven to be 1 to 64 of ``A-Z a-z 0-9 . _ -``, the first a letter or digit.

    Raises:
        BadInputError: ``E_NAME``.
    """
    if not re.fullmatch(_QUEUE_NAME, text):
        hint = "use 1 to 64 of A-Z a-z 0-9 . _ -, starting with a letter or digit"
        raise BadInputError(f"bad {what}", text, hint, "E_NAME")
    return text


def check_resource_word(text: str) -> str:
    """``text``, proven to be able to name a resource.

    Raises:
        BadInputError: ``E_NAME``.
    """
    if not re.fullmatch(RESOURCE_NAME, text):
        hint = "use 1 to 32 of A-Z a-z 0-9 _ -, starting with a letter"
        raise BadInputError("bad resource name", text, hint, "E_NAME")
    return text


def check_key(text: str, what: str = "key") -> str:
    """``text``, proven fit to be a unique or lock key: 1 to 256 visible characters.

    Raises:
        BadInputError: ``E_KEY``.
    """
    _check_length(text, what, LONGEST_KEY, "E_KEY")
    _check_visible(text, what, "E_KEY")
    return text


def check_priority(value: object, what: str = "priority") -> int:
    """The priority that a flag (text) or a document (an integer) names: 1 most urgent, 10 least.

    Raises:
        BadInputError: ``E_NUMBER``.
    """
    if isinstance(value, str):
        return parse_whole(value, what, MOST_URGENT, LEAST_URGENT)
    if isinstance(value, int) and not isinstance(value, bool):
        return _check_range(value, value, what, (MOST_URGENT, LEAST_URGENT))
    raise _not_whole(value, what, (MOST_URGENT, LEAST_URGENT))


def parse_whole(text: str, what: str, low: int, high: int) -> int:
    """The whole number in ``low..high`` that ``text`` writes in plain ASCII digits.

    Raises:
        BadInputError: ``E_NUMBER``: signs, blanks, underscores, other digits, leading zeros, out of range.
    """
    if not re.fullmatch(_WHOLE, text):
        raise _not_whole(text, what, (low, high))
    digits = text.lstrip("-")
    if len(digits) > 1 and digits.startswith("0"):
        hint = f"give {digits.lstrip('0')[:20] or '0'}"
        raise BadInputError(f"{what} must be written without leading zero", text, hint, "E_NUMBER")
    if len(digits) > 30:  # int() itself refuses more than 4300 digits
        raise _out_of_range(text, what, (low, high))
    return _check_range(int(text), text, what, (low, high))


def _check_label(text: str, what: str) -> None:
    _check_length(text, what, LONGEST_NAME, "E_NAME")
    _check_visible(text, what, "E_NAME")
    if text[0] in ".-@":
        raise BadInputError(f"{what} may not start with '{text[0]}'", text, "start with a letter", "E_NAME")
    if text != text.strip():
        raise BadInputError(f"{what} starts or ends with a blank", text, "remove it", "E_NAME")
    if "," in text:
        raise BadInputError(f"{what} contains a comma", text, "selectors split at commas; use '-'", "E_NAME")


def _check_length(text: str, what: str, longest: int, code: str) -> None:
    if not text:
        raise BadInputError(f"{what} is empty", text, f"give 1 to {longest} characters", code)
    if len(text) > longest:
        raise BadInputError(f"{what} is longer than {longest} characters", text, "shorten it", code)


def _check_visible(text: str, what: str, code: str) -> None:
    if text.isascii() and text.isprintable():
        return
    for character in text:
        category = unicodedata.category(character)
        if category == "Cs":
            raise BadInputError(f"{what} is not valid UTF-8", text, "give it in UTF-8", code)
        if category == "Cc":
            kind = "control character"
        elif category in _INVISIBLE or character in _FILLERS:
            kind = "invisible or bidi character"
        else:
            continue
        raise BadInputError(f"{kind} U+{ord(character):04X} in {what}", text, "remove it", code)


def _check_range(number: int, shown: object, what: str, limits: tuple[int, int]) -> int:
    if not limits[0] <= number <= limits[1]:
        raise _out_of_range(shown, what, limits)
    return number


def _out_of_range(value: object, what: str, limits: tuple[int, int]) -> BadInputError:
    hint = f"give a whole number from {limits[0]} to {limits[1]}"
    return BadInputError(f"{what} must be {limits[0]}..{limits[1]}", value, hint, "E_NUMBER")


def _not_whole(value: object, what: str, limits: tuple[int, int]) -> BadInputError:
    hint = f"give {limits[0]}..{limits[1]} in plain digits"
    return BadInputError(f"{what} must be a whole number", value, hint, "E_NUMBER")
