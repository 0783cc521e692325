"""Settings: defaults < file < environment < flags, one frozen object; and which home a call is about."""

from __future__ import annotations

import os
import stat
from collections.abc import Mapping
from dataclasses import fields, replace
from typing import Any

from jobctl.errors import BadInputError, UnusableError
from jobctl.model.homes import Home
from jobctl.model.settings import Settings

__all__ = ["Settings", "resolve_home", "settings_of"]

PROJECT_FILE = "jobctl.yaml"


_VARIABLES = {f"JOBCTL_{field.name.upper()}": field.name for field in fields(Settings)}


def settings_of(environment: Mapping[str, str], base: Settings | None = None) -> Settings:
    """``base`` (else the defaults) with what ``JOBCTL_<SETTING>`` variables say instead: ``JOBCTL_DEFAULT_TIMEOUT=5m``.

    Raises:
        BadInputError: a variable's value does not fit its setting.
    """
    settings = Settings() if base is None else base
    given = {name: text for variable, name in _VARIABLES.items() if (text := environment.get(variable))}
    if not given:
        return settings
    from jobctl.model.setting_fields import SETTINGS  # only who sets one pays for it

    changes: dict[str, Any] = {
        name: SETTINGS[name].kind.parse(text, f"JOBCTL_{name.upper()}") for name, text in given.items()
    }
    return replace(settings, **changes)


def resolve_home(flag: str | None, environment: Mapping[str, str], cwd: str) -> Home:
    """The home a call is about: ``--home``, ``$JOBCTL_HOME``, ``.jobctl`` beside ``jobctl.yaml``, or the user's.

    Raises:
        BadInputError: an empty path, or there is no user data directory.
        UnusableError: it is no directory, belongs to someone else or others may write to it.
    """
    named = flag if flag is not None else environment.get("JOBCTL_HOME")
    if named is not None and (not named or "\0" in named):
        raise BadInputError("the home is empty", named, "give --home a directory", "E_HOME")
    path = (
        os.path.abspath(os.path.join(cwd, named)) if named else _project_home(cwd) or _user_home(environment)
    )
    _check_directory(path)
    return Home(path)


def _project_home(cwd: str) -> str | None:
    directory = cwd
    while True:
        if os.path.isfile(os.path.join(directory, PROJECT_FILE)):
            _check_directory(directory)
            return os.path.join(directory, ".jobctl")
        parent = os.path.dirname(directory)
        if parent == directory:
            return None
        directory = parent


def _user_home(environment: Mapping[str, str]) -> str:
    if not environment.get("HOME"):
        try:
            known = os.path.expanduser("~")
        except (KeyError, RuntimeError):
            known = "~"
        if known.startswith("~"):
            raise BadInputError("cannot find a home", hint="set JOBCTL_HOME", code="E_HOME")
    # Imported here: 20 ms that only a call without a home pays.
    from platformdirs import user_data_dir

    return user_data_dir("jobctl")


def _check_directory(path: str) -> None:
    """What exists at ``path`` is a directory of ours that nobody else writes to."""
    try:
        found = os.stat(path)
    except FileNotFoundError:
        return
    except OSError as error:
        raise UnusableError(f"cannot use the home ({error.strerror})", path, code="E_HOME") from error
    if not stat.S_ISDIR(found.st_mode):
        raise UnusableError("the home is not a directory", path, "name another one with --home", "E_HOME")
    if found.st_uid != os.geteuid():
        raise UnusableError(f"the home belongs to user {found.st_uid}", path, "use one of your own", "E_HOME")
    if found.st_mode & (stat.S_IWGRP | stat.S_IWOTH):
        mode = oct(stat.S_IMODE(found.st_mode))[2:]
        raise UnusableError(
            f"others may write to the home (mode {mode})", path, "run: chmod go-w on it", "E_HOME"
        )
