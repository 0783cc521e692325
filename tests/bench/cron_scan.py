"""5,000 random cron schedules around odd changes of the clocks, against a look at every minute."""

from __future__ import annotations

import sys
from random import Random

from tests.bench.support import figure, headline
from tests.support.cron_checks import disagreement
from tests.support.cron_oracle import TRANSITIONS

SCHEDULES = 5000


def main() -> None:
    headline("cron against a minute scan")
    random = Random(2026)
    found = [told for _ in range(SCHEDULES) if (told := disagreement(random)) is not None]
    zones = len({zone for zone, _ in TRANSITIONS})
    figure(f"random schedules, {zones} zones, {len(TRANSITIONS)} changes", f"{SCHEDULES}")
    figure("disagreements", str(len(found)))
    for told in found[:20]:
        print(f"    {told}")
    if found:
        sys.exit(1)


if __name__ == "__main__":
    main()
