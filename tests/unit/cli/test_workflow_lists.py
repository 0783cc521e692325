"""``workflow list`` and ``last``: which runs are meant; and what is told when waiting for one is given up."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from jobctl.actions.waits import Wait
from tests.support.cli import call_main


@pytest.fixture(autouse=True)
def work(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A directory with a workflow beside a home."""
    tmp_path.chmod(0o700)
    monkeypatch.setenv("JOBCTL_HOME", str(tmp_path / "home"))
    monkeypatch.chdir(tmp_path)
    (tmp_path / "a.yaml").write_text("steps: [{id: a, run: 'true'}]")
    return tmp_path


def listed(*options: str) -> list[Any]:
    found = call_main("workflow", "list", *options, "--json").document["workflows"]
    return [one["id"] for one in found]


def test_runs_are_listed_by_their_states_and_names() -> None:
    for name in ("one", "two", "one"):
        call_main("workflow", "run", "a.yaml", "-n", name)
    call_main("workflow", "cancel", "1")
    assert listed() == [3, 2, 1]
    assert listed("--name", "one") == [3, 1]
    assert listed("--name", "one", "--limit", "1") == [3]
    assert listed("--status", "running") == [3, 2, 1], "a supervisor ends it"
    assert listed("--status", "failed", "--status", "completed") == []
    assert call_main("workflow", "list", "--status", "lost").code == 2


def test_last_is_the_newest_run_whatever_was_submitted_since() -> None:
    call_main("workflow", "run", "a.yaml")
    call_main("workflow", "run", "a.yaml")
    call_main("submit", "--hold", "--", "true")
    assert call_main("workflow", "show", "last", "--json").document["id"] == 2
    assert call_main("workflow", "graph", "last", "--json").code == 0
    for verb in (["explain", "last", "a"], ["cancel", "last"]):
        assert call_main("workflow", *verb).code == 0
    told = call_main("workflow", "show", "3")
    assert (told.code, "no such workflow run" in told.err) == (3, True)


def test_there_is_no_last_run_before_the_first() -> None:
    call_main("submit", "--hold", "--", "true")
    told = call_main("workflow", "show", "last")
    assert (told.code, told.err) == (
        3,
        "jobctl: error: no workflow was run yet: 'last'; run one: jobctl workflow run FILE [E_NOT_FOUND]\n",
    )


def test_whoever_stops_waiting_is_told_that_the_run_goes_on(monkeypatch: pytest.MonkeyPatch) -> None:
    def interrupt(wait: Wait) -> None:
        raise KeyboardInterrupt

    monkeypatch.setattr(Wait, "poll", interrupt)
    told = call_main("workflow", "run", "a.yaml", "--wait")
    assert told.code == 130
    assert "workflow 1 goes on; end it with: jobctl workflow cancel 1" in told.err
