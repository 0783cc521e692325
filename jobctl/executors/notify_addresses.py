"""Where daemons send their notices: an address that outlives the supervisor, so an adopted daemon finds the next one.

Linux: an abstract socket, for a path longer than 107 bytes cannot be one. Its name is random, kept in a file of the
daemon's directory. Elsewhere: a path in a directory under ``/tmp`` that nobody else may enter.
"""

from __future__ import annotations

import contextlib
import errno
import os
import re
import secrets
import stat

from jobctl.executors.processes import LINUX

_ADDRESS = re.compile(r"@?[ -~]{1,100}")


def notify_address(directory: str) -> str:
    """The value of ``NOTIFY_SOCKET`` for the daemon with that directory, the same ever again.

    Raises:
        OSError: it cannot be kept there.
    """
    kept = _kept(f"{directory}/notify")
    return kept if _ADDRESS.fullmatch(kept) else renew_address(directory)


def renew_address(directory: str) -> str:
    """Another address, kept from now on.

    Raises:
        OSError: it cannot be kept there.
    """
    path = f"{directory}/notify"
    address = (
        f"@jobctl-{secrets.token_hex(16)}" if LINUX else f"{_private_directory()}/{secrets.token_hex(8)}"
    )
    part = f"{path}.part"
    with contextlib.suppress(FileNotFoundError):
        os.unlink(part)
    fd = os.open(part, os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_CLOEXEC, 0o600)
    with open(fd, "w", encoding="ascii") as file:
        file.write(address + "\n")
    os.rename(part, path)
    return address


def _kept(path: str) -> str:
    """What stands in the file; nothing if there is none, and never a wait on a FIFO."""
    try:
        fd = os.open(path, os.O_RDONLY | os.O_NONBLOCK | os.O_CLOEXEC | os.O_NOFOLLOW)
    except OSError as error:
        if error.errno in (errno.ENOENT, errno.ELOOP, errno.ENXIO):  # ENXIO: a socket
            return ""
        raise
    with open(fd, encoding="ascii", errors="replace") as file:
        return file.read(200).strip() if stat.S_ISREG(os.fstat(fd).st_mode) else ""


def bindable(address: str) -> str:
    """The address as ``bind`` and ``sendto`` take it."""
    return "\0" + address[1:] if address.startswith("@") else address


def _private_directory() -> str:
    path = f"/tmp/jobctl-{os.geteuid()}"  # noqa: S108 - short on purpose, and checked
    with contextlib.suppress(FileExistsError):
        os.mkdir(path, 0o700)
    found = os.lstat(path)
    if not stat.S_ISDIR(found.st_mode) or found.st_uid != os.geteuid() or found.st_mode & 0o077:
        raise OSError(f"{path} is not a directory of this user alone")
    return path
