"""``db check``, ``db backup``, ``db vacuum`` and ``prune`` from outside: beside writers, killed, and as jobs.

What needs no process of its own is called in this one: a spawned call costs 0.2 s.
"""

from __future__ import annotations

import json
import os
import random
import shutil
import subprocess
import sys
from functools import partial
from pathlib import Path
from typing import Any

import pytest

from jobctl.model.states import JobId, JobStatus
from tests.support.calls import Calls
from tests.support.cli import cli_environment, run_cli, start_cli
from tests.support.damage import fingerprint, flip
from tests.support.supervisors import PATIENCE, Site
from tests.support.waiting import wait_until

PROGRAM = f"{sys.executable} -m jobctl"
KILLS = 5
WRITERS = 3


@pytest.fixture
def call(site: Site, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch) -> Calls:
    return Calls(site.home.path, capsys, monkeypatch)


def fill(site: Site, jobs: int, length: int = 4000) -> None:
    """The store has some pages."""
    for number in range(jobs):
        site.submit("true", "x" * length + str(number), hold=True)


def rest(site: Site) -> dict[str, str]:
    """What only a job of the site has: no home from its caller, no terminal."""
    return {"PYTHONPATH": cli_environment()["PYTHONPATH"], "HOME": str(site.root)}


# --- as a user ---


def test_the_three_verbs_beside_a_running_supervisor(site: Site, call: Calls) -> None:
    fill(site, 20)
    site.up()
    copy = str(site.root / "copy.db")
    sound = call("db", "check")
    assert (sound.code, sound.err) == (0, "")
    assert sound.out.splitlines()[-1].startswith("sound: ")
    made = call("db", "backup", copy)
    assert (made.code, made.err) == (0, "")
    assert made.out.startswith(f"{copy}: ")
    assert call("db", "check", copy).code == 0
    assert call("db", "vacuum").out.startswith("freed ")
    refused = call("db", "vacuum", "--full")
    assert (refused.code, refused.err.count("\n")) == (4, 1)
    assert call("db", "backup", copy).code == 4
    job_id = site.submit("true")
    site.wait_status(job_id, JobStatus.COMPLETED)


def test_their_json(site: Site, call: Calls) -> None:
    fill(site, 3)
    checked = call("db", "check", "--json").document
    assert checked["ok"] is True
    assert checked["path"] == site.home.store
    assert {tuple(check) for check in checked["checks"]} == {
        ("name", "ok", "level", "count", "message", "examples", "remedy", "skipped")
    }
    made = call("db", "backup", "--json").document
    assert set(made) == {"path", "size_bytes", "schema_version", "removed"}
    assert os.stat(made["path"]).st_size == made["size_bytes"]
    done = call("db", "vacuum", "--full", "--json").document
    assert (done["full"], done["free_pages"], done["wal_emptied"]) == (True, 0, True)


@pytest.mark.parametrize(
    "words", [("check",), ("backup",), ("backup", "x.db"), ("vacuum",), ("vacuum", "--full")]
)
def test_without_a_store_they_say_so_and_make_nothing(
    tmp_path: Path,
    capsys: pytest.CaptureFixture[str],
    monkeypatch: pytest.MonkeyPatch,
    words: tuple[str, ...],
) -> None:
    home = tmp_path / "none"
    monkeypatch.chdir(tmp_path)
    done = Calls(str(home), capsys, monkeypatch)("db", *words)
    assert (done.code, "E_NO_STORE" in done.err) == (3, True)
    assert os.listdir(tmp_path) == []


@pytest.mark.parametrize(
    "words",
    [
        ("backup", "--keep", "0"), ("backup", "--keep", "x"), ("backup", "file.db", "--keep", "2"), ("backup", ""),
        ("check", "a", "b"), ("vacuum", "x"),
    ],
)  # fmt: skip
def test_bad_words_change_nothing(
    site: Site, call: Calls, monkeypatch: pytest.MonkeyPatch, words: tuple[str, ...]
) -> None:
    before = fingerprint(site.root)
    monkeypatch.chdir(site.root)
    done = call("db", *words)
    assert (done.code, done.err.count("\n")) == (2, 1)
    assert fingerprint(site.root) == before


@pytest.mark.parametrize("damage", ["text", "truncated", "flipped"])
def test_a_damaged_store_is_said_to_be_so_and_left_alone(
    site: Site, call: Calls, tmp_path: Path, damage: str
) -> None:
    fill(site, 20)
    home = tmp_path / "other"
    home.mkdir(mode=0o700)
    assert call("db", "backup", str(home / "jobctl.db")).code == 0
    store = home / "jobctl.db"
    if damage == "text":
        store.write_text("dear diary\n" * 1000)
    elif damage == "truncated":
        os.truncate(store, 20_000)
    else:
        flip(store, 4, 3000)
    before = fingerprint(home)
    told = call("db", "check", "--home", str(home))
    assert told.code == 1
    assert told.err == ""
    assert told.out.splitlines()[-1].startswith("DAMAGED: ")
    assert "Traceback" not in told.out
    assert ": no, 1 found" in told.out
    document = call("db", "check", "--json", "--home", str(home))
    assert (document.code, document.document["ok"]) == (1, False)
    assert fingerprint(home) == before
    refused = call("db", "backup", str(tmp_path / "copy.db"), "--home", str(home))
    assert (refused.code, refused.err.count("\n")) == (5, 1)
    assert not (tmp_path / "copy.db").exists()


# --- beside writers, and killed ---


_WRITER = """
import sys
from jobctl.clock import SystemClock
from jobctl.model.homes import Home
from jobctl.store import Store
from tests.support.stores import add_job
with Store.open(Home(sys.argv[1]), SystemClock()) as store:
    print("ready", flush=True)
    while True:
        add_job(store, "written", hold=True)
"""


def test_a_copy_made_while_others_write_is_sound(site: Site, call: Calls) -> None:
    fill(site, 50)
    writers = [
        subprocess.Popen(
            [sys.executable, "-c", _WRITER, site.home.path], stdout=subprocess.PIPE, env=cli_environment()
        )
        for _ in range(WRITERS)
    ]
    try:
        for writer in writers:
            assert writer.stdout is not None
            assert writer.stdout.readline() == b"ready\n"
        made = [run_cli("db", "backup", "--json", home=site.home.path) for _ in range(2)]
        vacuumed = run_cli("db", "vacuum", home=site.home.path)
        assert [writer.poll() for writer in writers] == [None] * WRITERS
    finally:
        for writer in writers:
            writer.kill()
            writer.communicate()
    assert [done.code for done in (*made, vacuumed)] == [0] * 3, [done.err for done in (*made, vacuumed)]
    for done in made:
        checked = call("db", "check", done.document["path"], "--json")
        assert checked.code == 0, checked.out
    assert call("db", "check").code == 0


def test_a_backup_killed_anywhere_leaves_a_whole_one_or_none(site: Site, call: Calls) -> None:
    seed = random.SystemRandom().randrange(10**6)
    chance = random.Random(seed)
    print(f"seed {seed}")
    fill(site, 400, 20_000)
    place = site.root / "backups"
    place.mkdir()
    target = place / "copy.db"
    outcomes: list[str] = []
    for _ in range(KILLS):
        wanted = chance.randrange(
            -2_000_000, 10_000_000
        )  # 8 MB are to be copied; below nothing: at any moment
        process = start_cli("db", "backup", "--force", str(target), home=site.home.path)
        if wanted > 0:
            wait_until(partial(_is_so_far, process, place, wanted), seconds=PATIENCE, patient_pause=0.001)
        process.kill()
        process.communicate()
        if target.exists():
            outcomes.append("whole")
            checked = call("db", "check", "--quick", str(target))
            assert checked.code == 0, (seed, checked.out)
            target.unlink()
        else:
            outcomes.append("none")
    assert "none" in outcomes, (seed, outcomes)
    assert call("db", "backup", str(target)).code == 0
    assert os.listdir(place) == ["copy.db"], seed
    assert call("db", "check").code == 0


def _is_so_far(process: subprocess.Popen[bytes], place: Path, wanted: int) -> bool:
    return process.poll() is not None or _written(place) >= wanted


def _written(place: Path) -> int:
    """The bytes that lie in the directory."""
    total = 0
    for name in os.listdir(place):
        try:
            total += os.stat(place / name).st_size
        except FileNotFoundError:
            continue
    return total


def test_a_full_disk_is_told_and_leaves_nothing(site: Site) -> None:
    """The limit of the shell stands for the disk: 64 KiB a file."""
    fill(site, 50)
    copy = site.root / "copy.db"
    done = subprocess.run(
        ["sh", "-c", f'ulimit -f 128; exec {PROGRAM} db backup "$0"', str(copy)],
        env=cli_environment(site.home.path), capture_output=True, timeout=60, check=False,
    )  # fmt: skip
    assert (done.returncode, done.stdout) == (5, b"")
    assert b"E_STORE_FULL" in done.stderr
    assert b"Traceback" not in done.stderr
    assert [path.name for path in site.root.iterdir() if "copy" in path.name] == []


# --- as jobs ---


def run_as_job(
    site: Site, call: Calls, text: str, *, status: JobStatus = JobStatus.COMPLETED
) -> dict[str, Any]:
    """What ``show`` tells of a job that ran our own program, told its home by its environment only."""
    job_id = site.shell(f"exec {PROGRAM} {text} </dev/null", environment={**os.environ, **rest(site)})
    site.wait_status(job_id)
    found: dict[str, Any] = call("show", str(job_id), "--json").document
    assert found["status"] == status, site.output(JobId(job_id))
    return found


def test_each_is_a_job_with_progress_and_a_result(site: Site, call: Calls) -> None:
    fill(site, 30)
    for number in range(5):
        site.submit("true", str(number))
    site.up()
    site.wait_for(lambda: site.store.jobs.counts()["completed"] == 5)
    checked = run_as_job(site, call, "db check")
    assert checked["result"]["ok"] is True
    assert (checked["progress"], checked["items_done"]) == (100, len(checked["result"]["checks"]))
    made = run_as_job(site, call, "db backup --keep 2")
    assert made["progress"] == 100
    assert os.path.dirname(made["result"]["path"]) == site.home.backups
    assert call("db", "check", made["result"]["path"]).code == 0
    pruned = run_as_job(site, call, "prune --keep 1 -y")
    assert (pruned["progress"], pruned["result"]["statuses"]) == (
        100,
        {"completed": pruned["result"]["removed"]},
    )
    assert pruned["result"]["removed"] == 6
    vacuumed = run_as_job(site, call, "db vacuum")
    assert (vacuumed["progress"], vacuumed["result"]["free_pages"]) == (100, 0)
    assert run_as_job(site, call, "db vacuum --full", status=JobStatus.FAILED)["exit_code"] == 4


def test_findings_fail_the_job_and_a_result_that_a_script_has_written_stays(site: Site, call: Calls) -> None:
    bad = site.root / "bad.db"
    shutil.copyfile("/bin/sh", bad)
    site.up()
    job = run_as_job(site, call, f"db check {bad}", status=JobStatus.FAILED)
    assert (job["exit_code"], job["result"]["ok"]) == (1, False)
    job_id = site.shell(
        f'echo \'{{"mine": 1}}\' >"$JOBCTL_RESULT"; {PROGRAM} db check',
        environment={**os.environ, **rest(site)},
    )
    site.wait_status(job_id, JobStatus.COMPLETED)
    assert call("show", str(job_id), "--json").document["result"] == {"mine": 1}


def test_what_cannot_be_reported_stops_no_work(site: Site) -> None:
    env = {"JOBCTL_PROGRESS": "/nowhere/progress", "JOBCTL_RESULT": "/nowhere/result"}
    done = run_cli("db", "check", "--json", home=site.home.path, env=env)
    assert (done.code, json.loads(done.out)["ok"]) == (0, True)
    assert done.err.startswith("not reported to the job: ")
