"""The options that say what a daemon is: the same for adding and for editing one."""

# No postponed annotations here: evaluating texts costs every call time; see ``job_options``.
from collections.abc import Mapping
from dataclasses import dataclass, fields
from typing import Annotated, Any

import typer

from jobctl.actions.callers import portable
from jobctl.cli.complete import complete_daemons, complete_words
from jobctl.errors import BadInputError
from jobctl.model.daemon_fields import DAEMON_FIELDS, Given, parse_value
from jobctl.model.environments import merge_assignments

_Text = str | None
_Texts = list[str] | None


def _words(key: str) -> str:
    return f"{DAEMON_FIELDS[key].help}; else {DAEMON_FIELDS[key].default}.".capitalize()


@dataclass(frozen=True, eq=False, repr=False)
class DaemonOptions:
    """What was given, as written; each is read by ``model.daemon_fields``, as the keys of ``jobctl.yaml`` are."""

    shell: Annotated[
        _Text, typer.Option("--shell", metavar="TEXT", help="A shell line in place of a command.")
    ] = None
    cwd: Annotated[_Text, typer.Option("--cwd", metavar="DIR", help="Its working directory; else this.")] = (
        None
    )
    env: Annotated[
        _Texts,
        typer.Option("--env", metavar="K=V", help="A variable besides the supervisor's; repeatable."),
    ] = None
    autostart: Annotated[
        _Text,
        typer.Option(
            "--autostart",
            metavar="always|unless-stopped|never",
            help=_words("autostart"),
            autocompletion=complete_words("always", "unless-stopped", "never"),
        ),
    ] = None
    restart: Annotated[
        _Text,
        typer.Option(
            "--restart",
            metavar="always|on-failure|never",
            help=_words("restart"),
            autocompletion=complete_words("always", "on-failure", "never"),
        ),
    ] = None
    backoff: Annotated[_Text, typer.Option("--backoff", metavar="DURATION", help=_words("backoff"))] = None
    max_delay: Annotated[_Text, typer.Option("--max-delay", metavar="DURATION", help=_words("max_delay"))] = (
        None
    )
    max_restarts: Annotated[
        _Text, typer.Option("--max-restarts", metavar="N", help=_words("max_restarts"))
    ] = None
    stable: Annotated[_Text, typer.Option("--stable", metavar="DURATION", help=_words("stable"))] = None
    start_seconds: Annotated[
        _Text, typer.Option("--start-seconds", metavar="DURATION", help=_words("start_seconds"))
    ] = None
    start_timeout: Annotated[
        _Text, typer.Option("--start-timeout", metavar="DURATION", help=_words("start_timeout"))
    ] = None
    stop_timeout: Annotated[
        _Text, typer.Option("--stop-timeout", metavar="DURATION", help=_words("stop_timeout"))
    ] = None
    stop_signal: Annotated[
        _Text,
        typer.Option(
            "--stop-signal",
            metavar="NAME",
            help=_words("stop_signal"),
            autocompletion=complete_words("TERM", "INT", "HUP", "QUIT", "USR1", "USR2"),
        ),
    ] = None
    ready: Annotated[
        _Text,
        typer.Option(
            "--ready",
            metavar="uptime|notify|log:REGEX|cmd:TEXT",
            help=_words("ready"),
            autocompletion=complete_words("uptime", "notify", "log:", "cmd:"),
        ),
    ] = None
    watchdog: Annotated[
        _Text, typer.Option("--watchdog", metavar="DURATION|none", help=_words("watchdog"))
    ] = None
    health: Annotated[_Text, typer.Option("--health", metavar="TEXT|none", help=_words("health"))] = None
    health_every: Annotated[
        _Text, typer.Option("--health-every", metavar="DURATION", help=_words("health_every"))
    ] = None
    max_memory: Annotated[
        _Text, typer.Option("--max-memory", metavar="SIZE|none", help=_words("max_memory"))
    ] = None
    max_log: Annotated[_Text, typer.Option("--max-log", metavar="SIZE", help=_words("max_log"))] = None
    keep_logs: Annotated[_Text, typer.Option("--keep-logs", metavar="N", help=_words("keep_logs"))] = None
    depends_on: Annotated[
        _Texts,
        typer.Option(
            "--depends-on",
            metavar="NAME",
            help="A daemon that must be up before it starts; repeatable.",
            autocompletion=complete_daemons,
        ),
    ] = None
    success_codes: Annotated[
        _Text,
        typer.Option(
            "--success-codes", metavar="CODES", help="Exit codes that are no failure, besides 0: 3,75."
        ),
    ] = None

    def values(self, command: tuple[str, ...] | None) -> dict[str, Any]:
        """The parsed values of what was given here and behind ``--``, by key.

        Raises:
            BadInputError: something is not what its option takes.
        """
        return {key: parse_value(key, given) for key, given in self._given(command).items()}

    def _given(self, command: tuple[str, ...] | None) -> dict[str, Given]:
        if command is not None and self.shell is not None:
            raise BadInputError("a command and a shell line", hint="give one of them", code="E_COMMAND")
        found: dict[str, Given] = {}
        for option in fields(self):
            value = getattr(self, option.name)
            if value is not None and option.name not in ("shell", "env"):
                found[option.name] = _portable(value)
        if self.depends_on is not None:
            found["depends_on"] = [
                portable(name) for text in self.depends_on for name in text.split(",") if name
            ]
        if self.env is not None:
            variables: Mapping[str, str] = merge_assignments([portable(text) for text in self.env])
            found["env"] = variables
        if command is not None:
            found["command"] = [portable(word) for word in command]
        elif self.shell is not None:
            found["command"] = portable(self.shell)
        return found


def _portable(value: str | list[str]) -> Given:
    return portable(value) if isinstance(value, str) else [portable(word) for word in value]
