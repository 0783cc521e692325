from __future__ import annotations

import pytest

from jobctl.errors import BadFileError
from jobctl.model.workflow_files import parse_workflow, workflow_of


def problems(text: str) -> list[dict[str, object]]:
    with pytest.raises(BadFileError) as caught:
        parse_workflow(text, "flow.yaml")
    assert (caught.value.code, caught.value.exit_code) == ("E_WORKFLOW", 2)
    return list(caught.value.problems)


def messages(text: str) -> list[str]:
    with pytest.raises(BadFileError) as caught:
        parse_workflow(text, "flow.yaml")
    details = caught.value.details
    if len(caught.value.problems) == 1:
        return [str(caught.value).split(": ", 1)[1]]
    return [line.split(": ", 1)[1] for line in details if line.startswith("flow.yaml:")]


def one_step(*lines: str) -> str:
    return "steps:\n  - id: a\n" + "".join(f"    {line}\n" for line in lines)


EIGHT = """\
name: eight
steps:
  - id: extract
    run: ./extract ${{ params.day }}
    retries: 3
  - id: transform
    needs: [extrat]
    if: steps.extract.status == 'completed'
    run: ./transform
  - id: load
    needs: transform
    when: steps.transform.outputs.rows > open('x')
    command: ./load
  - id: a
    needs: c
    timeout: 5x
    run: echo
  - id: b
    needs: [a]
    run: echo
  - id: c
    needs: [b]
    run: echo
  - id: c
    run: echo
"""


def test_a_file_with_nine_mistakes_gets_nine_carets_in_one_pass() -> None:
    with pytest.raises(BadFileError) as caught:
        parse_workflow(EIGHT, "flow.yaml")
    assert (
        "\n".join(caught.value.details)
        == """\
flow.yaml:4:24: unknown parameter: 'day'; there is none
     4 |     run: ./extract ${{ params.day }}
       |                        ^
flow.yaml:5:5: unknown key of a step: 'retries'; here it is called retry ({times: 3, delay: 10s})
     5 |     retries: 3
       |     ^
flow.yaml:7:13: needs an unknown step: 'extrat'; did you mean extract?
     7 |     needs: [extrat]
       |             ^
flow.yaml:8:5: unknown key of a step: 'if'; here it is called when
     8 |     if: steps.extract.status == 'completed'
       |     ^
flow.yaml:12:42: unknown function: 'open'; known: contains, endswith, exists, float, int, len, lower, startswith, str
    12 |     when: steps.transform.outputs.rows > open('x')
       |                                          ^
flow.yaml:13:5: unknown key of a step: 'command'; here it is called run
    13 |     command: ./load
       |     ^
flow.yaml:15:12: dependency cycle: a needs c needs b needs a; remove one of these needs
    15 |     needs: c
       |            ^
flow.yaml:16:14: bad timeout: '5x'; examples: 90s, 5m, 2h30m, 1d
    16 |     timeout: 5x
       |              ^
flow.yaml:24:9: two steps of one id: 'c'; first in line 21; rename one
    24 |   - id: c
       |         ^"""
    )


FOREIGN = {
    "depends: [b]": "needs", "depends_on: b": "needs", "dependsOn: [b]": "needs", "if: true": "when",
    "command: x": "run", "script: x": "run", "retries: 2": "retry", "timeout-minutes: 5": "timeout (20m, 2h)",
    "timeout_seconds: 5": "timeout (90s)", "matrix: [1]": "foreach", "continueOn: {failure: true}": "continue_on_error",
    "name: x": "id", "uses: x": "workflow", "output: X": "outputs", "trigger_rule: all_done": "trigger",
    "precondition: x": "when", "ignore_errors: true": "continue_on_error", "working-directory: x": "cwd",
}  # fmt: skip


@pytest.mark.parametrize(("line", "meant"), FOREIGN.items())
def test_words_of_other_programs_are_explained(line: str, meant: str) -> None:
    found = problems(one_step("run: echo", line))
    assert len(found) == 1
    assert meant.split(" ")[0] in str(found[0]["hint"])


@pytest.mark.parametrize(
    ("line", "hint"),
    [
        ("on: {schedule: daily}", "a schedule starts it"), ("schedule: '* * * * *'", "a schedule starts it"),
        ("jobs: {}", "here it is called steps"), ("concurrency: 3", "here it is called max_parallel"),
        ("handlerOn: {}", "give on_failure: and on_exit:"), ("inputs: {}", "here it is called params"),
        ("max-parallel: 3", "did you mean max_parallel?"), ("retries: 3", "defaults: {retry: {times: 3}}"),
    ],
)  # fmt: skip
def test_foreign_words_of_the_whole_are_explained(line: str, hint: str) -> None:
    found = problems(f"{line}\n{one_step('run: echo')}")
    assert len(found) == 1
    assert hint in str(found[0]["hint"])


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("", "flow.yaml:1:1: the file is empty; give steps:"), ("[]", "a workflow must hold keys and values: 'a list'"),
        ("name: x", "the workflow has no steps; give steps:"), ("steps: []", "steps must be a list of steps"),
        ("steps: {a: {run: x}}", "steps must be a list of steps; write - id: NAME for each"),
        ("steps: [echo]", "a step must hold keys and values: 'echo'; write id: and run:"),
        ("steps: [{run: x}]", "the step has no id; give id: NAME"),
        ("steps: [{id: 'a b', run: x}]", "bad id: 'a b'"),
        ("steps: [{id: 1, run: x}]", "id must be a text: '1'; put it in quotes"),
        (one_step(), "the step does nothing: 'a'; give run, call, workflow or approve"),
        (one_step("run: x", "approve: true"), "a step has run or approve, not both; make it two steps"),
        (one_step("run: []"), "run is empty"), (one_step("run: 5"), "run must be a shell line or a list of words: '5'"),
        (one_step("run: x", "needs: a"), "a step cannot need itself: 'a'; remove it"),
        (one_step("run: x", "needs: [b, b]") + "  - {id: b, run: x}\n", "needed twice: 'b'; keep one"),
        (one_step("run: x", "with: {a: 1}"), "with means nothing beside run"),
        (one_step("run: x", "parallel: 2"), "parallel means nothing without foreach"),
        (one_step("run: x", "tolerate: 2"), "tolerate means nothing without foreach"),
        (one_step("run: x", "undo_if: started"), "undo_if means nothing without undo"),
        (one_step("run: x", "trigger: any_failed"), "any_failed without needs never starts"),
        (one_step("run: x", "trigger: always"), "bad trigger: 'always'; give none_failed or strict or"),
        (one_step("approve: true", "timeout: 5m"), "timeout means nothing beside approve; give approve: {expires: …}"),
        (one_step("workflow: x", "outputs: [a]"), "a sub-workflow has no outputs"),
        (one_step("run: x", "foreach: a.b"), "that gives one: 'a.b'; write ${{ a.b }}"),
        (one_step("run: x", "foreach: ${{ run.id }} x"), "foreach must be one ${{ }}"),
        (one_step("run: x", "foreach: ['${{ run.id }}']"), "an item is written out"),
        (one_step("run: x", "foreach: 5"), "foreach must be a list, or ${{ … }} that gives one: '5'"),
        (one_step("run: x", f"foreach: [{', '.join('1' * 10_001)}]"), "more than 10,000 items; use a batch"),
        (one_step("run: x", "foreach: [1]", "tolerate: 101%"), "tolerate must be 0..100"),
        (one_step("run: x", "retry: {delay: 5s}"), "retry has no times; give times: 3"),
        (one_step("run: x", "retry: {times: 2, delay: 2h, max_delay: 1h}"), "the delay exceeds max_delay"),
        (one_step("run: x", "retry: {times: 2, on_exit: 256}"), "on_exit must be 0..255"),
        (one_step("run: x", "retry: {attempts: 2}"), "unknown key of retry: 'attempts'; here it is called times"),
        (one_step("run: x", "outputs: {a: list}"), "bad a: 'list'"),
        (one_step("run: x", "outputs: ['a b']"), "bad name in outputs"),
        (one_step("run: x", "undo: {timeout: 5}"), "undo has no run"),
        (one_step("run: x", "resource: gpu", "resources: gpu"), "resource and resources; keep one"),
        (one_step("run: x", "resources: gpu=0"), "gpu must be 1..100000"),
        (one_step("run: x", "env: {JOBCTL_HOME: x}"), "jobctl sets this variable itself"),
        ("rollback: [never, on_cancel]\n" + one_step("run: x"), "never stands beside an occasion"),
        ("params: {a: {type: int, default: x}}\n" + one_step("run: 'echo ${{ params.a }}'"), "bad a: 'x'; give"),
        ("name: '12'\n" + one_step("run: x"), "name is only digits"),
    ],
)  # fmt: skip
def test_what_makes_no_sense_is_told_once(text: str, message: str) -> None:
    found = messages(text)
    assert len(found) == 1, found
    assert message.split("flow.yaml:1:1: ")[-1] in found[0]


@pytest.mark.parametrize(
    ("text", "line", "column", "message"),
    [
        (one_step("run: echo ${{ params.x }}"), 3, 19, "unknown parameter"),
        (one_step("run: 'echo ${{ params.x }}'"), 3, 20, "unknown parameter"),
        (one_step("run: |", "  echo", "  echo  ${{ params.x }}"), 5, 17, "unknown parameter"),
        (one_step("run: >", "  echo", "  echo  ${{ params.x }}"), 3, 10, "unknown parameter"),
        (one_step('run: "\\t${{ params.x }}"'), 3, 10, "unknown parameter"),
        (one_step("run: [echo, '${{ params.x }}']"), 3, 22, "unknown parameter"),
        (one_step("run: echo ${{ params.x"), 3, 15, "${{ is not closed"),
        (one_step("run: echo ${{ steps.b.status }}"), 3, 19, "unknown step"),
        (one_step("run: echo ${{ steps.a.status }}"), 3, 19, "a step cannot look at itself"),
        (one_step("run: echo ${{ item }}"), 3, 19, "there is no item here"),
        (one_step("run: echo ${{ failure.step }}"), 3, 19, "there is no failure here"),
        (one_step("run: echo ${{ run.nothing }}"), 3, 19, "run has no key"),
        (one_step("run: x", "when: params.x == 1"), 4, 11, "unknown parameter"),
        (one_step("run: x", "when: ${{ params.x == 1 }}"), 4, 15, "unknown parameter"),
        (one_step("run: x", "when: __import__('os')"), 4, 11, "unknown function"),
        (one_step("run: x", "when: item == 1", "foreach: [1]"), 4, 11, "there is no item here"),
        (one_step("run: x", "undo: {run: 'x ${{ params.x }}'}"), 4, 24, "unknown parameter"),
        (one_step("run: x", "env: {A: '${{ params.x }}'}"), 4, 19, "unknown parameter"),
        (one_step("workflow: x", "with: {a: {b: ['${{ params.x }}']}}"), 4, 25, "unknown parameter"),
        (one_step("approve: {prompt: '${{ params.x }}'}"), 3, 28, "unknown parameter"),
        (one_step("run: cat <<E", "  x") + "env: {A: '${{ steps.a.status }}'}", 5, 15, "no step has ended here"),
        (one_step("run: x") + "on_exit: echo ${{ failure.step }}", 4, 19, "there is no failure here"),
        (one_step("run: x") + "on_failure: echo ${{ failure.stp }}", 4, 22, "failure has no key"),
        (one_step("run: |", "  cat <<E", "  ${{ run.id }}", "  E"), 5, 7, "no value is safe in a here-document"),
        (one_step("run: x", "outputs: [n]") + "  - {id: b, needs: a, run: 'x ${{ steps.a.outputs.m }}'}", 5, 35,
         "a has no output"),
        (one_step("run: x") + "  - {id: b, needs: a, run: '${{ steps.a.outputs.m }}'}", 4, 33, "a declares no output"),
        (one_step("run: x") + "  - {id: b, needs: a, run: 'x ${{ steps.a.state }}'}", 4, 35, "a step has no key"),
        (one_step("run: x") + "  - {id: b, run: '${{ steps.a }}'}", 4, 23, "b does not need the step it looks at"),
    ],
)  # fmt: skip
def test_a_caret_points_into_the_expression(text: str, line: int, column: int, message: str) -> None:
    (found,) = problems(text)
    assert (found["line"], found["column"], found["message"]) == (line, column, message)


def test_a_template_in_a_flow_map_gets_its_own_hint() -> None:
    (found,) = problems(one_step("workflow: x", "with: {full: ${{ params.x }}}"))
    assert found["hint"] == "put the text with ${{ }} in quotes"
    assert found["line"] == 4


@pytest.mark.parametrize(
    ("lines", "message", "line"),
    [
        (["call: pkg.mod.f"], "bad call", 3),
        (["call: 'pkg.mod:f; rm'"], "bad call", 3),
        (["call: '${{ params.f }}'"], "templates are not used in call", 3),
        (["call: a:f", "with: {x: 1}", "args: {y: 1}"], "with and args", 5),
        (["run: x", "args: {y: 1}"], "args means nothing beside run", 4),
        (["call: a:f", "with: {x: '${{ steps.b.result }}'}"], "unknown step", 4),
        (["call: a:f", "args: {x: ['${{ item }}']}"], "there is no item here", 4),
        (["run: x", "undo: {run: x, call: a:f}"], "undo has run or call, not both", 4),
        (["run: x", "undo: {with: {x: 1}}"], "undo has no run", 4),
        (["run: x", "undo: {run: y, with: {x: 1}}"], "with means nothing beside run", 4),
        (["run: x", "undo: {call: a:f, with: {x: '${{ nothing }}'}}"], "unknown name", 4),
    ],
)
def test_a_call_that_is_none_is_told(lines: list[str], message: str, line: int) -> None:
    found = problems(one_step(*lines))[0]
    assert (found["message"], found["line"]) == (message, line)


def test_what_a_called_function_gives_is_known_where_it_is_declared() -> None:
    head = "steps: [{id: a, call: 'm:f'%s}, {id: b, needs: a, when: steps.a.outputs.n > 0, run: x}]"
    parse_workflow(head % "", "flow.yaml")
    parse_workflow(head % ", outputs: {n: int}", "flow.yaml")
    (found,) = problems(head % ", outputs: {m: int}")
    assert found["message"] == "a has no output"


def test_thousands_of_problems_are_told_quickly() -> None:
    steps = [f"  - {{id: step{number}, needs: [stepp{number + 1}], run: x}}" for number in range(3000)]
    assert len(problems("steps:\n" + "\n".join(steps))) == 3000


def test_a_long_cycle_is_shown_shortened() -> None:
    steps = [f"  - {{id: s{number}, needs: [s{(number + 1) % 1500}], run: x}}" for number in range(1500)]
    (found,) = problems("steps:\n" + "\n".join(steps))
    assert str(found["message"]).endswith("s10 needs s11 needs … needs s0")


def test_a_wrong_document_is_told_with_places_in_its_text() -> None:
    with pytest.raises(BadFileError) as caught:
        workflow_of({"name": "x", "steps": [{"id": "a", "run": "x", "needs": ["b"]}]})
    assert str(caught.value) == "workflow:8:9: needs an unknown step: 'b'; known: a"
