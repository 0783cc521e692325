"""Reading a daemon's log: across files, from its end, since an instant, one stream."""

from __future__ import annotations

import gzip
import itertools
import os
from collections.abc import Iterator
from pathlib import Path

import pytest

from jobctl.actions.daemon_logs import (
    DaemonLogRequest,
    LogGap,
    daemon_log_directory,
    follow_daemon_log,
    last_lines,
    log_line_text,
    read_daemon_log,
)
from jobctl.actions.logs import LogPause
from jobctl.executors.log_lines import DaemonLine
from jobctl.executors.log_rotation import LogLimits
from jobctl.executors.spools import Spool, SpoolPump
from jobctl.model.homes import Home
from tests.support.clocks import START_MS, ManualClock


class Daemon:
    """A daemon that writes numbered lines, one a second, to both streams in turn."""

    def __init__(self, root: Path) -> None:
        self.home = Home(str(root))
        self.clock = ManualClock()
        self.count = 0
        generation = Path(self.home.generation("web", 1))
        generation.mkdir(parents=True)
        self.spool = Spool(1, str(generation / "stdout.log"), str(generation / "stderr.log"))
        directory = daemon_log_directory(self.home, "web")
        self.pump = SpoolPump(directory, 1, self.clock, LogLimits(4096, 100))
        self.pump.begin(self.spool)

    def speak(self, lines: int) -> None:
        """So many more lines are in the log."""
        for _ in range(lines):
            stream = self.spool.stderr if self.count % 2 else self.spool.stdout
            with open(stream, "ab") as file:
                file.write(b"line %d\n" % self.count)
            self.pump.pump()
            self.count += 1
            self.clock.advance(1.0)

    def read(self, **request: object) -> list[int]:
        """The numbers of the lines that a request gives."""
        return numbers(read_daemon_log(self.home, "web", DaemonLogRequest(**request)))  # type: ignore[arg-type]


def numbers(lines: Iterator[DaemonLine]) -> list[int]:
    return [int(line.text.split()[1]) for line in lines]


def compress(home: Home, count: int) -> None:
    """The oldest files of the log are compressed, and as old as before."""
    paths = sorted(Path(daemon_log_directory(home, "web")).glob("0*.log"))[:count]
    for path in paths:
        found = path.stat()
        target = Path(f"{path}.gz")
        target.write_bytes(gzip.compress(path.read_bytes()))
        os.utime(target, ns=(found.st_atime_ns, found.st_mtime_ns))
        path.unlink()


@pytest.fixture
def daemon(tmp_path: Path) -> Iterator[Daemon]:
    made = Daemon(tmp_path)
    yield made
    made.pump.close()


def test_a_daemon_without_a_log_has_no_lines(tmp_path: Path) -> None:
    home = Home(str(tmp_path))
    assert list(read_daemon_log(home, "web", DaemonLogRequest())) == []
    assert last_lines(home, "web", 10) == []


@pytest.mark.parametrize("compressed", [0, 2, 5])
def test_reading_goes_through_all_files(daemon: Daemon, compressed: int) -> None:
    daemon.speak(700)
    compress(daemon.home, compressed)
    everything = list(range(700))
    assert daemon.read() == everything
    assert daemon.read(stream="stderr") == everything[1::2]
    for count in (0, 1, 30, 150, 450, 10**6):
        expected = everything[len(everything) - count :] if count < 700 else everything
        assert daemon.read(tail=count) == expected
    assert daemon.read(tail=200, stream="stdout") == everything[0::2][-200:]


def test_since_is_the_instant_of_the_line(daemon: Daemon) -> None:
    daemon.speak(300)
    assert daemon.read(since=START_MS + 250_000) == list(range(250, 300))
    assert daemon.read(since=START_MS + 250_000, tail=3) == [297, 298, 299]
    assert daemon.read(since=START_MS + 300_000) == []


def test_files_that_are_too_old_are_not_even_read(daemon: Daemon, monkeypatch: pytest.MonkeyPatch) -> None:
    daemon.speak(300)
    directory = Path(daemon_log_directory(daemon.home, "web"))
    first = directory / "00000001.log"
    os.utime(first, ns=(0, START_MS * 1_000_000))
    first.chmod(0)
    for path in (directory / "00000002.log", directory / "00000003.log"):
        os.utime(path, ns=(0, (START_MS + 400_000) * 1_000_000))
    opened: list[object] = []
    real = os.open

    def watched(path: str, flags: int, *rest: int) -> int:
        opened.append(path)
        return real(path, flags, *rest)

    monkeypatch.setattr(os, "open", watched)
    assert daemon.read(since=START_MS + 200_000) == list(range(200, 300))
    assert str(first) not in opened


def test_lines_that_were_not_saved_are_not_shown(daemon: Daemon) -> None:
    daemon.speak(2)
    with open(f"{daemon_log_directory(daemon.home, 'web')}/current", "ab") as file:
        file.write(b"2023-11-14T22:13:20.000Z o line 99\n")
    assert daemon.read() == [0, 1]
    assert daemon.read(tail=1) == [1]


def test_a_follower_goes_on_across_rotation_compression_and_supervisors(daemon: Daemon) -> None:
    daemon.speak(100)
    steps = itertools.count()

    def pause(_seconds: float) -> None:
        step = next(steps)
        daemon.speak(100)
        if step == 1:
            daemon.pump.close()
            daemon.pump = SpoolPump(
                daemon_log_directory(daemon.home, "web"), 1, daemon.clock, LogLimits(4096, 100)
            )
            daemon.pump.begin(daemon.spool)
        if step == 2:
            compress(daemon.home, 2)

    seen: list[int] = []
    for event in follow_daemon_log(daemon.home, "web", DaemonLogRequest(tail=10), pause):
        if isinstance(event, DaemonLine):
            seen += numbers(iter([event]))
        if len(seen) >= 510:
            break
    assert seen == list(range(90, 600))


def test_a_follower_waits_for_the_first_line_and_ends_with_the_log(tmp_path: Path) -> None:
    home = Home(str(tmp_path))
    steps = itertools.count()
    made: list[Daemon] = []

    def pause(_seconds: float) -> None:
        step = next(steps)
        if step == 1:
            made.append(Daemon(tmp_path))
            made[0].speak(3)
        if step == 3:
            made[0].pump.close()
            os.unlink(f"{daemon_log_directory(home, 'web')}/state")

    events = list(follow_daemon_log(home, "web", DaemonLogRequest(), pause))
    assert [event.text for event in events if isinstance(event, DaemonLine)] == [
        b"line 0",
        b"line 1",
        b"line 2",
    ]
    assert sum(isinstance(event, LogPause) for event in events) >= 4


def test_a_follower_is_told_what_it_missed(daemon: Daemon) -> None:
    daemon.speak(1)
    steps = itertools.count()
    seen: list[object] = []

    def pause(_seconds: float) -> None:
        if next(steps) == 0:
            daemon.speak(400)
            for number in (2, 3):
                os.unlink(f"{daemon_log_directory(daemon.home, 'web')}/{number:08d}.log")

    for event in follow_daemon_log(daemon.home, "web", DaemonLogRequest(), pause):
        seen.append(event)
        if isinstance(event, LogGap):
            break
    assert seen[-1] == LogGap(2)


def test_a_line_for_people_names_its_stream() -> None:
    line = DaemonLine("2023-11-14T22:13:20.000Z", "stderr", b"oops", continues=False)
    assert log_line_text(line) == b"2023-11-14T22:13:20.000Z err oops"
