"""Progress read from a job's own output: a regular expression whose groups tell how far it is.

Named groups ``percent done total message``; or one group, which is a percentage; or two, done and total.
Numbers may carry thousands separators (rsync), suffixes (tqdm) or be times of day (ffmpeg): all of them become
whole numbers.
"""

from __future__ import annotations

import json
import re
from dataclasses import dataclass

from jobctl.errors import BadInputError
from jobctl.model.progress import MAX_COUNT, MAX_MESSAGE

LONGEST_PATTERN = 500
LONGEST_LINE = 1000
"""Characters of an output line that a pattern sees: the last ones of a longer line."""

_GROUPS = frozenset({"percent", "done", "total", "message"})
_EXAMPLE = r"""example: --progress-from '(\d+)%' or '(?P<done>\d+)/(?P<total>\d+)'"""
_NUMBER = re.compile(r"(\d{1,15})(?:[.,](\d{1,9}))?", re.ASCII)
_GROUPED = re.compile(r"\d{1,3}(?:([,._'\u00a0 ])\d{3})(?:\1\d{3}){0,4}", re.ASCII)
_SCALED = re.compile(r"(\d{1,15}(?:[.,]\d{1,9})?)\s?([kKMGTP])?i?[bB]?", re.ASCII)
_CLOCK = re.compile(r"(?:(\d{1,4}):)?(\d{1,2}):(\d{1,2})(?:\.\d{1,9})?", re.ASCII)
_POWERS = {"k": 1, "K": 1, "M": 2, "G": 3, "T": 4, "P": 5}


@dataclass(frozen=True, slots=True)
class ProgressPattern:
    """A checked pattern. Matching may take arbitrarily long: whoever calls ``read`` limits the time."""

    text: str
    compiled: re.Pattern[str]

    def read(self, line: str) -> str | None:
        """The progress line (for ``model.progress.fold``) that an output line amounts to; None if it tells nothing.

        Of several matches in a line the last one counts: that is what a terminal would show.
        """
        found = None
        for match in self.compiled.finditer(line[-LONGEST_LINE:]):
            found = match
        if found is None:
            return None
        said = _said(self._groups(found))
        return json.dumps(said, separators=(",", ":")) if said else None

    def _groups(self, match: re.Match[str]) -> dict[str, str | None]:
        named = match.groupdict()
        if named:
            return named
        return {"percent": match[1]} if self.compiled.groups == 1 else {"done": match[1], "total": match[2]}


def parse_progress_pattern(text: str) -> ProgressPattern:
    """The pattern that ``text`` is.

    Raises:
        BadInputError: ``E_PATTERN``: no regular expression, too long, or without the groups that tell something.
    """
    if not text or len(text) > LONGEST_PATTERN:
        hint = f"give 1 to {LONGEST_PATTERN} characters"
        raise BadInputError("bad progress pattern", text, hint, "E_PATTERN")
    try:
        compiled = re.compile(text)
    except (re.error, RecursionError, OverflowError) as error:
        raise BadInputError("bad progress pattern", text, str(error), "E_PATTERN") from error
    unknown = sorted(compiled.groupindex.keys() - _GROUPS)
    if unknown:
        hint = f"known groups: {' '.join(sorted(_GROUPS))}"
        raise BadInputError("unknown group in the progress pattern", unknown[0], hint, "E_PATTERN")
    if not compiled.groupindex and compiled.groups not in (1, 2):
        what = "the progress pattern needs one group (percent), two (done, total) or named ones"
        raise BadInputError(what, text, _EXAMPLE, "E_PATTERN")
    return ProgressPattern(text, compiled)


def _said(groups: dict[str, str | None]) -> dict[str, object]:
    """What ``model.progress`` calls it; a value out of range is left out, so that the rest counts."""
    said: dict[str, object] = {}
    percent = _percent(groups.get("percent"))
    if percent is not None and percent <= 100:
        said["percent"] = percent
    done, total = _count(groups.get("done")), _count(groups.get("total"))
    if done is not None and total is not None and done > total:
        done = total = None
    if done is not None:
        said["done"] = done
    if total is not None:
        said["total"] = total
    message = groups.get("message")
    if message and message.strip():
        said["message"] = message.strip()[:MAX_MESSAGE]
    return said


def _percent(text: str | None) -> float | None:
    match = _NUMBER.fullmatch(text.strip().removesuffix("%").rstrip()) if text else None
    return None if match is None else float(f"{match[1]}.{match[2] or 0}")


def _count(text: str | None) -> int | None:
    """A whole number: ``1,234,567``, ``12.3M``, or the seconds of ``00:01:02.50``."""
    text = (text or "").strip()
    if match := _CLOCK.fullmatch(text):
        return int(match[1] or 0) * 3600 + int(match[2]) * 60 + int(match[3])
    if _GROUPED.fullmatch(text):
        return int(re.sub(r"\D", "", text))
    if match := _SCALED.fullmatch(text):
        value = float(match[1].replace(",", ".")) * 1000.0 ** _POWERS.get(match[2] or "", 0)
        return round(value) if value <= MAX_COUNT else None
    return None
