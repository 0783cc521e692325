"""``advise``: which mechanism and which pattern fit, and what to type."""

from __future__ import annotations

from typing import Annotated

import typer

from jobctl.cli.invocation import Invocation
from jobctl.errors import BadInputError
from jobctl.model.durations import parse_duration
from jobctl.model.names import parse_whole
from jobctl.model.patterns import FREQUENT_PER_MINUTE, MOST_STEPS, MOST_TASKS, Need, recommend
from jobctl.model.queues import parse_rate
from jobctl.views.advice import advice_lines


def advise(
    call: Invocation,
    duration: Annotated[
        str | None, typer.Option("--duration", metavar="D", help="One run takes about this long.")
    ] = None,
    stream: Annotated[bool, typer.Option("--stream", help="Its output is wanted while it runs.")] = False,
    count: Annotated[
        str | None, typer.Option("--count", metavar="N", help="So many alike are to be run.")
    ] = None,
    result: Annotated[bool, typer.Option("--result", help="Somebody waits for its result.")] = False,
    recurring: Annotated[bool, typer.Option("--recurring", help="It runs again and again.")] = False,
    rate: Annotated[
        str | None, typer.Option("--rate", metavar="N/min", help="It is called so often: 10/min, 5/s.")
    ] = None,
    steps: Annotated[
        str | None, typer.Option("--steps", metavar="N", help="It has so many steps that need each other.")
    ] = None,
    continuous: Annotated[bool, typer.Option("--continuous", help="It is to run all the time.")] = False,
) -> None:
    """Say whether a job, a workflow, a schedule or a daemon fits, by which pattern, why, and what to type.

    \b
    Examples:
      jobctl advise --duration 2h --stream
      jobctl advise --count 500 --result
      jobctl advise --recurring --steps 4
      jobctl advise --rate 10/s --json
    """
    found = recommend(
        Need(
            expected_duration_seconds=None if duration is None else parse_duration(duration, "--duration"),
            requires_streaming=stream,
            concurrent_tasks=1 if count is None else parse_whole(count, "--count", 1, MOST_TASKS),
            needs_result=result,
            recurring=recurring,
            high_frequency=rate is not None and _per_minute(rate) >= FREQUENT_PER_MINUTE,
            steps=1 if steps is None else parse_whole(steps, "--steps", 1, MOST_STEPS),
            continuous=continuous,
        )
    )
    if call.json:
        call.print_json(found.as_json())
        return
    for line in advice_lines(found):
        call.print(line)


def _per_minute(text: str) -> float:
    rate = parse_rate(text, "--rate")
    if rate is None:
        raise BadInputError("bad --rate", text, "examples: 10/min, 5/s", "E_RATE")
    return rate.count / rate.seconds * 60
