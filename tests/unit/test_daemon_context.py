"""What the code of a daemon hears and says, by its environment alone."""

from __future__ import annotations

import asyncio
import os
import signal
import socket
import threading
import time
from collections.abc import Iterator
from pathlib import Path

import pytest

from jobctl import context, daemon_context
from jobctl.daemon_context import LONGEST_STATUS, Notices, StopRequest
from tests.support.supervisors import PATIENCE


@pytest.fixture
def stop(monkeypatch: pytest.MonkeyPatch) -> Iterator[StopRequest]:
    """The request of a daemon's process; signals are as before afterwards."""
    before = {number: signal.signal(number, signal.SIG_DFL) for number in (signal.SIGTERM, signal.SIGUSR1)}
    made = StopRequest()
    monkeypatch.setattr(daemon_context, "STOP", made)
    monkeypatch.setenv("JOBCTL_DAEMON", "web")
    monkeypatch.delenv("JOBCTL_STOP_SIGNAL", raising=False)
    yield made
    for number, handler in before.items():
        signal.signal(number, handler)
    made._forget()


class Ear:
    """A notify socket."""

    def __init__(self, address: str) -> None:
        self.socket = socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM)
        self.socket.bind(address)
        self.socket.settimeout(PATIENCE)

    def hear(self) -> list[str]:
        """The lines of the next notice."""
        return self.socket.recv(1 << 16).decode().split("\n")


@pytest.fixture
def address(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> str:
    found = str(tmp_path / "notify")
    monkeypatch.setenv("NOTIFY_SOCKET", found)
    monkeypatch.setattr(daemon_context, "NOTICES", Notices())
    return found


def test_a_daemon_hears_the_signal_that_asks_it_to_stop(stop: StopRequest) -> None:
    assert context.stopping() is False
    assert stop.is_awaited
    signal.raise_signal(signal.SIGTERM)
    assert context.stopping() is True
    assert context.stopping(wait=PATIENCE) is True


def test_waiting_ends_with_the_request(stop: StopRequest) -> None:
    assert context.stopping(wait=0.001) is False
    timer = threading.Timer(0.01, os.kill, (os.getpid(), signal.SIGTERM))
    timer.start()
    assert context.stopping(wait=PATIENCE) is True
    timer.join()


def test_the_signal_that_its_definition_names_counts_and_its_own_handler_hears_it_too(
    stop: StopRequest, monkeypatch: pytest.MonkeyPatch
) -> None:
    heard: list[int] = []
    signal.signal(signal.SIGUSR1, lambda number, frame: heard.append(number))
    monkeypatch.setenv("JOBCTL_STOP_SIGNAL", "SIGUSR1")
    assert context.stopping() is False
    signal.raise_signal(signal.SIGUSR1)
    assert context.stopping() is True
    assert heard == [signal.SIGUSR1]


def test_the_first_call_belongs_in_the_main_thread(stop: StopRequest) -> None:
    wrong: list[str] = []

    def ask() -> None:
        try:
            context.stopping()
        except RuntimeError as error:
            wrong.append(str(error))

    thread = threading.Thread(target=ask)
    thread.start()
    thread.join()
    assert wrong == ["call context.stopping() in the main thread first"]
    assert signal.getsignal(signal.SIGTERM) == signal.SIG_DFL


def test_outside_of_a_daemon_nothing_is_heard_or_said(
    stop: StopRequest, monkeypatch: pytest.MonkeyPatch
) -> None:
    for name in ("JOBCTL_DAEMON", "NOTIFY_SOCKET", "JOBCTL_HEARTBEAT"):
        monkeypatch.delenv(name, raising=False)
    assert context.stopping(wait=0.001) is False
    assert signal.getsignal(signal.SIGTERM) == signal.SIG_DFL
    context.ready()
    context.status("x")
    context.heartbeat()


def test_code_that_is_async_awaits_it(stop: StopRequest) -> None:
    async def daemon() -> str:
        waiting = asyncio.ensure_future(context.stopped())
        other = asyncio.ensure_future(context.stopped())
        await asyncio.sleep(0)
        asyncio.get_running_loop().call_soon(signal.raise_signal, signal.SIGTERM)
        await asyncio.wait_for(asyncio.gather(waiting, other), PATIENCE)
        await context.stopped()
        return "stopped"

    assert asyncio.run(daemon()) == "stopped"


def test_a_child_that_was_forked_off_ends_by_the_signal_as_ever(stop: StopRequest) -> None:
    assert context.stopping() is False
    child = os.fork()
    if child == 0:  # pragma: no cover - in the child
        os.kill(os.getpid(), signal.SIGTERM)
        os._exit(3)
    assert os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]) == -signal.SIGTERM
    assert context.stopping() is False


def test_what_is_said_arrives(address: str) -> None:
    ear = Ear(address)
    daemon_context.ready()
    assert ear.hear() == ["READY=1"]
    daemon_context.status("two\nlines \ud800 " + "ä" * 5000)
    (line,) = ear.hear()
    assert line.startswith("STATUS=two lines ? ää")
    assert len(line.encode()) <= LONGEST_STATUS + len("STATUS=")
    ear.socket.close()


def test_what_nobody_heard_is_said_with_the_next_but_an_old_sign_of_life(address: str) -> None:
    daemon_context.ready()
    daemon_context.status("old")
    daemon_context.heartbeat()
    ear = Ear(address)
    daemon_context.status("new")
    assert ear.hear() == ["READY=1", "STATUS=new"]
    daemon_context.status("newer")
    assert ear.hear() == ["STATUS=newer"]
    ear.socket.close()


def test_a_full_queue_holds_nobody_up(address: str) -> None:
    ear = Ear(address)
    longest = int(Path("/proc/sys/net/unix/max_dgram_qlen").read_text())
    for number in range(longest + 5):
        daemon_context.status(str(number))
    heard = []
    ear.socket.setblocking(False)
    try:
        while True:
            heard.append(ear.hear())
    except BlockingIOError:
        assert 0 < len(heard) <= longest + 1
    ear.socket.setblocking(True)
    daemon_context.status("last")
    assert ear.hear() == ["STATUS=last"]
    ear.socket.close()


def test_signs_of_life_are_sparse(address: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    now = [100.0]
    monkeypatch.setattr(time, "monotonic", lambda: now[0])
    monkeypatch.setenv("JOBCTL_HEARTBEAT", str(tmp_path / "heartbeat"))
    monkeypatch.setenv("WATCHDOG_USEC", "2000000")
    ear = Ear(address)
    for _ in range(50):
        daemon_context.heartbeat()
    assert ear.hear() == ["WATCHDOG=1"]
    assert (tmp_path / "heartbeat").exists()
    (tmp_path / "heartbeat").unlink()
    now[0] += 0.4
    daemon_context.heartbeat()
    assert not (tmp_path / "heartbeat").exists()
    now[0] += 0.2
    daemon_context.heartbeat()
    assert (tmp_path / "heartbeat").exists()
    assert ear.hear() == ["WATCHDOG=1"]
    ear.socket.close()
