"""Examining a store file: what SQLite says of it, and whether our own invariants hold. Nothing is written.

Nothing is migrated either: an older store is held to what its version promises. Beside a running supervisor every
check is one statement and so sees one moment; writers are not blocked.
"""

from __future__ import annotations

import os
from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, replace
from itertools import islice

import apsw

from jobctl.errors import StoreBusyError, StoreDamagedError, UnusableError
from jobctl.model.integrity import Check, Checkup, Level
from jobctl.store.backups import SIDE_FILES
from jobctl.store.database import Database, Row, check_file, check_identity
from jobctl.store.documents import DOCUMENTS, Documents
from jobctl.store.invariants import INVARIANTS, Invariant
from jobctl.store.migrations import MIGRATIONS, NEWEST

MOST_EXAMPLES = 5
MOST_COUNTED = 1000
"""What SQLite counts of its own findings before it stops."""
NAMES_AT_ONCE = 500

_RESTORE = "stop the supervisor, keep the file and its -wal, and put a backup made with 'jobctl db backup' in its place"
_NOT_LOOKED_AT = "the file is damaged"

Report = Callable[[int, int, str], None]
"""Told before each check: how many are done, how many there are, and its name."""


def examine(
    path: str,
    *,
    runs: str | None = None,
    quick: bool = False,
    report: Report = lambda done, total, name: None,
) -> Checkup | None:
    """What is to be said of the store at ``path``; None when there is none.

    Args:
        path: the store of a home, or a copy of one.
        runs: the directory of the attempts that belong to it; not looked at without.
        quick: neither indexes against tables nor events against attempts: about half the time.
        report: for progress.

    Raises:
        UnusableError: not a store of ours, of a newer jobctl, or not readable by us.
    """
    try:
        if not check_file(path):
            return None
        with _opened(path, is_copy=runs is None) as database:
            version = check_identity(database, NEWEST)
            if version == 0:
                return None
            return _Examination(database, version, runs, quick, report).checkup()
    except StoreDamagedError as error:
        return Checkup(path, None, (_unreadable(error),))


@contextmanager
def _opened(path: str, *, is_copy: bool) -> Iterator[Database]:
    """A connection that does not write.

    Not one that cannot: on those, SQLite leaves the CHECK constraints out of its own examination (3.54,
    ``sqlite3AddCheckConstraint``). Only a copy on a read-only medium is examined without.
    """
    is_still = is_copy and not any(os.path.exists(path + suffix) for suffix in SIDE_FILES)
    is_writable = os.access(path, os.W_OK) and os.access(os.path.dirname(path) or ".", os.W_OK)
    database = Database(path, immutable=is_still and not is_writable)
    try:
        if is_still and is_writable:
            database.configure()  # the last to close it takes the empty WAL away again
        for pragma in ("query_only=1", "temp_store=2", "trusted_schema=0", "cell_size_check=1"):
            database.rows(f"PRAGMA {pragma}")
        yield database
    finally:
        database.close()


def _unreadable(error: UnusableError) -> Check:
    what = (
        error.what
        if error.what != "the store is damaged or no database"
        else str(error.__cause__ or error.what)
    )
    return Check("file", "the file is a store", count=1, examples=(what,), remedy=_RESTORE)


@dataclass(frozen=True, slots=True)
class _Step:
    """One check and how it finds what breaks it."""

    check: Check
    find: Callable[[], Iterable[str]]


class _Examination:
    """All checks of one open store."""

    def __init__(
        self, database: Database, version: int, runs: str | None, quick: bool, report: Report
    ) -> None:
        self._database = database
        self._version = version
        self._runs = runs
        self._quick = quick
        self._report = report

    def checkup(self) -> Checkup:
        """Each check in turn; when the file itself is damaged, what cannot be read is skipped."""
        steps = list(self._steps())
        checks = [Check("file", "the file is a store")]
        for done, step in enumerate(steps, start=1):
            self._report(done, len(steps) + 1, step.check.name)
            damaged = any(check.count for check in checks[:3])
            checks.append(_carried_out(step, damaged=damaged))
        self._report(len(steps) + 1, len(steps) + 1, "done")
        return Checkup(self._database.path, self._version, tuple(checks))

    def _steps(self) -> Iterator[_Step]:
        pragma = "quick_check" if self._quick else "integrity_check"
        yield _Step(
            Check("pages", f"every page is sound ({pragma} of SQLite)", remedy=_RESTORE),
            lambda: self._pages(pragma),
        )
        yield _Step(
            Check(
                "schema",
                f"tables, indexes and triggers are those of version {self._version}",
                remedy=_RESTORE,
            ),
            self._schema,
        )
        yield _Step(
            Check("references", "every row refers to rows there are", remedy=_RESTORE), self._references
        )
        for invariant in INVARIANTS:
            if invariant.since <= self._version and not (invariant.slow and self._quick):
                yield self._step_of(invariant)
        for documents in DOCUMENTS:
            if documents.since <= self._version:
                yield self._step_reading(documents)
        if self._runs is not None:
            remedy = "harmless: the supervisor removes them; only their room is lost"
            yield _Step(
                Check("directories", "every directory below runs is a job's", Level.WASTE, remedy=remedy),
                self._directories,
            )

    def _step_of(self, invariant: Invariant) -> _Step:
        check = Check(invariant.name, invariant.says, invariant.level, remedy=invariant.remedy)
        return _Step(check, lambda: (str(row[0]) for row in self._rows(invariant.query)))

    def _step_reading(self, documents: Documents) -> _Step:
        check = Check(documents.name, documents.says, remedy=documents.remedy or _RESTORE)
        return _Step(check, lambda: documents.find(self._rows))

    def _rows(self, sql: str) -> Iterator[Row]:
        """Row by row: of a million broken ones only the first few are kept."""
        yield from self._database.peewee.connection().execute(sql)

    # --- the file ---

    def _pages(self, pragma: str) -> Iterator[str]:
        for (text,) in self._rows(f"PRAGMA {pragma}({MOST_COUNTED})"):
            if text != "ok":
                yield from (line for line in str(text).splitlines() if not line.startswith("***"))

    def _schema(self) -> Iterator[str]:
        wanted, found = _schema_of(self._version), _objects(self._rows)
        for key, sql in wanted.items():
            if key not in found:
                yield f"{' '.join(key)} is missing"
            elif found[key] != sql:
                yield f"{' '.join(key)} differs"
        if self._database.value("PRAGMA auto_vacuum") != 2:
            yield "auto_vacuum is not incremental"

    def _references(self) -> Iterator[str]:
        for table, rowid, parent, _ in self._rows("PRAGMA foreign_key_check"):
            yield f"{table} row {rowid if rowid is not None else '?'} refers to no row of {parent}"

    # --- beside the file ---

    def _directories(self) -> Iterator[str]:
        """A directory is made only after its job is in the store, and removed after it: looked at twice."""
        runs = self._runs or ""
        try:
            names = sorted(int(name) for name in os.listdir(runs) if name.isascii() and name.isdigit())
        except FileNotFoundError:
            return
        for start in range(0, len(names), NAMES_AT_ONCE):
            some = names[start : start + NAMES_AT_ONCE]
            known = {
                row[0]
                for row in self._database.rows(
                    f"SELECT id FROM jobs WHERE id IN ({','.join(str(name) for name in some)})"
                )
            }
            yield from (
                f"{runs}/{name}" for name in some if name not in known and os.path.lexists(f"{runs}/{name}")
            )


def _carried_out(step: _Step, *, damaged: bool) -> Check:
    """The check with what it found. What a damaged file does not let it read is no finding of its own."""
    examples: list[str] = []
    try:
        findings = iter(step.find())
        examples = list(islice(findings, MOST_EXAMPLES))
        return replace(step.check, count=len(examples) + sum(1 for _ in findings), examples=tuple(examples))
    except StoreBusyError:
        raise
    except (apsw.Error, UnusableError, UnicodeDecodeError) as error:
        if isinstance(error, apsw.BusyError | apsw.LockedError):
            raise StoreBusyError("the store is busy", hint="try again") from error
        if damaged:
            return replace(step.check, skipped=_NOT_LOOKED_AT)
        return replace(step.check, count=len(examples) + 1, examples=(*examples, f"cannot be read: {error}"),
                       level=Level.DAMAGE, remedy=_RESTORE)  # fmt: skip


Objects = dict[tuple[str, str], str]


def _objects(rows: Callable[[str], Iterable[Row]]) -> Objects:
    """Tables, indexes and triggers by kind and name; not SQLite's own."""
    return {
        (kind, name): sql
        for kind, name, sql in rows("SELECT type, name, sql FROM sqlite_schema")
        if not name.startswith("sqlite_")
    }


def _schema_of(version: int) -> Objects:
    """What the migrations up to ``version`` make of an empty database."""
    empty = apsw.Connection(":memory:")
    try:
        for migration in MIGRATIONS:
            if migration.number <= version:
                for statement in migration.statements:
                    empty.execute(statement).fetchall()
        return _objects(lambda sql: empty.execute(sql).fetchall())
    finally:
        empty.close()
