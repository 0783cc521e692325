"""The store as files: created once, refused untouched, private, and with the settings it was given."""

from __future__ import annotations

import hashlib
import os
import shutil
import signal
import sqlite3
import stat
import subprocess
import sys
from collections.abc import Iterator
from contextlib import closing, contextmanager, suppress
from pathlib import Path

import apsw
import pytest

from jobctl.clock import SystemClock
from jobctl.errors import JobctlError, NotFoundError, StoreDamagedError, StoreForeignError, UnusableError
from jobctl.model.homes import Home
from jobctl.store import Store
from jobctl.store.database import APPLICATION_ID
from jobctl.store.migrations import NEWEST
from tests.support.cli import cli_environment
from tests.support.supervisors import Stage
from tests.support.waiting import wait_until

CLOCK = SystemClock()


def fingerprint(path: Path) -> dict[str, str]:
    """What lies in a directory, by content."""
    return {
        str(file.relative_to(path)): hashlib.sha256(file.read_bytes()).hexdigest()
        for file in sorted(path.rglob("*"))
        if file.is_file() and not file.name.endswith(("-shm", ".lock"))
    }


@pytest.fixture
def home(tmp_path: Path) -> Home:
    (tmp_path / "home").mkdir(mode=0o700)
    return Home(str(tmp_path / "home"))


def newer(path: Path) -> None:
    with closing(sqlite3.connect(path)) as other:
        other.execute(f"PRAGMA application_id={APPLICATION_ID}")
        other.execute(f"PRAGMA user_version={NEWEST + 1}")
        other.execute("CREATE TABLE jobs(id)")


def foreign(path: Path) -> None:
    with closing(sqlite3.connect(path)) as other:
        other.execute("CREATE TABLE notes(text)")


def foreign_with_wal(path: Path) -> None:
    """A database whose owner was killed: its last rows are in the WAL only."""
    source = path.with_name("source.db")
    with closing(sqlite3.connect(source)) as other:
        other.execute("PRAGMA journal_mode=WAL")
        other.execute("CREATE TABLE notes(text)")
        other.execute("INSERT INTO notes VALUES('kept')")
        other.commit()
        for suffix in ("", "-wal"):
            shutil.copyfile(f"{source}{suffix}", f"{path}{suffix}")
    for file in path.parent.glob("source.db*"):
        file.unlink()


def text(path: Path) -> None:
    path.write_text("dear diary\n" * 1000)


def short_text(path: Path) -> None:
    path.write_text("x")


def directory(path: Path) -> None:
    path.mkdir()
    (path / "precious").write_text("data")


def symbolic_link(path: Path) -> None:
    foreign(path.with_name("real.db"))
    path.symlink_to("real.db")


def two_names(path: Path) -> None:
    newer(path.with_name("other.db"))
    path.hardlink_to(path.with_name("other.db"))


@pytest.mark.parametrize(
    ("make", "error"),
    [
        (newer, StoreForeignError), (foreign, StoreForeignError), (foreign_with_wal, StoreForeignError),
        (text, StoreDamagedError), (short_text, StoreDamagedError), (directory, UnusableError),
        (symbolic_link, UnusableError), (two_names, UnusableError),
    ],
)  # fmt: skip
@pytest.mark.parametrize("create", [False, True])
def test_what_is_no_store_of_ours_is_refused_untouched(
    home: Home, make: object, error: type[JobctlError], create: bool
) -> None:
    assert callable(make)
    make(Path(home.store))
    before = fingerprint(Path(home.path))
    with pytest.raises(error):
        Store.open(home, CLOCK, create=create)
    assert fingerprint(Path(home.path)) == before


def test_an_empty_file_is_what_a_killed_creation_leaves(home: Home) -> None:
    Path(home.store).touch(mode=0o600)
    with pytest.raises(NotFoundError):
        Store.open(home, CLOCK)
    assert Path(home.store).stat().st_size == 0
    with Store.open(home, CLOCK, create=True) as store:
        assert store.queues.names() == ["default"]


def test_without_create_nothing_is_made(home: Home) -> None:
    with pytest.raises(NotFoundError):
        Store.open(home, CLOCK)
    assert os.listdir(home.path) == []


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("journal_mode", "wal"), ("synchronous", 2), ("foreign_keys", 1), ("wal_autocheckpoint", 1000),
        ("journal_size_limit", 16 * 1024 * 1024), ("auto_vacuum", 2), ("temp_store", 2),
        ("trusted_schema", 0), ("cell_size_check", 1), ("application_id", APPLICATION_ID),
        ("user_version", NEWEST), ("integrity_check", "ok"),
    ],
)  # fmt: skip
def test_every_setting_is_in_force(stage: Stage, name: str, value: object) -> None:
    with Store.open(stage.home, stage.clock) as store:
        assert store.database.value(f"PRAGMA {name}") == value


def test_every_table_is_strict(stage: Stage) -> None:
    rows = stage.store.database.rows("PRAGMA table_list")
    loose = [row[1] for row in rows if row[2] == "table" and not row[5] and not row[1].startswith("sqlite_")]
    assert loose == []


@contextmanager
def umask(mask: int) -> Iterator[None]:
    before = os.umask(mask)
    try:
        yield
    finally:
        os.umask(before)


def test_nobody_else_can_read_anything_whatever_the_umask(tmp_path: Path) -> None:
    with umask(0):
        stage = Stage(tmp_path)
        try:
            job_id = stage.shell("echo hello; sleep 1000", umask=0, split_output=True)
            supervisor = stage.supervise()
            stage.start(supervisor, job_id)
            modes = {
                path: stat.S_IMODE(path.lstat().st_mode)
                for path in [Path(stage.home.path), *Path(stage.home.path).rglob("*")]
                if not path.is_symlink()
            }
        finally:
            stage.close()
    assert len(modes) > 10
    assert {path: oct(mode) for path, mode in modes.items() if mode & 0o077} == {}
    assert {mode for path, mode in modes.items() if path.suffix in {".log", ".db"}} == {0o600}


_OPEN = (
    "import sys; from jobctl.store import Store; from jobctl.clock import SystemClock;"
    " from jobctl.model.homes import Home; store = Store.open(Home(sys.argv[1]), SystemClock(), create=True);"
    " print(store.queues.names(), store.database.value('SELECT count(*) FROM migrations'))"
)


def test_six_processes_may_open_a_new_store_at_once(home: Home) -> None:
    processes = [
        subprocess.Popen(
            [sys.executable, "-c", _OPEN, home.path],
            stdout=subprocess.PIPE, stderr=subprocess.PIPE, env=cli_environment(), text=True,
        )
        for _ in range(6)
    ]  # fmt: skip
    results = [process.communicate(timeout=60) for process in processes]
    assert [process.returncode for process in processes] == [0] * 6, results
    assert {out for out, _ in results} == {f"['default'] {NEWEST}\n"}


_STOP_IN_MIGRATION = """
import os, signal, sys
from jobctl.store import Store, migrate
from jobctl.clock import SystemClock
from jobctl.model.homes import Home
from jobctl.store.database import Database
real, count = Database.rows, 0
def rows(self, sql, parameters=()):
    global count
    count += 1
    if count == int(sys.argv[2]):
        os.kill(os.getpid(), signal.SIGKILL)
    return real(self, sql, parameters)
Database.rows = rows
Store.open(Home(sys.argv[1]), SystemClock(), create=True)
"""


@pytest.mark.parametrize("statement", [1, 3, 4, 10, 25, 40, 45, 50])
def test_a_creation_killed_anywhere_is_finished_by_the_next(home: Home, statement: int) -> None:
    killed = subprocess.run(
        [sys.executable, "-c", _STOP_IN_MIGRATION, home.path, str(statement)],
        env=cli_environment(), capture_output=True, timeout=60, check=False,
    )  # fmt: skip
    assert killed.returncode == -signal.SIGKILL, killed.stderr.decode()
    with Store.open(home, CLOCK, create=True) as store:
        assert store.queues.names() == ["default"]
        assert store.database.value("PRAGMA integrity_check") == "ok"
        assert store.database.value("PRAGMA journal_mode") == "wal"
        assert store.database.value("PRAGMA auto_vacuum") == 2


def test_a_terminal_state_leaves_only_by_a_retry(stage: Stage) -> None:
    job_id = stage.submit("true", hold=True)
    database = stage.store.database
    with stage.store.write():
        stage.store.transitions.cancel_waiting(job_id, "requested", 1)
    with pytest.raises(apsw.ConstraintError, match="only by a retry"):
        database.rows("UPDATE jobs SET state='queued', finished_at=NULL WHERE id=?", (job_id,))
    with stage.store.write():
        assert stage.store.transitions.retry(job_id, 2)
    assert stage.job(job_id).revision == 1


def test_an_ended_attempt_never_changes(stage: Stage) -> None:
    job_id = stage.submit("true")
    supervisor = stage.supervise()
    stage.turn_until(supervisor, lambda: stage.status(job_id).is_terminal)
    with pytest.raises(apsw.ConstraintError, match="never changes"):
        stage.store.database.rows("UPDATE attempts SET exit_code=1 WHERE job_id=?", (job_id,))


def test_ids_are_never_used_again(stage: Stage) -> None:
    first = stage.submit("true", hold=True)
    with stage.store.write():
        stage.store.database.rows("DELETE FROM jobs WHERE id=?", (first,))
    assert stage.submit("true", hold=True) == first + 1


def test_a_rolled_back_submission_leaves_nothing(stage: Stage) -> None:
    with suppress(RuntimeError), stage.store.write():
        stage.submit("true", hold=True)
        raise RuntimeError
    assert stage.store.jobs.counts()["created"] == 0
    assert stage.store.events.last_id() == 0


def test_writers_wait_for_one_another(stage: Stage) -> None:
    """A caller's transaction waits while another process holds the lock."""
    hold = (
        "import sys, apsw; c = apsw.Connection(sys.argv[1]); c.execute('BEGIN IMMEDIATE'); print('held', flush=True);"
        " sys.stdin.readline(); c.execute('ROLLBACK')"
    )
    with subprocess.Popen(
        [sys.executable, "-c", hold, stage.home.store],
        stdin=subprocess.PIPE, stdout=subprocess.PIPE, env=cli_environment(),
    ) as process:  # fmt: skip
        assert process.stdout is not None
        assert process.stdin is not None
        assert process.stdout.readline() == b"held\n"
        waiting = subprocess.Popen(
            [sys.executable, "-m", "jobctl", "submit", "--hold", "--", "true"],
            stdout=subprocess.PIPE, env=cli_environment(stage.home.path),
        )  # fmt: skip
        wait_until(lambda: _opened(waiting.pid, stage.home.store), seconds=60)
        assert waiting.poll() is None
        process.stdin.write(b"\n")
        process.stdin.close()
        assert waiting.wait(timeout=60) == 0
        assert waiting.stdout is not None
        waiting.stdout.close()
    assert stage.store.jobs.counts()["created"] == 1


def _opened(pid: int, path: str) -> bool:
    try:
        return any(
            os.path.realpath(entry) == os.path.realpath(path) for entry in Path(f"/proc/{pid}/fd").iterdir()
        )
    except OSError:
        return False
