"""``jobctl.yaml`` and secrets through spawned processes."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
from pathlib import Path

from jobctl.model.states import JobStatus
from tests.support.cli import cli_environment, run_cli
from tests.support.supervisors import Site


def write(site: Site, text: str) -> Path:
    path = Path(site.home.path, "jobctl.yaml")
    path.write_text(text)
    path.chmod(0o600)
    return path


def kinds(site: Site) -> list[str]:
    return [event.kind for event in site.store.events.after(0, 10_000)]


BROKEN = "settings: {default_timout: 5m}\nqueues: {gpu: {concurrency: 0}}\n"


def test_up_refuses_to_start_with_a_broken_file_and_shows_every_problem(site: Site) -> None:
    path = write(site, BROKEN)
    ended = run_cli("up", home=site.home.path)
    assert (ended.code, ended.out) == (2, "")
    first, *rest = ended.err.splitlines()
    assert first.startswith(
        f"jobctl: error: 2 problems; the first is {path}:1:12: unknown setting: 'default_timout'"
    )
    assert first.endswith("[E_CONFIG]")
    assert all(line.startswith("  ") for line in rest)
    assert any(line.startswith(f"  {path}:2:29: concurrency must be 1..100000") for line in rest)
    assert site.store.lives.unended() == []


def test_up_and_reload_leave_all_as_it_is_where_the_file_is_missing(site: Site) -> None:
    path = write(
        site,
        "jobs: {a: {command: x}}\nschedules: {s: {command: x, daily: '03:00'}}\n"
        "daemons: {web: {command: sleep 1000, autostart: never}}\n",
    )
    assert run_cli("reload", home=site.home.path).code == 0
    before = kinds(site)
    path.unlink()
    assert run_cli("reload", home=site.home.path).code == 3
    assert run_cli("up", "--until-idle", home=site.home.path).code == 0
    assert [kind for kind in kinds(site)[len(before) :] if not kind.startswith("supervisor.")] == []
    write(site, "")
    assert "gone from the file" in run_cli("up", "--until-idle", home=site.home.path).out
    assert site.store.schedules.list()[0].enabled is False


def test_json_of_a_broken_file_lists_the_problems(site: Site) -> None:
    write(site, BROKEN)
    ended = run_cli("reload", "--json", home=site.home.path)
    assert ended.code == 2
    error = ended.document["error"]
    assert error["code"] == "E_CONFIG"
    assert [(one["line"], one["column"]) for one in error["problems"]] == [(1, 12), (2, 29)]


def test_submit_takes_its_defaults_from_the_file_and_refuses_a_broken_one(site: Site) -> None:
    write(site, "settings: {default_attempts: 4, default_timeout: 5m, default_on_crash: fail}")
    assert run_cli("submit", "--", "true", home=site.home.path).code == 0
    submitted = run_cli(
        "submit", "--json", "--", "true", home=site.home.path, env={"JOBCTL_DEFAULT_ATTEMPTS": "2"}
    )
    assert (submitted.document["max_attempts"], submitted.document["timeout_seconds"]) == (2, 300.0)
    flagged = run_cli("submit", "--json", "--attempts", "9", "--", "true", home=site.home.path)
    assert flagged.document["max_attempts"] == 9
    write(site, BROKEN)
    assert run_cli("submit", "--", "true", home=site.home.path).code == 2


def test_submit_imports_no_yaml_where_there_is_no_file(tmp_path: Path) -> None:
    code = (
        "import sys; from jobctl.cli.app import main; code = main(['submit', '-q', '--', 'true']);"
        " print([name for name in ('yaml', 'jobctl.model.configurations') if name in sys.modules], code)"
    )
    done = subprocess.run(
        [sys.executable, "-c", code], capture_output=True, text=True, check=True,
        env=cli_environment(tmp_path / "home"), cwd=tmp_path,
    )  # fmt: skip
    assert done.stdout.splitlines()[-1] == "[] 0"


def test_a_project_is_configured_by_its_own_file_also_from_within_a_job(tmp_path: Path) -> None:
    tmp_path.chmod(0o700)
    (tmp_path / "jobctl.yaml").write_text("settings: {default_attempts: 3}")
    (tmp_path / "deep").mkdir()
    found = run_cli("submit", "--json", "--", "true", cwd=tmp_path / "deep", env={"HOME": str(tmp_path)})
    assert found.document["max_attempts"] == 3
    home = tmp_path / ".jobctl"
    assert (home / "jobctl.db").exists()
    inside = run_cli("submit", "--json", "--", "true", home=home, cwd="/")
    assert inside.document["max_attempts"] == 3


def test_reload_and_hangup_change_a_running_supervisor(site: Site) -> None:
    write(site, "queues: {gpu: {concurrency: 1}}")
    process = site.up()
    site.wait_for(lambda: site.store.queues.exists("gpu"))
    write(site, "queues: {gpu: {concurrency: 2}, mail: {rate: 10/min}}\nresources: {gpu: 1}")
    reloaded = run_cli("reload", "--json", home=site.home.path)
    assert reloaded.document["supervisor"] is True
    told = [f"{one['name']} {one['key']}" for one in reloaded.document["changes"]]
    assert told == ["gpu concurrency", "mail concurrency", "mail rate", "gpu count"]
    site.wait_for(lambda: kinds(site).count("supervisor.reloaded") == 1)

    write(site, BROKEN)
    process.send_signal(signal.SIGHUP)
    site.wait_for(lambda: "supervisor.reload_refused" in kinds(site))
    write(site, "queues: {gpu: {concurrency: 7}}")
    process.send_signal(signal.SIGHUP)
    site.wait_for(lambda: {q.name: q.concurrency for q in site.store.queues.limits()}["gpu"] == 7)
    assert process.poll() is None
    assert run_cli("submit", "--", "true", home=site.home.path).code == 0
    run_cli("down", home=site.home.path)
    assert site.finish(process) == 0


def test_reload_without_a_supervisor_changes_the_store(site: Site) -> None:
    write(site, "queues: {gpu: {concurrency: 3}}")
    assert run_cli("reload", home=site.home.path).out == "queue gpu: concurrency none → 3\n"
    again = run_cli("reload", home=site.home.path)
    assert again.out == "nothing to change\n"
    assert {queue.name for queue in site.store.queues.limits()} == {"default", "gpu"}


def test_reload_without_a_file_says_where_it_would_be(site: Site) -> None:
    ended = run_cli("reload", home=site.home.path)
    assert ended.code == 3
    assert "no configuration at" in ended.err


def test_a_secret_is_nowhere_but_in_the_job(site: Site) -> None:
    secret = "q7Zk-geheim-93xV"
    Path(site.home.secrets).write_text(f"MY_VALUE={secret}\n")
    os.chmod(site.home.secrets, 0o600)
    gate = site.root / "gate"
    gate.touch()
    script = f"printf %s \"$MY_VALUE\" | wc -c; while [ -e '{gate}' ]; do sleep 0.05; done"
    # The caller has the value too: it must not be stored from there.
    given = {"MY_VALUE": secret}
    submitted = run_cli(
        "submit",
        "--json",
        "--secret-env",
        "MY_VALUE",
        "--",
        "sh",
        "-c",
        script,
        home=site.home.path,
        env=given,
    )
    job = submitted.document["id"]
    process = site.up("--log-format", "json")
    site.wait_status(job, JobStatus.RUNNING)
    site.wait_for(lambda: site.output(job).strip())
    assert site.output(job).strip() == str(len(secret))
    words = [_command_line(entry) for entry in Path("/proc").glob("[0-9]*")]
    shown = [run_cli(*call, home=site.home.path).out for call in (
        ("show", str(job), "--json"), ("show", str(job)), ("list", "--json"), ("events", "--json"),
        ("status", "--json"), ("db", "info"),
    )]  # fmt: skip
    gate.unlink()
    site.wait_status(job, JobStatus.COMPLETED)
    run_cli("down", home=site.home.path)
    site.finish(process)
    assert not any(secret.encode() in line for line in words)
    assert secret not in submitted.out + submitted.err + "".join(shown)
    kept = Path(site.home.secrets)
    for path in [*Path(site.home.path).rglob("*"), *site.root.glob("*.out"), *site.root.glob("*.err")]:
        if path.is_file() and path != kept:
            assert secret.encode() not in path.read_bytes(), path


def _command_line(entry: Path) -> bytes:
    try:
        return (entry / "cmdline").read_bytes()
    except OSError:  # it has ended meanwhile
        return b""
