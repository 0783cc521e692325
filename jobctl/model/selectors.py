"""Which jobs a verb is about: ``12``, ``1,3,5-8``, ``last``, ``all``, ``@failed``, ``name:X``."""

from __future__ import annotations

import re
from dataclasses import dataclass
from enum import StrEnum

from jobctl.errors import BadInputError
from jobctl.model.states import JobStatus

JOB_STATES = tuple(status.value for status in JobStatus)
LONGEST_RANGE = 1_000_000
LARGEST_ID = 2**63 - 1

_EXAMPLES = "examples: 12  1,3,5-8  last  all  @failed  name:X  tag:X  queue:X  batch:7  parent:7"
_NUMBER = r"-?[0-9]+"
_RANGE = r"([0-9]+)-([0-9]+)"
# What people call a state elsewhere, where spelling distance would not find ours.
_OTHER_WORDS = {
    "done": "completed", "ok": "completed", "success": "completed", "succeeded": "completed",
    "error": "failed", "errored": "failed", "crashed": "failed", "killed": "cancelled",
    "pending": "queued", "waiting": "queued", "held": "created", "stashed": "created", "active": "running",
}  # fmt: skip


class SelectorKind(StrEnum):
    """What a part of a selector goes by."""

    IDS = "ids"
    LAST = "last"
    ALL = "all"
    STATE = "state"
    NAME = "name"
    TAG = "tag"
    QUEUE = "queue"
    BATCH = "batch"
    PARENT = "parent"


_OUTRIGHT = frozenset({SelectorKind.IDS, SelectorKind.LAST})
_TEXT_KINDS = frozenset({SelectorKind.NAME, SelectorKind.TAG, SelectorKind.QUEUE})
_ID_KINDS = frozenset({SelectorKind.BATCH, SelectorKind.PARENT})


@dataclass(frozen=True, slots=True)
class SelectorPart:
    """One piece between commas.

    ``ids`` has ``first <= last`` (equal for a single id); ``batch`` and ``parent`` have their id in both;
    ``state``, ``name``, ``tag`` and ``queue`` have ``text``; ``last`` and ``all`` have nothing.
    """

    kind: SelectorKind
    first: int | None = None
    last: int | None = None
    text: str | None = None

    @property
    def is_bulk(self) -> bool:
        """Whether it selects by a property rather than naming jobs outright."""
        return self.kind not in _OUTRIGHT

    def __str__(self) -> str:
        """The text that parses to this part."""
        if self.kind is SelectorKind.IDS:
            return str(self.first) if self.first == self.last else f"{self.first}-{self.last}"
        if self.kind is SelectorKind.STATE:
            return f"@{self.text}"
        if self.kind in _TEXT_KINDS:
            return f"{self.kind}:{self.text}"
        if self.kind in _ID_KINDS:
            return f"{self.kind}:{self.first}"
        return self.kind.value


@dataclass(frozen=True, slots=True)
class Selector:
    """A union of parts, in the order written."""

    parts: tuple[SelectorPart, ...]

    @property
    def is_bulk(self) -> bool:
        """Whether any part selects by a property: such a selector skips jobs a verb does not apply to."""
        return any(part.is_bulk for part in self.parts)

    @property
    def single_id(self) -> int | None:
        """The id, when the selector is exactly one id."""
        if len(self.parts) != 1 or self.parts[0].kind is not SelectorKind.IDS:
            return None
        part = self.parts[0]
        return part.first if part.first == part.last else None

    def __str__(self) -> str:
        """The text that parses to this selector."""
        return ",".join(map(str, self.parts))


def parse_selector(text: str) -> Selector:
    """The selector that ``text`` writes; commas join parts.

    Raises:
        BadInputError: ``E_SELECTOR``: says which part is wrong and what was probably meant.
    """
    if not text:
        raise BadInputError("selector is empty", text, _EXAMPLES, "E_SELECTOR")
    return Selector(tuple(_parse_part(part, text) for part in text.split(",")))


def format_selector(selector: Selector) -> str:
    """The text that :func:`parse_selector` reads as ``selector``."""
    return str(selector)


def parse_job_id(text: str, what: str = "job id") -> int:
    """The positive id that ``text`` writes in plain digits.

    Raises:
        BadInputError: ``E_SELECTOR``.
    """
    if not re.fullmatch(_NUMBER, text):
        raise BadInputError(f"bad {what}", text, "give a whole number such as 12", "E_SELECTOR")
    digits = text.lstrip("-").lstrip("0")
    if text.startswith("-") or not digits:
        raise BadInputError(f"{what} must be positive", text, "ids start at 1", "E_SELECTOR")
    if len(digits) > 19 or int(digits) > LARGEST_ID:
        raise BadInputError(f"{what} is too large", text, f"ids end at {LARGEST_ID}", "E_SELECTOR")
    return int(digits)


def parse_status(text: str) -> JobStatus:
    """The state that ``text`` names.

    Raises:
        BadInputError: ``E_STATUS``: no state is called so; says which was probably meant.
    """
    if text in JOB_STATES:
        return JobStatus(text)
    meant = _OTHER_WORDS.get(text.lower()) or _closest(text, JOB_STATES)
    hint = f"did you mean {meant}?" if meant else "states: " + " ".join(JOB_STATES)
    raise BadInputError("unknown status", text, hint, "E_STATUS")


def _parse_part(part: str, whole: str) -> SelectorPart:
    if not part:
        raise BadInputError("empty part in selector", whole, "remove the extra comma", "E_SELECTOR")
    if part != part.strip():
        raise BadInputError("blank in selector", whole, "write it without blanks: 1,3,5-8", "E_SELECTOR")
    if re.fullmatch(_NUMBER, part):
        number = parse_job_id(part)
        return SelectorPart(SelectorKind.IDS, number, number)
    if match := re.fullmatch(_RANGE, part):
        return _parse_range(part, match[1], match[2])
    if part.startswith("@"):
        return SelectorPart(SelectorKind.STATE, text=_parse_state(part))
    kind, colon, value = part.partition(":")
    if colon:
        return _parse_property(part, kind, value)
    if part in ("last", "all"):
        return SelectorPart(SelectorKind(part))
    raise _unknown(part)


def _parse_range(part: str, first_text: str, last_text: str) -> SelectorPart:
    first, last = parse_job_id(first_text), parse_job_id(last_text)
    if first > last:
        raise BadInputError("range runs backwards", part, f"write {last}-{first}", "E_SELECTOR")
    if last - first >= LONGEST_RANGE:
        hint = f"at most {LONGEST_RANGE:,} ids; to mean every job write all"
        raise BadInputError("range is too long", part, hint, "E_SELECTOR")
    return SelectorPart(SelectorKind.IDS, first, last)


def _parse_state(part: str) -> str:
    state = part[1:]
    if state in JOB_STATES:
        return state
    meant = _OTHER_WORDS.get(state.lower()) or _closest(state, JOB_STATES)
    hint = f"did you mean @{meant}?" if meant else "states: " + " ".join(JOB_STATES)
    raise BadInputError("unknown state", part, hint, "E_SELECTOR")


def _parse_property(part: str, kind: str, value: str) -> SelectorPart:
    if kind not in _TEXT_KINDS and kind not in _ID_KINDS:
        meant = _closest(kind, tuple(sorted(_TEXT_KINDS | _ID_KINDS)))
        if kind.lower() in ("state", "status"):
            meant_text = f"@{value or 'failed'}"
        else:
            meant_text = f"{meant or 'name'}:{value if meant else part}"
        raise BadInputError("unknown selector", part, f"did you mean {_plain(meant_text)}?", "E_SELECTOR")
    if not value:
        example = f"{kind}:7" if kind in _ID_KINDS else f"{kind}:X"
        raise BadInputError("nothing after the colon", part, f"write {example}", "E_SELECTOR")
    if kind in _ID_KINDS:
        number = parse_job_id(value, f"{kind} id")
        return SelectorPart(SelectorKind(kind), number, number)
    return SelectorPart(SelectorKind(kind), text=value)


def _unknown(part: str) -> BadInputError:
    if re.fullmatch(r"[0-9]*(?:-|\.\.+|:)[0-9]*", part):
        return BadInputError("bad range", part, "write both ends: 5-8", "E_SELECTOR")
    if not re.match(r"[A-Za-z_]", part):
        return BadInputError("bad selector", part, _EXAMPLES, "E_SELECTOR")
    if part.lower() in JOB_STATES:
        return BadInputError("bad selector", part, f"did you mean @{part.lower()}?", "E_SELECTOR")
    meant = _closest(part, ("last", "all")) or f"name:{_plain(part)}"
    return BadInputError("bad selector", part, f"did you mean {meant}?", "E_SELECTOR")


def _closest(word: str, known: tuple[str, ...]) -> str | None:
    from difflib import get_close_matches  # only on the way to an error

    matches = get_close_matches(word.lower()[:40], known, n=1, cutoff=0.7)
    return str(matches[0]) if matches else None


def _plain(text: str) -> str:
    """``text`` fit for a hint: one short line without anything a terminal would obey."""
    return repr(text[:60])[1:-1]
