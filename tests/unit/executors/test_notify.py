"""sd_notify from the sender's side: real sockets, real senders."""

from __future__ import annotations

import array
import contextlib
import os
import shutil
import socket
import struct
import subprocess
import sys
import threading
from collections.abc import Iterator
from pathlib import Path

import pytest

from jobctl.executors.command import CommandExecutor
from jobctl.executors.notices import NOTHING, Notice, PendingNotice
from jobctl.executors.notify import ROUND, NotifyReceiver, TreeMembership
from jobctl.executors.notify_addresses import bindable, notify_address
from jobctl.executors.processes import LINUX, ProcessTable
from jobctl.executors.trees import members
from tests.support.clocks import ManualClock
from tests.support.processes import has_members, make_shell, running, tree_of
from tests.support.waiting import wait_until

pytestmark = pytest.mark.skipif(not LINUX, reason="abstract sockets and sender credentials are Linux's")
NOTIFY_TOOL = shutil.which("systemd-notify")


class Bell:
    """Counts how often the loop would be woken."""

    def __init__(self) -> None:
        self.rings = 0

    def __call__(self) -> None:
        self.rings += 1


@pytest.fixture
def bell() -> Bell:
    return Bell()


@pytest.fixture
def receiver(bell: Bell) -> Iterator[NotifyReceiver]:
    made = NotifyReceiver(ManualClock(), bell)
    yield made
    made.close()


def send(address: str, *messages: bytes) -> None:
    with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as client:
        client.settimeout(60)
        for message in messages:
            client.sendto(message, bindable(address))


def barrier(address: str) -> None:
    """Everything sent before was taken."""
    ours, theirs = os.pipe()
    with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as client:
        client.settimeout(60)
        client.connect(bindable(address))
        client.sendmsg(
            [b"BARRIER=1"], [(socket.SOL_SOCKET, socket.SCM_RIGHTS, array.array("i", [theirs]).tobytes())]
        )
    os.close(theirs)
    assert os.read(ours, 1) == b""  # it ends when the receiver closes its copy
    os.close(ours)


def expecting(receiver: NotifyReceiver, tmp_path: Path) -> str:
    """The address of a daemon that is this very process."""
    address = receiver.open("d", str(tmp_path))
    receiver.expect("d", lambda pid: pid == os.getpid())
    return address


def test_what_a_daemon_says_is_summed_up(receiver: NotifyReceiver, bell: Bell, tmp_path: Path) -> None:
    address = expecting(receiver, tmp_path)
    send(
        address,
        b"READY=1\nSTATUS=up\nMAINPID=77",
        b"WATCHDOG=1",
        b"STATUS=caf\xc3\xa9 \xff\nEXTEND_TIMEOUT_USEC=2500000\nWATCHDOG_USEC=3000000\nERRNO=2\nX_OTHER=1",
        b"RELOADING=1\nSTOPPING=1\nWATCHDOG=trigger",
    )
    barrier(address)
    assert receiver.take("d") == Notice(
        ready=True, reloading=True, stopping=True, triggered=True, status="café �", main_pid=77,
        pinged_at=1000.0, extend_seconds=2.5, extended_at=1000.0, watchdog_seconds=3.0, errno=2,
    )  # fmt: skip
    assert receiver.take("d") == NOTHING
    wait_until(lambda: bell.rings)  # told after the notice is kept: the barrier may answer before
    assert bell.rings <= 4


def test_a_flood_of_pings_wakes_nobody(receiver: NotifyReceiver, bell: Bell, tmp_path: Path) -> None:
    address = expecting(receiver, tmp_path)
    send(address, *[b"WATCHDOG=1"] * (5 * ROUND))
    barrier(address)
    assert bell.rings == 0
    assert receiver.take("d") == Notice(pinged_at=1000.0)


def test_the_loop_is_woken_once_until_it_takes(receiver: NotifyReceiver, bell: Bell, tmp_path: Path) -> None:
    address = expecting(receiver, tmp_path)
    send(address, *[b"READY=1"] * 50)
    barrier(address)
    assert bell.rings == 1
    assert receiver.take("d").ready
    send(address, b"STOPPING=1")
    barrier(address)
    assert bell.rings == 2


def test_status_texts_wake_now_and_then(receiver: NotifyReceiver, bell: Bell, tmp_path: Path) -> None:
    address = expecting(receiver, tmp_path)
    for number in range(20):
        send(address, b"STATUS=%d" % number)
        barrier(address)
        assert receiver.take("d").status == str(number)
    assert bell.rings == 1


def test_strangers_are_dropped_and_counted(receiver: NotifyReceiver, bell: Bell, tmp_path: Path) -> None:
    address = receiver.open("d", str(tmp_path))
    receiver.expect("d", lambda _pid: False)
    send(address, b"READY=1")
    barrier(address)
    notice = receiver.take("d")
    assert (notice.ready, notice.foreign) == (False, 2)
    assert bell.rings == 0


def test_a_sender_that_has_ended_is_believed_if_it_is_this_user(
    receiver: NotifyReceiver, tmp_path: Path
) -> None:
    address = receiver.open("d", str(tmp_path))
    receiver.expect("d", lambda _pid: None)
    send(address, b"READY=1")
    barrier(address)
    assert receiver.take("d").ready


def test_what_was_sent_to_an_older_generation_is_gone(receiver: NotifyReceiver, tmp_path: Path) -> None:
    address = expecting(receiver, tmp_path)
    send(address, b"READY=1\nSTATUS=old")
    barrier(address)
    receiver.expect("d", lambda pid: pid == os.getpid())
    assert receiver.take("d") == NOTHING
    send(address, b"STATUS=new")
    barrier(address)
    assert receiver.take("d") == Notice(status="new")


def test_the_next_supervisor_has_the_same_address(bell: Bell, tmp_path: Path) -> None:
    first = NotifyReceiver(ManualClock(), bell)
    address = first.open("d", str(tmp_path))
    assert first.open("d", str(tmp_path)) == address
    first.close()
    with pytest.raises(ConnectionRefusedError):
        send(address, b"WATCHDOG=1")
    second = NotifyReceiver(ManualClock(), bell)
    try:
        assert expecting(second, tmp_path) == address
        send(address, b"WATCHDOG=1")
        barrier(address)
        assert second.take("d").pinged_at == 1000.0
    finally:
        second.close()


def test_an_address_is_short_in_a_deep_home_and_kept_from_others(tmp_path: Path) -> None:
    deep = tmp_path / ("d" * 150)
    deep.mkdir()
    address = notify_address(str(deep))
    assert address.startswith("@jobctl-")
    assert len(address) < 60
    assert (deep / "notify").stat().st_mode & 0o777 == 0o600
    assert notify_address(str(deep)) == address
    (deep / "notify").write_text("")
    assert notify_address(str(deep)) != address


def test_hostile_messages_change_nothing(receiver: NotifyReceiver, tmp_path: Path) -> None:
    address = expecting(receiver, tmp_path)
    send(
        address, b"", b"\0" * 10, b"READY=1" + b"x" * 5000, b"=1\n==\nREADY", b"MAINPID=1\nMAINPID=-4",
        b"EXTEND_TIMEOUT_USEC=" + b"9" * 40, b"WATCHDOG=yes\nREADY=2",
    )  # fmt: skip
    barrier(address)
    notice = receiver.take("d")
    assert notice == Notice(malformed=notice.malformed)
    assert notice.malformed >= 5


def test_descriptors_that_come_along_are_closed(receiver: NotifyReceiver, tmp_path: Path) -> None:
    address = expecting(receiver, tmp_path)
    barrier(address)
    before = len(os.listdir("/proc/self/fd"))
    with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as client:
        client.connect(bindable(address))
        fds = array.array("i", [0] * 40).tobytes()
        for _ in range(5):
            client.sendmsg([b"FDSTORE=1\nFDNAME=x"], [(socket.SOL_SOCKET, socket.SCM_RIGHTS, fds)])
    barrier(address)
    assert len(os.listdir("/proc/self/fd")) == before


def test_daemons_do_not_hear_one_another(receiver: NotifyReceiver, tmp_path: Path) -> None:
    addresses = []
    for name in ("a", "b"):
        (tmp_path / name).mkdir()
        addresses.append(receiver.open(name, str(tmp_path / name)))
        receiver.expect(name, lambda pid: pid == os.getpid())
    send(addresses[0], b"READY=1")
    barrier(addresses[0])
    receiver.forget("b")
    assert (receiver.take("a").ready, receiver.take("b")) == (True, NOTHING)


@pytest.mark.skipif(NOTIFY_TOOL is None, reason="systemd-notify is not installed")
def test_systemd_notify_is_heard_and_let_go(receiver: NotifyReceiver, tmp_path: Path) -> None:
    address = receiver.open("d", str(tmp_path))
    receiver.expect("d", lambda _pid: True)
    environment = {**os.environ, "NOTIFY_SOCKET": address}
    subprocess.run(
        [str(NOTIFY_TOOL), "--ready", "--status=all is well"], env=environment, check=True, timeout=60
    )
    notice = receiver.take("d")
    assert (notice.ready, notice.status) == (True, "all is well")


def test_the_sender_is_known_by_its_pid(receiver: NotifyReceiver, tmp_path: Path) -> None:
    address = receiver.open("d", str(tmp_path))
    asked: list[int] = []

    def is_member(pid: int) -> bool:
        asked.append(pid)
        return True

    receiver.expect("d", is_member)
    code = (
        "import os, socket, sys; s = socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM);"
        "s.sendto(b'READY=1', '\\0' + os.environ['NOTIFY_SOCKET'][1:]); sys.stdin.read()"
    )
    environment = {**os.environ, "NOTIFY_SOCKET": address}
    with subprocess.Popen([sys.executable, "-c", code], env=environment, stdin=subprocess.PIPE) as child:
        wait_until(lambda: receiver.take("d").ready, seconds=60)
        assert asked == [child.pid]


@pytest.mark.parametrize(
    "words", ["exec sleep 1000", "sleep 1000", "setsid sleep 1000", "(setsid sleep 1000 &) ; sleep 1000"]
)
def test_a_member_is_known_from_a_stranger(tmp_path: Path, words: str) -> None:
    order = make_shell(tmp_path, words)
    with running(CommandExecutor(), order) as started:
        tree = tree_of(order, started)
        membership = TreeMembership(tree)
        wait_until(has_members(tree, 1), seconds=60)
        for entry in members(ProcessTable.read(), tree):
            assert membership(entry.pid) is not False  # None: it has just ended
        assert membership(started.pid) is True
        assert membership(os.getpid()) is False
        with subprocess.Popen(["cat"], stdin=subprocess.PIPE) as stranger:
            assert membership(stranger.pid) is False
        assert membership(stranger.pid) is None


def test_a_notice_says_ready_after_a_reload() -> None:
    pending = PendingNotice()
    assert pending.add(b"RELOADING=1", 1.0)
    assert pending.add(b"READY=1", 2.0)
    assert pending.notice() == Notice(ready=True)
    assert not pending.add(b"WATCHDOG=1\nSTATUS=x", 3.0)


@pytest.mark.parametrize("name", ["notify", "notify.part"])
def test_a_fifo_in_place_of_the_kept_address_is_replaced(
    receiver: NotifyReceiver, tmp_path: Path, name: str
) -> None:
    os.mkfifo(tmp_path / name)
    opened: list[str] = []
    thread = threading.Thread(target=lambda: opened.append(receiver.open("d", str(tmp_path))), daemon=True)
    thread.start()
    thread.join(20)
    waits = thread.is_alive()
    if waits:  # it goes on, so that only this test fails
        os.close(os.open(tmp_path / name, os.O_RDWR | os.O_NONBLOCK))
    assert not waits
    assert opened == [notify_address(str(tmp_path))]
    assert os.listdir(tmp_path) == ["notify"]


def test_an_address_that_somebody_else_has_is_given_up(receiver: NotifyReceiver, tmp_path: Path) -> None:
    kept = notify_address(str(tmp_path))
    with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as squatter:
        squatter.bind(bindable(kept))
        address = expecting(receiver, tmp_path)
    assert address != kept
    assert notify_address(str(tmp_path)) == address
    send(address, b"READY=1")
    barrier(address)
    assert receiver.take("d").ready


def test_without_threads_a_daemon_is_not_heard_and_the_next_try_is_whole(
    receiver: NotifyReceiver, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def refuse(_thread: threading.Thread) -> None:
        raise RuntimeError("can't start new thread")

    with monkeypatch.context() as patch:
        patch.setattr(threading.Thread, "start", refuse)
        for _ in range(2):
            with pytest.raises(OSError, match="Resource temporarily unavailable"):
                receiver.open("d", str(tmp_path))
    address = expecting(receiver, tmp_path)
    send(address, b"READY=1")
    barrier(address)
    assert receiver.take("d").ready


def lingering() -> tuple[socket.socket, socket.socket]:
    """A connection whose first end, closed last, waits a minute for what nobody reads; and the other end."""
    with socket.create_server(("127.0.0.1", 0)) as server:
        near = socket.create_connection(server.getsockname())
        far, _ = server.accept()
    near.setblocking(False)
    with contextlib.suppress(BlockingIOError):
        while True:
            near.send(b"x" * 65536)
    near.setblocking(True)
    near.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 60))
    return near, far


@pytest.mark.parametrize("count", [1, 100])
def test_a_descriptor_that_closes_slowly_holds_nobody_up(
    receiver: NotifyReceiver, tmp_path: Path, count: int
) -> None:
    address = receiver.open("d", str(tmp_path))
    sent, judging = threading.Event(), threading.Event()

    def is_member(_pid: int) -> bool:
        judging.set()
        return not sent.wait(60)

    receiver.expect("d", is_member)
    near, far = lingering()
    with far:
        send(address, b"first")
        assert judging.wait(60)
        with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as client, near:
            client.connect(bindable(address))
            fds = array.array("i", [near.fileno()] * count).tobytes()
            client.sendmsg([b"second"], [(socket.SOL_SOCKET, socket.SCM_RIGHTS, fds)])
        sent.set()  # what is on its way is the last of it, and closed by the receiver
        foreign: list[int] = []
        asker = threading.Thread(target=lambda: count_foreign(receiver, foreign), daemon=True)
        asker.start()
        asker.join(20)
        assert foreign == [2]


def count_foreign(receiver: NotifyReceiver, foreign: list[int]) -> None:
    """Two messages of strangers were counted."""
    found = 0
    while found < 2:
        found += receiver.take("d").foreign
    foreign.append(found)
