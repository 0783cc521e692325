"""A batch of no-ops from its submit to its end with 2 slots, beside GNU parallel ``-j2 --joblog``."""

from __future__ import annotations

import os
import shutil
import subprocess
import tempfile

from tests.bench.support import JOBCTL, figure, headline, jobctl, number_argument, throwaway_home, timed
from tests.support.cli import cli_environment

COMMAND = shutil.which("true") or "/bin/true"


def main() -> None:
    """Print the figures."""
    count = number_argument(10_000)
    headline(f"batch_noops: a batch of {count:,} × true, 2 slots")
    items = "".join(f"{number}\n" for number in range(count))
    ours = count / timed(lambda: _batch(items))
    figure("jobctl batch, submit to all completed", f"{ours:,.0f}/s")
    if shutil.which("parallel") is None:
        figure("GNU parallel -j2 --joblog", "not installed")
        return
    few = max(200, count // 10)
    theirs = few / timed(lambda: _parallel("".join(f"{number}\n" for number in range(few))))
    figure("GNU parallel -j2 --joblog", f"{theirs:,.0f}/s; jobctl is {ours / theirs:.2f} × that")


def _batch(items: str) -> None:
    with throwaway_home() as home:
        jobctl(home, "batch", "-q", "--from", "-", "--", COMMAND, "{}", text=items)
        words = [*JOBCTL, "up", "--until-idle", "--concurrency", "2"]
        subprocess.run(words, stdout=subprocess.DEVNULL, env=cli_environment(home.path), check=True)


def _parallel(items: str) -> None:
    with tempfile.TemporaryDirectory() as directory:
        words = ["parallel", "-j2", "--joblog", os.path.join(directory, "log"), COMMAND]
        subprocess.run(words, input=items.encode(), stdout=subprocess.DEVNULL, check=True)


if __name__ == "__main__":
    main()
