"""Definitions on a terminal: a card each, by category. Imports Rich."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

from rich.columns import Columns
from rich.console import RenderableType
from rich.panel import Panel
from rich.text import Text

from jobctl.views.definitions import SYMBOLS, CardView, icon_text, last_text
from jobctl.views.instants import ago, length
from jobctl.views.text import printable, shorten

WIDTH = 38
_INNER = WIDTH - 4
_STYLES = {"running": "bold blue", "queued": "cyan", "failed": "bold red", "gone": "yellow"}
OTHERS = "other"


def definition_cards(cards: Sequence[CardView], now_ms: int) -> Iterator[RenderableType]:
    """The cards under the headings of their categories; nothing in them is read as markup."""
    categories: dict[str, list[CardView]] = {}
    for card in cards:
        categories.setdefault(card.definition.category or OTHERS, []).append(card)
    for category, members in categories.items():
        yield Text(printable(category), style="bold underline")
        yield Columns([_card(card, now_ms) for card in members], width=WIDTH)


def _card(card: CardView, now_ms: int) -> Panel:
    definition = card.definition
    title = Text(
        shorten(f"{icon_text(definition)} {printable(definition.name)}".strip(), _INNER - 2), style="bold"
    )
    lines = [Text(f"{SYMBOLS[card.state]} {card.state}", style=_STYLES.get(card.state, "dim"))]
    if not card.is_current and not card.is_gone:
        lines[0].append(" (not applied yet)", style="yellow")
    for label, text in (
        ("", printable(definition.help.partition("\n")[0])),
        ("last ", last_text(card, now_ms)),
        ("next ", ago(card.next_at, now_ms)),
        ("usually ", length(card.runs.usual_seconds)),
        ("takes ", " ".join(parameter.name for parameter in definition.parameters)),
    ):
        if text:
            lines.append(Text(shorten(f"{label}{text}", _INNER)))
    return Panel(Text("\n").join(lines), title=title, title_align="left", width=WIDTH)
