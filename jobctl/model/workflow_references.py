"""What conditions and templates of a workflow may refer to, checked where they stand in the file."""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass, field
from difflib import get_close_matches

from jobctl.errors import ExpressionError
from jobctl.model.expressions import Expression, Reference
from jobctl.model.parameters import ParameterType
from jobctl.model.problems import MOST_SHOWN, did_you_mean
from jobctl.model.readings import Reading
from jobctl.model.scalar_places import mark_within, scalars_of
from jobctl.model.templates import CLOSING, OPENING, Template
from jobctl.model.workflow_graphs import Ancestors
from jobctl.model.workflows import FAILURE_KEYS, RUN_KEYS, STEP_KEYS
from jobctl.model.yaml_nodes import Node, ScalarNode, SequenceNode

_MOST_LISTED = 8


@dataclass(frozen=True, slots=True)
class Scope:
    """Where a text stands: what it may refer to follows."""

    step: str | None = None
    """None: in the workflow itself or in its handlers."""
    has_item: bool = False
    has_failure: bool = False
    has_steps: bool = True
    """Whether steps have ended before it is read."""
    sees_itself: bool = False
    """Whether it is read once its own step has ended: to undo it."""


@dataclass(frozen=True, slots=True)
class Known:
    """What there is to refer to."""

    params: Collection[str]
    steps: Collection[str]
    outputs: Mapping[str, Mapping[str, ParameterType]] = field(default_factory=dict)
    """Of the steps that declare all they give."""
    ancestors: Ancestors | None = None
    """None while the graph itself is wrong."""


class Nearest:
    """Hints about misspelt names; it stops guessing once nobody reads on."""

    def __init__(self) -> None:
        self._asked = 0

    def of(self, word: str, known: Collection[str]) -> str:
        """``did you mean X?``, else what there is."""
        self._asked += 1
        if self._asked > MOST_SHOWN:
            return ""
        near = get_close_matches(word[:100], known, 1)
        if near:
            return f"did you mean {near[0]}?"
        listed = list(known)[:_MOST_LISTED]
        more = ", …" if len(known) > len(listed) else ""
        return f"known: {', '.join(listed)}{more}" if listed else "there is none"


class References:
    """Checks texts of one file; what is wrong becomes a problem with a caret inside the text."""

    def __init__(self, reading: Reading, lines: Sequence[str], known: Known, nearest: Nearest) -> None:
        self._reading, self._lines = reading, lines
        self._known, self._nearest = known, nearest

    def check_texts(self, node: Node, scope: Scope, *, is_command: bool = False) -> None:
        """Every ``${{ }}`` below ``node``; of a command a text is a shell line, a list of words is none."""
        is_line = is_command and not isinstance(node, SequenceNode)
        for scalar in scalars_of(node):
            if OPENING in scalar.text:
                self._check_template(scalar, scope, shell=is_line)

    def check_condition(self, node: ScalarNode, scope: Scope) -> None:
        """The expression of ``when``, bare or in ``${{ }}``."""
        text, offset = bare_expression(node.text)
        try:
            references = Expression.parse(text).names()
        except ExpressionError as error:
            self._refuse(node, error, offset)
            return
        for found in references:
            self._check(node, found, found.column + offset, scope)

    def check_items(self, node: Node, scope: Scope) -> None:
        """What a step is repeated for: one ``${{ }}``, or items without any."""
        if isinstance(node, SequenceNode):
            for scalar in scalars_of(node):
                if OPENING in scalar.text:
                    hint = "write foreach: ${{ … }} that gives the whole list"
                    self._reading.add(scalar.mark, "an item is written out", scalar.text, hint)
            return
        if isinstance(node, ScalarNode):
            template = self._check_template(node, scope, shell=False)
            if template is not None and not template.is_one_value:
                hint = "write nothing before and behind it"
                self._reading.add(node.mark, "foreach must be one ${{ }}", node.text, hint)

    def _check_template(self, node: ScalarNode, scope: Scope, *, shell: bool) -> Template | None:
        try:
            template = Template.parse(node.text, shell=shell)
        except ExpressionError as error:
            self._refuse(node, error, 0)
            return None
        for found in template.names():
            self._check(node, found, found.column, scope)
        return template

    def _refuse(self, node: ScalarNode, error: ExpressionError, offset: int) -> None:
        mark = mark_within(self._lines, node, error.column + offset)
        self._reading.add(mark, error.reason, error.value, error.hint)

    def _check(self, node: ScalarNode, found: Reference, column: int, scope: Scope) -> None:
        wrong = self._wrong(found, scope)
        if wrong is not None:
            message, value, hint = wrong
            self._reading.add(mark_within(self._lines, node, column), message, value, hint)

    def _wrong(self, found: Reference, scope: Scope) -> tuple[str, str | None, str] | None:
        """What is wrong with a reference: message, value, hint."""
        match found.path:
            case ("item", *_) if not scope.has_item:
                return "there is no item here", None, "it is known in what a step with foreach: runs"
            case ("failure", *_) if not scope.has_failure:
                return "there is no failure here", None, "it is known in on_failure: of the workflow"
            case ("failure", key, *_) if key not in FAILURE_KEYS:
                return "failure has no key", key, did_you_mean(key, FAILURE_KEYS)
            case ("run", key, *_) if key not in RUN_KEYS:
                return "run has no key", key, did_you_mean(key, RUN_KEYS)
            case ("params", name, *_) if name not in self._known.params:
                return "unknown parameter", name, self._nearest.of(name, self._known.params)
            case ("steps", *_):
                return self._wrong_step(found, scope)
            case _:
                return None

    def _wrong_step(self, found: Reference, scope: Scope) -> tuple[str, str | None, str] | None:
        if not scope.has_steps:
            return "no step has ended here", None, "steps are known inside of steps and in handlers"
        name = found.step
        if name is None:
            return None
        if name not in self._known.steps:
            return "unknown step", name, self._nearest.of(name, self._known.steps)
        is_own = name == scope.step
        if is_own and not scope.sees_itself:
            return "a step cannot look at itself", name, "look at one that it needs"
        ancestors = None if is_own else self._known.ancestors
        if ancestors is not None and scope.step is not None and not ancestors.includes(scope.step, name):
            return f"{scope.step} does not need the step it looks at", name, f"add {name} to its needs"
        return self._wrong_key(name, found)

    def _wrong_key(self, name: str, found: Reference) -> tuple[str, str | None, str] | None:
        key = found.path[2] if len(found.path) > 2 else None
        if key is not None and key not in STEP_KEYS:
            hint = f"write steps.{name}.outputs.{key}" if key in self._known.outputs.get(name, ()) else ""
            return "a step has no key", key, hint or did_you_mean(key, STEP_KEYS)
        declared = self._known.outputs.get(name)
        if found.output is None or declared is None or found.output in declared or found.is_checked:
            return None
        if not declared:
            return f"{name} declares no output", found.output, f"give it outputs: {{{found.output}: string}}"
        return f"{name} has no output", found.output, self._nearest.of(found.output, declared)


def bare_expression(text: str) -> tuple[str, int]:
    """The expression of a condition, without ``${{ }}`` around it, and how many characters stand before it."""
    stripped = text.strip()
    inner = stripped[len(OPENING) : -len(CLOSING)]
    if stripped.startswith(OPENING) and stripped.endswith(CLOSING) and OPENING not in inner:
        return inner, text.index(OPENING) + len(OPENING)
    return text, 0
