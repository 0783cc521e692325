"""Functions by name, ready to be called with JSON: found once a worker, with what their arguments are made into."""

from __future__ import annotations

from importlib import import_module

from jobctl.resources import injected, injected_async, resources_of

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable
    from typing import Any

_AS_IT_IS = frozenset(
    {
        "str",
        "int",
        "float",
        "bool",
        "None",
        "list",
        "dict",
        "object",
        "Any",
        "typing.Any",
        str,
        int,
        float,
        bool,
        None,
    }
    | {list, dict, object}
)
"""Annotations that change nothing, as objects and as texts of ``from __future__ import annotations``."""
_COROUTINE = 0x80


class TargetError(LookupError):
    """There is no such function."""


class Target:
    """A function, and how JSON becomes its arguments."""

    __slots__ = ("converters", "function", "is_async", "positional", "takes_resources")

    def __init__(self, function: Callable[..., Any]) -> None:
        self.function = function
        code = getattr(function, "__code__", None)
        self.is_async = code is not None and bool(code.co_flags & _COROUTINE)
        self.takes_resources = bool(resources_of(function))
        self.positional = () if code is None else code.co_varnames[: code.co_posonlyargcount]
        self.converters = _converters(function)

    def call(self, args: dict[str, Any]) -> Any:
        """What the function returns; of an async one a coroutine.

        Raises:
            BaseException: what the function raised; ``ValueError`` for an argument that cannot become what it takes.
        """
        for name, convert in self.converters.items():
            if name in args:
                try:
                    args[name] = convert(args[name])
                except (ValueError, TypeError, ArithmeticError) as error:
                    raise ValueError(f"argument {name}: {error}") from None
        if self.takes_resources:
            if self.is_async:
                return self._call_with_resources(args)
            args = {**args, **injected(self.function)}
        if self.positional:
            return self.function(*self._placed(args), **args)
        return self.function(**args)

    async def _call_with_resources(self, args: dict[str, Any]) -> Any:
        found = {**args, **await injected_async(self.function)}
        return await self.function(*self._placed(found), **found)

    def _placed(self, args: dict[str, Any]) -> list[Any]:
        """The values of positional-only parameters, taken out of ``args``; what is missing has its default."""
        from inspect import signature

        parameters = signature(self.function).parameters
        placed = []
        for name in self.positional:
            if name in args:
                placed.append(args.pop(name))
            elif parameters[name].default is not parameters[name].empty:
                placed.append(parameters[name].default)
            else:
                raise TypeError(f"{self.function.__name__}() missing the positional argument {name!r}")
        return placed


_targets: dict[str, Target] = {}


def find_target(name: str, hint: str = "") -> Target:
    """The function ``pkg.mod:func``; its module is imported now, if it was not yet. ``hint`` ends what is said of none.

    Raises:
        TargetError: the module has no such function.
        BaseException: whatever importing the module raises.
    """
    found = _targets.get(name)
    if found is None:
        found = _targets[name] = Target(find_function(name, hint))
    return found


def find_function(name: str, hint: str = "") -> Callable[..., Any]:
    """As :func:`find_target`, without looking at its parameters."""
    module, _, path = name.partition(":")
    found: Any = import_module(module)
    for part in path.split("."):
        try:
            found = getattr(found, part)
        except AttributeError:
            raise TargetError(f"module {module} has no function {path}{hint}") from None
    if not callable(found):
        raise TargetError(f"{name} is a {type(found).__name__}, no function")
    function: Callable[..., Any] = found
    return function


def _converters(function: Callable[..., Any]) -> dict[str, Callable[[Any], Any]]:
    """What to make of the value of a parameter, where that is not the value itself."""
    annotations = getattr(function, "__annotations__", {})
    if all(_is_plain(kind) for name, kind in annotations.items() if name != "return"):
        return {}
    from jobctl.executors.worker.annotations import annotation_converter
    from jobctl.executors.worker.signatures import parameter_kinds

    taken = resources_of(function)
    found = {name: annotation_converter(kind) for name, kind in parameter_kinds(function).items()}
    return {name: one for name, one in found.items() if one is not None and name not in taken}


def _is_plain(kind: object) -> bool:
    try:
        return kind in _AS_IT_IS
    except TypeError:  # not hashable
        return False
