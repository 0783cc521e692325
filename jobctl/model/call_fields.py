"""The keys ``call`` and ``args`` of a job or a schedule of ``jobctl.yaml``."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from jobctl.model.calls import UNFIT_OPTIONS, check_function
from jobctl.model.fields import Described, Field, Text
from jobctl.model.nested_fields import Anything, Named
from jobctl.model.readings import Entry, Reading, mark_of


def any_name(text: str) -> str:
    """``text``: whoever knows what takes it looks at the name."""
    return text


CALL: Field[Described] = Field(
    "call",
    Text("a function such as reports:build", check_function),
    "a Python function, in place of a command: `package.module:function`",
)
ARGS: Field[Described] = Field(
    "args", Named(any_name, Anything(), "names and values such as {days: 7}"), "its arguments by name"
)


def check_call_options(reading: Reading, entry: Entry, given: Mapping[str, Any]) -> None:
    """A function stands alone, and with nothing that it cannot heed; arguments do not stand without one."""
    if "call" not in given:
        if "args" in given:
            reading.add(
                mark_of(entry.node, "args"), "args without call", None, "a command takes its words in a list"
            )
        return
    for key in ("command", "job"):
        if key in given:
            reading.add(mark_of(entry.node, "call"), f"{entry.name} has a {key} and a call", None, "keep one")
    for key, hint in UNFIT_OPTIONS.items():
        if given.get(key):
            reading.add(mark_of(entry.node, key), f"a function job takes no {key}", None, hint)
