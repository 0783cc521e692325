"""A daemon's lines: how many go through the pump a second, beside ``cat`` and a bare write of the same bytes."""

from __future__ import annotations

import os
import subprocess
import time
from collections.abc import Callable

from jobctl.clock import SystemClock
from jobctl.executors.compressor import Compressor
from jobctl.executors.daemon_logs import DaemonLogReader
from jobctl.executors.log_rotation import LogLimits
from jobctl.executors.notify import NotifyReceiver
from jobctl.executors.spools import Spool, SpoolPump
from tests.bench.support import figure, headline, number_argument, throwaway_home, timed

LINE = b"%07d the daemon says something of the usual length, as daemons do\n"
IDLE_LOOKS = 20_000


def main() -> None:
    """Print the figures."""
    count = number_argument(1_000_000)
    headline(f"spools: {count:,} lines")
    with throwaway_home() as home:
        source = f"{home.path}/source"
        with open(source, "wb") as file:
            for number in range(count):
                file.write(LINE % number)
        with open(f"{home.path}/cat", "wb") as target:
            cat = timed(lambda: subprocess.run(["cat", source], stdout=target, check=True))
        bare = timed(lambda: copy(source, f"{home.path}/bare"))
        figure("cat to a file", rate(count, cat))
        figure("a loop of read and write, 64 KiB", rate(count, bare))
        for label, limits, compressed in (
            ("pump, 10 MiB × 5", LogLimits(), False),
            ("pump, 10 MiB × 5, compressed meanwhile", LogLimits(), True),
            ("pump, 50 KB × 5", LogLimits(50_000, 5), False),
        ):
            seconds = pumped(f"{home.path}/{label.replace(' ', '')}", source, limits, compressed=compressed)
            figure(
                label, f"{rate(count, seconds)}; {bare / seconds:.2f} × that loop, {cat / seconds:.2f} × cat"
            )
        looks = longest_look(home.path, source)
        figure(
            "longest look, of the wall and of the processor",
            " and ".join(f"{one * 1000:.1f} ms" for one in looks),
        )
        figure("a look at a quiet daemon", f"{quiet_look(home.path) * 1e6:.1f} µs")
        figure("a heartbeat", f"{ping(home.path) * 1e6:.1f} µs")


def rate(count: int, seconds: float) -> str:
    """Lines a second."""
    return f"{count / seconds:>12,.0f} lines/s"


def copy(source: str, target: str) -> None:
    """What the pump cannot do without."""
    with open(source, "rb", buffering=0) as read, open(target, "wb", buffering=0) as write:
        while block := read.read(1 << 16):
            write.write(block)


def pumped(root: str, source: str, limits: LogLimits, *, compressed: bool) -> float:
    """The seconds it takes to have all of ``source`` in a log."""
    os.mkdir(root)
    spool = Spool(1, f"{root}/stdout", f"{root}/stderr")
    copy(source, spool.stdout)
    compressor = Compressor() if compressed else None
    pump = SpoolPump(f"{root}/log", 1, SystemClock(), limits, compressor)
    pump.begin(spool)
    seconds = timed(lambda: pump.drain(1 << 40))
    pump.close()
    if compressor is not None:
        compressor.close()
    with DaemonLogReader(f"{root}/log") as reader:
        assert reader.last(1)
    return seconds


def longest_look(root: str, source: str) -> tuple[float, float]:
    """The longest time the loop is held up, with the worst there is: empty lines, and rotation at each 50 KB."""
    directory = f"{root}/longest"
    os.mkdir(directory)
    spool = Spool(1, f"{directory}/stdout", f"{directory}/stderr")
    copy(source, spool.stderr)
    with open(spool.stdout, "wb") as file:
        file.write(b"\n" * (1 << 22))
    pump = SpoolPump(f"{directory}/log", 1, SystemClock(), LogLimits(50_000, 5))
    pump.begin(spool)
    longest = busiest = 0.0
    more = True
    while more:
        began, spent = time.perf_counter(), time.thread_time()
        more = pump.pump().more
        longest = max(longest, time.perf_counter() - began)
        busiest = max(busiest, time.thread_time() - spent)
    pump.close()
    return longest, busiest


def quiet_look(root: str) -> float:
    """Seconds of one look when nothing is new."""
    directory = f"{root}/quiet"
    os.mkdir(directory)
    spool = Spool(1, f"{directory}/stdout", f"{directory}/stderr")
    for path in (spool.stdout, spool.stderr):
        with open(path, "wb") as file:
            file.write(b"line\nhalf a line")
    pump = SpoolPump(f"{directory}/log", 1, SystemClock())
    pump.begin(spool)
    pump.pump()
    seconds = timed(lambda: repeat(pump.pump))
    pump.close()
    return seconds / IDLE_LOOKS


def ping(root: str) -> float:
    """Seconds of the receiver's own processor time for one ``WATCHDOG=1``."""
    import socket

    from jobctl.executors.notify_addresses import bindable

    receiver = NotifyReceiver(SystemClock(), lambda: None)
    address = receiver.open("bench", root)
    receiver.expect("bench", lambda _pid: True)
    pings = 500
    began = time.process_time()
    with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as client:
        for _ in range(pings):
            client.sendto(b"WATCHDOG=1", bindable(address))
    spent = time.process_time() - began
    receiver.close()
    return spent / pings


def repeat(call: Callable[[], object]) -> None:
    """``IDLE_LOOKS`` times."""
    for _ in range(IDLE_LOOKS):
        call()


if __name__ == "__main__":
    main()
