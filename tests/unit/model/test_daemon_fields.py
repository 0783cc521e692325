"""What may be said of a daemon: one way to read it, on the command line and in a file."""

from __future__ import annotations

import contextlib
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from jobctl.errors import BadInputError
from jobctl.model.daemon_fields import DAEMON_FIELDS, Given, defined, parse_value
from jobctl.model.daemons import Autostart, DaemonDefinition, Readiness, ReadyKind, Restart

BASE = DaemonDefinition("web", command=("./web",))

GOOD: list[tuple[str, Given, str, Any]] = [
    ("cwd", "/srv", "cwd", "/srv"),
    ("autostart", "always", "autostart", Autostart.ALWAYS),
    ("restart", "on-failure", "restart", Restart.ON_FAILURE),
    ("backoff", "250ms", "backoff_seconds", 0.25),
    ("max_delay", "2m", "max_delay_seconds", 120.0),
    ("max_restarts", "0", "max_restarts", 0),
    ("stable", "10", "stable_seconds", 10.0),
    ("start_seconds", "0", "start_seconds", 0.0),
    ("start_timeout", "1m", "start_timeout_seconds", 60.0),
    ("stop_timeout", "0", "stop_timeout_seconds", 0.0),
    ("stop_signal", "int", "stop_signal", "SIGINT"),
    ("stop_signal", "SIGUSR1", "stop_signal", "SIGUSR1"),
    ("ready", "log:^up (on|at) ", "ready", Readiness(ReadyKind.LOG, "^up (on|at) ")),
    ("watchdog", "30s", "watchdog_seconds", 30.0),
    ("watchdog", "none", "watchdog_seconds", None),
    ("health", "curl -f localhost", "health", "curl -f localhost"),
    ("health", "none", "health", None),
    ("health_every", "5s", "health_every_seconds", 5.0),
    ("max_memory", "1G", "max_memory_bytes", 1 << 30),
    ("max_memory", "none", "max_memory_bytes", None),
    ("max_log", "50k", "max_log_bytes", 51_200),
    ("keep_logs", "0", "keep_logs", 0),
    ("depends_on", ["db", "cache", "db"], "depends_on", ("db", "cache")),
    ("depends_on", "db,cache", "depends_on", ("db", "cache")),
    ("depends_on", "", "depends_on", ()),
    ("success_codes", "3,75", "success_codes", (0, 3, 75)),
    ("env", {"A": "1"}, "env", {"A": "1"}),
    ("command", ["a", "b c"], "command", ("a", "b c")),
    ("command", "a | b", "shell", "a | b"),
]


@pytest.mark.parametrize(("key", "text", "attribute", "value"), GOOD)
def test_each_key_is_read_into_the_definition(key: str, text: Given, attribute: str, value: Any) -> None:
    assert getattr(defined(BASE, {key: parse_value(key, text)}), attribute) == value


def test_every_key_of_the_table_is_tried() -> None:
    assert {key for key, *_ in GOOD} >= set(DAEMON_FIELDS)


def test_the_defaults_of_the_table_are_those_of_a_definition() -> None:
    values = {key: parse_value(key, known.default) for key, known in DAEMON_FIELDS.items() if known.default}
    assert defined(BASE, values) == BASE


@pytest.mark.parametrize(
    ("key", "text", "code"),
    [
        ("autostart", "sometimes", "E_FIELD"),
        ("restart", "Always", "E_FIELD"),
        ("backoff", "-1s", "E_DURATION"),
        ("max_restarts", "-1", "E_NUMBER"),
        ("start_timeout", "0", "E_DURATION"),
        ("stop_signal", "SIGSEGV", "E_SIGNAL"),
        ("stop_signal", "15", "E_SIGNAL"),
        ("ready", "log:(", "E_READY"),
        ("ready", "log:", "E_READY"),
        ("ready", "soon", "E_READY"),
        ("watchdog", "0", "E_DURATION"),
        ("health", "  ", "E_FIELD"),
        ("health", "a\0b", "E_FIELD"),
        ("max_memory", "lots", "E_SIZE"),
        ("keep_logs", "1.5", "E_NUMBER"),
        ("depends_on", ["a\x1b[31m"], "E_NAME"),
        ("depends_on", ["17"], "E_NAME"),
        ("success_codes", "256", "E_NUMBER"),
        ("env", {"JOBCTL_HOME": "x"}, "E_ENV"),
        ("env", {"NOTIFY_SOCKET": "x"}, "E_ENV"),
        ("env", {"A=B": "x"}, "E_ENV"),
        ("env", {"A": "x\0"}, "E_ENV"),
        ("env", ["A=1"], "E_ENV"),
        ("command", [], "E_COMMAND"),
        ("command", [""], "E_COMMAND"),
        ("command", ["a", "b\0"], "E_COMMAND"),
        ("command", {"a": "b"}, "E_COMMAND"),
        ("command", " ", "E_FIELD"),
        ("backoff", ["1s"], "E_FIELD"),
    ],
)
def test_what_a_key_may_not_be_is_refused(key: str, text: Given, code: str) -> None:
    with pytest.raises(BadInputError) as caught:
        parse_value(key, text)
    assert caught.value.code == code


@pytest.mark.parametrize(
    ("values", "code"),
    [
        ({"backoff": 61.0}, "E_DURATION"),
        ({"start_seconds": 30.0}, "E_DURATION"),
        ({"depends_on": ("web",)}, "E_CYCLE"),
    ],
)
def test_contradictions_are_refused(values: dict[str, Any], code: str) -> None:
    with pytest.raises(BadInputError) as caught:
        defined(BASE, values)
    assert caught.value.code == code


def test_without_a_command_there_is_no_daemon() -> None:
    with pytest.raises(BadInputError, match="nothing to run"):
        defined(DaemonDefinition("web"), {})


def test_a_shell_line_replaces_the_command_and_the_other_way_round() -> None:
    shell = defined(BASE, {"command": parse_value("command", "a; b")})
    assert shell.argv() == ("/bin/sh", "-c", "a; b")
    assert defined(shell, {"command": parse_value("command", ["x"])}).argv() == ("x",)


@given(st.sampled_from(sorted(DAEMON_FIELDS)), st.text())
def test_any_text_is_read_or_refused(key: str, text: str) -> None:
    with contextlib.suppress(BadInputError):
        parse_value(key, text)
