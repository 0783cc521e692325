"""Work that only seems to be done: for demonstrations and load tests, with all that can go wrong."""

from __future__ import annotations

import math
import os
import signal
import time
from random import Random

from jobctl import context

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable
    from typing import Any, Literal

    Distribution = Literal["fixed", "uniform", "exponential", "lognormal"]

DISTRIBUTIONS = ("fixed", "uniform", "exponential", "lognormal")
LONGEST_SECONDS = 86_400.0
_SLICE_SECONDS = 0.05
_PAGE = 4096


class SimulatedFailureError(RuntimeError):
    """What a failure rate makes happen."""


def simulate(
    seconds: float = 0.1,
    distribution: Literal["fixed", "uniform", "exponential", "lognormal"] = "fixed",
    spread: float = 0.5,
    seed: int | None = None,
    failure_rate: float = 0.0,
    steps: int = 0,
    items: int = 0,
    item_failure_rate: float = 0.0,
    memory: int = 0,
    cpu: float = 0.0,
    crash: str = "",
    hang: bool = False,
    ignore_cancellation: bool = False,
) -> dict[str, Any]:
    """Pass time as work does: report progress, use memory and processor, fail, crash or hang.

    Args:
        seconds: how long it takes; the mean of the distributions.
        distribution: fixed, uniform (``seconds`` ± ``spread`` of it), exponential, or lognormal (sigma ``spread``).
        spread: see ``distribution``.
        seed: the same seed gives the same job and attempt the same fate; without one it is random.
        failure_rate: from 0 to 1: how likely it raises an error at its end.
        steps: it reports progress in so many steps.
        items: it counts so many items as done; ``steps`` is ignored then.
        item_failure_rate: how likely each of them is reported as failed; the job goes on.
        memory: bytes that it holds meanwhile.
        cpu: from 0 to 1: the share of the time in which it keeps a processor busy.
        crash: half-way its process ends: an exit code such as ``3``, or a signal such as ``SEGV``.
        hang: it never returns.
        ignore_cancellation: it goes on when it is cancelled, until it is killed.
    """
    chance = _chance(seed)
    planned = _duration(chance, distribution, seconds, spread)
    ending = _ending(crash)
    for name, value in (
        ("failure_rate", failure_rate),
        ("item_failure_rate", item_failure_rate),
        ("cpu", cpu),
    ):
        if not 0 <= value <= 1:
            raise ValueError(f"{name} must be from 0 to 1, not {value}")
    held = _held(memory)
    pace = _Pace(cpu, heeds=not ignore_cancellation)
    parts = max(1, items or steps)
    if items or steps:
        context.total(parts)
    failed = 0
    for part in range(parts):
        if ending is not None and part == parts // 2:
            if parts == 1:
                pace.spend(planned / 2)
            ending()
        if not pace.spend(planned / parts):
            return {"cancelled": True, "seconds": round(planned, 6), "parts": part}
        if items and chance.random() < item_failure_rate:
            failed += 1
            context.item_failed(f"item {part + 1}", "simulated")
        if items or steps:
            context.advance()
    while hang and pace.spend(1.0):
        pass
    if chance.random() < failure_rate:
        raise SimulatedFailureError(f"simulated, as with a failure rate of {failure_rate:g}")
    return {"seconds": round(planned, 6), "items": items, "failed_items": failed, "held_bytes": len(held)}


def _chance(seed: int | None) -> Random:
    """The numbers of this attempt of this job."""
    if seed is None:
        return Random()  # noqa: S311 - nobody's secret
    return Random(f"{seed} {context.job_id()} {context.attempt()}")  # noqa: S311


def _duration(chance: Random, distribution: str, seconds: float, spread: float) -> float:
    if not (math.isfinite(seconds) and 0 <= seconds <= LONGEST_SECONDS and 0 <= spread <= 10):
        raise ValueError(f"seconds must be from 0 to {LONGEST_SECONDS:g} and spread from 0 to 10")
    if distribution == "fixed" or not seconds:
        return seconds
    if distribution == "uniform":
        return chance.uniform(seconds * max(0.0, 1 - spread), seconds * (1 + spread))
    if distribution == "exponential":
        return min(chance.expovariate(1 / seconds), LONGEST_SECONDS)
    if distribution == "lognormal":  # so that its mean, not its median, is ``seconds``
        return min(chance.lognormvariate(math.log(seconds) - spread**2 / 2, spread), LONGEST_SECONDS)
    raise ValueError(f"no such distribution: {distribution!r}; one of: {', '.join(DISTRIBUTIONS)}")


def _held(size: int) -> bytearray:
    """So much memory, every page of it in use."""
    if size < 0:
        raise ValueError("memory is a number of bytes")
    held = bytearray(size)
    for place in range(0, size, _PAGE):
        held[place] = 1
    return held


def _ending(crash: str) -> Callable[[], object] | None:
    """What ends the process; None: nothing does."""
    word = str(crash).strip().upper()
    if not word or word == "NONE":
        return None
    if word.isascii() and word.isdigit() and int(word) <= 255:
        return lambda: os._exit(int(word))
    name = word if word.startswith("SIG") else f"SIG{word}"
    found = next((one for one in signal.Signals if one.name == name), None)
    if found is None:
        raise ValueError(f"no exit code and no signal: {crash!r}; give crash=3 or crash=SEGV")

    def end() -> None:
        signal.signal(found, signal.SIG_DFL) if found not in (signal.SIGKILL, signal.SIGSTOP) else None
        os.kill(os.getpid(), found)

    return end


class _Pace:
    """Spends time, idle and busy, and asks meanwhile whether it is to end."""

    def __init__(self, cpu: float, *, heeds: bool) -> None:
        self._cpu = cpu
        self._heeds = heeds

    def spend(self, seconds: float) -> bool:
        """Whether all of it was spent; false once the job is cancelled and heeds it."""
        until = time.monotonic() + seconds
        while True:
            try:
                if self._heeds and context.cancelled():
                    return False
                left = until - time.monotonic()
                if left <= 0:
                    return True
                self._spend_slice(min(left, _SLICE_SECONDS))
            except context.Cancelled:
                if self._heeds:
                    raise

    def _spend_slice(self, seconds: float) -> None:
        busy_until = time.monotonic() + seconds * self._cpu
        while self._cpu and time.monotonic() < busy_until:
            math.sqrt(2.0)
        time.sleep(max(0.0, seconds * (1 - self._cpu)))
