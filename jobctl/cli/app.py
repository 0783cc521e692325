"""The Typer application: a tree of lazily imported verbs, and the boundary where errors become exit codes."""

from __future__ import annotations

import os
import sys
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from importlib import import_module
from typing import Any

import typer
from typer.core import TyperCommand, TyperGroup
from typer.main import get_command

from jobctl.cli.invocation import COMMAND_KEY, ReaderGone, bind
from jobctl.cli.verbs import ALIASES, GROUP_ALIASES, VERBS, Verb, VerbGroup
from jobctl.errors import BadFileError, BadInputError, InterruptedByUserError, JobctlError, UnusableError

UsageFault: Any = typer.BadParameter.__mro__[2]
"""The base of what Typer raises for a bad command line (its Click is vendored and not importable by name)."""

EXIT_READER_GONE = 141
_NEAR = 0.75
"""How much of a word has to be the same to be meant: ``--older-than`` is no ``--after-any``."""
_LONGEST = 800
"""Characters of an error that people are shown; --json has all of it."""
_TAKES_PARAMETERS = (" submit", " run", " schedule add", " schedule edit")
_SETTINGS: dict[str, Any] = {"help_option_names": ["-h", "--help"]}


class _AsTyped:
    """What is typed stays a text, or a list of them; ``jobctl.model`` reads numbers and durations."""

    def coerce(self, value: Any, param: Any, ctx: Any) -> Any:
        """The value itself; a list for what may be repeated."""
        del ctx
        return list(value or ()) if param.multiple or param.nargs == -1 else value


class _ReadsTexts:
    """A command whose options are texts and flags. Typer would read them with pydantic: 180 ms of import."""

    def get_params(self, ctx: Any) -> Any:
        """The parameters, none of which needs pydantic."""
        params = super().get_params(ctx)  # type: ignore[misc]
        for param in params:
            if hasattr(param, "_runtime_param") and param.type_descriptor.annotation in (
                str,
                list[str],
                bool,
            ):
                param._runtime_param = _AS_TYPED
            if param.param_type_name == "argument" and param.metavar is not None:
                param.display_type_rich = _no_type  # "SEL <str>" tells nobody anything
        return params


_AS_TYPED = _AsTyped()


def _no_type(ctx: Any) -> str:
    del ctx
    return ""


class VerbCommand(_ReadsTexts, TyperCommand):
    """A verb. What follows the first ``--`` of one that takes a command is kept byte-exact."""

    takes_command = False

    def parse_args(self, ctx: Any, args: list[str]) -> list[str]:
        """The words before ``--`` are parsed; the command after it is left alone."""
        if self.takes_command and "--" in args:
            split = args.index("--")
            ctx.meta[COMMAND_KEY] = tuple(args[split + 1 :])
            args = args[:split]
        return super().parse_args(ctx, args)


class LazyGroup(_ReadsTexts, TyperGroup):
    """A group that imports the verb that is called, and no other."""

    entries: dict[str, Verb | VerbGroup]
    aliases: dict[str, str]
    built: dict[str, Any]
    """Commands made so far: one call asks twice for its own."""

    def list_commands(self, _ctx: Any) -> list[str]:
        """The words of the group, in the order of its help."""
        return list(self.entries)

    def get_command(self, _ctx: Any, cmd_name: str) -> Any:
        """The command behind a word; None for an unknown one."""
        entry = self.entries.get(self.aliases.get(cmd_name, cmd_name))
        if entry is not None and cmd_name not in self.built:
            self.built[cmd_name] = _command(cmd_name, entry)
        return self.built.get(cmd_name)

    def format_commands(self, _ctx: Any, formatter: Any) -> None:
        """The help lists the verbs by their summaries, without importing them."""
        with formatter.section("Commands"):
            formatter.write_dl([(word, entry.summary) for word, entry in self.entries.items()])

    def resolve_command(self, ctx: Any, args: list[str]) -> Any:
        """The command, or an error that suggests the nearest word."""
        word = args[0]
        if self.get_command(ctx, word) is None and not word.startswith("-") and not ctx.resilient_parsing:
            from difflib import get_close_matches  # only on the way to an error

            known = [*self.entries, *(alias for alias, word in self.aliases.items() if word in self.entries)]
            near = get_close_matches(word, known, 1)
            hint = (
                f"did you mean: {ctx.command_path} {near[0]}" if near else f"see: {ctx.command_path} --help"
            )
            raise BadInputError("unknown command", word, hint, "E_USAGE")
        return super().resolve_command(ctx, args)


class VerbedGroup(LazyGroup):
    """A group whose bare word is a verb too: ``jobctl batch -- CMD`` beside ``jobctl batch list``."""

    own: VerbCommand

    def get_params(self, ctx: Any) -> Any:
        """The parameters of the bare word's verb: help and completion show them."""
        return self.own.get_params(ctx)

    def parse_args(self, ctx: Any, args: list[str]) -> list[str]:
        """A word of the group first: the group's; anything else: the verb's own."""
        if args and (args[0] in self.entries or self.aliases.get(args[0]) in self.entries):
            ctx._protected_args, ctx.args = args[:1], args[1:]
            return args[1:]
        ctx.allow_extra_args, ctx.allow_interspersed_args = False, True
        return self.own.parse_args(ctx, args)

    def invoke(self, ctx: Any) -> Any:
        """What was parsed is done."""
        return super().invoke(ctx) if ctx._protected_args else self.own.invoke(ctx)

    def format_help_text(self, ctx: Any, formatter: Any) -> None:
        """The help of the bare word's verb."""
        self.own.format_help_text(ctx, formatter)


def verb_command(word: str, verb: Verb) -> VerbCommand:
    """The parsed-options-to-function command of a verb."""
    function: Callable[..., int | None] = getattr(import_module(verb.module), verb.function)
    app = typer.Typer(add_completion=False, rich_markup_mode=None)
    app.command(word, cls=VerbCommand, context_settings=_SETTINGS)(bind(function))
    command = get_command(app)
    if not isinstance(command, VerbCommand):
        raise AssertionError(f"Typer made no command of {word}")
    command.takes_command = verb.takes_command
    return command


def _command(word: str, entry: Verb | VerbGroup) -> Any:
    return verb_command(word, entry) if isinstance(entry, Verb) else group_command(word, entry)


def group_command(word: str, group: VerbGroup) -> LazyGroup:
    """The group of a noun's verbs."""

    def callback() -> None:
        pass

    callback.__doc__ = group.summary
    if group.own is None:
        return _lazy_group(word, callback, dict(group.verbs), GROUP_ALIASES)
    made = _lazy_group(word, callback, dict(group.verbs), GROUP_ALIASES, VerbedGroup)
    if not isinstance(made, VerbedGroup):
        raise AssertionError(f"Typer made no group of {word}")
    made.own = verb_command(word, group.own)
    return made


def root() -> LazyGroup:
    """The whole command tree."""
    from jobctl.cli.invocation import root_callback

    return _lazy_group("jobctl", root_callback, VERBS, ALIASES)


def _lazy_group(
    word: str,
    callback: Callable[..., None],
    entries: dict[str, Verb | VerbGroup],
    aliases: dict[str, str],
    cls: type[LazyGroup] = LazyGroup,
) -> LazyGroup:
    app = typer.Typer(
        name=word, cls=cls, add_completion=False, rich_markup_mode=None, context_settings=_SETTINGS
    )
    app.callback(no_args_is_help=False, invoke_without_command=word == "jobctl")(callback)
    group = get_command(app)
    if not isinstance(group, LazyGroup):
        raise AssertionError(f"Typer made no group of {word}")
    group.entries, group.aliases, group.built = entries, aliases, {}
    return group


def main(args: Sequence[str]) -> int:
    """Run one command line; returns the exit code of CLI.md. Never raises for a user's error."""
    words = list(args)
    options = words[: words.index("--")] if "--" in words else words
    try:
        code = _dispatch(words)
        sys.stdout.flush()
        return code
    except (BrokenPipeError, ReaderGone):
        _abandon_stdout()
        return EXIT_READER_GONE
    except KeyboardInterrupt:
        return _report(InterruptedByUserError("interrupted"), options)
    except JobctlError as error:
        return _report(error, options)
    except OSError as error:
        return _report(_system_error(error), options, error)
    except Exception as error:  # noqa: BLE001 - the one boundary: a bug is shown as one line
        return _report(_bug(error), options, error)


def _dispatch(words: list[str]) -> int:
    group = root()
    if "_JOBCTL_COMPLETE" in os.environ:
        # The apps here are made without Typer's own --install-completion, which would register its shells.
        from typer._completion_classes import completion_init

        completion_init()
        group.main(args=words, prog_name="jobctl", complete_var="_JOBCTL_COMPLETE")
        return 0
    with _usage_faults():
        code = group.main(args=words, prog_name="jobctl", standalone_mode=False)
    return code if isinstance(code, int) else 0


@contextmanager
def _usage_faults() -> Iterator[None]:
    """What Typer finds wrong with a command line leaves as our own one-line error."""
    try:
        yield
    except typer.Abort:
        raise InterruptedByUserError("interrupted") from None
    except UsageFault as fault:
        raise _usage_error(fault) from None


def _usage_error(fault: Any) -> BadInputError:
    path = fault.ctx.command_path if getattr(fault, "ctx", None) else "jobctl"
    option = getattr(fault, "option_name", None)
    if type(fault).__name__ == "NoSuchOption":
        from difflib import get_close_matches

        near = get_close_matches(str(option), fault.possibilities or (), 1, _NEAR)
        hint = f"did you mean {near[0]}?" if near else f"see: {path} --help"
        if not near and path.endswith(_TAKES_PARAMETERS):
            key = str(option).lstrip("-").replace("-", "_")
            hint = f"a parameter of a definition is written {key}=VALUE; {hint}"
        return BadInputError("no such option", option, hint, "E_USAGE")
    if type(fault).__name__ == "NoArgsIsHelpError" or str(fault.message).startswith("Missing command"):
        return BadInputError("a command is missing", hint=f"see: {path} --help", code="E_USAGE")
    text = fault.format_message().rstrip(".").replace("\n", " ")
    text = text[:1].lower() + text[1:]
    return BadInputError(text, hint=f"see: {path} --help", code="E_USAGE")


def _report(error: JobctlError, options: Sequence[str], cause: BaseException | None = None) -> int:
    """Show an error as CLI.md says: one line on stderr, with ``--json`` also a document on stdout."""
    if "--debug" in options:
        import traceback

        traceback.print_exception(cause or error)
    try:
        if "--json" in options:
            import json

            body: dict[str, Any] = {"code": error.code, "message": error.message, "hint": error.hint or None}
            if isinstance(error, BadFileError):
                body["problems"] = error.problems
            print(json.dumps({"error": body}), flush=True)  # noqa: T201
        print(f"jobctl: error: {_one_line(str(error))} [{error.code}]", file=sys.stderr, flush=True)  # noqa: T201
        if isinstance(error, BadFileError):
            for line in error.details:
                print(f"  {_one_line(line)}", file=sys.stderr, flush=True)  # noqa: T201
    except (OSError, ValueError):
        _abandon_stdout()
    return _exit_code(error, options)


def _exit_code(error: JobctlError, options: Sequence[str]) -> int:
    verb = _verb_of(options)
    if verb == "run" and not isinstance(error, InterruptedByUserError):
        return 125
    return error.exit_code


def _verb_of(options: Sequence[str]) -> str:
    """The verb among the words of a command line, which options with a value may precede."""
    words = iter(options)
    for word in words:
        if word == "--home":
            next(words, None)
        elif not word.startswith("-"):
            return word
    return ""


def _one_line(text: str) -> str:
    """``text`` escaped, and cut where a word of the command line of any length made it endless."""
    shown = "".join(ch if ch.isprintable() else ch.encode("unicode_escape").decode() for ch in text)
    return shown if len(shown) <= _LONGEST else f"{shown[: _LONGEST - 1]}…"


def _system_error(error: OSError) -> JobctlError:
    name = error.filename if isinstance(error.filename, str) else None
    return UnusableError(f"the system refused ({error.strerror or error})", name, code="E_SYSTEM")


def _bug(error: Exception) -> JobctlError:
    hint = "run it again with --debug and report what it prints"
    return JobctlError("a bug in jobctl", f"{type(error).__name__}: {error}", hint, "E_BUG")


def _abandon_stdout() -> None:
    """Nothing buffered is written any more, so that leaving does not raise again."""
    devnull = os.open(os.devnull, os.O_WRONLY)
    os.dup2(devnull, 1)
