"""What holds for every test: one hypothesis profile, and nothing of a jobctl around the test run leaks in."""

from __future__ import annotations

import os
import signal
from collections.abc import Iterator
from pathlib import Path

import pytest
from hypothesis import settings

from tests.support.supervisors import Site, Stage

if signal.getsignal(signal.SIGINT) is signal.SIG_IGN:
    # A shell without job control starts what it puts into the background so, and what is spawned here would inherit it.
    signal.signal(signal.SIGINT, signal.default_int_handler)

# A machine that others use too makes any example slow now and then.
settings.register_profile("jobctl", deadline=None)
settings.load_profile("jobctl")


@pytest.fixture(autouse=True)
def no_jobctl_around(monkeypatch: pytest.MonkeyPatch) -> None:
    """The suite may itself run as a job: its ``JOBCTL_*`` variables are not the tests'."""
    for name in list(os.environ):
        if name.startswith(("JOBCTL_", "_JOBCTL")):
            monkeypatch.delenv(name)


@pytest.fixture
def stage(tmp_path: Path) -> Iterator[Stage]:
    """A home whose supervisors are turned by hand."""
    found = Stage(tmp_path)
    yield found
    found.close()


@pytest.fixture
def site(tmp_path: Path) -> Iterator[Site]:
    """A home whose supervisors are processes."""
    found = Site(tmp_path)
    yield found
    found.close()
