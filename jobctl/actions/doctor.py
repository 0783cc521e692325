"""Examines this machine and this home: whether jobctl can keep its promises here, and what helps if not."""

from __future__ import annotations

import contextlib
import os
import platform
import re
import resource
import shutil
import stat
import sys
import tempfile
import time
from collections.abc import Callable, Iterator
from importlib.metadata import PackageNotFoundError, version

from jobctl import __version__
from jobctl.clock import Clock
from jobctl.errors import JobctlError, NotFoundError
from jobctl.executors.attempts import AttemptDirectory
from jobctl.executors.base import AttemptOrder, SpawnError, StartRefused
from jobctl.executors.command import CommandExecutor
from jobctl.executors.processes import LINUX, become_subreaper, tag_supported
from jobctl.model.diagnoses import (
    Finding,
    Grade,
    judge_clock,
    judge_filesystem,
    judge_limits,
    judge_space,
    judge_sqlite,
)
from jobctl.model.homes import Home
from jobctl.store import Store
from jobctl.store.figures import sqlite_build

_PACKAGES = ("peewee", "apsw", "typer", "rich", "croniter", "psutil", "PyYAML", "plotille")
_EXTRAS = {"watchfiles": "watch", "prometheus-client": "metrics"}
_SHIM_SECONDS = 20.0
_SAID = b"doctor was here\n"


def examine(home: Callable[[], Home], clock: Clock) -> list[Finding]:
    """Every finding. ``home`` may refuse: that is a finding too."""
    wall, steady = clock.now_ms(), clock.monotonic()
    found = [*_versions(), judge_sqlite(*sqlite_build())]
    try:
        found += _home(home())
        place: Home | None = home()
    except JobctlError as error:
        found.append(Finding("home", Grade.BROKEN, error.message, error.hint))
        place = None
    ahead = 0.0
    if place is not None:
        stored, ahead = _store(place, clock)
        found += [stored, judge_filesystem(*_filesystem(place)), _space(place)]
    found += judge_limits(_limit(resource.RLIMIT_NOFILE), _limit(resource.RLIMIT_NPROC))
    found += [_shim(), *_kernel(), _zones(), _terminal()]
    drift = (clock.now_ms() - wall) / 1000 - (clock.monotonic() - steady)
    return [*found, judge_clock(drift, ahead)]


def _versions() -> Iterator[Finding]:
    python = ".".join(map(str, sys.version_info[:3]))
    yield Finding("jobctl", Grade.OK, f"{__version__}, Python {python}, {platform.platform(terse=True)}")
    known = {name: _version(name) for name in (*_PACKAGES, *_EXTRAS)}
    missing = [name for name in _PACKAGES if known[name] is None]
    text = ", ".join(f"{name} {known[name]}" for name in known if known[name] is not None)
    absent = [f"{name} (extra {_EXTRAS[name]})" for name in _EXTRAS if known[name] is None]
    text += f"; not installed: {', '.join(absent)}" if absent else ""
    if missing:
        lost = f"missing: {', '.join(missing)}; {text}"
        yield Finding("packages", Grade.BROKEN, lost, "pip install --force-reinstall jobctl")
    else:
        yield Finding("packages", Grade.OK, text)


def _version(name: str) -> str | None:
    try:
        return version(name)
    except PackageNotFoundError:
        return None


def _home(home: Home) -> Iterator[Finding]:
    try:
        found = os.stat(home.path)
    except OSError:
        parent = _existing(home.path)
        if os.access(parent, os.W_OK | os.X_OK):
            yield Finding("home", Grade.OK, f"{home.path}: made by the first submit")
        else:
            yield Finding(
                "home", Grade.BROKEN, f"{home.path}: cannot be made in {parent}", "name another with --home"
            )
        return
    mode = stat.S_IMODE(found.st_mode)
    if not os.access(home.path, os.R_OK | os.W_OK | os.X_OK):
        yield Finding("home", Grade.BROKEN, f"{home.path}: not writable", f"chmod u+rwx {home.path}")
    elif mode & 0o077:
        message = f"{home.path}: others may look into it (mode {mode:o})"
        yield Finding("home", Grade.WARNING, message, f"chmod 700 {home.path}")
    else:
        yield Finding("home", Grade.OK, f"{home.path}, mode {mode:o}")


def _store(home: Home, clock: Clock) -> tuple[Finding, float]:
    """The store opens; and how many seconds its newest event is ahead of the clock."""
    try:
        with Store.open(home, clock) as store:
            newest = store.database.value(
                "SELECT max(at) FROM (SELECT at FROM events ORDER BY id DESC LIMIT 100)"
            )
            says = f"opens; {sum(store.jobs.counts().values()):,} jobs"
            return Finding("store", Grade.OK, says), 0.0 if newest is None else (
                newest - clock.now_ms()
            ) / 1000
    except NotFoundError:
        return Finding("store", Grade.OK, "none yet"), 0.0
    except JobctlError as error:
        return Finding("store", Grade.BROKEN, error.message, error.hint or "run: jobctl db check"), 0.0


def _filesystem(home: Home) -> tuple[str | None, str]:
    """The kind of the file system that the home is on, or will be."""
    path = os.path.realpath(_existing(home.path))
    best, kind = "", None
    for mount, found in _mounts():
        inside = path == mount or path.startswith(mount.rstrip("/") + "/")
        if inside and len(mount) >= len(best):
            best, kind = mount, found
    return kind, path


def _mounts() -> list[tuple[str, str]]:
    try:
        with open("/proc/self/mountinfo", encoding="utf-8", errors="surrogateescape") as file:
            lines = [line.split() for line in file]
    except OSError:
        import psutil  # 10 ms, for systems without /proc

        return [(part.mountpoint, part.fstype) for part in psutil.disk_partitions(all=True)]
    return [(_unescaped(words[4]), words[words.index("-") + 1]) for words in lines]


def _unescaped(path: str) -> str:
    r"""Blanks are written as ``\040`` there."""
    return re.sub(r"\\([0-7]{3})", lambda match: chr(int(match[1], 8)), path)


def _space(home: Home) -> Finding:
    found = os.statvfs(_existing(home.path))
    return judge_space(found.f_bavail * found.f_frsize, found.f_favail if found.f_files else None)


def _existing(path: str) -> str:
    while not os.path.exists(path):
        path = os.path.dirname(path)
    return path


def _limit(which: int) -> int | None:
    soft = resource.getrlimit(which)[0]
    return None if soft == resource.RLIM_INFINITY else soft


def _shim() -> Finding:
    """A real attempt runs in a directory of its own: its output and its exit code are found afterwards."""
    directory = tempfile.mkdtemp(prefix="jobctl-doctor-")
    remedy = "check that /bin/sh and the directory for temporary files work: echo $TMPDIR"
    try:
        attempt = AttemptDirectory(f"{directory}/1/1")
        os.mkdir(f"{directory}/1", 0o700)
        order = AttemptOrder(
            1, 1, attempt.path, (b"/bin/sh", b"-c", b'printf "doctor was here\\n"; exit 3'), os.fsencode(directory),
            0o022, {b"PATH": os.environb.get(b"PATH", b"/usr/bin:/bin")}, None, False, 0, 0,
        )  # fmt: skip
        began = time.perf_counter()
        started = CommandExecutor().start(order)
        code = started.process.wait(_SHIM_SECONDS)
        took = (time.perf_counter() - began) * 1000
        record = attempt.read_exit()
        with open(next(iter(attempt.log_paths().values())), "rb") as log:
            said = log.read()
        if record is None or (record.code, code, said) != (3, 3, _SAID):
            kept = "nothing" if record is None else f"code {record.code}"
            what = f"exit 3 was recorded as {kept}, its output as {said[:40]!r}"
            return Finding("shim", Grade.BROKEN, what, remedy)
        return Finding("shim", Grade.OK, f"ran a job in {took:.0f} ms; output and exit code on record")
    except (SpawnError, StartRefused) as error:
        return Finding("shim", Grade.BROKEN, error.message, remedy)
    except (OSError, TimeoutError) as error:
        return Finding("shim", Grade.BROKEN, str(error), remedy)
    finally:
        shutil.rmtree(directory, ignore_errors=True)


def _kernel() -> Iterator[Finding]:
    """What whole trees of processes are found and ended by."""
    if not LINUX:
        text = f"{platform.system()}: no subreaper, pidfd or tags; sessions and noted pids are used instead"
        yield Finding(
            "processes", Grade.WARNING, text, "a job that hides from its session may survive its end"
        )
        return
    lacking = [
        name
        for name, works in (
            ("subreaper", become_subreaper()),
            ("pidfd", _has_pidfd()),
            ("tags", tag_supported()),
        )
        if not works
    ]
    if lacking:
        text = f"this kernel or sandbox refuses: {', '.join(lacking)}"
        yield Finding(
            "processes", Grade.WARNING, text, "a job that hides from its session may survive its end"
        )
    else:
        yield Finding("processes", Grade.OK, "subreaper, pidfd and tags work")


def _has_pidfd() -> bool:
    with contextlib.suppress(OSError, AttributeError):
        os.close(os.pidfd_open(os.getpid()))
        return True
    return False


def _zones() -> Finding:
    from zoneinfo import ZoneInfo, ZoneInfoNotFoundError

    try:
        ZoneInfo("Europe/Berlin")
    except (ZoneInfoNotFoundError, OSError):
        return Finding("timezones", Grade.BROKEN, "no database of time zones", "pip install tzdata")
    offset = time.strftime("%Z %z")
    return Finding("timezones", Grade.OK, f"known; here it is {offset}")


def _terminal() -> Finding:
    encoding = (sys.stdout.encoding or "ascii").lower()
    kind = os.environ.get("TERM", "none")
    size = shutil.get_terminal_size()
    where = (
        f"{size.columns}×{size.lines}, TERM {kind}"
        if sys.stdout.isatty()
        else "standard output is no terminal"
    )
    if not encoding.startswith("utf"):
        return Finding("terminal", Grade.WARNING, f"{where}, encoding {encoding}", "set LC_ALL=C.UTF-8")
    return Finding("terminal", Grade.OK, f"{where}, {encoding}")
