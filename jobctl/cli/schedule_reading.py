"""``jobctl schedule list|show|history|why|next``: what reads schedules."""

from __future__ import annotations

from datetime import datetime
from typing import Annotated

import typer

from jobctl.actions.schedule_answers import MOST_SLOTS, listed_schedules, next_fires, next_of, situation_of
from jobctl.actions.schedule_answers import why as ask_why
from jobctl.actions.schedule_runs import one_schedule
from jobctl.actions.schedules import moment
from jobctl.cli.complete import complete_schedules
from jobctl.cli.invocation import Invocation
from jobctl.cli.schedule import Name, store_with
from jobctl.cli.schedule_options import RuleOptions, times_of
from jobctl.cli.words import existing_store
from jobctl.clock import to_datetime
from jobctl.errors import BadInputError
from jobctl.model.instants import format_instant, parse_instant
from jobctl.model.names import parse_whole
from jobctl.model.schedule_lint import lint_terms
from jobctl.model.schedule_records import Schedule
from jobctl.model.schedule_texts import RULE_KEYS, parse_schedule
from jobctl.views.jobs import aligned
from jobctl.views.schedules import (
    fire_json,
    fires_plain,
    next_json,
    next_lines,
    schedule_details_json,
    schedule_fields,
    schedule_json,
    schedules_plain,
)
from jobctl.views.text import printable
from jobctl.zones import find_zone, zone_or_utc

MOST_HISTORY = 100_000
_DEFAULT_HISTORY = 50


def list_(
    call: Invocation,
    type: Annotated[str | None, typer.Option("--type", metavar="TEXT", help="Only of this type.")] = None,
    user: Annotated[str | None, typer.Option("--user", metavar="TEXT", help="Only for this user.")] = None,
    all: Annotated[
        bool, typer.Option("--all", help="Also those that have ended, or are gone from the file.")
    ] = False,
) -> None:
    """List schedules, what is due next first.

    \b
    Examples:
      jobctl schedule list
      jobctl schedule list --type report --json
      jobctl schedule list --all
    """
    store = existing_store(call)
    found: list[Schedule] = []
    if store is not None:
        with store:
            found = listed_schedules(store, type=type, user=user, everything=all)
    if call.json:
        call.print_json({"schedules": [schedule_json(schedule) for schedule in found]})
        return
    now = call.clock.now_ms()
    if not call.is_terminal:
        call.print(schedules_plain(found, now))
    elif not found:
        call.note("no schedules; add one with: jobctl schedule add NAME --daily 02:30 -- CMD …")
    else:
        from jobctl.views.schedule_tables import schedule_columns
        from jobctl.views.tables import show_table  # only a terminal pays for Rich

        show_table(schedule_columns(now), found, color=call.color)


def show(call: Invocation, name: Name) -> None:
    """Show everything known about one schedule.

    \b
    Examples:
      jobctl schedule show nightly
      jobctl schedule show nightly --json
    """
    with store_with(call, name) as store:
        situation = situation_of(store, name)
    schedule, now = situation.schedule, call.clock.now_ms()
    if call.json:
        call.print_json(schedule_details_json(schedule, situation.running, situation.pending))
    else:
        call.print(aligned(schedule_fields(schedule, situation.running, situation.pending, now)))


def history(
    call: Invocation,
    name: Name,
    limit: Annotated[
        str | None, typer.Option("--limit", metavar="N", help="The newest N; else 50, with --json all.")
    ] = None,
) -> None:
    """List what became of the slots of a schedule: each run, skip and miss with its reason, newest first.

    \b
    Examples:
      jobctl schedule history nightly
      jobctl schedule history nightly --limit 5 --json
    """
    most = None if limit is None else parse_whole(limit, "limit", 1, MOST_HISTORY)
    with store_with(call, name) as store:
        schedule = one_schedule(store, name)
        fires = store.schedules.fires(schedule.id, most or (None if call.json else _DEFAULT_HISTORY))
    if call.json:
        call.print_json({"name": schedule.name, "fires": [fire_json(fire) for fire in fires]})
    else:
        call.print(fires_plain(fires, zone_or_utc(schedule.text.timezone)))


def why(
    call: Invocation,
    name: Name,
    at: Annotated[
        str | None, typer.Option("--at", metavar="TIME", help="At this time of its zone; else now.")
    ] = None,
) -> None:
    """Say why a schedule fires or does not, field by field: disabled, overlap, missed, zone and offset.

    \b
    Examples:
      jobctl schedule why nightly
      jobctl schedule why nightly --at '2026-11-22 02:30'
    """
    with store_with(call, name) as store:
        zone = zone_or_utc(one_schedule(store, name).text.timezone)
        now = to_datetime(call.clock.now_ms())
        instant = None if at is None else parse_instant(at, now, "time", zone, past=True)
        answer = ask_why(store, name, instant, call.clock)
    if call.json:
        call.print_json(
            {
                "name": answer.schedule.name,
                "at": None if instant is None else format_instant(instant),
                "reasons": [
                    {"code": cause.code, "message": cause.message, **cause.facts} for cause in answer.causes
                ],
                "match": list(answer.match),
                "fires": [fire_json(fire) for fire in answer.fires],
            }
        )
        return
    for cause in answer.causes:
        call.print(printable(cause.message))
    for line in answer.match:
        call.print(printable(line))
    if answer.fires:
        call.print(fires_plain(answer.fires, zone))
    elif instant is not None:
        call.print("no slot of that time is on record")


def next_(
    call: Invocation,
    rule: RuleOptions,
    name: Annotated[
        str | None,
        typer.Argument(metavar="[NAME]", help="The schedule.", autocompletion=complete_schedules),
    ] = None,
    after: Annotated[
        str | None, typer.Option("--from", metavar="TIME", help="Later than this; else than now.")
    ] = None,
    count: Annotated[str, typer.Option("-n", "--count", metavar="N", help="How many.")] = "5",
) -> None:
    """Print when a schedule, or a rule that is none yet, fires next: in its zone, with the offset.

    \b
    Examples:
      jobctl schedule next nightly
      jobctl schedule next --cron '30 2 * * *' --tz America/New_York --from 2027-03-13 -n 3
      jobctl schedule next --every 90s --json
    """
    most = parse_whole(count, "count", 1, MOST_SLOTS)
    given = {key: value for key, value in times_of(rule).items() if value}
    now = to_datetime(call.clock.now_ms())
    if name is not None:
        if set(given) - {"tz"}:
            raise BadInputError("a name and a rule", name, "give one of them", "E_USAGE")
        with store_with(call, name) as store:
            zone = zone_or_utc(one_schedule(store, name).text.timezone)
            zone = zone if rule.tz is None else find_zone(rule.tz)
            floor = None if after is None else parse_instant(after, now, "time", zone)
            _, found = next_of(store, name, floor, most, call.clock)
    else:
        if not any(key in given for key in RULE_KEYS):
            raise BadInputError("no schedule and no rule", hint="give a NAME or --cron EXPR", code="E_USAGE")
        floor = _floor(after, rule, now)
        terms = parse_schedule(given, moment(round(floor.timestamp() * 1000)))
        zone, found = terms.zone, next_fires(terms, floor, most)
        for remark in (*terms.notes, *(f"warning: {text}" for text in lint_terms(terms, floor))):
            call.note(remark)
    if call.json:
        call.print_json(next_json(found, zone))
    else:
        if not found:
            call.note("nothing is due by itself")
        for line in next_lines(found, zone, call.clock.now_ms()):
            call.print(line)


def _floor(after: str | None, rule: RuleOptions, now: datetime) -> datetime:
    if after is None:
        return now
    zone = parse_schedule({"manual": True, "tz": rule.tz}, moment(round(now.timestamp() * 1000))).zone
    return parse_instant(after, now, "time", zone)
