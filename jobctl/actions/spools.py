"""Standard input kept in a file until the job that reads it has ended."""

from __future__ import annotations

import contextlib
import os
import secrets
import shutil
import sys

from jobctl.errors import UnusableError
from jobctl.model.homes import Home
from jobctl.store import Store


def spool_standard_input(home: Home) -> str:
    """The path of a file that holds all of this process's standard input."""
    with contextlib.suppress(FileExistsError):
        os.mkdir(home.spool, 0o700)
    path = f"{home.spool}/{secrets.token_hex(8)}"
    try:
        descriptor = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_CLOEXEC, 0o600)
        with open(descriptor, "wb") as file:
            shutil.copyfileobj(sys.stdin.buffer, file)
    except OSError as error:
        raise UnusableError(f"cannot keep the standard input ({error.strerror})", path) from error
    return path


def unspool(store: Store, path: str) -> None:
    """The file is gone, unless a job that has not ended still names it."""
    if not store.jobs.reads_input(path):
        with contextlib.suppress(OSError):  # a file that stays is no reason to stop
            os.unlink(path)
