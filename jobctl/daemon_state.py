"""What a daemon remembers over its restarts: a mapping that is one JSON file. Stdlib only; ``context`` hands it on."""

from __future__ import annotations

import fcntl
import json
import math
import os
from collections.abc import Callable, Iterator, MutableMapping
from contextlib import contextmanager, suppress
from typing import Any, NoReturn

DEEPEST = 64
_FILE = "state.json"
_LOCK = "state.lock"
_PRIVATE = 0o600

Stamp = tuple[int, int, int]
"""By what a file is known to be the one that was read: every write makes another one."""


class StateError(ValueError):
    """The state cannot be read or written so; nothing of it was changed."""


class State(MutableMapping[str, Any]):
    """Names and values of JSON in ``$JOBCTL_STATE_DIR``; each change is on disk, whole or not at all, when it returns.

    What it gives is a copy: a list that is changed is kept by assigning it again. Several processes of a daemon may
    change it: none overwrites what another one has written under another name.
    """

    def __init__(self) -> None:
        self._kept: dict[str, Any] = {}
        self._stamp: tuple[str, Stamp | None] | None = None

    def __getitem__(self, name: str) -> Any:
        """A copy of the value; KeyError if there is none of that name."""
        return _plain(self._read()[name], name)

    def __iter__(self) -> Iterator[str]:
        """The names, in the order in which they came."""
        return iter(list(self._read()))

    def __len__(self) -> int:
        """How many names there are."""
        return len(self._read())

    def __repr__(self) -> str:
        """As a dictionary shows itself."""
        return f"State({self._read()!r})"

    def __setitem__(self, name: str, value: Any) -> None:
        """The value is on disk.

        Raises:
            StateError: it is not JSON (NaN, half a surrogate pair, another type), or the file is damaged.
        """
        self.update({name: value})

    def __delitem__(self, name: str) -> None:
        """The name is gone from the disk; KeyError if there is none."""
        self._change(lambda kept: kept.pop(name))

    def update(self, *others: Any, **more: Any) -> None:
        """All of these values are on disk, by one write; takes what ``dict`` takes."""
        changes = {_name(name): _plain(value, name) for name, value in dict(*others, **more).items()}
        if changes:
            self._change(lambda kept: kept.update(changes))

    def clear(self) -> None:
        """Nothing is remembered any more, not even what was damaged."""
        with _locked() as directory:
            self._write(directory, {})

    def _change(self, change: Callable[[dict[str, Any]], object]) -> None:
        with _locked() as directory:
            kept = dict(self._read())
            change(kept)
            self._write(directory, kept)

    def _read(self) -> dict[str, Any]:
        """What is remembered now; the file is read again only when it is another one."""
        path = os.path.join(_directory(), _FILE)
        try:
            with open(path, "rb") as file:
                found = _stamp(os.fstat(file.fileno()))
                if self._stamp != (path, found):
                    self._kept = _parsed(file.read(), path)
        except FileNotFoundError:
            found, self._kept = None, {}
        self._stamp = (path, found)
        return self._kept

    def _write(self, directory: str, kept: dict[str, Any]) -> None:
        path = os.path.join(directory, _FILE)
        text = json.dumps(kept, ensure_ascii=False, allow_nan=False, separators=(",", ":"))
        flags = os.O_WRONLY | os.O_CREAT | os.O_TRUNC | os.O_CLOEXEC | os.O_NOFOLLOW
        try:
            with open(os.open(f"{path}.new", flags, _PRIVATE), "wb") as file:
                file.write(text.encode() + b"\n")
                file.flush()
                os.fsync(file.fileno())
                found = _stamp(os.fstat(file.fileno()))
            os.replace(f"{path}.new", path)
        except BaseException:
            with suppress(OSError):
                os.unlink(f"{path}.new")
            raise
        self._kept, self._stamp = kept, (path, found)
        _sync_directory(directory)


state = State()
"""Of this process's daemon."""


def _stamp(found: os.stat_result) -> Stamp:
    return found.st_ino, found.st_mtime_ns, found.st_size


def _directory() -> str:
    found = os.environ.get("JOBCTL_STATE_DIR")
    if not found:
        raise StateError(
            "there is no $JOBCTL_STATE_DIR: state is known in daemons; set it to try one by hand"
        )
    return found


@contextmanager
def _locked() -> Iterator[str]:
    """The directory; no other process or thread changes the state meanwhile."""
    directory = _directory()
    flags = os.O_RDWR | os.O_CREAT | os.O_CLOEXEC | os.O_NOFOLLOW
    with open(os.open(os.path.join(directory, _LOCK), flags, _PRIVATE), "rb") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        yield directory


def _sync_directory(directory: str) -> None:
    opened = os.open(directory, os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC)
    try:
        os.fsync(opened)
    finally:
        os.close(opened)


def _parsed(content: bytes, path: str) -> dict[str, Any]:
    def refuse(constant: str) -> NoReturn:
        raise ValueError(f"{constant} is not JSON")

    try:
        found = json.loads(content, parse_constant=refuse)
        if not isinstance(found, dict):
            raise TypeError(f"it holds no names, but {type(found).__name__}")
    except (ValueError, TypeError, RecursionError) as error:
        raise StateError(
            f"the state is damaged: {path}: {error}; repair it, or remove it to start anew"
        ) from None
    return found


def _name(name: object) -> str:
    if not isinstance(name, str):
        raise StateError(f"a name of the state must be a text, not {type(name).__name__}")
    _check_text(name, "a name")
    return name


def _plain(value: Any, where: str, depth: int = 0) -> Any:
    """A copy of ``value``, proven to be what JSON can hold and give back."""
    if depth > DEEPEST:
        raise StateError(f"{where!r}: nested deeper than {DEEPEST}")
    if isinstance(value, str):
        _check_text(value, repr(where))
    elif isinstance(value, float) and not math.isfinite(value):
        raise StateError(f"{where!r}: {value} is not JSON")
    elif isinstance(value, list | tuple):
        return [_plain(item, where, depth + 1) for item in value]
    elif isinstance(value, dict):
        return {_name(name): _plain(member, where, depth + 1) for name, member in value.items()}
    elif value is not None and not isinstance(value, bool | int | float):
        raise StateError(f"{where!r}: {type(value).__name__} is not JSON")
    return value


def _check_text(text: str, where: str) -> None:
    try:
        text.encode()
    except UnicodeEncodeError:
        raise StateError(f"{where} holds half a surrogate pair") from None
