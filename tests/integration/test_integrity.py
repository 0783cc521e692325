"""Examining a store: a sound one is called sound, every broken rule is named, and nothing is written."""

from __future__ import annotations

import os
import shutil
from dataclasses import replace
from datetime import UTC, datetime
from pathlib import Path

import pytest

from jobctl.actions.integrity import check_copy, check_store
from jobctl.errors import NotFoundError, StoreForeignError, UnusableError
from jobctl.model.batches import BatchSubmission, Item
from jobctl.model.daemons import DaemonDefinition, DaemonExit, DaemonSource, DaemonState, Generation
from jobctl.model.definitions import Definition
from jobctl.model.dependencies import Condition, Dependency
from jobctl.model.homes import Home
from jobctl.model.integrity import Check, Checkup, Level
from jobctl.model.parameters import Parameter
from jobctl.model.schedule_records import Fire, ScheduleSource, ScheduleText, Trigger
from jobctl.model.schedule_rules import Every
from jobctl.model.slots import Outcome
from jobctl.model.specs import JobSpec, Submission
from jobctl.model.states import JobId, JobKind
from jobctl.store.database import Database
from jobctl.store.documents import DOCUMENTS
from jobctl.store.integrity import examine
from jobctl.store.invariants import INVARIANTS
from jobctl.store.migrations import MIGRATIONS, NEWEST
from jobctl.store.schedules import Standing
from jobctl.store.specs import environment_text
from tests.support.damage import fingerprint, flip, overwrite, root_page
from tests.support.histories import History

SEEDS = range(12)


def silent(done: int, total: int, name: str) -> None:
    """Nobody wants to know."""


def check(home: Home, *, quick: bool = False) -> Checkup:
    return check_store(home, quick=quick, report=silent)


def declare(history: History) -> None:
    """A definition, schedules with slots of every outcome, and a daemon that was restarted once."""
    store, now = history.store, history.clock.now_ms()
    store.definitions.put(Definition("copy", command=("true",), parameters=(Parameter("to"),)), now)
    rule = Every(60_000, datetime(2026, 1, 1, tzinfo=UTC))
    text = ScheduleText("every", "1m", rule.document(), "Europe/Berlin", {"job": {"command": ["true"]}})
    first = store.schedules.add("first", text, ScheduleSource.COMMAND_LINE, now)
    for number, outcome in enumerate(Outcome):
        job_id = JobId(1) if outcome is Outcome.FIRED else None
        store.schedules.decide(first, Fire(number, now, outcome, Trigger.SLOT, job_id=job_id))
    store.schedules.stand(first, Standing(now, now, waiting=True))
    of_definition = replace(text, template={"definition": "copy", "parameters": {"to": "x"}})
    store.schedules.add("second", of_definition, ScheduleSource.COMMAND_LINE, now)
    store.daemons.add(DaemonDefinition("watcher", command=("true",)), DaemonSource.CLI, now)
    watcher = store.daemons.get("watcher")
    assert watcher is not None
    running = DaemonState.RUNNING
    store.daemons.record(replace(watcher, state=running, generation=Generation(2), started_revision=1))
    store.daemons.record_exit(watcher.id, DaemonExit(Generation(1), 7, now, now, 0, None, "exit", None))


def fill(history: History) -> None:
    """Jobs of every state, a batch, dependencies: something of everything that the rules are about."""
    history.run("done", output=b"x")
    history.run("failed", 3)
    running = history.submit("running")
    history.start(running)
    history.submit("held", hold=True)
    first = history.submit("queued")
    history.submit("waits", after=(Dependency(first, Condition.SUCCESS),))
    history.submit("reserved-not")
    child = Submission(name="item", spec=JobSpec(command=("true",)), environment={"A": "b"})
    parent = Submission(name="batch", spec=JobSpec(), environment={}, kind=JobKind.BATCH)
    items = tuple(Item(text, ("true", text)) for text in "abc")
    with history.store.write():
        history.store.batches.submit(BatchSubmission(parent, child, items, 2, None), history.clock.now_ms())
        declare(history)


@pytest.fixture(scope="module")
def whole(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A closed home with a sound store; tests work on copies of it."""
    root = tmp_path_factory.mktemp("whole")
    history = History(root / "home")
    fill(history)
    history.close()
    return root / "home"


@pytest.fixture
def home(whole: Path, tmp_path: Path) -> Home:
    """A home of one's own to break."""
    shutil.copytree(whole, tmp_path / "home", symlinks=True)
    (tmp_path / "home").chmod(0o700)
    return Home(str(tmp_path / "home"))


def change(home: Home, *statements: str) -> None:
    """The statements were executed with no rule in their way."""
    database = Database(home.store)
    try:
        database.rows("PRAGMA foreign_keys=0")
        database.rows("PRAGMA ignore_check_constraints=1")
        for statement in statements:
            database.rows(statement)
    finally:
        database.close()


def failed(checkup: Checkup) -> set[str]:
    return {one.name for one in checkup.checks if one.count}


def named(checkup: Checkup, name: str) -> Check:
    (found,) = (one for one in checkup.checks if one.name == name)
    return found


def test_a_store_in_use_is_sound(home: Home) -> None:
    checkup = check(home)
    assert failed(checkup) == set()
    assert all(one.ok for one in checkup.checks)
    assert checkup.schema_version == NEWEST
    names = [one.name for one in checkup.checks]
    assert len(set(names)) == len(names)
    assert {invariant.name for invariant in INVARIANTS} < set(names)


def test_a_quick_check_leaves_out_what_is_slow(home: Home) -> None:
    change(home, "DELETE FROM events WHERE kind='job.completed'")
    assert failed(check(home, quick=True)) == set()
    assert failed(check(home)) == {"ends"}


_ORPHAN = "INSERT INTO environments(hash, body) VALUES('{}','{}')".format(*environment_text({"Z": "z"}))
_IS = "WHERE id=(SELECT min(id) FROM jobs WHERE"


@pytest.mark.parametrize(
    ("name", "statement", "count"),
    [
        ("states", f"UPDATE jobs SET queued_at=NULL {_IS} state='queued')", 1),
        ("states", f"UPDATE jobs SET reason='retry', eligible_at=NULL {_IS} reason='hold')", 1),
        ("needs", "UPDATE jobs SET needs_left=needs_left+1 WHERE needs_left>0", 1),
        ("needs", "UPDATE jobs SET needs_left=0 WHERE reason='dependency'", 1),
        ("specs", "DELETE FROM job_specs WHERE job_id=1", 1),
        ("attempts", "INSERT INTO attempts(job_id, number, life_id, started_at) VALUES(1,9,1,0)", 1),
        ("attempts", "UPDATE jobs SET attempt=0 WHERE state='running' AND kind='command'", 2),
        ("ends", "DELETE FROM events WHERE kind IN('job.completed','job.failed')", 2),
        ("ends", "INSERT INTO events(at,kind,entity,entity_id,data)"
         " SELECT at,kind,entity,entity_id,data FROM events WHERE kind='job.failed'", 1),
        ("reservations", f"UPDATE jobs SET reserved=1 {_IS} state='queued')", 1),
        ("pauses", "UPDATE jobs SET paused_at=1 WHERE state='running' AND kind='command'", 1),
        ("batches", "UPDATE batches SET queued=queued+1", 1),
        ("batches", "UPDATE batches SET total=total+1", 1),
        ("batches", "UPDATE batches SET ended=1", 1),
        ("batches", "DELETE FROM batches", 1),
        ("totals", "UPDATE job_totals SET jobs=jobs+1 WHERE state='completed'", 1),
        ("totals", "DELETE FROM job_totals WHERE state='timeout'", 1),
        ("ids", "UPDATE sqlite_sequence SET seq=1 WHERE name='jobs'", 1),
        ("documents", "UPDATE job_specs SET spec='{\"nonsense\":1}' WHERE job_id IN"
         " (SELECT id FROM jobs WHERE reason='hold')", 1),
        ("hashes", "UPDATE environments SET body='{\"A\":\"c\"}' WHERE body<>'{}'", 1),
        ("environments", _ORPHAN, 1),
        ("definitions", "UPDATE definitions SET document='[]'", 1),
        ("definitions", "UPDATE definitions SET document='{\"parameters\":[{\"type\":\"int\"}]}'", 1),
        ("schedules", "UPDATE schedules SET rule='{\"kind\":\"hourly\"}'", 2),
        ("schedules", "UPDATE schedules SET rule='{\"kind\":\"every\"}' WHERE name='first'", 1),
        ("schedules", "UPDATE schedules SET rule='3' WHERE name='first'", 1),
        ("schedules", "UPDATE schedules SET kind='cron' WHERE name='first'", 1),
        ("schedules", "UPDATE schedules SET kind='cron', rule='{\"kind\":\"cron\",\"lines\":[\"61 * * * *\"]}'"
         " WHERE name='second'", 1),
        ("schedules", "UPDATE schedules SET timezone='Mars/Olympus' WHERE name='first'", 1),
        ("schedules", "UPDATE schedules SET timezone='Europe' WHERE name='first'", 1),
        ("schedules", "UPDATE schedules SET template='{\"parameters\":{}}' WHERE name='second'", 1),
        ("schedules", "UPDATE schedules SET template='[]' WHERE name='second'", 1),
        ("slots", "UPDATE schedule_fires SET job_id=NULL", 1),
        ("turns", "UPDATE schedules SET waiting=0", 1),
        ("turns", "DELETE FROM schedule_fires WHERE outcome='pending'", 1),
        ("daemons", "UPDATE daemons SET definition='{\"name\":\"watcher\",\"colour\":1}'", 1),
        ("daemons", "UPDATE daemons SET definition='{\"name\":\"other\"}'", 1),
        ("daemons", "UPDATE daemons SET definition='[]'", 1),
        ("generations", "UPDATE daemons SET generation=0", 1),
        ("generations", "UPDATE daemon_exits SET generation=2", 1),
        ("generations", "UPDATE daemon_exits SET generation=3", 1),
        ("generations", "UPDATE daemons SET started_revision=5", 1),
        ("generations", "UPDATE daemons SET restarts_done=1", 1),
        ("schedule_ids", "UPDATE sqlite_sequence SET seq=1 WHERE name='schedules'", 1),
        ("schedule_ids", "DELETE FROM sqlite_sequence WHERE name='schedule_fires'", 1),
        ("daemon_ids", "UPDATE sqlite_sequence SET seq=0 WHERE name='daemons'", 1),
        (
            "worker_ids",
            "INSERT INTO workers(life_id, started_at) VALUES(1,1); DELETE FROM sqlite_sequence WHERE name='workers'",
            1,
        ),
        ("references", f"UPDATE jobs SET queue='nowhere' {_IS} state='queued')", 1),
        ("schema", "DROP TRIGGER jobs_terminal", 1),
        ("schema", "DROP INDEX jobs_claim", 1),
        ("pages", f"UPDATE jobs SET priority=99 {_IS} state='queued')", 1),
    ],
)  # fmt: skip
def test_a_broken_rule_is_named(home: Home, name: str, statement: str, count: int) -> None:
    change(home, statement)
    before = fingerprint(Path(home.path))
    checkup = check(home)
    found = named(checkup, name)
    assert (failed(checkup), found.count) == ({name}, count), checkup
    assert found.remedy
    assert len(found.examples) == min(count, 5)
    assert checkup.is_sound is (found.level is Level.WASTE)
    assert fingerprint(Path(home.path)) == before


def test_only_the_first_of_many_are_told(home: Home) -> None:
    change(home, "UPDATE jobs SET needs_left=7 WHERE state IN('queued','created')", "DELETE FROM job_specs")
    found = named(check(home), "specs")
    assert found.count == 11
    assert len(set(found.examples)) == 5


def test_every_invariant_has_a_test() -> None:
    marks = test_a_broken_rule_is_named.pytestmark  # type: ignore[attr-defined]
    tested = {row[0] for row in marks[0].args[1]}
    assert {rule.name for rule in (*INVARIANTS, *DOCUMENTS)} <= tested


def test_a_directory_without_a_job_is_waste(home: Home) -> None:
    os.makedirs(f"{home.runs}/999/1")
    os.makedirs(f"{home.runs}/notes")
    checkup = check(home)
    assert named(checkup, "directories").examples == (f"{home.runs}/999",)
    assert checkup.is_sound
    assert [one.name for one in checkup.waste] == ["directories"]


def test_the_events_of_an_attempt_are_found_by_its_job(home: Home) -> None:
    (ends,) = (invariant for invariant in INVARIANTS if invariant.name == "ends")
    database = Database(home.store)
    try:
        plan = [str(row[3]) for row in database.rows(f"EXPLAIN QUERY PLAN {ends.query}")]
    finally:
        database.close()
    looked_up = [step for step in plan if "events_entity" in step]
    assert len(looked_up) == 2
    assert all("(entity=? AND entity_id=?" in step for step in looked_up), plan


# --- damaged files ---


def test_a_broken_page_is_damage(home: Home) -> None:
    offset, size = root_page(Path(home.store), "jobs")
    overwrite(Path(home.store), offset, b"\xff" * size)
    before = fingerprint(Path(home.path))
    checkup = check(home)
    assert "pages" in failed(checkup)
    assert any(one.skipped for one in checkup.checks)
    assert fingerprint(Path(home.path)) == before


def test_an_index_that_disagrees_is_damage_unless_quick(home: Home) -> None:
    change(
        home,
        "PRAGMA writable_schema=1",
        "UPDATE sqlite_schema SET sql='CREATE INDEX jobs_name ON jobs(name, id) WHERE id>0' WHERE name='jobs_name'",
    )
    change(home, "DELETE FROM jobs WHERE id=1")
    change(
        home,
        "PRAGMA writable_schema=1",
        "UPDATE sqlite_schema SET sql='CREATE INDEX jobs_name ON jobs(id, name)' WHERE name='jobs_name'",
    )
    assert {"pages", "schema"} <= failed(check(home))


def text(path: Path) -> None:
    path.write_text("dear diary\n" * 1000)


def short_text(path: Path) -> None:
    path.write_text("x")


def truncated(path: Path) -> None:
    os.truncate(path, path.stat().st_size // 2)


def truncated_in_a_page(path: Path) -> None:
    os.truncate(path, 5000)


def no_magic(path: Path) -> None:
    overwrite(path, 0, b"\0" * 16)


def no_version(path: Path) -> None:
    overwrite(path, 60, b"\0" * 4)


@pytest.mark.parametrize("break_", [text, short_text, truncated, truncated_in_a_page, no_magic, no_version])
def test_a_file_that_is_none_any_more_is_damage(home: Home, break_: object) -> None:
    assert callable(break_)
    break_(Path(home.store))
    before = fingerprint(Path(home.path))
    checkup = check(home)
    assert not checkup.is_sound
    assert checkup.failed[0].name in {"file", "pages"}
    assert checkup.failed[0].examples[0]
    assert fingerprint(Path(home.path)) == before


@pytest.mark.parametrize("seed", SEEDS)
def test_flipped_bytes_are_found_and_never_break_the_examination(home: Home, seed: int) -> None:
    flip(Path(home.store), seed, 400)
    before = fingerprint(Path(home.path))
    assert not check(home).is_sound
    assert fingerprint(Path(home.path)) == before


def test_what_is_no_store_is_refused(home: Home, tmp_path: Path) -> None:
    change(home, "PRAGMA application_id=5")
    with pytest.raises(StoreForeignError):
        check(home)
    with pytest.raises(UnusableError):
        check_copy(str(tmp_path), quick=False, report=silent)
    for path in (tmp_path / "none", tmp_path / "empty"):
        (tmp_path / "empty").touch()
        with pytest.raises(NotFoundError):
            check_copy(str(path), quick=False, report=silent)
    with pytest.raises(NotFoundError):
        check(Home(str(tmp_path / "nowhere")))


def test_a_copy_is_examined_without_files_beside_it(home: Home, tmp_path: Path) -> None:
    (tmp_path / "copies").mkdir()
    copy = tmp_path / "copies" / "a b?#%.db"
    shutil.copyfile(home.store, copy)
    assert check_copy(str(copy), quick=False, report=silent).is_sound
    assert os.listdir(tmp_path / "copies") == [copy.name]


@pytest.mark.parametrize("version", range(1, NEWEST))
def test_an_older_store_is_held_to_its_own_version(tmp_path: Path, version: int) -> None:
    path = tmp_path / "old.db"
    path.touch()
    database = Database(str(path))
    database.rows("PRAGMA auto_vacuum=INCREMENTAL")
    for migration in MIGRATIONS:
        if migration.number <= version:
            for statement in migration.statements:
                database.rows(statement)
    database.rows("PRAGMA application_id=1785684579")
    database.rows(f"PRAGMA user_version={version}")
    database.close()
    checkup = examine(str(path))
    assert checkup is not None
    assert (checkup.schema_version, failed(checkup)) == (version, set())


def test_progress_is_told_before_each_check(home: Home) -> None:
    told: list[tuple[int, int, str]] = []
    checkup = check_store(home, quick=False, report=lambda *said: told.append(said))
    assert [name for _, _, name in told] == [one.name for one in checkup.checks[1:]] + ["done"]
    assert told[-1][0] == told[-1][1] == len(checkup.checks)
