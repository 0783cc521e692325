from __future__ import annotations

from typing import Any

import pytest
import yaml
from hypothesis import given
from hypothesis import strategies as st

from jobctl.model.problems import Problem
from jobctl.model.yaml_nodes import DEEPEST, MOST_NODES, MappingNode, Node, ScalarNode, read_yaml


def plain(node: Node | None) -> Any:
    """The Python values of a tree."""
    if node is None or isinstance(node, ScalarNode):
        return None if node is None else node.value
    if isinstance(node, MappingNode):
        return {name: plain(value) for name, (_, value) in node.entries.items()}
    return [plain(item) for item in node.items]


def problems_of(text: str) -> list[tuple[int, int, str]]:
    return [(one.mark.line, one.mark.column, one.message) for one in read_yaml(text)[1]]


def the_problem(text: str) -> Problem:
    (found,) = read_yaml(text)[1]
    return found


@pytest.mark.parametrize("text", ["", "\n\n", "# only words\n", "  # one\r\n\r\n# two", "---\n", "\t"])
def test_a_file_without_content_is_no_tree_or_null(text: str) -> None:
    node, problems = read_yaml(text)
    assert problems == []
    assert plain(node) is None


def test_a_tree_keeps_order_kinds_and_places() -> None:
    node, problems = read_yaml("b: [1, on, 'on', {c: 0.5}]\na: ~\n")
    assert problems == []
    assert plain(node) == {"b": [1, "on", "on", {"c": 0.5}], "a": None}
    assert isinstance(node, MappingNode)
    key, value = node.entries["a"]
    assert (key.mark.line, key.mark.column, value.mark.line, value.mark.column) == (2, 1, 2, 4)


def test_quotes_make_a_text() -> None:
    node, _ = read_yaml("- '1'\n- \"true\"\n- |\n  1\n- ! 1\n")
    assert plain(node) == ["1", "true", "1\n", "1"]


def test_a_key_given_twice_is_a_problem_and_the_first_counts() -> None:
    node, problems = read_yaml("a: 1\nb: 2\na: 3\n")
    assert plain(node) == {"a": 1, "b": 2}
    assert [str(problem) for problem in problems] == ["key given twice: 'a'; first in line 1; keep one"]


@pytest.mark.parametrize(
    ("text", "where", "message"),
    [
        ("a: !!str 1\n", (1, 4), "tags are not used here"),
        ("a: !python/object:os.system []\n", (1, 4), "tags are not used here"),
        ("? [a]\n: 1\n", (1, 3), "a key must be a plain text"),
        ("a: *b\n", (1, 4), "no such anchor"),
        ("a: &a [*a]\n", (1, 8), "refers to what it is part of"),
        ("a: 1\n---\nb: 2\n", (2, 1), "a second document"),
        ("a: \x1b[31m\n", (1, 4), "control character U+001B"),
        ("'': 1\n", (1, 1), "a key is missing"),
    ],
)
def test_what_a_file_must_not_hold_is_found_in_its_place(
    text: str, where: tuple[int, int], message: str
) -> None:
    assert problems_of(text) == [(*where, message)]


@pytest.mark.parametrize(
    ("text", "line", "hint"),
    [
        ("a: 1\nb: c: d\n", 2, "quotes"),
        ("a:\n\tb: 1\n", 2, "tabs"),
        ("a: @x\n", 1, "quotes"),
        ("a: {b: ${{ x }}}\n", 1, "${{ }}"),
    ],
)
def test_a_syntax_error_has_a_place_and_a_hint(text: str, line: int, hint: str) -> None:
    problem = the_problem(text)
    assert problem.message.startswith("not valid YAML")
    assert problem.mark.line == line
    assert hint in problem.hint


def test_several_problems_are_found_in_one_reading() -> None:
    assert len(problems_of("a: !!int 1\na: 2\nb: *c\n? {d: 1}\n: 2\n")) == 4


def test_depth_is_limited() -> None:
    deep = "[" * DEEPEST + "]" * DEEPEST
    assert read_yaml(deep)[1] == []
    assert the_problem(f"[{deep}]").message == f"nested deeper than {DEEPEST}"
    assert the_problem("[" * 100_000).message == f"nested deeper than {DEEPEST}"


def test_depth_through_aliases_is_limited() -> None:
    text = "- &a0 [x]\n" + "".join(f"- &a{n} [*a{n - 1}]\n" for n in range(1, 100))
    assert the_problem(text).message == f"nested deeper than {DEEPEST}"


def test_a_billion_laughs_are_refused() -> None:
    text = "- &a0 [" + ", ".join(["lol"] * 10) + "]\n"
    text += "".join(f"- &a{n} [{', '.join([f'*a{n - 1}'] * 10)}]\n" for n in range(1, 10))
    assert the_problem(text).message == f"more than {MOST_NODES:,} values"


def test_an_alias_stands_for_its_anchor() -> None:
    node, problems = read_yaml("a: &x {b: [1]}\nc: *x\n")
    assert problems == []
    assert plain(node) == {"a": {"b": [1]}, "c": {"b": [1]}}


@given(st.text(max_size=60))
def test_any_text_gives_a_tree_or_problems_and_never_an_exception(text: str) -> None:
    node, problems = read_yaml(text)
    assert node is None or problems == [] or all(problem.mark.line >= 1 for problem in problems)


_LEAVES = (
    st.none()
    | st.booleans()
    | st.integers()
    | st.floats(allow_nan=False, allow_infinity=False)
    | st.text(st.characters(max_codepoint=0xD7FF), max_size=8)
)


@given(
    st.recursive(
        _LEAVES,
        lambda inner: (
            st.lists(inner, max_size=4) | st.dictionaries(st.from_regex("[a-z]{1,5}", fullmatch=True), inner)
        ),
        max_leaves=12,
    )
)
def test_what_json_can_hold_is_read_back(value: Any) -> None:
    import json

    node, problems = read_yaml(json.dumps(value))
    assert problems == []
    assert plain(node) == value


def test_infinity_is_read_as_yaml_writes_it() -> None:
    assert plain(read_yaml("[.inf, -.INF, 'Infinity']")[0]) == [float("inf"), float("-inf"), "Infinity"]


def test_the_c_parser_and_the_pure_one_agree(monkeypatch: pytest.MonkeyPatch) -> None:
    text = "a: [1, on, 'x', &b {c: 2}, *b]\nd: |\n  text\n"
    with_c = plain(read_yaml(text)[0])
    monkeypatch.delattr(yaml, "CSafeLoader", raising=False)
    assert plain(read_yaml(text)[0]) == with_c
