"""Work that only seems to be done, called here as any function is."""

from __future__ import annotations

import json
import os
import signal
import statistics
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

from jobctl import context
from jobctl.builtin_functions import demo
from jobctl.builtin_functions.demo import SimulatedFailureError, simulate
from jobctl.model.builtin_definitions import BUILTIN
from jobctl.model.calls import is_allowed


class Moments:
    """A clock that passes by being slept on."""

    def __init__(self) -> None:
        self.now = 1000.0
        self.slept = 0.0
        self.looks = 0

    def monotonic(self) -> float:
        self.looks += 1
        self.now += 1e-6
        return self.now

    def sleep(self, seconds: float) -> None:
        self.now += seconds
        self.slept += seconds


@pytest.fixture
def moments(monkeypatch: pytest.MonkeyPatch) -> Moments:
    found = Moments()
    monkeypatch.setattr(demo, "time", found)
    monkeypatch.setattr(context, "cancelled", lambda: False)  # it would take the signals of this process
    for name in ("JOBCTL_JOB_ID", "JOBCTL_ATTEMPT", "JOBCTL_PROGRESS"):
        monkeypatch.delenv(name, raising=False)
    return found


def test_it_takes_as_long_as_it_was_told(moments: Moments) -> None:
    began = moments.now
    assert simulate(3)["seconds"] == 3
    assert moments.now - began == pytest.approx(3, abs=0.1)
    assert simulate(0) == {"seconds": 0, "items": 0, "failed_items": 0, "held_bytes": 0}


@pytest.mark.parametrize(
    ("distribution", "spread", "least", "most"),
    [("uniform", 0.5, 1.0, 3.0), ("exponential", 0.0, 0.0, 86_400.0), ("lognormal", 0.5, 0.0, 86_400.0)],
)
def test_a_distribution_keeps_its_mean_and_a_seed_its_fate(
    moments: Moments,
    monkeypatch: pytest.MonkeyPatch,
    distribution: Any,
    spread: float,
    least: float,
    most: float,
) -> None:
    def durations(seed: int) -> list[float]:
        found = []
        for job in range(1, 301):
            monkeypatch.setenv("JOBCTL_JOB_ID", str(job))
            found.append(simulate(2.0, distribution, spread, seed)["seconds"])
        return found

    first = durations(7)
    assert first == durations(7)
    assert first != durations(8)
    assert statistics.mean(first) == pytest.approx(2.0, rel=0.2)
    assert all(least <= one <= most for one in first)
    assert len(set(first)) == 300


def test_progress_and_failed_items_are_reported(
    moments: Moments, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    monkeypatch.setenv("JOBCTL_PROGRESS", str(tmp_path / "progress"))
    found = simulate(1, items=10, item_failure_rate=1.0)
    assert (found["items"], found["failed_items"]) == (10, 10)
    lines = (tmp_path / "progress").read_text().splitlines()
    assert lines[0] == "/10"
    assert lines.count("+1") == 10
    assert json.loads(lines[1]) == {"item": "item 1", "error": "simulated"}
    monkeypatch.setenv("JOBCTL_PROGRESS", str(tmp_path / "steps"))
    simulate(1, steps=3)
    assert (tmp_path / "steps").read_text().split() == ["/3", "+1", "+1", "+1"]


def test_it_fails_as_often_as_it_was_told(moments: Moments, monkeypatch: pytest.MonkeyPatch) -> None:
    with pytest.raises(SimulatedFailureError, match="failure rate of 1"):
        simulate(0, failure_rate=1)
    failed = 0
    for job in range(1, 201):
        monkeypatch.setenv("JOBCTL_JOB_ID", str(job))
        try:
            simulate(0, failure_rate=0.25, seed=1)
        except SimulatedFailureError:
            failed += 1
    assert 25 <= failed <= 75


def test_memory_is_held_and_the_processor_kept_busy(moments: Moments) -> None:
    assert simulate(0, memory=1 << 20)["held_bytes"] == 1 << 20
    moments.slept = 0
    simulate(0.01, cpu=0.5)
    assert moments.slept == pytest.approx(0.005, abs=0.001)
    assert moments.looks > 1000


def test_it_heeds_a_cancellation_unless_told_otherwise(
    moments: Moments, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(context, "cancelled", lambda: moments.now > 1001)
    assert simulate(10, steps=4) == {"cancelled": True, "seconds": 10, "parts": 0}
    assert simulate(10, hang=True)["cancelled"]

    def sleep(seconds: float) -> None:
        moments.now += seconds
        raise context.Cancelled

    monkeypatch.setattr(moments, "sleep", sleep)
    assert simulate(10, ignore_cancellation=True)["seconds"] == 10


@pytest.mark.parametrize(
    ("given", "message"),
    [
        ({"seconds": -1}, "seconds must be"), ({"seconds": float("nan")}, "seconds must be"),
        ({"distribution": "normal"}, "no such distribution"), ({"failure_rate": 2}, "failure_rate must be"),
        ({"cpu": -0.1}, "cpu must be"), ({"memory": -1}, "number of bytes"), ({"crash": "SIGNOPE"}, "no exit code"),
        ({"crash": "256"}, "no exit code"),
    ],
)  # fmt: skip
def test_what_cannot_be_simulated_is_refused(given: dict[str, Any], message: str) -> None:
    with pytest.raises(ValueError, match=message):
        simulate(**given)


@pytest.mark.parametrize(
    ("crash", "code"), [("3", 3), ("segv", -signal.SIGSEGV), ("SIGKILL", -signal.SIGKILL)]
)
def test_a_crash_ends_the_process(crash: str, code: int) -> None:
    text = f"from jobctl.builtin_functions.demo import simulate; simulate(0, crash={crash!r}); print('alive')"
    done = subprocess.run(
        [sys.executable, "-c", f"import resource; resource.setrlimit(resource.RLIMIT_CORE, (0, 0)); {text}"],
        capture_output=True, check=False, env={**os.environ, "PYTHONFAULTHANDLER": ""},
    )  # fmt: skip
    assert (done.returncode, done.stdout) == (code, b"")


def test_its_definition_gives_every_argument_and_may_always_be_called() -> None:
    found = BUILTIN["demo.simulate"]
    assert found.call is not None
    assert is_allowed(found.call.partition(":")[0], ())
    taken = simulate.__code__.co_varnames[: simulate.__code__.co_argcount]
    assert list(found.args) == list(taken) == [one.name for one in found.parameters]
