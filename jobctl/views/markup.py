"""HTML and SVG put together from elements: every text is escaped unless it is markup already.

No template engine: a page has a dozen kinds of elements, and what is not ``Markup`` cannot get in unescaped.
"""

from __future__ import annotations

from html import escape

from jobctl.views.text import printable, shorten

VOID = frozenset({"meta", "br", "hr", "wbr"})


class Markup(str):
    """A text that is markup already."""

    __slots__ = ()


def text(value: str, most: int | None = None) -> Markup:
    """``value`` as a page may show it: hostile characters spelt out, then escaped; at most so many cells of it."""
    shown = printable(value)
    return Markup(escape(shown if most is None else shorten(shown, most), quote=True))


def element(name: str, /, *children: str, **attributes: object) -> Markup:
    """An element; of attributes ``class_`` means ``class``, ``a_b`` means ``a-b``; None leaves one out."""
    said = "".join(
        f' {key.rstrip("_").replace("_", "-")}="{text(str(value))}"'
        for key, value in attributes.items()
        if value is not None
    )
    if name in VOID:
        return Markup(f"<{name}{said}>")
    return Markup(f"<{name}{said}>{join(children)}</{name}>")


def join(parts: tuple[str, ...] | list[str], between: str = "") -> Markup:
    """The parts one after another, those escaped that are no markup."""
    return Markup(between.join(part if isinstance(part, Markup) else text(part) for part in parts))
