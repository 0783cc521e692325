"""All that is known of one thing: a heading and a line a field."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from jobctl.cli.invocation import Invocation


def print_sheet(
    call: Invocation, heading: str, fields: Sequence[tuple[str, str]], styles: Mapping[str, str] | None = None
) -> None:
    """The heading and the printable fields are on standard output, coloured where colours are wanted.

    Args:
        styles: of values, by label.
    """
    if call.color:
        from jobctl.views.tables import show_fields  # only a terminal pays for Rich

        show_fields(heading, fields, styles or {}, color=True)
        return
    call.print(heading)
    for label, text in fields:
        call.print(f"  {label:<13} {text}")


def print_titled(call: Invocation, title: str, lines: Sequence[str]) -> None:
    """The lines below their title, if there are any."""
    if not lines:
        return
    print_title(call, title)
    for line in lines:
        call.print(f"  {line}")


def print_title(call: Invocation, title: str) -> None:
    """The title of what follows."""
    call.print(f"\x1b[1m{title}\x1b[0m" if call.color else title)
