"""``daemons:`` of ``jobctl.yaml``."""

from __future__ import annotations

import pytest

from jobctl.errors import BadFileError
from jobctl.model.configurations import configuration_schema, parse_configuration
from jobctl.model.daemon_fields import KEYS
from jobctl.model.daemons import Readiness, ReadyKind

EVERYTHING = r"""
daemons:
  web:
    command: [./web, --port, 8000, '{}']
    cwd: site
    env: {LEVEL: 3, DEBUG: on, RATIO: 1.50}
    autostart: always
    restart: on-failure
    backoff: 500ms
    max_delay: 2m
    max_restarts: 3
    stable: 1m
    start_seconds: 2
    start_timeout: 20
    stop_timeout: 5s
    stop_signal: INT
    ready: 'log:listening on \d+'
    watchdog: 30s
    health: curl -f localhost
    health_every: 10s
    max_memory: 1G
    max_log: 1M
    keep_logs: 2
    depends_on: [db]
    success_codes: [3, 75]
  db: {command: 'exec postgres 2>&1', depends_on: cache, watchdog: none}
  cache: {command: redis-server}
  inbox: {call: 'media.inbox:watch', args: {every: 5, deep: [null, {a: true}]}}
"""


def problems(text: str) -> list[tuple[int, int, str]]:
    with pytest.raises(BadFileError) as caught:
        parse_configuration(text, "jobctl.yaml")
    found = caught.value.problems
    return [(int(str(one["line"])), int(str(one["column"])), str(one["message"])) for one in found]


def test_every_key_is_read() -> None:
    web, db, cache, inbox = parse_configuration(EVERYTHING, "jobctl.yaml").daemons
    assert set(web.given) == set(KEYS) - {"call", "args"}
    assert inbox.given == {"call": "media.inbox:watch", "args": {"every": 5, "deep": [None, {"a": True}]}}
    assert web.given["command"] == (("./web", "--port", "8000", "{}"), None)
    assert web.given["env"] == {"LEVEL": "3", "DEBUG": "on", "RATIO": "1.50"}
    assert web.given["ready"] == Readiness(ReadyKind.LOG, r"listening on \d+")
    assert (web.given["watchdog"], db.given["watchdog"]) == (30.0, None)
    assert db.given["depends_on"] == ("cache",)
    assert (cache.name, cache.given) == ("cache", {"command": ((), "redis-server")})


def test_an_empty_section_declares_none() -> None:
    assert parse_configuration("daemons:\n", "jobctl.yaml").daemons == ()
    assert parse_configuration("queues: {}\n", "jobctl.yaml").daemons == ()


@pytest.mark.parametrize(
    ("entry", "place", "message"),
    [
        ("web: {command: [x], dependson: [db]}", (1, 31), "unknown key"),
        ("web: {command: [x], run: y}", (1, 31), "unknown key"),
        ("web: {command: [x], keep_logs: '3'}", (1, 42), "keep_logs must be a whole number from 0 to 10000"),
        ("web: {command: [x], watchdog: }", (1, 31), "watchdog has no value"),
        ("web: {command: [x], ready: 'log:('}", (1, 38), "bad regular expression in ready"),
        ("web: {command: [x], cwd: [a]}", (1, 36), "cwd must be a directory"),
        ("web: {command: [x], call: a.b:c}", (1, 11), "a command and a function"),
        ("web: {command: [x], args: {a: 1}}", (1, 11), "arguments mean nothing without a function"),
        ("web: {call: a.b.c}", (1, 23), "bad function"),
        ("web: {call: [a.b:c]}", (1, 23), "call must be package.module:function"),
        ("web: {call: 'a:b', args: [1]}", (1, 36), "args must be names and values"),
        ("web: {call: 'a:b', args: {x: [.nan]}}", (1, 41), "this is no number of JSON"),
        ("web: {function: 'a:b'}", (1, 17), "unknown key"),
        ("web: {command: [x], env: {A: }}", (1, 36), "env must be names and values"),
        ("web: {command: [x], env: [A]}", (1, 36), "env must be names and values"),
        ("web: {command: [x], env: {NOTIFY_SOCKET: x}}", (1, 36), "jobctl itself sets this variable"),
        ("web: {command: [x], success_codes: [a]}", (1, 46), "success codes must be a whole number"),
        ("web: {command: [x], depends_on: {a: b}}", (1, 43), "depends_on must be a list"),
        ("web: {command: 5}", (1, 26), "command must be a list of words, or a shell line"),
        ("web: {command: {a: b}}", (1, 26), "command must be a list of words, or a shell line"),
        ("web: {cwd: x}", (1, 11), "nothing to run"),
        ("web: ", (1, 11), "nothing to run"),
        ("web: x", (1, 16), "web must hold keys and values"),
        ("web: {command: [x], backoff: 2h}", (1, 11), "backoff exceeds max delay"),
        ("'17': {command: [x]}", (1, 11), "name is only digits"),
        ('"a\\e[31m": {command: [x]}', (1, 11), "control character U+001B in name"),
        (
            "a: {command: [x], depends_on: b}, b: {command: [x], depends_on: a}",
            (1, 11),
            "daemons depend on one another",
        ),
    ],
)
def test_what_is_wrong_is_told_with_its_place(entry: str, place: tuple[int, int], message: str) -> None:
    [(line, column, told)] = problems(f"daemons: {{{entry}}}")
    assert (line, column) == place
    assert told.startswith(message)


def test_all_that_is_wrong_is_told_at_once() -> None:
    text = "daemons:\n  a: {command: [], kep_logs: 3}\n  b: {}\n  c: {command: [x], max_log: -1}\n"
    assert [line for line, _, _ in problems(text)] == [2, 2, 3, 4]


def test_the_schema_knows_every_key() -> None:
    entry = configuration_schema()["properties"]["daemons"]["additionalProperties"]
    assert set(entry["properties"]) == set(KEYS)
