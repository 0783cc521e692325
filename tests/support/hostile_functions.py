"""Functions as users write them, and as they should not: for workers in tests. Stdlib and jobctl only."""

from __future__ import annotations

import asyncio
import ctypes
import enum
import os
import resource as resource_limits
import signal
import subprocess
import sys
import threading
import time
from collections.abc import AsyncIterator, Iterator
from pathlib import Path
from typing import Any

from jobctl import context, job, resource


class Speed(enum.Enum):
    FAST = "fast"
    SLOW = "slow"


@job("noop")
def noop() -> None:
    pass


def add(a: int, b: int = 1) -> int:
    return a + b


def only_by_position(a: int, b: int = 2, /, *, c: int = 3) -> list[int]:
    return [a, b, c]


def converted(path: Path, speed: Speed = Speed.SLOW, numbers: frozenset[int] = frozenset()) -> list[str]:
    return [path.name, speed.name, type(numbers).__name__, str(len(numbers))]


async def add_later(a: int, b: int = 1) -> int:
    await asyncio.sleep(0)
    return a + b


def speak(text: str, error: str = "") -> None:
    print(text)
    if error:
        print(error, file=sys.stderr)


def speak_raw(hex_bytes: str) -> None:
    os.write(1, bytes.fromhex(hex_bytes))


def speak_and_end(code: int) -> None:
    print("last words")
    os._exit(code)


def segfault() -> None:
    ctypes.string_at(0)


def fail(text: str = "it broke", size: int = 0) -> None:
    raise ValueError(text + "x" * size)


class _UnspeakableError(Exception):
    def __str__(self) -> str:
        raise RuntimeError("no words")


def fail_unspeakably() -> None:
    raise _UnspeakableError


def recurse(depth: int = 0) -> int:
    return recurse(depth + 1)


def leave(code: Any = None) -> None:
    sys.exit(code)


def interrupt() -> None:
    raise KeyboardInterrupt


def give(kind: str) -> Any:
    """A result that is none."""
    circular: list[Any] = []
    circular.append(circular)
    deep: list[Any] = []
    for _ in range(100):
        deep = [deep]
    return {
        "nan": float("nan"),
        "set": {1},
        "key": {1: 2},
        "large": "x" * (2 << 20),
        "many": [[0] * 1024] * 2048,
        "circular": circular,
        "deep": deep,
        "surrogate": "\udc80",
        "number": 10**5000,
        "generator": iter(()),
        "tuple": (1, "ä", None, True, 1.5),
    }[kind]


def close_descriptors() -> None:
    os.close(1)
    os.close(2)


def close_all_descriptors() -> None:
    os.closerange(0, 4096)


def close_streams() -> None:
    sys.stdout.close()
    sys.stderr.close()


def replace_streams(path: str) -> None:
    sys.stdout = sys.stderr = open(path, "w")  # noqa: SIM115
    print("elsewhere")


def change_everything(directory: str) -> None:
    os.chdir(directory)
    os.umask(0o777)
    os.environ["CHANGED"] = "yes"
    os.environ.pop("PATH", None)
    signal.signal(signal.SIGTERM, signal.SIG_DFL)
    signal.signal(signal.SIGALRM, signal.SIG_IGN)
    signal.pthread_sigmask(signal.SIG_BLOCK, {signal.SIGTERM})
    signal.alarm(1000)
    sys.argv = ["another"]
    sys.setrecursionlimit(500)


def tell_everything() -> dict[str, Any]:
    umask = os.umask(0)
    os.umask(umask)
    return {
        "cwd": os.getcwd(),
        "umask": umask,
        "changed": os.environ.get("CHANGED"),
        "path": os.environ.get("PATH"),
        "term": callable(signal.getsignal(signal.SIGTERM)),
        "alarm": signal.alarm(0),
        "blocked": len(signal.pthread_sigmask(signal.SIG_BLOCK, ())),
        "argv": len(sys.argv),
        "limit": sys.getrecursionlimit(),
        "extra": os.environ.get("EXTRA"),
        "job": os.environ.get("JOBCTL_JOB_ID"),
    }


_LEAKED: list[int] = []


def leak_descriptors() -> int:
    """None is left, nor is one after it."""
    resource_limits.setrlimit(resource_limits.RLIMIT_NOFILE, (256, 256))
    print("leaking")
    try:
        while True:
            _LEAKED.append(os.open("/dev/null", os.O_RDONLY))
    except OSError:
        return len(_LEAKED)


def lower_limits() -> None:
    _, hard = resource_limits.getrlimit(resource_limits.RLIMIT_NOFILE)
    resource_limits.setrlimit(resource_limits.RLIMIT_NOFILE, (64, hard))


def tell_limit() -> int:
    return resource_limits.getrlimit(resource_limits.RLIMIT_NOFILE)[0]


def daemonise(gate: str, started: str) -> None:
    if os.fork():
        os._exit(0)
    os.setsid()
    wait_for(gate, started)
    os._exit(0)


def shell(command: str) -> str:
    return subprocess.run(["sh", "-c", command], check=True, stdout=subprocess.PIPE, text=True).stdout


def shell_to_log(command: str) -> None:
    subprocess.run(["sh", "-c", command], check=True)


def leave_child(gate: str) -> int:
    return subprocess.Popen(["sh", "-c", f"while [ -e '{gate}' ]; do sleep 0.02; done"]).pid


def fork_and_return() -> int:
    """Both return; the child must not be taken for a worker."""
    return os.fork()


def fork_and_exit(code: int) -> int:
    child = os.fork()
    if child == 0:
        sys.exit(code)
    return os.waitstatus_to_exitcode(os.waitpid(child, 0)[1])


def _tell_variables(answers: Any) -> None:
    answers.put([os.environ.get("JOBCTL_JOB_ID"), os.environ.get("JOBCTL_RUN")])


def ask_process(method: str) -> list[str | None]:
    """What a child of multiprocessing finds in its environment."""
    import multiprocessing

    made: Any = multiprocessing.get_context(method)
    answers = made.SimpleQueue()
    process = made.Process(target=_tell_variables, args=(answers,))
    process.start()
    found: list[str | None] = answers.get()
    process.join()
    return found


def leave_process(method: str, gate: str) -> None:
    """A child of multiprocessing stays behind, until ``gate`` is gone."""
    import multiprocessing

    made: Any = multiprocessing.get_context(method)
    made.Process(target=wait_for, args=(gate, f"{gate}.{method}")).start()
    while not os.path.exists(f"{gate}.{method}"):
        time.sleep(0.01)
    multiprocessing.process._children.clear()  # type: ignore[attr-defined] # so that nobody joins it


def start_thread(gate: str) -> None:
    def wait() -> None:
        while os.path.exists(gate):
            time.sleep(0.01)

    threading.Thread(target=wait).start()


def wait_for(gate: str, started: str = "") -> str:
    """Until ``gate`` is gone."""
    if started:
        Path(started).touch()
    while os.path.exists(gate):
        time.sleep(0.01)
    return "over"


def wait_politely(gate: str) -> str:
    while os.path.exists(gate):
        if context.cancelled():
            return "stopped early"
        time.sleep(0.01)
    return "over"


def wait_stubbornly(gate: str, started: str) -> str:
    """Swallows what is raised, once."""
    try:
        return wait_for(gate, started)
    except context.Cancelled:
        return "swallowed"


async def wait_async(gate: str, started: str = "") -> str:
    if started:
        Path(started).touch()
    while os.path.exists(gate):
        await asyncio.sleep(0.01)
    return "over"


async def wait_politely_async(gate: str, started: str) -> str:
    while not context.cancelled():
        Path(started).touch()
        await asyncio.sleep(0.01)
    while os.path.exists(gate):
        await asyncio.sleep(0.01)
    return "saved"


async def leave_task() -> None:
    async def forever() -> None:
        await asyncio.get_running_loop().create_future()

    context.log("task")
    asyncio.get_running_loop().create_task(forever())


async def count_tasks() -> int:
    return len(asyncio.all_tasks())


def report(items: list[str]) -> None:
    context.total(len(items))
    for item in context.track(items, message="copying"):
        if item == "bad":
            context.item_failed(item, ValueError("not good"))
    context.output("copied", len(items))
    context.result({"items": items})


@resource
def base() -> list[str]:
    return ["base"]


@resource
def database(inner: list[str] = base) -> Iterator[dict[str, Any]]:
    opened = {"uses": 0, "from": inner}
    print("resource opened")
    yield opened
    print(f"resource closed after {opened['uses']}", file=sys.stderr)


@resource
async def pool() -> AsyncIterator[list[int]]:
    loop = asyncio.get_running_loop()
    yield [id(loop)]
    assert loop is asyncio.get_running_loop()
    print("pool closed", file=sys.stderr)


def use_database(key: str, db: dict[str, Any] = database) -> int:
    db["uses"] += 1
    assert database() is db
    uses: int = db["uses"]
    return uses


async def use_pool(found: list[int] = pool) -> bool:
    return found == [id(asyncio.get_running_loop())] and await pool() is found


def use_pool_in_step(found: list[int] = pool) -> int:
    return len(found)


def fail_to_build() -> None:
    resource(fail)  # it has parameters with defaults, so it is one
    resource(lambda: 1 / 0)()
