"""What functions there are, and what they take: one JSON document in, one out. Runs in the worker's interpreter.

In: ``{"modules": ["reports"], "functions": ["pkg.mod:func"], "path": ["/dir"], "entry_points": true}``. Out:
``functions`` and ``errors``. Whatever user code does while it is imported, but ending the process, is data; what it
prints goes to standard error.
"""

from __future__ import annotations

import os
import signal
import sys
from importlib import import_module
from json import loads

from jobctl.executors.worker.journal import encode
from jobctl.executors.worker.targets import TargetError, find_function
from jobctl.executors.worker.tracebacks import error_document, is_ours
from jobctl.functions import declaration_of, declared

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Iterable
    from types import ModuleType
    from typing import Any

_SPARE_SECONDS = 5

ENTRY_POINTS = "jobctl.functions"
"""The group in which installed packages name modules of theirs."""


def inspect_standard_input() -> None:
    """The answer to the request on standard input is on what was standard output."""
    answer_to = os.dup(1)
    os.set_inheritable(answer_to, False)
    os.dup2(2, 1)
    request = loads(sys.stdin.buffer.read())
    if "seconds" in request:  # whoever waits for this may be gone by then
        signal.alarm(int(request["seconds"]) + _SPARE_SECONDS)
    found = Inspection()
    sys.path[:0] = [path for path in request.get("path", ()) if path not in sys.path]
    for module in request.get("modules", ()):
        found.add_module(module)
    for function in request.get("functions", ()):
        found.add_named(function)
    if request.get("entry_points"):
        found.add_entry_points()
    content = encode(found.document()).encode("utf-8", "replace") + b"\n"
    with open(answer_to, "wb") as file:
        file.write(content)
    for stream in (sys.stdout, sys.stderr):
        try:
            stream.flush()
        except (OSError, ValueError, AttributeError):
            continue
    os._exit(0)  # user threads and exit functions do not keep it


class Inspection:
    """What was found, and what was not."""

    def __init__(self) -> None:
        self._functions: dict[str, dict[str, Any]] = {}
        self._errors: list[dict[str, Any]] = []
        self._failed: set[str] = set()

    def document(self) -> dict[str, Any]:
        """``{"functions": […], "errors": […]}``, with an error for each name that two functions declare."""
        self._check_names()
        return {"functions": list(self._functions.values()), "errors": self._errors}

    def add_module(self, name: str) -> None:
        """The public functions that the module ``name`` defines are listed, and those it declares as jobs.

        Of a package those of its modules, too, that it imports itself.
        """
        if self._imported(name) is None:
            return
        for one in sorted(sys.modules):
            if one == name or one.startswith(f"{name}."):
                self._add_loaded(one, sys.modules[one])

    def _add_loaded(self, name: str, module: ModuleType) -> None:
        for key, value in list(vars(module).items()):
            if not callable(value) or isinstance(value, type) or getattr(value, "__module__", None) != name:
                continue
            if getattr(value, "__qualname__", None) == key and (key[0] != "_" or declaration_of(value)):
                self._add(f"{name}:{key}", value)
        self._check_declarations(name)

    def add_named(self, target: str) -> None:
        """The function ``pkg.mod:func`` is listed."""
        module = target.partition(":")[0]
        if target in self._functions or self._imported(module) is None:
            return
        try:
            self._add(target, find_function(target))
        except TargetError as error:
            self._fail(module, str(error), function=target)

    def add_entry_points(self) -> None:
        """The modules that installed packages name are listed as if they had been asked for."""
        from importlib.metadata import entry_points

        for one in entry_points(group=ENTRY_POINTS):
            self.add_named(one.value) if one.attr else self.add_module(one.module)

    def _imported(self, name: str) -> ModuleType | None:
        """The module; ``None``: it cannot be imported, which is noted once."""
        if name in self._failed:
            return None
        try:
            return import_module(name)
        except BaseException as error:  # noqa: BLE001 - user code; SystemExit and the like, too
            self._failed.add(name)
            found = error_document(error)
            self._fail(name, found["text"], found["traceback"], line=_line_of(error))
            return None

    def _add(self, target: str, function: Any) -> None:
        from jobctl.executors.worker.signatures import parameter_documents

        try:
            document = {
                "function": target,
                "help": _first_line(function),
                "async": bool(getattr(getattr(function, "__code__", None), "co_flags", 0) & 0x80),
                "parameters": parameter_documents(function),
                "job": _job_document(function),
            }
            encode(document)
        except Exception as error:  # noqa: BLE001 - annotations, defaults and docstrings are the user's
            found = error_document(error)
            self._fail(target.partition(":")[0], found["text"], found["traceback"], function=target)
        else:
            self._functions[target] = document

    def _check_declarations(self, module: str) -> None:
        """What is declared where a job could never find it is an error."""
        for one in declared():
            if one.function.__module__ == module and one.target not in self._functions:
                where = (
                    "inside a function"
                    if "<" in one.target
                    else "not under its own name at the top of the module"
                )
                line = getattr(getattr(one.function, "__code__", None), "co_firstlineno", None)
                text = f"job {one.name!r} is declared {where}, where no worker finds it"
                self._fail(module, text, function=one.target, line=line)

    def _check_names(self) -> None:
        names: dict[str, str] = {}
        for target, found in self._functions.items():
            job = found["job"]
            if job is None:
                continue
            first = names.setdefault(job["name"], target)
            if first != target:
                text = f"job {job['name']!r} is declared twice: {first} and {target}"
                self._fail(target.partition(":")[0], text, function=target)

    def _fail(self, module: str, error: str, traceback: str = "", **more: Any) -> None:
        self._errors.append({"module": module, "error": error, "traceback": traceback, "line": None, **more})


def _job_document(function: object) -> dict[str, Any] | None:
    declaration = declaration_of(function)
    if declaration is None:
        return None
    options = dict(declaration.options)
    schedule, icon, help_ = (options.pop(key, None) for key in ("schedule", "icon", "help"))
    return {
        "name": declaration.name,
        "options": options,
        "schedule": schedule,
        "icon": icon or "",
        "help": help_ or _first_line(function),
    }


def _first_line(function: object) -> str:
    text = getattr(function, "__doc__", None)
    lines: Iterable[str] = text.strip().splitlines() if isinstance(text, str) else ()
    return next(iter(lines), "").strip()


def _line_of(error: BaseException) -> int | None:
    """Where in user code it came from: of a syntax error its line, else the last frame's."""
    if isinstance(error, SyntaxError):
        return error.lineno
    line, frames = None, error.__traceback__
    while frames is not None:
        if not is_ours(frames.tb_frame.f_code.co_filename):
            line = frames.tb_lineno
        frames = frames.tb_next
    return line
