"""What holds for every test: one hypothesis profile, and nothing of a jobctl around the test run leaks in."""

from __future__ import annotations

import os

import pytest
from hypothesis import settings

# A machine that others use too makes any example slow now and then.
settings.register_profile("jobctl", deadline=None)
settings.load_profile("jobctl")


@pytest.fixture(autouse=True)
def no_jobctl_around(monkeypatch: pytest.MonkeyPatch) -> None:
    """The suite may itself run as a job: its ``JOBCTL_*`` variables are not the tests'."""
    for name in list(os.environ):
        if name.startswith(("JOBCTL_", "_JOBCTL")):
            monkeypatch.delenv(name)
