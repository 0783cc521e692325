"""A daemon that is a function: the call and its exit code, in this process."""

from __future__ import annotations

import os
import signal
from collections.abc import Iterator
from typing import Any

import pytest

from jobctl.daemon_context import StopRequest
from jobctl.executors.worker import daemon
from jobctl.resources import run_resources_with


@pytest.fixture
def stop(monkeypatch: pytest.MonkeyPatch) -> Iterator[StopRequest]:
    """The request of this daemon; signals are as before afterwards."""
    before = signal.signal(signal.SIGTERM, signal.SIG_DFL)
    made = StopRequest()
    monkeypatch.setattr(daemon, "STOP", made)
    monkeypatch.delenv("JOBCTL_STOP_SIGNAL", raising=False)
    yield made
    signal.signal(signal.SIGTERM, before)
    made._forget()
    run_resources_with(None)


@pytest.mark.parametrize("error", [None, ValueError("it broke")])
def test_a_signal_that_comes_when_the_function_has_just_ended_is_heard_by_nobody(
    stop: StopRequest, monkeypatch: pytest.MonkeyPatch, error: Exception | None
) -> None:
    def end(*_: object) -> None:
        if error is not None:
            raise error

    def told(_: object) -> int:
        os.kill(os.getpid(), signal.SIGTERM)  # while the handler of the exception runs
        return 1

    monkeypatch.setattr(daemon, "_call", end)
    monkeypatch.setattr(daemon, "_told", told)
    assert daemon._code("mod:func", {}) == (0 if error is None else 1)
    assert stop.on_made is None


def test_a_signal_while_the_function_runs_ends_it(stop: StopRequest, monkeypatch: pytest.MonkeyPatch) -> None:
    def wait(*_: Any) -> None:
        os.kill(os.getpid(), signal.SIGTERM)
        signal.pause()

    monkeypatch.setattr(daemon, "_call", wait)
    assert daemon._code("mod:func", {}) == 0
