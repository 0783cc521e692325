"""``workflow validate`` tells everything at once: of every file, of those that steps run, with the values."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from tests.support.cli import call_main


@pytest.fixture(autouse=True)
def work(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A directory with workflows beside a home, both ours alone."""
    tmp_path.chmod(0o700)
    work = tmp_path / "work"
    for directory in (tmp_path / "home", work):
        directory.mkdir(mode=0o700)
    monkeypatch.setenv("JOBCTL_HOME", str(tmp_path / "home"))
    monkeypatch.chdir(work)
    return work


def problems(*files: str) -> list[tuple[Any, ...]]:
    """What is told of files, for programs; a place and a value each."""
    told = call_main("workflow", "validate", *files, "--json")
    assert told.code == 2, told
    found = told.document["error"]["problems"]
    assert all(list(one) == ["file", "line", "column", "message", "value", "hint"] for one in found)
    return [(one["file"], one["line"], one["column"], one["message"], one["value"]) for one in found]


def test_a_problem_is_told_with_its_value(work: Path) -> None:
    (work / "a.yaml").write_text("steps: [{id: a, run: x, needs: [zz], timeout: soon}]")
    assert problems("a.yaml") == [
        ("a.yaml", 1, 33, "needs an unknown step", "zz"),
        ("a.yaml", 1, 47, "bad timeout", "soon"),
    ]


def test_the_files_that_steps_run_are_checked_whatever_else_is_wrong(work: Path) -> None:
    (work / "sub").mkdir()
    (work / "outer.yaml").write_text(
        "steps:\n"
        "  - {id: a, workflow: sub/inner.yaml, with: {sise: 3}, bogus: 1}\n"
        "  - {id: b, workflow: gone.yaml}\n"
        "  - {id: c, workflow: sub/deep.yaml, with: {n: many}}\n"
        "  - {id: d, workflow: outer.yaml}\n"
        "  - {id: c, workflow: sub/inner.yaml}\n"
    )
    (work / "sub" / "inner.yaml").write_text("steps: [{id: x}, {id: y, workflow: deep.yaml}]")
    (work / "sub" / "deep.yaml").write_text("params: {n: {type: int}}\nsteps: [{id: z, run: q, when: '1 +'}]")
    found = problems("outer.yaml")
    assert [one[:3] + one[4:] for one in found] == [
        ("outer.yaml", 2, 56, "bogus"),
        ("outer.yaml", 3, 23, "gone.yaml"),
        ("outer.yaml", 5, 23, "outer.yaml runs outer.yaml"),
        ("outer.yaml", 6, 10, "c"),
        ("sub/inner.yaml", 1, 9, "x"),
        ("sub/deep.yaml", 2, 32, "1 +"),
    ]
    for files in (["outer.yaml", "sub/inner.yaml"], ["sub/inner.yaml", "outer.yaml"]):
        assert len(problems(*files)) == 6, "what two files run is told once"
    told = call_main("workflow", "validate", "outer.yaml").err
    assert told.startswith("jobctl: error: 6 problems in 3 files; the first is outer.yaml:2:56: ")
    for place in ("outer.yaml:3:23: no such", "sub/inner.yaml:1:9: the step", "sub/deep.yaml:2:32: "):
        assert told.count(place) == 1, place
    (work / "sub" / "deep.yaml").write_text("params: {n: {type: int}}\nsteps: [{id: z, run: q}]")
    (work / "sub" / "inner.yaml").write_text("steps: [{id: y, workflow: deep.yaml}]")
    assert ("outer.yaml", 4, 44, "bad n", "many") in problems("outer.yaml")
    assert ("outer.yaml", 2, 45, "unknown parameter", "sise") in problems("outer.yaml")
    assert ("sub/inner.yaml", 1, 27, "parameter missing", "n") in problems("outer.yaml")


ASKING = """
defaults: {queue: nihgt}
steps:
  - {id: a, run: "true"}
  - {id: b, run: "true", queue: default, resources: {gpu: 1}}
  - {id: c, run: "true"}
"""


def test_unknown_queues_and_resources_are_warned_of_and_refused_with_their_places(work: Path) -> None:
    (work / "a.yaml").write_text(ASKING)
    (work / "outer.yaml").write_text("steps: [{id: o, workflow: a.yaml}]")
    told = call_main("workflow", "validate", "outer.yaml")
    assert (told.code, told.err) == (0, ""), "without a store nobody knows the queues"
    call_main("queue", "add", "night")
    told = call_main("workflow", "validate", "outer.yaml")
    assert (told.code, told.out) == (0, "outer.yaml: outer, 1 step, no problem\n")
    assert told.err.splitlines() == [
        "warning: a.yaml:2:19: no such queue: 'nihgt'; did you mean night?",
        "warning: a.yaml:5:53: no such resource: 'gpu'; name it under resources: in jobctl.yaml (known: none)",
    ]
    document = call_main("workflow", "validate", "outer.yaml", "--json").document
    assert [(one["file"], one["line"], one["value"]) for one in document["workflows"][0]["warnings"]] == [
        ("a.yaml", 2, "nihgt"),
        ("a.yaml", 5, "gpu"),
    ]
    for more in ([], ["--dry-run"]):
        refused = call_main("workflow", "run", "outer.yaml", *more)
        assert (refused.code, refused.err) == (
            3,
            "jobctl: error: a.yaml:2:19: no such queue: 'nihgt'; did you mean night? [E_NOT_FOUND]\n",
        )
    assert call_main("workflow", "list", "--json").document == {"workflows": []}


def test_files_that_name_each_other_in_many_ways_are_refused_before_they_fill_the_memory(work: Path) -> None:
    for level in range(1, 8):
        steps = "".join(f"- {{id: s{n}, workflow: {'./' * n}f{level + 1}.yaml}}\n" for n in range(1, 9))
        (work / f"f{level}.yaml").write_text(f"steps:\n{steps}")
    (work / "f8.yaml").write_text("steps: [{id: a, run: x}]")
    assert {one[3] for one in problems("f1.yaml")} == {"more than 50,000 steps within"}
    assert call_main("workflow", "validate", "f4.yaml").code == 0


@pytest.mark.parametrize(
    ("text", "told"),
    [
        (f"steps: [{{id: a, run: [&x {'y' * 100_000}{', *x' * 9999}]}}]", "more than 16 MiB with what aliases repeat"),
        (f"env: {{A: {'y' * 100_000}}}\nsteps:\n" + "".join(f"- {{id: s{n}, run: x}}\n" for n in range(999)),
         "env and cwd of 100,001 characters for 999 steps are above 16 MiB"),
    ],
)  # fmt: skip
def test_a_small_file_does_not_become_gigabytes(work: Path, text: str, told: str) -> None:
    (work / "a.yaml").write_text(text)
    assert [one[3] for one in problems("a.yaml")] == [told]


def test_a_large_file_that_is_named_in_many_ways_does_not_become_gigabytes(work: Path) -> None:
    for level in range(1, 5):
        steps = "".join(f"- {{id: s{n}, workflow: {'./' * n}f{level + 1}.yaml}}\n" for n in range(1, 9))
        (work / f"f{level}.yaml").write_text(f"steps:\n{steps}")
    (work / "f5.yaml").write_text(f"steps: [{{id: a, run: x, env: {{A: {'y' * 1_000_000}}}}}]")
    assert {one[3] for one in problems("f1.yaml")} == {"more than 64 MiB within"}
