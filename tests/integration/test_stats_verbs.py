"""``stats``, ``health``, ``doctor`` and ``metrics`` as they are typed, in this process."""

from __future__ import annotations

import json
import os
import resource
import sys
from collections.abc import Iterator
from io import StringIO
from pathlib import Path
from typing import Any

import pytest
from prometheus_client.parser import text_string_to_metric_families

from jobctl.actions import doctor, health
from jobctl.model.diagnoses import Finding, Grade
from jobctl.model.homes import Home
from tests.support.calls import Calls
from tests.support.histories import History

HOSTILE = "evil\x1b]52;c;AAAA\x07\x9b31m[/b]\u202e"
STATS = [
    "total", "submitted", "created", "queued", "running", "completed", "failed", "cancelled", "timeout",
    "submitted_per_second", "finished_per_second", "mean_seconds", "median_seconds", "p95_seconds", "error_rate",
    "trend", "depth", "by",
]  # fmt: skip
"""The keys of CLI.md, in their order."""


@pytest.fixture
def history(tmp_path: Path) -> Iterator[History]:
    made = History(tmp_path / "home")
    yield made
    made.close()


@pytest.fixture
def jobctl(history: History, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch) -> Calls:
    monkeypatch.setenv("COLUMNS", "80")
    return Calls(history.home.path, capsys, monkeypatch)


def document(text: str) -> Any:
    return json.loads(text)


def good_bye(history: History) -> None:
    """The supervisor of the history has ended as it should."""
    with history.store.write():
        history.store.lives.end(history.life, "done", history.clock.now_ms())


# --- stats ---


def test_stats_have_the_keys_of_the_contract(history: History, jobctl: Calls) -> None:
    for code in (0, 0, 0, 3):
        history.run("train", code, type="export")
    history.submit("later", hold=True)
    found = document(jobctl("stats", "--json").out)
    assert list(found)[: len(STATS)] == STATS
    assert (found["total"], found["submitted"], found["completed"], found["failed"], found["created"]) == (
        5,
        5,
        3,
        1,
        1,
    )
    assert found["error_rate"] == 0.25
    assert found["mean_seconds"] >= 0
    assert found["trend"] is None
    assert found["by"] == []
    assert found["depth"][-1]["queued"] == 0


@pytest.mark.parametrize(("by", "key"), [("type", "export"), ("queue", "default"), ("name", "train")])
def test_stats_tell_types_queues_and_names_apart(history: History, jobctl: Calls, by: str, key: str) -> None:
    history.run("train", type="export")
    [one] = document(jobctl("stats", "--by", by, "--since", "all", "--json").out)["by"]
    assert (one[by], one["completed"], one["other"]) == (key, 1, False)
    assert key in jobctl("stats", "--by", by).out


def test_recurring_errors_are_shown_with_their_counts(history: History, jobctl: Calls) -> None:
    for number in range(3):
        history.run("load", 3, f"bad row {number}\n".encode())
    [found] = document(jobctl("stats", "--errors", "--json").out)["errors"]
    assert (found["message"], found["name"], found["count"], found["job_id"]) == (
        "exit code 3: bad row <n>", "load", 3, 3,
    )  # fmt: skip
    assert "exit code 3: bad row <n>" in jobctl("stats", "--errors").out


def test_a_home_without_a_store_has_empty_figures_and_gets_none(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    jobctl = Calls(str(tmp_path / "nothing"), capsys, monkeypatch)
    found = document(jobctl("stats", "--json").out)
    assert (found["total"], found["error_rate"], found["submitted_per_second"]) == (0, None, None)
    assert jobctl("stats", "--plot").code == 0
    assert jobctl("health").code == 0
    assert jobctl("doctor").code == 0
    assert jobctl("metrics").code == 3
    assert not (tmp_path / "nothing").exists()


@pytest.mark.parametrize(
    "words", [("--by", "colour"), ("--since", "soon"), ("--since", "2999-01-01"), ("--plot", "--json")]
)
def test_what_makes_no_sense_is_refused(jobctl: Calls, words: tuple[str, ...]) -> None:
    assert jobctl("stats", *words).code == 2


@pytest.mark.parametrize("columns", ["20", "80", "200"])
def test_plots_are_as_wide_as_asked_and_plain_in_a_pipe(
    history: History, jobctl: Calls, monkeypatch: pytest.MonkeyPatch, columns: str
) -> None:
    monkeypatch.setenv("COLUMNS", columns)
    for _ in range(3):
        history.run("train")
    out = jobctl("stats", "--plot").out
    plots = out[out.index("(queued)") - 1 :]
    assert "(running)" in plots
    assert "durations of what completed" in plots
    assert "\x1b" not in out
    assert max(map(len, plots.splitlines())) <= max(45, int(columns))


def test_hostile_text_is_shown_escaped(history: History, jobctl: Calls) -> None:
    history.run(HOSTILE, 3, HOSTILE.encode() + b"\xff\n", type=HOSTILE)
    for words in (
        ("stats", "--by", "name", "--errors"),
        ("stats", "--by", "type"),
        ("metrics",),
        ("health",),
    ):
        out = jobctl(*words).out
        assert not {"\x1b", "\x07", "\x9b", "\u202e"} & set(out), words
    assert "\\x1b]52" in jobctl("stats", "--by", "name").out


def test_the_table_of_a_terminal_fits_it(history: History) -> None:
    from rich.console import Console

    from jobctl.actions.statistics import StatsRequest, count_up, stats_of
    from jobctl.model.statistics import Dimension
    from jobctl.views.statistics_tables import stats_view

    for code in (0, 3):
        history.run(HOSTILE + "x" * 90, code, b"a message that is " + b"long " * 40 + b"\n")
    now = history.clock.now_ms()
    count_up(history.store, now)
    found = stats_of(history.store, StatsRequest(now - 1000, Dimension.NAME, errors=True), now)
    for width in (40, 80, 200):
        console = Console(width=width, record=True, file=StringIO())
        console.print(stats_view(found, now, width))
        lines = console.export_text().splitlines()
        assert max(map(len, lines)) <= width
        assert any("50.0%" in line for line in lines)
        assert not {"\x1b", "\u202e"} & set("".join(lines))


# --- health ---


def checks(found: dict[str, Any]) -> dict[str, bool]:
    return {check["name"]: check["ok"] for check in found["checks"]}


def test_a_home_where_nothing_waits_is_healthy(history: History, jobctl: Calls) -> None:
    history.run()
    good_bye(history)
    done = jobctl("health", "--json")
    found = document(done.out)
    assert (done.code, found["healthy"]) == (0, True)
    assert list(found) == ["healthy", "checks"]
    assert set(checks(found)) == {
        "store", "supervisor", "heartbeat", "queue_age", "error_rate", "daemons", "schedules", "disk", "wal",
    }  # fmt: skip
    assert jobctl("health").out.endswith("healthy\n")


def failing(jobctl: Calls) -> set[str]:
    done = jobctl("health", "--json")
    bad = {name for name, ok in checks(document(done.out)).items() if not ok}
    assert done.code == (1 if bad else 0)
    return bad


def test_a_dead_supervisor_and_one_that_is_needed_are_unhealthy(history: History, jobctl: Calls) -> None:
    assert failing(jobctl) == {"supervisor"}  # its life has not ended, but nobody holds its lock
    good_bye(history)
    assert failing(jobctl) == set()
    history.submit()
    assert failing(jobctl) == {"supervisor"}


def test_a_job_that_waits_too_long_is_unhealthy(
    history: History, jobctl: Calls, monkeypatch: pytest.MonkeyPatch
) -> None:
    history.submit()
    history.store.database.rows("UPDATE jobs SET queued_at=queued_at-600000")
    assert "queue_age" not in failing(jobctl)
    monkeypatch.setenv("JOBCTL_HEALTH_QUEUE_AGE", "5m")
    assert "queue_age" in failing(jobctl)
    history.store.database.rows("UPDATE queues SET paused_at=1")
    assert "queue_age" not in failing(jobctl)


def test_too_many_failures_of_the_last_hour_are_unhealthy(
    history: History, jobctl: Calls, monkeypatch: pytest.MonkeyPatch
) -> None:
    for _ in range(9):
        history.run(code=1)
    assert "error_rate" not in failing(jobctl)  # of too few, nothing follows
    history.run(code=1)
    assert "error_rate" in failing(jobctl)
    monkeypatch.setenv("JOBCTL_HEALTH_ERROR_PERCENT", "100")
    assert "error_rate" not in failing(jobctl)


def test_a_full_disk_and_a_hanging_supervisor_are_unhealthy(
    history: History, jobctl: Calls, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("JOBCTL_HEALTH_DISK_FREE", "1000000G")
    assert "disk" in failing(jobctl)
    life = Path(history.home.life(history.life))
    life.mkdir(parents=True)
    (life / "lock").touch()
    monkeypatch.setattr(health, "running_supervisor", lambda store: store.lives.get(history.life))
    assert "heartbeat" not in failing(jobctl)
    os.utime(life / "lock", (1, 1))
    assert "heartbeat" in failing(jobctl)


def test_a_damaged_store_is_unhealthy(history: History, jobctl: Calls) -> None:
    good_bye(history)
    history.store.close()
    Path(history.home.store).write_bytes(b"no database " * 1000)
    assert failing(jobctl) == {"store"}
    assert checks(document(jobctl("doctor", "--json").out))["store"] is False


# --- doctor ---


def findings(home: str) -> dict[str, Finding]:
    from jobctl.clock import SystemClock

    return {finding.name: finding for finding in doctor.examine(lambda: Home(home), SystemClock())}


def test_the_doctor_finds_nothing_broken_here_and_says_what_it_saw(history: History, jobctl: Calls) -> None:
    before = sorted(os.listdir(history.home.path))
    done = jobctl("doctor", "--json")
    found = document(done.out)
    assert sorted(os.listdir(history.home.path)) == before
    assert (done.code, found["ok"]) == (0, True)
    assert {
        "jobctl",
        "sqlite",
        "home",
        "store",
        "filesystem",
        "space",
        "nofile",
        "nproc",
        "shim",
        "clock",
    } <= set(checks(found))
    assert "ran a job" in next(one["message"] for one in found["checks"] if one["name"] == "shim")


def test_the_doctor_names_a_remedy_for_what_is_wrong(
    history: History, jobctl: Calls, monkeypatch: pytest.MonkeyPatch
) -> None:
    os.chmod(history.home.path, 0o755)
    monkeypatch.setattr(doctor, "sqlite_build", lambda: ("3.40.1", "the system"))
    monkeypatch.setattr(doctor, "_mounts", lambda: [("/", "nfs4")])
    monkeypatch.setattr(resource, "getrlimit", lambda which: (64, 64))
    monkeypatch.setattr(doctor, "tag_supported", lambda: False)
    found = findings(history.home.path)
    grades = {name: finding.grade for name, finding in found.items()}
    assert grades["sqlite"] is grades["filesystem"] is grades["nofile"] is Grade.BROKEN
    assert grades["home"] is grades["processes"] is Grade.WARNING
    assert all(finding.remedy for finding in found.values() if finding.grade is not Grade.OK)
    done = jobctl("doctor")
    assert done.code == 1
    assert "broken: sqlite, filesystem, nofile" in done.out
    assert "-> pip install -U 'apsw>=3.51.3'" in done.out


def test_the_doctor_examines_the_machine_where_the_home_is_refused(tmp_path: Path, jobctl: Calls) -> None:
    (tmp_path / "file").touch()
    done = jobctl("doctor", "--home", str(tmp_path / "file"), "--json")
    assert done.code == 1
    found = checks(document(done.out))
    assert (found["home"], found["shim"]) == (False, True)


def test_a_shell_that_does_not_work_is_found(history: History, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(doctor, "_SAID", b"something else\n")
    assert findings(history.home.path)["shim"].grade is Grade.BROKEN


# --- metrics ---


def test_metrics_parse_and_count(history: History, jobctl: Calls) -> None:
    for code in (0, 0, 3):
        history.run("train", code, type="export")
    out = jobctl("metrics").out
    samples = {
        (sample.name, *sorted(sample.labels.values())): sample.value
        for family in text_string_to_metric_families(out)
        for sample in family.samples
    }
    assert samples["jobctl_jobs", "completed"] == 2
    assert samples["jobctl_jobs_ended_total", "default", "failed"] == 1
    assert samples["jobctl_job_duration_seconds_count", "export"] == 2
    assert samples["jobctl_job_duration_seconds_bucket", "+Inf", "export"] == 2
    assert samples["jobctl_supervisor_up",] == 0
    found = document(jobctl("metrics", "--json").out)
    assert {family["name"] for family in found["metrics"]} >= {
        "jobctl_jobs",
        "jobctl_daemon_up",
        "jobctl_store_bytes",
    }


def test_a_textfile_is_written_whole_or_not_at_all(history: History, jobctl: Calls, tmp_path: Path) -> None:
    history.run()
    target = tmp_path / "jobctl.prom"
    done = jobctl("metrics", "--textfile", str(target))
    assert (done.code, done.out) == (0, "")
    assert target.read_text().endswith("\n")
    assert "jobctl_jobs_submitted_total" in target.read_text()
    assert [path.name for path in tmp_path.glob("*.prom*")] == ["jobctl.prom"]
    assert jobctl("metrics", "--textfile", str(tmp_path / "none" / "x.prom")).code == 5


def test_without_the_extra_metrics_say_how_to_install_it(
    history: History, jobctl: Calls, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setitem(sys.modules, "prometheus_client", None)
    monkeypatch.delitem(sys.modules, "jobctl.views.metrics", raising=False)
    done = jobctl("metrics")
    assert done.code == 5
    assert "pip install 'jobctl[metrics]'" in done.err
    assert done.err.count("\n") == 1
