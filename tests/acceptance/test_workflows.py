"""``workflow`` as a user types it, with a spawned supervisor: every verb, what it prints, and its exit code.

Most calls are made in this process, by the words of the command line: a spawned one costs 0.3 s of imports.
"""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from tests.support.cli import Completed, call_main, run_cli
from tests.support.recorded_workflows import recorded_workflow
from tests.support.supervisors import Site
from tests.support.terminals import on_terminal
from tests.support.waiting import wait_until

EXAMPLE = Path(__file__).parents[1] / "data" / "workflows" / "example.yaml"
FLOW = """
name: flow
params: {n: {type: int, default: 2}}
rollback: on_failure
steps:
  - id: scan
    run: echo "count=${{ params.n }}" >>"$JOBCTL_OUTPUT"; echo scanned
    outputs: {count: int}
    undo: echo taken back
  - {id: ask, needs: scan, approve: {prompt: "Publish ${{ steps.scan.outputs.count }}?"}}
  - {id: publish, needs: ask, run: test -e ready}
  - {id: after, needs: publish, run: echo after}
on_exit: echo bye
"""


@pytest.fixture
def place(site: Site, monkeypatch: pytest.MonkeyPatch) -> Place:
    """A supervisor, and calls beside it."""
    site.root.chmod(0o700)
    site.up()
    monkeypatch.chdir(site.root)
    monkeypatch.setenv("HOME", str(site.root))
    monkeypatch.setenv("JOBCTL_HOME", site.home.path)
    return Place(site)


class Place:
    """A directory with workflow files, and the home of a supervisor."""

    def __init__(self, site: Site) -> None:
        self.site, self.root = site, site.root

    def __call__(self, *args: str) -> Completed:
        """``jobctl args…`` has ended, in this process."""
        return call_main(*args)

    def spawned(self, *args: str | bytes, input: str | None = None) -> Completed:
        """``jobctl args…`` has ended, as a program of its own."""
        return run_cli(*args, home=self.site.home.path, cwd=self.root, input=input)

    def write(self, name: str, text: str) -> None:
        """A file is there."""
        (self.root / name).write_text(text)

    def steps(self, job_id: str = "last") -> dict[str, Any]:
        """The steps of a run by id, as JSON."""
        found = self("workflow", "show", job_id, "--json").document["steps"]
        return {step["id"]: step for step in found}

    def wait_for_step(self, run: int, step: str, status: str) -> None:
        """The step has reached the status."""

        def reached() -> bool:
            found = self.site.store.workflows.step(run, step)
            return found is not None and found.status == status

        wait_until(reached, seconds=60)


def script(path: Path, text: str) -> None:
    """A program is there."""
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(f"#!/bin/sh\n{text}\n")
    path.chmod(0o755)


def test_the_example_of_the_notes_runs_to_its_end_with_an_approval(place: Place) -> None:
    text = EXAMPLE.read_text().replace("call: catalog.thumbs:build", "run: echo thumbs")
    place.write("nightly.yaml", text.replace("    with: {size: 512}\n", ""))
    place.write(
        "reindex.yaml",
        'params: {full: {type: bool}}\nsteps: [{id: all, run: "echo full=${{ params.full }}"}]',
    )
    catalog = place.root / "catalog"
    script(catalog / "scan.py", 'echo "scanning $1" >&2; echo count=1200; echo \'batches=["a b","c"]\'')
    script(catalog / "import.py", 'echo "import [$1]" >>ledger')
    script(catalog / "prune.py", 'echo "prune $*" >>ledger; exit 9')
    script(catalog / "rsync", 'echo "rsync $*" >>ledger')
    (catalog / "tmp").mkdir()
    started = place(
        "workflow", "run", "nightly.yaml", "--set", "mode=full", "--set", "source=in", "-q", "--env",
        f"PATH={catalog}:/usr/bin:/bin",
    )  # fmt: skip
    assert (started.code, started.out) == (0, "1\n")
    place.wait_for_step(1, "confirm", "waiting")
    assert place("workflow", "explain", "1", "confirm").out.startswith(
        "waits for an answer: Publish 1200 photos?"
    )
    assert place("workflow", "approve", "1", "confirm").code == 0
    document = place("workflow", "run", "nightly.yaml", "--dry-run", "--json").document
    assert document["steps"][0]["does"] == f"./scan.py '{place.root}/incoming' >> \"$JOBCTL_OUTPUT\""
    # The failed prune is tried again twice, 10 s apart; cancelling that ends it.
    place.wait_for_step(1, "prune", "waiting")
    steps = place.steps("1")
    assert [steps[step]["status"] for step in ("scan", "import", "thumbs", "reindex", "publish")] == [
        "completed"
    ] * 5
    assert steps["scan"]["outputs"] == {"count": 1200, "batches": ["a b", "c"]}
    assert [item["item"] for item in steps["import"]["items"]] == ["a b", "c"]
    assert place("cancel", str(steps["prune"]["job_id"])).code == 0
    assert place("wait", "1", "--timeout", "60").code == 0
    shown = place("workflow", "show", "1", "--json").document
    assert (shown["status"], shown["outcome"], shown["rollback"]) == ("completed", "partial", "none")
    ledger = (catalog / "ledger").read_text().splitlines()
    assert sorted(ledger[:2]) == ["import [a b]", "import [c]"]
    assert ledger[2:4] == ["rsync -a out/ web:/srv/catalog/", "prune --days 14"]
    assert not (catalog / "tmp").exists()
    assert "full=true" in place("logs", "1").out


def test_a_run_is_followed_answered_explained_retried_and_rolled_back(place: Place) -> None:
    place.write("flow.yaml", FLOW)
    late = place.spawned("workflow", "run", "flow.yaml", "--wait", "--timeout", "0", "--set", "n=3")
    assert (late.code, late.out) == (124, "job 1\n")
    follower = place.site.spawn("logs", "-f", "1", name="follow")
    place.wait_for_step(1, "ask", "waiting")
    assert "waiting: ask" in place("explain", "1").out
    assert place("workflow", "retry", "1").code == 4
    assert place("workflow", "rollback", "1").code == 4
    assert place("workflow", "approve", "1", "scan").code == 4
    assert place("workflow", "approve", "1", "nowhere").code == 3
    assert place("workflow", "approve", "1", "ask").out == "workflow 1: ask approved\n"
    assert place("wait", "1").out == "job 1 failed (steps_failed)\n"
    assert place.site.finish(follower) == 0
    followed = (place.root / "follow.out").read_text().splitlines()
    assert followed == ["scanned", "taken back", "bye"]
    assert "==> job 4 flow/scan:undo <==" in (place.root / "follow.err").read_text()
    assert place("workflow", "explain", "1", "after").out == (
        "not run: publish failed (failed with exit 1)\nneeds publish: failed\n"
    )
    plan = place("workflow", "retry", "1", "--dry-run", "--json").document
    assert (plan["dry_run"], plan["attempt"], [step["action"] for step in plan["plan"]]) == (
        True,
        1,
        ["reset"] * 4,
    )
    (place.root / "ready").touch()
    retried = place("workflow", "retry", "1", "--set", "n=5")
    assert retried.out.splitlines()[-1] == "workflow 1 retried, attempt 2"
    place.wait_for_step(1, "ask", "waiting")
    assert place.steps("1")["scan"]["outputs"] == {"count": 5}
    place("workflow", "approve", "1", "ask")
    assert place("wait", "1").code == 0
    assert place("workflow", "retry", "1").code == 4
    assert place("workflow", "rollback", "1", "-q").out == ""
    place.wait_for_step(1, "scan", "rolled_back")
    listed = place("workflow", "list", "--json").document["workflows"]
    assert [(run["id"], run["status"], run["attempt"]) for run in listed] == [(1, "completed", 2)]
    tree = place("workflow", "graph", "1").out.splitlines()
    assert tree[:2] == ["flow", "└─ scan [rolled_back]  (undo)"]


def test_rejecting_cancelling_and_a_current_definition(place: Place) -> None:
    place.write("flow.yaml", FLOW)
    place("workflow", "run", "flow.yaml")
    place.wait_for_step(1, "ask", "waiting")
    assert place("workflow", "reject", "1", "ask").code == 0
    assert place("wait", "1").code == 1
    assert (place.steps("1")["ask"]["status"], place.steps("1")["ask"]["reason"]) == ("failed", "rejected")
    place.write(
        "flow.yaml", "name: flow\nsteps: [{id: scan, run: echo new}, {id: more, needs: scan, run: 'true'}]"
    )
    plan = place("workflow", "retry", "1", "--definition", "current").out
    assert "new    more     new" in plan
    assert "drop   publish  no longer in the definition" in plan
    assert place("wait", "1").code == 0
    assert list(place.steps("1")) == ["scan", "more"]
    place.write("flow.yaml", FLOW)
    number = int(place("workflow", "run", "flow.yaml", "-q").out)
    place.wait_for_step(number, "ask", "waiting")
    cancelled = place("workflow", "cancel", str(number), "--rollback", "--reason", "enough")
    assert (cancelled.code, cancelled.out) == (0, f"workflow {number} cancelling, then rolled back\n")
    assert place("wait", str(number)).code == 1
    document = place("workflow", "show", str(number), "--json").document
    assert (document["status"], document["rollback"]) == ("cancelled", "complete")
    assert place("workflow", "cancel", str(number)).code == 4


def test_wait_exits_by_the_outcome_and_strict_counts_allowed_failures(place: Place) -> None:
    place.write(
        "partial.yaml",
        'steps: [{id: a, run: exit 5, continue_on_error: true}, {id: b, needs: a, run: "true"}]',
    )
    lenient = place("workflow", "run", "partial.yaml", "--wait")
    assert lenient.code == 0
    assert lenient.out.splitlines()[1] == "workflow 1 completed (partial): 2 of 2 steps ended, 1 failed"
    strict = place("workflow", "run", "partial.yaml", "--wait", "--strict", "--json")
    assert (strict.code, strict.document["outcome"]) == (1, "partial")
    failed = place.spawned(
        "workflow",
        "run",
        "-",
        "--wait",
        "-n",
        "piped",
        input="name: x\nsteps: [{id: a, run: exit 5}]\non_exit: exit 3",
    )
    assert failed.code == 1
    assert "  a failed: jobctl workflow explain 7 a" in failed.out
    assert "  on_exit failed with exit 3 as job 9: jobctl logs 9" in failed.out
    assert place("workflow", "retry", "7", "--definition", "current").code == 2
    assert place("workflow", "list").out.splitlines()[1].split()[:5] == [
        "7",
        "piped",
        "failed",
        "(steps_failed)",
        "1/1",
    ]
    shown = on_terminal(
        "workflow", "run", str(place.root / "partial.yaml"), "--wait", home=place.site.home.path
    )
    assert "2/2" in shown
    assert "completed (partial)" in shown


def test_a_recorded_workflow_of_197_steps_is_run_by_its_file(place: Place) -> None:
    found = recorded_workflow("wfi-rnaseq-dirt02-001")
    oracle = max(found.oracles, key=lambda one: one.upstream_failed)
    place.write("rnaseq.yaml", found.text(failing=[oracle.fail]))
    ended = place("workflow", "run", "rnaseq.yaml", "--wait", "--json")
    assert ended.code == 1
    states = [step["status"] for step in ended.document["steps"]]
    assert states.count("upstream_failed") == oracle.upstream_failed
    assert states.count("completed") == oracle.completed
    assert {step["cause"] for step in ended.document["steps"]} == {None, oracle.fail}


def test_json_of_every_verb_is_one_document(place: Place) -> None:
    place.write("flow.yaml", FLOW)
    started = place("workflow", "run", "flow.yaml", "--json", "--tag", "t").document
    assert started["name"] == "flow"
    place.wait_for_step(1, "ask", "waiting")
    for args in (
        ["validate", "flow.yaml"], ["graph", "flow.yaml"], ["graph", "1"], ["schema"], ["list"], ["show", "1"],
        ["explain", "1", "ask"], ["approve", "1", "ask"],
    ):  # fmt: skip
        answer = place("workflow", *args, "--json")
        assert (answer.code, isinstance(answer.document, dict)) == (0, True), args
    assert json.loads(place("show", "1", "--json").out)["workflow"]["id"] == 1


def test_bytes_that_are_no_text_pass_through_a_run_and_never_reach_the_terminal_raw(place: Place) -> None:
    place.write(
        "odd.yaml",
        "name: odd\nparams: {x: {default: a}}\nsteps:\n"
        '  - {id: a, run: "printf %s ${{ params.x }}"}\n'
        '  - {id: b, needs: a, approve: "really ${{ params.x }}?"}\n'
        '  - {id: c, needs: a, when: "int(params.x) > 1", run: "true"}\n',
    )
    odd = b"\xff\x1b[31m"
    assert place.spawned("workflow", "run", "odd.yaml", "-q", "--set", b"x=" + odd).out == "1\n"
    place.wait_for_step(1, "b", "waiting")
    shown = run_cli("workflow", "show", "1", "--json", home=place.site.home.path, env={"PYTHONUTF8": "1"})
    assert shown.document["params"] == {"x": "\\xff\x1b[31m"}
    for args in (
        ["workflow", "show", "1"],
        ["workflow", "explain", "1", "b"],
        ["workflow", "explain", "1", "c"],
    ):
        answer = place(*args)
        assert (answer.code, "\x1b" in answer.out, "\\x1b[31m" in answer.out) == (0, False, True), args
    assert (Path(place.site.home.attempt(2, 1)) / "output.log").read_bytes() == odd
