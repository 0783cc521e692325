"""How the reading verbs read their flags, and the store they read from."""

from __future__ import annotations

from collections.abc import Sequence

from jobctl.actions.supervisors import supervisor_runs
from jobctl.cli.invocation import Invocation
from jobctl.errors import BadInputError, NotFoundError
from jobctl.model.selectors import parse_status
from jobctl.model.states import JobStatus
from jobctl.store import Store


def existing_store(call: Invocation) -> Store | None:
    """The store, or None where none was made yet: reading never creates one."""
    try:
        return call.store()
    except NotFoundError as error:
        if error.code != "E_NO_STORE":
            raise
        return None


def statuses(texts: Sequence[str]) -> tuple[JobStatus, ...]:
    """The states named by repeated or comma-joined words, each once.

    Raises:
        BadInputError: no state is called so.
    """
    words = [word for text in texts for word in text.split(",")]
    return tuple(dict.fromkeys(parse_status(word) for word in words))


def one_of(text: str, known: Sequence[str], what: str) -> str:
    """``text``, proven to be one of the known words.

    Raises:
        BadInputError: it is not; says which was probably meant.
    """
    if text in known:
        return text
    from difflib import get_close_matches

    near = get_close_matches(text.lower()[:40], known, 1)
    hint = f"did you mean {near[0]}?" if near else f"one of: {' '.join(known)}"
    raise BadInputError(f"unknown {what}", text, hint, "E_USAGE")


def note_without_supervisor(call: Invocation) -> None:
    """Standard error says that nobody will run anything, if so."""
    home = call.home()
    if not supervisor_runs(home):
        from jobctl.views.text import printable

        call.note(f"no supervisor for {printable(home.path)}; start one with: jobctl up")
