"""What may be said of a daemon, on the command line as in ``jobctl.yaml``: keys, kinds, limits, defaults, help."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any

from jobctl.errors import BadInputError
from jobctl.model.calls import Call, check_arguments, check_function
from jobctl.model.daemons import Autostart, DaemonDefinition, Readiness, Restart, parse_ready
from jobctl.model.environments import is_reserved_name
from jobctl.model.fields import Choice, Duration, Field, Kind, Schema, Size, Whole
from jobctl.model.names import check_name

Given = str | Sequence[str] | Mapping[str, Any]
"""One value as written: a word, a list of words, variables, or the arguments of a function."""

LONGEST_TEXT = 100_000
"""Of a shell line: beyond that the system refuses it (MAX_ARG_STRLEN is 131,072)."""

_SIGNALS = ("HUP", "INT", "QUIT", "ABRT", "KILL", "ALRM", "TERM", "USR1", "USR2", "WINCH")
_LONG = Duration(minimum=0.05)


@dataclass(frozen=True, slots=True)
class Text:
    """A text of one line or more."""

    words: str = "a text"
    types: tuple[type, ...] = (str,)

    def parse(self, text: str, what: str) -> str:
        """The text itself, not blank."""
        if not text.strip():
            raise BadInputError(f"{what} is empty", text, f"give {self.words}", "E_FIELD")
        if "\0" in text:
            raise BadInputError(f"NUL character in {what}", text, "no program can be given one", "E_FIELD")
        if len(text) > LONGEST_TEXT:
            raise BadInputError(f"{what} is above {LONGEST_TEXT} characters", None, "shorten it", "E_FIELD")
        return text

    def schema(self) -> Schema:
        """A text."""
        return {"type": "string", "minLength": 1}


@dataclass(frozen=True, slots=True)
class Signal:
    """A signal by its name."""

    types: tuple[type, ...] = (str,)
    words: str = f"a signal: {', '.join(_SIGNALS)}"

    def parse(self, text: str, what: str) -> str:
        """Its full name: ``SIGTERM``."""
        name = text.upper().removeprefix("SIG")
        if name not in _SIGNALS:
            raise BadInputError(f"bad {what}", text, f"give {self.words}", "E_SIGNAL")
        return f"SIG{name}"

    def schema(self) -> Schema:
        """An enumeration, with and without ``SIG``."""
        return {"enum": [word for name in _SIGNALS for word in (name, f"SIG{name}")]}


@dataclass(frozen=True, slots=True)
class Ready:
    """How it is known that a daemon is ready."""

    types: tuple[type, ...] = (str,)
    words: str = "uptime, notify, log:REGEX or cmd:COMMAND"

    def parse(self, text: str, what: str) -> Readiness:
        """The readiness."""
        return parse_ready(text, what)

    def schema(self) -> Schema:
        """A text."""
        return {"type": "string", "pattern": "^(uptime|notify|log:.+|cmd:.+)$"}


@dataclass(frozen=True, slots=True)
class Name:
    """The name of a daemon."""

    types: tuple[type, ...] = (str,)
    words: str = "the name of a daemon"

    def parse(self, text: str, what: str) -> str:
        """The name."""
        return check_name(text, what)

    def schema(self) -> Schema:
        """A text."""
        return {"type": "string", "minLength": 1, "maxLength": 128}


@dataclass(frozen=True, slots=True)
class OrNone:
    """What another kind holds, or ``none``."""

    kind: Kind

    @property
    def types(self) -> tuple[type, ...]:
        """Those of the kind, and a text."""
        return tuple(dict.fromkeys((*self.kind.types, str)))

    @property
    def words(self) -> str:
        """With ``none``."""
        return f"{self.kind.words}, or none"

    def parse(self, text: str, what: str) -> Any:
        """The value; None for ``none``."""
        return None if text == "none" else self.kind.parse(text, what)

    def schema(self) -> Schema:
        """Either."""
        return {"anyOf": [self.kind.schema(), {"const": "none"}]}


DAEMON_FIELDS = {
    found.name: found
    for found in (
        Field("cwd", Text("a directory"), "its working directory"),
        Field("autostart", Choice(Autostart), "when a supervisor starts it by itself", "unless-stopped"),
        Field("restart", Choice(Restart), "after which ends it is started again", "always"),
        Field("backoff", Duration(allow_zero=True), "before the first restart; doubled after each", "1s"),
        Field("max_delay", Duration(allow_zero=True), "the delay grows no further", "1m"),
        Field("max_restarts", Whole(0, 1_000_000), "failures in a row before it is given up; 0: never", "10"),
        Field("stable", Duration(allow_zero=True), "up so long, its failures are forgotten", "30s"),
        Field("start_seconds", Duration(allow_zero=True), "with ready: uptime, it must live so long", "1s"),
        Field("start_timeout", _LONG, "it must be ready within this time", "30s"),
        Field("stop_timeout", Duration(allow_zero=True), "from the stop signal to KILL", "10s"),
        Field("stop_signal", Signal(), "the signal that stops it", "TERM"),
        Field("ready", Ready(), "how it is known to be ready", "uptime"),
        Field("watchdog", OrNone(_LONG), "restart it when no sign of life came for so long", "none"),
        Field("health", OrNone(Text("a shell line")), "a shell line that succeeds while it is well", "none"),
        Field("health_every", _LONG, "between two health checks", "30s"),
        Field("max_memory", OrNone(Size()), "restart it when its processes take more", "none"),
        Field("max_log", Size(), "a log file above this is rotated", "10M"),
        Field("keep_logs", Whole(0, 10_000), "rotated log files kept", "5"),
    )
}
"""What one word or number says, by key."""

LIST_FIELDS = {
    found.name: found
    for found in (
        Field("depends_on", Name(), "daemons that must be up before it starts"),
        Field("success_codes", Whole(0, 255), "exit codes that are no failure, besides 0", "0"),
    )
}
"""What a list says, by key; the kind is that of one of its words."""

OTHER_KEYS = {
    "command": "what it runs: a list of words, or a shell line",
    "call": "or the Python function it is, in a process of its own: `package.module:function`",
    "args": "what the function is given, by name",
    "env": "variables besides those of the supervisor",
}
"""Keys with shapes of their own."""

KEYS = (*OTHER_KEYS, *DAEMON_FIELDS, *LIST_FIELDS)

_ATTRIBUTES = {
    "backoff": "backoff_seconds", "max_delay": "max_delay_seconds", "stable": "stable_seconds",
    "start_timeout": "start_timeout_seconds", "stop_timeout": "stop_timeout_seconds",
    "watchdog": "watchdog_seconds", "health_every": "health_every_seconds",
    "max_memory": "max_memory_bytes", "max_log": "max_log_bytes",
}  # fmt: skip
"""Where a key is an attribute of ``DaemonDefinition`` by another name."""


def parse_value(key: str, given: Given) -> Any:
    """What ``given`` says as the value of ``key``; ``run`` gives a pair of command and shell line.

    Raises:
        BadInputError: it says nothing that ``key`` may be.
    """
    what = key.replace("_", " ")
    if key == "env":
        return _variables(given)
    if key == "command":
        return _launch(given)
    if key == "args":
        return check_arguments(given)
    if key in LIST_FIELDS:
        kind = LIST_FIELDS[key].kind
        words = [word for word in given.split(",") if word] if isinstance(given, str) else given
        return tuple(dict.fromkeys(kind.parse(word, what) for word in words))
    if not isinstance(given, str):
        raise BadInputError(f"{what} must be one value", None, f"give {_words_of(key)}", "E_FIELD")
    if key == "call":
        return check_function(given)
    return DAEMON_FIELDS[key].kind.parse(given, what)


def _words_of(key: str) -> str:
    return "package.module:function" if key == "call" else DAEMON_FIELDS[key].kind.words


def defined(base: DaemonDefinition, values: Mapping[str, Any]) -> DaemonDefinition:
    """``base`` with these parsed values instead. Arguments without a function join those there are.

    Raises:
        BadInputError: they contradict one another.
    """
    changes = {
        _ATTRIBUTES.get(key, key): value
        for key, value in values.items()
        if key not in ("command", "call", "args")
    }
    if "command" in values and "call" in values:
        raise BadInputError("a command and a function", values["call"], "give one of them", "E_COMMAND")
    if "command" in values:
        changes["command"], changes["shell"] = values["command"]
        changes["call"] = None
    elif "call" in values:
        changes |= {"command": (), "shell": None, "call": Call(values["call"], values.get("args", {}))}
    elif "args" in values and base.call is not None:
        changes["call"] = Call(base.call.function, {**base.call.args, **values["args"]})
    if "args" in values and changes.get("call") is None:
        raise BadInputError("arguments mean nothing without a function", None, "give call", "E_COMMAND")
    if "success_codes" in changes:
        changes["success_codes"] = tuple(sorted({0, *changes["success_codes"]}))
    definition = replace(base, **changes)
    _check(definition)
    return definition


def _check(definition: DaemonDefinition) -> None:
    if not definition.command and definition.shell is None and definition.call is None:
        raise BadInputError("nothing to run", definition.name, "give it a command or a function", "E_COMMAND")
    if definition.backoff_seconds > definition.max_delay_seconds:
        raise BadInputError(
            "backoff exceeds max delay",
            f"{definition.backoff_seconds:g}s",
            "give a larger max delay",
            "E_DURATION",
        )
    if definition.start_seconds >= definition.start_timeout_seconds:
        hint = "give a larger start timeout"
        raise BadInputError(
            "it could never be ready in time", f"{definition.start_seconds:g}s", hint, "E_DURATION"
        )
    if definition.name in definition.depends_on:
        raise BadInputError("a daemon depends on itself", definition.name, "remove it", "E_CYCLE")


def _variables(given: Given) -> dict[str, str]:
    if not isinstance(given, Mapping):
        raise BadInputError("env must hold names and values", None, "write NAME: value", "E_ENV")
    for name, value in given.items():
        if not name or "=" in name or "\0" in name or "\0" in value:
            raise BadInputError("bad variable name", name.partition("=")[0], "give A-Z a-z 0-9 _", "E_ENV")
        if is_reserved_name(name):
            raise BadInputError("jobctl itself sets this variable", name, "choose another name", "E_ENV")
    return dict(given)


def _launch(given: Given) -> tuple[tuple[str, ...], str | None]:
    if isinstance(given, str):
        return (), Text("a shell line").parse(given, "the shell line")
    if isinstance(given, Mapping):
        raise BadInputError(
            "command must be a list of words or a shell line", None, "write command: [CMD, …]", "E_COMMAND"
        )
    if not given or not given[0]:
        raise BadInputError("the command is empty", None, "name a program", "E_COMMAND")
    for word in given:
        if "\0" in word:
            raise BadInputError(
                "NUL character in the command", word, "no program can be given one", "E_COMMAND"
            )
    return tuple(given), None
