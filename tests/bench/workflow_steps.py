"""Steps of recorded workflows a second, beside plain jobs, and beside ``make -j2`` and doit on the same graph."""

from __future__ import annotations

import os
import shutil
import subprocess
import tempfile
from dataclasses import replace
from pathlib import Path

from jobctl.actions.admissions import submit
from jobctl.clock import SystemClock
from jobctl.model.homes import Home
from jobctl.model.states import JobKind
from jobctl.model.workflow_bundles import WorkflowBundle
from jobctl.model.workflow_files import parse_workflow
from jobctl.model.workflow_runs import WorkflowSubmission
from tests.bench.support import JOBCTL, figure, headline, store_of, submission, throwaway_home, timed
from tests.support.cli import cli_environment
from tests.support.recorded_workflows import RecordedWorkflow, recorded_workflow

COMMAND = shutil.which("true") or "/bin/true"
LARGE, MIDDLE = "wfi-bwa-chameleon-large-001", "wfi-rnaseq-dirt02-001"


def main() -> None:
    """Print the figures."""
    large, middle = recorded_workflow(LARGE), recorded_workflow(MIDDLE)
    headline(f"workflow_steps: {len(large.needs):,} and {len(middle.needs)} steps × true, 2 slots")
    steps = len(large.needs) / _workflow(large)
    figure(f"{len(large.needs):,} steps, up --until-idle", f"{steps:,.0f} steps/s")
    plain = len(large.needs) / _plain(len(large.needs))
    figure("as many plain jobs", f"{plain:,.0f}/s; steps run at {steps / plain:.2f} × that")
    ours = _workflow(middle)
    figure(f"{len(middle.needs)} steps, with the start of the supervisor", f"{ours:.2f} s")
    for name, theirs in (("make -j2", _make(middle)), ("doit -n 2", _doit(middle))):
        if theirs is None:
            figure(name, "not installed")
        else:
            figure(name, f"{theirs:.2f} s; jobctl takes {ours / theirs:.2f} × that, and keeps every step")


def _workflow(recorded: RecordedWorkflow) -> float:
    with throwaway_home() as home:
        definition = parse_workflow(recorded.text(f"[{COMMAND}]"), "flow.yaml")
        with store_of(home) as store, store.write():
            parent = replace(submission(home, "jobctl"), kind=JobKind.WORKFLOW, name=definition.name)
            now = SystemClock().now_ms()
            store.workflows.submit(WorkflowSubmission(parent, WorkflowBundle(definition)), now)
        return timed(lambda: _run_all(home))


def _plain(count: int) -> float:
    with throwaway_home() as home:
        with store_of(home) as store:
            submit(store, [submission(home, COMMAND)] * count, SystemClock())
        return timed(lambda: _run_all(home))


def _run_all(home: Home) -> None:
    words = [*JOBCTL, "up", "--until-idle", "--concurrency", "2"]
    subprocess.run(words, stdout=subprocess.DEVNULL, env=cli_environment(home.path), check=True)


def _make(recorded: RecordedWorkflow) -> float | None:
    if shutil.which("make") is None:
        return None
    names = {step: f"t{number}" for number, step in enumerate(recorded.needs)}
    lines = [f".PHONY: all {' '.join(names.values())}", f"all: {' '.join(names.values())}"]
    for step, needs in recorded.needs.items():
        lines += [f"{names[step]}: {' '.join(names[need] for need in needs)}", f"\t@{COMMAND}"]
    with tempfile.TemporaryDirectory() as directory:
        Path(directory, "Makefile").write_text("\n".join(lines) + "\n")
        return timed(lambda: subprocess.run(["make", "-s", "-j2", "-C", directory, "all"], check=True))


def _doit(recorded: RecordedWorkflow) -> float | None:
    program = os.environ.get("DOIT") or shutil.which("doit")
    if program is None:
        return None
    text = f"""
NEEDS = {dict(recorded.needs)!r}
def task_all():
    for step, needs in NEEDS.items():
        yield {{"name": step, "actions": ["{COMMAND}"], "task_dep": ["all:" + need for need in needs]}}
"""
    with tempfile.TemporaryDirectory() as directory:
        Path(directory, "dodo.py").write_text(text)
        words = [program, "-d", directory, "-f", f"{directory}/dodo.py", "-n", "2"]
        return timed(lambda: subprocess.run(words, stdout=subprocess.DEVNULL, check=True))


if __name__ == "__main__":
    main()
