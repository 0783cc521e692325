"""Importing costs little: ``jobctl`` nothing, ``jobctl.api`` neither Rich nor Typer nor what few calls need."""

from __future__ import annotations

import subprocess
import sys

import pytest

import jobctl
from jobctl import api


def modules_after(statement: str) -> set[str]:
    """The modules that a fresh interpreter has after ``statement``."""
    code = f"import sys; before = set(sys.modules); {statement}; print(*sorted(set(sys.modules) - before))"
    ended = subprocess.run(
        [sys.executable, "-c", code], capture_output=True, text=True, check=True, timeout=60
    )
    return set(ended.stdout.split())


def test_the_package_itself_imports_nothing() -> None:
    assert modules_after("import jobctl") == {"jobctl"}


def test_the_api_imports_nothing_heavy() -> None:
    found = modules_after("from jobctl import api; api.Client, api.submit")
    heavy = {
        "rich",
        "typer",
        "croniter",
        "psutil",
        "yaml",
        "asyncio",
        "jobctl.supervisor",
        "jobctl.cli",
        "pytest",
    }
    assert not found & heavy
    assert "jobctl.api.client" in found


@pytest.mark.parametrize("name", api.__all__)
def test_every_public_name_is_there_and_documented(
    name: str, tmp_path_factory: pytest.TempPathFactory, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("JOBCTL_HOME", str(tmp_path_factory.mktemp("home", numbered=True)))
    found = getattr(api, name)
    assert (
        type(found) if name in ("queues", "batches", "schedules", "daemons", "workflows") else found
    ).__doc__


def test_every_public_method_is_documented() -> None:
    nouns = [
        api.Client,
        api.AsyncClient,
        api.Job,
        api.Batch,
        api.Schedule,
        api.Daemon,
        api.Workflow,
        api.TaskRun,
    ]
    nouns += [
        type(getattr(api.Client, noun).func(api.Client("/nowhere"))) for noun in ("queues", "schedules")
    ]
    for noun in nouns:
        for name in dir(noun):
            member = getattr(noun, name)
            if not name.startswith("_") and (callable(member) or isinstance(member, property)):
                assert member.__doc__, f"{noun.__name__}.{name}"


def test_the_package_offers_what_programs_need() -> None:
    assert jobctl.TaskPattern is api.TaskPattern
    assert jobctl.PatternAdvisor is api.PatternAdvisor
    assert jobctl.TaskOrchestrator is api.TaskOrchestrator
    assert jobctl.WorkflowBuilder is api.WorkflowBuilder
    assert {"api", "TaskOrchestrator"} <= set(dir(jobctl))
    with pytest.raises(AttributeError, match="no attribute 'nonsense'"):
        jobctl.__getattr__("nonsense")
    with pytest.raises(AttributeError, match="no attribute 'nonsense'"):
        api.__getattr__("nonsense")
