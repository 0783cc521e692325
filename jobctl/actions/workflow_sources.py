"""Where workflows come from: a file, standard input, or a name in the ``workflows`` directory beside ``jobctl.yaml``.

What a step runs with ``workflow:`` is read along and recorded with the run, so that editing or removing a file never
changes a run that has begun. Every problem is told where it stands, also one in a file that another one names.
"""

from __future__ import annotations

import os
import stat
import sys
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, replace

from jobctl.actions.functions import Functions
from jobctl.configuration import configuration_path
from jobctl.errors import BadFileError, BadInputError, JobctlError, NotFoundError, UnusableError
from jobctl.model.documents import canonical_json
from jobctl.model.homes import Home
from jobctl.model.names import check_name
from jobctl.model.problems import Mark, Problem, file_error
from jobctl.model.templates import OPENING
from jobctl.model.workflow_bundles import DEEPEST_NESTING, WorkflowBundle
from jobctl.model.workflow_files import ReadWorkflow, read_workflow
from jobctl.model.workflow_parts import Asked, PartStep, asked_by, workflow_steps, wrong_arguments
from jobctl.model.workflows import WorkflowDefinition
from jobctl.model.yaml_nodes import MappingNode, Node, ScalarNode, SequenceNode

LARGEST_FILE = 16 << 20
ENDINGS = (".yaml", ".yml", ".json")
DIRECTORY = "workflows"
STDIN = "-"
CODE = "E_WORKFLOW"
MOST_STEPS_WITHIN = 50_000
"""Of all the workflows that the steps of one run, and those that theirs run."""
LARGEST_WITHIN = 64 << 20


@dataclass(frozen=True, slots=True)
class WorkflowSource:
    """A workflow file that was found and read."""

    shown: str
    """As people know it."""
    path: str
    """Its real path; ``-`` for standard input and other pipes."""
    directory: str
    """What its relative paths are seen from."""
    text: str


@dataclass(frozen=True, slots=True)
class LoadedWorkflow:
    """A workflow with all that its steps run, and where it came from."""

    source: WorkflowSource
    bundle: WorkflowBundle
    asked: tuple[Asked, ...] = ()
    """The queues and resources that its steps and those of its parts name."""

    @property
    def definition(self) -> WorkflowDefinition:
        """The workflow itself."""
        return self.bundle.definition


class WrongFilesError(BadFileError):
    """Several files are wrong; ``files`` has the error of each."""

    files: tuple[JobctlError, ...] = ()


@dataclass(frozen=True, slots=True)
class CheckedWorkflows:
    """What was found of several files or names, each as it was written."""

    good: list[tuple[str, LoadedWorkflow]]
    wrong: list[tuple[str, JobctlError]]


def is_path(text: str) -> bool:
    """Whether ``text`` means a file and not a name: it has a slash or the ending of one, or is ``-``."""
    return text == STDIN or "/" in text or text.endswith(ENDINGS)


def workflow_directory(home: Home) -> str:
    """Where workflows are found by name: ``workflows`` beside ``jobctl.yaml``, or where that would be.

    For a home ``.jobctl`` that is the project's directory, else the home.
    """
    directory, name = os.path.split(home.path)
    if name == ".jobctl" and not os.path.lexists(configuration_path(home)):
        beside = f"{directory}/{DIRECTORY}"
        return beside if os.path.isdir(beside) else f"{home.path}/{DIRECTORY}"
    return f"{os.path.dirname(configuration_path(home))}/{DIRECTORY}"


def workflow_names(home: Home) -> list[str]:
    """The names of the workflows there, sorted."""
    try:
        entries = os.listdir(workflow_directory(home))
    except OSError:
        return []
    return sorted({stem for stem, ending in map(os.path.splitext, entries) if ending in ENDINGS})


def load_workflow(
    text: str, home: Home, cwd: str, functions: Callable[[], Functions] | None = None
) -> LoadedWorkflow:
    """The workflow that ``text`` means, a file or a name, with every workflow that its steps run.

    With ``functions``, what its steps call is checked too: it exists, is allowed, and takes what it is given.

    Raises:
        NotFoundError: there is no such file or name.
        BadFileError: ``E_WORKFLOW``: it or one that it runs is wrong; every problem of every file.
        BadInputError: not UTF-8, too large, no regular file.
        UnusableError: it cannot be read, or belongs to a name and others may write to it.
    """
    return _Loading(home, functions).load(find_workflow(text, home, cwd))


def load_document(text: str, shown: str, home: Home, directory: str) -> LoadedWorkflow:
    """The workflow that ``text`` says, which is in no file; its relative paths are seen from ``directory``.

    Raises: as ``load_workflow``; places are those in ``text``.
    """
    return _Loading(home).load(WorkflowSource(shown, STDIN, directory, text))


def find_workflow(text: str, home: Home, cwd: str) -> WorkflowSource:
    """The file that ``text`` means, seen from ``cwd``; see ``load_workflow``."""
    if text == STDIN:
        return WorkflowSource("standard input", STDIN, cwd, _decoded(sys.stdin.buffer.read(), "stdin"))
    if is_path(text):
        return _read(text, os.path.join(cwd, text), is_named=False)
    check_name(text)
    directory = workflow_directory(home)
    for ending in ENDINGS:
        path = f"{directory}/{text}{ending}"
        if os.path.lexists(path):
            return _read(path, path, is_named=True)
    raise _unknown_name(text, home, cwd)


def _unknown_name(text: str, home: Home, cwd: str) -> NotFoundError:
    from difflib import get_close_matches

    if os.path.isfile(os.path.join(cwd, text)):
        return NotFoundError("no such workflow", text, f"a file is written with a slash: ./{text}")
    near = get_close_matches(text, workflow_names(home), 1)
    hint = (
        f"did you mean {near[0]}?"
        if near
        else f"give a file, or save it as {workflow_directory(home)}/{text}.yaml"
    )
    return NotFoundError("no such workflow", text, hint)


def _read(shown: str, path: str, *, is_named: bool) -> WorkflowSource:
    try:
        # A FIFO would block an open for reading; O_NONBLOCK changes nothing for a regular file.
        descriptor = os.open(path, os.O_RDONLY | os.O_NONBLOCK | os.O_CLOEXEC)
    except (FileNotFoundError, NotADirectoryError):
        raise NotFoundError("no such workflow file", shown, "is the path right?") from None
    except (OSError, ValueError) as error:
        why = error.strerror if isinstance(error, OSError) else "no path"
        raise UnusableError(f"cannot read the workflow ({why})", shown, code="E_FILE") from None
    found = os.fstat(descriptor)
    is_pipe = stat.S_ISFIFO(found.st_mode) and path.startswith(("/dev/fd/", "/proc/"))
    try:
        _check_file(found, shown, is_pipe=is_pipe, is_named=is_named)
        os.set_blocking(descriptor, True)  # a pipe, which is what the shell's <(…) gives, may be filled later
        with open(descriptor, "rb", closefd=False) as file:
            data = file.read(LARGEST_FILE + 1)
    finally:
        os.close(descriptor)
    if is_pipe:
        return WorkflowSource(shown, STDIN, os.getcwd(), _decoded(data, shown))
    real = os.path.realpath(path)
    return WorkflowSource(shown, real, os.path.dirname(real), _decoded(data, shown))


def _check_file(found: os.stat_result, shown: str, *, is_pipe: bool, is_named: bool) -> None:
    if not stat.S_ISREG(found.st_mode) and not is_pipe:
        raise BadInputError("the workflow is no regular file", shown, "name a file", "E_FILE")
    if is_named and (found.st_uid not in (os.geteuid(), 0) or found.st_mode & 0o022):
        hint = "it must be your own: chown it to yourself, chmod go-w"
        raise UnusableError("others may write to the workflow", shown, hint, "E_FILE")


def _decoded(data: bytes, shown: str) -> str:
    if len(data) > LARGEST_FILE:
        raise BadInputError("the workflow is above 16 MiB", shown, "is it the right file?", "E_FILE")
    try:
        return data.decode("utf-8-sig")
    except UnicodeDecodeError as error:
        line, column = data.count(b"\n", 0, error.start) + 1, error.start - data.rfind(b"\n", 0, error.start)
        where = f"{shown}:{line}:{column}"
        raise BadInputError(f"{where}: not UTF-8", None, "save it as UTF-8", CODE) from None


def check_workflows(
    texts: Sequence[str], home: Home, cwd: str, functions: Callable[[], Functions] | None = None
) -> CheckedWorkflows:
    """Each of several files or names, loaded; what is wrong with the others, each problem once."""
    good: list[tuple[str, LoadedWorkflow]] = []
    wrong: list[tuple[str, JobctlError]] = []
    for text in texts:
        try:
            good.append((text, load_workflow(text, home, cwd, functions)))
        except JobctlError as error:
            wrong.append((text, error))
    return CheckedWorkflows(good, wrong)


def wrong_files(errors: Sequence[tuple[str, JobctlError]], summary: str = "") -> WrongFilesError:
    """What is wrong with files as one error; ``summary`` instead of how many problems there are and the first."""
    files: dict[str, tuple[str, JobctlError]] = {}
    for file, error in errors:
        for one in error.files if isinstance(error, WrongFilesError) else (error,):
            files.setdefault(f"{one} {one.problems if isinstance(one, BadFileError) else ''}", (file, one))
    details: list[str] = []
    problems: list[dict[str, object]] = []
    for file, one in files.values():
        if isinstance(one, BadFileError):
            details += [] if len(one.problems) > 1 else [str(one)]
            details += one.details
            problems += one.problems
        else:
            details.append(str(one))
            place = {"file": file, "line": None, "column": None}
            problems.append({**place, "message": one.what, "value": one.value, "hint": one.hint or None})
    first = str(next(iter(files.values()))[1]).split("the first is ")[-1]
    what = summary or f"{len(problems)} problems in {len(files)} files; the first is {first}"
    found = WrongFilesError(what, None, "", CODE, details=tuple(details), problems=tuple(problems))
    found.files = tuple(one for _, one in files.values())
    return found


@dataclass(frozen=True, slots=True)
class _Part:
    """A file that was read, with all that its steps run."""

    definition: WorkflowDefinition | None
    """None: the file itself is wrong."""
    bundle: WorkflowBundle | None = None
    """None: it or a file below it is wrong."""
    depth: int = 1
    steps: int = 0
    """In the bundle, which holds a file once for each way that it is named."""
    size: int = 0
    """Characters of that as it is stored."""


class _Loading:
    """One loading; a file that several steps run is read once, and every file whatever is wrong with the others."""

    def __init__(self, home: Home, functions: Callable[[], Functions] | None = None) -> None:
        self._home = home
        self._functions = functions
        self._parts: dict[str, _Part] = {}
        self._wrong: dict[str, BadFileError] = {}
        self._order: dict[str, list[Asked]] = {}
        """By path, in the order in which they were read: what they ask for."""

    def load(self, source: WorkflowSource) -> LoadedWorkflow:
        found = self._read(source, ())
        wrong = [(source.shown, self._wrong[path]) for path in self._order if path in self._wrong]
        if found.bundle is None:
            raise wrong[0][1] if len(wrong) == 1 else wrong_files(wrong)
        asked = tuple(one for asked in self._order.values() for one in asked)
        return LoadedWorkflow(source, found.bundle, asked)

    def _read(self, source: WorkflowSource, above: tuple[str, ...]) -> _Part:
        """The workflow with those that its steps run; what is wrong is noted."""
        read = read_workflow(source.text, source.shown)
        problems, chain = list(read.problems), (*above, source.path)
        self._order[source.path] = []
        parts: dict[str, _Part] = {}
        for step in workflow_steps(read.root):
            try:
                if step.target not in parts:
                    parts[step.target] = self._part(step.target, source, chain)
                    _check_size(step, parts.values())
            except JobctlError as error:
                problems.append(Problem(step.mark, error.what, error.value, error.hint))
                continue
            definition = parts[step.target].definition
            wrong = [] if definition is None else wrong_arguments(step, definition)
            problems += [Problem(step.arguments_mark, error.what, error.value, error.hint) for error in wrong]
        problems += self._wrong_calls(read)
        if problems:
            self._wrong[source.path] = file_error(source.shown, source.text, problems, CODE)
        elif read.definition is not None:
            self._order[source.path] = asked_by(source.shown, read.root, read.definition)
        return _bundled(
            read.definition, {} if problems else parts, is_wrong=bool(problems), is_part=bool(above)
        )

    def _wrong_calls(self, read: ReadWorkflow) -> list[Problem]:
        """What is wrong with what its steps call; nothing where nobody asks."""
        if self._functions is None or read.definition is None or not read.definition.calls:
            return []
        from jobctl.actions.workflow_calls import wrong_calls  # only workflows with calls pay for it

        return [
            Problem(_place_of(read.root, step.id, key), error.what, error.value, error.hint)
            for step, key, error in wrong_calls(read.definition, self._functions())
        ]

    def _part(self, target: str, source: WorkflowSource, chain: tuple[str, ...]) -> _Part:
        """The workflow that a step runs; its relative paths are seen from its own file."""
        found = find_workflow(target, self._home, source.directory) if target != STDIN else None
        if found is None:
            raise BadInputError("a step cannot run standard input", target, "name a file", CODE)
        if found.path in chain:
            names = [os.path.basename(path) for path in (*chain[chain.index(found.path) :], found.path)]
            raise BadInputError(
                "workflows run each other", " runs ".join(names), "remove one of these steps", CODE
            )
        if len(chain) >= DEEPEST_NESTING:
            raise BadInputError(
                f"workflows nested deeper than {DEEPEST_NESTING}", target, "run it by a step of its own", CODE
            )
        part = self._parts.get(found.path)
        if part is None or (part.bundle is not None and part.depth + len(chain) > DEEPEST_NESTING):
            made = self._read(replace(found, shown=_shown_from(source, found)), chain)
            bundle = made.bundle
            if bundle is not None:
                bundle = replace(bundle, definition=_placed(bundle.definition, found.directory))
            part = self._parts[found.path] = replace(made, bundle=bundle)
        return part


def _check_size(step: PartStep, parts: Iterable[_Part]) -> None:
    """Files that name each other in many ways stay small: a run records each way on its own.

    Raises:
        BadInputError: ``E_WORKFLOW``.
    """
    hint = "start it by a command instead: run: jobctl workflow run FILE"
    if sum(part.steps for part in parts) > MOST_STEPS_WITHIN:
        raise BadInputError(f"more than {MOST_STEPS_WITHIN:,} steps within", step.target, hint, CODE)
    if sum(part.size for part in parts) > LARGEST_WITHIN:
        raise BadInputError("more than 64 MiB within", step.target, hint, CODE)


def _bundled(
    definition: WorkflowDefinition | None, parts: Mapping[str, _Part], *, is_wrong: bool, is_part: bool
) -> _Part:
    bundles = {target: part.bundle for target, part in parts.items() if part.bundle is not None}
    if definition is None or is_wrong or len(bundles) < len(parts):
        return _Part(definition)
    depth = 1 + max((part.depth for part in parts.values()), default=0)
    steps = len(definition.steps) + sum(part.steps for part in parts.values())
    size = len(canonical_json(definition.document())) if is_part else 0
    size += sum(part.size for part in parts.values())
    return _Part(definition, WorkflowBundle(definition, bundles), depth, steps, size)


def _shown_from(source: WorkflowSource, found: WorkflowSource) -> str:
    """The path of a part as its parent's was written: ``jobs/a.yaml`` names ``b.yaml`` → ``jobs/b.yaml``."""
    beside = os.path.dirname(source.shown)
    return os.path.join(beside, found.shown) if source.path != STDIN else found.shown


def _placed(definition: WorkflowDefinition, directory: str) -> WorkflowDefinition:
    """The definition with its working directory made absolute."""
    cwd = definition.cwd
    if cwd is not None and cwd.startswith(("/", "~", OPENING)):
        return definition
    return replace(definition, cwd=directory if cwd is None else os.path.join(directory, cwd))


def _place_of(root: Node | None, step_id: str, key: str) -> Mark:
    """Where ``key`` of a step stands, else its ``workflow`` or ``call``; ``args`` is ``with``, too."""
    steps = root.entries["steps"][1] if isinstance(root, MappingNode) and "steps" in root.entries else None
    for step in steps.items if isinstance(steps, SequenceNode) else ():
        if not isinstance(step, MappingNode) or "id" not in step.entries:
            continue
        name = step.entries["id"][1]
        if isinstance(name, ScalarNode) and name.text == step_id:
            keys = (key, "args", "workflow", "call") if key == "with" else (key, "workflow", "call")
            entry = next((step.entries[one] for one in keys if one in step.entries), None)
            return step.mark if entry is None else entry[1].mark
    return Mark(1, 1)
