"""Backups: whole and checked or not there at all, made beside writers, refusing what they must not replace."""

from __future__ import annotations

import errno
import os
import shutil
import stat
import subprocess
import sys
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import apsw
import pytest

from jobctl.actions.backups import Backup, BackupRequest, back_up_store
from jobctl.actions.integrity import check_copy
from jobctl.errors import (
    BadInputError,
    JobctlError,
    NotFoundError,
    StateConflictError,
    StoreDamagedError,
    StoreFullError,
    UnusableError,
)
from jobctl.model.homes import Home
from jobctl.store import Store
from jobctl.store.backups import leftovers
from tests.support.cli import cli_environment
from tests.support.damage import fingerprint, overwrite, root_page
from tests.support.supervisors import Stage
from tests.support.waiting import wait_until


def silent(*_: object) -> None:
    """Nobody wants to know."""


@pytest.fixture(scope="module")
def filled(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A closed home whose store has some hundred pages; tests work on copies of it."""
    stage = Stage(tmp_path_factory.mktemp("filled"))
    for number in range(300):
        stage.submit("true", "x" * 2000 + str(number), hold=True)
    stage.close()
    return Path(stage.home.path)


@pytest.fixture
def full(filled: Path, tmp_path: Path) -> Iterator[Stage]:
    """A stage whose store has some hundred pages."""
    shutil.copytree(filled, tmp_path / filled.name)
    (tmp_path / filled.name).chmod(0o700)
    stage = Stage(tmp_path)
    yield stage
    stage.close()


@pytest.fixture
def place(tmp_path: Path) -> Path:
    """An empty directory for backups."""
    path = tmp_path / "backups"
    path.mkdir()
    return path


def back_up(
    stage: Stage, target: Path | str | None, *, force: bool = False, keep: int | None = None
) -> Backup:
    request = BackupRequest(None if target is None else str(target), force, keep)
    return back_up_store(stage.home, request, stage.clock, silent)


def test_a_backup_is_the_store(full: Stage, place: Path) -> None:
    told: list[tuple[int, int]] = []
    target = place / "copy.db"
    made = back_up_store(
        full.home, BackupRequest(str(target)), full.clock, lambda done, total: told.append((done, total))
    )
    assert (made.path, made.size_bytes, made.removed) == (str(target), target.stat().st_size, ())
    assert stat.S_IMODE(target.stat().st_mode) == 0o600
    assert os.listdir(place) == ["copy.db"]
    assert check_copy(str(target), quick=False, report=silent).is_sound
    assert told[-1][0] == told[-1][1] > 100
    assert [done for done, _ in told] == sorted({done for done, _ in told})


def test_a_backup_put_in_the_place_of_the_store_is_used_as_ever(full: Stage, place: Path) -> None:
    back_up(full, place / "copy.db")
    other = Home(str(place / "home"))
    os.mkdir(other.path, 0o700)
    shutil.copyfile(place / "copy.db", other.store)
    with Store.open(other, full.clock) as store:
        assert store.jobs.counts() == full.store.jobs.counts()
        assert store.database.value("PRAGMA journal_mode") == "wal"
        assert store.database.value("PRAGMA auto_vacuum") == 2


def test_a_backup_shows_one_moment_and_stops_no_writer(
    full: Stage, place: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A writer commits after every slice; the copy has none of it and is not begun anew."""
    monkeypatch.setattr("jobctl.store.backups.SLICE_PAGES", 16)
    before = full.store.jobs.counts()["created"]
    slices = 0

    def write(done: int, total: int) -> None:
        nonlocal slices
        slices += 1
        full.store.database.set_timeout(0)
        full.submit("true", "y" * 2000, hold=True)

    back_up_store(full.home, BackupRequest(str(place / "copy.db")), full.clock, write)
    assert slices == -(-value_in(place / "copy.db", "PRAGMA page_count") // 16) > 5
    assert value_in(place / "copy.db", "SELECT count(*) FROM jobs") == before
    assert full.store.jobs.counts()["created"] == before + slices


def value_in(path: Path, sql: str) -> int:
    flags = apsw.SQLITE_OPEN_READONLY | apsw.SQLITE_OPEN_URI
    copy: Any = apsw.Connection(f"file:{path}?immutable=1", flags=flags)
    try:
        return int(copy.execute(sql).fetchall()[0][0])
    finally:
        copy.close()


def test_a_migration_meanwhile_is_no_damage(full: Stage, place: Path) -> None:
    """The copy is that of the moment it began, and is told to be of that version."""
    before = full.store.database.value("PRAGMA user_version")

    def migrate(done: int, total: int) -> None:
        full.store.database.rows(f"PRAGMA user_version={before + 1}")

    made = back_up_store(full.home, BackupRequest(str(place / "copy.db")), full.clock, migrate)
    assert full.store.database.value("PRAGMA user_version") == before + 1
    assert value_in(place / "copy.db", "PRAGMA user_version") == made.schema_version == before


def test_an_existing_file_is_kept_without_force(full: Stage, place: Path) -> None:
    target = place / "copy.db"
    target.write_text("precious")
    with pytest.raises(StateConflictError, match="there is such a file"):
        back_up(full, target)
    assert target.read_text() == "precious"
    back_up(full, target, force=True)
    assert check_copy(str(target), quick=True, report=silent).is_sound
    assert os.listdir(place) == ["copy.db"]


def no_links(source: str, target: str) -> None:
    """As FAT answers."""
    raise PermissionError(errno.EPERM, os.strerror(errno.EPERM), source, None, target)


@pytest.mark.parametrize("links", [True, False])
def test_a_file_that_came_meanwhile_is_kept_without_force(
    full: Stage, place: Path, monkeypatch: pytest.MonkeyPatch, links: bool
) -> None:
    target = place / "copy.db"
    if not links:
        monkeypatch.setattr("os.link", no_links)

    def come(done: int, total: int) -> None:
        target.write_text("precious")

    with pytest.raises(StateConflictError, match="there is such a file") as error:
        back_up_store(full.home, BackupRequest(str(target)), full.clock, come)
    assert (error.value.code, target.read_text(), os.listdir(place)) == ("E_EXISTS", "precious", ["copy.db"])
    back_up_store(full.home, BackupRequest(str(target), force=True), full.clock, come)
    assert check_copy(str(target), quick=True, report=silent).is_sound
    target.unlink()
    back_up(full, target)
    assert (os.listdir(place), target.stat().st_nlink) == (["copy.db"], 1)
    assert check_copy(str(target), quick=True, report=silent).is_sound


@pytest.mark.parametrize("suffix", ["", "-wal", "-shm"])
def test_the_store_is_never_replaced(full: Stage, suffix: str) -> None:
    before = fingerprint(Path(full.home.path))
    with pytest.raises(JobctlError) as error:
        back_up(full, full.home.store + suffix, force=True)
    assert error.value.exit_code in (2, 4)
    assert fingerprint(Path(full.home.path)) == before


def below_no_directory(path: Path) -> Path:
    return path / "no" / "copy.db"


def below_a_file(path: Path) -> Path:
    path.touch()
    return path / "copy.db"


def fifo(path: Path) -> Path:
    os.mkfifo(path)
    return path


def symbolic_link(path: Path) -> Path:
    path.symlink_to("/etc/passwd")
    return path


def beside_a_wal(path: Path) -> Path:
    Path(f"{path}-wal").touch()
    return path


def beside_a_journal(path: Path) -> Path:
    Path(f"{path}-journal").touch()
    return path


def no_utf_8(path: Path) -> Path:
    return Path(f"{path}\udcff")


@pytest.mark.parametrize(
    ("make", "error"),
    [
        (below_no_directory, BadInputError), (below_a_file, BadInputError), (fifo, BadInputError),
        (symbolic_link, BadInputError), (beside_a_wal, StateConflictError), (beside_a_journal, StateConflictError),
        (no_utf_8, BadInputError),
    ],
)  # fmt: skip
def test_a_name_that_cannot_be_is_refused(
    full: Stage, place: Path, make: Callable[[Path], Path], error: type[JobctlError]
) -> None:
    target = make(place / "copy.db")
    before = sorted(place.rglob("*"))
    with pytest.raises(error):
        back_up(full, target, force=True)
    assert sorted(place.rglob("*")) == before


def test_without_a_store_there_is_nothing_to_copy(stage: Stage, place: Path) -> None:
    with pytest.raises(NotFoundError):
        back_up_store(Home(str(place)), BackupRequest(str(place / "copy.db")), stage.clock, silent)
    assert os.listdir(place) == []


def test_a_damaged_store_gives_no_backup(full: Stage, place: Path) -> None:
    copy = Home(str(place / "home"))
    os.mkdir(copy.path, 0o700)
    assert full.store.database.checkpoint()
    shutil.copyfile(full.home.store, copy.store)
    offset, size = root_page(Path(copy.store), "jobs_name")
    overwrite(Path(copy.store), offset, b"\xff" * size)
    with pytest.raises(StoreDamagedError):
        back_up_store(copy, BackupRequest(str(place / "copy.db")), full.clock, silent)
    assert os.listdir(place) == ["home"]


# --- in a directory ---


def test_the_newest_of_a_directory_stay(full: Stage, place: Path) -> None:
    (place / "jobctl-notes.db").touch()
    made: list[str] = []
    for _ in range(4):
        full.clock.advance(1)
        made.append(back_up(full, place, keep=2).path)
    assert made == sorted(made)
    left = {str(path) for path in place.iterdir()}
    assert left == {*made[-2:], str(place / "jobctl-notes.db")}


def test_what_was_just_made_stays_though_the_clock_went_back(full: Stage, place: Path) -> None:
    newer = place / "jobctl-29991231T235959.999Z.db"
    newer.touch()
    made = back_up(full, place, keep=1)
    assert made.removed == (str(newer),)
    assert os.listdir(place) == [os.path.basename(made.path)]


def test_two_of_one_instant_have_two_names(full: Stage, place: Path) -> None:
    assert back_up(full, place).path != back_up(full, place).path


def test_a_name_with_a_slash_is_a_directory_and_no_name_the_homes_own(full: Stage, place: Path) -> None:
    made = back_up(full, f"{place}/new/deep/")
    assert os.path.dirname(made.path) == f"{place}/new/deep"
    assert stat.S_IMODE(os.stat(f"{place}/new/deep").st_mode) == 0o700
    assert os.path.dirname(back_up(full, None).path) == full.home.backups
    with pytest.raises(BadInputError, match="needs a directory"):
        back_up(full, place / "file.db", keep=3)


# --- what goes wrong ---


_HELD = """
import sys
from jobctl.actions.backups import BackupRequest, back_up_store
from jobctl.clock import SystemClock
from jobctl.model.homes import Home
def hold(done, total):
    print("held", flush=True)
    sys.stdin.readline()
back_up_store(Home(sys.argv[1]), BackupRequest(sys.argv[2]), SystemClock(), hold)
"""


@pytest.fixture
def under_way(full: Stage, place: Path) -> Iterator[subprocess.Popen[bytes]]:
    """A backup to ``copy.db`` that waits in its first slice."""
    process = subprocess.Popen(
        [sys.executable, "-c", _HELD, full.home.path, str(place / "copy.db")],
        stdin=subprocess.PIPE, stdout=subprocess.PIPE, env=cli_environment(),
    )  # fmt: skip
    assert process.stdout is not None
    assert process.stdout.readline() == b"held\n"
    yield process
    process.kill()
    process.communicate()


def test_what_a_killed_backup_leaves_the_next_removes(
    full: Stage, place: Path, under_way: subprocess.Popen[bytes]
) -> None:
    target = str(place / "copy.db")
    assert leftovers(target) == []
    (partial,) = os.listdir(place)
    back_up(full, place / "copy.db")
    assert sorted(os.listdir(place)) == [partial, "copy.db"]  # the one under way is left alone
    under_way.kill()
    under_way.wait()
    wait_until(lambda: leftovers(target) == [str(place / partial)], seconds=60)
    back_up(full, place / "copy.db", force=True)
    assert os.listdir(place) == ["copy.db"]


def test_a_full_disk_leaves_nothing(full: Stage, tmp_path: Path) -> None:
    mount = tmp_path / "small"
    mount.mkdir()
    made = subprocess.run(["mount", "-t", "tmpfs", "-o", "size=200k", "jobctl", mount], capture_output=True)
    if made.returncode:
        pytest.skip("cannot mount a tmpfs here")
    try:
        with pytest.raises(StoreFullError, match="disk is full"):
            back_up(full, mount / "copy.db")
        assert os.listdir(mount) == []
    finally:
        subprocess.run(["umount", "-l", mount], check=True)


def test_a_directory_that_takes_no_files_is_told(full: Stage) -> None:
    with pytest.raises(UnusableError, match="cannot write the backup"):
        back_up(full, "/proc/jobctl-copy.db")
