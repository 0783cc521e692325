from __future__ import annotations

from contextlib import suppress
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from jobctl.errors import EvaluationError, ExpressionError
from jobctl.model.documents import Json
from jobctl.model.expressions import LONGEST, Expression

NAMES: dict[str, Any] = {
    "params": {
        "mode": "full",
        "n": 3,
        "f": 1.5,
        "on": True,
        "tags": ["a", "b"],
        "none": None,
        "class": "A",
        "и": 1,
    },
    "steps": {
        "scan": {"status": "completed", "outputs": {"count": 12, "batches": [{"id": "x"}]}},
        "build-all": {"status": "failed", "outputs": {}},
        "import": {"status": "skipped", "outputs": {"not-so": 1}},
    },
    "env": {"HOME": "/root"},
    "item": {"path": "a b.jpg"},
    "run": {"id": 7},
}


def value(text: str) -> Json:
    return Expression.parse(text).evaluate(NAMES)


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("params.mode == 'full'", True), ("params['mode']", "full"), ("params.n > 2 and params.n < 9", True),
        ("1 < params.n <= 3", True), ("params.n == 3.0", True), ("not params.on", False), ("-params.n", -3),
        ("steps.scan.outputs.count > 0", True), ("steps.scan.outputs.batches[0].id", "x"),
        ("steps.scan.outputs.batches[-1]['id']", "x"), ("steps.build-all.status == 'failed'", True),
        ("steps.import.outputs.not-so", 1), ("params.class", "A"), ("params['и']", 1), ("params . class", "A"),
        ("'a' in params.tags", True), ("'z' not in params.tags", True), ("'mode' in params", True),
        ("'ul' in params.mode", True), ("params.mode in ['full', 'fast']", True), ("params.n in (1, 2)", False),
        ("'many' if params.n > 2 else 'few'", "many"), ("params.none or 'x'", "x"), ("params.on and 5", 5),
        ("len(params.tags)", 2), ("len('é')", 1), ("int('12')", 12), ("int(params.f)", 1), ("float('1.5')", 1.5),
        ("str(params.on)", "true"), ("str(params.tags)", '["a","b"]'), ("str(null)", ""), ("lower('AB')", "ab"),
        ("contains(params.mode, 'ul')", True), ("contains(params.tags, 'a')", True), ("contains(params, 'n')", True),
        ("startswith(item.path, 'a ')", True), ("endswith(item.path, '.jpg')", True), ("true", True), ("True", True),
        ("false or null", None), ("exists(params.mode)", True), ("exists(params.nothing)", False),
        ("exists(failure.step)", False), ("exists(params.none)", False), ("exists(steps.scan.outputs['x'])", False),
        ("1.5e3", 1500.0), ("'it\\'s'", "it's"), ('"}}"', "}}"), ("  run.id\n  == 7 ", True),
        ("[1, 'a', [true]]", [1, "a", [True]]),
        ("params[params.mode] if false else 0", 0), ("env.HOME", "/root"), ("item", {"path": "a b.jpg"}),
        ("'import.class'", "import.class"), ("[] in [[]]", True), ("[] in params", False),
    ],
)  # fmt: skip
def test_an_expression_has_the_value_that_it_says(text: str, expected: Json) -> None:
    found = value(text)
    assert found == expected
    assert type(found) is type(expected)


HOSTILE = [
    "__import__('os').system('touch /tmp/pwned')",
    "().__class__.__bases__[0].__subclasses__()",
    "params.__class__.__mro__",
    "''.__class__",
    "params.get('mode')",
    "params.mode.upper()",
    "'{0.__class__}'.format(params)",
    "f'{params}'",
    "f'{__import__(\"os\")}'",
    "[x for x in params]",
    "{x for x in params}",
    "(x for x in params)",
    "{'a': 1}",
    "{**params}",
    "lambda: 1",
    "(lambda: 1)()",
    "open('/etc/passwd')",
    "eval('1')",
    "exec('1')",
    "getattr(params, 'mode')",
    "globals()",
    "'a' * 10**9",
    "9 ** 9 ** 9",
    "1 << 99999",
    "[1] * 99999999",
    "'a' + 'b'",
    "'%1000000000d' % 1",
    "(x := 5)",
    "await params",
    "(yield)",
    "b'bytes'",
    "...",
    "1j",
    "1e999",
    "9" * 1999,
    "params is None",
    "params[0:1]",
    "print(*params)",
    "len(x=params)",
    "len",
    "raw(params.mode)",
    "import os",
    "params; import os",
    "params\\\n.mode",
    "params # comment",
    "`id`",
    "$(id)",
    "ｐarams.mode",
    "\u0430arams",
    "params.\u0438mport",
    "'''a'''",
    "'a\nb'",
    "'a\0b'",
    "'unclosed",
    "not " * 400 + "true",
    "-" * 300 + "1",
    "[" * 200 + "]" * 200,
    "(" * 51 + "1" + ")" * 51,
    "params" + ".a" * 60,
    "a" * (LONGEST + 1),
    "",
    "   ",
    "@",
    "True if",
    "params.mode = 'full'",
    "params.a && params.b",
    "nothing",
    "exists(1)",
    "exists('a' == 'b')",
    "len()",
    "len(1, 2)",
    "\ud800",
    "'\ud800' == \ud800",
]


@pytest.mark.parametrize("text", HOSTILE)
def test_what_is_not_on_the_list_is_refused_before_it_is_evaluated(text: str) -> None:
    with pytest.raises(ExpressionError) as caught:
        Expression.parse(text)
    assert caught.value.code == "E_EXPRESSION"
    assert caught.value.exit_code == 2
    assert 1 <= caught.value.column <= len(text) + 1


@pytest.mark.parametrize(
    "text",
    ["params.items", "params.keys", "item.path.upper", "params['__class__']", "run.id.real",
     "params.mode[0]", "params.tags['a']", "params.tags[true]", "params[0]"],
)  # fmt: skip
def test_a_look_up_never_leaves_the_data(text: str) -> None:
    with pytest.raises(EvaluationError):
        value(text)


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("params.mod", "params has no key: 'mod'; did you mean mode?"),
        ("steps.build-all.outputs.x", "steps.build-all.outputs has no key: 'x'; it is empty"),
        (
            "params.n < 'a'",
            "cannot compare a number with a text: 'params.n < 'a''; convert with int(), float() or str()",
        ),
        ("params.tags[2]", "params.tags has no such place: '2'; it holds 2"),
        ("params.n.x", "params.n is a number; it has no part 'x'"),
        ("failure.step", "not known here: 'failure'; known: env, item, params, run, steps"),
        ("len(params.n)", "len() cannot take a number: 'len(params.n)'; give a text, a list or keys and values"),
        ("int('1_000')", "int() cannot take a text: 'int('1_000')'; give a number or a text such as '12'"),
        ("int(params.none)", "int() cannot take null: 'int(params.none)'; give a number or a text such as '12'"),
        ("'a' in 5", "cannot compare a text with a number: ''a' in 5'; convert with int(), float() or str()"),
        ("1 in 'abc'", "cannot compare a number with a text: '1 in 'abc''; convert with int(), float() or str()"),
        ("-params.mode", "a sign needs a number, not: 'a text'; convert with int() or float()"),
        ("steps.import.outputs.class", "steps.import.outputs has no key: 'class'; known: not-so"),
    ],
)  # fmt: skip
def test_an_expression_without_a_value_says_why(text: str, message: str) -> None:
    with pytest.raises(EvaluationError) as caught:
        value(text)
    assert str(caught.value) == message


def test_a_text_is_no_condition_and_a_list_is_one() -> None:
    assert Expression.parse("params.tags").holds(NAMES) is True
    assert Expression.parse("params.none").holds(NAMES) is False
    with pytest.raises(EvaluationError, match="a condition may not be a text: 'full'"):
        Expression.parse("params.mode").holds(NAMES)


def test_texts_cannot_grow_without_bound() -> None:
    text = "'\"'"
    for _ in range(20):
        text = f"str([{text}])"
    with pytest.raises(EvaluationError, match="text too long"):
        value(text)


def test_names_are_told_with_path_and_column() -> None:
    text = (
        "  'é' == params.mode or exists(steps.build-all.outputs.x) and steps[item].x and params['a b'].c[0].d"
    )
    found = Expression.parse(text).names()
    assert [(name.path, name.is_checked) for name in found] == [
        (("params", "mode"), False), (("steps", "build-all", "outputs", "x"), True), (("item",), False),
        (("steps",), False), (("params", "a b", "c"), False),
    ]  # fmt: skip
    starts = ["params.mode", "steps.build-all", "item", "steps[item]", "params['a b']"]
    assert [name.column for name in found] == [text.index(start) + 1 for start in starts]
    assert (found[1].step, found[1].output, found[1].param) == ("build-all", "x", None)
    assert (found[0].step, found[0].output, found[0].param) == (None, None, "mode")


@pytest.mark.parametrize(
    ("text", "column"),
    [("params.a == 1 && x", 16), ("é", 1), ("'é' == open(1)", 8), ("  nothing", 3), ("params.mode and lambda: 1", 17),
     ("params.mode ; 1", 13), ("", 1), ("params.a == 'x", 13)],
)  # fmt: skip
def test_the_column_is_where_it_is_wrong(text: str, column: int) -> None:
    with pytest.raises(ExpressionError) as caught:
        Expression.parse(text)
    assert caught.value.column == column


@given(st.text("params.steps[]()'\"+-*/=<>!&|andotrif ls0123\\{}:,é\n", max_size=40))
def test_any_text_is_refused_or_evaluated_without_surprise(text: str) -> None:
    with suppress(ExpressionError, EvaluationError):
        value(text)


PARTS = st.sampled_from(
    ["params.n", "params.f", "2", "1.5", "params.on", "true", "params.none", "len(params.tags)"]
)
TEXTS = st.recursive(
    PARTS,
    lambda inner: st.one_of(
        st.tuples(inner, st.sampled_from(["and", "or", "==", "!="]), inner).map(
            lambda part: "({} {} {})".format(*part)
        ),
        inner.map(lambda part: f"(not {part})"),
        st.tuples(inner, inner, inner).map(lambda part: "({} if {} else {})".format(*part)),
    ),
    max_leaves=8,
)


class _Data(dict[str, Any]):
    __getattr__ = dict.__getitem__


@given(TEXTS)
def test_values_are_those_of_python(text: str) -> None:
    scope = {"params": _Data(NAMES["params"]), "true": True, "len": len}
    assert value(text) == eval(text, {"__builtins__": {}}, scope)
