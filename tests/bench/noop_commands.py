"""No-op commands a second with 2 slots, beside ``xargs -P2`` and GNU parallel ``-j2`` of the same command.

Budget: ≥ 2.5 × GNU parallel and ≥ 0.4 × xargs. Every job here is durable, with history, events and a log.
"""

from __future__ import annotations

import json
import shutil
import subprocess

from tests.bench.support import (
    JOBCTL,
    figure,
    headline,
    jobctl,
    number_argument,
    throwaway_home,
    timed,
)
from tests.support.cli import cli_environment

COMMAND = shutil.which("true") or "/bin/true"


def main() -> None:
    """Print the figures."""
    count = number_argument(2000)
    headline(f"noop_commands: {count:,} × true, 2 slots")
    xargs = count / timed(lambda: _fed(["xargs", "-P2", "-n1", COMMAND], count))
    ours, process_cpu = _jobctl_rate(count)
    figure("jobctl up --until-idle --concurrency 2", f"{ours:,.0f}/s {process_cpu}")
    figure("xargs -P2", f"{xargs:,.0f}/s; jobctl is {ours / xargs:.2f} × that (budget ≥ 0.4)")
    if shutil.which("parallel") is None:
        figure("GNU parallel -j2", "not installed")
        return
    few = max(200, count // 4)
    parallel = few / timed(lambda: _fed(["parallel", "-j2", COMMAND], few))
    figure("GNU parallel -j2", f"{parallel:,.0f}/s; jobctl is {ours / parallel:.2f} × that (budget ≥ 2.5)")


def _jobctl_rate(count: int) -> tuple[float, str]:
    text = (json.dumps({"command": [COMMAND]}) + "\n") * count
    with throwaway_home() as home:
        submitted = timed(lambda: jobctl(home, "submit", "-q", "--jsonl", "-", text=text))
        words = [*JOBCTL, "up", "--until-idle", "--concurrency", "2"]
        environment = cli_environment(home.path)
        ran = timed(lambda: subprocess.run(words, stdout=subprocess.DEVNULL, env=environment, check=True))
    return count / ran, f"from its start to its exit (submitting them took {submitted:.2f} s)"


def _fed(words: list[str], count: int) -> None:
    numbers = "".join(f"{number}\n" for number in range(count))
    subprocess.run(words, input=numbers.encode(), stdout=subprocess.DEVNULL, check=True)


if __name__ == "__main__":
    main()
