"""The command line as a user has it: a spawned ``python -m jobctl``."""

from __future__ import annotations

import io
import json
import os
import subprocess
import sys
from collections.abc import Mapping
from contextlib import redirect_stderr, redirect_stdout
from dataclasses import dataclass
from pathlib import Path
from typing import Any

_ROOT = Path(__file__).parents[2]


@dataclass(frozen=True, slots=True)
class Completed:
    """How a call ended and what it printed."""

    code: int
    out: str
    err: str

    @property
    def document(self) -> Any:
        """Standard output as one JSON document."""
        return json.loads(self.out)


def cli_environment(home: Path | str | None = None, env: Mapping[str, str] | None = None) -> dict[str, str]:
    """The environment of a spawned call: ours without ``JOBCTL_*``, with ``home`` and what ``env`` adds."""
    found = {name: value for name, value in os.environ.items() if not name.startswith(("JOBCTL_", "_JOBCTL"))}
    found["PYTHONPATH"] = str(_ROOT)
    if home is not None:
        found["JOBCTL_HOME"] = str(home)
    return found | dict(env or {})


def run_cli(
    *args: str | bytes,
    home: Path | str | None = None,
    env: Mapping[str, str] | None = None,
    input: str | bytes | None = None,
    cwd: Path | str | None = None,
    seconds: float = 60,
) -> Completed:
    """``jobctl args…`` has ended; nothing it prints is a terminal."""
    ended = subprocess.run(
        [sys.executable, "-m", "jobctl", *args],
        input=input.encode() if isinstance(input, str) else input,
        stdin=subprocess.DEVNULL if input is None else None,
        capture_output=True,
        env=cli_environment(home, env),
        cwd=cwd,
        timeout=seconds,
        check=False,
    )
    return Completed(
        ended.returncode, ended.stdout.decode("utf-8", "replace"), ended.stderr.decode("utf-8", "replace")
    )


def start_cli(
    *args: str | bytes, home: Path | str | None = None, env: Mapping[str, str] | None = None
) -> subprocess.Popen[bytes]:
    """``jobctl args…`` runs; whoever started it ends it."""
    return subprocess.Popen(
        [sys.executable, "-m", "jobctl", *args],
        stdin=subprocess.DEVNULL,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        env=cli_environment(home, env),
    )


def call_main(*args: str) -> Completed:
    """``jobctl args…`` has ended in this process, with its environment and working directory; no terminal."""
    from jobctl.cli.app import main

    out, err = (io.TextIOWrapper(io.BytesIO(), encoding="utf-8", write_through=True) for _ in range(2))
    with redirect_stdout(out), redirect_stderr(err):
        code = main(args)
    return Completed(code, *(stream.buffer.getvalue().decode() for stream in (out, err)))
