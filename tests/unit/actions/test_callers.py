"""Where a caller stands is read without changing it: other threads of the program make files meanwhile."""

from __future__ import annotations

import os
import sys
from pathlib import Path

import pytest

from jobctl.actions import callers
from jobctl.actions.callers import caller_context


@pytest.fixture
def umask() -> int:
    """The umask of this process."""
    found = os.umask(0o077)
    os.umask(found)
    return found


@pytest.mark.skipif(sys.platform != "linux", reason="only /proc tells it without a change")
def test_the_umask_is_read_and_never_changed(umask: int, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(os, "umask", lambda mask: pytest.fail(f"changed to {mask:o}"))
    assert caller_context("/home", 0).umask == umask


@pytest.mark.parametrize("content", [None, "Name:\tpython\n"])
def test_where_the_system_does_not_tell_it_is_put_back(
    umask: int, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, content: str | None
) -> None:
    status = tmp_path / "status"
    if content is not None:
        status.write_text(content)
    monkeypatch.setattr(callers, "_STATUS", str(status))
    assert caller_context("/home", 0).umask == umask
    assert caller_context("/home", 0).umask == umask
