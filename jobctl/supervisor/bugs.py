"""Where an error came from that is none of ours: for events, so that somebody can mend it."""

from __future__ import annotations

import traceback

_FRAMES = 10


def frames_of(error: BaseException) -> list[str]:
    """``FILE:LINE in FUNCTION`` of the innermost calls, the last where it was raised."""
    trace = traceback.extract_tb(error.__traceback__)[-_FRAMES:]
    return [f"{frame.filename}:{frame.lineno} in {frame.name}" for frame in trace]
