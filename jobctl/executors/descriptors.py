"""Descriptors: the supervisor has as many as the machine allows, its children as many as it was given itself."""

from __future__ import annotations

import contextlib
import errno
import resource
from collections.abc import Iterator
from dataclasses import dataclass

WANTED_DESCRIPTORS = 65_536
"""A daemon costs five."""

SHORTAGES = frozenset({errno.EMFILE, errno.ENFILE, errno.ENOMEM})
"""Why something could not be looked at, which says nothing about whether it is there."""


@dataclass(slots=True)
class _Limit:
    given: int | None = None
    """The soft limit before it was raised."""


_LIMIT = _Limit()


def raise_descriptor_limit() -> None:
    """This process may open as many files as its hard limit allows, up to ``WANTED_DESCRIPTORS``."""
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    wanted = WANTED_DESCRIPTORS if hard == resource.RLIM_INFINITY else min(hard, WANTED_DESCRIPTORS)
    if soft == resource.RLIM_INFINITY or soft >= wanted:
        return
    with contextlib.suppress(OSError, ValueError):  # a sandbox may refuse: it goes on with what it has
        resource.setrlimit(resource.RLIMIT_NOFILE, (wanted, hard))
        _LIMIT.given = soft if _LIMIT.given is None else _LIMIT.given


def with_given_limit(script: str) -> str:
    """The shell lines, run with the soft limit that this process was given.

    The shell itself lowers it: around a ``Popen`` it would forbid the pipe that CPython needs, and after it be late.
    """
    return script if _LIMIT.given is None else f"ulimit -Sn {_LIMIT.given}\n{script}"


def lower_limit_of(pid: int) -> None:
    """The child, which was just started, has the soft limit that this process was given."""
    if _LIMIT.given is None or not hasattr(resource, "prlimit"):
        return
    hard = resource.getrlimit(resource.RLIMIT_NOFILE)[1]
    with contextlib.suppress(OSError, ValueError):  # it has ended already, or a sandbox refuses
        resource.prlimit(pid, resource.RLIMIT_NOFILE, (_LIMIT.given, hard))


@contextlib.contextmanager
def waiting_out_shortages() -> Iterator[None]:
    """A shortage ends the block, and nothing is concluded from what could not be looked at: the next turn tries again.

    Raises:
        OSError: any other one.
    """
    try:
        yield
    except OSError as error:
        if error.errno not in SHORTAGES:
            raise
