"""Definitions in the store, and the jobs that are made of them."""

from __future__ import annotations

import os
import shlex
from pathlib import Path

import pytest

from jobctl.actions.admissions import store_jobs
from jobctl.actions.callers import CallerContext
from jobctl.actions.catalog import Card, catalog, details
from jobctl.actions.configurations import apply_configuration, request_reload
from jobctl.actions.definitions import (
    applied_definition,
    definition_request,
    definition_submission,
    named_definition,
)
from jobctl.actions.requests import JobRequest
from jobctl.actions.submissions import SubmissionBuilder
from jobctl.errors import BadInputError, NotFoundError
from jobctl.model.configurations import Configuration, parse_configuration
from jobctl.model.definitions import Source
from jobctl.model.states import JobId, JobStatus
from jobctl.settings import Settings
from tests.support.supervisors import Stage

FILE = """
jobs:
  report:
    command: printf %s ${{ params.text }} > out
    parameters: {text: {required: true}, days: 7}
    timeout: 5m
    env: {LEVEL: 3}
    resources: {gpu: 1}
    tags: [nightly]
  words: {command: [printf, "%s|", "${{ params.text }}", "${{ params.flag }}"], parameters: {text: a, flag: true}}
resources: {gpu: 2}
"""


def write(stage: Stage, text: str) -> Configuration:
    os.makedirs(stage.home.path, mode=0o700, exist_ok=True)
    path = Path(stage.home.path, "jobctl.yaml")
    path.write_text(text)
    path.chmod(0o600)
    return parse_configuration(text, "jobctl.yaml")


def told(stage: Stage, configuration: Configuration) -> list[str]:
    return [str(change) for change in apply_configuration(stage.store, configuration, stage.clock)]


def submit(stage: Stage, name: str, over: JobRequest | None = None, **given: object) -> JobId:
    """The id of a job of the definition, as a caller with a variable of his own submits it."""
    caller = CallerContext("/", {"MINE": "caller"}, 0o022, stage.clock.now_ms(), stage.home.path)
    builder = SubmissionBuilder(caller, Settings(), stage.store.queues.names)
    made = definition_submission(stage.store, name, given, builder, over or JobRequest())  # type: ignore[arg-type]
    return store_jobs(stage.store, [made], stage.clock)[0].id


def card(stage: Stage, configuration: Configuration | None, name: str) -> Card:
    return next(found for found in catalog(stage.store, configuration) if found.definition.name == name)


def test_applying_tells_what_is_new_changed_gone_and_back(stage: Stage) -> None:
    first = parse_configuration("jobs: {a: {command: x}, b: {command: y}}", "x")
    assert told(stage, first) == ["job a: added", "job b: added"]
    assert told(stage, first) == []
    changed = parse_configuration("jobs: {a: {command: z}}", "x")
    assert told(stage, changed) == ["job b: gone from the file; disabled", "job a: changed"]
    with pytest.raises(NotFoundError, match="gone from the file"):
        applied_definition(stage.store, "b")
    assert told(stage, first) == ["job a: changed", "job b: back"]
    found = stage.store.definitions.get("b")
    assert found is not None
    assert (found.revision, found.gone_at) == (2, None)
    kinds = [event.kind for event in stage.store.events.after(0) if event.entity == "definition"]
    assert kinds == [
        "definition.added", "definition.added", "definition.gone", "definition.changed", "definition.changed",
        "definition.changed",
    ]  # fmt: skip


def test_a_definition_that_is_gone_keeps_its_jobs(stage: Stage) -> None:
    told(stage, parse_configuration(FILE, "x"))
    job_id = submit(stage, "words")
    told(stage, Configuration())
    found = card(stage, Configuration(), "words")
    assert (found.state, found.is_gone, found.runs.last_id) == ("queued", True, job_id)
    assert [job.id for job in details(stage.store, None, "words", 5).recent] == [job_id]
    assert [job.id for job in stage.store.jobs.history("words", None)] == [job_id]


def test_a_file_that_names_what_is_not_there_changes_nothing(stage: Stage) -> None:
    for text, message in (
        ("queues: {new: {}}\njobs: {a: {command: x, queue: nope}}", "jobs: a: no such queue"),
        ("queues: {new: {}}\njobs: {a: {command: x, resources: {gpu: 1}}}", "jobs: a: no such resource"),
        ("queues: {new: {}}\nschedules: {s: {every: 1h, command: x, queue: nope}}", "no such queue"),
    ):
        with pytest.raises(BadInputError, match=message):
            apply_configuration(stage.store, parse_configuration(text, "x"), stage.clock)
    assert stage.store.definitions.list() == []
    assert not stage.store.queues.exists("new")


def test_a_reload_that_names_what_is_not_there_is_refused_by_the_supervisor(stage: Stage) -> None:
    supervisor = stage.supervise()
    write(stage, "queues: {new: {}}\njobs: {a: {command: x, queue: nope}}")
    request_reload(stage.store)
    supervisor.turn()
    kinds = [event.kind for event in stage.store.events.after(0)]
    assert "supervisor.reload_refused" in kinds
    assert not stage.store.queues.exists("new")


def test_a_supervisor_disables_the_jobs_that_an_empty_file_no_longer_names(stage: Stage) -> None:
    supervisor = stage.supervise()
    write(stage, "jobs: {a: {command: x}}")
    request_reload(stage.store)
    supervisor.turn()
    assert applied_definition(stage.store, "a").shell == "x"
    write(stage, "")
    request_reload(stage.store)
    supervisor.turn()
    with pytest.raises(NotFoundError):
        applied_definition(stage.store, "a")


def test_a_job_has_the_options_the_place_and_the_name_of_its_definition(stage: Stage) -> None:
    told(stage, write(stage, FILE))
    job = stage.job(submit(stage, "report", text="x"))
    assert (job.name, job.definition, job.tags) == ("report", "report", ("nightly",))
    assert (job.spec.cwd, job.spec.timeout_seconds, job.resources["gpu"].amount) == (
        stage.home.path,
        300.0,
        1,
    )
    assert dict(job.spec.env) == {"LEVEL": "3", "PWD": stage.home.path}
    assert job.spec.supervisor_env
    assert stage.store.jobs.environment_of(job.id) == {}


def test_options_of_the_caller_count_more(stage: Stage) -> None:
    told(stage, write(stage, FILE))
    over = JobRequest(timeout="9", env={"LEVEL": "4", "MORE": "1"}, tags=("mine",), name="other", cwd="/tmp")
    job = stage.job(submit(stage, "report", over, text="x"))
    assert (job.name, job.definition, job.tags, job.spec.cwd) == ("other", "report", ("mine",), "/tmp")
    assert job.spec.timeout_seconds == 9.0
    assert {name: job.spec.env[name] for name in ("LEVEL", "MORE")} == {"LEVEL": "4", "MORE": "1"}


HOSTILE = ("'; touch pwned; '", "$(touch pwned)", "`touch pwned`", "a\nb", "-n", "${HOME}", "\\", '"', "* ?")


@pytest.mark.parametrize("value", HOSTILE)
def test_a_parameter_is_data_to_shell_and_words(stage: Stage, value: str) -> None:
    supervisor = stage.supervise()
    text = """jobs:
  line: {command: "printf %s ${{ params.x }}; printf %s \\"<${{ params.x }}>\\"", parameters: {x: ""}}
  words: {command: [printf, "%s", "${{ params.x }}"], parameters: {x: ""}, env: {GIVEN: "${{ params.x }}"}}
"""
    told(stage, write(stage, text))
    line, words = submit(stage, "line", x=value), submit(stage, "words", x=value)
    stage.turn_until_status(supervisor, line, JobStatus.COMPLETED)
    stage.turn_until_status(supervisor, words, JobStatus.COMPLETED)
    assert stage.output(line) == f"{value}<{value}>"
    assert stage.output(words) == value
    assert stage.job(words).spec.env["GIVEN"] == value
    assert not Path(stage.home.path, "pwned").exists()


def test_a_job_of_a_definition_gets_the_environment_of_the_supervisor(
    stage: Stage, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("THEIRS", "supervisor")
    monkeypatch.setenv("A_TOKEN", "secret")
    monkeypatch.setenv("JOBCTL_STRAY", "1")
    supervisor = stage.supervise()
    told(stage, write(stage, "jobs: {a: {command: env, on_success: env}}"))
    job_id = submit(stage, "a")
    stage.turn_until_status(supervisor, job_id, JobStatus.COMPLETED)
    found = dict(line.partition("=")[::2] for line in stage.output(job_id).splitlines())
    assert (found["THEIRS"], found["A_TOKEN"], found["PWD"]) == ("supervisor", "secret", stage.home.path)
    assert "MINE" not in found
    assert "JOBCTL_STRAY" not in found
    hook = stage.store.jobs.hooks_of(job_id)[0].id
    stage.turn_until_status(supervisor, hook, JobStatus.COMPLETED)
    assert "THEIRS=supervisor" in stage.output(hook).splitlines()
    assert b"secret" not in Path(stage.home.store).read_bytes()


def test_a_clean_environment_has_nothing_of_the_supervisor(
    stage: Stage, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("THEIRS", "supervisor")
    supervisor = stage.supervise()
    told(stage, write(stage, "jobs: {a: {command: [/usr/bin/env], clean_env: true, env: {OWN: 1}}}"))
    job_id = submit(stage, "a")
    stage.turn_until_status(supervisor, job_id, JobStatus.COMPLETED)
    assert "THEIRS" not in stage.output(job_id)
    assert "OWN=1" in stage.output(job_id)


def test_a_card_tells_what_runs_what_failed_and_how_long_it_takes(stage: Stage) -> None:
    supervisor = stage.supervise()
    configuration = write(
        stage, "jobs: {a: {command: 'while [ -e gate ]; do sleep 0.01; done; test ! -e bad'}}"
    )
    assert not card(stage, configuration, "a").is_current
    told(stage, configuration)
    assert (card(stage, configuration, "a").state, card(stage, configuration, "a").is_current) == (
        "idle",
        True,
    )
    gate, bad = Path(stage.home.path, "gate"), Path(stage.home.path, "bad")
    gate.touch()
    job_id = submit(stage, "a")
    assert card(stage, configuration, "a").state == "queued"
    stage.start(supervisor, job_id)
    assert card(stage, configuration, "a").state == "running"
    stage.clock.advance(4)
    gate.unlink()
    stage.turn_until_status(supervisor, job_id, JobStatus.COMPLETED)
    found = card(stage, configuration, "a")
    assert (found.state, found.runs.last_id, found.runs.last_status) == ("idle", job_id, "completed")
    assert found.runs.usual_seconds is not None
    bad.touch()
    failed = submit(stage, "a")
    stage.turn_until_status(supervisor, failed, JobStatus.FAILED)
    assert card(stage, configuration, "a").state == "failed"


def test_a_card_knows_the_next_run_of_its_schedules(stage: Stage) -> None:
    text = """jobs: {a: {command: x, schedule: every 6h}}
schedules: {quick: {every: 1h, job: a}, other: {every: 1m, command: y}}
"""
    configuration = write(stage, text)
    assert told(stage, configuration) == [
        "job a: added", "schedule a: added", "schedule quick: added", "schedule other: added",
    ]  # fmt: skip
    found = card(stage, configuration, "a")
    assert {schedule.name for schedule in found.schedules} == {"a", "quick"}
    assert found.next_at is not None
    assert found.next_at - stage.clock.now_ms() == 3_600_000
    assert told(stage, configuration) == []
    gone = told(stage, Configuration())
    assert gone[0] == "job a: gone from the file; disabled"
    assert "schedule quick: gone from the file; disabled" in gone
    assert card(stage, Configuration(), "a").next_at is None


def test_a_schedule_of_the_file_makes_the_job_of_its_definition(stage: Stage) -> None:
    supervisor = stage.supervise()
    text = """jobs:
  a: {command: "printf %s ${{ params.x }}", parameters: {x: ""}, schedule: {every: 6h, with: {x: "it's"}}, timeout: 1h}
"""
    told(stage, write(stage, text))
    supervisor.turn()
    stage.clock.advance(6 * 3600)
    stage.turn_until(supervisor, lambda: stage.store.definitions.newest("a", 1), tick=1)
    (number,) = stage.store.definitions.newest("a", 2)
    job = stage.turn_until_status(supervisor, JobId(number), JobStatus.COMPLETED)
    assert (job.name, job.definition, job.submitted_by) == ("a", "a", "schedule:a")
    assert (job.spec.timeout_seconds, job.spec.cwd, job.spec.supervisor_env) == (
        3600.0,
        stage.home.path,
        True,
    )
    assert stage.output(job.id) == "it's"


def test_the_built_in_ones_are_there_without_a_file(stage: Stage) -> None:
    names = [found.definition.name for found in catalog(None, None)]
    assert names == ["system.optimize", "system.prune", "system.check", "system.backup", "demo.simulate"]
    assert named_definition(stage.home, None, "system.check").source is Source.BUILTIN
    request = definition_request(
        named_definition(stage.home, None, "system.prune"), {"older_than": "1d"}, stage.home
    )
    assert request.command is not None
    assert request.command[-5:] == ("--older-than", "1d", "--keep", "0", "-y")
    assert shlex.join(request.command).startswith(shlex.quote(request.command[0]))
    for name, given in (
        ("prune", {"older_than": "abc"}),
        ("prune", {"keep": 10**20}),
        ("backup", {"keep": 10**9}),
    ):
        with pytest.raises(BadInputError, match=f"bad {next(iter(given))}"):
            definition_request(named_definition(stage.home, None, f"system.{name}"), given, stage.home)
    with pytest.raises(BadInputError, match="bad to"):
        definition_request(named_definition(stage.home, None, "system.backup"), {"to": "--force"}, stage.home)


def test_an_override_that_is_gone_leaves_the_built_in_one(stage: Stage) -> None:
    told(stage, parse_configuration("jobs: {system.check: {priority: 9}}", "x"))
    assert applied_definition(stage.store, "system.check").options["priority"] == 9
    told(stage, Configuration())
    assert "priority" not in applied_definition(stage.store, "system.check").options
    assert card(stage, None, "system.check").is_current


def test_usual_times_are_those_of_the_definition_not_of_the_name(stage: Stage) -> None:
    supervisor = stage.supervise()
    told(stage, write(stage, "jobs: {a: {command: 'true'}}"))
    done = submit(stage, "a", JobRequest(name="odd"))
    stage.turn_until_status(supervisor, done, JobStatus.COMPLETED)
    gate = Path(stage.home.path, "gate")
    gate.touch()
    told(stage, write(stage, "jobs: {a: {command: 'while [ -e gate ]; do sleep 0.01; done'}}"))
    running = submit(stage, "a", JobRequest(name="other"))
    stage.start(supervisor, running)
    (job,) = stage.store.jobs.with_usual([stage.job(running)])
    assert job.usual_seconds is not None
    gate.unlink()
    stage.turn_until_status(supervisor, running, JobStatus.COMPLETED)


def test_the_queries_of_a_card_use_indexes(stage: Stage) -> None:
    database = stage.store.database
    for sql in (
        "SELECT state, count(*) FROM jobs INDEXED BY jobs_definition_open WHERE definition='a'"
        " AND finished_at IS NULL GROUP BY state",
        "SELECT id, state FROM jobs WHERE definition='a' ORDER BY id DESC LIMIT 1",
        "SELECT state FROM jobs WHERE definition='a' AND id<9 ORDER BY id DESC LIMIT 200",
    ):
        steps = [row[3] for row in database.rows(f"EXPLAIN QUERY PLAN {sql}")]
        assert all("USING" in step and "jobs_definition" in step for step in steps), steps
        assert not any("TEMP B-TREE" in step for step in steps), steps
