"""A random cron expression at a random change of the clocks, checked against the oracle."""

from __future__ import annotations

from bisect import bisect_right
from datetime import timedelta
from random import Random
from zoneinfo import ZoneInfo

from jobctl.errors import BadInputError
from jobctl.model.cron import parse_cron
from tests.support.cron_oracle import TRANSITIONS, firings, random_expression, walls_around

_STARTS = 8


def disagreement(random: Random) -> str | None:
    """What the wrapper and a look at every minute say differently about one random schedule; None: nothing."""
    zone_name, day = random.choice(TRANSITIONS)
    expression = random_expression(random)
    minutes = walls_around(zone_name, day)
    try:
        line = parse_cron(expression.text)
    except BadInputError:  # never fires
        return f"{expression.text!r} refused" if firings(expression, minutes) else None
    wanted, zone, end = firings(expression, minutes), ZoneInfo(zone_name), minutes[-1][0]
    middle = len(minutes) // 2
    for _ in range(_STARTS):
        place = random.choice((random.randrange(len(minutes)), middle + random.randint(-900, 900)))
        start = minutes[place][0] + timedelta(seconds=random.choice((0, 0, 59)))
        following = bisect_right(wanted, start)
        expected = wanted[following] if following < len(wanted) else None
        found = line.next_after(start, zone)
        if (found if found is not None and found <= end else None) != expected:
            return f"{expression.text!r} in {zone_name} after {start}: {found}, should be {expected}"
    start, end = sorted(random.choice(minutes)[0] for _ in range(2))
    count = bisect_right(wanted, end) - bisect_right(wanted, start)
    if line.count_between(start, end, zone) != (count, True):
        counted = line.count_between(start, end, zone)[0]
        return f"{expression.text!r} in {zone_name} {start} to {end}: counts {counted}, should be {count}"
    return None
