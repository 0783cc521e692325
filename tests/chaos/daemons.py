"""Kill -9 the supervisor at random moments, and then look whether a daemon was doubled or a line lost.

    python -m tests.chaos.daemons --kills 100 [--seed N] [--peaceful]

Four daemons print numbered lines as fast as they may: one that goes on, one that crashes, one whose tree is nasty, and
one that floods. Each holds a lock for as long as it lives, and says so in a file if somebody else has it. Unless
``peaceful``, daemons are stopped, started, restarted and killed meanwhile. The check is made afterwards, from their
own counts and the logs alone. The seed makes the choices again, not the timing.
"""

from __future__ import annotations

import argparse
import os
import random
import re
import signal
import sys
import tempfile
import time
from collections import defaultdict
from contextlib import suppress
from dataclasses import dataclass, field
from pathlib import Path

from jobctl.actions.daemon_logs import DaemonLogRequest, read_daemon_log
from jobctl.actions.supervisors import wake
from jobctl.model.daemons import Daemon, DaemonDefinition, DaemonSource, DaemonState
from jobctl.model.events import EventKind
from tests.support.supervisors import PATIENCE, Site
from tests.support.waiting import wait_until

PROGRAM = """
import fcntl, mmap, os, random, sys, time
name, pause, life = sys.argv[1], float(sys.argv[2]), float(sys.argv[3])
lock = os.open(f"{name}.lock", os.O_RDWR | os.O_CREAT)
try:
    fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
except BlockingIOError:
    os.write(os.open(f"{name}.doubled", os.O_WRONLY | os.O_CREAT | os.O_APPEND), b"%d\\n" % os.getpid())
generation = os.environ["JOBCTL_RUN"].rsplit(".", 1)[1]
count = os.open(f"{name}.{generation}.count", os.O_RDWR | os.O_CREAT | os.O_EXCL)
os.ftruncate(count, 8)
counted = mmap.mmap(count, 8)
if sys.argv[4] == "nasty":
    import signal, subprocess
    signal.signal(signal.SIGTERM, signal.SIG_IGN)
    subprocess.Popen(["/bin/sh", "-c", "trap '' TERM; sleep 1000 & setsid sleep 1000 & wait"], close_fds=True)
end, n = time.monotonic() + random.expovariate(1 / life), 0
while time.monotonic() < end:
    n += 1
    os.write(1 + n % 2, b"%s %d %s\\n" % (generation.encode(), n, b"x" * (n % 90)))
    counted[:] = n.to_bytes(8, "big")
    if pause:
        time.sleep(pause)
sys.exit(3)
"""
LINE = re.compile(rb"([0-9]+) ([0-9]+) (x*)")
KINDS = {
    "steady": ("0.01", "1e9", "plain"),
    "crasher": ("0.01", "0.7", "plain"),
    "nasty": ("0.02", "3", "nasty"),
    "flood": ("0.0005", "1e9", "plain"),
}


@dataclass(slots=True)
class Findings:
    """What is wrong, a text each, and how much was looked at."""

    doubled: list[str] = field(default_factory=list)
    lost: list[str] = field(default_factory=list)
    repeated: list[str] = field(default_factory=list)
    cut: list[str] = field(default_factory=list)
    generations: int = 0
    lines: int = 0

    @property
    def is_clean(self) -> bool:
        """Whether every promise was held."""
        return not (self.doubled or self.lost or self.repeated or self.cut)


class Chaos:
    """One run on one home."""

    def __init__(self, root: Path, seed: int, *, peaceful: bool) -> None:
        self.site = Site(root)
        self.random = random.Random(seed)
        self.peaceful = peaceful
        (root / "program.py").write_text(PROGRAM)
        with self.site.store.write():
            for name, words in KINDS.items():
                definition = DaemonDefinition(
                    name, command=(sys.executable, "-S", "program.py", name, *words), cwd=str(root),
                    backoff_seconds=0.05, max_delay_seconds=0.3, max_restarts=0, start_seconds=0.05,
                    stop_timeout_seconds=0.3, max_log_bytes=50_000, keep_logs=100_000,
                )  # fmt: skip
                self.site.store.daemons.add(definition, DaemonSource.CLI, self.site.clock.now_ms())
                self.site.store.daemons.ask_start(name, self.site.clock.now_ms())

    def run(self, kills: int) -> Findings:
        """So many supervisors were killed; then one stopped all in peace."""
        for number in range(kills):
            supervisor = self.site.up()
            end = time.monotonic() + self.random.uniform(0.0, 0.7)
            while not self.peaceful and time.monotonic() < end:
                self._meddle()
                time.sleep(self.random.uniform(0.0, 0.2))
            time.sleep(max(0.0, end - time.monotonic()))
            self.site.kill(supervisor)
            if number % 10 == 9:
                print(f"{number + 1} kills", file=sys.stderr, flush=True)
        supervisor = self.site.up()
        for name in KINDS:
            self._ask("start", name)
        wait_until(lambda: all(d.state is DaemonState.RUNNING for d in self._daemons() if d.name != "crasher"),
                   seconds=PATIENCE)  # fmt: skip
        supervisor.send_signal(signal.SIGTERM)
        self.site.finish(supervisor)
        return self._check()

    def _meddle(self) -> None:
        name, what = self.random.choice(list(KINDS)), self.random.choice(["stop", "start", "restart", "kill"])
        if what != "kill":
            self._ask(what, name)
            return
        pid = next(daemon.pid for daemon in self._daemons() if daemon.name == name)
        if pid is not None:
            with suppress(ProcessLookupError):
                os.kill(pid, signal.SIGKILL)

    def _ask(self, what: str, name: str) -> None:
        daemons = self.site.store.daemons
        verb = {"stop": daemons.ask_stop, "start": daemons.ask_start, "restart": daemons.ask_restart}[what]
        with self.site.store.write():
            verb(name, self.site.clock.now_ms())
        wake(self.site.home)

    def _daemons(self) -> list[Daemon]:
        return self.site.store.daemons.all()

    def _check(self) -> Findings:
        found = Findings()
        if self.site.processes():
            found.doubled.append(f"left behind: {self.site.processes()}")
        for name in KINDS:
            if (self.site.root / f"{name}.doubled").exists():
                pids = (self.site.root / f"{name}.doubled").read_text().split()
                found.doubled.append(f"{name}: {len(pids)} beside another: {pids}")
            self._check_lines(name, found)
        return found

    def _check_lines(self, name: str, found: Findings) -> None:
        seen: dict[bytes, dict[str, list[int]]] = defaultdict(lambda: defaultdict(list))
        for line in read_daemon_log(self.site.home, name, DaemonLogRequest()):
            match = LINE.fullmatch(line.text)
            if match is None or len(match[3]) != int(match[2]) % 90:
                found.cut.append(f"{name}: {line.text[:60]!r}")
                continue
            seen[match[1]][line.stream].append(int(match[2]))
            found.lines += 1
        for path in self.site.root.glob(f"{name}.*.count"):
            found.generations += 1
            generation = path.name.split(".")[1]
            counted = int.from_bytes(path.read_bytes(), "big")
            streams = seen.pop(generation.encode(), {})
            for stream, numbers in streams.items():
                if len(set(numbers)) != len(numbers):
                    found.repeated.append(f"{name} {generation} {stream}")
                elif numbers != sorted(numbers):
                    found.cut.append(f"{name} {generation} {stream}: out of order")
            got = {number for numbers in streams.values() for number in numbers}
            # A kill may have come between the line and its count.
            missing = set(range(1, counted + 1)) - got
            if missing or (got and max(got) > counted + 1):
                found.lost.append(
                    f"{name} {generation}: {len(missing)} of {counted}, first {min(missing, default=0)}"
                )
        if seen:
            found.repeated.append(f"{name}: lines of generations that never were: {list(seen)}")


def main() -> int:
    """The exit code: 0 if every promise was held."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawTextHelpFormatter)
    parser.add_argument("--kills", type=int, default=100)
    parser.add_argument("--seed", type=int, default=None)
    parser.add_argument("--peaceful", action="store_true")
    chosen = parser.parse_args()
    seed = random.randrange(1 << 32) if chosen.seed is None else chosen.seed
    print(f"seed {seed}", flush=True)
    began = time.monotonic()
    with tempfile.TemporaryDirectory(prefix="jobctl-chaos-") as root:
        chaos = Chaos(Path(root), seed, peaceful=chosen.peaceful)
        try:
            found = chaos.run(chosen.kills)
            adopted = chaos.site.store.database.value(
                "SELECT count(*) FROM events WHERE kind=?", (EventKind.DAEMON_ADOPTED.value,)
            )
        finally:
            chaos.site.close()
    for text in found.doubled + found.lost + found.repeated + found.cut:
        print(text)
    print(
        f"seed {seed}: {chosen.kills} kills, {found.generations} generations, {adopted} adoptions,"
        f" {found.lines} lines, {len(found.doubled)} doubled, {len(found.lost)} lost,"
        f" {len(found.repeated)} repeated, {len(found.cut)} cut, {time.monotonic() - began:.0f} s"
    )
    return 0 if found.is_clean else 1


if __name__ == "__main__":
    sys.exit(main())
