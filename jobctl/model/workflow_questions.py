"""Questions that a run waits for, also those of the runs within it, each with a path that verbs take."""

from __future__ import annotations

import re
from dataclasses import dataclass
from shlex import quote

from jobctl.model.states import JobId
from jobctl.model.workflow_runs import WHOLE

SEPARATOR = "/"
"""``part/confirm``: the step confirm of the run that the step part has started; no id of a step holds it."""


@dataclass(frozen=True, slots=True)
class Question:
    """A step that waits for an answer."""

    root_id: JobId
    """The run that was looked at."""
    path: str
    """The step from there: ``confirm``, ``part/confirm``, ``each[2]/confirm``."""
    workflow_id: JobId
    """The run that the step is one of."""
    step: str
    prompt: str
    expires_at: int | None

    @property
    def command(self) -> str:
        """What is typed to say yes."""
        return f"jobctl workflow approve {self.root_id} {quote(self.path)}"


def split_path(path: str) -> tuple[list[tuple[str, int]], str]:
    """The steps (and items) that lead to a step, and its id: ``each[2]/ask`` → ``[("each", 2)]``, ``ask``."""
    *above, step = path.split(SEPARATOR)
    return [_split_label(label) for label in above], step


def _split_label(label: str) -> tuple[str, int]:
    found = re.fullmatch(r"([^\[\]]+)\[([0-9]{1,9})\]", label)
    return (label, WHOLE) if found is None else (found[1], int(found[2]))
