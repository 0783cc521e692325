"""Questions that a run waits for, also those of the runs within it, each with a path that verbs take."""

from __future__ import annotations

import re
from dataclasses import dataclass
from shlex import quote

from jobctl.model.states import JobId
from jobctl.model.workflow_runs import WHOLE, Answer, told_answer

SEPARATOR = "/"
"""``part/confirm``: the step confirm of the run that the step part has started; no id of a step holds it."""


@dataclass(frozen=True, slots=True)
class Question:
    """A step that waits for an answer, or for a supervisor to heed the one it was given."""

    root_id: JobId
    """The run that was looked at."""
    path: str
    """The step from there: ``confirm``, ``part/confirm``, ``each[2]/confirm``."""
    workflow_id: JobId
    """The run that the step is one of."""
    step: str
    prompt: str
    expires_at: int | None
    answer: Answer | None = None
    answered_by: str | None = None

    @property
    def told(self) -> str:
        """Of one that was answered: ``part/confirm answered: rejected by ana; waits for the supervisor``."""
        return f"{self.path} {told_answer(self.answer, self.answered_by)}" if self.answer else self.path

    @property
    def command(self) -> str:
        """What is typed to say yes."""
        return f"jobctl workflow approve {self.root_id} {quote(self.path)}"


def split_path(path: str) -> list[tuple[str, int]]:
    """The steps (and items) that lead to a step, and itself: ``each[2]/ask`` → ``[("each", 2), ("ask", WHOLE)]``."""
    return [_split_label(label) for label in path.split(SEPARATOR)]


def without_items(path: str) -> str:
    """The path as somebody types it who forgets the items: ``each/ask`` of ``each[2]/ask``."""
    return re.sub(r"\[[0-9]*\]", "", path)


def _split_label(label: str) -> tuple[str, int]:
    found = re.fullmatch(r"([^\[\]]+)\[([0-9]{1,9})\]", label)
    return (label, WHOLE) if found is None else (found[1], int(found[2]))
