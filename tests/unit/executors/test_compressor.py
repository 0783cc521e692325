"""The compressing thread: what it leaves behind when files go, disks fill and supervisors close."""

from __future__ import annotations

import errno
import gzip
import os
import signal
import threading
from collections.abc import Iterator
from pathlib import Path

import pytest

from jobctl.executors.compressor import Compressor


@pytest.fixture
def compressor() -> Iterator[Compressor]:
    made = Compressor()
    yield made
    made.close()


def test_a_compressed_file_is_as_old_as_the_original(compressor: Compressor, tmp_path: Path) -> None:
    path = tmp_path / "1.log"
    path.write_bytes(b"line\n" * 100_000)
    os.utime(path, ns=(0, 1_600_000_000_000_000_000))
    compressor.add(str(path))
    assert compressor.wait(60)
    target = tmp_path / "1.log.gz"
    assert gzip.decompress(target.read_bytes()) == b"line\n" * 100_000
    assert target.stat().st_mtime_ns == 1_600_000_000_000_000_000
    assert os.listdir(tmp_path) == ["1.log.gz"]


def test_a_file_that_is_gone_is_no_problem(compressor: Compressor, tmp_path: Path) -> None:
    compressor.add(str(tmp_path / "never"))
    assert compressor.wait(60)
    assert compressor.problem is None


def test_a_full_disk_leaves_the_original(
    compressor: Compressor, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def full(_fd: int) -> None:
        raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))

    path = tmp_path / "1.log"
    path.write_bytes(b"line\n")
    with monkeypatch.context() as patch:
        patch.setattr(os, "fsync", full)
        compressor.add(str(path))
        assert compressor.wait(60)
    assert compressor.problem == f"{path} is not compressed: No space left on device"
    assert os.listdir(tmp_path) == ["1.log"]
    compressor.add(str(path))
    assert compressor.wait(60)
    assert os.listdir(tmp_path) == ["1.log.gz"]


def test_what_is_removed_while_it_is_compressed_stays_removed(
    compressor: Compressor, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    path = tmp_path / "1.log"
    path.write_bytes(b"line\n")
    monkeypatch.setattr(os, "fsync", lambda _fd: path.unlink())
    compressor.add(str(path))
    assert compressor.wait(60)
    assert os.listdir(tmp_path) == []


def test_its_thread_takes_no_signals_and_ends(tmp_path: Path) -> None:
    compressor = Compressor()
    path = tmp_path / "1.log"
    path.write_bytes(b"line\n")
    compressor.add(str(path))
    assert compressor.wait(60)
    (thread,) = [one for one in threading.enumerate() if one.name == "jobctl-gzip"]
    status = Path(f"/proc/self/task/{thread.native_id}/status")
    if status.exists():
        blocked = next(
            int(line.split()[1], 16) for line in status.read_text().splitlines() if "SigBlk" in line
        )
        for number in (signal.SIGTERM, signal.SIGINT, signal.SIGTSTP, signal.SIGCHLD, signal.SIGVTALRM):
            assert blocked >> (number - 1) & 1
    compressor.close()
    assert not thread.is_alive()
    compressor.add(str(path))  # nothing happens any more


def test_what_is_no_file_stops_nobody(compressor: Compressor, tmp_path: Path) -> None:
    fifo, path = tmp_path / "1.log", tmp_path / "2.log"
    os.mkfifo(fifo)
    os.mkfifo(tmp_path / "2.log.gz.part")
    path.write_bytes(b"line\n")
    compressor.add(str(fifo))
    compressor.add(str(path))
    writer = -1
    try:
        assert compressor.wait(20)
        assert sorted(os.listdir(tmp_path)) == ["1.log", "2.log.gz"]
        assert compressor.problem == f"{fifo} is not compressed: it is not a regular file"
    finally:  # the thread goes on, so that a failure is one
        for stuck in (fifo, tmp_path / "2.log.gz.part"):
            if stuck.is_fifo():
                writer = os.open(stuck, os.O_RDWR)
                os.write(writer, b"x")
                os.close(writer)


def test_without_threads_nothing_is_compressed_and_nothing_fails(
    compressor: Compressor, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def refuse(_thread: threading.Thread) -> None:
        raise RuntimeError("can't start new thread")

    path = tmp_path / "1.log"
    path.write_bytes(b"line\n")
    with monkeypatch.context() as patch:
        patch.setattr(threading.Thread, "start", refuse)
        compressor.add(str(path))
    assert compressor.problem == f"{path} is not compressed: Resource temporarily unavailable"
    compressor.add(str(path))
    assert compressor.wait(60)
    assert os.listdir(tmp_path) == ["1.log.gz"]
