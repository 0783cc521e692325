"""Functions as jobs: ``@job`` declares one; ``@resource`` (of ``jobctl.resources``) what workers build once.

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

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable, Mapping, Sequence
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
        if key == "name":
            raise TypeError(f"the name is the first argument: @job({options[key]!r})")
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
