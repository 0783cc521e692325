"""Whether a store is sound: its own, or a copy."""

from __future__ import annotations

import os
from collections.abc import Callable

from jobctl.errors import NotFoundError
from jobctl.model.homes import Home
from jobctl.model.integrity import Checkup
from jobctl.store.database import missing_store
from jobctl.store.integrity import examine


def check_store(home: Home, *, quick: bool, report: Callable[[int, int, str], None]) -> Checkup:
    """What is to be said of the store of ``home``; nothing is written, and a running supervisor is not disturbed.

    Raises:
        NotFoundError: there is none.
    """
    found = examine(home.store, runs=home.runs, quick=quick, report=report)
    if found is None:
        raise missing_store(home.path)
    return found


def check_copy(path: str, *, quick: bool, report: Callable[[int, int, str], None]) -> Checkup:
    """What is to be said of a copy of a store; no files are made beside it.

    Raises:
        NotFoundError: there is no such file, or it is empty.
    """
    found = examine(os.path.abspath(path), quick=quick, report=report)
    if found is None:
        raise NotFoundError(
            "no store in the file", path, "give a file made by: jobctl db backup", "E_NO_STORE"
        )
    return found
