"""What a traceback tells: the line of the user's own code that the exception came from."""

from __future__ import annotations

import re

_FRAME = re.compile(r'^ {2}File "(?P<file>.+)", line (?P<line>\d+), in (?P<function>.+)$', re.MULTILINE)
_LIBRARIES = ("/site-packages/", "/dist-packages/", "/lib/python3")
_EXIT = "SystemExit"


def last_own_line(text: str) -> str | None:
    """``FILE:LINE, in FUNCTION`` of the deepest frame that is of no library, else of the deepest; None without."""
    frames = list(_FRAME.finditer(text))
    if not frames:
        return None
    own = [frame for frame in frames if not any(part in frame["file"] for part in _LIBRARIES)]
    last = (own or frames)[-1]
    return f"{last['file']}:{last['line']}, in {last['function']}"


def is_of_exit(text: str) -> bool:
    """Whether the program ended itself by ``sys.exit``: Python shows no traceback then."""
    return text.rstrip("\n").rpartition("\n")[2].startswith(_EXIT)
