"""What a verb of ours says when it runs as a job: progress as it goes, and its result."""

from __future__ import annotations

import json
import os
from collections.abc import Mapping

from jobctl.actions.progress import report_progress
from jobctl.clock import Clock
from jobctl.errors import JobctlError

EVERY_SECONDS = 0.2
"""Between two lines: the supervisor reads at 4 Hz."""


class Report:
    """Progress and result of this process, if it is a job's; outside a job both say nothing.

    What cannot be reported stops no work: a backup to another disk goes on when this one is full. ``problem`` tells.
    """

    def __init__(self, environment: Mapping[str, str], clock: Clock) -> None:
        self._environment = environment
        self._clock = clock
        self._said_at: float | None = None
        self.problem = ""
        """Why something could not be reported; empty when all was."""

    def progress(self, done: int, total: int, message: str) -> None:
        """So much is done; said at once at the start and at the end, else five times a second at most.

        Of nothing at all (``total`` 0) all is done: 100 %.
        """
        now = self._clock.monotonic()
        if not self._environment.get("JOBCTL_PROGRESS"):
            return
        if self._said_at is not None and done < total and now - self._said_at < EVERY_SECONDS:
            return
        self._said_at = now
        told = {"done": done, "total": total} if total else {"percent": 100}
        line = json.dumps({**told, "message": message})
        try:
            report_progress(line, self._environment)
        except JobctlError as error:
            self.problem = str(error)

    def result(self, document: object) -> None:
        """The document is the job's result, unless the job has one already: it may be a script that calls us."""
        path = self._environment.get("JOBCTL_RESULT")
        if not path:
            return
        try:
            descriptor = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_CLOEXEC, 0o600)
            with open(descriptor, "w", encoding="utf-8") as file:
                json.dump(document, file)
        except FileExistsError:
            return
        except OSError as error:
            self.problem = f"cannot write the result ({error.strerror})"
