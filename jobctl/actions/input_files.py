"""Paths that jobs and daemons are given: variables, read now; standard input and directory, used at the start."""

from __future__ import annotations

import os
import stat

from jobctl.actions.callers import native
from jobctl.errors import BadInputError

LARGEST_ENV_FILE = 1 << 20

_FLEETING = ("/dev/fd/", "/dev/std", "/proc/self/")
"""What the shell's ``<(…)`` gives: another file, or none, by the time the job starts."""


def read_env_file(path: str, shown: str, *, waits: bool) -> str:
    """What the env file says.

    Args:
        path: of the file, absolute.
        shown: as the user wrote it.
        waits: whether a FIFO or a terminal is read to its end, as ``--env-file <(…)`` wants; else what is no
            regular file is refused at once, since who reads it may be the supervisor.

    Raises:
        BadInputError: ``E_FILE``: it cannot be read, or is above 1 MiB.
    """
    try:
        data = _read(path, shown, 0 if waits else os.O_NONBLOCK)
    except OSError as error:
        raise BadInputError(f"cannot read the env file ({error.strerror})", shown, code="E_FILE") from None
    if len(data) > LARGEST_ENV_FILE:
        raise BadInputError("the env file is above 1 MiB", shown, "is it the right file?", "E_FILE")
    return data.decode("utf-8", "surrogateescape")


def _read(path: str, shown: str, flags: int) -> bytes:
    # Non-blocking, the open of a FIFO does not wait for a writer; for a regular file it changes nothing.
    descriptor = os.open(native(path), os.O_RDONLY | os.O_CLOEXEC | os.O_NOCTTY | flags)
    try:
        if flags and not stat.S_ISREG(os.fstat(descriptor).st_mode):
            raise BadInputError("the env file is no regular file", shown, "name one that stays", "E_FILE")
        with open(descriptor, "rb", closefd=False) as file:
            return file.read(LARGEST_ENV_FILE + 1)
    finally:
        os.close(descriptor)


def check_stdin_file(path: str, shown: str) -> None:
    """The file can be read when the job starts, as far as one can tell without opening a FIFO.

    Raises:
        BadInputError: ``E_FILE``.
    """
    try:
        found = os.stat(native(path))
    except OSError as error:
        raise BadInputError(f"cannot read the stdin file ({error.strerror})", shown, code="E_FILE") from None
    if stat.S_ISDIR(found.st_mode):
        raise BadInputError("the stdin file is a directory", shown, "name a file", "E_FILE")
    if path.startswith(_FLEETING):
        raise BadInputError(
            "the stdin file ends with this command", shown, "name a file that stays", "E_FILE"
        )
    if not os.access(native(path), os.R_OK):
        raise BadInputError("cannot read the stdin file (Permission denied)", shown, code="E_FILE")


def check_directory(path: str, shown: str | None = None) -> None:
    """The working directory exists.

    Raises:
        BadInputError: ``E_CWD``.
    """
    shown = path if shown is None else shown
    try:
        found = os.stat(native(path))
    except OSError as error:
        what = f"cannot use the working directory ({error.strerror})"
        raise BadInputError(what, shown, "it must exist now", "E_CWD") from None
    if not stat.S_ISDIR(found.st_mode):
        raise BadInputError("the working directory is not a directory", shown, code="E_CWD")
