"""The options that say when a schedule is due and what becomes of slots that cannot run."""

# No postponed annotations here: evaluating texts costs every call time; see ``job_options``.
from dataclasses import dataclass, fields
from typing import Annotated

import typer

from jobctl.cli.complete import complete_words
from jobctl.errors import BadInputError
from jobctl.model.schedule_texts import Given

_Text = str | None
_Once = list[str] | None
"""Of an option that is not to be repeated: the last one would silently be the only one."""
_SEVERAL = {
    "daily": "give both with a comma: --daily 02:30,03:30",
    "weekly": "several days or times go with a comma: --weekly mon,fri@09:00,17:00; else make it two schedules",
    "monthly": "several days or times go with a comma: --monthly 1,15@06:00; else make it two schedules",
}


@dataclass(frozen=True, eq=False, repr=False)
class RuleOptions:
    """When it is due, as written: exactly one kind."""

    cron: Annotated[
        list[str] | None,
        typer.Option(
            "--cron",
            metavar="EXPR",
            help="5 fields (6: seconds first) or @daily, …; repeatable, any of them.",
        ),
    ] = None
    every: Annotated[
        _Once, typer.Option("--every", metavar="DURATION", help="At a fixed rate from its start: 90s, 6h.")
    ] = None
    after_finish: Annotated[
        bool, typer.Option("--after-finish", help="With --every: counted from the end of the last job.")
    ] = False
    at: Annotated[
        _Once, typer.Option("--at", metavar="TIME", help="Once: 03:00, tomorrow 9:00, RFC 3339.")
    ] = None
    daily: Annotated[_Once, typer.Option("--daily", metavar="HH:MM", help="Every day at this time.")] = None
    weekly: Annotated[
        _Once, typer.Option("--weekly", metavar="DAYS@HH:MM", help="On these days: mon,fri@09:00.")
    ] = None
    monthly: Annotated[
        _Once,
        typer.Option(
            "--monthly", metavar="DAY@HH:MM", help="On a day 1..31 or last; a short month's last day."
        ),
    ] = None
    tz: Annotated[
        _Text, typer.Option("--tz", metavar="ZONE", help="The zone of its wall clock, such as Europe/Berlin.")
    ] = None
    start: Annotated[_Text, typer.Option("--start", metavar="TIME", help="Not due before.")] = None
    end: Annotated[_Text, typer.Option("--end", metavar="TIME", help="Not due after; then it has ended.")] = (
        None
    )
    jitter: Annotated[
        _Text,
        typer.Option("--jitter", metavar="DURATION", help="Shift it by a constant offset below this."),
    ] = None


@dataclass(frozen=True, eq=False, repr=False)
class PolicyOptions:
    """What else makes it due, and what becomes of slots that cannot run, as written."""

    reboot: Annotated[bool, typer.Option("--reboot", help="Once at each start of the supervisor.")] = False
    manual: Annotated[bool, typer.Option("--manual", help="Never by itself; by: jobctl schedule run.")] = (
        False
    )
    missed: Annotated[
        _Text,
        typer.Option(
            "--missed",
            metavar="skip|latest|all",
            help="What runs of slots missed while no supervisor ran; else latest.",
            autocompletion=complete_words("skip", "latest", "all"),
        ),
    ] = None
    missed_grace: Annotated[
        _Text, typer.Option("--missed-grace", metavar="DURATION", help="Older ones never run; else 1h.")
    ] = None
    overlap: Annotated[
        _Text,
        typer.Option(
            "--overlap",
            metavar="skip|queue|replace|allow",
            help="When it is due while its last job has not ended; else skip.",
            autocompletion=complete_words("skip", "queue", "replace", "allow"),
        ),
    ] = None


def times_of(options: RuleOptions | PolicyOptions) -> dict[str, Given]:
    """What was given, by the keys of ``model.schedule_texts.parse_schedule``.

    Raises:
        BadInputError: ``E_SCHEDULE``: an option was given twice.
    """
    found = {field.name: getattr(options, field.name) for field in fields(options)}
    for name in ("every", "at", "daily", "weekly", "monthly"):
        texts = found.get(name)
        if isinstance(texts, list):
            found[name] = _only(name, texts)
    return found


def _only(name: str, texts: list[str]) -> str | None:
    if len(texts) > 1:
        hint = _SEVERAL.get(name, "make it two schedules")
        raise BadInputError(f"--{name} is given {len(texts)} times", texts[-1], hint, "E_SCHEDULE")
    return texts[0] if texts else None
