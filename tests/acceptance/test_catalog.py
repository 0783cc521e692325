"""The catalog as a user has it. Calls that run nothing are made in this process: a spawned one costs 0.2 s."""

from __future__ import annotations

import json
import os
from pathlib import Path

import pytest

from jobctl.model.states import JobId, JobStatus
from tests.support.calls import Calls
from tests.support.cli import Completed, run_cli
from tests.support.supervisors import Site
from tests.support.terminals import on_terminal

FILE = """
jobs:
  report:
    help: Says how many days [/b]
    icon: "📊"
    category: reports
    command: printf '%s ' ${{ params.days }} ${{ params.name }}; printf %s "$MINE"
    parameters:
      days: {type: int, default: 7, min: 1, help: how far back}
      name: {required: true}
      mode: {choices: [full, fast], default: fast}
    timeout: 5m
"""


@pytest.fixture
def call(site: Site, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch) -> Calls:
    monkeypatch.setenv("MINE", "caller")
    return Calls(site.home.path, capsys, monkeypatch)


@pytest.fixture
def named(site: Site) -> Site:
    """A site whose file names a job."""
    write(site, FILE)
    return site


def write(site: Site, text: str) -> Path:
    path = Path(site.home.path, "jobctl.yaml")
    path.write_text(text)
    path.chmod(0o600)
    return path


def cli(site: Site, *args: str, **options: str) -> Completed:
    return run_cli(*args, home=site.home.path, env={"MINE": "caller"}, **options)  # type: ignore[arg-type]


@pytest.mark.parametrize(
    ("words", "code", "message"),
    [
        (("reprot", "name=x"), 3, "unknown definition: 'reprot'; did you mean report?"),
        (("report", "nmae=x"), 2, "unknown parameter: 'nmae'; did you mean name?"),
        (("report",), 2, "parameter missing: 'name'"),
        (("report", "name=x", "days=soon"), 2, "bad days: 'soon'; give a whole number"),
        (("report", "name=x", "days=0"), 2, "bad days: '0'"),
        (("report", "name=x", "mode=fats"), 2, "bad mode: 'fats'; did you mean fast?"),
        (("report", "name=x", "name=y"), 2, "parameter given twice"),
        (("report", "x"), 2, "a parameter needs a name and a value: 'x'"),
        (("report", "name=x", "--priority", "11"), 2, "priority must be 1..10"),
        (("report", "name=x", "--shell", "ls"), 2, "a word before the command"),
    ],
)
def test_a_wrong_submit_stores_nothing(
    named: Site, call: Calls, words: tuple[str, ...], code: int, message: str
) -> None:
    ended = call("submit", *words)
    assert (ended.code, ended.out) == (code, "")
    assert message in ended.err
    assert len(ended.err.splitlines()) == 1
    assert named.store.jobs.counts()["queued"] == 0


def test_run_refuses_with_125_and_submit_needs_no_reload(named: Site, call: Calls) -> None:
    assert call("run", "reprot").code == 125
    assert call("run", "report").code == 125
    done = cli(named, "run", "report", "name='; touch pwned; '", "days=3", "--json")
    assert done.code == 0
    assert done.document["stdout"].startswith("3 '; touch pwned; ' ")
    assert (done.document["definition"], done.document["timeout_seconds"]) == ("report", 300.0)
    assert not Path(named.home.path, "pwned").exists()
    over = call("submit", "report", "name=x", "--timeout", "9", "-t", "mine", "--json")
    assert (over.document["timeout_seconds"], over.document["tags"]) == (9.0, ["mine"])


def test_nothing_of_the_caller_is_stored_and_the_supervisor_gives_its_own(
    named: Site, call: Calls, monkeypatch: pytest.MonkeyPatch
) -> None:
    submitted = call("submit", "report", "name=x", "-q")
    job_id = JobId(int(submitted.out))
    assert named.store.jobs.environment_of(job_id) == {}
    monkeypatch.delenv("MINE")  # only the caller had it
    process = named.up("--until-idle")
    named.wait_status(job_id, JobStatus.COMPLETED)
    assert named.finish(process) == 0
    assert named.output(job_id) == "7 x "


def test_reload_tells_what_changed_and_a_broken_file_changes_nothing(named: Site, call: Calls) -> None:
    assert call("reload").out == "job report: added\n"
    assert call("reload").out == "nothing to change\n"
    write(named, "jobs: {report: {comand: x}, more: {command: y}}")
    broken = call("reload")
    assert broken.code == 2
    assert "did you mean command?" in broken.err
    found = named.store.definitions.get("report")
    assert found is not None
    assert (found.gone_at, found.revision) == (None, 1)
    assert named.store.definitions.get("more") is None
    write(named, "jobs: {more: {command: y}}")
    assert call("reload").out == "job report: gone from the file; disabled\njob more: added\n"
    assert call("submit", "report", "name=x").code == 3


def test_up_prints_what_the_file_changed(named: Site) -> None:
    process = named.spawn("up", "--until-idle", "--no-dashboard")
    assert named.finish(process) == 0
    assert "job report: added" in (named.root / "up-0.out").read_text()


def test_up_refuses_a_file_that_names_a_queue_that_is_not_there(site: Site) -> None:
    write(site, "jobs: {a: {command: x, queue: nope}}")
    ended = cli(site, "up", "--until-idle")
    assert ended.code == 2
    assert "jobs: a: no such queue: 'nope'; name it under queues: [E_CONFIG]" in ended.err
    assert site.store.lives.unended() == []


def test_the_catalog_in_a_pipe_and_as_json(named: Site, call: Calls) -> None:
    assert cli(named, "run", "report", "name=x").code == 0
    listed = call("catalog")
    assert listed.out.splitlines()[0].split() == [
        "NAME",
        "CATEGORY",
        "STATE",
        "LAST",
        "NEXT",
        "USUALLY",
        "WHAT",
    ]
    assert listed.out.splitlines()[1].startswith("report           reports   idle   completed")
    assert "jobctl reload" in listed.err
    call("reload")
    document = call("catalog", "list", "--json").document["definitions"]
    assert [one["name"] for one in document] == [
        "report", "system.optimize", "system.prune", "system.check", "system.backup", "demo.simulate",
    ]  # fmt: skip
    assert (document[0]["state"], document[0]["applied"], document[0]["last_status"]) == (
        "idle", True, "completed",
    )  # fmt: skip
    assert document[0]["usual_seconds"] > 0
    shown = call("catalog", "show", "report")
    assert "a whole number, at least 1  default 7" in shown.out
    assert call("catalog", "show", "report", "--json").document["recent"][0]["status"] == "completed"
    assert call("catalog", "show", "reprot").code == 3
    assert call("history", "report").code == 0


def test_cards_on_a_terminal(named: Site) -> None:
    text = on_terminal("catalog", home=named.home.path, width=90, color=False)
    assert "┌" not in text
    assert "NAME" in text
    text = on_terminal("catalog", home=named.home.path, width=90)
    assert "reports" in text
    assert "📊 report" in text
    assert "Says how many days [/b]" in text
    assert "╭" in text


def test_validate_and_schema(named: Site, call: Calls) -> None:
    assert call("catalog", "validate").out.endswith("jobctl.yaml: 1 jobs; no problems\n")
    other = named.root / "other.yaml"
    other.write_text("jobs:\n  a: {run: x, timeout: 5x}\n")
    other.chmod(0o666)
    ended = call("catalog", "validate", str(other), "--json")
    assert ended.code == 2
    assert [one["column"] for one in ended.document["error"]["problems"]] == [7, 24]
    assert call("catalog", "validate", str(named.root / "none.yaml")).code == 2
    assert call("catalog", "validate", str(named.root)).code == 2
    schema = json.loads(call("catalog", "schema").out)
    assert "schedule" in schema["properties"]["jobs"]["additionalProperties"]["properties"]
    os.unlink(Path(named.home.path, "jobctl.yaml"))
    assert call("catalog", "validate").code == 3


@pytest.mark.parametrize("name", ["check", "optimize", "prune", "backup"])
def test_a_built_in_job_reports_its_result(site: Site, name: str) -> None:
    done = cli(site, "run", f"system.{name}", "--json")
    assert done.code == 0, done.document["stderr"]
    assert isinstance(done.document["result"], dict)
    assert done.document["category"] == "system"
    if name in ("check", "backup"):
        assert done.document["progress"] == 100
    if name == "backup":
        copy = Path(done.document["result"]["path"])
        assert copy.is_file()
        assert Path(site.home.path) in copy.parents


def test_names_and_parameters_complete(named: Site, call: Calls, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("_JOBCTL_COMPLETE", "complete_fish")
    monkeypatch.setenv("_TYPER_COMPLETE_FISH_ACTION", "get-args")

    def offered(*words: str) -> set[str]:
        monkeypatch.setenv("_TYPER_COMPLETE_ARGS", f"jobctl {' '.join(words)}")
        return {row.split("\t")[0] for row in call.completed().out.splitlines()}

    assert offered("submit", "rep") == {"report"}
    assert offered("run", "system.") == {
        "system.optimize", "system.prune", "system.check", "system.backup",
    }  # fmt: skip
    assert offered("submit", "report", "name=x", "") == {"days=", "mode="}
    assert offered("submit", "report", "mode=") == {"mode=full", "mode=fast"}
    assert offered("catalog", "show", "rep") == {"report"}
