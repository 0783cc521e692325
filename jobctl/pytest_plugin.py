"""The fixture ``jobctl_home``: a throw-away home for tests of programs that use jobctl. Unused, it costs nothing."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import suppress
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

if TYPE_CHECKING:
    from jobctl.api import Client
    from jobctl.api.supervision import SupervisorProcess

IDLE_SECONDS = 120.0
"""A test that takes longer has gone wrong."""


class JobctlHome:
    """A home in ``tmp_path``, which is the default one (``$JOBCTL_HOME``) until the test ends."""

    def __init__(self, path: Path) -> None:
        from jobctl.api import default_client  # a test run that does not use it does not pay for it

        self.path = path
        self.client: Client = default_client()
        """The one that the functions of ``jobctl.api`` use, too."""
        self._made: list[SupervisorProcess] = []

    def run_until_idle(self, *, concurrency: int | None = None, timeout: float = IDLE_SECONDS) -> bool:
        """What is queued has been run, and what came of it; whether no job failed.

        Raises:
            WaitTimeoutError: that took longer than ``timeout`` seconds; everything was stopped.
        """
        from jobctl.api.supervision import run_until_idle

        return run_until_idle(concurrency, self.path, timeout)

    def supervisor(self, *, until_idle: bool = False, concurrency: int | None = None) -> SupervisorProcess:
        """A supervisor for a ``with`` block."""
        from jobctl.api.supervision import supervisor

        made = supervisor(until_idle, concurrency, self.path)
        self._made.append(made)
        return made

    def close(self) -> None:
        """No supervisor is left running, and no connection open."""
        from jobctl.api.client import forget_client
        from jobctl.errors import SupervisorDownError

        for made in self._made:
            made.stop(now=True)
            made.client.close()
        with suppress(SupervisorDownError):  # none that the test has started otherwise runs
            self.client.down(now=True, timeout=IDLE_SECONDS)
        forget_client(self.client)


@pytest.fixture
def jobctl_home(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[JobctlHome]:
    """A throw-away home, its client, and a way to run what was submitted."""
    path = tmp_path / "jobctl_home"
    path.mkdir(mode=0o700)
    monkeypatch.setenv("JOBCTL_HOME", str(path))
    found = JobctlHome(path)
    yield found
    found.close()
