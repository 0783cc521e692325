"""What callers ask of daemons, without a supervisor: intent in the store, all or nothing."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from jobctl.actions import daemons as actions
from jobctl.actions.callers import CallerContext
from jobctl.actions.configurations import apply_configuration
from jobctl.actions.daemon_waits import DaemonWait, hindrance, is_in, is_restarted, is_started, is_stopped
from jobctl.errors import BadInputError, NotFoundError, StateConflictError
from jobctl.model.configurations import parse_configuration
from jobctl.model.daemon_fields import parse_value
from jobctl.model.daemons import (
    Daemon,
    DaemonDefinition,
    DaemonId,
    DaemonSource,
    DaemonState,
    Generation,
    Wanted,
)
from jobctl.model.events import Entity
from jobctl.model.filters import JobFilter
from jobctl.settings import Settings
from jobctl.store import Store
from jobctl.store.listings import where
from tests.support.stores import HandClock, add_job, open_store

CLOCK = HandClock()


@pytest.fixture
def store(tmp_path: Path) -> Iterator[Store]:
    with open_store(tmp_path, CLOCK) as opened:
        yield opened


def add(store: Store, name: str, *, start: bool = False, **given: Any) -> Daemon:
    values = {key: parse_value(key, text) for key, text in {"command": ["sleep", "60"], **given}.items()}
    definition = actions.new_definition(name, values, "/")
    return actions.add_daemon(store, definition, Settings(), CLOCK, start=start)


def edit(store: Store, *names: str, drop: tuple[str, ...] = (), **given: Any) -> list[Daemon]:
    values = {key: parse_value(key, text) for key, text in given.items()}
    return actions.edit_daemons(store, names, actions.Edit(values, "/", drop), Settings(), CLOCK)


def observe(store: Store, name: str, **facts: Any) -> Daemon:
    """As if a supervisor had recorded this."""
    daemon = actions.required_daemon(store, name)
    facts = {"starts_done": daemon.starts_asked, "restarts_done": daemon.restarts_asked, **facts}
    with store.write():
        assert store.daemons.record(replace(daemon, **facts))
    return actions.required_daemon(store, name)


def apply(store: Store, text: str) -> list[str]:
    return [str(change) for change in apply_configuration(store, parse_configuration(text, "x"), CLOCK)]


def wanted(store: Store) -> dict[str, str]:
    return {daemon.name: daemon.wanted.value for daemon in store.daemons.all()}


def kinds(store: Store, name: str) -> list[str]:
    return [event.kind for event in store.events.about(Entity.DAEMON, name)]


def test_a_daemon_is_declared_and_wanted_down_until_it_is_started(store: Store) -> None:
    assert add(store, "web", env={"A": "1"}).wanted is Wanted.DOWN
    found, others = actions.start_daemons(store, ["web"], CLOCK)
    assert ([daemon.wanted for daemon in found], others) == ([Wanted.UP], [])
    actions.stop_daemons(store, ["web"], CLOCK)
    actions.stop_daemons(store, ["web"], CLOCK)
    assert kinds(store, "web") == ["daemon.added", "daemon.start_requested", "daemon.stop_requested"]


def test_a_name_is_declared_once(store: Store) -> None:
    add(store, "web")
    with pytest.raises(StateConflictError, match="exists"):
        add(store, "web")


@pytest.mark.parametrize("name", ["", "a\nb", "\x1b[31m", "17", "-x", ".", "a,b", "x" * 129, "\u202e"])
def test_hostile_names_are_refused(store: Store, name: str) -> None:
    with pytest.raises(BadInputError):
        add(store, name)
    assert store.daemons.names() == []


def test_its_directory_must_exist_and_secrets_are_not_stored(store: Store, tmp_path: Path) -> None:
    with pytest.raises(BadInputError, match="working directory"):
        add(store, "web", cwd="/nowhere/at/all")
    with pytest.raises(BadInputError, match="secret") as caught:
        add(store, "web", env={"API_TOKEN": "hunter2"})
    assert "hunter2" not in str(caught.value)
    assert store.daemons.names() == []


def test_what_it_depends_on_exists_and_is_no_circle(store: Store) -> None:
    with pytest.raises(NotFoundError, match="no such daemon"):
        add(store, "web", depends_on=["db"])
    add(store, "db")
    add(store, "web", depends_on=["db"])
    add(store, "edge", depends_on=["web"])
    with pytest.raises(BadInputError, match="one another") as caught:
        edit(store, "db", depends_on=["edge"])
    assert caught.value.code == "E_CYCLE"
    assert actions.required_daemon(store, "db").definition.depends_on == ()


def test_starting_one_starts_what_it_needs_and_nothing_that_runs(store: Store) -> None:
    for name, needs in (("db", []), ("cache", []), ("web", ["db", "cache"])):
        add(store, name, depends_on=needs)
    actions.start_daemons(store, ["cache"], CLOCK)
    observe(store, "cache", state=DaemonState.RUNNING)
    _, others = actions.start_daemons(store, ["web"], CLOCK)
    assert others == ["db"]
    assert wanted(store) == {"db": "up", "cache": "up", "web": "up"}
    assert actions.required_daemon(store, "cache").starts_asked == 1


def test_a_start_by_hand_is_asked_anew_for_one_that_was_given_up(store: Store) -> None:
    add(store, "db", start=True)
    add(store, "web", depends_on=["db"])
    observe(store, "db", state=DaemonState.ERROR)
    actions.start_daemons(store, ["web"], CLOCK)
    assert actions.required_daemon(store, "db").starts_asked == 2


@pytest.mark.parametrize("verb", [actions.start_daemons, actions.stop_daemons, actions.restart_daemons,
                                  actions.remove_daemons])  # fmt: skip
def test_several_names_are_all_or_nothing(store: Store, verb: Any) -> None:
    add(store, "web", start=True)
    add(store, "db")
    before = wanted(store)
    with pytest.raises(NotFoundError, match=r"nope"):
        verb(store, ["web", "db", "nope"], CLOCK)
    assert wanted(store) == before


def test_an_unknown_name_says_what_was_probably_meant(store: Store) -> None:
    add(store, "web")
    with pytest.raises(NotFoundError) as caught:
        actions.stop_daemons(store, ["wep"], CLOCK)
    assert caught.value.hint == "did you mean web?"


def test_an_edit_changes_what_is_given_and_marks_what_runs(store: Store, tmp_path: Path) -> None:
    add(store, "web", env={"A": "1", "B": "2"}, start=True)
    observe(store, "web", state=DaemonState.RUNNING, started_revision=1)
    [web] = edit(store, "web", max_memory="1G")
    assert (web.definition.max_memory_bytes, web.restart_pending) == (1 << 30, False)
    (tmp_path / "site").mkdir()
    [web] = edit(store, "web", env={"B": "3"}, drop=("A",))
    assert (web.definition.env, web.definition.cwd, web.restart_pending) == ({"B": "3"}, "/", True)
    values = {"cwd": parse_value("cwd", "site")}
    wish = actions.Edit(values, str(tmp_path))
    [web] = actions.edit_daemons(store, ["web"], wish, Settings(), CLOCK)
    assert web.definition.cwd == str(tmp_path / "site")
    assert web.definition.command == ("sleep", "60")


def test_an_edit_that_changes_nothing_is_no_event(store: Store) -> None:
    add(store, "web", keep_logs="3")
    edit(store, "web", keep_logs="3")
    assert kinds(store, "web") == ["daemon.added"]


def test_one_that_others_need_is_removed_only_with_them(store: Store) -> None:
    add(store, "db")
    add(store, "web", depends_on=["db"])
    with pytest.raises(StateConflictError, match="web depends on"):
        actions.remove_daemons(store, ["db"], CLOCK)
    actions.remove_daemons(store, ["db", "web"], CLOCK)
    assert store.daemons.names() == []
    add(store, "web")
    assert store.daemons.names() == ["web"]


# --- jobctl.yaml ---

FILE = """
daemons:
  db: {command: [sleep, 60], cwd: sub}
  web: {command: sleep 60, depends_on: db}
  tool: {command: x, autostart: never}
"""


def test_the_file_declares_daemons_and_wants_them_up(store: Store) -> None:
    assert apply(store, FILE) == ["daemon db: added", "daemon web: added", "daemon tool: added"]
    assert wanted(store) == {"db": "up", "web": "up", "tool": "down"}
    assert actions.required_daemon(store, "db").definition.cwd == f"{store.home.path}/sub"
    assert apply(store, FILE) == []


def test_a_changed_daemon_is_pending_and_not_restarted(store: Store) -> None:
    apply(store, FILE)
    observe(store, "web", state=DaemonState.RUNNING, started_revision=1)
    told = apply(store, FILE.replace("sleep 60,", "sleep 70, env: {A: s3cret}, backoff: 2s,"))
    assert told == [
        "daemon web: shell sleep 60 → sleep 70", "daemon web: env A  → changed",
        "daemon web: backoff_seconds 1.0 → 2.0",
    ]  # fmt: skip
    web = actions.required_daemon(store, "web")
    assert (web.restart_pending, web.restarts_asked, web.starts_asked) == (True, 0, 1)


def test_a_stopped_daemon_stays_stopped_when_its_entry_changes(store: Store) -> None:
    apply(store, FILE)
    actions.stop_daemons(store, ["web"], CLOCK)
    apply(store, FILE.replace("sleep 60,", "sleep 70,"))
    assert wanted(store)["web"] == "down"


def test_one_that_the_file_no_longer_names_is_stopped_once_and_kept(store: Store) -> None:
    apply(store, FILE)
    add(store, "mine", start=True)
    assert apply(store, "daemons: {db: {command: [sleep, 60], cwd: sub}}") == [
        "daemon tool: gone from the file; stopped", "daemon web: gone from the file; stopped",
    ]  # fmt: skip
    assert wanted(store) == {"db": "up", "mine": "up", "tool": "down", "web": "down"}
    assert actions.required_daemon(store, "web").source is DaemonSource.GONE
    actions.start_daemons(store, ["web"], CLOCK)
    assert apply(store, "queues: {}") == ["daemon db: gone from the file; stopped"]
    assert wanted(store)["web"] == "up"
    assert "daemon web: back in the file" in apply(store, FILE)
    assert actions.required_daemon(store, "web").source is DaemonSource.FILE


@pytest.mark.parametrize(
    "text",
    [
        "daemons: {web: {command: x, depends_on: nope}}",
        "daemons: {web: {command: x, env: {API_KEY: hunter2}}}",
        "daemons: {web: {command: x, depends_on: hand}}",
    ],
)
def test_a_file_that_does_not_fit_changes_nothing(store: Store, text: str) -> None:
    apply(store, "daemons: {web: {command: y}}")
    add(store, "hand", depends_on=["web"])
    with pytest.raises(BadInputError) as caught:
        apply(store, f"queues: {{gpu: {{concurrency: 1}}}}\n{text}")
    assert "hunter2" not in str(caught.value)
    assert store.queues.names() == ["default"]
    assert actions.required_daemon(store, "web").definition.shell == "y"


def test_the_file_takes_over_one_that_was_declared_by_hand(store: Store) -> None:
    add(store, "web")
    apply(store, "daemons: {web: {command: y}}")
    web = actions.required_daemon(store, "web")
    assert (web.source, web.definition.shell, web.wanted) == (DaemonSource.FILE, "y", Wanted.DOWN)


# --- waiting ---

UP: dict[str, Any] = {"wanted": Wanted.UP}


def daemon(name: str = "web", needs: tuple[str, ...] = (), **facts: Any) -> Daemon:
    definition = DaemonDefinition(name, ("x",), depends_on=needs)
    return Daemon(DaemonId(1), definition, DaemonSource.CLI, 0, 0, 1, **facts)


@pytest.mark.parametrize(
    ("facts", "answer"),
    [
        ({"state": DaemonState.RUNNING, **UP}, True),
        ({"state": DaemonState.RUNNING, "starts_asked": 2, "starts_done": 1, **UP}, None),
        ({"state": DaemonState.STARTING, **UP}, None),
        ({"state": DaemonState.STOPPED, **UP}, None),
        ({"state": DaemonState.BACKOFF, **UP}, False),
        ({"state": DaemonState.ERROR, **UP}, False),
        ({"state": DaemonState.ERROR, "starts_asked": 1, **UP}, None),
        ({"state": DaemonState.EXITED, "last_exit_code": 0, **UP}, True),
        ({"state": DaemonState.EXITED, "last_exit_code": 1, **UP}, False),
        ({"state": DaemonState.STOPPING, "wanted": Wanted.DOWN}, False),
    ],
)
def test_when_a_start_is_decided(facts: dict[str, Any], answer: bool | None) -> None:
    assert is_started(daemon(**facts), {}) is answer


def test_a_restart_needs_a_newer_generation() -> None:
    before = {"web": daemon(state=DaemonState.RUNNING, generation=Generation(3), **UP)}
    judge = is_restarted(before)
    assert judge(before["web"], {}) is None
    assert judge(replace(before["web"], generation=Generation(4)), {}) is True
    assert judge(replace(before["web"], state=DaemonState.ERROR), {}) is False


def test_when_a_stop_is_decided() -> None:
    assert is_stopped(daemon(state=DaemonState.STOPPING), {}) is None
    assert is_stopped(daemon(state=DaemonState.STOPPED), {}) is True
    assert is_stopped(daemon(state=DaemonState.RUNNING, **UP), {}) is False


def test_waiting_for_a_state_ends_when_it_was_given_up() -> None:
    assert is_in(DaemonState.RUNNING)(daemon(state=DaemonState.ERROR), {}) is False
    assert is_in(DaemonState.STOPPED)(daemon(state=DaemonState.ERROR), {}) is None
    assert is_in(DaemonState.ERROR)(daemon(state=DaemonState.ERROR), {}) is True


def test_waiting_for_what_nobody_starts_is_no_use() -> None:
    web = daemon("web", ("api",), state=DaemonState.WAITING, **UP)
    api = daemon("api", ("db",), state=DaemonState.WAITING, **UP)
    db = daemon("db", state=DaemonState.STARTING, **UP)
    every = {one.name: one for one in (web, api, db)}
    assert is_started(web, every) is None
    every["db"] = replace(db, state=DaemonState.ERROR)
    assert hindrance(web, every) is every["db"]
    assert is_started(web, every) is False


def test_a_daemon_that_is_removed_meanwhile_is_an_answer(store: Store) -> None:
    waiting = DaemonWait(store, [add(store, "web"), add(store, "db", start=True)], is_stopped)
    assert {(answer.name, answer.ok) for answer in waiting.poll()} == {("web", True), ("db", False)}
    waiting = DaemonWait(store, [add(store, "api", start=True)], is_started)
    actions.remove_daemons(store, ["api"], CLOCK)
    [answer] = waiting.poll()
    assert (answer.daemon, answer.ok) == (None, False)


# --- jobs of daemons ---


@pytest.mark.parametrize(
    ("environment", "submitter"),
    [
        ({"JOBCTL_DAEMON": "inbox", "JOBCTL_HOME": "HOME"}, "daemon:inbox"),
        ({"JOBCTL_DAEMON": "inbox", "JOBCTL_JOB_ID": "7", "JOBCTL_HOME": "HOME"}, "job:7"),
        ({"JOBCTL_DAEMON": "inbox", "JOBCTL_HOME": "/elsewhere"}, None),
        ({"JOBCTL_DAEMON": "inbox"}, None),
        ({}, None),
    ],
)
def test_who_submits_is_told_by_the_environment(
    store: Store, environment: dict[str, str], submitter: str | None
) -> None:
    home = store.home.path
    given = {name: home if value == "HOME" else value for name, value in environment.items()}
    caller = CallerContext("/", given, 0o022, 0, home)
    assert caller.submitter == submitter


def test_the_jobs_of_a_daemon_are_found_by_an_index(store: Store) -> None:
    mine = add_job(store, submitted_by="daemon:inbox")
    add_job(store, submitted_by="daemon:inbox2")
    add_job(store)
    assert [job.id for job in store.jobs.list(JobFilter(daemon="inbox"))] == [mine]
    assert (store.daemons.job_count("inbox"), store.daemons.job_count("none")) == (1, 0)
    condition, parameters = where(JobFilter(daemon="inbox"))
    plan = store.database.rows(f"EXPLAIN QUERY PLAN SELECT j.id FROM jobs j WHERE {condition}", parameters)
    assert "jobs_daemons" in str(plan)
