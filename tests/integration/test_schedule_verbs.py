"""``jobctl schedule …`` as it is typed, in this process: exit codes, keys, what is printed."""

from __future__ import annotations

import json
import os
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest

from jobctl.cli.app import main
from jobctl.cli.complete import complete_schedules
from jobctl.clock import SystemClock
from jobctl.model.homes import Home
from jobctl.store import Store
from jobctl.views.schedule_tables import schedule_columns
from jobctl.views.schedules import schedules_plain
from jobctl.views.text import width_of
from tests.support.tables import table_text

KEYS = [
    "name", "kind", "expression", "timezone", "type", "user", "created_at", "updated_at", "enabled", "missed",
    "missed_grace_seconds", "overlap", "next_at", "last_at", "last_job_id", "last_status", "runs", "skipped",
    "missed_count",
]  # fmt: skip
"""Those of CLI.md, in their order."""


@dataclass(frozen=True)
class Said:
    """How a call ended and what it printed."""

    code: int
    out: str
    err: str

    @property
    def document(self) -> Any:
        """Standard output as JSON."""
        return json.loads(self.out)


Jobctl = Callable[..., Said]


@pytest.fixture
def jobctl(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> Jobctl:
    """``jobctl schedule args…`` in an empty directory with a home of its own, in UTC."""
    home = tmp_path / "home"
    home.mkdir(mode=0o700)
    monkeypatch.setenv("JOBCTL_HOME", str(home))
    monkeypatch.setenv("TZ", "UTC")
    monkeypatch.delenv("JOBCTL_JOB_ID", raising=False)
    monkeypatch.chdir(tmp_path)

    def call(*args: str, group: str = "schedule") -> Said:
        capsys.readouterr()
        code = main([group, *args])
        printed = capsys.readouterr()
        return Said(code, printed.out, printed.err)

    return call


def test_add_prints_the_next_five_with_zone_and_offset(jobctl: Jobctl) -> None:
    said = jobctl("add", "nightly", "--daily", "04:30", "--tz", "Europe/Berlin", "--", "true")
    assert said.code == 0
    head, *lines = said.out.splitlines()
    assert head == "schedule nightly added"
    assert len(lines) == 5
    assert all(" 04:30:00 +0" in line and " Europe/Berlin  (in " in line for line in lines)
    assert said.err.startswith("no supervisor for ")


def test_the_keys_are_those_of_the_contract(jobctl: Jobctl) -> None:
    added = jobctl(
        "add", "r", "--cron", "0 9 * * mon-fri", "--type", "t", "--user", "u", "--json", "--", "true"
    )
    assert list(added.document)[: len(KEYS)] == KEYS
    (listed,) = jobctl("list", "--json").document["schedules"]
    assert list(listed) == KEYS
    assert listed == {key: added.document[key] for key in KEYS}
    expected = {
        "name": "r", "kind": "cron", "expression": "0 9 * * mon-fri", "timezone": "UTC", "type": "t", "user": "u",
        "enabled": True, "missed": "latest", "missed_grace_seconds": 3600.0, "overlap": "skip", "runs": 0,
        "last_job_id": None, "last_status": None, "last_at": None,
    }  # fmt: skip
    assert expected.items() <= listed.items()
    assert listed["next_at"].endswith("T09:00:00.000Z")
    shown = jobctl("show", "r", "--json").document
    assert shown["job"] == {"command": ["true"], "type": "t", "user": "u"}


@pytest.mark.parametrize(
    ("args", "code", "said"),
    [
        (("--cron", "0 0 31 2 *", "--", "true"), 2, "never fires"),
        (("--cron", "61 * * * *", "--", "true"), 2, "E_CRON"),
        (("--daily", "02:30", "--tz", "Europe/Berln", "--", "true"), 2, "did you mean Europe/Berlin?"),
        (("--daily", "25:00", "--", "true"), 2, "E_SCHEDULE"),
        (("--daily", "02:30", "--every", "5m", "--", "true"), 2, "exclude each other"),
        (("--", "true"), 2, "no rule"),
        (("--daily", "02:30"), 2, "nothing to run"),
        (("--daily", "02:30", "--queue", "gpu", "--", "true"), 3, "no such queue: 'gpu'"),
        (("--daily", "02:30", "--cwd", "/nowhere", "--", "true"), 2, "E_CWD"),
        (("--daily", "02:30", "--priority", "11", "--", "true"), 2, "priority must be 1..10"),
        (("--daily", "02:30", "--missed", "never", "--", "true"), 2, "bad missed policy"),
        (("--at", "2001-01-01 00:00", "--", "true"), 2, "in the past"),
        (("--daily", "02:30", "no-such-definition"), 3, "unknown definition"),
        (("--daily", "02:30", "--in", "5m", "--", "true"), 2, "no such option"),
        (("--daily", "02:30", "--hold", "--", "true"), 2, "no such option"),
    ],
)
def test_what_is_refused_stores_nothing(jobctl: Jobctl, args: tuple[str, ...], code: int, said: str) -> None:
    refused = jobctl("add", "s", *args)
    assert refused.code == code
    assert said in refused.err
    assert jobctl("list", "--json").document == {"schedules": []}


@pytest.mark.parametrize("option", ["every", "at", "daily", "weekly", "monthly"])
def test_an_option_that_is_given_twice_is_refused(jobctl: Jobctl, option: str) -> None:
    refused = jobctl("add", "s", f"--{option}", "2:30", f"--{option}", "3:30", "--", "true")
    assert refused.code == 2
    assert f"--{option} is given 2 times: '3:30'" in refused.err
    assert jobctl("list", "--json").document == {"schedules": []}


def test_a_jitter_beyond_the_next_slot_is_a_warning(jobctl: Jobctl) -> None:
    said = jobctl("add", "slip", "--every", "5m", "--jitter", "1d", "--", "true")
    assert (said.code, "warning: jitter 1d is longer than the 5m from one slot" in said.err) == (0, True)
    assert "warning" not in jobctl("add", "fine", "--every", "5m", "--jitter", "1m", "--", "true").err


def test_a_list_is_as_wide_as_its_terminal(jobctl: Jobctl) -> None:
    jobctl("add", "n" * 60, "--cron", "1,2,3,4,5,6,7 1-5 * * *", "--tz", "Europe/Berlin", "--", "true")
    jobctl("add", "short", "--manual", "--", "true")
    with Store.open(Home(os.environ["JOBCTL_HOME"]), SystemClock()) as store:
        found = store.schedules.list()
    for width in (40, 80, 100, 200):
        lines = table_text(schedule_columns(0), found, width)
        assert max(map(width_of, lines)) <= width
        assert len(lines) == 3
        assert ("…" in lines[1] + lines[2]) == (width < 200)
    assert table_text(schedule_columns(0), found, 40)[0].split()[:3] == ["name", "state", "when"]
    assert "n" * 60 in schedules_plain(found, 0)


def test_an_option_of_no_verb_may_be_a_parameter(jobctl: Jobctl) -> None:
    said = jobctl("system.prune", "--older-than", "7d", group="submit")
    assert (said.code, "older_than=VALUE" in said.err, "--after-any" in said.err) == (2, True, False)
    assert "did you mean --timeout?" in jobctl("--timout", "7d", "--", "true", group="submit").err


def test_a_file_is_validated_with_its_warnings(jobctl: Jobctl, tmp_path: Path) -> None:
    file = tmp_path / "other.yaml"
    file.write_text("schedules:\n  s: {cron: '* 9 * * *', command: x}\n")
    said = jobctl("validate", str(file), group="catalog")
    assert (said.code, f"warning: {file}:2:3: schedule s: fires 60 times" in said.err) == (0, True)
    assert len(jobctl("validate", str(file), "--json", group="catalog").document["warnings"]) == 1
    file.write_text("jobs:\n  s: {queue: gpu, command: x}\n  a:\n")
    assert f"{file}:3:3: a has no command" in jobctl("validate", str(file), group="catalog").err
    file.write_text("jobs:\n  s: {queue: gpu, command: x}\n")
    refused = jobctl("validate", str(file), group="catalog")
    assert (refused.code, f"{file}:2:14: jobs: s: no such queue" in refused.err) == (2, True)
    file.write_text("daemons: {d: {command: x}}")
    assert "1 daemons" in jobctl("validate", str(file), group="catalog").out


def test_jobs_that_are_gone_from_the_file_are_listed_with_all(jobctl: Jobctl) -> None:
    file = Path(os.environ["JOBCTL_HOME"], "jobctl.yaml")
    file.write_text("jobs: {old: {command: x, icon: '\U0001f469\u200d\U0001f680'}}")
    file.chmod(0o600)
    reload = jobctl("reload", group="--no-color")
    assert (reload.code, reload.out) == (0, "job old: added\n")
    assert "\U0001f469\u200d\U0001f680 old" in jobctl("show", "old", group="catalog").out
    file.write_text("")
    assert jobctl("reload", group="--no-color").code == 0
    assert "\nold " not in jobctl("list", group="catalog").out
    assert "\nold " in jobctl("list", "--all", group="catalog").out
    assert "\nold " in jobctl("--all", group="catalog").out


def test_warnings_are_remarks(jobctl: Jobctl) -> None:
    said = jobctl("add", "slip", "--cron", "* 9 * * *", "--json", "--", "true")
    assert said.code == 0
    assert "warning: fires 60 times 09:00-09:59" in said.err
    assert said.document["name"] == "slip"


def test_one_of_the_same_name_is_refused(jobctl: Jobctl) -> None:
    assert jobctl("add", "s", "--manual", "--", "true").code == 0
    again = jobctl("add", "s", "--manual", "--", "true")
    assert (again.code, "[E_EXISTS]" in again.err) == (4, True)


@pytest.mark.parametrize("verb", ["show", "remove", "enable", "disable", "run", "history", "why", "next"])
def test_an_unknown_schedule_exits_3_with_and_without_a_store(jobctl: Jobctl, verb: str) -> None:
    assert jobctl(verb, "nightli").code == 3
    jobctl("add", "nightly", "--manual", "--", "true")
    unknown = jobctl(verb, "nightli")
    assert unknown.code == 3
    assert "did you mean nightly?" in unknown.err


def test_edit_changes_what_is_given_and_nothing_else(jobctl: Jobctl) -> None:
    jobctl(
        "add", "s", "--daily", "02:30", "--missed", "all", "--timeout", "5m", "--jitter", "9m", "--", "true"
    )
    edited = jobctl("edit", "s", "--overlap", "queue", "--queue", "default", "--json")
    assert edited.code == 0
    document = edited.document
    assert (document["expression"], document["missed"], document["overlap"]) == ("02:30", "all", "queue")
    assert document["job"] == {"command": ["true"], "timeout": "5m", "queue": "default"}
    document = jobctl("edit", "s", "--every", "90s", "--json", "--", "false", "--x").document
    assert (document["kind"], document["expression"], document["missed"]) == ("every", "90s", "all")
    assert document["job"] == {"command": ["false", "--x"], "timeout": "5m", "queue": "default"}
    document = jobctl("edit", "s", "--unset", "timeout", "--unset", "jitter", "--json").document
    assert (document["jitter_seconds"], document["job"].get("timeout")) == (0.0, None)


@pytest.mark.parametrize(
    ("args", "code"),
    [
        ((), 2),
        (("--priority", "0"), 2),
        (("--queue", "gpu"), 3),
        (("--unset", "colour"), 2),
        (("--cron", "x"), 2),
    ],
)
def test_an_edit_that_is_refused_changes_nothing(jobctl: Jobctl, args: tuple[str, ...], code: int) -> None:
    jobctl("add", "s", "--daily", "02:30", "--", "true")
    before = jobctl("show", "s", "--json").document
    assert jobctl("edit", "s", *args).code == code
    assert jobctl("show", "s", "--json").document == before


def test_disable_until_and_enable(jobctl: Jobctl) -> None:
    jobctl("add", "s", "--daily", "02:30", "--", "true")
    off = jobctl("disable", "s", "--until", "2099-01-01T00:00:00Z", "--json").document
    assert (off["enabled"], off["next_at"], off["disabled_until"]) == (
        False,
        None,
        "2099-01-01T00:00:00.000Z",
    )
    assert jobctl("disable", "s", "--until", "2001-01-01").code == 2
    assert "it is disabled until" in jobctl("why", "s").out
    on = jobctl("enable", "s", "--json").document
    assert (on["enabled"], on["disabled_until"], on["next_at"] is not None) == (True, None, True)
    assert jobctl("enable", "s").code == 0


def test_one_added_disabled_does_not_fire(jobctl: Jobctl) -> None:
    added = jobctl("add", "s", "--daily", "02:30", "--disabled", "--json", "--", "true").document
    assert (added["enabled"], added["next_at"]) == (False, None)


def test_run_now_is_an_ordinary_job_and_moves_no_slot(jobctl: Jobctl) -> None:
    jobctl("add", "s", "--daily", "02:30", "--tag", "x", "--", "true")
    due = jobctl("show", "s", "--json").document["next_at"]
    job = jobctl("run", "s", "--json").document
    assert (job["name"], job["submitted_by"], job["status"], job["tags"]) == (
        "s",
        "schedule:s",
        "queued",
        ["x"],
    )
    shown = jobctl("show", "s", "--json").document
    assert (shown["next_at"], shown["runs"], shown["last_job_id"]) == (due, 1, job["id"])
    assert shown["last_status"] == "queued"
    (fire,) = jobctl("history", "s", "--json").document["fires"]
    assert (fire["due_at"], fire["trigger"], fire["job_id"], fire["status"]) == (
        None,
        "manual",
        job["id"],
        "queued",
    )
    refused = jobctl("run", "s")
    assert (refused.code, "--force" in refused.err) == (4, True)
    assert jobctl("run", "s", "--force", "-q").out == f"{job['id'] + 1}\n"


def test_run_now_queues_behind_one_or_replaces_it(jobctl: Jobctl) -> None:
    jobctl("add", "q", "--manual", "--overlap", "queue", "--", "true")
    first, second = jobctl("run", "q", "--json").document, jobctl("run", "q", "--json").document
    assert second["after"] == [{"id": first["id"], "condition": "any"}]
    assert jobctl("run", "q").code == 4
    jobctl("add", "r", "--manual", "--overlap", "replace", "--", "true")
    old, new = jobctl("run", "r", "--json").document, jobctl("run", "r", "--json").document
    assert jobctl(str(old["id"]), "--json", group="show").document["status"] == "cancelled"
    assert jobctl(str(new["id"]), "--json", group="show").document["status"] == "queued"


def test_remove_takes_the_history_and_leaves_the_jobs(jobctl: Jobctl) -> None:
    jobctl("add", "s", "--manual", "--", "true")
    job = jobctl("run", "s", "--json").document
    assert jobctl("rm", "s", "--json").document == {"name": "s", "removed": True}
    assert jobctl("show", "s").code == 3
    assert jobctl(str(job["id"]), "--json", group="show").code == 0


def test_list_filters_and_leaves_out_what_is_over(jobctl: Jobctl) -> None:
    jobctl("add", "a", "--manual", "--type", "report", "--", "true")
    jobctl("add", "b", "--manual", "--user", "eve", "--", "true")
    jobctl("disable", "b")
    assert [one["name"] for one in jobctl("list", "--json").document["schedules"]] == ["a", "b"]
    assert [one["name"] for one in jobctl("list", "--type", "report", "--json").document["schedules"]] == [
        "a"
    ]
    assert [one["name"] for one in jobctl("list", "--user", "eve", "--json").document["schedules"]] == ["b"]
    lines = jobctl("ls").out.splitlines()
    assert lines[0].split()[:3] == ["NAME", "STATE", "KIND"]
    assert [line.split()[:2] for line in lines[1:]] == [["a", "on"], ["b", "off"]]


def test_next_of_an_expression_needs_no_store(jobctl: Jobctl, tmp_path: Path) -> None:
    args = ("--cron", "30 2 * * *", "--tz", "America/New_York", "--from", "2027-03-13", "-n", "3", "--json")
    assert jobctl("next", *args).document == {
        "next": ["2027-03-13T07:30:00.000Z", "2027-03-14T07:00:00.000Z", "2027-03-15T06:30:00.000Z"],
        "local": ["2027-03-13T02:30:00-05:00", "2027-03-14T03:00:00-04:00", "2027-03-15T02:30:00-04:00"],
        "timezone": "America/New_York",
    }
    assert not (tmp_path / "home" / "jobctl.db").exists()
    assert jobctl("next", "--every", "90s", "-n", "2").out.count("\n") == 2
    for bad in (
        ("--cron", "0 0 30 2 *"),
        ("--cron", "nonsense"),
        (),
        ("--every", "0s"),
        ("--cron", "* * * * *", "-n", "0"),
    ):
        assert jobctl("next", *bad).code == 2


def test_next_of_a_schedule_is_what_show_says(jobctl: Jobctl) -> None:
    jobctl("add", "s", "--cron", "*/7 * * * *", "--jitter", "5m", "--", "true")
    found = jobctl("next", "s", "--json").document["next"]
    assert len(found) == 5
    assert found[0] == jobctl("show", "s", "--json").document["next_at"]
    assert jobctl("next", "s", "--cron", "* * * * *").code == 2


def test_why_goes_field_by_field(jobctl: Jobctl) -> None:
    jobctl("add", "s", "--cron", "30 2 * * mon", "--tz", "Europe/Berlin", "--", "true")
    said = jobctl("why", "s", "--at", "2099-01-06 02:30")
    assert said.code == 0
    assert "not due at Tue 2099-01-06 02:30:00 +0100 (Europe/Berlin)" in said.out
    assert "no  day of week Tue: 'mon'" in said.out
    document = jobctl("why", "s", "--at", "2001-01-01 02:30", "--json").document
    assert [reason["code"] for reason in document["reasons"]] == ["too_early"]
    assert document["at"] == "2001-01-01T01:30:00.000Z"
    assert "no supervisor runs" in jobctl("why", "s").out


class _Context:
    """A command line without ``--home``."""

    def __init__(self) -> None:
        self.params: dict[str, object] = {}

    def find_root(self) -> _Context:
        return self


def test_names_complete(jobctl: Jobctl) -> None:
    jobctl("add", "nightly", "--manual", "--", "true")
    jobctl("add", "other", "--manual", "--", "true")
    assert complete_schedules(_Context(), [], "n") == [("nightly", "")]


def test_hostile_texts_are_shown_escaped(jobctl: Jobctl) -> None:
    assert jobctl("add", "x\x1b[31m", "--manual", "--", "true").code == 2
    jobctl("add", "s", "--manual", "--", "echo", "\x1b[31m\u202e")
    assert "\x1b" not in jobctl("show", "s").out
    assert "\\x1b[31m\\u202e" in jobctl("show", "s").out


def test_status_tells_what_is_due_next(jobctl: Jobctl) -> None:
    jobctl("add", "s", "--daily", "02:30", "--", "true")
    (entry,) = jobctl("--json", group="status").document["next"]
    assert (entry["kind"], entry["name"]) == ("schedule", "s")
    assert "next        schedule s, in " in jobctl(group="status").out
