"""Commands: any program, started through a POSIX ``sh`` shim that outlives the supervisor."""

from __future__ import annotations

import errno
import os
import re
import stat
import subprocess
import time

from jobctl.executors.attempts import AttemptDirectory, OpenAttempt
from jobctl.executors.base import MACHINE_ERRNOS, AttemptOrder, SpawnError, StartedProcess, StartRefused
from jobctl.executors.descriptors import with_given_limit
from jobctl.executors.processes import soft_tag, tag_supported

SHELL = "/bin/sh"

SHIM = """\
set +e; trap : HUP INT QUIT TERM USR1 USR2 ALRM; exec 3>&2 2>/dev/null
echo $$ 1<>"$0/pid" || exit 125
(exec "$@") <"$0/in" 2>&3 3>&- && s=0 || s=$?
printf '%-4s\\n' $s 1<>"$0/exit"
exit $s
"""
"""``$0`` is the attempt directory; standard input is the locked ``lock``, and the command gets ``in``.

A plain ``"$@"`` is not an exec: ``exit 3`` or ``cd`` would run as builtins and leave no record.
"""

REMEMBERED_SECONDS = 1.0
MOST_REMEMBERED = 256

DEFAULT_PATH = b"/usr/local/bin:/usr/bin:/bin"
"""What ``sh`` searches, at least, without ``PATH``."""

_SHELL_NAME = re.compile(rb"[A-Za-z_][A-Za-z0-9_]*\Z")


class CommandExecutor:
    """Starts a command in its own session; nothing of it needs the supervisor afterwards."""

    def __init__(self) -> None:
        self._tags = tag_supported()
        self._env = _find_tool(b"env")
        self._nice = _find_tool(b"nice")
        self._plain: set[bytes] = set()
        self._programs: dict[tuple[bytes, bytes, bytes | None], tuple[bytes, float]] = {}

    def start(self, order: AttemptOrder) -> StartedProcess:
        """The shim runs as leader of its own session, and holds the attempt's lock.

        Raises:
            SpawnError: the command, its working directory or its input cannot be used.
            StartRefused: the machine has no room now.
        """
        _check_cwd(order.cwd)
        if order.stdin is not None:
            _check_stdin(os.path.join(order.cwd, order.stdin))
        resolved = self._resolved(order)
        argv, environment = self._prefixed(order, resolved)
        opened = AttemptDirectory(order.directory).open(order)
        try:
            with soft_tag(order.tag if self._tags else 0):
                process = _spawn(order, argv, environment, opened)
        except OSError as error:
            raise _classified(error, order) from error
        except ValueError as error:
            raise SpawnError(126, f"cannot start {_shown(order.argv[0])}: {error}") from error
        finally:
            opened.close()
        return StartedProcess(process.pid, process)

    def _resolved(self, order: AttemptOrder) -> bytes:
        """The program's path; what was found lately is believed: ``exec`` itself says 126 or 127 if it has gone."""
        path = order.environment.get(b"PATH")
        key = (order.argv[0] if order.argv else b"", order.cwd, path)
        now = time.monotonic()
        known = self._programs.get(key)
        if known is not None and now < known[1]:
            return known[0]
        found = resolve(order.argv, order.cwd, path)
        if len(self._programs) >= MOST_REMEMBERED:
            self._programs.clear()
        self._programs[key] = found, now + REMEMBERED_SECONDS
        return found

    def _prefixed(self, order: AttemptOrder, resolved: bytes) -> tuple[list[bytes], dict[bytes, bytes]]:
        """The argv for the shim and the environment it gets.

        Names that sh would drop travel in an ``env`` prefix, a priority in a ``nice`` prefix.
        """
        environment = dict(order.environment)
        foreign = [name for name in environment if name not in self._plain and not self._is_plain(name)]
        argv = list(order.argv)
        if argv[0].startswith(b"-"):
            argv[0] = resolved  # bash's exec would read it as an option
        if order.nice or foreign:
            if b"PATH" not in environment:
                argv[0] = resolved  # env and nice search another default than sh
            if order.nice or b"=" in argv[0]:  # env would read it as one more assignment
                argv[:0] = [self._nice, b"-n", b"%d" % order.nice, b"--"]
        if foreign:
            argv[:0] = [self._env, b"--", *(name + b"=" + environment.pop(name) for name in foreign)]
        return argv, environment

    def _is_plain(self, name: bytes) -> bool:
        """Whether sh can hold a variable of that name; remembered, for every job asks the same 40."""
        plain = _SHELL_NAME.match(name) is not None
        if plain and len(self._plain) < 10_000:
            self._plain.add(name)
        return plain


def resolve(argv: tuple[bytes, ...], cwd: bytes, path: bytes | None) -> bytes:
    """The absolute path that ``argv[0]`` names, looked up as ``execvp`` does in ``cwd``.

    Raises:
        SpawnError: 127 if there is no such program, 126 if it cannot be executed.
    """
    name = argv[0] if argv else b""
    if not name:
        raise SpawnError(127, "the command is empty")
    if b"\0" in name:
        raise SpawnError(126, f"cannot start {_shown(name)}: embedded null byte")
    if b"/" in name:
        found = os.path.join(cwd, name)
        problem = _execution_problem(found)
        if problem is None:
            return found
        raise SpawnError(127 if problem == _MISSING else 126, f"{_shown(name)}: {problem}")
    denied = None
    for folder in (DEFAULT_PATH if path is None else path).split(b":"):
        found = os.path.join(cwd, folder, name)
        problem = _execution_problem(found)
        if problem is None:
            return found
        if problem != _MISSING and denied is None:
            denied = f"{_shown(found)}: {problem}"
    if denied is not None:
        raise SpawnError(126, denied)
    raise SpawnError(127, f"{_shown(name)}: command not found")


_MISSING = "no such file"


def _execution_problem(path: bytes) -> str | None:
    try:
        mode = os.stat(path).st_mode
    except OSError as error:
        missing = error.errno in {errno.ENOENT, errno.ENOTDIR, errno.ENAMETOOLONG}
        return _MISSING if missing else error.strerror
    if stat.S_ISDIR(mode):
        return "is a directory"
    if not stat.S_ISREG(mode) or not os.access(path, os.X_OK):
        return "not executable"
    return None


def _check_cwd(cwd: bytes) -> None:
    try:
        mode = os.stat(cwd).st_mode
    except (OSError, ValueError) as error:
        reason = error.strerror if isinstance(error, OSError) else str(error)
        raise SpawnError(126, f"working directory {_shown(cwd)}: {reason}") from error
    if not stat.S_ISDIR(mode):
        raise SpawnError(126, f"working directory {_shown(cwd)}: not a directory")


def _check_stdin(path: bytes) -> None:
    try:
        mode = os.stat(path).st_mode
    except (OSError, ValueError) as error:
        reason = error.strerror if isinstance(error, OSError) else str(error)
        raise SpawnError(126, f"standard input {_shown(path)}: {reason}") from error
    if stat.S_ISDIR(mode):
        raise SpawnError(126, f"standard input {_shown(path)}: is a directory")
    if not os.access(path, os.R_OK):
        raise SpawnError(126, f"standard input {_shown(path)}: permission denied")


def _spawn(
    order: AttemptOrder, argv: list[bytes], environment: dict[bytes, bytes], opened: OpenAttempt
) -> subprocess.Popen[bytes]:
    # umask= keeps vfork; only preexec_fn, user= and group= lose it (CPython, do_fork_exec)
    return subprocess.Popen(
        [SHELL, "-c", with_given_limit(SHIM), order.directory, *argv],
        stdin=opened.lock,
        stdout=opened.stdout,
        stderr=opened.stderr,
        cwd=order.cwd,
        env=environment,
        umask=order.umask,
        start_new_session=True,
    )


def _classified(error: OSError, order: AttemptOrder) -> SpawnError | StartRefused:
    """Whose fault a failed ``Popen`` is: CPython names the cwd as file name when chdir failed."""
    reason = error.strerror or str(error)
    if error.errno in MACHINE_ERRNOS:
        return StartRefused(f"cannot start a process: {reason}")
    if error.errno == errno.E2BIG:
        return SpawnError(
            126, f"cannot start {_shown(order.argv[0])}: arguments and environment are too long"
        )
    if error.filename == order.cwd:
        return SpawnError(126, f"working directory {_shown(order.cwd)}: {reason}")
    if error.filename == SHELL:
        return StartRefused(f"cannot run {SHELL}: {reason}")
    return SpawnError(126, f"cannot start {_shown(order.argv[0])}: {reason}")


def _find_tool(name: bytes) -> bytes:
    for folder in (b"/usr/bin", b"/bin"):
        if os.access(folder + b"/" + name, os.X_OK):
            return folder + b"/" + name
    return name


def _shown(text: bytes) -> str:
    return text.decode("utf-8", "backslashreplace")
