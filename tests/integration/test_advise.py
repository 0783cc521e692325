"""``advise``: what it says, and what it refuses."""

from __future__ import annotations

import json

import pytest

from tests.support.calls import Calls


@pytest.fixture
def jobctl(tmp_path: object, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch) -> Calls:
    """The command line; no store is needed."""
    return Calls(f"{tmp_path}/home", capsys, monkeypatch)


@pytest.mark.parametrize(
    ("words", "mechanism", "pattern", "command"),
    [
        ("", "job", "fire_and_forget", "jobctl submit -- CMD …"),
        ("--result", "job", "simple", "jobctl run -- CMD …"),
        ("--duration 2h --result", "job", "long_running", 'jobctl logs -f "$(jobctl submit -q -- CMD …)"'),
        ("--stream", "job", "long_running", 'jobctl logs -f "$(jobctl submit -q -- CMD …)"'),
        ("--count 500", "job", "concurrent", "jobctl batch --max-parallel 4 -- CMD … {} ::: ITEM …"),
        (
            "--rate 5/s",
            "job",
            "pooled",
            '--cwd "$PWD" --call jobctl.builtin_functions.scripts:run_script --arg script="$PWD/SCRIPT.py"',
        ),
        ("--rate 1/min", "job", "fire_and_forget", "jobctl submit"),
        ("--recurring", "schedule", "periodic", "jobctl schedule add NAME --every 1h -- CMD …"),
        ("--recurring --steps 4", "schedule", "periodic", "-- jobctl workflow run FILE.yaml --wait"),
        ("--steps 4 --result", "workflow", "simple", "jobctl workflow run FILE.yaml --wait"),
        ("--continuous", "daemon", "long_running", "jobctl daemon add NAME --start -- CMD …"),
    ],
)
def test_advice(jobctl: Calls, words: str, mechanism: str, pattern: str, command: str) -> None:
    said = jobctl("advise", "--json", *words.split())
    assert said.code == 0
    document = json.loads(said.out)
    assert (document["mechanism"], document["pattern"]) == (mechanism, pattern)
    assert command in document["command"]
    assert document["reasons"]
    text = jobctl("advise", *words.split()).out
    assert text.startswith(f"use a {mechanism}, pattern {pattern}\n")
    assert f"\n  {document['command']}\n" in text
    for reason in document["reasons"]:
        assert f"  because {reason}\n" in text


@pytest.mark.parametrize(
    ("words", "code"),
    [
        ("--continuous --recurring", "E_ADVICE"),
        ("--continuous --steps 3", "E_ADVICE"),
        ("--continuous --duration 5m", "E_ADVICE"),
        ("--continuous --rate 5/s", "E_ADVICE"),
        ("--count 5 --steps 3", "E_ADVICE"),
        ("--count 0", "E_NUMBER"),
        ("--steps -1", "E_NUMBER"),
        ("--rate often", "E_RATE"),
        ("--rate none", "E_RATE"),
        ("--duration soon", "E_DURATION"),
        ("--colour", "E_USAGE"),
    ],
)
def test_nonsense_is_refused(jobctl: Calls, words: str, code: str) -> None:
    said = jobctl("advise", "--json", *words.split())
    assert said.code == 2
    assert json.loads(said.out)["error"]["code"] == code
    assert said.err.count("\n") == 1
