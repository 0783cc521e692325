"""The rules of workflows, each as a small run: readiness, conditions, items, limits, failures, handlers, time."""

from __future__ import annotations

import pytest

from jobctl.model.jobs import Job
from jobctl.model.states import JobStatus
from jobctl.model.workflow_runs import Role
from tests.support.recorded_workflows import recorded_workflow
from tests.support.supervisors import Stage
from tests.support.workflows import Watched, add_workflow, bundle, ended, run_workflow


def children_of(watched: Watched) -> list[Job]:
    return [watched.stage.job(child.job_id) for child in watched.stage.store.workflows.children(watched.id)]


def test_steps_run_in_the_order_of_their_needs_and_the_run_completes(stage: Stage) -> None:
    made = run_workflow(
        stage,
        """
        steps:
          - {id: last, needs: [left, right], run: echo last >> order}
          - {id: left, needs: first, run: echo side >> order}
          - {id: right, needs: first, run: echo side >> order}
          - {id: first, run: echo first >> order}
        """,
    )
    assert ended(JobStatus.COMPLETED, made.run)
    assert (stage.root / "order").read_text().split() == ["first", "side", "side", "last"]
    assert (made.run.outcome, made.run.rollback, made.run.completed) == ("clean", "none", 4)
    job = stage.job(made.id)
    assert (job.progress.items_done, job.progress.items_total, job.progress.percent) == (4, 4, 100)
    assert job.life_id is None


def test_a_step_has_a_job_only_once_it_is_ready_and_carries_its_marks(stage: Stage) -> None:
    made = Watched(
        stage,
        add_workflow(
            stage,
            """
            steps:
              - id: a
                run: echo $JOBCTL_WORKFLOW_ID $JOBCTL_STEP $JOBCTL_IDEMPOTENCY_KEY $COLOUR
                env: {COLOUR: "dark ${{ run.name }}"}
                queue: slow
                priority: 3
              - {id: b, needs: a, run: "true"}
            """,
            tags=("night",),
        ),
    )
    stage.store.queues.add("slow", 1, stage.clock.now_ms())
    supervisor = stage.supervise()
    supervisor.turn()
    assert [child.name for child in children_of(made)] == ["flow/a"]
    assert made.statuses["b"] == "pending"
    made.end(supervisor)
    first = stage.job(made.job("a"))
    assert (first.parent_id, first.workflow_id, first.step, first.queue, first.priority, first.tags) == (
        made.id, made.id, "a", "slow", 3, ("night",),
    )  # fmt: skip
    assert made.output("a").split() == [str(made.id), "a", f"{made.id}/a", "dark", "flow"]


def test_outputs_are_typed_and_handed_on_and_quoted(stage: Stage) -> None:
    made = run_workflow(
        stage,
        """
        params: {who: {default: "it's me; rm -rf"}}
        steps:
          - id: scan
            run: |
              printf 'count=3\\nnames=["a b", "$HOME"]\\n' >> "$JOBCTL_OUTPUT"
              printf '{"size": 7}' > "$JOBCTL_RESULT"
            outputs: {count: int, names: json}
          - {id: use, needs: scan, when: steps.scan.outputs.count == 3,
             run: ["echo", "${{ params.who }}", "${{ steps.scan.outputs.names[1] }}"]}
          - {id: quoted, needs: scan, run: "printf '%s|' ${{ params.who }} ${{ steps.scan.outputs.names }}"}
        """,
    )
    assert ended(JobStatus.COMPLETED, made.run)
    assert dict(made.step("scan").outputs) == {"count": 3, "names": ["a b", "$HOME"]}
    assert made.step("scan").result == {"size": 7}
    assert made.output("use") == "it's me; rm -rf $HOME\n"
    assert made.output("quoted") == "it's me; rm -rf|a b|$HOME|"
    assert made.step("use").when_result is True


def test_an_output_of_another_type_than_promised_fails_the_step(stage: Stage) -> None:
    made = run_workflow(
        stage,
        """
        steps:
          - id: scan
            run: echo count=many >> "$JOBCTL_OUTPUT"
            outputs: {count: int}
          - {id: next, needs: scan, run: "true"}
        """,
    )
    step = made.step("scan")
    assert (step.status, step.reason, dict(step.outputs)) == ("failed", "outputs", {})
    assert step.message is not None
    assert "count is not a whole number: 'many'" in step.message
    assert made.statuses["next"] == "upstream_failed"


def test_outputs_of_a_failed_attempt_are_not_published(stage: Stage) -> None:
    made = Watched(
        stage,
        add_workflow(
            stage,
            """
            steps:
              - id: flaky
                run: |
                  echo "attempt=$JOBCTL_ATTEMPT" >> "$JOBCTL_OUTPUT"; test $JOBCTL_ATTEMPT = 2
                outputs: {attempt: int}
                retry: {times: 1, delay: 1}
              - id: broken
                run: echo x=1 >> "$JOBCTL_OUTPUT"; exit 4
                outputs: {x: int}
            """,
        ),
    )
    made.end(tick=0.5)
    assert made.statuses == {"flaky": "completed", "broken": "failed"}
    assert dict(made.step("flaky").outputs) == {"attempt": 2}
    assert (dict(made.step("broken").outputs), made.step("broken").exit_code) == ({}, 4)


def test_a_step_that_waits_for_its_next_attempt_is_waiting(stage: Stage) -> None:
    made = Watched(
        stage, add_workflow(stage, "steps: [{id: a, run: 'exit 9', retry: {times: 3, on_exit: [9]}}]")
    )
    supervisor = stage.supervise()
    stage.turn_until(supervisor, lambda: made.statuses["a"] == "waiting")
    assert made.step("a").reason == "retry"
    assert made.end(supervisor, tick=60).status is JobStatus.FAILED
    assert stage.job(made.job("a")).attempt == 4


# --- readiness ---


def test_a_failure_blocks_only_what_is_behind_it_and_names_the_root_cause(stage: Stage) -> None:
    made = run_workflow(
        stage,
        """
        steps:
          - {id: bad, run: exit 3}
          - {id: next, needs: bad, run: "true"}
          - {id: after, needs: next, run: "true"}
          - {id: other, run: "true"}
          - {id: more, needs: other, run: "true"}
        """,
    )
    assert made.statuses == {
        "bad": "failed", "next": "upstream_failed", "after": "upstream_failed", "other": "completed",
        "more": "completed",
    }  # fmt: skip
    assert (made.step("after").cause, made.run.failure, made.run.reason) == ("bad", "bad", "steps_failed")
    assert ended(JobStatus.FAILED, made.run)


def test_a_skip_stops_a_chain_and_passes_a_join(stage: Stage) -> None:
    made = run_workflow(
        stage,
        """
        steps:
          - {id: off, when: 1 > 2, run: "true"}
          - {id: chain, needs: off, run: "true"}
          - {id: on, run: "true"}
          - {id: join, needs: [off, on], run: "true"}
          - {id: strict, needs: [off, on], trigger: strict, run: "true"}
          - {id: maybe, when: "false", optional: true, run: "true"}
          - {id: behind, needs: maybe, run: "true"}
        """,
    )
    assert made.statuses == {
        "off": "skipped", "chain": "skipped", "on": "completed", "join": "completed", "strict": "skipped",
        "maybe": "skipped", "behind": "completed",
    }  # fmt: skip
    assert (made.step("off").reason, made.step("chain").reason) == ("condition", "needs")
    assert made.step("off").when_result is False
    assert (made.run.status, made.run.outcome) == (JobStatus.COMPLETED, "clean")


def test_a_failure_is_not_laundered_through_a_skip(stage: Stage) -> None:
    made = run_workflow(
        stage,
        """
        steps:
          - {id: bad, run: "false"}
          - {id: off, when: "false", run: "true"}
          - {id: join, needs: [bad, off], run: "true"}
          - {id: end, needs: join, run: "true"}
        """,
    )
    assert (made.statuses["join"], made.statuses["end"]) == ("upstream_failed", "upstream_failed")


def test_triggers_override_readiness(stage: Stage) -> None:
    made = run_workflow(
        stage,
        """
        steps:
          - {id: bad, run: "false"}
          - {id: good, run: "true"}
          - {id: cleanup, needs: [bad, good], trigger: all_done, run: "true"}
          - {id: alarm, needs: [bad, good], trigger: any_failed, run: "true"}
          - {id: quiet, needs: good, trigger: any_failed, run: "true"}
        """,
    )
    assert made.statuses == {
        "bad": "failed", "good": "completed", "cleanup": "completed", "alarm": "completed", "quiet": "skipped"
    }  # fmt: skip
    assert made.run.status is JobStatus.FAILED


def test_a_condition_without_a_value_fails_the_step(stage: Stage) -> None:
    made = run_workflow(
        stage,
        """
        params: {mode: {default: full}}
        steps:
          - {id: a, when: params.mode > 3, run: "true"}
          - {id: b, run: "echo ${{ env.NOT_THERE_AT_ALL }}"}
        """,
    )
    first, second = made.step("a"), made.step("b")
    assert (first.status, first.reason) == ("failed", "condition")
    assert "cannot compare a text with a number" in (first.message or "")
    assert (second.status, second.reason, second.job_id) == ("failed", "template", None)


def test_an_allowed_failure_stays_visible_and_makes_the_outcome_partial(stage: Stage) -> None:
    made = run_workflow(
        stage,
        """
        steps:
          - {id: bad, run: exit 5, continue_on_error: true}
          - {id: next, needs: bad, run: "true"}
        """,
    )
    assert made.statuses == {"bad": "failed", "next": "completed"}
    assert (made.run.status, made.run.outcome, made.run.failure) == (JobStatus.COMPLETED, "partial", None)


def test_fail_fast_cancels_the_rest(stage: Stage) -> None:
    gate = stage.root / "gate"
    gate.touch()
    made = run_workflow(
        stage,
        f"""
        fail_fast: true
        steps:
          - {{id: slow, run: "while [ -e '{gate}' ]; do sleep 0.01; done"}}
          - {{id: bad, run: exit 3}}
          - {{id: later, needs: slow, run: "true"}}
          - {{id: behind, needs: bad, run: "true"}}
        """,
    )
    assert made.statuses["slow"] == made.statuses["later"] == "cancelled"
    assert (made.step("later").reason, made.step("slow").reason) == ("fail_fast", "fail_fast")
    assert (made.run.status, made.run.stop, made.run.failure) == (JobStatus.FAILED, "fail_fast", "bad")


def test_no_more_steps_run_at_once_than_max_parallel(stage: Stage) -> None:
    gate = stage.root / "gate"
    gate.touch()
    wait = f"while [ -e '{gate}' ]; do sleep 0.01; done"
    steps = "\n".join(f'          - {{id: s{n}, run: "{wait}"}}' for n in range(5))
    made = Watched(stage, add_workflow(stage, f"max_parallel: 2\nsteps:\n{steps}"))
    supervisor = stage.supervise()
    stage.turn_until(supervisor, lambda: list(made.statuses.values()).count("running") == 2)
    for _ in range(3):
        supervisor.turn()
    assert list(made.statuses.values()) == ["running", "running", "ready", "ready", "ready"]
    assert made.step("s4").reason == "parallel"
    gate.unlink()
    most = 0

    def over() -> bool:
        nonlocal most
        most = max(most, len(stage.store.runs.open_children(made.id)))
        return stage.status(made.id).is_terminal

    stage.turn_until(supervisor, over)
    assert most == 2
    assert made.run.status is JobStatus.COMPLETED


def test_a_queue_or_resource_that_is_not_there_fails_the_step(stage: Stage) -> None:
    made = run_workflow(
        stage,
        """
        steps:
          - {id: a, run: "true", queue: nowhere}
          - {id: b, run: "true", resources: {gpu: 1}}
        """,
    )
    assert made.statuses == {"a": "failed", "b": "failed"}
    assert (made.step("a").reason, made.step("b").reason) == ("refused", "refused")
    assert "no such queue: 'nowhere'" in (made.step("a").message or "")


# --- items ---


def test_items_run_side_by_side_and_hand_on_lists(stage: Stage) -> None:
    made = run_workflow(
        stage,
        """
        steps:
          - {id: scan, run: 'echo ''l=["a", "b c", "d"]'' >> "$JOBCTL_OUTPUT"', outputs: {l: json}}
          - id: each
            needs: scan
            foreach: ${{ steps.scan.outputs.l }}
            parallel: 2
            run: echo ${{ item }}; echo name=${{ item }} >> "$JOBCTL_OUTPUT"
            outputs: {name: string}
          - {id: use, needs: each, run: ["echo", "${{ steps.each.outputs.name }}"]}
        """,
    )
    assert made.item_statuses == {"each": ["completed"] * 3}
    items = stage.store.workflows.items(made.id, "each")
    assert [stage.output(item.job_id or made.id) for item in items] == ["a\n", "b c\n", "d\n"]
    assert [stage.job(item.job_id or made.id).step for item in items] == ["each[0]", "each[1]", "each[2]"]
    assert made.output("use") == '["a","b c","d"]\n'


def test_no_more_items_run_at_once_than_parallel(stage: Stage) -> None:
    gate = stage.root / "gate"
    gate.touch()
    made = Watched(
        stage,
        add_workflow(
            stage,
            f"""
            steps:
              - id: each
                foreach: [1, 2, 3, 4, 5]
                parallel: 2
                run: while [ -e '{gate}' ]; do sleep 0.01; done
            """,
        ),
    )
    supervisor = stage.supervise()
    stage.turn_until(supervisor, lambda: made.item_statuses.get("each", []).count("running") == 2)
    supervisor.turn()
    assert made.item_statuses["each"] == ["running", "running", "pending", "pending", "pending"]
    gate.unlink()
    assert made.end(supervisor).status is JobStatus.COMPLETED


@pytest.mark.parametrize(
    ("tolerate", "status", "outcome"),
    [("0", "failed", None), ("1", "completed", "partial"), ("34%", "completed", "partial")],
)  # fmt: skip
def test_items_may_fail_as_far_as_is_tolerated(
    stage: Stage, tolerate: str, status: str, outcome: str | None
) -> None:
    made = run_workflow(
        stage,
        f"""
        steps:
          - id: each
            foreach: [0, 7, 0]
            tolerate: {tolerate}
            run: exit ${{{{ item }}}}
          - {{id: next, needs: each, run: "true"}}
        """,
    )  # fmt: skip
    assert made.item_statuses == {"each": ["completed", "failed", "completed"]}
    assert (made.statuses["each"], made.run.outcome) == (status, outcome)
    assert made.step("each").message == "1 of 3 items failed"


def test_with_fail_fast_too_many_failed_items_end_the_others(stage: Stage) -> None:
    made = run_workflow(
        stage,
        """
        fail_fast: true
        steps:
          - {id: each, foreach: [0, 7, 0, 0], parallel: 1, run: "exit ${{ item }}"}
        """,
    )
    assert made.item_statuses == {"each": ["completed", "failed", "cancelled", "cancelled"]}
    assert (made.statuses["each"], made.run.failure, made.run.stop) == ("failed", "each", "fail_fast")
    assert made.run.status is JobStatus.FAILED


def test_no_items_complete_and_what_is_no_list_fails(stage: Stage) -> None:
    made = run_workflow(
        stage,
        """
        params: {l: {type: json, default: []}, n: {default: 3}}
        steps:
          - {id: none, foreach: "${{ params.l }}", run: "echo ${{ item }}", outputs: {x: int}}
          - {id: wrong, foreach: "${{ params.n }}", run: "echo ${{ item }}"}
          - {id: next, needs: none, run: "true"}
        """,
    )
    assert made.statuses == {"none": "completed", "wrong": "failed", "next": "completed"}
    assert (dict(made.step("none").outputs), made.step("none").items) == ({"x": []}, 0)
    assert "foreach needs a list" in (made.step("wrong").message or "")


# --- workflows within workflows ---

BELOW = """
name: below
params: {n: {type: int, default: 1}}
steps:
  - {id: one, when: params.n > 0, run: "echo n=${{ params.n }}"}
  - {id: two, needs: one, run: "exit ${{ params.n if params.n > 5 else 0 }}"}
"""


def test_a_workflow_is_a_step_of_another(stage: Stage) -> None:
    text = """
    steps:
      - {id: before, run: "true"}
      - {id: part, needs: before, workflow: below.yaml, with: {n: "${{ 2 }}"}}
      - {id: after, needs: part, run: "true"}
    """
    made = run_workflow(stage, text, parts={"below.yaml": bundle(BELOW)})
    assert ended(JobStatus.COMPLETED, made.run)
    below = Watched(stage, made.job("part"))
    assert below.output("one") == "n=2\n"
    job = stage.job(below.id)
    assert (job.parent_id, job.workflow_id, job.step, job.name) == (made.id, made.id, "part", "flow/part")


@pytest.mark.parametrize(
    ("n", "part", "after"), [(7, "failed", "upstream_failed"), (0, "skipped", "skipped")]
)
def test_how_a_workflow_ends_is_how_its_step_ends(stage: Stage, n: int, part: str, after: str) -> None:
    text = f"""
    steps:
      - {{id: part, workflow: below.yaml, with: {{n: {n}}}}}
      - {{id: after, needs: part, run: "true"}}
    """
    made = run_workflow(stage, text, parts={"below.yaml": bundle(BELOW)})
    assert made.statuses == {"part": part, "after": after}


def test_a_partial_workflow_makes_the_whole_partial(stage: Stage) -> None:
    below = bundle(
        "name: below\nsteps: [{id: a, run: 'false', continue_on_error: true}, {id: b, run: 'true'}]"
    )
    made = run_workflow(stage, "steps: [{id: part, workflow: b.yaml}]", parts={"b.yaml": below})
    assert (made.statuses, made.run.outcome) == ({"part": "completed"}, "partial")


def test_arguments_that_do_not_fit_fail_the_step(stage: Stage) -> None:
    text = "steps: [{id: part, workflow: below.yaml, with: {n: many}}]"
    made = run_workflow(stage, text, parts={"below.yaml": bundle(BELOW)})
    assert (made.step("part").status, made.step("part").reason, made.step("part").job_id) == (
        "failed", "refused", None,
    )  # fmt: skip


# --- handlers and time ---


def test_handlers_fire_after_the_last_retry_and_never_mask_a_failure(stage: Stage) -> None:
    made = Watched(
        stage,
        add_workflow(
            stage,
            """
            steps: [{id: bad, run: exit 3, retry: {times: 1, delay: 1}}]
            on_failure: echo ${{ failure.step }} ${{ failure.status }} ${{ failure.exit_code }}; exit 1
            on_exit: echo bye
            """,
        ),
    )
    run = made.end(tick=0.5)
    assert (run.status, run.failure) == (JobStatus.FAILED, "bad")
    children = stage.store.workflows.children(made.id)
    assert [child.role for child in children] == [Role.STEP, Role.ON_FAILURE, Role.ON_EXIT]
    assert stage.job(children[0].job_id).attempt == 2
    assert stage.output(children[1].job_id) == "bad failed 3\n"
    assert stage.status(children[1].job_id) is JobStatus.FAILED
    assert stage.status(children[2].job_id) is JobStatus.COMPLETED


def test_on_exit_runs_after_success_too_and_on_failure_does_not(stage: Stage) -> None:
    made = run_workflow(stage, "steps: [{id: a, run: 'true'}]\non_failure: 'true'\non_exit: 'false'")
    assert made.run.status is JobStatus.COMPLETED
    assert (made.of_role(Role.ON_FAILURE), made.of_role(Role.ON_EXIT)) == ([], ["on_exit"])


def test_a_workflow_out_of_time_ends_what_runs_and_is_a_timeout(stage: Stage) -> None:
    gate = stage.root / "gate"
    gate.touch()
    made = Watched(
        stage,
        add_workflow(
            stage,
            f"""
            timeout: 60
            steps:
              - {{id: slow, run: "while [ -e '{gate}' ]; do sleep 0.01; done"}}
              - {{id: next, needs: slow, run: "true"}}
            on_failure: echo failed
            """,
        ),
    )
    supervisor = stage.supervise()
    stage.turn_until(supervisor, lambda: made.statuses["slow"] == "running")
    stage.start(supervisor, made.job("slow"))
    assert supervisor.pause_seconds() <= 60
    stage.clock.advance(61)
    run = made.end(supervisor)
    assert (run.status, run.reason, run.stop) == (JobStatus.TIMEOUT, "timeout", "timeout")
    assert made.statuses == {"slow": "cancelled", "next": "cancelled"}
    assert (made.step("next").reason, made.of_role(Role.ON_FAILURE)) == ("timeout", [])


def test_a_step_out_of_time_is_a_failure_of_its_own_kind(stage: Stage) -> None:
    gate = stage.root / "gate"
    gate.touch()
    text = f"steps: [{{id: slow, timeout: 5, run: \"while [ -e '{gate}' ]; do sleep 0.01; done\"}}]"
    made = Watched(stage, add_workflow(stage, text))
    assert made.end(tick=1).status is JobStatus.FAILED
    assert made.statuses == {"slow": "timeout"}


# --- recorded workflows ---


@pytest.mark.parametrize("name", ["wfi-helloworld-chain-5-chameleon", "wfi-blast-chameleon-small-001"])
def test_recorded_workflows_fail_as_their_oracles_say(stage: Stage, name: str) -> None:
    recorded = recorded_workflow(name)
    oracle = recorded.oracles[0]
    made = run_workflow(stage, recorded.text(failing=[oracle.fail]))
    counts = list(made.statuses.values())
    assert counts.count("upstream_failed") == oracle.upstream_failed
    assert counts.count("completed") == oracle.completed
    assert counts.count("failed") == 1
