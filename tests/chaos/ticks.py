"""Kill -9 the supervisor at random moments around the ticks of schedules, and count the slots afterwards.

    python -m tests.chaos.ticks --kills 100 [--seed N]

Schedules that catch up on everything fire every second or two while the supervisor is killed and started again.
Afterwards each slot from the first to the last must have one row and one job, and each job one line in the ledger
that its command keeps. The seed is printed first: it makes the choices again, not the timing.
"""

from __future__ import annotations

import argparse
import random
import subprocess
import sys
import tempfile
import time
from collections import Counter
from contextlib import suppress
from dataclasses import dataclass, field
from pathlib import Path

from jobctl.actions.requests import JobRequest
from jobctl.actions.schedules import ScheduleRequest, add_schedule, disable_schedule
from jobctl.model.schedule_records import Schedule
from tests.support.schedules import caller
from tests.support.supervisors import Site
from tests.support.waiting import wait_until

INTERVALS = (1, 1, 2, 3)
"""Seconds between the slots of each schedule."""
END_SECONDS = 300.0


@dataclass(slots=True)
class Outcome:
    """What a run of the chaos did and found; ``problems`` is empty when every slot fired once."""

    seed: int
    kills: int
    seconds: float = 0.0
    slots: int = 0
    problems: list[str] = field(default_factory=list)

    @property
    def line(self) -> str:
        """The summary."""
        return (
            f"seed {self.seed}: {self.kills} kills, {self.slots} slots, {len(self.problems)} problems,"
            f" {self.seconds:.0f} s"
        )


class Chaos:
    """One run on one home."""

    def __init__(self, root: Path, seed: int) -> None:
        self.site = Site(root)
        self.ledger = root / "ledger"
        self.ledger.touch()
        self._random = random.Random(seed)
        self._outcome = Outcome(seed, 0)

    def run(self, kills: int) -> Outcome:
        """``kills`` kills have been made, all is settled and was checked."""
        began = time.monotonic()
        try:
            self._add()
            for number in range(kills):
                supervisor = self.site.spawn("up", name=f"up-{number}")
                with suppress(subprocess.TimeoutExpired):
                    supervisor.wait(self._moment())
                self.site.kill(supervisor)
                self.site.spawned.remove(supervisor)
            self._finish()
            self._check()
        finally:
            self.site.close()
        self._outcome.kills = kills
        self._outcome.seconds = time.monotonic() - began
        return self._outcome

    def _add(self) -> None:
        store, clock = self.site.store, self.site.clock
        for number, seconds in enumerate(INTERVALS):
            shell = f'echo "$JOBCTL_JOB_ID" >>{self.ledger}'
            times = {
                "every": f"{seconds}s",
                "tz": "UTC",
                "missed": "all",
                "missed_grace": "1h",
                "overlap": "allow",
            }
            asked = ScheduleRequest(times, JobRequest(shell=shell))
            add_schedule(store, f"tick-{number}", asked, caller(store, clock), clock, disabled=False)

    def _moment(self) -> float:
        """Seconds to live: until shortly before or after a tick of the first schedule."""
        anchor = self._schedules()[0].created_at
        into = (self.site.clock.now_ms() - anchor) % 1000 / 1000
        whole = self._random.choice((0, 1, 1, 1, 2))
        return max(
            0.0,
            whole + 1 - into + self._random.choice((-0.02, 0.0, 0.005, 0.02, 0.3)) * self._random.random(),
        )

    def _schedules(self) -> list[Schedule]:
        return sorted(self.site.store.schedules.list(), key=lambda schedule: schedule.id)

    def _finish(self) -> None:
        """Nothing is owed any more, and every job has ended."""
        supervisor = self.site.up()
        now = self.site.clock.now_ms()
        wait_until(
            lambda: all(schedule.cursor_at > now for schedule in self._schedules()), seconds=END_SECONDS
        )
        for schedule in self._schedules():
            disable_schedule(self.site.store, schedule.name, None, self.site.clock)
        wait_until(lambda: not self._open_jobs(), seconds=END_SECONDS)
        self.site.kill(supervisor)

    def _open_jobs(self) -> int:
        return int(self.site.store.database.value("SELECT count(*) FROM jobs WHERE finished_at IS NULL"))

    def _check(self) -> None:
        lines = Counter(int(line) for line in self.ledger.read_text().split())
        told: set[int] = set()
        for schedule in self._schedules():
            interval = schedule.text.rule["interval_ms"]
            fires = self.site.store.schedules.fires(schedule.id)[::-1]
            due = sorted(fire.due_at for fire in fires if fire.due_at is not None)
            wanted = list(range(schedule.created_at + interval, due[-1] + 1, interval))
            self._outcome.slots += len(wanted)
            self._note(due == wanted, f"{schedule.name}: {len(due)} slots on record of {len(wanted)}")
            odd = [fire for fire in fires if fire.outcome != "fired" or fire.job_id is None]
            self._note(not odd, f"{schedule.name}: not fired: {odd[:3]}")
            jobs = Counter(fire.job_id for fire in fires)
            self._note(max(jobs.values()) == 1, f"{schedule.name}: a job stands for two slots")
            told |= {job for job in jobs if job is not None}
        stored = {row[0] for row in self.site.store.database.rows("SELECT id FROM jobs")}
        self._note(stored == told, f"{len(stored ^ told)} jobs without a slot, or slots without a job")
        twice = [job for job, count in lines.items() if count > 1]
        self._note(not twice, f"jobs that ran twice: {twice[:5]}")
        self._note(stored == set(lines), f"jobs that never ran: {sorted(stored - set(lines))[:5]}")

    def _note(self, holds: bool, problem: str) -> None:
        if not holds:
            self._outcome.problems.append(problem)


def main() -> int:
    """The exit code: 0 if every slot fired once."""
    parser = argparse.ArgumentParser(prog="tests.chaos.ticks")
    parser.add_argument("--kills", type=int, default=100)
    parser.add_argument("--seed", type=int, default=random.randrange(1 << 32))
    arguments = parser.parse_args()
    print(f"seed {arguments.seed}", flush=True)
    with tempfile.TemporaryDirectory(prefix="jobctl-ticks-") as root:
        outcome = Chaos(Path(root), arguments.seed).run(arguments.kills)
    for problem in outcome.problems:
        print(problem)
    print(outcome.line)
    return 1 if outcome.problems else 0


if __name__ == "__main__":
    sys.exit(main())
