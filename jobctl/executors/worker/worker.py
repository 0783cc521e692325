"""The life of a worker: ready, one order after the other, and a last word why it ends."""

from __future__ import annotations

import _signal  # type: ignore[import-not-found] # see surroundings
import atexit
import faulthandler
import os
import sys
import time
from importlib import import_module
from json import load

from jobctl import context
from jobctl.executors.worker.attempts import Attempts
from jobctl.executors.worker.cancellation import Cancellation
from jobctl.executors.worker.journal import Journal, encode, now_ms
from jobctl.executors.worker.orders import Order, OrderPipe
from jobctl.executors.worker.outputs import Outputs
from jobctl.executors.worker.surroundings import Surroundings
from jobctl.executors.worker.tracebacks import error_document

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable
    from typing import Any, NoReturn

    from jobctl.executors.worker.descriptors import Descriptors

RECALL = int(_signal.SIGRTMIN) + 3 if hasattr(_signal, "SIGRTMIN") else int(_signal.SIGUSR2)
"""macOS has no real-time signals."""

_LONG_SECONDS = 0.005
_SPAWNS = frozenset(
    {
        "subprocess.Popen",
        "os.fork",
        "os.forkpty",
        "os.posix_spawn",
        "os.spawn",
        "os.system",
        "os.exec",
        "pty.spawn",
    }
)

_LIMITS = ("resource.setrlimit", "resource.prlimit")


def work(directory: str, descriptors: Descriptors) -> NoReturn:
    """The worker has lived; this process ends here."""
    journal = Journal(descriptors.journal, directory + "/journal")
    with open(directory + "/config.json", encoding="utf-8") as file:
        config = load(file)
    sys.path[:0] = [path for path in config.get("path", ()) if path not in sys.path]
    try:
        for module in config.get("preload", ()):
            import_module(module)
    except BaseException as error:  # noqa: BLE001 - user code; whatever it is, the journal says it
        _say_bye(journal, "import-error", error_document(error))
        _wake(descriptors.wake)
        _end(1)
    worker = Worker(directory, descriptors, journal, config)
    worker.run()
    _end(0)


class Worker:
    """Takes orders until there is a reason to end."""

    def __init__(
        self, directory: str, descriptors: Descriptors, journal: Journal, config: dict[str, Any]
    ) -> None:
        self._descriptors = descriptors
        self._journal = journal
        self._most_jobs = int(config.get("worker_jobs") or 0)
        self._most_memory = int(config.get("worker_memory") or 0)
        self._pipe = OrderPipe(descriptors.pipe, directory + "/orders")
        self._outputs = Outputs(directory)
        self._cancellation = Cancellation(directory + "/cancel")
        self._is_busy = True
        self._is_recalled = False
        self._install(config)

    def _install(self, config: dict[str, Any]) -> None:
        """Signals, forks and spawns of this process come to us; all that preloading changed is how jobs find it."""
        _signal.signal(_signal.SIGTERM, self._cancellation.hear)
        _signal.signal(_signal.SIGINT, self._interrupt)
        _signal.signal(RECALL, self._recall)
        surroundings = Surroundings(RECALL)
        self._attempts = Attempts(self._outputs, surroundings, self._cancellation)
        context.install(self._attempts, config.get("jobctl", ()))
        os.register_at_fork(after_in_child=self._forget)
        watched = dict.fromkeys(_SPAWNS, self._attempts.note_spawn)
        watched |= dict.fromkeys(_LIMITS, self._attempts.note_limits)
        _watch_forks(self._attempts.note_spawn)
        sys.addaudithook(lambda event, arguments: watched[event]() if event in watched else None)
        self._outputs.begin(None, split=False)
        faulthandler.enable(2)

    def run(self) -> None:
        """There was a reason to end, and the journal says so."""
        journal = self._journal
        python = ".".join(map(str, sys.version_info[:3]))
        journal.append({"t": "ready", "at": now_ms(), "pid": os.getpid(), "python": python})
        _wake(self._descriptors.wake)
        done, why = 0, None
        while why is None:
            order = self._next()
            if order is None:
                why = "descriptors" if self._pipe.is_lost else "hangup"
                break
            done += 1
            why = self._carry_out(order) or ("recycled" if done == self._most_jobs else None)
        self._pipe.take()
        _say_bye(journal, why, None, [order.token for order in self._pipe.hand])
        _wake(self._descriptors.wake)
        self._outputs.leave()
        self._attempts.close()

    def _next(self) -> Order | None:
        """The next order, begun; ``None``: nothing more is begun."""
        pipe = self._pipe
        has_arrived = pipe.poll(wait=False)
        while True:
            if has_arrived:
                pipe.take()
            if pipe.is_closed:
                return None
            if pipe.hand:
                return pipe.hand.popleft() if self._begin(pipe.hand[0]) else None
            self._be_free()
            has_arrived = pipe.poll(wait=True)
            self._is_busy = True

    def _begin(self, order: Order) -> bool:
        """Whether the journal says that the job has begun; only a full disk can keep it from that."""
        line = f'{{"t":"begin","job":{order.job},"attempt":{order.attempt},"token":{order.token},"at":{now_ms()}}}\n'
        return self._journal.write(line.encode(), self._is_abandoned)

    def _is_abandoned(self) -> bool:
        self._pipe.poll(wait=False)
        return self._pipe.is_closed

    def _carry_out(self, order: Order) -> str | None:
        """The journal says how the job ended; why the worker cannot go on, if it cannot."""
        begun = time.monotonic()
        try:
            self._pipe.read(order)
        except (OSError, ValueError, LookupError) as error:
            order.fault = error
        self._be_free()
        line = self._attempts.run(order)
        self._is_busy = True
        self._journal.write(line)
        if not self._pipe.hand or time.monotonic() - begun > _LONG_SECONDS:
            _wake(self._descriptors.wake)
        if self._cancellation.is_made:
            return "cancelled"
        if self._attempts.is_spoilt:
            return "descriptors"
        if 0 < self._most_memory < self._attempts.resident:
            return "memory"
        return None

    def _be_free(self) -> None:
        """From now on a recall is answered in the handler of its signal; one that had to wait is answered now."""
        self._is_busy = False
        if self._is_recalled:
            self._answer()

    def _recall(self, number: int, frame: object) -> None:
        """What is in hand is given back: at once, or when what the worker does to its own files now is done."""
        if self._is_busy:
            self._is_recalled = True
        else:
            self._answer()

    def _answer(self) -> None:
        self._is_busy = True
        self._is_recalled = False
        self._pipe.take()
        tokens = [order.token for order in self._pipe.hand]
        self._pipe.hand.clear()
        self._journal.append({"t": "recalled", "at": now_ms(), "tokens": tokens})
        _wake(self._descriptors.wake)
        self._be_free()

    def _interrupt(self, number: int, frame: object) -> None:
        if self._cancellation.inside:
            raise KeyboardInterrupt

    def _forget(self) -> None:
        """A child that was forked off is no worker: it holds nothing of ours, and signals mean to it what they did."""
        self._descriptors.close()
        self._pipe.close()
        context.install(None)
        ours = (self._cancellation.hear, self._interrupt, self._recall)
        for number in (_signal.SIGTERM, _signal.SIGINT, RECALL):
            if _signal.getsignal(number) in ours:
                _signal.signal(number, _signal.SIG_DFL)


def _watch_forks(note_spawn: Callable[[], None]) -> None:
    """Multiprocessing starts its processes by a C function that no audit event tells of."""
    try:
        import _posixsubprocess
    except ImportError:
        return
    fork = _posixsubprocess.fork_exec

    def fork_exec(*arguments: Any) -> Any:
        note_spawn()
        return fork(*arguments)

    _posixsubprocess.fork_exec = fork_exec


def _say_bye(
    journal: Journal, why: str, error: dict[str, str] | None = None, tokens: list[int] | None = None
) -> None:
    record = {"t": "bye", "at": now_ms(), "why": why, "error": error, "tokens": tokens or []}
    journal.write(
        encode(record).encode("utf-8", "replace") + b"\n", give_up=lambda: True
    )  # the lock says it, too


def _wake(fd: int) -> None:
    """The supervisor looks into the journal; if its FIFO is full, it does so anyway."""
    if fd >= 0:
        try:
            os.write(fd, b"j")
        except OSError:
            return


def _end(code: int) -> NoReturn:
    """This process ends, after what was to run at exit; threads that jobs left behind do not keep it."""
    atexit._run_exitfuncs()
    for stream in (sys.stdout, sys.stderr):
        try:
            stream.flush()
        except (OSError, ValueError, AttributeError):
            continue
    os._exit(code)
