"""Tables as they stand on a terminal, without their colours."""

from __future__ import annotations

import io
from collections.abc import Sequence
from typing import Any

from rich.console import Console

from jobctl.views.tables import Column, table_of


def table_text(columns: Sequence[Column[Any]], rows: Sequence[Any], width: int) -> list[str]:
    """The lines of the table."""
    out = io.StringIO()
    Console(file=out, width=width, color_system=None, highlight=False).print(table_of(columns, rows, width))
    return out.getvalue().rstrip("\n").split("\n")
