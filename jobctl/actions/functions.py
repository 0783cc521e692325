"""Which functions a caller may have called, and with what: as the store knows them, else by a look at the code."""

from __future__ import annotations

import os
from collections.abc import Callable, Mapping
from dataclasses import replace

from jobctl.actions.callers import portable
from jobctl.actions.requests import JobRequest
from jobctl.configuration import configuration_path
from jobctl.errors import BadInputError
from jobctl.model.calls import UNFIT_OPTIONS, Call, check_arguments, check_function, is_allowed
from jobctl.model.documents import Json
from jobctl.model.functions import Function, Inspected, Origin, near_functions
from jobctl.model.homes import Home
from jobctl.model.signatures import Signature, bind_arguments
from jobctl.settings import Settings

Look = Callable[[tuple[str, ...], bool], Inspected]
"""Looks at (modules, entry points) in a process of their own."""


class Functions:
    """What one caller may have called.

    What is accepted goes by the store, without importing anything; what would be refused is looked at anew first:
    the code may have changed since.

    Args:
        home: whose ``jobctl.yaml`` allows modules.
        settings: what it says.
        find: gives what the store knows of a function.
        look: None where nothing may be imported (in the supervisor): then only names are checked.
    """

    def __init__(
        self, home: Home, settings: Settings, find: Callable[[str], Function | None], look: Look | None = None
    ) -> None:
        self._home = home
        self._allowed = settings.modules
        self._find = find
        self._look = look
        self._known: dict[str, Function | None] = {}
        self._looked: dict[str, Inspected] = {}
        self.learned: dict[str, Function] = {}
        """What was looked at and is not in the store so."""

    def call(self, request: JobRequest) -> Call:
        """The call that the request writes, checked.

        Raises:
            BadInputError: ``E_FUNCTION``: no such function; ``E_MODULE``: its module is not allowed;
                ``E_ARGUMENT``, ``E_JSON``: the arguments do not fit it; ``E_USAGE``: an option that no function takes.
        """
        function = check_function(request.call or "")
        check_options(request)
        return Call(function, self.bind(function, check_arguments(request.args), request.arg_texts))

    def typed(self, request: JobRequest) -> JobRequest:
        """The request with every argument as JSON has it, checked; one that calls nothing as it is.

        Raises:
            BadInputError: as :meth:`call`.
        """
        if request.call is None:
            return request
        return replace(request, args=self.call(request).args, arg_texts={})

    def bind(
        self, function: str, args: Mapping[str, Json], texts: Mapping[str, str] | None = None
    ) -> dict[str, Json]:
        """The arguments of a call of ``function``; see :meth:`call`."""
        known = self.function(function)
        if known is None:  # nobody may look: the worker will
            return {**args, **(texts or {})}
        if self._look is None:
            return dict(args)
        try:
            return bind_arguments(known.signature, args, texts)
        except BadInputError:
            if known.name in self.learned or self._renewed(function) == known:
                raise
        return bind_arguments(self._existing(function).signature, args, texts)

    def function(self, name: str) -> Function | None:
        """The function of this name, proven to be allowed and, where that can be known, to exist.

        Raises:
            BadInputError: ``E_MODULE`` or ``E_FUNCTION``.
        """
        if name not in self._known:
            self._known[name] = self._find(name)
        if not self._is_allowed(name, self._known[name]):
            raise module_error(name, self._home)
        known = self._known[name]
        if known is None and self._look is not None:
            return self._existing(name)
        return known

    def signature(self, name: str) -> Signature | None:
        """What it takes; None where that cannot be known here. Raises as :meth:`function`."""
        known = self.function(name)
        return None if known is None else known.signature

    def _is_allowed(self, name: str, known: Function | None) -> bool:
        if is_allowed(name.partition(":")[0], self._allowed):
            return True
        if known is None and self._look is not None:  # a distribution may have been installed since
            known = self._installed().find(name)
            if known is not None:
                self._known[name] = self.learned[name] = known
        return known is not None and known.origin is Origin.ENTRY_POINT

    def _installed(self) -> Inspected:
        """What distributions offer."""
        if "" not in self._looked and self._look is not None:
            self._looked[""] = self._look((), True)
        return self._looked.get("", Inspected())

    def _renewed(self, name: str) -> Function | None:
        """The function as the code has it now."""
        known = self._known.get(name)
        if known is not None and known.origin is Origin.ENTRY_POINT:
            offered = self._installed().find(name)
            if offered is not None:
                self._known[name] = self.learned[name] = offered
            return offered
        module = name.partition(":")[0]
        if module not in self._looked and self._look is not None:
            self._looked[module] = found = self._look((module,), False)
            self.learned |= {one.name: one for one in found.functions}
            self._known |= self.learned
        return self._looked[module].find(name)

    def _existing(self, name: str) -> Function:
        found = self._renewed(name)
        if found is None:
            raise unknown_function(name, self._looked.get(name.partition(":")[0], Inspected()))
        return found


def check_options(request: JobRequest) -> None:
    """No option was given that a function cannot heed.

    Raises:
        BadInputError: ``E_USAGE``: says which, and what to do.
    """
    for name, hint in UNFIT_OPTIONS.items():
        if getattr(request, name):
            raise BadInputError("a function job takes no", f"--{name.replace('_', '-')}", hint, "E_USAGE")


def module_error(function: str, home: Home) -> BadInputError:
    """The refusal of a function whose module nobody has allowed."""
    module = function.partition(":")[0]
    path = configuration_path(home)
    hint = f"allow it in {path}: settings: {{modules: [{module.partition('.')[0]}]}}"
    return BadInputError("functions of this module may not be called", module, hint, "E_MODULE")


def unknown_function(name: str, found: Inspected) -> BadInputError:
    """The refusal of a function that is not where it should be: its module cannot be imported, or lacks it."""
    for problem in found.problems:
        if problem.function in ("", name):
            return BadInputError(str(problem), None, "mend it; nothing was stored", "E_IMPORT")
    known = [one.name for one in found.functions]
    near = near_functions(name, known)
    hint = f"did you mean {near[0]}?" if near else f"{name.partition(':')[0]} has: {_listed(known)}"
    own = name.rpartition(":")[2]
    if own.startswith("_"):
        hint = "a name that begins with _ is private: declare it with @job, or call it by another name"
    elif own[:1].isupper() and not near:
        hint = f"classes cannot be called, functions can; {hint}"
    return BadInputError("no such function", name, hint, "E_FUNCTION")


def function_directory(home: Home) -> str:
    """Where functions run, and where their modules are looked for first: beside ``jobctl.yaml``, else the home."""
    path = configuration_path(home)
    return portable(os.path.abspath(os.path.dirname(path) if os.path.exists(path) else home.path))


def _listed(names: list[str]) -> str:
    words = sorted(name.partition(":")[2] for name in names)
    return ", ".join(words[:12]) + (", …" if len(words) > 12 else "") if words else "no public functions"
