"""Every executor by name: a new one is one line here."""

from __future__ import annotations

from collections.abc import Callable

from jobctl.executors.base import Executor
from jobctl.executors.command import CommandExecutor

EXECUTORS: dict[str, Callable[[], Executor]] = {
    "command": CommandExecutor,
}
