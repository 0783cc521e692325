"""Interactive shells on a pty: a line is typed, TAB is pressed, and what the line became is read."""

from __future__ import annotations

import os
import pty
import re
import select
import signal
import time
from collections.abc import Mapping, Sequence


def typed_into_bash(line: str, script: str, env: Mapping[str, str]) -> str:
    """What bash makes of ``line`` and TAB with the completion ``script`` loaded."""
    setup = [f"source {script}", 'bind -x \'"\\C-x\\C-p": echo "<$READLINE_LINE>"\'']
    return _typed(["bash", "--norc", "--noprofile", "-i"], setup, line, env)


def typed_into_zsh(line: str, directory: str, env: Mapping[str, str]) -> str:
    """What zsh makes of ``line`` and TAB with the completions of ``directory``."""
    show = 'p() { zle -I; print -r -- "<$BUFFER>" }; zle -N p; bindkey "^X^P" p'
    setup = [
        f"fpath=({directory} $fpath); autoload -Uz compinit; compinit -u -D; zstyle ':completion:*' menu no",
        show,
    ]
    return _typed(["zsh", "-f", "-i"], setup, line, env)


def _typed(argv: Sequence[str], setup: Sequence[str], line: str, env: Mapping[str, str]) -> str:
    pid, fd = pty.fork()
    if pid == 0:  # pragma: no cover - the child is a shell
        os.execvpe(argv[0], list(argv), {**env, "TERM": "dumb", "PS1": "$ "})
    try:
        for number, command in enumerate(setup):
            os.write(fd, f"{command}; echo rea''dy{number}\n".encode())
            _read_until(fd, rf"ready{number}")
        os.write(fd, line.encode() + b"\t")
        # The keys that show the line are read once the completion is done.
        os.write(fd, b"\x18\x10")
        return _read_until(fd, r"<(jobctl[^<>]*)>")[1]
    finally:
        os.kill(pid, signal.SIGKILL)
        os.close(fd)
        os.waitpid(pid, 0)


def _read_until(fd: int, pattern: str) -> re.Match[str]:
    shown, deadline = b"", time.monotonic() + 30
    while time.monotonic() < deadline:
        if select.select([fd], [], [], 0.2)[0]:
            shown += os.read(fd, 65536)
        if found := re.search(pattern, shown.decode("utf-8", "replace")):
            return found
    raise AssertionError(f"no {pattern} in {shown!r}")
