"""Finds and reads ``jobctl.yaml``. A file that others may write to, or that is none, is never read."""

from __future__ import annotations

import os
import stat
from typing import TYPE_CHECKING

from jobctl.errors import BadInputError, NotFoundError, UnusableError
from jobctl.model.homes import Home

if TYPE_CHECKING:
    from jobctl.model.configurations import Configuration

LARGEST_FILE = 1 << 20
NAME = "jobctl.yaml"


def configuration_path(home: Home) -> str:
    """Where the configuration of ``home`` is, or would be.

    It lies beside a home called ``.jobctl``, so that it is the same one whether the home was found by it or named
    (as in a job, by ``$JOBCTL_HOME``); else in the home.
    """
    directory, name = os.path.split(home.path)
    if name == ".jobctl":
        beside = os.path.join(directory, NAME)
        # In a directory where others may write, a file beside is no word of the owner of the home.
        if os.path.lexists(beside) and _is_safe(os.stat(directory)):
            return beside
    return os.path.join(home.path, NAME)


def read_configuration(home: Home) -> Configuration | None:
    """What the configuration of ``home`` says; None without a file.

    Raises:
        BadInputError: ``E_CONFIG``: no regular file, above 1 MiB, not UTF-8, or wrong (a ``BadFileError``).
        UnusableError: it cannot be read, belongs to somebody else, or others may write to it.
    """
    path = configuration_path(home)
    data = _read(path)
    return None if data is None else _parsed(data, path)


def required_configuration(home: Home) -> Configuration:
    """What the configuration of ``home`` says. A file that is missing says nothing, not that there is nothing.

    Raises:
        NotFoundError: ``E_NO_CONFIG``: there is no file.
        BadInputError, UnusableError: as :func:`read_configuration`.
    """
    found = read_configuration(home)
    if found is None:
        hint = "make one, or go where it is; an empty one takes back what it said"
        raise NotFoundError("no configuration at", configuration_path(home), hint, "E_NO_CONFIG")
    return found


def check_configuration(path: str) -> Configuration:
    """What the file at ``path`` says, whoever may write to it: to look at, not to go by.

    Raises:
        BadInputError: ``E_CONFIG``: it cannot be read, or it is wrong (a ``BadFileError``).
    """
    try:
        with open(os.open(path, os.O_RDONLY | os.O_NONBLOCK | os.O_CLOEXEC), "rb") as file:
            data = file.read(LARGEST_FILE + 1)
    except OSError as error:
        raise BadInputError(f"cannot read the file ({error.strerror})", path, code="E_CONFIG") from None
    if len(data) > LARGEST_FILE:
        raise BadInputError("the configuration is above 1 MiB", path, "is it the right file?", "E_CONFIG")
    return _parsed(data, path)


def _parsed(data: bytes, path: str) -> Configuration:
    try:
        text = data.decode("utf-8-sig")
    except UnicodeDecodeError as error:
        line, column = data.count(b"\n", 0, error.start) + 1, error.start - data.rfind(b"\n", 0, error.start)
        where = f"{path}:{line}:{column}"
        raise BadInputError(f"{where}: not UTF-8", None, "save it as UTF-8", "E_CONFIG") from None
    from jobctl.model.configurations import parse_configuration  # only who has a file pays for it

    return parse_configuration(text, path)


def _read(path: str) -> bytes | None:
    try:
        # A FIFO would block an open for reading; O_NONBLOCK changes nothing for a regular file.
        descriptor = os.open(path, os.O_RDONLY | os.O_NONBLOCK | os.O_CLOEXEC)
    except FileNotFoundError:
        return None
    except OSError as error:
        raise UnusableError(
            f"cannot read the configuration ({error.strerror})", path, code="E_CONFIG"
        ) from None
    try:
        found = os.fstat(descriptor)
        if not stat.S_ISREG(found.st_mode):
            raise BadInputError("the configuration is no regular file", path, "replace it", "E_CONFIG")
        if not _is_safe(found):
            hint = "it must be your own: chown it to yourself, chmod go-w"
            raise UnusableError("others may write to the configuration", path, hint, "E_CONFIG")
        with open(descriptor, "rb", closefd=False) as file:
            data = file.read(LARGEST_FILE + 1)
    finally:
        os.close(descriptor)
    if len(data) > LARGEST_FILE:
        raise BadInputError("the configuration is above 1 MiB", path, "is it the right file?", "E_CONFIG")
    return data


def _is_safe(found: os.stat_result) -> bool:
    """Whether only the user (or root) can have written it."""
    return found.st_uid in (os.geteuid(), 0) and not found.st_mode & (stat.S_IWGRP | stat.S_IWOTH)
