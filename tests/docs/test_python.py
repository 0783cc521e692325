"""The Python of README.md runs, and the commands that ``advise`` recommends are commands."""

from __future__ import annotations

from pathlib import Path

import pytest

from jobctl.model.patterns import Need, recommend
from tests.docs import readme
from tests.docs.test_verbs import check_call
from tests.support.calls import Calls

BLOCKS = readme.marked("python")


@pytest.mark.parametrize("name", BLOCKS)
def test_the_python_of_the_readme_runs(
    name: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setenv("JOBCTL_HOME", str(tmp_path / "home"))
    monkeypatch.chdir(tmp_path)
    exec(compile(BLOCKS[name], f"README.md: {name}", "exec"), {})
    assert EXPECTED[name] in capsys.readouterr().out


EXPECTED = {"jobs": "['hello']", "nouns": "\n3 {'scan': ", "patterns": "0 did ['one']\n"}
"""Something of what each prints."""


def test_recommended_commands_are_commands() -> None:
    needs = (
        Need(), Need(requires_streaming=True), Need(concurrent_tasks=9), Need(needs_result=False),
        Need(recurring=True), Need(recurring=True, steps=2), Need(steps=2), Need(continuous=True),
        Need(high_frequency=True),
    )  # fmt: skip
    for need in needs:
        checked = [check_call(call) for call in readme.calls(recommend(need).command)]
        assert sum(checked) >= 1, need


def test_the_advice_in_the_readme_is_what_is_said(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    [block] = [block.text for block in readme.blocks("text") if block.text.startswith("$ jobctl advise")]
    command, _, shown = block.partition("\n")
    said = Calls(str(tmp_path), capsys, monkeypatch)(*command.split()[2:])
    assert said.out == shown
