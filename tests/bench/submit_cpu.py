"""CPU of ``jobctl submit`` beside that of importing its libraries. Budget: ≤ 1.25 ×."""

from __future__ import annotations

import os
import statistics
import subprocess
import sys

from tests.bench.support import JOBCTL, figure, headline, milliseconds, number_argument, throwaway_home
from tests.support.cli import cli_environment

IMPORTS = (sys.executable, "-c", "import typer, peewee, apsw")


def main() -> None:
    """Print the figures."""
    count = number_argument(20)
    headline(f"submit_cpu, {count} runs each, by turns")
    with throwaway_home() as home:
        environment = cli_environment(home.path)
        submit = (*JOBCTL, "submit", "-q", "--", "true")
        commands = {"jobctl submit": submit, "its imports alone": IMPORTS, "jobctl list": (*JOBCTL, "list")}
        for words in commands.values():
            _cpu(words, environment)
        seconds: dict[str, list[float]] = {label: [] for label in commands}
        for _ in range(count):
            for label, words in commands.items():
                seconds[label].append(_cpu(words, environment))
    medians = {label: statistics.median(values) for label, values in seconds.items()}
    for label, value in medians.items():
        figure(label, f"median {milliseconds(value)} of CPU")
    ratio = medians["jobctl submit"] / medians["its imports alone"]
    figure("ratio", f"{ratio:.2f} × (budget 1.25)")


def _cpu(words: tuple[str, ...], environment: dict[str, str]) -> float:
    process = subprocess.Popen(
        words, stdin=subprocess.DEVNULL, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL, env=environment
    )
    _, status, usage = os.wait4(process.pid, 0)
    process.returncode = os.waitstatus_to_exitcode(status)
    assert process.returncode == 0, words
    return usage.ru_utime + usage.ru_stime


if __name__ == "__main__":
    main()
