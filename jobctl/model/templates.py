"""Templates: texts with ``${{ expression }}`` in them. Nothing of a value is ever read by a shell as more than data.

There is no clash with the shell's ``${X}``. To write ``${{`` itself: ``${{ '${{' }}``.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass, field, replace

from jobctl.errors import EvaluationError, ExpressionError
from jobctl.model.documents import Json
from jobctl.model.evaluations import kind_of, plain_text
from jobctl.model.expressions import Expression, Reference
from jobctl.model.shell_places import Place, places_of, quoted

OPENING, CLOSING = "${{", "}}"
LONGEST_TEXT = 1 << 20

_END = re.compile(r"""(?:(?!}})(?>'(?:[^'\\]|\\[\s\S])*'|"(?:[^"\\]|\\[\s\S])*"|[\s\S]))*+}}""")
"""To the first ``}}`` outside quotes; atomic, so that it never tries a text in quotes as anything else."""
_WORD_BEGINS = r"""(?:\A|[\s;&|()<>])["']?\Z"""
_WORD_ENDS = r"""["']?(?:\Z|[\s;&|()<>])"""
_RAW = re.compile(r"(\s*raw\s*\()([\s\S]*)\)\s*")


@dataclass(frozen=True, slots=True)
class _Value:
    """One ``${{ }}``."""

    expression: Expression
    offset: int
    """How many characters of the template stand before its expression."""
    is_raw: bool
    place: Place | None
    """None: not in a shell line."""
    is_alone: bool
    """Whether it is no part of a longer word."""


@dataclass(frozen=True, slots=True)
class Template:
    """A text that was taken apart once; made by :meth:`parse` only. Equal texts are equal templates."""

    text: str
    is_shell: bool = False
    _texts: tuple[str, ...] = field(default=(), repr=False, compare=False)
    _values: tuple[_Value, ...] = field(default=(), repr=False, compare=False)

    @classmethod
    def parse(cls, text: str, *, shell: bool = False) -> Template:
        """The template that ``text`` writes.

        Args:
            text: any text; one without ``${{`` renders to itself.
            shell: whether a shell will read it: then every value is quoted for where it stands, and one
                that stands where no quoting is safe (a here-document, back-quotes) is refused here.

        Raises:
            ExpressionError: ``E_EXPRESSION``, with the column in ``text`` (line breaks count as a character):
                not closed, a bad expression, a NUL, a place that is not safe.
        """
        if "\0" in text:
            raise ExpressionError("a NUL character can be given to no program", text.index("\0") + 1)
        texts, sources = _split(text)
        places = places_of(texts) if shell else [None] * len(sources)
        values = []
        for number, ((source, offset), place) in enumerate(zip(sources, places, strict=True)):
            value = _value(source, offset, place)
            values.append(replace(value, is_alone=_is_alone(texts, number)))
        return cls(text, shell, tuple(texts), tuple(values))

    @property
    def is_plain(self) -> bool:
        """Whether there is no ``${{ }}`` in it."""
        return not self._values

    @property
    def is_one_value(self) -> bool:
        """Whether it is one ``${{ }}`` and nothing else but blanks around it."""
        return len(self._values) == 1 and not "".join(self._texts).strip()

    def names(self) -> tuple[Reference, ...]:
        """Everything it looks up; columns are those of the whole text."""
        return tuple(
            Reference(found.path, found.column + value.offset, found.is_checked)
            for value in self._values
            for found in value.expression.names()
        )

    def render(self, names: Mapping[str, Json]) -> str:
        """The text with every value put in.

        In a shell line a value is quoted so that it stays one word, a list so that each item stays one (``raw()``
        opts out). Elsewhere, and always alike: true, false, nothing for null, JSON for lists and dictionaries.

        Raises:
            EvaluationError: ``E_EVALUATION``: an expression has no value; a NUL in a value; a text between
                ``$((`` and ``))``; the whole is too long.
        """
        pieces = [self._texts[0]] if self._texts else []
        for value, text in zip(self._values, self._texts[1:], strict=True):
            pieces += [_rendered(value, names), text]
        rendered = "".join(pieces)
        if len(rendered) > LONGEST_TEXT and self._values:
            raise EvaluationError(
                "the text gets too long", f"{len(rendered)} characters", "pass a file instead"
            )
        return rendered

    def render_known(self, names: Mapping[str, Json]) -> str:
        """As :meth:`render`, but a value that ``names`` cannot tell yet stays as it was written."""
        pieces = [self._texts[0]] if self._texts else []
        for value, text in zip(self._values, self._texts[1:], strict=True):
            try:
                found = _rendered(value, names)
            except EvaluationError:
                inner = value.expression.text.strip()
                found = f"{OPENING} {f'raw({inner})' if value.is_raw else inner} {CLOSING}"
            pieces += [found, text]
        return "".join(pieces)

    def value(self, names: Mapping[str, Json]) -> Json:
        """The typed value of a template that is one ``${{ }}``; else what :meth:`render` gives.

        Raises:
            EvaluationError: as :meth:`render`.
        """
        if self.is_one_value:
            return self._values[0].expression.evaluate(names)
        return self.render(names)


def _split(text: str) -> tuple[list[str], list[tuple[str, int]]]:
    """The texts around the values, and each expression with what stands before it in characters."""
    texts: list[str] = []
    sources: list[tuple[str, int]] = []
    index = 0
    while True:
        start = text.find(OPENING, index)
        if start < 0:
            texts.append(text[index:])
            return texts, sources
        inside = start + len(OPENING)
        end = _END.match(text, inside)
        if end is None:
            shown = text[start : start + 40]
            raise ExpressionError("${{ is not closed", start + 1, shown, "write }} behind the expression")
        texts.append(text[index:start])
        sources.append((text[inside : end.end() - len(CLOSING)], inside))
        index = end.end()


def _value(source: str, offset: int, place: Place | str | None) -> _Value:
    if place is not None and not isinstance(place, Place):
        hint = 'set a variable with env: and write "$NAME" here'
        raise ExpressionError(f"no value is safe {place}", offset - len(OPENING) + 1, source.strip(), hint)
    raw = _RAW.fullmatch(source)
    if raw is not None:
        source, offset = raw[2], offset + len(raw[1])
    try:
        return _Value(Expression.parse(source), offset, raw is not None, place, is_alone=False)
    except ExpressionError as error:
        raise ExpressionError(error.reason, offset + error.column, error.value, error.hint) from None


def _is_alone(texts: list[str], number: int) -> bool:
    """Whether what stands around the value ``number`` ends and begins a word, quotes aside."""
    before, after = texts[number], texts[number + 1]
    begins = re.search(_WORD_BEGINS, before) if before else number == 0
    ends = re.match(_WORD_ENDS, after) if after else number == len(texts) - 2
    return bool(begins and ends)


def _rendered(value: _Value, names: Mapping[str, Json]) -> str:
    found = value.expression.evaluate(names)
    if value.place is None or value.is_raw:
        return _without_nul(plain_text(found), value)
    if found == [] and not value.is_alone:
        hint = "put blanks around it, or give it at least one item"
        raise EvaluationError("an empty list inside a word", value.expression.text.strip(), hint)
    if value.place is Place.NUMBER:
        if isinstance(found, bool) or not isinstance(found, int | float):
            what = f"only a number may stand inside (( )), not {kind_of(found)}"
            raise EvaluationError(what, value.expression.text.strip(), "convert it with int()")
        return quoted(plain_text(found), value.place)
    items = found if isinstance(found, list) else [found]
    place = value.place
    return " ".join(quoted(_without_nul(plain_text(item), value), place) for item in items)


def _without_nul(text: str, value: _Value) -> str:
    if "\0" in text:
        raise EvaluationError("a NUL character can be given to no program", value.expression.text.strip())
    return text
