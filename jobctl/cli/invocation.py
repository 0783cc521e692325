"""What every verb shares: the options of "Everywhere" in CLI.md, the store, and where output goes."""

from __future__ import annotations

import inspect
import json
import os
import select
import sys
import time
from collections.abc import Callable
from dataclasses import MISSING, dataclass, fields, is_dataclass, replace
from typing import TYPE_CHECKING, Annotated, Any, get_type_hints

import typer

from jobctl import __version__
from jobctl.clock import Clock, SystemClock
from jobctl.configuration import read_configuration
from jobctl.errors import UnusableError
from jobctl.model.homes import Home
from jobctl.settings import Settings, resolve_home, settings_of
from jobctl.store import Store

if TYPE_CHECKING:
    from jobctl.model.configurations import Configuration

COMMAND_KEY = "jobctl.command"
_ROOT_KEY = "jobctl.root"

_CLOCK = SystemClock()

HomeOption = Annotated[
    str | None,
    typer.Option("--home", metavar="DIR", help="Use this home instead of $JOBCTL_HOME or .jobctl/."),
]
JsonOption = Annotated[bool, typer.Option("--json", help="Print one JSON document.")]
ColorOption = Annotated[bool, typer.Option("--no-color", help="No colours, also with NO_COLOR set.")]
DebugOption = Annotated[bool, typer.Option("--debug", help="Show tracebacks.")]
VersionOption = Annotated[bool, typer.Option("--version", help="Print the version.")]


@dataclass(frozen=True, slots=True)
class Invocation:
    """One call of a verb."""

    home_option: str | None = None
    json: bool = False
    no_color: bool = False
    debug: bool = False
    command: tuple[str, ...] | None = None
    """What followed ``--``; None without it."""
    clock: Clock = _CLOCK

    @property
    def settings(self) -> Settings:
        """Defaults, then ``jobctl.yaml``, then the environment."""
        return self.settings_over(read_configuration(self.home()))

    def settings_over(self, configuration: Configuration | None) -> Settings:
        """Defaults, then what the configuration says, then the environment."""
        base = Settings() if configuration is None else configuration.over(Settings())
        return settings_of(os.environ, base)

    def home(self) -> Home:
        """The home this call is about."""
        return resolve_home(self.home_option, os.environ, os.getcwd())

    def at(self, home: Home) -> Invocation:
        """The same call about another home."""
        return replace(self, home_option=home.path)

    def store(self, *, create: bool = False) -> Store:
        """The open store; see ``Store.open``."""
        return Store.open(self.home(), self.clock, create=create)

    @property
    def is_terminal(self) -> bool:
        """Whether people look at standard output."""
        return sys.stdout.isatty() and os.environ.get("TERM") != "dumb"

    @property
    def color(self) -> bool:
        """Whether colours are wanted on standard output."""
        return self.is_terminal and not self.no_color and not os.environ.get("NO_COLOR")

    def print(self, text: str) -> None:
        """A line of data is on standard output."""
        self._write(f"{text}\n")

    def print_json(self, document: object) -> None:
        """The document is on standard output, on one line; in ASCII where the locale has no UTF-8."""
        ascii_only = not sys.stdout.encoding.lower().startswith("utf")
        text = json.dumps(document, ensure_ascii=ascii_only)
        if not text.isprintable():
            from jobctl.views.text import printable_json

            text = printable_json(text)
        self._write(f"{text}\n")

    def _write(self, text: str) -> None:
        try:
            sys.stdout.write(text)
        except BrokenPipeError:
            raise
        except OSError as error:
            raise unwritable_output(error) from error

    def flush(self, done: str = "") -> None:
        """All that was printed is written.

        Raises:
            UnusableError: it could not be; the hint says what was ``done`` all the same.
        """
        try:
            sys.stdout.flush()
        except BrokenPipeError:
            raise
        except OSError as error:
            raise unwritable_output(error, done) from error

    def note(self, text: str) -> None:
        """A remark for people is on standard error."""
        sys.stdout.flush()
        if not text.isprintable():
            from jobctl.views.text import printable

            text = printable(text)
        sys.stderr.write(f"{text}\n")
        sys.stderr.flush()


def unwritable_output(error: OSError, done: str = "") -> UnusableError:
    """The error for a standard output that takes nothing more."""
    return UnusableError(f"cannot write to standard output ({error.strerror})", hint=done, code="E_OUTPUT")


class ReaderGone(Exception):
    """Whoever read our output has gone; Typer would take the OSError itself for exit 1."""


def pause_while_read(seconds: float) -> None:
    """A moment passes, as long as somebody reads standard output.

    What follows something prints nothing for hours; without this ``| head -1`` would leave it behind until then.

    Raises:
        ReaderGone: nobody does.
    """
    poll = select.poll()
    try:
        poll.register(sys.stdout, 0)
    except (OSError, ValueError):  # no descriptor: it is kept in memory
        time.sleep(seconds)
        return
    if poll.poll(seconds * 1000):
        raise ReaderGone


def root_callback(
    ctx: typer.Context,
    home: HomeOption = None,
    no_color: ColorOption = False,
    debug: DebugOption = False,
    version: VersionOption = False,
) -> None:
    """Queue, schedule, supervise and watch background jobs, from one SQLite file.

    \b
    Examples:
      jobctl submit -- python train.py     store a job and print its id
      jobctl up                            run what is queued, here in the foreground
      jobctl list                          see how it stands
    """
    if version:
        sys.stdout.write(f"jobctl {__version__}\n")
        raise typer.Exit
    if ctx.invoked_subcommand is None:
        sys.stdout.write(f"{ctx.get_help()}\n")
        raise typer.Exit
    ctx.meta[_ROOT_KEY] = {"home": home, "no_color": no_color, "debug": debug}


def bind(function: Callable[..., int | None]) -> Callable[..., int | None]:
    """A callback for Typer that passes an ``Invocation`` and option groups to a verb's function.

    The function's first parameter gets the ``Invocation``; a parameter annotated with a dataclass is replaced
    by the dataclass's fields as options.
    """
    signature = inspect.signature(function, eval_str=True)
    own = list(signature.parameters.values())[1:]
    groups: dict[str, Any] = {p.name: p.annotation for p in own if is_dataclass(p.annotation)}
    flat = [option for p in own for option in (_group_options(groups[p.name]) if p.name in groups else [p])]

    def callback(ctx: typer.Context, **values: Any) -> int | None:
        call = _invocation(ctx, values)
        for name, group in groups.items():
            values[name] = group(**{field.name: values.pop(field.name) for field in fields(group)})
        try:
            return function(call, **values)
        except BrokenPipeError:
            raise ReaderGone from None

    callback.__doc__ = function.__doc__
    callback.__name__ = function.__name__
    callback.__annotations__ = {}
    callback.__signature__ = inspect.Signature(  # type: ignore[attr-defined]
        [_keyword("ctx", typer.Context, inspect.Parameter.empty), *map(_as_keyword, flat), *_common_options()]
    )
    return callback


def _invocation(ctx: typer.Context, values: dict[str, Any]) -> Invocation:
    above = ctx.meta.get(_ROOT_KEY, {})
    return Invocation(
        home_option=values.pop("home_") or above.get("home"),
        json=values.pop("json_"),
        no_color=values.pop("no_color_") or bool(above.get("no_color")),
        debug=values.pop("debug_") or bool(above.get("debug")),
        command=ctx.meta.get(COMMAND_KEY),
    )


def _common_options() -> list[inspect.Parameter]:
    return [
        _keyword("json_", JsonOption, False),
        _keyword("home_", HomeOption, None),
        _keyword("no_color_", ColorOption, False),
        _keyword("debug_", DebugOption, False),
    ]


def _group_options(group: Any) -> list[inspect.Parameter]:
    hints = get_type_hints(group, include_extras=True)
    return [
        _keyword(
            field.name,
            hints[field.name],
            inspect.Parameter.empty if field.default is MISSING else field.default,
        )
        for field in fields(group)
    ]


def _as_keyword(parameter: inspect.Parameter) -> inspect.Parameter:
    return _keyword(parameter.name, parameter.annotation, parameter.default)


def _keyword(name: str, annotation: Any, default: Any) -> inspect.Parameter:
    return inspect.Parameter(name, inspect.Parameter.KEYWORD_ONLY, annotation=annotation, default=default)
