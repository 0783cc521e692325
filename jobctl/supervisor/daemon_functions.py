"""What a daemon that is a function is started with."""

from __future__ import annotations

import json
import os
import sys

from jobctl.actions.functions import function_directory
from jobctl.actions.inspections import applied_functions
from jobctl.errors import BadInputError
from jobctl.executors import worker
from jobctl.executors.base import SpawnError
from jobctl.model.calls import Call
from jobctl.model.homes import Home
from jobctl.settings import Settings
from jobctl.store import Store

NOT_ALLOWED = 126
_ENTRY = os.path.join(worker.__path__[0], "__main__.py")


class DaemonFunctions:
    """How daemons that are functions are started, as the settings say it now."""

    def __init__(self, store: Store, settings: Settings) -> None:
        self._store = store
        self._settings = settings

    def use(self, settings: Settings) -> None:
        """These settings hold for what is started from now on."""
        self._settings = settings

    def argv(self, name: str, call: Call) -> tuple[bytes, ...]:
        """The argument vector of a process that is the daemon ``name``; what it calls is written down for it.

        The arguments are in a file: ``ps`` shows an argv to everybody.

        Raises:
            SpawnError: its module is not allowed any more.
            OSError: what it calls cannot be written down.
        """
        settings, home = self._settings, self._store.home
        try:
            applied_functions(self._store, settings).function(call.function)
        except BadInputError as error:
            raise SpawnError(NOT_ALLOWED, str(error)) from None
        path = call_path(home, name)
        order = {
            "args": dict(call.args),
            "path": [function_directory(home)],
            "jobctl": [sys.executable, "-P", "-m", "jobctl"],
        }
        with open(os.open(f"{path}.new", os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o600), "wb") as file:
            file.write(json.dumps(order).encode())
        os.replace(f"{path}.new", path)
        python = settings.worker_python or sys.executable
        words = (python, *settings.worker_args, _ENTRY, "--daemon", call.function, path)
        return tuple(word.encode("utf-8", "surrogateescape") for word in words)


def call_path(home: Home, name: str) -> str:
    """The file that says what the daemon is called with."""
    return f"{home.daemon(name)}/call.json"
