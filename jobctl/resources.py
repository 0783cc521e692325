"""What workers build once and hand to many jobs: ``@resource``.

A resource reaches a function as the default of a parameter, or by a call inside (see ``jobctl.functions``). It is
built at its first use in a process, by whoever comes first, and closed at the end of the process, last built first. A
child that was forked off has none of its parent's: it builds its own. Stdlib only.
"""

from __future__ import annotations

import atexit
import os
import sys
from _contextvars import ContextVar
from _thread import RLock

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable, Coroutine
    from typing import Any


class ResourceError(RuntimeError):
    """A resource cannot be built as it is written."""


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

    ``build`` takes no arguments but other resources, as defaults. What stands behind its ``yield`` closes it. Tasks
    that an async one starts live on after the job, but run only while an async job does. The result is typed ``Any``,
    so that it may stand as the default of a parameter of the built object's own type.

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
    """The parameters of ``function`` that take a resource, by name; those of what decorators have wrapped."""
    seen = {id(function)}
    while (inner := getattr(function, "__wrapped__", None)) is not None and id(inner) not in seen:
        seen.add(id(inner))
        function = inner
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


def run_resources_with(run: Callable[[Coroutine[Any, Any, Any]], Any] | None) -> None:
    """Async resources are built and closed by ``run``, whatever asks for them. For workers."""
    _resources.run = run


def injected(function: Callable[..., Any]) -> dict[str, Any]:
    """The resources that ``function`` takes, built, by parameter."""
    return {name: _resources.get(one) for name, one in resources_of(function).items()}


async def injected_async(function: Callable[..., Any]) -> dict[str, Any]:
    """As :func:`injected`, on the loop that runs."""
    return {name: await _resources.awaitable(one) for name, one in resources_of(function).items()}


def is_building() -> bool:
    """Whether this code runs to build a resource; tasks that it starts know it, too."""
    return _builds.get() is not None


_builds: ContextVar[Resource | None] = ContextVar("jobctl.resources", default=None)
"""What this code, or the code that started this task, builds."""


def _kind(flags: int) -> str:
    # CO_GENERATOR, CO_COROUTINE, CO_ASYNC_GENERATOR of inspect, which takes 10 ms to import
    if flags & 0x200:
        return "async_generator"
    if flags & 0x80:
        return "coroutine"
    return "generator" if flags & 0x20 else "plain"


class _Building:
    """For a ``with`` block in which ``wanted`` is built."""

    __slots__ = ("_needs", "_token", "_wanted")

    def __init__(self, needs: _Needs, wanted: Resource) -> None:
        self._needs = needs
        self._wanted = wanted
        self._token: Any = None

    def __enter__(self) -> None:
        self._token = _builds.set(self._wanted)

    def __exit__(self, *raised: object) -> None:
        _builds.reset(self._token)
        self._needs.forget(self._wanted)


class _Needs:
    """What waits for what, among the resources that are being built."""

    def __init__(self) -> None:
        self._needs: dict[Resource, list[Resource]] = {}

    def note(self, wanted: Resource) -> None:
        """What this code builds is waiting for ``wanted``.

        Raises:
            ResourceError: which waits for it in turn; waiting would never end.
        """
        builds = _builds.get()
        if builds is None:
            return
        self._needs.setdefault(builds, []).append(wanted)
        path = self._path(wanted, builds)
        if path:
            names = " → ".join(one.__name__ for one in (builds, *path))
            raise ResourceError(f"resources need each other: {names}")

    def forget(self, built: Resource) -> None:
        """It waits for nothing."""
        self._needs.pop(built, None)

    def _path(self, start: Resource, end: Resource) -> list[Resource]:
        """From ``start`` to ``end``; empty: there is none."""
        waiting, seen = [[start]], {start}
        while waiting:
            path = waiting.pop()
            if path[-1] is end:
                return path
            fresh = [one for one in self._needs.get(path[-1], ()) if one not in seen]
            seen.update(fresh)
            waiting.extend([*path, one] for one in fresh)
        return []


class _Resources:
    """What this process has built, in order."""

    def __init__(self) -> None:
        self.run: Callable[[Coroutine[Any, Any, Any]], Any] | None = None
        """Runs a coroutine to its end on the loop that async resources live on; a worker sets it."""
        self._parents: list[object] = []
        self._begin()
        os.register_at_fork(after_in_child=self._forget)

    def _begin(self) -> None:
        self._built: dict[Resource, tuple[Any, Any]] = {}
        self._locks: dict[Resource, Any] = {}
        self._pending: dict[Resource, Any] = {}
        self._needs = _Needs()
        self._is_registered = False

    def _forget(self) -> None:
        """Nothing is built in a child that was forked off; what its parent built is neither used nor closed here."""
        self._parents.append(
            (self._built, self._pending)
        )  # kept: a generator that is dropped runs to its end
        self.run = None
        self._begin()

    def get(self, wanted: Resource) -> Any:
        """The object of ``wanted``, built now if need be.

        Raises:
            ResourceError: it cannot be built as it is written, or it is async, and there is no loop to build it on.
        """
        found = self._built.get(wanted)
        if found is not None:
            return found[0]
        if wanted.is_async:
            return self._run_to(wanted)
        self._needs.note(wanted)
        with self._locks.setdefault(wanted, RLock()):  # one each: threads that build others go on
            found = self._built.get(wanted)
            if found is None:
                with _Building(self._needs, wanted):
                    inner = {name: self.get(one) for name, one in resources_of(wanted.build).items()}
                    found = _first(wanted, wanted.build(**inner))
                self._keep(wanted, found)
        return found[0]

    async def awaitable(self, wanted: Resource) -> Any:
        """The object of ``wanted``, for code that is async."""
        while (found := self._built.get(wanted)) is None:
            self._needs.note(wanted)
            pending = self._pending.get(wanted)
            if pending is not None:
                import asyncio

                await asyncio.wait([pending])  # then it is built, or it is tried again
            elif wanted.is_async:
                return await self._build(wanted)
            else:
                with _Building(self._needs, wanted):
                    for one in resources_of(wanted.build).values():
                        await self.awaitable(one)
                return self.get(wanted)
        return found[0]

    async def _build(self, wanted: Resource) -> Any:
        import asyncio

        pending = self._pending[wanted] = asyncio.get_running_loop().create_future()
        try:
            with _Building(self._needs, wanted):
                inner = {name: await self.awaitable(one) for name, one in resources_of(wanted.build).items()}
                made = wanted.build(**inner)
                if wanted.kind == "async_generator":
                    found = (_there(wanted, await anext(made, _END)), made)
                else:
                    found = (await made, None)
            self._keep(wanted, found)
        finally:
            del self._pending[wanted]
            pending.set_result(None)
        return found[0]

    def _run_to(self, wanted: Resource) -> Any:
        """The object of an async resource, for code that is not."""
        asyncio = sys.modules.get("asyncio")
        is_inside = asyncio is not None and asyncio.events._get_running_loop() is not None
        if self.run is None or is_inside:
            hint = (
                "await it, or take it as the default of a parameter"
                if is_inside
                else "use it in an async function"
            )
            raise ResourceError(f"resource {wanted.__name__} is async; {hint}")
        return self.run(self.awaitable(wanted))

    def close(self) -> list[BaseException]:
        """Nothing is open, as far as that went; what went wrong."""
        wrong: list[BaseException] = []
        while self._built:
            wanted, (_, made) = self._built.popitem()
            if made is None:
                continue
            try:
                self._finish(wanted, made)
            except BaseException as error:  # noqa: BLE001 - user code; whatever it raises, the others still get closed
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
            raise ResourceError(f"resource {wanted.__name__} yields more than once")

    def _keep(self, wanted: Resource, found: tuple[Any, Any]) -> None:
        if not self._is_registered:
            self._is_registered = True
            atexit.register(self.close)
        self._built[wanted] = found


_END = object()


def _first(wanted: Resource, made: Any) -> tuple[Any, Any]:
    """The object of a sync resource, and what closes it."""
    return (_there(wanted, next(made, _END)), made) if wanted.kind == "generator" else (made, None)


def _there(wanted: Resource, value: object) -> object:
    if value is _END:
        raise ResourceError(f"resource {wanted.__name__} yields nothing")
    return value


async def _last(made: Any) -> object:
    return await anext(made, _END)


_resources = _Resources()
