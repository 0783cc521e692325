"""Files that a verb writes where the user says: whole or not at all."""

from __future__ import annotations

import contextlib
import os
import stat
import tempfile

from jobctl.errors import BadInputError, UnusableError
from jobctl.model.homes import Home


def check_output(wanted: str, home: Home) -> str:
    """The absolute path of a file that may be written: nothing of the store, no directory, in one that exists.

    Raises:
        BadInputError: ``E_PATH``: it may not.
    """
    if not wanted or "\0" in wanted:
        raise BadInputError("not a name for a file", wanted, "for example: report.html", "E_PATH")
    path = os.path.realpath(wanted)
    if os.path.isdir(path) or wanted.endswith("/"):
        raise BadInputError("a directory, not a file", wanted, "name a file in it", "E_PATH")
    if not os.path.isdir(os.path.dirname(path)):
        raise BadInputError("no directory for the file", os.path.dirname(path), "make it first", "E_PATH")
    own = os.path.realpath(home.store)
    if path in (own, f"{own}-wal", f"{own}-shm", f"{own}-journal", os.path.realpath(home.supervisor_lock)):
        raise BadInputError("a file of the store itself", wanted, "use another name", "E_PATH")
    return path


def write_output(path: str, text: str) -> None:
    """The file has this text; a reader finds the old one or the new one, never a part.

    A new file is the owner's alone (0600), one that is replaced keeps its permissions. What is no regular file, such as
    ``/dev/stdout`` or a FIFO, is written into.

    Raises:
        UnusableError: ``E_OUTPUT``: the system refuses.
    """
    try:
        _write(path, text.encode("utf-8"))
    except OSError as error:
        what = f"cannot write the file ({error.strerror})"
        raise UnusableError(what, path, "check the directory and the disk", "E_OUTPUT") from error


def _write(path: str, body: bytes) -> None:
    try:
        mode = os.stat(path).st_mode
    except FileNotFoundError:
        mode = stat.S_IFREG | 0o600
    if not stat.S_ISREG(mode):
        with open(path, "wb") as target:
            target.write(body)
        return
    descriptor, temporary = tempfile.mkstemp(prefix=".jobctl-", dir=os.path.dirname(path))
    try:
        with open(descriptor, "wb") as target:
            target.write(body)
            target.flush()
            os.fchmod(target.fileno(), stat.S_IMODE(mode))
            os.fsync(target.fileno())
        os.replace(temporary, path)
    except BaseException:
        with contextlib.suppress(FileNotFoundError):
            os.unlink(temporary)
        raise
