"""Every deliberate error, and the exit code it becomes (CLI.md, "Everywhere").

    JobctlError                       70  a bug, if nothing more exact is raised
    ├── BadInputError                  2  bad input, nothing changed
    │   ├── BadFileError               2  the same of a file, with every problem in it
    │   ├── ExpressionError            2  the text of a condition or template is wrong; it knows the column
    │   └── EvaluationError            2  a condition or template found no value; in a step: the step fails
    ├── NotFoundError                  3  no such job, queue, schedule, daemon, workflow
    ├── StateConflictError             4  refused in the present state
    ├── UnusableError                  5  the store or the system is unusable
    │   ├── StoreDamagedError          5  not a database, or a damaged one
    │   ├── StoreForeignError          5  a database of another application or of a newer jobctl
    │   ├── StoreFullError             5  the disk is full
    │   └── StoreBusyError             5  another writer kept the store past the timeout
    ├── SupervisorDownError            6  a supervisor is needed and none is running
    ├── JobFailedError                 1  what was asked about failed: an awaited job
    ├── WaitTimeoutError             124  waiting timed out
    └── InterruptedByUserError       130  Ctrl-C

Each carries what is wrong, the value, what to do about it, and a stable code that scripts may match.
"""

from __future__ import annotations

from typing import Any


class JobctlError(Exception):
    """A deliberate failure with one line for people and a code for scripts.

    Args:
        what: what is wrong, without the value: ``"no such job"``.
        value: the offending value as the user gave it; shown escaped and cut to 80 characters.
        hint: what to do next; may be empty.
        code: stable identifier starting with ``E_``.
    """

    exit_code = 70
    default_code = "E_INTERNAL"

    def __init__(self, what: str, value: object = None, hint: str = "", code: str = "") -> None:
        super().__init__(what)
        self.what = what
        self.value = None if value is None else str(value)
        self.hint = hint
        self.code = code or self.default_code

    @property
    def message(self) -> str:
        """What is wrong, and the value: ``<what>: '<value>'``."""
        return self.what if self.value is None else f"{self.what}: '{_shown(self.value)}'"

    def __str__(self) -> str:
        """The message and what to do: ``<what>: '<value>'; <hint>``."""
        return f"{self.message}; {self.hint}" if self.hint else self.message


class BadInputError(JobctlError):
    """The input is wrong; nothing was changed."""

    exit_code = 2
    default_code = "E_BAD_INPUT"


class BadFileError(BadInputError):
    """A file says what it must not; the message tells the first problem.

    Args:
        what, value, hint, code: as in ``JobctlError``.
        details: every problem for people, a line each, with source line and caret.
        problems: every problem for programs.
    """

    def __init__(
        self,
        what: str,
        value: object = None,
        hint: str = "",
        code: str = "",
        *,
        details: tuple[str, ...] = (),
        problems: tuple[dict[str, object], ...] = (),
    ) -> None:
        super().__init__(what, value, hint, code)
        self.details = details
        self.problems = problems


class ExpressionError(BadInputError):
    """The text of a condition or template is wrong at one place.

    Args:
        reason: what is wrong; the message adds the column.
        column: where, from 1, in characters of the text.
        value, hint: as in ``JobctlError``.
    """

    default_code = "E_EXPRESSION"

    def __init__(self, reason: str, column: int, value: object = None, hint: str = "") -> None:
        super().__init__(f"{reason} (column {column})", value, hint)
        self.reason = reason
        self.column = column


class EvaluationError(BadInputError):
    """A condition or template has no value with the data at hand: a missing key, two kinds compared."""

    default_code = "E_EVALUATION"


class NotFoundError(JobctlError):
    """The thing named does not exist."""

    exit_code = 3
    default_code = "E_NOT_FOUND"


class StateConflictError(JobctlError):
    """The request is legal but not in the present state."""

    exit_code = 4
    default_code = "E_STATE"


class UnusableError(JobctlError):
    """The store or the system cannot be used as it is."""

    exit_code = 5
    default_code = "E_UNUSABLE"


class StoreDamagedError(UnusableError):
    """The store file is not a database, or is damaged."""

    default_code = "E_STORE_DAMAGED"


class StoreForeignError(UnusableError):
    """The store file belongs to another application or to a newer jobctl; it was left untouched."""

    default_code = "E_STORE_FOREIGN"


class StoreFullError(UnusableError):
    """The disk (or a quota) is full; the transaction was rolled back."""

    default_code = "E_STORE_FULL"


class StoreBusyError(UnusableError):
    """Another writer kept the store past the timeout."""

    default_code = "E_STORE_BUSY"


class SecretsError(UnusableError):
    """``secrets.env`` is unsafe, unreadable or malformed."""

    default_code = "E_SECRETS"


class SupervisorDownError(JobctlError):
    """The request needs a running supervisor."""

    exit_code = 6
    default_code = "E_NO_SUPERVISOR"


class JobFailedError(JobctlError):
    """A job whose result was wanted ended without completing. Raised in programs only: verbs have exit codes.

    Args:
        what, value, hint, code: as in ``JobctlError``.
        job: the job as it ended (``jobctl.api.Job``).
        log_tail: the last lines that it printed.
    """

    exit_code = 1
    default_code = "E_JOB_FAILED"

    def __init__(
        self,
        what: str,
        value: object = None,
        hint: str = "",
        code: str = "",
        *,
        job: Any = None,
        log_tail: tuple[str, ...] = (),
    ) -> None:
        super().__init__(what, value, hint, code)
        self.job = job
        self.log_tail = log_tail

    def __str__(self) -> str:
        """The message, and the last lines of the log."""
        tail = "".join(f"\n  | {line}" for line in self.log_tail)
        return f"{super().__str__()}{tail}"


class WaitTimeoutError(JobctlError):
    """What was awaited did not happen in time."""

    exit_code = 124
    default_code = "E_TIMEOUT"


class InterruptedByUserError(JobctlError):
    """The user pressed Ctrl-C."""

    exit_code = 130
    default_code = "E_INTERRUPTED"


def _shown(value: str) -> str:
    """``value`` with every unprintable character escaped, at most 80 characters long."""
    text = "".join(ch if ch.isprintable() else ch.encode("unicode_escape").decode() for ch in value)
    return text if len(text) <= 80 else text[:79] + "…"
