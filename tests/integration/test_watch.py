"""``watch`` without a terminal, and what its reader reads."""

from __future__ import annotations

import json
import os
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from jobctl.actions.dashboards import DashboardReader
from jobctl.errors import NotFoundError
from jobctl.model.dashboards import LogLine, Snapshot
from jobctl.model.states import JobId
from tests.support.cli import Completed, call_main, start_cli
from tests.support.histories import History

Call = Callable[..., Completed]


@pytest.fixture
def history(tmp_path: Path) -> Iterator[History]:
    """A home whose past the test writes."""
    found = History(tmp_path / "home")
    yield found
    found.close()


@pytest.fixture
def call(history: History) -> Call:
    """A call about that home, in this process."""
    return lambda *args: call_main(*args, "--home", history.home.path)


def reader_of(history: History) -> DashboardReader:
    """A reader of the home."""
    return DashboardReader(history.store, history.clock)


def test_in_a_pipe_it_prints_how_things_stand_and_ends(history: History, call: Call) -> None:
    history.run("import", 3)
    history.start(history.submit("tra\u202ein"))
    ended = call("watch")
    assert ended.code == 0
    assert "\x1b" not in ended.out
    assert "tra\\u202ein" in ended.out
    assert "✗ failed" in ended.out
    only = call("watch", "recent").out
    assert "import" in only
    assert "queues" not in only


@pytest.mark.parametrize(
    ("words", "code"),
    [
        (("jbos",), 2),
        (("workflow",), 2),
        (("jobs", "1"), 2),
        (("workflow", "1"), 3),
        (("workflow", "99"), 3),
        (("--interval", "soon"), 2),
    ],
)
def test_bad_words_are_refused(history: History, call: Call, words: tuple[str, ...], code: int) -> None:
    history.run("no workflow")
    ended = call("watch", *words)
    assert ended.code == code
    assert ended.err.count("\n") == 1


def test_without_a_store_it_says_so(tmp_path: Path) -> None:
    assert call_main("watch", "--home", str(tmp_path / "none")).code == 3
    assert not (tmp_path / "none").exists()


def test_json_gives_an_object_at_each_change_until_nobody_reads(history: History) -> None:
    process = start_cli("watch", "--json", "--interval", "0.05", home=history.home.path)
    assert process.stdout is not None
    assert process.stderr is not None
    first = json.loads(process.stdout.readline())
    assert first["counts"]["queued"] == 0
    assert first["supervisor"]["state"] == "down"
    history.submit("one")
    assert json.loads(process.stdout.readline())["counts"]["queued"] == 1
    process.stdout.close()
    assert process.wait(timeout=60) == 141
    assert process.stderr.read() == b""
    process.stderr.close()


def test_endings_of_all_states_are_merged_newest_first_and_bounded(history: History) -> None:
    ids = [history.run("job", number % 2) for number in range(6)]
    snapshot = reader_of(history).read(4)
    assert [job.id for job in snapshot.endings] == ids[:1:-1]
    assert snapshot.counts["failed"] == 3


def test_jobs_that_stand_for_many_come_first_and_only_as_many_as_can_be_shown(history: History) -> None:
    jobs = [history.submit("job") for _ in range(3)]
    for job_id in jobs:
        history.start(job_id)
    snapshot = reader_of(history).read(2)
    assert [job.id for job in snapshot.running] == jobs[:2]
    assert snapshot.counts["running"] == 3
    assert snapshot.depths[-1].running == 3


def test_it_is_read_anew_only_when_somebody_else_wrote(history: History) -> None:
    with history.store.__class__.open(history.home, history.clock) as store:
        reader = DashboardReader(store, history.clock)
        assert reader.changed()
        before = reader.read(5)
        assert not reader.changed()
        later = reader.refreshed(before)
        assert later.now >= before.now
        assert later.running is before.running
        history.submit("one")
        assert reader.changed()
        assert reader.read(5).counts["queued"] == 1


def test_the_processes_of_a_running_job_are_measured(history: History) -> None:
    job_id = history.submit("me")
    history.start(job_id)
    with history.store.write():
        history.store.database.rows("UPDATE attempts SET pid=? WHERE job_id=?", (os.getsid(0), job_id))
    usage = reader_of(history).read(5).usage
    assert usage[job_id].rss_bytes > 0
    assert usage[job_id].cpu_percent >= 0


def test_a_workflow_that_does_not_exist_is_told_at_once(history: History) -> None:
    with pytest.raises(NotFoundError):
        DashboardReader(history.store, history.clock, JobId(5))


def test_the_log_of_a_daemon_is_read_again_only_when_it_has_grown(
    history: History, monkeypatch: pytest.MonkeyPatch
) -> None:
    name = "web"
    assert call_main("daemon", "add", name, "--home", history.home.path, "--", "true").code == 0
    directory = Path(history.home.daemon(name)) / "log"
    directory.mkdir(parents=True)
    state = directory / "state"
    state.write_text("1")
    asked: list[str] = []

    def lines(home: object, daemon: str, count: int) -> list[object]:
        asked.append(daemon)
        return [LogLine("stdout", b"hello")]

    monkeypatch.setattr("jobctl.actions.dashboards.last_lines", lines)
    reader = reader_of(history)
    snapshot: Snapshot = reader.read(5)
    assert [line.text for line in snapshot.daemons[0].lines] == [b"hello"]
    reader.refreshed(snapshot)
    assert asked == [name]
    state.write_text("12")
    reader.refreshed(snapshot)
    assert asked == [name, name]
