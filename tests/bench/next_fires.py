"""The next firing of 1,000 schedules, as a ratio to what croniter alone takes for the same expressions."""

from __future__ import annotations

import time
from collections.abc import Callable
from datetime import UTC, datetime
from random import Random
from zoneinfo import ZoneInfo

from croniter import CroniterBadDateError, croniter

from jobctl.errors import BadInputError
from jobctl.model.cron import parse_cron
from tests.bench.support import figure, headline, milliseconds
from tests.support.cron_oracle import random_expression

SCHEDULES = 1000
_NOW = datetime(2027, 6, 1, 12, 0, 7, tzinfo=UTC)
_BERLIN = ZoneInfo("Europe/Berlin")


def main() -> None:
    headline("next firings")
    texts = _texts()
    lines = [parse_cron(text) for text in texts]
    raw = [croniter(text, _NOW.astimezone(_BERLIN), datetime, implement_cron_bug=True) for text in texts]
    for line in lines:
        line.next_after(_NOW, _BERLIN)  # builds croniter's side of it
    naive = _NOW.astimezone(_BERLIN).replace(tzinfo=None)
    aware = _NOW.astimezone(_BERLIN)
    ours = _fastest(lambda: [line.next_after(_NOW, _BERLIN) for line in lines])
    with_zone = _fastest(lambda: [one.get_next(start_time=aware) for one in raw])
    without = _fastest(lambda: [one.get_next(start_time=naive) for one in raw])
    figure(f"{SCHEDULES} next firings, jobctl", milliseconds(ours))
    figure(
        f"{SCHEDULES} next firings, croniter with zone",
        f"{milliseconds(with_zone)}, ratio {ours / with_zone:.2f}",
    )
    figure(
        f"{SCHEDULES} next firings, croniter naive", f"{milliseconds(without)}, ratio {ours / without:.2f}"
    )


def _texts() -> list[str]:
    random = Random(4)
    texts: list[str] = []
    while len(texts) < SCHEDULES:
        text = random_expression(random).text
        try:
            parse_cron(text)
            croniter(text, _NOW, datetime).get_next()
        except (BadInputError, CroniterBadDateError):
            continue  # never fires
        texts.append(text)
    return texts


def _fastest(work: Callable[[], object]) -> float:
    times = []
    for _ in range(5):
        started = time.perf_counter()
        work()
        times.append(time.perf_counter() - started)
    return min(times)


if __name__ == "__main__":
    main()
