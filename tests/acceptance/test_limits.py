"""Limits, pauses and progress of spawned jobs, as a user meets them."""

from __future__ import annotations

import sys

from jobctl.model.states import JobStatus
from tests.support.cli import run_cli
from tests.support.supervisors import Site

COMPLETED = JobStatus.COMPLETED
MIB = 1 << 20
WRITER = (
    "import os\nos.write(1, b'first line\\n')\nblock = (b'x' * 63 + b'\\n') * 4096\n"
    "for _ in range({mib} * 4): os.write(1, block)\n"
    "os.write(1, b'last line\\n')"
)


def test_a_hundred_parallel_children_report_and_nothing_is_lost(site: Site) -> None:
    site.up()
    reporter = (
        "import os, sys\n"
        "for number in range(20):\n"
        "    fd = os.open(os.environ['JOBCTL_PROGRESS'], os.O_WRONLY | os.O_APPEND)\n"
        "    os.write(fd, b'+1\\n' if number % 2 else b'!%s broken\\n' % sys.argv[1].encode())\n"
        "    os.close(fd)\n"
    )
    (site.root / "report.py").write_text(reporter)
    text = (
        f"echo /1000 >>$JOBCTL_PROGRESS; for n in $(seq 100); do {sys.executable} -S report.py $n & done; wait;"
        f" {sys.executable} -m jobctl progress --failed-item last 'gone wrong'"
    )
    job_id = site.shell(text)
    site.wait_status(job_id, COMPLETED)
    shown = run_cli("show", str(job_id), "--json", home=site.home.path).document
    assert (shown["items_done"], shown["items_total"], shown["progress"]) == (1000, 1000, 100)
    assert shown["items_failed"] == 1001
    assert len(shown["item_errors"]) == 1000
    assert shown["item_errors"][0]["error"] == "broken"
    assert "1001 failed" in run_cli("show", str(job_id), home=site.home.path).out


def test_a_cut_log_is_shown_with_a_marker_in_every_way_to_read_it(site: Site) -> None:
    site.up()
    job_id = site.submit(sys.executable, "-c", WRITER.format(mib=100), max_log_bytes=2 * MIB)
    site.wait_status(job_id, COMPLETED)
    shown = run_cli("show", str(job_id), "--json", home=site.home.path).document
    assert shown["log_bytes"] == 100 * MIB + 21
    assert 97 * MIB < shown["log_dropped_bytes"] < 100 * MIB
    for arguments in (("logs",), ("logs", "-f"), ("logs", "--raw"), ("logs", "--tail", "1000000")):
        told = run_cli(*arguments, str(job_id), home=site.home.path)
        assert told.code == 0
        assert "\0" not in told.out
        lines = told.out.splitlines()
        assert (lines[0], lines[-1]) == ("first line", "last line")
        [marker] = [line for line in lines if "dropped by the log limit" in line]
        assert marker.startswith("[… 9"), marker
    tail = run_cli("logs", "--tail", "2", str(job_id), home=site.home.path)
    assert tail.out == "x" * 63 + "\nlast line\n"
    assert "were dropped by the log limit" in run_cli("show", str(job_id), home=site.home.path).out


def test_pause_and_resume_by_hand(site: Site) -> None:
    site.up()
    (site.root / "gate").touch()
    job_id = site.shell("while [ -e gate ]; do sleep 0.01; done; exit 7")
    site.wait_running(job_id)
    paused = run_cli("pause", str(job_id), "--json", home=site.home.path)
    assert paused.document == {"jobs": [{"id": job_id, "status": "running", "action": "pausing"}]}
    site.wait_for(lambda: site.job(job_id).reason == "paused")
    assert {entry.state for entry in site.processes() if entry.session != entry.pid} == {"T"}
    assert "running (paused)" in run_cli("list", home=site.home.path).out
    (site.root / "gate").unlink()
    assert run_cli("resume", str(job_id), home=site.home.path).out == f"job {job_id} resuming\n"
    assert site.wait_status(job_id).exit_code == 7
    for verb in ("pause", "resume"):
        refused = run_cli(verb, str(job_id), home=site.home.path)
        assert refused.code == 4
        assert "it must be running" in refused.err
