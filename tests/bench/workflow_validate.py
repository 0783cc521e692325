"""Validating a workflow of 2,000 steps beside bare parsing of its YAML, by turns in one process."""

from __future__ import annotations

import statistics
import time
from collections.abc import Callable

import yaml

from jobctl.model.workflow_files import parse_workflow
from jobctl.model.yaml_nodes import read_yaml
from tests.bench.support import figure, headline, milliseconds, number_argument

STEPS = 2000
NEEDS = 3


def text_of(steps: int) -> str:
    """A file in which each step needs some before it, has a condition and a template."""
    lines = ["name: big", "params: {mode: {choices: [full, fast], default: full}}", "steps:"]
    for number in range(steps):
        needs = [f"step{other}" for other in range(max(0, number - NEEDS), number)]
        lines += [f"  - id: step{number}", "    run: echo ${{ params.mode }}", "    outputs: {count: int}"]
        if needs:
            lines += [f"    needs: [{', '.join(needs)}]", f"    when: steps.{needs[-1]}.outputs.count > 0"]
    return "\n".join(lines)


def main() -> None:
    """Print the figures."""
    rounds = number_argument(5)
    text = text_of(STEPS)
    headline(f"workflow_validate, {STEPS:,} steps, {len(text):,} characters, {rounds} rounds by turns")
    loader = getattr(yaml, "CSafeLoader", yaml.SafeLoader)
    work: dict[str, Callable[[], object]] = {
        "yaml.compose (C) alone": lambda: yaml.compose(text, Loader=loader),
        "our tree of nodes": lambda: read_yaml(text),
        "validate": lambda: parse_workflow(text, "big.yaml"),
    }
    seconds: dict[str, list[float]] = {label: [] for label in work}
    for _ in range(rounds):
        for label, call in work.items():
            start = time.process_time()
            call()
            seconds[label].append(time.process_time() - start)
    medians = {label: statistics.median(values) for label, values in seconds.items()}
    for label, value in medians.items():
        figure(label, f"median {milliseconds(value)} of CPU")
    figure("ratio", f"{medians['validate'] / medians['yaml.compose (C) alone']:.2f} ×")


if __name__ == "__main__":
    main()
