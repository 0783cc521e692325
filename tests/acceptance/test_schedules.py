"""Schedules through spawned processes: fired by ``jobctl up``, killed around their ticks."""

from __future__ import annotations

import signal
from pathlib import Path

import pytest

from jobctl.model.states import JobStatus
from tests.chaos.ticks import Chaos
from tests.support.calls import Calls
from tests.support.supervisors import Site


@pytest.fixture
def call(site: Site, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch) -> Calls:
    return Calls(site.home.path, capsys, monkeypatch)


def test_every_slot_fires_once_through_three_kills(tmp_path: Path) -> None:
    """A hundred of them: ``python -m tests.chaos.ticks --kills 100``."""
    outcome = Chaos(tmp_path, seed=4).run(kills=3)
    assert outcome.problems == []
    assert outcome.slots > 3


def test_a_supervisor_that_runs_fires_what_is_added_and_not_what_is_removed(site: Site, call: Calls) -> None:
    supervisor = site.up()
    added = call("schedule", "add", "tick", "--every", "1s", "--json", "--", "true")
    assert added.code == 0
    assert added.err == ""
    site.wait_for(lambda: site.store.schedules.get("tick").runs >= 2)  # type: ignore[union-attr]
    fires = call("schedule", "history", "tick", "--json").document["fires"]
    job = site.wait_status(fires[-1]["job_id"])
    assert (job.status, job.submitted_by) == (JobStatus.COMPLETED, "schedule:tick")
    assert call("schedule", "remove", "tick").code == 0
    assert site.store.schedules.list() == []
    assert (site.root / "up-0.out").exists()
    supervisor.send_signal(signal.SIGTERM)
    assert site.finish(supervisor) == 0
    assert "schedule.fired schedule tick" in (site.root / "up-0.out").read_text()


def test_until_idle_leaves_schedules_alone(site: Site, call: Calls) -> None:
    assert call("schedule", "add", "re", "--reboot", "--", "true").code == 0
    job = site.submit("true")
    assert site.finish(site.spawn("up", "--until-idle")) == 0
    assert site.status(job) is JobStatus.COMPLETED
    assert site.store.schedules.get("re").runs == 0  # type: ignore[union-attr]


def test_schedules_of_the_file_are_applied_fired_and_retired(site: Site, call: Calls) -> None:
    path = Path(site.home.path, "jobctl.yaml")
    path.write_text(
        "jobs:\n  greet:\n    command: echo hello ${{ params.who }}\n    parameters: {who: {required: true}}\n"
        "schedules:\n  greeting: {every: 1s, job: greet, with: {who: file}}\n"
    )
    path.chmod(0o600)
    supervisor = site.up()
    site.wait_for(lambda: (found := site.store.schedules.get("greeting")) is not None and found.runs >= 1)
    shown = call("schedule", "show", "greeting", "--json").document
    assert (shown["source"], shown["definition"], shown["parameters"]) == ("file", "greet", {"who": "file"})
    site.wait_status(shown["last_job_id"], JobStatus.COMPLETED)
    assert site.output(shown["last_job_id"]) == "hello file\n"
    for verb in (("edit", "greeting", "--daily", "02:30"), ("remove", "greeting")):
        assert call("schedule", *verb).code == 4
    path.write_text("jobs: {}\n")
    assert call("reload").code == 0
    site.wait_for(lambda: not site.store.schedules.get("greeting").enabled)  # type: ignore[union-attr]
    gone = call("schedule", "show", "greeting", "--json").document
    assert (gone["enabled"], gone["disabled_reason"], gone["runs"] >= 1) == (
        False,
        "gone from the file",
        True,
    )
    assert call("schedule", "list", "--json").document == {"schedules": []}
    site.kill(supervisor)
