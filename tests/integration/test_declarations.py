"""``@job`` of allowed modules: definitions and schedules as if they stood in ``jobctl.yaml``, or clear problems."""

from __future__ import annotations

import os
import signal
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from jobctl.actions.configurations import apply_configuration, request_reload
from jobctl.actions.declarations import with_declarations
from jobctl.actions.inspections import examined
from jobctl.errors import BadFileError, BadInputError
from jobctl.executors.inspections import Inspection
from jobctl.model.configurations import Configuration, parse_configuration
from jobctl.model.definitions import Source
from jobctl.model.functions import Declaration, Function, Inspected, ModuleProblem
from jobctl.model.homes import Home
from jobctl.model.signatures import Argument, Signature
from jobctl.settings import Settings
from tests.support.calls import Calls
from tests.support.supervisors import Stage
from tests.support.waiting import wait_until

HOME = Home("/nowhere")
PATH = Argument("path", type="str", required=True)


@pytest.fixture
def stage(tmp_path: Path) -> Iterator[Stage]:
    stage = Stage(tmp_path)
    yield stage
    stage.close()


def declared(name: str, *arguments: Argument, function: str = "media:scan", **said: Any) -> Function:
    schedule = said.pop("schedule", None)
    return Function(Signature(function, arguments), declaration=Declaration(name, said, schedule))


def joined(text: str, *functions: Function, problems: tuple[ModuleProblem, ...] = ()) -> Configuration:
    whole = parse_configuration(text, "jobctl.yaml")
    settings = whole.over(Settings())
    return with_declarations(whole, Inspected(functions, problems), HOME, settings)


def refused(text: str, *functions: Function, problems: tuple[ModuleProblem, ...] = ()) -> list[str]:
    with pytest.raises(BadFileError) as caught:
        joined(text, *functions, problems=problems)
    assert caught.value.code == "E_CONFIG"
    return [f"{one['line']}:{one['column']} {one['message']}" for one in caught.value.problems]


MODULES = "settings: {modules: [media]}\n"


def test_a_declaration_is_a_definition_and_its_schedule_one_of_the_file(stage: Stage) -> None:
    scan = declared(
        "media.scan",
        PATH,
        attempts=3,
        timeout=90,
        icon="🎬",
        schedule={"every": "6h", "with": {"path": "/x"}},
    )
    found = joined(MODULES, scan)
    definition = found.definitions["media.scan"]
    assert (definition.source, definition.call, definition.icon) == (Source.MODULE, "media:scan", "🎬")
    assert definition.options == {"attempts": 3, "timeout": 90.0}
    told = [str(change) for change in apply_configuration(stage.store, found, stage.clock)]
    assert told == ["job media.scan: added", "schedule media.scan: added"]
    assert apply_configuration(stage.store, found, stage.clock) == []
    stored = stage.store.definitions.get("media.scan")
    assert stored is not None
    assert stored.definition == definition
    assert stage.store.signatures.names() == ["media:scan"]
    gone = apply_configuration(stage.store, parse_configuration("", "x"), stage.clock)
    assert [str(change) for change in gone] == [
        "job media.scan: gone from its module; disabled",
        "schedule media.scan: gone from the file; disabled",
    ]
    assert stage.store.signatures.names() == []
    back = [str(change) for change in apply_configuration(stage.store, found, stage.clock)]
    assert back == ["job media.scan: back", "schedule media.scan: is back; enabled"]


@pytest.mark.parametrize(
    ("function", "problem"),
    [
        (declared("media.scan", timeout="soon"), "bad timeout: 'soon'"),
        (declared("media.scan", queue=5), "queue must be the name of a queue: '5'"),
        (declared("media.scan", unique="${{ params.nope }}"), "unknown parameter: 'nope'"),
        (declared("media.scan", nice=5), "a function job takes no nice"),
        (declared("system.scan"), "names that start with system. are jobctl's own"),
        (declared("-x"), "name may not start with '-'"),
        (declared("media.scan", PATH, schedule="every 6h"), "the schedule gives no value for the parameter: 'path'"),
        (declared("media.scan", PATH, schedule={"every": "6h", "with": {"path": 5}}), "bad path: '5'"),
        (declared("media.scan", schedule="sometimes"), "bad cron expression: 'sometimes'"),
    ],
)  # fmt: skip
def test_a_wrong_declaration_is_told_with_its_function(function: Function, problem: str) -> None:
    (message,) = refused(MODULES, function)
    assert message.startswith("1:21 @job of media:scan: ")
    assert problem in message


def test_a_name_is_given_once_by_the_file_and_all_modules() -> None:
    own = MODULES + "jobs:\n  a: {command: x}\nschedules:\n  b: {every: 1h, command: x}\n"
    assert refused(own, declared("a")) == ["3:3 job given twice"]
    assert refused(own, declared("b", schedule="every 6h")) == ["5:3 schedule given twice"]
    twice = refused(MODULES, declared("a"), declared("a", function="media:other"))
    assert twice == ["1:21 @job of media:other: media:scan has the name a, too"]


def test_every_module_that_cannot_be_imported_is_told_and_only_that() -> None:
    problems = (ModuleProblem("media", "SyntaxError: x", line=3), ModuleProblem("other", "ImportError: y"))
    text = MODULES + "jobs: {a: {call: 'media:gone'}}"
    assert refused(text, problems=problems) == [
        "1:21 cannot import media: SyntaxError: x (line 3)",
        "1:21 cannot import other: ImportError: y",
    ]


@pytest.mark.parametrize(
    ("line", "problem"),
    [
        ("jobs: {a: {call: 'media:scam'}}", "2:18 jobs: a: no such function"),
        ("jobs: {a: {call: 'other:f'}}", "2:18 jobs: a: functions of this module may not be called"),
        ("jobs: {a: {call: 'media:scan', args: {path: 5}}}", "2:45 jobs: a: bad argument path of media:scan"),
        ("jobs: {a: {call: 'media:scan', args: {pth: x, path: x}}}", "2:44 jobs: a: unknown argument of media:scan"),
        ("jobs: {a: {call: 'media:scan'}}", "2:18 jobs: a: argument of media:scan missing"),
        ("schedules: {a: {every: 1h, call: 'media:scan'}}", "2:34 schedules: a: argument of media:scan missing"),
        ("schedules: {a: {every: 1h, job: media.scam}}", "2:33 no such job in this file"),
        ("schedules: {a: {every: 1h, job: media.scan, with: {path: 5}}}", "2:58 bad argument path of media:scan"),
    ],
)  # fmt: skip
def test_calls_of_the_file_fit_the_code(line: str, problem: str) -> None:
    assert refused(MODULES + line, declared("media.scan", PATH)) == [problem]


def test_what_a_template_gives_is_checked_when_it_is_known() -> None:
    text = MODULES + "jobs: {a: {call: 'media:scan', args: {path: '${{ params.p }}'}, parameters: {p: x}}}"
    assert joined(text, declared("media.scan", PATH)).definitions["a"].args == {"path": "${{ params.p }}"}


# --- with real modules ---


def project(stage: Stage, module: str, text: str = MODULES) -> Configuration:
    os.makedirs(stage.home.path, mode=0o700, exist_ok=True)
    root = Path(stage.home.path)
    (root / "media.py").write_text(module)
    (root / "jobctl.yaml").write_text(text)
    (root / "jobctl.yaml").chmod(0o600)
    return parse_configuration(text, "jobctl.yaml")


SCAN = "from jobctl import job\n@job('media.scan', schedule='every 6h')\ndef scan(depth: int = 1): pass\n"


def reloads(stage: Stage) -> list[tuple[str, Any]]:
    return [(event.kind, event.data) for event in stage.store.events.after(0) if "reload" in event.kind]


def test_the_supervisor_looks_at_modules_over_turns_and_keeps_what_was_when_they_break(stage: Stage) -> None:
    project(stage, SCAN)
    supervisor = stage.supervise()
    supervisor.turn()
    assert request_reload(stage.store)
    supervisor.turn()
    assert reloads(stage) == []  # the child has only just been started
    stage.turn_until(supervisor, lambda: reloads(stage))
    assert reloads(stage) == [
        ("supervisor.reloaded", {"changes": ["job media.scan: added", "schedule media.scan: added"]})
    ]
    project(stage, "import nowhere_at_all")
    request_reload(stage.store)
    stage.turn_until(supervisor, lambda: len(reloads(stage)) == 2)
    kind, data = reloads(stage)[-1]
    assert kind == "supervisor.reload_refused"
    assert "cannot import media: ModuleNotFoundError" in str(data["error"])
    stored = stage.store.definitions.get("media.scan")
    assert stored is not None
    assert stored.gone_at is None
    assert stage.store.signatures.names() == ["media:scan"]


def test_a_module_that_hangs_stops_no_turn_and_is_given_up(stage: Stage) -> None:
    project(stage, "open('begun', 'w').close()\nwhile True: pass")
    supervisor = stage.supervise()
    request_reload(stage.store)
    supervisor.turn()
    wait_until(Path(stage.home.path, "begun").exists)
    supervisor.turn()
    assert reloads(stage) == []
    stage.clock.advance(31)
    stage.turn_until(supervisor, lambda: reloads(stage))
    ((kind, data),) = reloads(stage)
    assert (kind, "longer than 30 s" in str(data["error"])) == ("supervisor.reload_refused", True)


def test_a_second_wish_looks_anew_and_an_abandoned_look_is_ended(
    stage: Stage, monkeypatch: pytest.MonkeyPatch
) -> None:
    begun: list[Inspection] = []

    class Noted(Inspection):
        def __init__(self, *args: Any) -> None:
            super().__init__(*args)
            begun.append(self)

    monkeypatch.setattr("jobctl.executors.inspections.Inspection", Noted)
    project(stage, "while True: pass")
    supervisor = stage.supervise()
    for _ in range(2):
        request_reload(stage.store)
        supervisor.turn()
    first, second = begun
    with pytest.raises(ProcessLookupError):
        os.kill(first.pid, 0)
    os.kill(second.pid, 0)
    stage.forget(supervisor)
    with pytest.raises(ProcessLookupError):
        os.kill(second.pid, signal.SIGCONT)


def test_validate_tells_what_of_the_file_does_not_fit_the_code(
    stage: Stage, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    project(stage, SCAN, MODULES + "jobs:\n  deep: {call: media:scan, args: {dept: 3}}\n")
    call = Calls(stage.home.path, capsys, monkeypatch)
    done = call("catalog", "validate")
    assert done.code == 2
    assert "3:41: jobs: deep: unknown argument of media:scan: 'dept'; did you mean depth?" in done.err
    project(stage, SCAN, MODULES + "jobs:\n  deep: {call: media:scan, args: {depth: 3}}\n")
    assert call("catalog", "validate").code == 0


def test_what_is_examined_runs_nothing_where_nothing_is_allowed(
    stage: Stage, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("jobctl.actions.inspections.inspect_now", lambda _: pytest.fail("looked"))
    found = examined(parse_configuration("jobs: {a: {command: x}}", "x"), stage.home, Settings())
    assert list(found.definitions) == ["a"]
    with pytest.raises(BadInputError, match="may not be called"):
        examined(parse_configuration("jobs: {a: {call: 'm:f'}}", "x"), stage.home, Settings())
