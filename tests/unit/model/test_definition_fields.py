from __future__ import annotations

from dataclasses import fields
from typing import Any

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from jobctl.actions.requests import FIELDS, JobRequest, request_of
from jobctl.errors import BadFileError
from jobctl.model.builtin_definitions import BUILTIN
from jobctl.model.calls import UNFIT_OPTIONS
from jobctl.model.configurations import Configuration, configuration_schema, parse_configuration
from jobctl.model.definition_fields import JOB, SCHEDULE
from jobctl.model.definitions import Definition, Source, definition_of
from jobctl.model.nested_fields import plain
from jobctl.model.parameter_fields import PARAMETER
from jobctl.model.parameters import Parameter, ParameterType
from jobctl.model.readings import Reading
from jobctl.model.schedule_fields import TIMES
from jobctl.model.yaml_nodes import read_yaml
from tests.support.schemas import mismatches

EVERYTHING = """
queues: {gpu: {}}
resources: {gpu: 2}
jobs:
  report:
    help: The nightly report
    icon: "📊"
    command: ./report.py --days ${{ params.days }} ${{ params.name }}
    parameters:
      days: {type: int, default: 7, min: 1, max: 90, help: how far back}
      name: {type: string, required: true, pattern: "[a-z]+"}
      mode: {choices: [full, fast], default: fast}
      plain: 5
      loud: false
    schedule: {daily: 03:00, tz: Europe/Berlin, with: {name: x}}
    queue: gpu
    priority: 2
    tags: [nightly, "${{ params.mode }}"]
    timeout: 5m
    grace: 3
    attempts: 4
    retry_delay: 1.5
    backoff: 1.5
    max_delay: 2h
    retry_on: [1, 75]
    env: {LEVEL: 3, MODE: "${{ params.mode }}", ON: true}
    env_file: .env
    secret_env: [API_TOKEN]
    clean_env: false
    cwd: work/${{ params.mode }}
    stdin: in.txt
    split_output: true
    name: report-${{ params.mode }}
    type: report
    category: reports
    user: ana
    meta: {a: [1, null, true, 1.5]}
    hold: true
    after: [1, "name:x"]
    after_any: 3
    after_failed: name:y
    unique: r-${{ params.mode }}
    on_duplicate: reject
    lock: db
    resources: {gpu: 1}
    max_memory: 1G
    max_log: 10M
    nice: 5
    progress_from: (\\d+)%
    on_success: echo done
    on_failure: echo failed
    on_crash: fail
    keep_children: true
    detach: true
  words: {command: [printf, "%s", "${{ params.x }}", 3, true], parameters: {x: ""}}
  often: {command: x, schedule: every 6h}
  built:
    call: reports:build
    args: {days: "${{ params.days }}", deep: [1, {a: null}]}
    parameters: {days: 7}
schedules:
  hourly: {every: 1h, after_finish: true, job: words, with: {x: y}, missed: all, missed_grace: 2h, overlap: queue}
  own:
    cron: ["0 1 * * *", "0 13 * * mon"]
    command: [echo, hi]
    jitter: 5m
    start: 2026-01-01 00:00
    end: 2126-01-01 00:00
    disabled: true
    queue: gpu
    timeout: 5m
  once: {at: 2126-03-01 10:00, command: x}
  weeks: {weekly: "mon,fri@09:00", job: words}
  months: {monthly: last@06:00, job: words}
  boots: {reboot: true, once_per_boot: true, job: words}
  hand: {manual: true, job: words}
  called: {every: 1h, call: "reports:build", args: {days: 7}, queue: gpu}
"""


WORK = ("command", "call", "args")


def refused(text: str) -> list[str]:
    with pytest.raises(BadFileError) as caught:
        parse_configuration(text, "jobctl.yaml")
    return [str(problem["message"]) for problem in caught.value.problems]


def hints(text: str) -> list[str]:
    with pytest.raises(BadFileError) as caught:
        parse_configuration(text, "jobctl.yaml")
    return [str(problem["hint"]) for problem in caught.value.problems]


def job(text: str) -> Definition:
    return parse_configuration(f"jobs: {{a: {text}}}", "x").definitions["a"]


def document_of(text: str) -> Any:
    """The YAML text as JSON has it."""
    root, problems = read_yaml(text)
    assert root is not None
    return plain(Reading(problems), root)


@pytest.mark.parametrize(
    ("written", "message"),
    [
        (".inf", "no number of JSON"), ("-.inf", "no number of JSON"), (".nan", "no number of JSON"),
        ("1e400", "no number of JSON"), ("9" * 400, "min is out of range"), ("'3'", "min must be a number"),
        ("true", "min must be a number"), ("[3]", "min must be a number"), ("0123", "min must be a number"),
    ],
)  # fmt: skip
def test_a_limit_is_a_finite_number(written: str, message: str) -> None:
    with pytest.raises(BadFileError, match=message):
        parse_configuration(
            f"jobs: {{a: {{command: x, parameters: {{p: {{type: float, min: {written}}}}}}}}}", "f"
        )


@pytest.mark.parametrize(
    ("written", "value"), [("3", 3), ("-3", -3), ("0x1F", 31), ("0o17", 15), ("+2.5", 2.5), ("1e3", 1000.0)]
)
def test_a_limit_is_read_as_yaml_writes_numbers(written: str, value: float) -> None:
    text = f"jobs: {{a: {{command: x, parameters: {{p: {{type: float, min: {written}}}}}}}}}"
    assert parse_configuration(text, "f").definitions["a"].parameters[0].min == value


def test_every_key_is_read() -> None:
    found = parse_configuration(EVERYTHING, "x")
    report = found.definitions["report"]
    assert set(report.options) == JOB.fields.keys() - {*WORK, "parameters", "help", "icon", "schedule"}
    assert report.shell == "./report.py --days ${{ params.days }} ${{ params.name }}"
    assert (report.icon, report.category, report.type) == ("📊", "reports", "report")
    assert report.schedule == {"daily": "03:00", "tz": "Europe/Berlin", "with": {"name": "x"}}
    assert report.options["env"] == {"LEVEL": "3", "MODE": "${{ params.mode }}", "ON": "true"}
    assert report.parameters == (
        Parameter("days", ParameterType.INT, default=7, min=1, max=90, help="how far back"),
        Parameter("name", required=True, pattern="[a-z]+"),
        Parameter("mode", choices=("full", "fast"), default="fast"),
        Parameter("plain", ParameterType.INT, default=5),
        Parameter("loud", ParameterType.BOOL, default=False),
    )
    assert found.definitions["words"].command == ("printf", "%s", "${{ params.x }}", "3", "true")
    assert [entry.name for entry in found.schedules] == [
        "report", "often", "hourly", "own", "once", "weeks", "months", "boots", "hand", "called",
    ]  # fmt: skip
    assert found.schedules[1].times == {"every": "6h"}
    own = found.schedules[3]
    assert own.request == {"command": ["echo", "hi"], "queue": "gpu", "timeout": 300.0}
    built = found.definitions["built"]
    assert (built.call, built.shell, built.command) == ("reports:build", None, ())
    assert built.args == {"days": "${{ params.days }}", "deep": [1, {"a": None}]}
    assert found.schedules[-1].request == {"call": "reports:build", "args": {"days": 7}, "queue": "gpu"}


def test_the_example_names_every_key_of_the_tables() -> None:
    given = document_of(EVERYTHING)
    used = {key for found in given["schedules"].values() for key in found} | {"daily", "tz", "with"}
    assert set(given["jobs"]["report"]) | set(given["jobs"]["built"]) == set(JOB.fields)
    assert used >= set(TIMES.fields) | {"job", *WORK}
    parameters = given["jobs"]["report"]["parameters"]
    assert {key for one in parameters.values() if isinstance(one, dict) for key in one} == set(
        PARAMETER.fields
    )


def test_the_schema_accepts_what_the_reader_accepts() -> None:
    assert mismatches(configuration_schema(), document_of(EVERYTHING)) == []
    assert mismatches(configuration_schema(), document_of("jobs: {a: {cmd: x}}")) != []


def test_a_definition_survives_its_document() -> None:
    for name, found in parse_configuration(EVERYTHING, "x").definitions.items():
        again = definition_of(name, document_of_json(found), Source.FILE)
        assert again.document() == found.document()
        assert again.parameters == found.parameters


def document_of_json(definition: Definition) -> Any:
    import json

    return json.loads(json.dumps(definition.document()))


def test_options_are_those_of_a_line_of_jobs_but_for_when() -> None:
    own = JOB.fields.keys() - {"parameters", "help", "icon", "schedule"}
    assert FIELDS.keys() - own == {"shell", "at", "in"}
    assert own <= FIELDS.keys()
    options = parse_configuration(EVERYTHING, "x").definitions["report"].options
    request = request_of(dict(options), JobRequest())
    left = {field.name for field in fields(JobRequest) if getattr(request, field.name) == field.default}
    assert left == {"command", "shell", "call", "at", "in_", "clean_env", "supervisor_env", "definition"}


@given(st.one_of(st.sampled_from(sorted(JOB.fields)), st.from_regex(r"[a-z_]{1,12}", fullmatch=True)))
@example("call")
@example("cmd")
def test_reader_and_schema_agree_on_the_keys_of_a_job(key: str) -> None:
    schema = configuration_schema()["properties"]["jobs"]["additionalProperties"]
    told = (
        refused(f"jobs: {{a: {{command: x, '{key}': }}}}") if key != "command" else ["command has no value"]
    )
    assert (told == [f"{key} has no value"]) == (key in schema["properties"]), told


@given(st.one_of(st.sampled_from(sorted(SCHEDULE.fields)), st.from_regex(r"[a-z_]{1,12}", fullmatch=True)))
@example("enabled")
def test_reader_and_schema_agree_on_the_keys_of_a_schedule(key: str) -> None:
    schema = configuration_schema()["properties"]["schedules"]["additionalProperties"]
    told = refused(f"schedules: {{a: {{'{key}': }}}}")
    assert (f"{key} has no value" in told) == (key in schema["properties"]), told


@pytest.mark.parametrize(
    ("text", "message", "hint"),
    [
        ("{run: x}", "unknown key of a job", "here it is called command"),
        ("{command: x, cron: '* * * * *'}", "unknown key of a job", "here it is called schedule"),
        ("{command: x, every: 5m}", "unknown key of a job", "here it is called schedule ({every: 6h})"),
        ("{command: x, workdir: y}", "unknown key of a job", "here it is called cwd"),
        (
            "{command: x, timeout-minutes: 5}",
            "unknown key of a job",
            "here it is called timeout (90s, 5m, 2h)",
        ),
        ("{command: x, max_retries: 5}", "unknown key of a job", "here it is called attempts"),
        ("{command: x, timout: 5}", "unknown key of a job", "did you mean timeout?"),
        (
            "{command: x, needs: y}",
            "unknown key of a job",
            "here it is called after",
        ),
        ("{call: m.f}", "bad call", "did you mean m:f?"),
        ("{call: 'm:f', command: x}", "a has a command and a call", "keep one"),
        ("{call: 'm:f', nice: 5}", "a function job takes no nice", UNFIT_OPTIONS["nice"]),
        ("{command: x, args: {a: 1}}", "args without call", "a command takes its words in a list"),
        ("{call: 'm:f', args: [1]}", "args must hold names and values such as {days: 7}", "write key: value"),
        (
            "{call: 'm:f', args: {a: '${{ params.x }}'}, parameters: {y: 1}}",
            "unknown parameter",
            "known: y",
        ),
        (
            "{command: x, at: 03:00}",
            "at is no key of a job of this file",
            "say it when you submit it: jobctl submit NAME --in 2h; or use schedule:",
        ),
        ("{}", "a has no command", "give command: or call:"),
        ("", "a has no command", "give command: or call:"),
        ("{command: []}", "command is empty", "name a program"),
        ("{command: ['', x]}", "command is empty", "name a program"),
        (
            "{command: x, parameters: {x: {pattern: '(a+)+$', default: aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaab}}}",
            "the pattern of x takes too long on this value",
            "write it without repeats inside repeats: [a-z]+ for ([a-z]+)+",
        ),
        ("{command: ''}", "command is empty", "give a shell line or a list of words"),
        ("{command: 5}", "command must be a shell line or a list of words", "put it in quotes"),
        (
            "{command: x, timeout: 0}",
            "timeout must be positive",
            "examples: 90s, 5m, 2h30m, 1d",
        ),
        ("{command: x, priority: 11}", "priority must be 1..10", "give a whole number from 1 to 10"),
        ("{command: x, tags: a}", "tags must be a list of tags", ""),
        ("{command: x, tags: ['a,b']}", "tags contains a comma", "selectors split at commas; use '-'"),
        ("{command: x, resources: {gpu: 0}}", "gpu must be 1..100000", "give a whole number from 1 to 100000"),
        (
            "{command: x, env: {MY_TOKEN: x}}",
            "secret values are not stored",
            "name it under secret_env: and put the value into secrets.env of the home: MY_TOKEN",
        ),
        (
            "{command: x, env: {JOBCTL_HOME: x}}",
            "jobctl sets this variable itself",
            "choose another name",
        ),
        ("{command: x, env: {A: }}", "A has no value", "give a text or a number"),
        ("{command: x, icon: abcdefghi}", "icon is longer than 8 characters", "give one sign"),
        ("{command: x, queue: '${{ params.q }}'}", "templates are not used in queue", "write the value itself"),
        (
            "{command: x, on_failure: 'echo ${{ params.q }}'}",
            "templates are not used in on_failure",
            "write the value itself",
        ),
        ("{command: x, on_duplicate: maybe}", "bad on_duplicate", "give return or reject or replace"),
        (
            "{command: x, meta: .inf}",
            "this is no number of JSON",
            "put it in quotes",
        ),
        (
            "{command: 'x ${{ params.dyas }}', parameters: {days: 1}}",
            "unknown parameter",
            "did you mean days?",
        ),
        ("{command: 'x ${{ params.days }}'}", "unknown parameter", "it takes none"),
        (
            "{command: [x, '${{ env.HOME }}']}",
            "no such value in a job",
            "here only params.NAME is known",
        ),
        ("{command: x, parameters: {n: {type: integer}}}", "bad type", "here it is called int"),
        ("{command: x, parameters: {n: {enum: [1]}}}", "unknown key of a parameter", "here it is called choices"),
        (
            "{command: x, parameters: {n: {type: int, default: x}}}",
            "bad n",
            "give a whole number",
        ),
        (
            "{command: x, parameters: {n: {type: int, min: 3, max: 1}}}",
            "min of n is above its max",
            "swap them",
        ),
        (
            "{command: x, parameters: {n-m: 1}}",
            "bad parameter name",
            "use 1 to 64 of A-Z a-z 0-9 _, starting with a letter",
        ),
        (
            "{command: x, parameters: {n: {required: true}}, schedule: '@daily'}",
            "the schedule gives no value for the parameter",
            "give it: with: {n: …}",
        ),
        (
            "{command: x, schedule: {daily: '03:00', with: {n: 1}}}",
            "unknown parameter",
            "it takes none",
        ),
        (
            "{command: x, schedule: {daily: '03:00', every: 5m}}",
            "every and daily exclude each other",
            "give one of them",
        ),
        ("{command: x, schedule: {dialy: '03:00'}}", "unknown key of a schedule", "did you mean daily?"),
        (
            "{command: x, schedule: {timezone: UTC, daily: '03:00'}}",
            "unknown key of a schedule",
            "here it is called tz",
        ),
        (
            "{command: x, schedule: 5}",
            "schedule must be '30 2 * * *', every 6h, or the keys of a schedule",
            "put it in quotes",
        ),
    ],
)  # fmt: skip
def test_a_wrong_job_is_refused_with_one_problem(text: str, message: str, hint: str) -> None:
    whole = f"jobs: {{a: {text}}}"
    assert refused(whole) == [message]
    assert hints(whole) == [hint or "None"]


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("{every: 1h}", "a runs nothing"),
        ("{every: 1h, job: x, command: y}", "a has a job and a command"),
        ("{every: 1h, job: x, call: 'm:f'}", "a has a job and a call"),
        ("{every: 1h, call: 'm:f', args: {a: '${{ params.x }}'}}", "templates are not used in schedules"),
        ("{every: 1h, job: nope}", "no such job in this file"),
        ("{every: 1h, command: x, with: {a: 1}}", "a command takes no parameters"),
        ("{every: 1h, command: 'x ${{ params.a }}'}", "templates are not used in schedules"),
        ("{every: 1h, command: x, hold: true}", "unknown key of a schedule"),
        ("{job: system.check}", "no rule says when it is due"),
        ("{every: 1h, job: system.prune, with: {keep: -1}}", "bad keep"),
        ("{daily: '25:00', job: system.check}", "bad daily schedule"),
    ],
)
def test_a_wrong_schedule_is_refused_with_one_problem(text: str, message: str) -> None:
    assert refused(f"schedules: {{a: {text}}}") == [message]


@pytest.mark.parametrize(
    ("text", "column"),
    [
        ("{weekly: 'fri,xyz@09:00', command: x}", 25), ("{weekly: 'fri', command: x}", 25),
        ("{command: x, monthly: '40@06:00'}", 38), ("{command: x, daily: '25:00'}", 36),
        ("{command: x, cron: '61 * * * *'}", 35), ("{command: x, tz: Nowhere, daily: '3'}", 33),
    ],
)  # fmt: skip
def test_what_is_wrong_with_a_time_stands_at_its_key(text: str, column: int) -> None:
    with pytest.raises(BadFileError) as caught:
        parse_configuration(f"schedules: {{a: {text}}}", "x")
    assert [one["column"] for one in caught.value.problems] == [column]


def test_an_icon_may_be_several_signs_joined() -> None:
    assert job("{command: x, icon: '\U0001f469\u200d\U0001f680'}").icon == "\U0001f469\u200d\U0001f680"
    assert refused("jobs: {a: {command: x, icon: 'a\u202eb'}}")


def test_a_name_has_one_schedule() -> None:
    both = "jobs: {a: {command: x, schedule: '@daily'}}\nschedules: {a: {every: 1h, command: x}}"
    assert refused(both) == ["schedule given twice"]


def test_a_name_is_one_that_every_verb_takes() -> None:
    assert refused("jobs: {'12': {command: x}}") == ["name is only digits"]
    assert refused("jobs: {system.mine: {command: x}}") == ["names that start with system. are jobctl's own"]


def test_a_built_in_job_takes_options_and_a_schedule_and_keeps_its_command() -> None:
    text = "jobs: {system.backup: {priority: 9, schedule: '@weekly'}}"
    found = parse_configuration(text, "x").definitions["system.backup"]
    assert found.command == BUILTIN["system.backup"].command
    assert found.options["priority"] == 9
    assert found.options["category"] == "system"
    assert found.source is Source.BUILTIN
    for key, value in (("command", "x"), ("parameters", "{to: x}")):
        told = refused(f"jobs: {{system.check: {{{key}: {value}}}}}")
        assert told == [f"{key} of system.check is jobctl's own"]


def test_secrets_follow_the_settings_of_the_file() -> None:
    allowed = "settings: {pass_env: [MY_TOKEN]}\njobs: {a: {command: x, env: {MY_TOKEN: 1}}}"
    assert parse_configuration(allowed, "x").definitions["a"].options["env"] == {"MY_TOKEN": "1"}
    named = "settings: {secret_env: [PLAIN]}\njobs: {a: {command: x, env: {PLAIN: 1}}}"
    assert refused(named) == ["secret values are not stored"]


def test_all_problems_of_all_sections_are_told_at_once() -> None:
    text = """
settings: {default_timeout: x}
jobs:
  a: {cmd: x, timeout: y}
  b: {command: "x ${{ params.q", parameters: {z: {type: no}}}
schedules:
  c: {every: never, job: a}
"""
    assert refused(text) == [
        "bad default_timeout",
        "unknown key of a job",
        "bad timeout",
        "${{ is not closed (column 3)",
        "bad type",
        "bad interval",
    ]


def test_a_time_that_has_passed_is_no_mistake_of_the_file() -> None:
    assert parse_configuration("schedules: {a: {at: 2020-01-01 10:00, command: x}}", "x").schedules


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("jobs:\n  a: {command: x}\n  a: {command: y}\n", "key given twice"),
        ('jobs: {a: {command: !!python/object/apply:os.system ["id"]}}', "tags are not used here"),
        ("jobs: {a: {meta: " + "[" * 100 + "]" * 100 + ", command: x}}", "nested deeper than 64"),
        ("jobs: {a: {command: 'x ${{ params.__class__ }}', parameters: {q: 1}}}", "no such key"),
        ("jobs: {a: {command: 'x ${{ open(\"/etc/passwd\") }}'}}", "unknown function"),
        ('jobs: {a: {command: "x\\0y"}}', "NUL character in command"),
        ("jobs: {a: {<<: {}, command: x}}", "unknown key of a job"),
    ],
)
def test_bad_inputs_are_told(text: str, message: str) -> None:
    assert message in refused(text)[0]


def test_hostile_documents_end_in_problems() -> None:
    for text in ("jobs: [1]", "jobs: {a: [x]}", "schedules: x", "jobs: {a: {parameters: [x], command: y}}"):
        assert refused(text)


def test_an_empty_section_says_nothing() -> None:
    assert parse_configuration("jobs:\nschedules: {}\n", "x") == Configuration()


def test_deep_values_keep_their_place() -> None:
    with pytest.raises(BadFileError) as caught:
        parse_configuration("jobs:\n  a:\n    command: x\n    env:\n      A: {}\n", "x")
    assert [(one["line"], one["column"]) for one in caught.value.problems] == [(5, 10)]


def test_what_a_job_says_is_its_own() -> None:
    assert job("{command: ls}").options == {}


@pytest.mark.parametrize("section", ["jobs", "schedules", "daemons"])
def test_a_secret_under_env_is_refused_in_every_section(section: str) -> None:
    rest = ", daily: '03:00'" if section == "schedules" else ""
    text = f"{section}:\n  x:\n    {{command: run{rest}, env: {{LEVEL: 1, API_TOKEN: s3cret, PGPASS: s3cret}}}}\n"
    with pytest.raises(BadFileError) as caught:
        parse_configuration(text, "f")
    assert (len(caught.value.problems), caught.value.value) == (1, "API_TOKEN")
    assert "secret values are not stored" in caught.value.what
    assert "s3cret" not in str(caught.value)
    with pytest.raises(BadFileError) as caught:
        parse_configuration(f"settings: {{pass_env: [API_TOKEN], secret_env: [PGPASS]}}\n{text}", "f")
    assert (len(caught.value.problems), caught.value.value) == (1, "PGPASS")
