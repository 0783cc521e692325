"""The keys of a schedule in a file: those of ``schedule add``, with underscores."""

from __future__ import annotations

import re
from collections.abc import Mapping
from datetime import UTC, datetime
from typing import Any

from jobctl.errors import BadInputError
from jobctl.model.fields import Choice, Field, Text, Truth, table_of
from jobctl.model.nested_fields import Either, Texts, Written
from jobctl.model.schedule_texts import RULE_KEYS, Moment, parse_schedule
from jobctl.model.schedules import Missed, Overlap

_CRON = "a cron expression such as '30 2 * * *'"


_LONG_AGO = Moment(datetime(2000, 1, 1, tzinfo=UTC), "UTC")
TIMES = table_of(
    "key of a schedule",
    Field(
        "cron", Either(Text(_CRON), Texts(Text(_CRON), _CRON), _CRON), "5 fields, 6 with seconds first, or @daily"
    ),
    Field("every", Written("a duration such as 15m", templates=False), "at a fixed rate"),
    Field("after_finish", Truth(), "with `every`: counted from the end of the last job", "false"),
    Field("at", Text("a time"), "once"),
    Field("daily", Text("a time such as '03:00'"), "every day at this time"),
    Field("weekly", Text("days and a time such as mon,fri@09:00"), "on these days"),
    Field("monthly", Written("a day and a time such as 1@06:00", templates=False), "on this day of the month"),
    Field("reboot", Truth(), "once at each start of the supervisor", "false"),
    Field("once_per_boot", Truth(), "with `reboot`: once at each start of the machine", "false"),
    Field("manual", Truth(), "never by itself", "false"),
    Field("tz", Text("a zone such as Europe/Berlin"), "the zone of its wall clock; else this machine's"),
    Field("missed", Choice(Missed), "what runs of slots missed while no supervisor ran", "latest"),
    Field("missed_grace", Written("a duration", templates=False), "older ones never run", "1h"),
    Field("overlap", Choice(Overlap), "when it is due while its last job has not ended", "skip"),
    Field("jitter", Written("a duration", templates=False), "a constant offset below this", "0"),
    Field("start", Text("a time"), "not due before"),
    Field("end", Text("a time"), "not due from then on"),
    Field("disabled", Truth(), "declared, and not due until it is enabled", "false"),
    other_words={
        "expression": "cron", "crontab": "cron", "interval": "every", "repeat": "every", "time": "daily",
        "hourly": "every (1h)", "timezone": "tz", "zone": "tz", "time_zone": "tz", "catchup": "missed",
        "catch_up": "missed", "misfire_grace_time": "missed_grace", "grace": "missed_grace",
        "concurrency": "overlap", "concurrency_policy": "overlap", "start_at": "start", "end_at": "end",
        "start_date": "start", "end_date": "end", "until": "end", "splay": "jitter", "random_delay": "jitter",
        "boot": "reboot", "on_boot": "reboot", "once": "at",
    },
    explained={"enabled": "write disabled: true"},
)  # fmt: skip


def check_times(times: Mapping[str, Any]) -> list[tuple[str, BadInputError]]:
    """What is wrong with the keys of a schedule, each with its key ("" for all of them).

    A time that has passed is no mistake of a file: it is read as of long ago.
    """
    try:
        parse_schedule(times, _LONG_AGO)
    except BadInputError as error:
        error = with_keys(error)
        return [(key_about(times, error), error)]
    return []


def key_about(times: Mapping[str, Any], error: BadInputError) -> str:
    """The key whose value, or a part of it, the error shows; "" for none."""
    if error.value is None:
        return ""
    exact = [key for key, value in times.items() if _is_about(value, error.value)]
    parts = [key for key in RULE_KEYS if isinstance(times.get(key), str) and error.value in times[key]]
    return next(iter((*exact, *parts)), "")


def with_keys(error: BadInputError) -> BadInputError:
    """``error`` with options as the keys of a file: ``--after-finish`` is ``after_finish``."""
    what, hint = (
        re.sub(r"--([a-z]+(?:-[a-z]+)*)", lambda match: match[1].replace("-", "_"), text)
        for text in (error.what, error.hint)
    )
    return BadInputError(what, error.value, hint, error.code)


def _is_about(value: object, text: str) -> bool:
    texts = value if isinstance(value, list | tuple) else [value]
    return any(isinstance(one, str) and text in (one, one.strip()) for one in texts)
