"""Kill -9 the supervisor of a recorded workflow, in its steps and in its rollback, and then look what ran.

    python -m tests.chaos.workflows --kills 20 [--seed N] [--name wfi-bwa-chameleon-large-001] [--rollback]

Each step writes a line of a ledger, and with ``--rollback`` one step fails and every undo command writes one too. The
kills are spread over what there is to do. The check is made afterwards, from the ledger and the store alone.
"""

from __future__ import annotations

import argparse
import random
import sys
import tempfile
import time
from collections import Counter
from contextlib import suppress
from dataclasses import dataclass, field
from pathlib import Path

from jobctl.model.states import JobId, JobStatus
from jobctl.model.workflow_graphs import descendants_of
from jobctl.model.workflow_runs import Role
from tests.support.recorded_workflows import NAMES, RecordedWorkflow, recorded_workflow
from tests.support.supervisors import Site, starts_and_ends
from tests.support.waiting import wait_until
from tests.support.workflows import add_workflow

END_SECONDS = 600.0
LINE_SECONDS = 60.0


@dataclass(slots=True)
class Findings:
    """What was done and found; without problems every promise held."""

    seed: int
    kills: int
    steps: int
    undone: int
    seconds: float
    problems: list[str] = field(default_factory=list)

    @property
    def line(self) -> str:
        """The summary."""
        return (
            f"seed {self.seed}: {self.kills} kills, {self.steps} steps and {self.undone} undo commands"
            f" each once, {len(self.problems)} problems, {self.seconds:.0f} s"
        )


class WorkflowChaos:
    """One run of a workflow on one home."""

    def __init__(self, root: Path, recorded: RecordedWorkflow, seed: int, *, rollback: bool) -> None:
        self.site = Site(root)
        self._ledger = root / "ledger"
        self._ledger.touch()
        self._recorded = recorded
        self._random = random.Random(seed)
        self._seed = seed
        self._failing = self._last_of_many() if rollback else None

    def run(self, kills: int) -> Findings:
        """``kills`` kills have been made, the run has ended and was checked."""
        began = time.monotonic()
        try:
            run_id = add_workflow(self.site, self._text())
            lines = self._expected_lines()
            for at in sorted(self._random.randrange(lines) for _ in range(kills)):
                self._live_until(run_id, at)
            self._finish()
            problems = [*self._check_ledger(run_id), *self._check_store(run_id)]
            undone = sum(line.startswith("undo ") for line in self._lines())
            steps = len(self._lines()) - undone
        finally:
            self.site.close()
        return Findings(self._seed, kills, steps, undone, time.monotonic() - began, problems)

    def _text(self) -> str:
        """The file: each step and each undo leaves a line; lines of one write never mix."""
        lines = [f"name: {self._recorded.name}", "rollback: on_failure", "steps:"]
        for step, needs in self._recorded.needs.items():
            command = f'echo "$JOBCTL_STEP" >> "{self._ledger}"'
            if step == self._failing:
                command += "; exit 3"
            lines += [
                f"  - id: {step}", f"    needs: [{', '.join(needs)}]", f"    run: {command}",
                f'    undo: echo "undo $JOBCTL_STEP" >> "{self._ledger}"',
            ]  # fmt: skip
        return "\n".join(lines) + "\n"

    def _last_of_many(self) -> str:
        """A step with much before it: the most of the workflow runs, and is then undone."""
        return min(self._recorded.needs, key=lambda step: (len(self._behind(step)), step))

    def _behind(self, step: str) -> set[str]:
        return descendants_of(self._recorded.needs, [step]) - {step}

    @property
    def _ran(self) -> set[str]:
        """The steps that run at all."""
        return set(self._recorded.needs) - (self._behind(self._failing) if self._failing else set())

    def _expected_lines(self) -> int:
        return len(self._ran) * 2 - 1 if self._failing else len(self._ran)

    def _lines(self) -> list[str]:
        return self._ledger.read_text().splitlines()

    def _live_until(self, run_id: JobId, lines: int) -> None:
        """A supervisor lived until the ledger was so long, and some moments more."""
        supervisor = self.site.up()
        with suppress(AssertionError):  # on a slow machine it dies earlier; that is a place like any other
            wait_until(
                lambda: len(self._lines()) >= lines or self.site.status(run_id).is_terminal,
                seconds=LINE_SECONDS,
            )
        time.sleep(self._random.choice((0.0, 0.003, 0.02)) * self._random.random())
        self.site.kill(supervisor)
        self.site.spawned.remove(supervisor)

    def _finish(self) -> None:
        last = self.site.spawn("up", "--until-idle", name="up-last")
        wait_until(lambda: last.poll() is not None, seconds=END_SECONDS)
        if last.returncode not in (0, 1):
            errors = (self.site.root / "up-last.err").read_text()
            raise RuntimeError(f"the last supervisor ended with {last.returncode}: {errors}")

    # --- the check ---

    def _check_ledger(self, run_id: JobId) -> list[str]:
        lines = self._lines()
        problems = [f"{line}: {count} times" for line, count in Counter(lines).items() if count > 1]
        steps = [line for line in lines if not line.startswith("undo ")]
        if set(steps) != self._ran:
            problems.append(f"steps that ran: {len(set(steps))}, not {len(self._ran)}")
        place = {step: index for index, step in enumerate(lines)}
        for step in steps:
            early = [
                need for need in self._recorded.needs[step] if place.get(need, sys.maxsize) > place[step]
            ]
            problems += [f"{step} ran before {need}" for need in early]
        started = {step.id: step.start_seq or 0 for step in self.site.store.workflows.steps(run_id)}
        wanted = sorted(self._ran - {self._failing}, key=lambda step: -started[step]) if self._failing else []
        if [line.removeprefix("undo ") for line in lines if line.startswith("undo ")] != wanted:
            problems.append("the undo commands did not run in the reverse order of the starts, each once")
        return problems

    def _check_store(self, run_id: JobId) -> list[str]:
        store = self.site.store
        run = store.workflows.get(run_id)
        expected = JobStatus.FAILED if self._failing else JobStatus.COMPLETED
        if run is None or run.status is not expected:
            return [f"the run is {run and run.status.value}, not {expected.value}"]
        problems = []
        for child in store.workflows.children(run_id):
            counts = starts_and_ends(self.site.events(child.job_id))
            if counts != {1: (1, 1)}:
                problems.append(f"{child.role.value} {child.label}: starts and ends {counts}")
        undone = sum(child.role is Role.UNDO for child in store.workflows.children(run_id))
        if self._failing and (run.rollback.value, undone) != ("complete", len(self._ran) - 1):
            problems.append(f"the rollback is {run.rollback.value} with {undone} undo commands")
        return problems


def main() -> int:
    """The exit code: 0 if every promise held."""
    parser = argparse.ArgumentParser(prog="tests.chaos.workflows")
    parser.add_argument("--kills", type=int, default=20)
    parser.add_argument("--seed", type=int, default=random.randrange(1 << 32))
    parser.add_argument("--name", choices=NAMES, default="wfi-bwa-chameleon-large-001")
    parser.add_argument("--rollback", action="store_true")
    arguments = parser.parse_args()
    print(f"seed {arguments.seed}, {arguments.name}", flush=True)
    with tempfile.TemporaryDirectory(prefix="jobctl-chaos-") as root:
        recorded = recorded_workflow(arguments.name)
        chaos = WorkflowChaos(Path(root), recorded, arguments.seed, rollback=arguments.rollback)
        outcome = chaos.run(arguments.kills)
    for problem in outcome.problems:
        print(problem)
    print(outcome.line)
    return 1 if outcome.problems else 0


if __name__ == "__main__":
    sys.exit(main())
