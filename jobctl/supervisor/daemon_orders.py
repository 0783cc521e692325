"""What a daemon is started with: its directories, its environment, its order."""

from __future__ import annotations

import contextlib
import os

from jobctl.executors.base import AttemptOrder
from jobctl.executors.command import SHELL, resolve
from jobctl.model.daemons import DaemonDefinition, Generation
from jobctl.model.homes import Home

_OURS = (b"JOBCTL_", b"NOTIFY_SOCKET", b"WATCHDOG_")
_OWN_PID = b'WATCHDOG_PID=$$; export WATCHDOG_PID; exec "$@"'
"""``sd_watchdog_enabled`` heeds a watchdog only if it is told of its own pid, which nobody knows before the fork."""


def heartbeat_path(home: Home, name: str) -> str:
    """``$JOBCTL_HEARTBEAT``."""
    return f"{home.daemon(name)}/heartbeat"


def log_path(home: Home, name: str) -> str:
    """The directory of its log."""
    return f"{home.daemon(name)}/log"


def make_directories(home: Home, name: str) -> None:
    """The daemon has its directory and its ``$JOBCTL_STATE_DIR``.

    Raises:
        OSError: they cannot be made.
    """
    for path in (home.daemons, home.daemon(name), home.daemon_state(name)):
        with contextlib.suppress(FileExistsError):
            os.mkdir(path, 0o700)


def daemon_order(
    home: Home,
    definition: DaemonDefinition,
    generation: Generation,
    run: bytes,
    tag: int,
    socket: str,
    argv: tuple[bytes, ...],
) -> AttemptOrder:
    """The order for one generation; ``run`` is its ``JOBCTL_RUN``, ``socket`` its ``NOTIFY_SOCKET``.

    Raises:
        SpawnError: there is no such program, or it cannot be executed.
    """
    environment = _environment(home, definition, run)
    environment[b"NOTIFY_SOCKET"] = os.fsencode(socket)
    environment[b"JOBCTL_STOP_SIGNAL"] = definition.stop_signal.encode()
    cwd = _bytes(definition.cwd)
    if definition.watchdog_seconds is not None:
        environment[b"WATCHDOG_USEC"] = b"%d" % round(definition.watchdog_seconds * 1_000_000)
        found = resolve(argv, cwd, environment.get(b"PATH"))
        name = found if argv[0].startswith(b"-") else argv[0]
        argv = (os.fsencode(SHELL), b"-c", _OWN_PID, b"sh", name, *argv[1:])
    return AttemptOrder(
        job_id=0,
        attempt=generation,
        directory=home.generation(definition.name, generation),
        argv=argv,
        cwd=cwd,
        umask=definition.umask,
        environment=environment,
        stdin=None,
        split_output=True,
        nice=0,
        tag=tag,
    )


def command_argv(definition: DaemonDefinition) -> tuple[bytes, ...]:
    """The argument vector of a daemon that is a command."""
    return tuple(_bytes(word) for word in definition.argv())


def check_environment(home: Home, definition: DaemonDefinition, run: bytes) -> dict[bytes, bytes]:
    """The environment of a health or readiness command: the daemon's own, but for what it talks to jobctl with."""
    return _environment(home, definition, run)


def _environment(home: Home, definition: DaemonDefinition, run: bytes) -> dict[bytes, bytes]:
    """The supervisor's environment, the declared one, and ours on top."""
    found = {name: value for name, value in os.environb.items() if not name.startswith(_OURS)}
    found |= {_bytes(name): _bytes(value) for name, value in definition.env.items()}
    return found | {
        b"JOBCTL_HOME": os.fsencode(home.path),
        b"JOBCTL_DAEMON": _bytes(definition.name),
        b"JOBCTL_STATE_DIR": os.fsencode(home.daemon_state(definition.name)),
        b"JOBCTL_HEARTBEAT": os.fsencode(heartbeat_path(home, definition.name)),
        b"JOBCTL_RUN": run,
    }


def _bytes(text: str) -> bytes:
    return text.encode("utf-8", "surrogateescape")
