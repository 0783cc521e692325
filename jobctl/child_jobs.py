"""Jobs that running code submits; ``context`` hands it on. Stdlib only, and what is heavy when it is used."""

from __future__ import annotations

import sys

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable, Mapping, Sequence
    from typing import Any


class SubmitError(RuntimeError):
    """``jobctl submit`` refused; nothing was submitted."""


class Submitted(int):
    """The id of a job that is on disk: an ``int`` with a name."""

    @property
    def id(self) -> int:
        """As ``jobctl list`` shows it."""
        return int(self)


def function_name(function: Callable[..., Any]) -> str:
    """``pkg.mod:func``, by which workers find it.

    Raises:
        SubmitError: they cannot find it.
    """
    module = getattr(function, "__module__", None)
    name = getattr(function, "__qualname__", None)
    if not module or not name:
        raise SubmitError(f"{function!r:.80} has no name of its own; give a function of a module")
    if "<" in name:
        kind = "a lambda" if name.endswith("<lambda>") else f"{name}, which is inside a function,"
        raise SubmitError(f"{kind} cannot be a job; give a function at the top of a module")
    if "." in name:
        raise SubmitError(f"{name} is a method and cannot be a job; give a function at the top of a module")
    if module in ("__main__", "__mp_main__"):
        raise SubmitError(f"workers cannot import {name}: it is in the program itself; move it into a module")
    return f"{module}:{name}"


def request_line(request: Mapping[str, Any]) -> str:
    """``request`` as a line of ``submit --jsonl``; a ``timedelta`` as options take it.

    Raises:
        SubmitError: JSON cannot hold it.
    """
    import json

    try:
        return json.dumps(
            dict(request), separators=(",", ":"), ensure_ascii=False, allow_nan=False, default=_duration
        )
    except (TypeError, ValueError) as error:
        raise SubmitError(f"a request is not JSON: {error}") from None


def _duration(value: Any) -> str:
    """A timedelta as ``--timeout`` takes it."""
    if hasattr(value, "total_seconds"):  # without the import
        return f"{value.total_seconds():f}s"
    raise TypeError(f"{type(value).__name__} is no JSON type")


def submit_lines(lines: Sequence[str], command: Sequence[str]) -> list[Submitted]:
    """All of these lines of ``submit --jsonl`` are on disk, in one transaction, or none; the ids in order.

    Args:
        lines: without line ends.
        command: how to run jobctl; empty: it is looked for.

    Raises:
        SubmitError: with what ``jobctl submit`` said.
    """
    import subprocess  # 10 ms that only code that submits pays for

    done = subprocess.run(
        [*(command or _found_command()), "submit", "--jsonl", "-", "--quiet"],
        input="\n".join(lines) + "\n",
        capture_output=True,
        encoding="utf-8",
        errors="backslashreplace",
        check=False,
    )
    if done.returncode:
        said = done.stderr.strip().removeprefix("jobctl: error: ")
        said = said or f"jobctl submit ended with {done.returncode}"
        raise SubmitError(said)
    return [Submitted(word) for word in done.stdout.split()]


def _found_command() -> list[str]:
    """How to run jobctl from here: by this interpreter if it has all of it, else by its name."""
    import shutil
    from importlib.util import find_spec

    if find_spec("apsw") is not None:
        return [sys.executable, "-P", "-m", "jobctl"]
    found = shutil.which("jobctl")
    if found is None:
        raise SubmitError("no jobctl in PATH, and this interpreter has none")
    return [found]
