"""The fixture ``jobctl_home`` in a test run of somebody else."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

TESTS = """
import os, sys

LOADED = [name for name in sys.modules if name.startswith("jobctl.") and name != "jobctl.pytest_plugin"]


def test_unused_it_has_loaded_nothing():
    assert LOADED == []


def test_a_home_for_one_test(jobctl_home):
    from jobctl import api

    assert os.environ["JOBCTL_HOME"] == str(jobctl_home.path) == api.default_client().home
    job = jobctl_home.client.submit(["sh", "-c", "echo hi"])
    assert jobctl_home.run_until_idle()
    assert list(job.logs()) == ["hi"]
    assert api.job(job.id).completed


def test_the_next_one_has_another(jobctl_home):
    assert jobctl_home.client.list() == []
    jobctl_home.supervisor().start()  # left running: the fixture stops it
"""


def test_the_fixture_is_there_and_leaves_nothing_behind(tmp_path: Path) -> None:
    (tmp_path / "test_somebodys.py").write_text(TESTS)
    command = [
        sys.executable,
        "-m",
        "pytest",
        "-q",
        "-p",
        "no:cacheprovider",
        "-p",
        "no:xdist",
        "-W",
        "error",
    ]
    ended = subprocess.run(
        [*command, "--rootdir", str(tmp_path), "--basetemp", str(tmp_path / "temp"), str(tmp_path)],
        capture_output=True, text=True, cwd=tmp_path, timeout=120, check=False,
    )  # fmt: skip
    hint = "is jobctl installed with its entry points? pip install -e ."
    assert "3 passed" in ended.stdout, f"{ended.stdout}\n{ended.stderr}\n{hint}"
    left = [
        entry
        for entry in Path("/proc").glob("[0-9]*/cmdline")
        if str(tmp_path / "temp").encode() in _read(entry)
    ]
    assert not left


def _read(path: Path) -> bytes:
    try:
        return path.read_bytes()
    except OSError:  # it has ended meanwhile
        return b""
