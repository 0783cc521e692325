from __future__ import annotations

from dataclasses import fields
from typing import Any

import pytest

from jobctl.errors import BadFileError
from jobctl.model.configurations import (
    QUEUE,
    SECTIONS,
    Configuration,
    configuration_schema,
    parse_configuration,
)
from jobctl.model.queues import Rate
from jobctl.model.setting_fields import SETTINGS
from jobctl.model.settings import Settings
from jobctl.model.specs import OnCrash

EVERYTHING = """
settings:
  default_timeout: 1h30m
  default_attempts: 3
  default_priority: 2
  default_grace: 20
  default_retry_delay: 1.5
  default_backoff: 1.5
  default_max_delay: 2h
  default_on_crash: fail
  concurrency: 7
  progress_interval: 500ms
  idle_interval: 2s
  cleanup_interval: 10m
  retention_age: 7d
  retention_jobs: 500
  log_cap: 10M
  health_queue_age: 20m
  health_error_percent: 25
  health_disk_free: 1G
  pass_env: [MAIN_KEY, PUBLIC_*]
  secret_env: [DB_URL]
  modules: [catalog, reports.nightly]
  max_workers: 3
  worker_jobs: 50
  worker_memory: 0
  worker_python: /usr/bin/python3
  worker_args: [-X, dev, -X, tracemalloc]
  preload: [catalog]
queues:
  gpu: {concurrency: 1, rate: 10/min, paused: true}
  mail: {rate: none}
  plain:
resources:
  gpu: 2
  licence: 0
jobs:
schedules:
daemons:
  web: {command: [./web]}
notifications:
"""


def refused(text: str) -> BadFileError:
    with pytest.raises(BadFileError) as caught:
        parse_configuration(text, "jobctl.yaml")
    return caught.value


def messages(text: str) -> list[str]:
    return [str(problem["message"]) for problem in refused(text).problems]


def test_every_key_is_read() -> None:
    found = parse_configuration(EVERYTHING, "jobctl.yaml")
    assert found.over(Settings()) == Settings(
        default_timeout=5400.0, default_attempts=3, default_priority=2, default_grace=20.0,
        default_retry_delay=1.5, default_backoff=1.5, default_max_delay=7200.0, default_on_crash=OnCrash.FAIL,
        concurrency=7, progress_interval=0.5, idle_interval=2.0, cleanup_interval=600.0, retention_age=604_800.0,
        retention_jobs=500, log_cap=10 << 20, pass_env=("MAIN_KEY", "PUBLIC_*"), secret_env=("DB_URL",),
        modules=("catalog", "reports.nightly"), max_workers=3, worker_jobs=50, worker_memory=0,
        worker_python="/usr/bin/python3", worker_args=("-X", "dev", "-X", "tracemalloc"), preload=("catalog",),
        health_queue_age=1200.0, health_error_percent=25, health_disk_free=1 << 30,
    )  # fmt: skip
    gpu, mail, plain = found.queues
    assert (gpu.name, gpu.concurrency, gpu.rate, gpu.paused) == ("gpu", 1, Rate(10, 60.0), True)
    assert (mail.given, plain.given) == ({"rate": None}, {})
    assert found.resources == {"gpu": 2, "licence": 0}


def test_the_example_above_names_every_key_of_the_tables() -> None:
    assert all(f"  {name}:" in EVERYTHING for name in SETTINGS)
    assert all(f"{name}:" in EVERYTHING for name in (*SECTIONS, *QUEUE.fields))


def test_the_table_of_settings_has_the_fields_and_the_defaults_of_the_settings() -> None:
    assert list(SETTINGS) == [field.name for field in fields(Settings)]
    for name, known in SETTINGS.items():
        default: Any = getattr(Settings(), name)
        assert (known.kind.parse(known.default, name) if known.default else default) == default, name
        assert known.default or default in ((), ""), name


@pytest.mark.parametrize("text", ["", "# nothing\n", "settings:\nqueues: {}\n"])
def test_an_empty_file_says_nothing(text: str) -> None:
    assert parse_configuration(text, "x").over(Settings()) == Settings()


def test_what_the_file_leaves_out_keeps_its_value() -> None:
    found = parse_configuration("settings: {default_attempts: 4}", "x")
    assert found.over(Settings(default_priority=9)) == Settings(default_attempts=4, default_priority=9)
    assert found == Configuration({"default_attempts": 4})


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("settings: {default_timeout: 5x}", "bad default_timeout"),
        ("settings: {default_timeout: true}", "default_timeout must be a duration such as 90s, 5m or 1h30m"),
        ("settings: {default_timeout: }", "default_timeout has no value"),
        ("settings: {default_attempts: 0}", "default_attempts must be 1..1000"),
        ("settings: {default_attempts: 1.0}", "default_attempts must be a whole number from 1 to 1000"),
        ("settings: {default_attempts: 012}", "default_attempts must be a whole number from 1 to 1000"),
        ("settings: {default_backoff: 1000}", "bad default_backoff"),
        ("settings: {log_cap: 0}", "log_cap must be positive"),
        ("settings: {idle_interval: 1ms}", "idle_interval is too short"),
        ("settings: {pass_env: A}", "pass_env must be a list of names such as [MAIN_KEY, PUBLIC_*]"),
        ("settings: {pass_env: [a b]}", "bad name in pass_env"),
        ("settings: {default_on_crash: maybe}", "bad default_on_crash"),
        ("settings: {default_retry_delay: 2h}", "default_retry_delay exceeds default_max_delay"),
        ("settings: [1]", "settings must hold keys and values"),
        ("queues: {'a b': {}}", "bad queue name"),
        ("queues: {gpu: 3}", "gpu must hold keys and values"),
        ("queues: {gpu: {concurrency: 0}}", "concurrency must be 1..100000"),
        ("queues: {gpu: {rate: 0/min}}", "bad rate"),
        ("queues: {gpu: {paused: yes}}", "paused must be true or false"),
        ("resources: {gpu: -1}", "gpu must be 0..100000"),
        ("resources: {2x: 1}", "bad resource name"),
        ("resources: {HOME: 1}", "this name is jobctl's own"),
        ("resources: {default-timeout: 1}", "this name is jobctl's own"),
        ("settings: {modules: [os.path, a-b]}", "bad name in modules"),
        ("settings: {max_workers: 65}", "max_workers must be 0..64"),
        ("workflows: []", "a later version of jobctl reads this section"),
        ("[a]", "the file must hold sections such as queues:"),
        ("settings: {<<: {}}", "unknown setting"),
    ],
)
def test_a_wrong_value_is_refused_with_its_rule(text: str, message: str) -> None:
    assert messages(text) == [message]


def test_an_unknown_key_suggests_the_nearest() -> None:
    error = refused("queus: {}\nsettings: {default_timout: 1, retries: 2, default-grace: 3}\n")
    hints = [problem["hint"] for problem in error.problems]
    assert hints == [
        "did you mean queues?",
        "did you mean default_timeout?",
        "here it is called default_attempts",
        "did you mean default_grace?",
    ]


def test_the_slots_of_default_are_not_given_twice() -> None:
    both = "settings: {concurrency: 3}\nqueues: {default: {concurrency: %d}}\n"
    assert messages(both % 4) == ["the concurrency of the queue default is given twice"]
    assert parse_configuration(both % 3, "x").settings == {"concurrency": 3}


def test_every_problem_is_told_in_order_with_line_and_caret() -> None:
    error = refused("settings:\n  default_attempts: 0\n  log_cap: 1:30\nqueues:\n  gpu: {paralel: 1}\n")
    assert str(error) == (
        "3 problems; the first is jobctl.yaml:2:21: default_attempts must be 1..1000: '0';"
        " give a whole number from 1 to 1000"
    )
    assert list(error.details[:3]) == [
        "jobctl.yaml:2:21: default_attempts must be 1..1000: '0'; give a whole number from 1 to 1000",
        "     2 |   default_attempts: 0",
        "       |                     ^",
    ]
    assert [(problem["line"], problem["column"]) for problem in error.problems] == [(2, 21), (3, 12), (5, 9)]


def test_one_problem_is_told_once() -> None:
    error = refused("queus: 1\n")
    assert str(error) == "jobctl.yaml:1:1: unknown section: 'queus'; did you mean queues?"
    assert error.details == ("     1 | queus: 1", "       | ^")


def test_a_long_line_is_cut_around_the_caret() -> None:
    error = refused("settings: {" + "x" * 300 + ": 1, queus: 2}")
    assert all(len(line) < 120 for line in error.details if "|" in line)


def test_the_schema_covers_every_key_and_allows_no_other() -> None:
    schema = configuration_schema()
    assert set(schema["properties"]) == set(SECTIONS)
    assert set(schema["properties"]["settings"]["properties"]) == set(SETTINGS)
    assert set(schema["properties"]["queues"]["additionalProperties"]["properties"]) == set(QUEUE.fields)
    assert schema["additionalProperties"] is False
    assert all(part["description"] for part in schema["properties"]["settings"]["properties"].values())
