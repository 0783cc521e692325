"""What is to run: a command, a shell line or a function, exactly one of them."""

from __future__ import annotations

import os
from functools import lru_cache

from jobctl.actions.requests import JobRequest
from jobctl.errors import BadInputError
from jobctl.model.names import check_name

_FALLBACK_NAME = "job"


def check_command(request: JobRequest) -> None:
    """The request says what to run, once: a command, a shell line or a function.

    Raises:
        BadInputError: ``E_COMMAND``.
    """
    if request.call is not None:
        if request.command is not None or request.shell is not None:
            raise BadInputError("a function and a command", request.call, "give one of them", "E_COMMAND")
        return
    if request.args or request.arg_texts:
        name = next(iter([*request.args, *request.arg_texts]))
        hint = "name it with --call pkg.mod:func; a command takes its words after --"
        raise BadInputError("an argument without a function", name, hint, "E_USAGE")
    if request.command is not None and request.shell is not None:
        raise BadInputError("a command and a shell line", hint="give one of them", code="E_COMMAND")
    if request.shell is not None:
        if not request.shell.strip():
            raise BadInputError("the shell line is empty", request.shell, "give it a command", "E_COMMAND")
        check_nul(request.shell)
        return
    if request.command is None:
        raise BadInputError("a command is missing", hint="it follows --, as in: -- CMD …", code="E_COMMAND")
    if not request.command or not request.command[0]:
        raise BadInputError("the command is empty", hint="name a program after --", code="E_COMMAND")
    for word in request.command:
        check_nul(word)


def check_nul(text: str) -> None:
    """No NUL is in a text that a program is to get.

    Raises:
        BadInputError: ``E_COMMAND``.
    """
    if "\0" in text:
        raise BadInputError("NUL character in the command", text, "no program can be given one", "E_COMMAND")


def job_name(request: JobRequest) -> str:
    """The name it was given, else that of its program or function.

    Raises:
        BadInputError: ``E_NAME``.
    """
    if request.name is not None:
        return check_name(request.name)
    if request.call is not None:
        return _name_of(request.call.rpartition(":")[2])
    if request.command:
        return _name_of(request.command[0])
    words = (request.shell or "").split(maxsplit=1)
    return _name_of(words[0]) if words else _FALLBACK_NAME


@lru_cache(maxsize=256)
def _name_of(program: str) -> str:
    try:
        return check_name(os.path.basename(program))
    except BadInputError:
        return _FALLBACK_NAME
