"""README.md tells the truth: its commands, tables and links are checked against the program."""

from __future__ import annotations

import re
import tomllib
from dataclasses import fields
from pathlib import Path

import pytest

from jobctl import errors
from jobctl.actions.admissions import submit
from jobctl.actions.callers import caller_context
from jobctl.actions.requests import JobRequest
from jobctl.actions.submissions import SubmissionBuilder
from jobctl.cli.app import EXIT_READER_GONE
from jobctl.clock import SystemClock
from jobctl.model.configurations import parse_configuration
from jobctl.model.daemon_fields import DAEMON_FIELDS, KEYS, LIST_FIELDS
from jobctl.model.daemons import Daemon, DaemonDefinition, DaemonId, DaemonSource
from jobctl.model.fields import Table
from jobctl.model.homes import Home
from jobctl.model.workflow_fields import STEP, WORKFLOW
from jobctl.model.workflow_states import StepStatus
from jobctl.settings import Settings, settings_of
from jobctl.store import Store
from jobctl.supervisor.environments import own_variables
from jobctl.views.daemons import daemon_json
from jobctl.views.jobs import job_json
from tests.docs import readme


def _error_classes() -> dict[str, int]:
    """The exit codes of the documented errors, without those that only refine another."""
    found: list[type[errors.JobctlError]] = [errors.JobctlError, *errors.JobctlError.__subclasses__()]
    return {error.__name__: error.exit_code for error in found if error.__module__ == "jobctl.errors"}


def test_the_two_commands_are_single_lines() -> None:
    commands = readme.marked("command")
    assert set(commands) == {"try", "test"}
    for command in commands.values():
        assert "\n" not in command
        assert command.startswith("python3 -m venv .venv && .venv/bin/pip install ")
    assert commands["try"].endswith("/jobctl demo")
    assert ".[dev]" in commands["test"]
    assert commands["test"].endswith("/pytest")


def test_the_exit_code_table_equals_the_errors() -> None:
    rows = readme.table("exit", "meaning", "error class")
    documented = {row[2].strip("`"): int(row[0]) for row in rows if row[2].startswith("`")}
    assert documented == _error_classes()
    assert {int(row[0]) for row in rows} - set(documented.values()) == {0, EXIT_READER_GONE}


def test_the_settings_table_equals_the_settings() -> None:
    rows = {row[0].strip("`"): row[1].strip("`") for row in readme.table("variable", "default", "what")}
    assert set(rows) == {f"JOBCTL_{field.name.upper()}" for field in fields(Settings)}
    assert settings_of(rows) == Settings()


def test_the_variables_of_a_job_are_listed() -> None:
    listed = {row[0].strip("`") for row in readme.table("variable", "what")}
    given = {name.decode() for name in own_variables(Home("/home"), 1, 1)}
    assert listed == given | {"JOBCTL_RUN"}


def test_the_keys_of_a_job_are_listed(tmp_path: Path) -> None:
    tmp_path.chmod(0o700)
    home, clock = Home(str(tmp_path)), SystemClock()
    with Store.open(home, clock, create=True) as store:
        builder = SubmissionBuilder(caller_context(home.path, clock.now_ms()), Settings(), store.queues.names)
        number = submit(store, [builder.build(JobRequest(command=("true",)))], clock)[0]
        job = store.jobs.get(number)
        assert job is not None
        document = job_json(job, home, clock.now_ms())
    assert readme.marked("keys")["job"].split() == list(document)


@pytest.mark.parametrize(("header", "table"), [("key of a workflow", WORKFLOW), ("key of a step", STEP)])
def test_the_keys_of_workflow_files_are_listed(header: str, table: Table) -> None:
    rows = readme.table(header, "what", "given as")
    assert rows == [
        [
            f"`{name}`",
            field.help + (f"; else `{field.default}`" if field.default else ""),
            field.kind.words.replace("|", "or"),
        ]
        for name, field in table.fields.items()
    ]


def test_the_states_of_steps_are_listed() -> None:
    rows = readme.table("state of a step", "meaning")
    assert [row[0].strip("`") for row in rows] == [status.value for status in StepStatus]


def test_internal_links_resolve() -> None:
    text = readme.text()
    headings = {_anchor(line) for line in re.findall(r"^#+ (.+)$", text, re.MULTILINE)}
    for target in re.findall(r"\]\(([^)]+)\)", text):
        if target.startswith("#"):
            assert target[1:] in headings, target
        elif "://" not in target:
            assert (readme.ROOT / target).exists(), target


def test_every_module_and_path_it_names_exists() -> None:
    text = readme.text()
    for module in re.findall(r"python -m (tests\.[\w.]+)", text):
        path = readme.ROOT / module.replace(".", "/")
        assert path.with_suffix(".py").exists() or (path / "__main__.py").exists(), module
    for path_text in re.findall(r"`(tests/\w+|\.ci/run)", text):
        assert (readme.ROOT / path_text).exists(), path_text


def test_every_bench_is_listed() -> None:
    from tests.bench.__main__ import NAMES

    listed = re.findall(r"^\| `\.venv/bin/python -m tests\.bench\.(\w+)` \|", readme.text(), re.MULTILINE)
    assert sorted(listed) == sorted(NAMES)


def test_the_changelog_mentions_the_version() -> None:
    version = tomllib.loads((readme.ROOT / "pyproject.toml").read_text())["project"]["version"]
    changelog = (readme.ROOT / "CHANGELOG.md").read_text(encoding="utf-8")
    assert f"## [{version}]" in changelog


def test_nothing_of_one_machine_is_in_it() -> None:
    for path in (readme.README, readme.ROOT / "CHANGELOG.md"):
        assert not re.search(r"/root/|/work/|\.pyenv", path.read_text(encoding="utf-8"))


def _anchor(heading: str) -> str:
    """The anchor of a heading, as code hosts make it."""
    return re.sub(r"[^\w\- ]", "", heading.lower()).strip().replace(" ", "-")


def test_the_keys_of_a_daemon_are_listed() -> None:
    daemon = Daemon(DaemonId(1), DaemonDefinition("web"), DaemonSource.CLI, 0, 0, 1)
    assert readme.marked("keys")["daemon"].split() == list(daemon_json(daemon, 0))
    rows = {row[0].strip("`"): row[1].strip("`") for row in readme.table("key of a daemon", "default")}
    assert list(rows) == list(KEYS)
    for name, known in {**DAEMON_FIELDS, **LIST_FIELDS}.items():
        assert name == "cwd" or rows[name] == known.default


def test_the_configurations_in_it_are_valid() -> None:
    workflows = {text.strip() for text in readme.marked("workflow").values()}
    blocks = [block for block in readme.blocks("yaml") if block.text.strip() not in workflows]
    assert workflows
    assert blocks
    for block in blocks:
        parse_configuration(block.text, f"README.md:{block.line}")


def test_every_example_is_listed() -> None:
    listed = [row[0].strip("`") for row in readme.table("example", "what it does")]
    shipped = (readme.ROOT / "jobctl" / "examples").glob("[!_]*.py")
    assert sorted(listed) == sorted(f"jobctl.examples.{path.stem}" for path in shipped)
