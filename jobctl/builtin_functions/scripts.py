"""Python scripts as function jobs: what they import is imported once a worker, not once a run."""

from __future__ import annotations

import os
import runpy
import sys
import threading
from collections.abc import Iterator, Sequence
from contextlib import contextmanager

from jobctl.context import Cancelled
from jobctl.functions import job


@job("run_script")
def run_script(script: str, args: Sequence[str] = ()) -> None:
    """Run a Python script as its own program would run, in a warm interpreter.

    It is ``__main__``, finds its arguments in ``sys.argv`` and its directory first in ``sys.path``; its exit code is
    the job's, and ``context.result(value)`` sets the result. Modules from its own directory are imported afresh each
    time, all others once a worker. Exit functions (``atexit``) run when the worker ends.

    Args:
        script: its path, relative to the job's working directory.
        args: its arguments.

    Raises:
        FileNotFoundError: there is no such script.
    """
    path = os.path.abspath(script)
    if not os.path.isfile(path):
        raise FileNotFoundError(f"no such script: {path}")
    threads = set(threading.enumerate())
    with _as_program(path, args):
        try:
            runpy.run_path(path, run_name="__main__")
        except Cancelled:  # as by a signal: nothing is waited for, and the worker ends
            raise
        except BaseException:
            _join(threads)
            raise
        _join(threads)


def _join(before: set[threading.Thread]) -> None:
    """The script's threads have ended; as in a program of its own, those that are daemons count for nothing."""
    while left := [one for one in threading.enumerate() if one not in before and not one.daemon]:
        for thread in left:
            thread.join()


@contextmanager
def _as_program(path: str, args: Sequence[str]) -> Iterator[None]:
    """``sys.argv`` and ``sys.path`` are the script's; afterwards nothing of it is left in ``sys.modules``."""
    directory = os.path.dirname(path)
    argv, search, main = sys.argv, list(sys.path), sys.modules.get("__main__")
    sys.argv = [path, *args]
    sys.path.insert(0, directory)
    try:
        yield
    finally:
        sys.argv = argv
        sys.path[:] = search
        if main is not None:
            sys.modules["__main__"] = main
        if directory not in search:
            _forget_modules(directory)


def _forget_modules(directory: str) -> None:
    """Modules that lie directly in ``directory`` count as not imported: another script may have its own."""
    own = {
        name for name, module in list(sys.modules.items()) if "." not in name and _place(module) == directory
    }
    for name in list(sys.modules):
        if name.partition(".")[0] in own:
            del sys.modules[name]


def _place(module: object) -> str | None:
    """The directory in whose listing the module is found."""
    file = getattr(getattr(module, "__spec__", None), "origin", None)
    if not isinstance(file, str) or not os.path.isabs(file):
        return None
    if os.path.basename(file) == "__init__.py":
        file = os.path.dirname(file)
    return os.path.dirname(file)
