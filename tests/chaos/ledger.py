"""Kill -9 at random moments, and then look whether every promise held.

    python -m tests.chaos.ledger --kills 200 [--seed N] [--mode supervisor|everything]

A loop submits jobs that keep a ledger while the supervisor is killed and started again. In the mode
``everything`` shims, whole groups, or everything at once are killed too. The check is made afterwards, from the
ledger and the store alone. The seed is printed first: it makes the choices again, not the timing.
"""

from __future__ import annotations

import argparse
import os
import random
import signal
import subprocess
import sys
import tempfile
import time
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Literal

from jobctl.model.states import JobId
from tests.support.ledgers import Findings, check_ledger, ledger_command
from tests.support.supervisors import Site
from tests.support.waiting import wait_until

Mode = Literal["supervisor", "everything"]
CODES = (0, 0, 0, 1, 3, 7, 126, 200, 255)
WAVE = 4
"""Jobs submitted before each kill."""
END_SECONDS = 600.0


@dataclass(frozen=True, slots=True)
class Outcome:
    """What a run of the chaos did and found."""

    seed: int
    kills: int
    jobs: int
    seconds: float
    findings: Findings

    @property
    def line(self) -> str:
        """The summary."""
        found = self.findings
        return (
            f"seed {self.seed}: {self.kills} kills, {self.jobs} jobs, {found.attempts} attempts"
            f" ({found.restarted} of them repeated), {len(found.lost)} lost, {len(found.doubled)} doubled,"
            f" {len(found.overlapping)} overlapping, {len(found.untrue)} untrue codes,"
            f" {len(found.unbalanced)} without one start and one end, {self.seconds:.0f} s"
        )


class Chaos:
    """One run on one home."""

    def __init__(self, root: Path, seed: int, mode: Mode) -> None:
        self.site = Site(root)
        self.ledger = root / "ledger.d"
        self.ledger.mkdir()
        (self.ledger / "ledger").touch()
        self._random = random.Random(seed)
        self._seed = seed
        self._mode = mode
        self._codes: dict[JobId, int] = {}

    def run(self, kills: int) -> Outcome:
        """``kills`` kills have been made, everything has ended and was checked."""
        began = time.monotonic()
        try:
            for number in range(kills):
                self._submit_wave()
                if self._random.random() < 0.2:
                    supervisor = self.site.spawn("up", name=f"up-{number}")
                    seconds = self._random.random()
                else:
                    supervisor = self.site.up()
                    # The first moments of a life are recovery and claims: the most that can go wrong.
                    seconds = self._random.choice((0.01, 0.03, 0.1, 0.3, 1.0)) * self._random.random()
                with suppress(subprocess.TimeoutExpired):
                    supervisor.wait(seconds)
                self._strike(supervisor)
                self.site.spawned.remove(supervisor)
            self._finish()
            once = self._mode == "supervisor"
            findings = check_ledger(self.site.store, self.ledger, self._codes, once=once)
        finally:
            self.site.close()
        return Outcome(self._seed, kills, len(self._codes), time.monotonic() - began, findings)

    def _submit_wave(self) -> None:
        for _ in range(WAVE):
            code = self._random.choice(CODES)
            seconds = self._random.choice((0.0, 0.0, 0.05, 0.3, 1.5)) * self._random.random()
            command = ledger_command(self.ledger, code, seconds)
            self._codes[self.site.submit(*command, grace_seconds=1.0)] = code

    def _strike(self, supervisor: subprocess.Popen[bytes]) -> None:
        choice = self._random.choice(("supervisor", "shim", "group", "everything"))
        if self._mode == "everything" and choice != "supervisor":
            for pid in self._shims():
                if choice == "everything" or self._random.random() < 0.5:
                    with suppress(ProcessLookupError):
                        os.killpg(pid, signal.SIGKILL) if choice != "shim" else os.kill(pid, signal.SIGKILL)
        self.site.kill(supervisor)

    def _shims(self) -> list[int]:
        return [entry.pid for entry in self.site.processes() if entry.pid == entry.session]

    def _finish(self) -> None:
        last = self.site.spawn("up", "--until-idle", name="up-last")
        wait_until(lambda: last.poll() is not None, seconds=END_SECONDS)
        if last.returncode not in (0, 1):
            errors = (self.site.root / "up-last.err").read_text()
            raise RuntimeError(f"the last supervisor ended with {last.returncode}: {errors}")


def main() -> int:
    """The exit code: 0 if every promise held."""
    parser = argparse.ArgumentParser(prog="tests.chaos.ledger")
    parser.add_argument("--kills", type=int, default=200)
    parser.add_argument("--seed", type=int, default=random.randrange(1 << 32))
    parser.add_argument("--mode", choices=("supervisor", "everything"), default="supervisor")
    arguments = parser.parse_args()
    print(f"seed {arguments.seed}, mode {arguments.mode}", flush=True)
    with tempfile.TemporaryDirectory(prefix="jobctl-chaos-") as root:
        outcome = Chaos(Path(root), arguments.seed, arguments.mode).run(arguments.kills)
    for problem in outcome.findings.problems:
        print(problem)
    print(outcome.line)
    return 1 if outcome.findings.problems else 0


if __name__ == "__main__":
    sys.exit(main())
