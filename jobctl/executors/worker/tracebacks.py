"""Exceptions of user code as data: short, without our own frames, and whatever their ``__str__`` does."""

from __future__ import annotations

import os

TYPE_CHECKING = False
if TYPE_CHECKING:
    from types import TracebackType

LONGEST_TRACEBACK = 64 << 10
LONGEST_TEXT = 2000
MOST_FRAMES = 200

_OURS = os.path.dirname(os.path.dirname(os.path.dirname(os.path.abspath(__file__)))) + "/"


def error_document(error: BaseException) -> dict[str, str]:
    """``{"type", "message", "traceback", "text"}``; ``text`` is the job's error: ``ValueError: …``."""
    kind = type(error).__name__
    message = _message(error)
    text = f"{kind}: {message}" if message else kind
    return {
        "type": kind,
        "message": _shortened(message, LONGEST_TEXT),
        "traceback": _shortened(_traceback(error), LONGEST_TRACEBACK),
        "text": _shortened(text, LONGEST_TEXT),
    }


def plain_error(kind: str, text: str) -> dict[str, str]:
    """The same for what no user code raised."""
    return {"type": kind, "message": text, "traceback": "", "text": text}


def _message(error: BaseException) -> str:
    try:
        text = str(error)
        text.encode()
    except UnicodeEncodeError:
        return text.encode("utf-8", "backslashreplace").decode()
    except BaseException as trouble:  # noqa: BLE001 - a __str__ of the user's, which may raise anything
        return f"<its text could not be made: {type(trouble).__name__}>"
    return text


def _traceback(error: BaseException) -> str:
    import traceback  # 5 ms, paid by the first failure

    try:
        shown = traceback.TracebackException(
            type(error), error, _users_frames(error.__traceback__), limit=-MOST_FRAMES, compact=True
        )
        lines = [_shortened(line, LONGEST_TRACEBACK // 4) for line in shown.format()]
    except Exception as trouble:  # noqa: BLE001 - __repr__, __notes__ and sources are the user's
        return f"<no traceback: {type(trouble).__name__}>"
    return "".join(lines).encode("utf-8", "backslashreplace").decode()


def _users_frames(frames: TracebackType | None) -> TracebackType | None:
    """The frames from the first that is the user's."""
    while frames is not None and is_ours(frames.tb_frame.f_code.co_filename):
        frames = frames.tb_next
    return frames


def is_ours(filename: str) -> bool:
    """Whether the file is jobctl's own, or what Python runs on the way to user code."""
    # What is frozen on the way to user code is importlib and runpy.
    return filename.startswith((_OURS, "<frozen "))


def _shortened(text: str, most: int) -> str:
    """At most ``most`` characters: the beginning and the end."""
    if len(text) <= most:
        return text
    note = f"\n… {len(text) - most} characters left out …\n" if most > 1000 else "…"
    head = (most - len(note)) // 4
    return text[:head] + note + text[len(text) - (most - len(note) - head) :]
