"""Expressions: what ``when`` and ``${{ }}`` may say. Look-ups in data, comparisons, and a few pure functions.

The text is parsed by ``ast`` and every node of it has to be on a list; what is not there is refused when the file
is read. An attribute is a key of a dictionary, never ``getattr``, so there is no way from data to code. Nothing can
make a value larger than a document may be: there is no arithmetic and no repetition.
"""

from __future__ import annotations

import ast
import math
import warnings
from collections.abc import Mapping
from dataclasses import dataclass, field

from jobctl.errors import EvaluationError, ExpressionError
from jobctl.model.documents import Json
from jobctl.model.evaluations import COMPARISONS, CONSTANTS, FUNCTIONS, Evaluation
from jobctl.model.expression_texts import Parsable, parsable, written
from jobctl.model.problems import did_you_mean

ROOTS = frozenset({"params", "steps", "env", "item", "run", "failure"})
"""The names an expression may start from."""
DEEPEST = 50
LONGEST = 2000
_LARGEST_INT = 1 << 128


@dataclass(frozen=True, slots=True)
class Reference:
    """A place in the data that an expression looks up: ``steps.scan.outputs.count``."""

    path: tuple[str, ...]
    """Up to the first part that only a run can tell (``params[item]``)."""
    column: int
    is_checked: bool = False
    """Whether it stands in ``exists()``: then it may be missing."""

    @property
    def step(self) -> str | None:
        """The step it looks at."""
        return self.path[1] if self.path[0] == "steps" and len(self.path) > 1 else None

    @property
    def param(self) -> str | None:
        """The parameter it looks at."""
        return self.path[1] if self.path[0] == "params" and len(self.path) > 1 else None

    @property
    def output(self) -> str | None:
        """The output of the step it looks at."""
        found = self.path[0] == "steps" and len(self.path) > 3 and self.path[2] == "outputs"
        return self.path[3] if found else None


@dataclass(frozen=True, slots=True)
class Expression:
    """A text that was proven harmless; made by :meth:`parse` only."""

    text: str
    _body: ast.expr = field(repr=False, compare=False)
    _references: tuple[Reference, ...] = field(repr=False, compare=False)

    @classmethod
    def parse(cls, text: str) -> Expression:
        """The expression that ``text`` writes.

        Raises:
            ExpressionError: ``E_EXPRESSION``: not one, or it holds what is not on the list; with the column.
        """
        source = _source(text)
        body = _parsed(text, source)
        found = _Checker(source)
        found.check(body, 1)
        return cls(text, body, tuple(found.references))

    def names(self) -> tuple[Reference, ...]:
        """Everything it looks up, in the order of the text."""
        return self._references

    def evaluate(self, names: Mapping[str, Json]) -> Json:
        """Its value with ``names``: a JSON value for each of :data:`ROOTS` that is at hand.

        Raises:
            EvaluationError: ``E_EVALUATION``: the reason in one line: a missing key, two kinds compared, …
        """
        return Evaluation(names).value(self._body)

    def holds(self, names: Mapping[str, Json]) -> bool:
        """Whether its value counts as true, as in Python; a text is neither (is ``'false'`` true?).

        Raises:
            EvaluationError: as :meth:`evaluate`; or the value is a text.
        """
        value = self.evaluate(names)
        if isinstance(value, str):
            raise EvaluationError(
                "a condition may not be a text", value, "compare it: == 'yes'", "E_EVALUATION"
            )
        return bool(value)


def _source(text: str) -> Parsable:
    if len(text) > LONGEST:
        raise ExpressionError(f"expression longer than {LONGEST} characters", LONGEST + 1, None, "shorten it")
    return parsable(text)


def _parsed(text: str, found: Parsable) -> ast.expr:
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            return ast.parse(found.source, mode="eval").body
    except SyntaxError as error:
        column = found.offset + max(1, min(error.offset or 1, len(found.source) + 1))
        raise ExpressionError("not an expression", column, text.strip(), _syntax_hint(text, error)) from None
    except (ValueError, MemoryError, RecursionError):
        raise ExpressionError("not an expression", 1, text.strip(), "simplify it") from None


def _syntax_hint(text: str, error: SyntaxError) -> str:
    if "&&" in text or "||" in text:
        return "write and, or"
    if "!" in text.replace("!=", ""):
        return "write not"
    if "=" in text and "==" not in text:
        return "compare with =="
    return error.msg.split(". ")[0] if error.msg else ""


_NOUNS: dict[type[ast.AST], str] = {
    ast.Lambda: "lambda", ast.Await: "await", ast.Yield: "yield", ast.NamedExpr: ":=", ast.JoinedStr: "an f-string",
    ast.ListComp: "a comprehension", ast.SetComp: "a comprehension", ast.DictComp: "a comprehension",
    ast.GeneratorExp: "a comprehension", ast.Dict: "a dictionary", ast.Set: "a set", ast.Starred: "*",
    ast.BinOp: "arithmetic", ast.Slice: "a slice",
}  # fmt: skip


class _Checker:
    """Refuses every node that is not on the list, and notes what is looked up."""

    def __init__(self, source: Parsable) -> None:
        self._source = source
        self.references: list[Reference] = []
        self._in_exists = False

    def check(self, node: ast.expr, depth: int) -> None:
        if depth > DEEPEST:
            raise self._refusal(node, f"nested deeper than {DEEPEST}", None, "simplify it")
        match node:
            case ast.Constant(value=value):
                self._check_constant(node, value)
            case ast.Name() | ast.Attribute() | ast.Subscript():
                self._check_look_up(node, depth)
            case ast.BoolOp(values=parts) | ast.List(elts=parts) | ast.Tuple(elts=parts):
                self._check_all(parts, depth)
            case ast.UnaryOp(op=ast.Not() | ast.USub() | ast.UAdd(), operand=operand):
                self.check(operand, depth + 1)
            case ast.Compare(left=left, ops=operators, comparators=parts):
                for operator in operators:
                    if type(operator) not in COMPARISONS:
                        raise self._refusal(node, "is is not known here", None, "compare with ==")
                self._check_all([left, *parts], depth)
            case ast.IfExp(test=test, body=body, orelse=otherwise):
                self._check_all([body, test, otherwise], depth)
            case ast.Call():
                self._check_call(node, depth)
            case _:
                noun = _NOUNS.get(type(node), type(node).__name__.lower())
                hint = "an expression only looks up, compares and calls " + ", ".join(sorted(FUNCTIONS))
                raise self._refusal(node, f"{noun} is not allowed", None, hint)

    def _check_all(self, parts: list[ast.expr], depth: int) -> None:
        for part in parts:
            self.check(part, depth + 1)

    def _check_constant(self, node: ast.Constant, value: object) -> None:
        if isinstance(value, float) and not math.isfinite(value):
            raise self._refusal(node, "number out of range", None, "give a smaller one")
        if isinstance(value, int) and abs(value) > _LARGEST_INT:
            raise self._refusal(node, "number has too many digits", None, "give it as a text")
        if value is not None and type(value) not in (bool, int, float, str):
            raise self._refusal(
                node, "this kind of constant is not allowed", ast.unparse(node), "give a text or number"
            )

    def _check_look_up(self, node: ast.expr, depth: int) -> None:
        """The chain ``root.key[index]…``; what stands in brackets is checked as an expression."""
        path: list[str] = []
        at = node
        while not isinstance(at, ast.Name):
            depth += 1
            if depth > DEEPEST:
                raise self._refusal(at, f"nested deeper than {DEEPEST}", None, "simplify it")
            if isinstance(at, ast.Attribute):
                self._check_key(at)
                path.append(written(at.attr))
                at = at.value
            elif isinstance(at, ast.Subscript):
                path.append(self._checked_index(at.slice, depth))
                at = at.value
            else:
                self.check(at, depth)
                return
        self._check_root(at, path[::-1])

    def _check_key(self, node: ast.Attribute) -> None:
        if node.attr.startswith("__"):
            hint = "a name after a dot is a key of the data; write ['__x'] for such a one"
            raise self._refusal(node, "no such key", node.attr, hint)

    def _checked_index(self, index: ast.expr, depth: int) -> str:
        self.check(index, depth)
        is_key = isinstance(index, ast.Constant) and isinstance(index.value, str)
        return str(index.value) if is_key and isinstance(index, ast.Constant) else ""

    def _check_root(self, root: ast.Name, path: list[str]) -> None:
        if root.id in CONSTANTS and not path:
            return
        if root.id not in ROOTS:
            hint = f"call it: {root.id}(…)" if root.id in FUNCTIONS else did_you_mean(root.id, ROOTS)
            raise self._refusal(root, "unknown name", root.id, hint)
        known = path[: path.index("")] if "" in path else path
        self.references.append(Reference((root.id, *known), self._column(root), self._in_exists))

    def _check_call(self, node: ast.Call, depth: int) -> None:
        name = node.func.id if isinstance(node.func, ast.Name) else None
        if name is None or name not in FUNCTIONS:
            value = name or ast.unparse(node.func)[:80]
            raise self._refusal(node.func, "unknown function", value, did_you_mean(value, FUNCTIONS))
        wanted = FUNCTIONS[name]
        if node.keywords or len(node.args) != wanted:
            raise self._refusal(node, f"{name} takes {wanted} value{'s' * (wanted > 1)}", None, "")
        if name == "exists":
            self._check_exists(node.args[0], depth)
        else:
            self._check_all(node.args, depth)

    def _check_exists(self, argument: ast.expr, depth: int) -> None:
        if not isinstance(argument, ast.Attribute | ast.Subscript | ast.Name):
            raise self._refusal(argument, "exists takes a look-up", None, "write exists(params.x)")
        self._in_exists = True
        self.check(argument, depth + 1)
        self._in_exists = False

    def _column(self, node: ast.expr) -> int:
        return self._source.column(node.col_offset)

    def _refusal(self, node: ast.expr, reason: str, value: str | None, hint: str) -> ExpressionError:
        return ExpressionError(reason, self._column(node), None if value is None else written(value), hint)
