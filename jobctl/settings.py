"""Settings: defaults < environment < flags, one frozen object; and which home a call is about."""

from __future__ import annotations

import os
import stat
from collections.abc import Mapping
from dataclasses import dataclass, fields, replace

from jobctl.errors import BadInputError, UnusableError
from jobctl.model.durations import parse_duration
from jobctl.model.homes import Home
from jobctl.model.names import parse_whole
from jobctl.model.sizes import parse_size

PROJECT_FILE = "jobctl.yaml"


@dataclass(frozen=True, slots=True)
class Settings:
    """What holds where a job does not say otherwise (DESIGN section 5, "Defaults")."""

    default_attempts: int = 1
    default_timeout: float = 0.0
    """Seconds; 0 means none."""
    default_priority: int = 5
    default_grace: float = 10.0
    default_retry_delay: float = 5.0
    default_backoff: float = 2.0
    default_max_delay: float = 3600.0
    progress_interval: float = 0.25
    """Seconds between two looks at what running jobs report."""
    idle_interval: float = 1.0
    """Seconds an idle supervisor sleeps at most; wake-ups do not depend on it."""
    log_cap: int = 1 << 30
    """Bytes of output kept an attempt."""


_SIZES = {"log_cap"}
_WHOLE = {"default_attempts": (1, 1000), "default_priority": (1, 10)}
_VARIABLES = {f"JOBCTL_{field.name.upper()}": field.name for field in fields(Settings)}


def settings_of(environment: Mapping[str, str]) -> Settings:
    """The defaults with what ``JOBCTL_<SETTING>`` variables say instead: ``JOBCTL_DEFAULT_TIMEOUT=5m``.

    Raises:
        BadInputError: a variable's value does not fit its setting.
    """
    changes: dict[str, object] = {}
    for variable, name in _VARIABLES.items():
        if text := environment.get(variable):
            changes[name] = _setting(name, text, variable)
    return replace(Settings(), **changes) if changes else Settings()  # type: ignore[arg-type]


def _setting(name: str, text: str, variable: str) -> object:
    if name in _WHOLE:
        return parse_whole(text, variable, *_WHOLE[name])
    if name in _SIZES:
        return parse_size(text)
    if name == "default_backoff":
        return float(parse_duration(text, variable))
    return parse_duration(text, variable, allow_zero=name == "default_timeout")


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
