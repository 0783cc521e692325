"""Daemons as JSON and text."""

from __future__ import annotations

import json
from dataclasses import replace

from jobctl.model.daemons import (
    Daemon,
    DaemonDefinition,
    DaemonExit,
    DaemonId,
    DaemonSource,
    DaemonState,
    Generation,
    Health,
    Wanted,
)
from jobctl.model.homes import Home
from jobctl.views.daemons import (
    SYMBOLS,
    DaemonCard,
    card_fields,
    card_json,
    card_sections,
    daemon_json,
    daemons_plain,
    exit_line,
    overview_json,
    overview_line,
)
from jobctl.views.text import width_of

NOW = 1_795_000_000_000
HOME = Home("/home")
HOSTILE = "\x1b[31mred\x1b]0;x\x07[/b]\u202e\n"
STOPPED = Daemon(DaemonId(1), DaemonDefinition("web", ("./web",)), DaemonSource.CLI, NOW, NOW, 1)
RUNNING = replace(
    STOPPED, wanted=Wanted.UP, state=DaemonState.RUNNING, pid=4711, generation=Generation(3),
    started_at=NOW - 90_000, ready_at=NOW - 89_000, started_revision=1, restarts=2, memory_bytes=5 << 20,
    cpu_percent=1.5, health=Health.HEALTHY, status_text="12 requests/s", heartbeat_at=NOW - 1000,
)  # fmt: skip
WAITING = replace(
    STOPPED, wanted=Wanted.UP, state=DaemonState.BACKOFF, reason="exit", last_exit_code=3, restarts=1,
    consecutive_failures=2, next_restart_at=NOW + 4000,
)  # fmt: skip
CONTRACT = [
    "name", "wanted", "state", "reason", "pid", "generation", "uptime_seconds", "restarts",
    "consecutive_failures", "next_restart_at", "heartbeat_at", "status_text", "last_exit_code", "last_signal",
    "memory_bytes", "cpu_percent", "health",
]  # fmt: skip


def test_the_keys_are_those_of_the_contract_in_its_order() -> None:
    assert list(daemon_json(STOPPED, NOW))[: len(CONTRACT)] == CONTRACT


def test_a_running_daemon_as_json() -> None:
    document = daemon_json(RUNNING, NOW)
    assert document["uptime_seconds"] == 90.0
    assert (document["state"], document["wanted"], document["pid"]) == ("running", "up", 4711)
    assert document["heartbeat_at"] == "2026-11-18T11:06:39.000Z"
    assert (document["health"], document["restart_pending"]) == ("healthy", False)
    assert daemon_json(replace(RUNNING, revision=2), NOW)["restart_pending"] is True


def test_a_stopped_one_has_no_uptime() -> None:
    assert daemon_json(replace(STOPPED, started_at=NOW - 5), NOW)["uptime_seconds"] is None


def test_the_countdown_is_shown() -> None:
    assert "↻ backoff (exit), restart in 4s" in daemons_plain([WAITING], NOW)
    assert daemon_json(WAITING, NOW)["next_restart_at"] == "2026-11-18T11:06:44.000Z"
    late = replace(WAITING, next_restart_at=NOW - 60_000)
    assert "restart now" in daemons_plain([late], NOW)


def test_a_pending_restart_is_shown_everywhere() -> None:
    daemon = replace(RUNNING, revision=2)
    assert "restart pending" in daemons_plain([daemon], NOW)
    assert "restart pending" in overview_line(daemon, NOW)
    assert any("restart pending" in text for _, text in card_fields(DaemonCard(daemon, (), (), 0), HOME, NOW))


def test_symbols_take_one_cell_each_and_all_states_have_one() -> None:
    assert set(SYMBOLS) == set(DaemonState)
    assert all(width_of(symbol) == 1 for symbol in SYMBOLS.values())


def test_the_overview_counts_by_state() -> None:
    exited = replace(WAITING, state=DaemonState.EXITED, last_exit_code=0)
    overview = overview_json([STOPPED, RUNNING, WAITING, exited])
    assert {name: count for name, count in overview.items() if count} == {
        "stopped": 1, "running": 1, "backoff": 1, "exited": 1, "total": 4, "wanted": 3,
        "not_as_wanted": ["web"],
    }  # fmt: skip


def test_hostile_text_is_escaped_in_every_view() -> None:
    definition = DaemonDefinition(
        "web", ("a", HOSTILE), cwd=f"/{HOSTILE}", env={"A": HOSTILE}, health=HOSTILE
    )
    daemon = replace(RUNNING, definition=definition, status_text=HOSTILE, error=HOSTILE, reason=HOSTILE)
    ended = DaemonExit(Generation(1), 1, NOW - 5000, NOW, None, HOSTILE, HOSTILE, HOSTILE)
    card = DaemonCard(daemon, (ended,), (), 0)
    shown = [text for _, text in card_fields(card, HOME, NOW)]
    shown += [line for title, lines in card_sections(card, NOW) for line in (title, *lines)]
    shown += daemons_plain([daemon], NOW).splitlines()
    shown += [overview_line(daemon, NOW), exit_line(ended, NOW)]
    assert all(line.isprintable() for line in shown), shown
    assert json.loads(json.dumps(card_json(card, HOME, NOW)))["status_text"] == HOSTILE


def test_bytes_that_are_not_utf8_can_be_printed_as_json() -> None:
    daemon = replace(RUNNING, definition=DaemonDefinition("web", ("a\udcff",), cwd="/\udcff"))
    document = card_json(DaemonCard(daemon, (), (), 0), HOME, NOW)
    json.dumps(document, ensure_ascii=False).encode()


def test_an_end_in_one_line() -> None:
    ended = DaemonExit(Generation(7), 1, NOW - 61_300, NOW - 60_000, 3, None, "watchdog", "no sign of life")
    assert exit_line(ended, NOW) == "#7 exit 3 after 1.3s, 1m ago (watchdog): no sign of life"
    killed = DaemonExit(Generation(8), 1, NOW - 1000, NOW, None, "SIGKILL", "signal", None)
    assert exit_line(killed, NOW) == "#8 SIGKILL after 1s, now"
