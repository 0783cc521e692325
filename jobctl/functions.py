"""Functions as jobs: ``@job`` declares one, ``@resource`` what workers build once and hand to many.

::

    from jobctl import context, job, resource

    @resource
    def database():
        connection = sqlite3.connect("media.db")
        yield connection
        connection.close()

    @job("media.scan", timeout="5m", attempts=3, queue="disk", schedule="0 3 * * *")
    def scan(path: str, deep: bool = False, db: sqlite3.Connection = database) -> dict[str, int]:
        ...

The decorators change nothing: a declared function is called like any other. A resource reaches a function as the
default of a parameter (callers cannot set it, it is no argument of the job), or by a call inside, ``database()``
(``await`` what an async one gives). It is built at its first use in a process and closed at the worker's end, in
reverse order. Stdlib only: this runs in whatever interpreter the worker has.
"""

from __future__ import annotations

import atexit
import os
from _thread import RLock

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable, Coroutine, Mapping, Sequence
    from datetime import timedelta
    from typing import Any, TypedDict, TypeVar, Unpack, overload

    Function = TypeVar("Function", bound=Callable[..., Any])
    Duration = str | float | timedelta

    class Options(TypedDict, total=False):
        """The keys of a job in ``jobctl.yaml`` that make sense for a function, and what they take."""

        queue: str
        priority: int
        tags: Sequence[str]
        type: str
        category: str
        user: str
        timeout: Duration
        grace: Duration
        attempts: int
        retry_delay: Duration
        backoff: float
        max_delay: Duration
        retry_on: int | str | Sequence[int]
        unique: str
        on_duplicate: str
        lock: str
        resources: Mapping[str, int]
        env: Mapping[str, str]
        cwd: str
        meta: object
        max_memory: str | int
        max_log: str | int
        split_output: bool
        on_success: str
        on_failure: str
        on_crash: str
        detach: bool
        schedule: str | Mapping[str, Any]
        help: str
        icon: str


OPTIONS = (
    "queue", "priority", "tags", "type", "category", "user", "timeout", "grace", "attempts", "retry_delay",
    "backoff", "max_delay", "retry_on", "unique", "on_duplicate", "lock", "resources", "env", "cwd", "meta",
    "max_memory", "max_log", "split_output", "on_success", "on_failure", "on_crash", "detach", "schedule",
    "help", "icon",
)  # fmt: skip
"""What ``@job`` takes beside the name. Values are checked where jobs are submitted, as those of a file are."""

DECLARATION = "__jobctl_job__"
"""The attribute of a function that holds its declaration."""


class Declaration:
    """What ``@job`` says of one function."""

    __slots__ = ("function", "name", "options")

    def __init__(self, function: Callable[..., Any], name: str, options: dict[str, Any]) -> None:
        self.function = function
        self.name = name
        self.options = options
        """What was given, by the keys of ``jobctl.yaml``, in JSON's terms."""

    @property
    def target(self) -> str:
        """``pkg.mod:func``."""
        return target_of(self.function)

    def __repr__(self) -> str:
        return f"<job {self.name} {self.target}>"


_declared: list[Declaration] = []

if TYPE_CHECKING:

    @overload
    def job(name: Function, /) -> Function: ...

    @overload
    def job(name: str | None = None, /, **options: Unpack[Options]) -> Callable[[Function], Function]: ...


def job(name: object = None, /, **options: Any) -> Any:
    """The function is a job: ``@job``, ``@job("media.scan")`` or ``@job("media.scan", timeout="5m")``.

    It stays what it is. Without a name it has the function's own. Durations are texts (``"5m"``), seconds or
    ``timedelta``; ``schedule`` is as in ``jobctl.yaml``: ``"0 3 * * *"``, ``"every 6h"`` or a mapping.

    Raises:
        TypeError: no such option, or what is decorated is no function.
    """
    if callable(name):
        return _declare(name, None, {})
    if name is not None and not isinstance(name, str):
        raise TypeError(f"the name of a job is a text, not {type(name).__name__}")
    for key in options:
        if key not in OPTIONS:
            raise TypeError(f"unknown option of @job: {key!r}{_nearest(key)}")
    given = {key: _plain(value) for key, value in options.items() if value is not None}

    def declare(function: object) -> object:
        return _declare(function, name, given)

    return declare


def declared() -> list[Declaration]:
    """Every declaration of this process, in order; a module that was loaded twice declares twice."""
    return list(_declared)


def declaration_of(function: object) -> Declaration | None:
    """What ``@job`` says of ``function``, if it does."""
    found = getattr(function, DECLARATION, None)
    return found if isinstance(found, Declaration) else None


def target_of(function: Callable[..., Any]) -> str:
    """How a job names ``function``: ``pkg.mod:func``."""
    return f"{function.__module__}:{function.__qualname__}"


def _declare(function: object, name: str | None, options: dict[str, Any]) -> object:
    if not callable(function) or not hasattr(function, "__qualname__") or isinstance(function, type):
        raise TypeError("@job is for functions; put it directly above a def")
    found = Declaration(function, name or str(getattr(function, "__name__", "")), options)
    setattr(function, DECLARATION, found)
    _declared.append(found)
    return function


def _plain(value: Any) -> Any:
    """``value`` in JSON's terms, where there are such."""
    if isinstance(value, dict):
        return {str(key): _plain(inner) for key, inner in value.items()}
    if isinstance(value, list | tuple | set | frozenset):
        return [_plain(inner) for inner in value]
    if hasattr(value, "total_seconds"):  # a timedelta, without the import
        return f"{value.total_seconds():f}s"
    return value


def _nearest(key: str) -> str:
    from difflib import get_close_matches  # only on the way to an error

    near = get_close_matches(key[:40], OPTIONS, 1)
    return f"; did you mean {near[0]!r}?" if near else ""


class Resource:
    """Something built once a process, by one of the four kinds of function that :func:`resource` takes."""

    __slots__ = ("__dict__", "__name__", "build", "kind")  # __doc__ is in __dict__

    def __init__(self, build: Callable[..., Any], kind: str) -> None:
        self.build = build
        """The function that was decorated; its own defaults may be resources."""
        self.kind = kind
        """``plain``, ``generator``, ``coroutine`` or ``async_generator``."""
        self.__name__ = build.__name__
        self.__doc__ = build.__doc__

    @property
    def is_async(self) -> bool:
        """Whether it takes an event loop to build and to close it."""
        return self.kind in ("coroutine", "async_generator")

    def __call__(self) -> Any:
        """What was built, at once; of an async one, something to await that gives it."""
        return _resources.awaitable(self) if self.is_async else _resources.get(self)

    def __repr__(self) -> str:
        return f"<resource {self.__name__}>"


def resource(build: Callable[..., Any]) -> Any:
    """What ``build`` returns or yields is built once a worker, at first use, and closed at the worker's end.

    ``build`` takes no arguments but other resources, as defaults. What stands behind its ``yield`` closes it. The
    result is typed ``Any``, so that it may stand as the default of a parameter of the built object's own type.

    Raises:
        TypeError: it is no function, or it has parameters without default.
    """
    code = getattr(build, "__code__", None)
    if code is None:
        raise TypeError("@resource is for functions; put it directly above a def")
    needed = code.co_argcount + code.co_kwonlyargcount
    if len(build.__defaults__ or ()) + len(build.__kwdefaults__ or {}) < needed:
        raise TypeError(f"resource {build.__name__} has a parameter without default; it is called with none")
    return Resource(build, _kind(code.co_flags))


def resources_of(function: Callable[..., Any]) -> dict[str, Resource]:
    """The parameters of ``function`` that take a resource, by name."""
    function = getattr(function, "__wrapped__", function)
    code = getattr(function, "__code__", None)
    if code is None:
        return {}
    defaults = getattr(function, "__defaults__", None) or ()
    positional = code.co_varnames[: code.co_argcount]
    found = dict(zip(positional[len(positional) - len(defaults) :], defaults, strict=True))
    found |= getattr(function, "__kwdefaults__", None) or {}
    return {name: value for name, value in found.items() if isinstance(value, Resource)}


def close_resources() -> list[BaseException]:
    """Nothing built is left open: last built, first closed. What went wrong is returned, and stops nothing."""
    return _resources.close()


def _kind(flags: int) -> str:
    # CO_GENERATOR, CO_COROUTINE, CO_ASYNC_GENERATOR of inspect, which takes 10 ms to import
    if flags & 0x200:
        return "async_generator"
    if flags & 0x80:
        return "coroutine"
    return "generator" if flags & 0x20 else "plain"


class _Resources:
    """What this process has built, in order."""

    def __init__(self) -> None:
        self.run: Callable[[Coroutine[Any, Any, Any]], Any] | None = None
        """Runs a coroutine to its end on the loop that async resources live on; a worker sets it."""
        self._built: dict[Resource, tuple[Any, Any]] = {}
        self._lock = RLock()
        self._async_lock: Any = None
        self._pid = 0

    def get(self, wanted: Resource) -> Any:
        """The object of ``wanted``, built now if need be.

        Raises:
            RuntimeError: it is async, and there is no loop to build it on.
        """
        found = self._built.get(wanted)
        if found is not None:
            return found[0]
        if wanted.is_async:
            if self.run is None:
                raise RuntimeError(f"resource {wanted.__name__} is async; use it in an async function")
            return self.run(self.awaitable(wanted))
        with self._lock:
            found = self._built.get(wanted)
            if found is None:
                inner = {name: self.get(one) for name, one in resources_of(wanted.build).items()}
                made = wanted.build(**inner)
                found = (next(made), made) if wanted.kind == "generator" else (made, None)
                self._keep(wanted, found)
        return found[0]

    async def awaitable(self, wanted: Resource) -> Any:
        """The object of ``wanted``, for code that is async."""
        found = self._built.get(wanted)
        if found is not None:
            return found[0]
        if not wanted.is_async:
            return self.get(wanted)
        import asyncio

        if self._async_lock is None:
            self._async_lock = asyncio.Lock()
        inner = {name: await self.awaitable(one) for name, one in resources_of(wanted.build).items()}
        async with self._async_lock:
            found = self._built.get(wanted)
            if found is None:
                made = wanted.build(**inner)
                found = (await anext(made), made) if wanted.kind == "async_generator" else (await made, None)
                self._keep(wanted, found)
        return found[0]

    def close(self) -> list[BaseException]:
        """Nothing is open, as far as that went; what went wrong."""
        wrong: list[BaseException] = []
        if self._pid != os.getpid():  # forked: they belong to the other one
            self._built.clear()
        while self._built:
            wanted, (_, made) = self._built.popitem()
            if made is None:
                continue
            try:
                self._finish(wanted, made)
            except (Exception, SystemExit) as error:  # noqa: BLE001 - user code; the others still get closed
                wrong.append(error)
        return wrong

    def _finish(self, wanted: Resource, made: Any) -> None:
        if not wanted.is_async:
            rest = next(made, _END)
        elif self.run is not None:
            rest = self.run(_last(made))
        else:
            rest = _END  # its loop is gone, and with it what could close it
        if rest is not _END:
            raise RuntimeError(f"resource {wanted.__name__} yields more than once")

    def _keep(self, wanted: Resource, found: tuple[Any, Any]) -> None:
        if self._pid != os.getpid():
            self._pid = os.getpid()
            atexit.register(self.close)
        self._built[wanted] = found


_END = object()


async def _last(made: Any) -> object:
    return await anext(made, _END)


_resources = _Resources()


def run_resources_with(run: Callable[[Coroutine[Any, Any, Any]], Any]) -> None:
    """Async resources are built and closed by ``run``, whatever asks for them. For workers."""
    _resources.run = run


def injected(function: Callable[..., Any]) -> dict[str, Any]:
    """The resources that ``function`` takes, built, by parameter."""
    return {name: _resources.get(one) for name, one in resources_of(function).items()}


async def injected_async(function: Callable[..., Any]) -> dict[str, Any]:
    """As :func:`injected`, on the loop that runs."""
    return {name: await _resources.awaitable(one) for name, one in resources_of(function).items()}
