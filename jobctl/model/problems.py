"""What is wrong with a file, and where: all of it at once, as ``file:line:col`` with the line and a caret."""

from __future__ import annotations

from collections.abc import Collection, Sequence
from dataclasses import dataclass

from jobctl.errors import BadFileError

MOST_SHOWN = 50
_WIDEST = 100
_SHORT = 4


@dataclass(frozen=True, slots=True, order=True)
class Mark:
    """A place in a text; both count from 1, columns in characters."""

    line: int
    column: int


@dataclass(frozen=True, slots=True)
class Problem:
    """One thing that is wrong: what, the value as written, what to do."""

    mark: Mark
    message: str
    value: str | None = None
    hint: str = ""

    def __str__(self) -> str:
        """``<message>: '<value>'; <hint>``."""
        text = self.message
        if self.value is not None:
            text += f": '{self.value if len(self.value) <= 80 else self.value[:79] + '…'}'"
        return f"{text}; {self.hint}" if self.hint else text


def file_error(source: str, text: str, problems: Sequence[Problem], code: str) -> BadFileError:
    """The error that shows every problem, by line; ``source`` names the file as people know it."""
    ordered = sorted(problems, key=lambda problem: problem.mark)
    lines = text.split("\n")
    details = [detail for problem in ordered[:MOST_SHOWN] for detail in _shown(source, lines, problem)]
    if len(ordered) == 1:
        del details[0]  # the message tells it already
    if len(ordered) > MOST_SHOWN:
        details.append(f"and {len(ordered) - MOST_SHOWN} more")
    first = ordered[0]
    where = f"{source}:{first.mark.line}:{first.mark.column}"
    count = "" if len(ordered) == 1 else f"{len(ordered)} problems; the first is "
    return BadFileError(
        f"{count}{where}: {first.message}", first.value, first.hint, code, details=tuple(details),
        problems=tuple(
            {
                "file": source, "line": one.mark.line, "column": one.mark.column, "message": one.message,
                "value": one.value, "hint": one.hint or None,
            }
            for one in ordered
        ),
    )  # fmt: skip


def did_you_mean(word: str, known: Collection[str]) -> str:
    """``did you mean X?`` for the nearest of the known words, else the list of them."""
    from difflib import get_close_matches  # only on the way to an error

    cutoff = 0.75 if len(word) <= _SHORT else 0.6  # two of three letters alike mean nothing
    near = get_close_matches(word.lower()[:60].replace("-", "_"), known, 1, cutoff)
    return f"did you mean {near[0]}?" if near else f"known: {', '.join(sorted(known))}"


def _shown(source: str, lines: Sequence[str], problem: Problem) -> list[str]:
    line, column = problem.mark.line, problem.mark.column
    shown = [f"{source}:{line}:{column}: {problem}"]
    if not line <= len(lines) or not lines[line - 1].strip():
        return shown
    start = max(0, column - _WIDEST // 2) if len(lines[line - 1]) > _WIDEST else 0
    excerpt = lines[line - 1][start : start + _WIDEST].rstrip().replace("\t", " ")
    margin = f"{line:>6} | "
    return [*shown, f"{margin}{excerpt}", f"{'| ':>{len(margin)}}{' ' * (column - 1 - start)}^"]
