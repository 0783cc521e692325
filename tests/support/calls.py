"""Calls of ``jobctl`` in this process: a twentieth of the CPU of a spawned one."""

from __future__ import annotations

import pytest

from jobctl.cli.app import main
from tests.support.cli import Completed


class Calls:
    """Calls of verbs about one home; standard output and error are those of the test."""

    def __init__(
        self, home: str, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
    ) -> None:
        monkeypatch.setenv("JOBCTL_HOME", home)
        self._capsys = capsys

    def __call__(self, *args: str) -> Completed:
        """The call has ended."""
        code = main(args)
        captured = self._capsys.readouterr()
        return Completed(code, captured.out, captured.err)

    def completed(self) -> Completed:
        """What a shell is told that asks for completions by its variables; Typer leaves the process then."""
        with pytest.raises(SystemExit) as left:
            main(())
        captured = self._capsys.readouterr()
        return Completed(int(left.value.code or 0), captured.out, captured.err)
