"""Spools into logs: nothing lost, cut or doubled, whatever instruction the supervisor dies at."""

from __future__ import annotations

import contextlib
import errno
import gzip
import os
import random
import shutil
import signal
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from jobctl.executors import holes, spool_tails, spools
from jobctl.executors.compressor import Compressor
from jobctl.executors.daemon_logs import DaemonLogReader
from jobctl.executors.holes import HolesRefusedError
from jobctl.executors.log_lines import DaemonLine, parse_line
from jobctl.executors.log_positions import read_position
from jobctl.executors.log_rotation import LogLimits, segments
from jobctl.executors.spools import Spool, SpoolPump
from tests.support.clocks import ManualClock
from tests.support.waiting import wait_until

SMALL = LogLimits(file_bytes=4096, files=10_000)


class Site:
    """One daemon's directory, with spools that grow as a daemon makes them grow."""

    def __init__(self, root: Path, limits: LogLimits = SMALL) -> None:
        self.root = root
        self.log = str(root / "log")
        self.clock = ManualClock()
        self.limits = limits
        self.pump = self.new_pump()

    def new_pump(self, daemon_id: int = 1, compressor: Compressor | None = None) -> SpoolPump:
        """The pump of another supervisor."""
        return SpoolPump(self.log, daemon_id, self.clock, self.limits, compressor)

    def spool(self, generation: int) -> Spool:
        """The spools of a generation; they need not exist."""
        directory = self.root / str(generation)
        directory.mkdir(exist_ok=True)
        return Spool(generation, str(directory / "stdout.log"), str(directory / "stderr.log"))

    def write(self, generation: int, text: bytes, stream: str = "stdout") -> None:
        """The daemon writes."""
        with open(getattr(self.spool(generation), stream), "ab", buffering=0) as file:
            file.write(text)

    def lines(self) -> list[DaemonLine]:
        """What a reader finds, from the beginning."""
        return list(read_all(self.log))

    def texts(self, stream: str = "stdout") -> list[bytes]:
        """The text of one stream's lines, parts joined."""
        return joined(self.lines(), stream)


def read_all(directory: str) -> Iterator[DaemonLine]:
    with DaemonLogReader(directory) as reader:
        while lines := reader.read():
            yield from lines


def joined(lines: list[DaemonLine], stream: str) -> list[bytes]:
    found: list[bytes] = []
    part = b""
    for line in lines:
        if line.stream == stream:
            part += line.text
            if not line.continues:
                found.append(part)
                part = b""
    assert not part
    return found


@pytest.fixture
def site(tmp_path: Path) -> Iterator[Site]:
    made = Site(tmp_path)
    yield made
    made.pump.close()


def numbered(count: int, word: bytes = b"line") -> list[bytes]:
    return [b"%s %d" % (word, number) for number in range(count)]


def spoken(lines: list[bytes]) -> bytes:
    return b"".join(line + b"\n" for line in lines)


def test_a_line_has_its_instant_and_its_stream(site: Site) -> None:
    site.write(1, b"hello\n")
    site.write(1, b"oops\n", "stderr")
    site.pump.begin(site.spool(1))
    pumped = site.pump.pump()
    assert pumped.pieces == (("stdout", b"hello\n"), ("stderr", b"oops\n"))
    assert Path(site.log, "current").read_bytes() == (
        b"2023-11-14T22:13:20.000Z o hello\n2023-11-14T22:13:20.000Z e oops\n"
    )
    assert site.lines() == [
        DaemonLine("2023-11-14T22:13:20.000Z", "stdout", b"hello", continues=False),
        DaemonLine("2023-11-14T22:13:20.000Z", "stderr", b"oops", continues=False),
    ]


def test_a_line_is_taken_when_its_newline_comes(site: Site) -> None:
    site.pump.begin(site.spool(1))
    site.write(1, b"one\ntw")
    assert site.pump.pump().pieces == (("stdout", b"one\n"),)
    assert site.pump.pump().pieces == ()
    site.write(1, b"o\n")
    assert site.pump.pump().pieces == (("stdout", b"two\n"),)
    assert site.texts() == [b"one", b"two"]


def test_the_last_line_needs_no_newline_once_the_generation_has_ended(site: Site) -> None:
    site.write(1, b"one\ntwo")
    site.pump.begin(site.spool(1))
    site.pump.pump()
    site.pump.end(1)
    site.pump.pump()
    assert site.texts() == [b"one", b"two"]
    assert site.pump.pending == ()
    assert not os.path.exists(site.spool(1).stdout)


def test_generations_follow_one_another_whole(site: Site) -> None:
    for generation in (1, 2, 5):
        site.write(generation, b"of %d\n" % generation)
        site.pump.begin(site.spool(generation))
    site.pump.pump()
    assert (site.texts(), site.pump.pending) == ([b"of 1"], (1, 2, 5))
    site.write(1, b"more of 1")
    site.pump.end(2)
    assert site.pump.pump().pieces == ()
    site.pump.end(1)
    site.pump.pump()
    assert (site.texts(), site.pump.pending) == ([b"of 1", b"more of 1", b"of 2", b"of 5"], (5,))


def test_a_generation_that_was_taken_is_not_taken_again(site: Site) -> None:
    site.write(1, b"one\n")
    site.pump.begin(site.spool(1))
    site.pump.end(1)
    site.pump.pump()
    assert not os.path.exists(site.spool(1).stdout)
    site.pump.close()
    site.pump = site.new_pump()
    site.pump.begin(site.spool(1))
    site.pump.pump()
    assert (site.texts(), site.pump.pending) == ([b"one"], (1,))
    site.pump.end(1)
    site.pump.pump()
    assert (site.texts(), site.pump.pending) == ([b"one"], ())


def test_another_daemon_counts_its_generations_anew(site: Site) -> None:
    site.write(7, b"old\n")
    site.pump.begin(site.spool(7))
    site.pump.pump()
    site.pump.close()
    site.pump = site.new_pump(daemon_id=2)
    site.write(1, b"new\n")
    site.pump.begin(site.spool(1))
    site.pump.pump()
    assert site.texts() == [b"old", b"new"]


def test_files_are_rotated_at_line_ends_and_never_too_large(site: Site) -> None:
    lines = numbered(2000)
    site.write(1, spoken(lines))
    site.pump.begin(site.spool(1))
    site.pump.drain()
    paths = sorted(Path(site.log).glob("*.log"))
    assert len(paths) > 10
    assert all(path.stat().st_size <= 4096 for path in paths)
    assert all(path.read_bytes().endswith(b"\n") for path in paths)
    assert site.texts() == lines
    assert os.readlink(f"{site.log}/current") == paths[-1].name


def test_old_files_are_removed(site: Site) -> None:
    site.pump.limits = LogLimits(4096, 2)
    lines = numbered(2000)
    site.write(1, spoken(lines))
    site.pump.begin(site.spool(1))
    site.pump.drain()
    assert len(segments(site.log)) == 3
    kept = site.texts()
    assert kept == lines[-len(kept) :]
    assert len(kept) > 100


def test_rotated_files_are_compressed_and_read_as_before(tmp_path: Path) -> None:
    site, compressor = Site(tmp_path), Compressor()
    try:
        pump = site.new_pump(compressor=compressor)
        lines = numbered(1000)
        site.write(1, spoken(lines))
        pump.begin(site.spool(1))
        pump.drain()
        assert compressor.wait(60)
        pump.close()
    finally:
        compressor.close()
    assert len(list(Path(site.log).glob("*.log"))) == 1
    first = Path(site.log, "00000001.log.gz")
    assert gzip.decompress(first.read_bytes()).startswith(b"2023-11-14T22:13:20.000Z o line 0\n")
    assert first.stat().st_mode & 0o777 == 0o600
    assert site.texts() == lines


def test_a_compression_that_was_killed_is_cleared_away(site: Site) -> None:
    lines = numbered(500)
    site.write(1, spoken(lines))
    site.pump.begin(site.spool(1))
    site.pump.drain()
    site.pump.close()
    plain = Path(site.log, "00000001.log")
    Path(site.log, "00000002.log.gz.part").write_bytes(b"half")
    Path(site.log, "00000001.log.gz").write_bytes(gzip.compress(plain.read_bytes()))
    site.pump = site.new_pump()
    site.pump.begin(site.spool(1))
    site.pump.pump()
    assert not plain.exists()
    assert not list(Path(site.log).glob("*.part"))
    assert site.texts() == lines


def test_what_a_follower_has_not_read_is_kept_for_it(site: Site) -> None:
    site.pump.limits = LogLimits(4096, 1)
    lines = numbered(3000)
    site.write(1, b"first\n")
    site.pump.begin(site.spool(1))
    site.pump.pump()
    with DaemonLogReader(site.log, follow=True) as reader:
        seen = reader.read()
        site.write(1, spoken(lines))
        site.pump.drain()
        while more := reader.read():
            seen += more
        assert joined(seen, "stdout") == [b"first", *lines]
        assert reader.missed == 0
    site.pump.pump()
    assert len(segments(site.log)) == 2


def test_a_follower_that_stands_still_does_not_fill_the_disk(
    site: Site, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("jobctl.executors.log_rotation.FOLLOWED_BYTES", 20_000)
    site.pump.limits = LogLimits(4096, 1)
    site.write(1, b"first\n")
    site.pump.begin(site.spool(1))
    site.pump.pump()
    with DaemonLogReader(site.log, follow=True) as reader:
        assert len(reader.read()) == 1
        site.write(1, spoken(numbered(3000)))
        site.pump.drain()
        assert len(segments(site.log)) <= 2 + 20_000 // 4096
        while reader.read():
            pass
        assert reader.missed > 10


def test_over_long_lines_come_in_parts(site: Site) -> None:
    long = "é".encode() * 20_000
    site.write(1, b"a\n" + long + b"\nb\n" + long)
    site.pump.begin(site.spool(1))
    site.pump.end(1)
    site.pump.drain()
    assert site.texts() == [b"a", long, b"b", long]
    parts = [line for line in site.lines() if line.continues]
    assert len(parts) > 10
    for part in parts:
        part.text.decode("utf-8")
    assert all(path.stat().st_size <= 4096 for path in Path(site.log).glob("*.log"))


def test_a_line_that_never_ends_is_cut_at_a_mebibyte(site: Site) -> None:
    site.pump.limits = LogLimits()
    site.write(1, b"x" * (1 << 20))
    site.pump.begin(site.spool(1))
    assert site.pump.drain().pieces == ()
    site.write(1, b"yz\n")
    site.pump.drain()
    assert [(len(line.text), line.continues) for line in site.lines()] == [(1 << 20, True), (2, False)]


def test_a_cut_line_ends_with_its_generation(site: Site) -> None:
    site.write(1, b"x" * 4068 + b"x")
    site.pump.begin(site.spool(1))
    site.pump.drain()
    with open(site.spool(1).stdout, "r+b") as file:  # nothing but what was taken is left
        file.truncate(4068)
    site.pump.end(1)
    site.pump.drain()
    assert [len(line.text) for line in site.lines()] == [4068, 0]
    assert [line.continues for line in site.lines()] == [True, False]


def test_bytes_that_are_no_text_are_kept(site: Site) -> None:
    lines = [bytes(code for code in range(256) if code != 10), b"\xff\xfe\x00", b"", b"\r"]
    site.write(1, spoken(lines))
    site.pump.begin(site.spool(1))
    site.pump.pump()
    assert site.texts() == lines


def test_a_spool_that_its_daemon_truncates_is_read_from_its_beginning(site: Site) -> None:
    site.pump.begin(site.spool(1))
    for number in range(5):  # what ``echo … > /dev/stdout`` does
        Path(site.spool(1).stdout).write_bytes(b"tick number %d\n" % number)
        site.pump.pump()
    Path(site.spool(1).stdout).write_bytes(b"a longer line than those before\n")
    site.pump.pump()
    assert site.texts() == [*(b"tick number %d" % n for n in range(5)), b"a longer line than those before"]


def test_taken_blocks_are_given_back(site: Site) -> None:
    site.pump.limits = LogLimits()
    site.pump.begin(site.spool(1))
    site.write(1, spoken(numbered(100_000)))
    site.pump.drain()
    found = os.stat(site.spool(1).stdout)
    assert found.st_size > 1 << 20
    assert found.st_blocks * 512 <= 2 * spool_tails.GIVE_BACK_BYTES


def test_without_holes_the_spool_keeps_its_blocks(site: Site, monkeypatch: pytest.MonkeyPatch) -> None:
    asked: list[int] = []

    def refuse(_fd: int, _start: int, end: int) -> None:
        asked.append(end)
        raise HolesRefusedError("not here")

    monkeypatch.setattr(spool_tails, "punch", refuse)
    monkeypatch.setattr(spool_tails, "GIVE_BACK_BYTES", 4096)
    lines = numbered(5000)
    site.write(1, spoken(lines))
    site.pump.begin(site.spool(1))
    site.pump.drain()
    assert asked
    assert site.texts() == lines


def test_what_is_too_far_behind_is_dropped_and_said(site: Site, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(spools, "_MOST_BACKLOG", 100_000)
    site.pump.limits = LogLimits(8192, 3)
    lines = numbered(50_000)
    site.write(1, spoken(lines))
    site.pump.begin(site.spool(1))
    pumped = site.pump.drain()
    taken = b"".join(data for _, data in pumped.pieces).splitlines()
    assert 1000 < len(taken) < 10_000
    assert lines[-len(taken) :] == taken
    site.pump.limits = SMALL
    site.write(1, b"end\n")
    site.pump.pump()
    assert site.texts()[-1] == b"end"


def test_a_full_disk_loses_nothing(site: Site, monkeypatch: pytest.MonkeyPatch) -> None:
    lines = numbered(300)
    site.pump.begin(site.spool(1))
    site.write(1, spoken(lines[:100]))
    site.pump.pump()
    full = True
    real = os.pwrite

    def pwrite(fd: int, text: bytes | memoryview, offset: int) -> int:
        if not full:
            return real(fd, text, offset)
        if len(text) > 300:
            return real(fd, memoryview(text)[:300], offset)
        raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))

    monkeypatch.setattr(os, "pwrite", pwrite)
    site.write(1, spoken(lines[100:]))
    pumped = site.pump.pump()
    assert pumped.problem == "the log cannot be written: No space left on device"
    assert (pumped.more, pumped.pieces) == (False, ())
    assert site.texts() == lines[:100]
    full = False
    assert site.pump.pump().problem is not None  # not at once again
    site.clock.advance(1.0)
    assert site.pump.pump().problem is None
    assert site.texts() == lines


def test_a_look_is_bounded(site: Site) -> None:
    lines = numbered(200_000)
    site.pump.limits = LogLimits()
    site.write(1, spoken(lines))
    site.pump.begin(site.spool(1))
    pumped = site.pump.pump(1 << 18)
    assert pumped.more
    position = read_position(f"{site.log}/state")
    assert position is not None
    assert position.size < 1 << 20
    assert not site.pump.drain().more
    assert site.texts() == lines


class Killed(BaseException):
    """The supervisor was killed here."""


CALLS = ("pwrite", "pread", "open", "ftruncate", "rename", "unlink", "symlink", "fstat", "listdir")


def killed_at(step: int, run: Callable[[], None], monkeypatch: pytest.MonkeyPatch, *, after: bool) -> bool:
    """Whether ``run`` got as far as its ``step``-th system call, before or after which it was killed."""
    count = 0

    def counted(real: Callable[..., object]) -> Callable[..., object]:
        def call(*arguments: object, **flags: object) -> object:
            nonlocal count
            count += 1
            if count == step and not after:
                raise Killed
            try:
                return real(*arguments, **flags)
            finally:
                if count == step:
                    raise Killed

        return call

    with monkeypatch.context() as patch:
        for name in CALLS:
            patch.setattr(os, name, counted(getattr(os, name)))
        patch.setattr(spool_tails, "punch", counted(holes.punch))
        try:
            run()
        except Killed:
            return True
    return False


@pytest.mark.parametrize("after", [False, True])
def test_a_kill_at_any_call_loses_nothing_and_doubles_nothing(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, *, after: bool
) -> None:
    monkeypatch.setattr(spool_tails, "GIVE_BACK_BYTES", 4096)
    monkeypatch.setattr(spool_tails, "CHUNK_BYTES", 3000)
    first, second = numbered(300, b"one"), numbered(60, b"two")
    long = b"z" * 9000
    step, going = 0, True
    while going:
        step += 1
        root = tmp_path / str(step)
        root.mkdir()
        site = Site(root)
        site.write(1, spoken(first) + long + b"\nlast")
        site.write(1, spoken(second), "stderr")
        site.write(2, b"next generation\n")
        going = killed_at(step, lambda site=site: run_all(site, site.pump), monkeypatch, after=after)  # type: ignore[misc]
        follower = DaemonLogReader(site.log)
        seen = follower.read()
        site.pump.close()
        site.pump = site.new_pump()
        run_all(site, site.pump)
        while more := follower.read():
            seen += more
        follower.close()
        assert joined(seen, "stdout") == [*first, long, b"last", b"next generation"], step
        assert joined(seen, "stderr") == second, step
        assert site.lines() == seen
        site.pump.close()
    assert step > 50


def run_all(site: Site, pump: SpoolPump) -> None:
    """A supervisor's life: two generations, the first one over."""
    pump.begin(site.spool(1))
    pump.begin(site.spool(2))
    pump.end(1)
    pump.drain()


def test_sixty_thousand_lines_through_twenty_kills(tmp_path: Path) -> None:
    """Real processes, killed by SIGKILL wherever they are; the daemon writes all the time."""
    seed = random.randrange(1 << 30)
    print("seed", seed)
    chance = random.Random(seed)
    site = Site(tmp_path, LogLimits(50_000, 10_000))
    count, spool = 60_000, site.spool(1)
    seen: list[DaemonLine] = []
    reader = DaemonLogReader(site.log, follow=True)
    with reader, forked(lambda: write_lines(spool.stdout, count)) as writer:
        for _ in range(20):
            site.write(1, b"tick\n", "stderr")  # so that there is something to do
            pump_and_die(site, chance.randrange(2000))
            seen += reader.read()
        assert os.waitpid(writer, 0)[1] == 0
        site.pump.begin(spool)
        site.pump.end(1)
        site.pump.drain()
        while more := reader.read():
            seen += more
    site.pump.close()
    assert [line.text for line in seen if line.stream == "stdout"] == [b"%d" % n for n in range(count)]
    assert len([line for line in seen if line.stream == "stderr"]) == 20
    assert all(path.stat().st_size <= 50_000 for path in Path(site.log).glob("*.log"))


@contextlib.contextmanager
def forked(run: Callable[[], None]) -> Iterator[int]:
    """A child runs ``run``; it is gone afterwards."""
    child = os.fork()
    if not child:
        try:
            run()
        finally:
            os._exit(1)
    try:
        yield child
    finally:
        with contextlib.suppress(ChildProcessError):  # waited for already
            if os.waitpid(child, os.WNOHANG) == (0, 0):
                os.kill(child, signal.SIGKILL)
                os.waitpid(child, 0)


def pump_and_die(site: Site, moments: int) -> None:
    """A supervisor took something, and was killed some moments later."""
    before = read_position(f"{site.log}/state")
    with forked(lambda: pump_for_ever(site)):
        wait_until(lambda: read_position(f"{site.log}/state") != before, seconds=60)
        for _ in range(moments):
            os.getpid()


def write_lines(path: str, count: int) -> None:
    """The daemon: a line a write, and a clean end."""
    fd = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_APPEND, 0o600)
    for number in range(count):
        os.write(fd, b"%d\n" % number)
    os._exit(0)


def pump_for_ever(site: Site) -> None:
    """The supervisor, without a pause."""
    pump = site.new_pump()
    pump.begin(site.spool(1))
    while True:
        pump.pump(1 << 14)


def test_a_strange_line_is_all_text() -> None:
    assert parse_line(b"edited by hand") == DaemonLine("", "stdout", b"edited by hand", continues=False)


@pytest.mark.parametrize("files", [0, 1, 2, 5])
def test_as_many_rotated_files_are_kept_as_the_limit_says(site: Site, files: int) -> None:
    site.pump.limits = LogLimits(4096, files)
    site.pump.begin(site.spool(1))
    for rotated in range(2 * files + 3):
        site.write(1, b"x" * 3000 + b"\n")
        site.pump.pump()
        assert len(segments(site.log)) == min(rotated, files) + 1


def test_a_living_generation_is_taken_after_the_count_went_back(site: Site) -> None:
    site.write(7, b"seven\n")
    site.pump.begin(site.spool(7))
    site.pump.end(7)
    site.pump.drain()
    site.write(3, b"three\n")  # the store is an older copy
    site.pump.begin(site.spool(3))
    site.pump.drain()
    assert site.texts() == [b"seven", b"three"]
    site.write(3, b"more of three")
    site.pump.end(3)
    site.pump.drain()
    assert site.texts() == [b"seven", b"three", b"more of three"]
    assert site.pump.pending == ()


def test_a_generation_that_ended_before_the_first_look_is_taken_after_the_count_went_back(
    site: Site,
) -> None:
    site.write(7, b"seven\n")
    site.pump.begin(site.spool(7))
    site.pump.end(7)
    site.pump.drain()
    site.write(3, b"three\n")
    site.pump.begin(site.spool(3))
    site.pump.end(3)
    site.pump.drain()
    assert site.texts() == [b"seven", b"three"]


def test_what_is_left_of_a_taken_generation_does_not_make_the_next_one_doubled(site: Site) -> None:
    site.write(1, b"one\n")
    site.write(2, b"two\n")
    for generation in (1, 2):
        site.pump.begin(site.spool(generation))
    site.pump.end(1)
    site.pump.drain()
    site.pump.close()
    site.write(1, b"one\n")  # as if it could not be unlinked
    site.pump = site.new_pump()
    for generation in (1, 2):
        site.pump.begin(site.spool(generation))
    site.pump.end(1)
    site.pump.drain()
    site.write(2, b"more of two\n")
    site.pump.drain()
    assert site.texts() == [b"one", b"two", b"more of two"]
    assert site.pump.pending == (2,)


def test_a_log_that_is_removed_while_it_is_written_goes_on_anew(site: Site) -> None:
    site.write(1, b"one\n")
    site.pump.begin(site.spool(1))
    site.pump.pump()
    with DaemonLogReader(site.log, follow=True) as reader:
        seen = reader.read()
        shutil.rmtree(site.log)
        for line in (b"two\n", b"three\n"):
            site.write(1, line)
            assert site.pump.pump().problem is None
        assert site.texts() == [b"two", b"three"]
        while more := reader.read():
            seen += more
    assert joined(seen, "stdout") == [b"one", b"two", b"three"]


@pytest.mark.parametrize("name", ["state", "00000001.log"])
def test_one_file_of_the_log_that_is_removed_takes_no_later_line_along(site: Site, name: str) -> None:
    site.write(1, b"one\n")
    site.write(1, b"err\n", "stderr")
    site.pump.begin(site.spool(1))
    site.pump.pump()
    os.unlink(f"{site.log}/{name}")
    site.write(1, b"two\n")
    assert site.pump.pump().problem is None
    assert [text for text in site.texts() if text != b"one"] == [b"two"]


def test_without_a_position_a_spool_is_read_behind_its_hole(site: Site) -> None:
    site.pump.limits = LogLimits()
    lines = numbered(100_000)
    site.write(1, spoken(lines))
    site.pump.begin(site.spool(1))
    site.pump.drain()
    site.pump.close()
    shutil.rmtree(site.log)
    site.pump = site.new_pump()
    site.pump.begin(site.spool(1))
    site.write(1, b"new\n")
    site.pump.drain()
    site.pump.drain()
    texts = site.texts()
    assert not any(b"\0" in text for text in texts)
    assert texts[-1] == b"new"
    assert 0 < len(texts) < len(lines) // 2
    assert texts[1:-1] == lines[-len(texts) + 2 :]


def test_a_position_that_cannot_be_read_leaves_nothing_open(site: Site) -> None:
    os.mkdir(site.log)
    os.mkfifo(f"{site.log}/state")
    site.write(1, b"one\n")
    site.pump.begin(site.spool(1))
    assert site.pump.pump().problem is not None
    before = len(os.listdir("/proc/self/fd"))
    for _ in range(3):
        site.clock.advance(1.0)
        assert site.pump.pump().problem is not None
    assert len(os.listdir("/proc/self/fd")) == before
    os.unlink(f"{site.log}/state")
    site.clock.advance(1.0)
    assert site.pump.pump().problem is None
    assert site.texts() == [b"one"]


@pytest.mark.parametrize("make", [os.mkdir, os.mkfifo, lambda path: os.symlink("nowhere", path)])
def test_what_stands_in_place_of_a_spool_blocks_nothing(site: Site, make: Callable[[str], None]) -> None:
    make(site.spool(1).stdout)
    site.write(1, b"err\n", "stderr")
    site.write(2, b"two\n")
    for generation in (1, 2):
        site.pump.begin(site.spool(generation))
    site.pump.end(1)
    assert site.pump.drain().problem is None
    assert (site.texts("stderr"), site.texts()) == ([b"err"], [b"two"])
    assert site.pump.pending == (2,)


def test_a_fifo_in_place_of_the_followers_lock_stops_nobody(site: Site) -> None:
    os.mkdir(site.log)
    os.mkfifo(f"{site.log}/following")
    site.pump.limits = LogLimits(4096, 1)
    site.write(1, spoken(numbered(1000)))
    site.pump.begin(site.spool(1))
    with alarmed(), DaemonLogReader(site.log, follow=True) as reader:
        reader.read()
        assert site.pump.drain().problem is None


@pytest.mark.parametrize("name", ["state.part", "current.part", "00000001.log.gz.part"])
def test_a_fifo_in_place_of_a_half_made_file_stops_nobody(site: Site, name: str) -> None:
    compressor = Compressor()
    try:
        pump = site.new_pump(compressor=compressor)
        os.mkdir(site.log)
        os.mkfifo(f"{site.log}/{name}")
        site.write(1, spoken(numbered(1000)))
        pump.begin(site.spool(1))
        with alarmed():
            assert pump.drain().problem is None
            assert compressor.wait(60)
        pump.close()
        assert compressor.problem is None
    finally:
        compressor.close()
    assert site.texts() == numbered(1000)


def test_a_quiet_daemon_keeps_its_spools_open_and_nothing_else(site: Site) -> None:
    before = len(os.listdir("/proc/self/fd"))
    site.write(1, b"one\n")
    site.write(1, b"err\n", "stderr")
    site.pump.begin(site.spool(1))
    site.pump.drain()
    assert len(os.listdir("/proc/self/fd")) == before + 4
    site.pump.pump()
    assert len(os.listdir("/proc/self/fd")) == before + 2
    site.write(1, b"two\n")
    site.pump.pump()
    assert site.texts() == [b"one", b"two"]


@contextlib.contextmanager
def alarmed() -> Iterator[None]:
    """What waits for ever is interrupted, by what nobody catches."""

    def ring(*_: object) -> None:
        raise Killed

    before = signal.signal(signal.SIGALRM, ring)
    signal.alarm(20)
    try:
        yield
    finally:
        signal.alarm(0)
        signal.signal(signal.SIGALRM, before)
