"""``completion``: the shells' side of completion. What is offered comes from ``jobctl.cli.complete``."""

from __future__ import annotations

import os
from collections.abc import Mapping
from typing import Annotated

import typer

from jobctl.cli.complete import complete_words
from jobctl.cli.completion_scripts import SCRIPTS
from jobctl.cli.invocation import Invocation
from jobctl.cli.words import one_of
from jobctl.errors import BadInputError
from jobctl.views.text import printable

_SHELLS = tuple(SCRIPTS)


def show(
    call: Invocation,
    shell: Annotated[
        str,
        typer.Argument(metavar="bash|zsh|fish", help="The shell.", autocompletion=complete_words(*_SHELLS)),
    ],
) -> None:
    """Print the completion script of a shell.

    \b
    Examples:
      source <(jobctl completion show bash)
      jobctl completion show fish > ~/.config/fish/completions/jobctl.fish
    """
    script = SCRIPTS[one_of(shell, _SHELLS, "shell")]
    if call.json:
        call.print_json({"shell": shell, "script": script})
    else:
        call.print(script.rstrip("\n"))


def install(
    call: Invocation,
    shell: Annotated[
        str | None,
        typer.Argument(
            metavar="bash|zsh|fish",
            help="The shell; else that of $SHELL.",
            autocompletion=complete_words(*_SHELLS),
        ),
    ] = None,
) -> None:
    """Install the completion script where the shell finds it; nothing else is changed.

    \b
    Examples:
      jobctl completion install
      jobctl completion install zsh
    """
    name = one_of(shell, _SHELLS, "shell") if shell is not None else _login_shell(os.environ)
    path = install_path(name, os.environ)
    write_script(path, SCRIPTS[name])
    if call.json:
        call.print_json({"shell": name, "path": path})
        return
    call.print(f"wrote {printable(path)}")
    call.note(_hint(name, os.path.dirname(path)))


def install_path(shell: str, environment: Mapping[str, str]) -> str:
    """Where the shell looks for the completions of its user."""
    home = environment.get("HOME") or os.path.expanduser("~")
    if shell == "bash":
        data = environment.get("XDG_DATA_HOME") or f"{home}/.local/share"
        return f"{data}/bash-completion/completions/jobctl"
    if shell == "zsh":
        return f"{environment.get('ZDOTDIR') or home}/.zfunc/_jobctl"
    config = environment.get("XDG_CONFIG_HOME") or f"{home}/.config"
    return f"{config}/fish/completions/jobctl.fish"


def write_script(path: str, script: str) -> None:
    """The script lies at ``path``, whole or not at all."""
    os.makedirs(os.path.dirname(path), exist_ok=True)
    partial = f"{path}.{os.getpid()}"
    with open(partial, "w", encoding="utf-8") as file:
        file.write(script)
    os.replace(partial, path)


def _login_shell(environment: Mapping[str, str]) -> str:
    name = os.path.basename(environment.get("SHELL", ""))
    if name not in SCRIPTS:
        hint = f"name it: jobctl completion install {'|'.join(_SHELLS)}"
        raise BadInputError("cannot tell your shell from $SHELL", name, hint, "E_SHELL")
    return name


def _hint(shell: str, directory: str) -> str:
    if shell == "bash":
        return "it works in new shells if the package bash-completion is installed and loaded"
    if shell == "zsh":
        line = f"fpath=({printable(directory)} $fpath); autoload -Uz compinit; compinit"
        return f"if ~/.zshrc does not have it yet, add: {line}"
    return "it works in new shells"
