"""``jobctl.yaml`` on disk and in the store."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

from jobctl.actions.configurations import apply_configuration, request_reload
from jobctl.actions.queues import resume_queue
from jobctl.configuration import LARGEST_FILE, configuration_path, read_configuration
from jobctl.errors import BadFileError, BadInputError, JobctlError, UnusableError
from jobctl.model.configurations import parse_configuration
from jobctl.model.daemons import DaemonSource
from jobctl.model.homes import Home
from jobctl.model.queues import Queue, Rate
from jobctl.model.states import JobStatus
from tests.support.supervisors import Stage


def write(home: Home, text: str | bytes) -> Path:
    """The configuration of ``home``."""
    os.makedirs(home.path, mode=0o700, exist_ok=True)
    path = Path(home.path, "jobctl.yaml")
    path.write_bytes(text if isinstance(text, bytes) else text.encode())
    path.chmod(0o600)
    return path


@pytest.fixture
def home(tmp_path: Path) -> Home:
    return Home(str(tmp_path / "home"))


def queue_of(stage: Stage, name: str) -> Queue:
    return next(queue for queue in stage.store.queues.limits() if queue.name == name)


def test_a_home_without_a_file_has_no_configuration(home: Home) -> None:
    assert read_configuration(home) is None


def test_the_file_of_a_home_lies_in_it(home: Home) -> None:
    write(home, "settings: {default_attempts: 2}")
    found = read_configuration(home)
    assert found is not None
    assert found.settings == {"default_attempts": 2}


def test_the_file_of_a_dot_jobctl_lies_beside_it(tmp_path: Path) -> None:
    tmp_path.chmod(0o700)
    home = Home(str(tmp_path / ".jobctl"))
    assert configuration_path(home) == str(tmp_path / ".jobctl" / "jobctl.yaml")
    (tmp_path / "jobctl.yaml").write_text("")
    assert configuration_path(home) == str(tmp_path / "jobctl.yaml")


def test_a_file_beside_is_ignored_where_others_may_write(tmp_path: Path) -> None:
    (tmp_path / "jobctl.yaml").write_text("")
    tmp_path.chmod(0o777)
    assert configuration_path(Home(str(tmp_path / ".jobctl"))) == str(tmp_path / ".jobctl" / "jobctl.yaml")


def test_a_byte_order_mark_is_skipped(home: Home) -> None:
    write(home, b"\xef\xbb\xbfresources: {gpu: 1}\n")
    found = read_configuration(home)
    assert found is not None
    assert found.resources == {"gpu": 1}


def refused(home: Home) -> JobctlError:
    with pytest.raises(JobctlError) as caught:
        read_configuration(home)
    assert caught.value.code == "E_CONFIG"
    return caught.value


def test_a_file_that_is_not_utf_8_is_refused_with_its_place(home: Home) -> None:
    path = write(home, b"# a\nsettings: \xff\n")
    error = refused(home)
    assert isinstance(error, BadInputError)
    assert str(error) == f"{path}:2:11: not UTF-8; save it as UTF-8"


def test_a_file_above_a_mebibyte_is_refused(home: Home) -> None:
    write(home, b"#" * (LARGEST_FILE + 1))
    assert "above 1 MiB" in str(refused(home))


def test_a_fifo_is_refused_at_once(home: Home) -> None:
    os.makedirs(home.path, mode=0o700)
    os.mkfifo(f"{home.path}/jobctl.yaml", 0o600)
    assert "no regular file" in str(refused(home))


def test_a_directory_is_refused(home: Home) -> None:
    os.makedirs(f"{home.path}/jobctl.yaml", mode=0o700)
    assert "no regular file" in str(refused(home))


@pytest.mark.parametrize("mode", [0o620, 0o602])
def test_a_file_others_may_write_to_is_refused(home: Home, mode: int) -> None:
    write(home, "").chmod(mode)
    error = refused(home)
    assert isinstance(error, UnusableError)
    assert "others may write" in str(error)


def test_queues_and_resources_are_applied_and_told(stage: Stage) -> None:
    wanted = parse_configuration(
        "settings: {concurrency: 2}\nresources: {gpu: 2}\n"
        "queues: {gpu: {concurrency: 1, rate: 10/min, paused: true}}\n",
        "x",
    )
    changes = apply_configuration(stage.store, wanted, stage.clock)
    assert [str(change) for change in changes] == [
        "queue default: concurrency 5 → 2",
        "queue gpu: concurrency none → 1",
        "queue gpu: rate none → 10/min",
        "queue gpu: paused false → true",
        "resource gpu: count none → 2",
    ]
    gpu = queue_of(stage, "gpu")
    assert (gpu.concurrency, gpu.rate, gpu.paused) == (1, Rate(10, 60.0), True)
    assert stage.store.queues.resources() == {"gpu": 2}
    assert queue_of(stage, "default").concurrency == 2


def test_applying_twice_changes_nothing_and_writes_no_event(stage: Stage) -> None:
    wanted = parse_configuration("queues: {gpu: {concurrency: 1, rate: 2/s}}\nresources: {gpu: 2}\n", "x")
    apply_configuration(stage.store, wanted, stage.clock)
    before = stage.store.events.last_id()
    assert apply_configuration(stage.store, wanted, stage.clock) == []
    assert stage.store.events.last_id() == before


def test_what_the_file_no_longer_names_stays(stage: Stage) -> None:
    first = parse_configuration("queues: {gpu: {concurrency: 3, rate: 2/s}}\nresources: {gpu: 2}\n", "x")
    apply_configuration(stage.store, first, stage.clock)
    apply_configuration(stage.store, parse_configuration("queues: {gpu: {}}", "x"), stage.clock)
    assert (queue_of(stage, "gpu").concurrency, queue_of(stage, "gpu").rate) == (3, Rate(2, 1.0))
    assert stage.store.queues.resources() == {"gpu": 2}


def test_a_rate_of_none_takes_the_limit_away(stage: Stage) -> None:
    for rate in ("2/s", "none"):
        wanted = parse_configuration(f"queues: {{gpu: {{rate: {rate}}}}}", "x")
        apply_configuration(stage.store, wanted, stage.clock)
    assert queue_of(stage, "gpu").rate is None


def test_more_of_a_resource_lets_go_on_who_waits_for_it(stage: Stage) -> None:
    apply_configuration(stage.store, parse_configuration("resources: {gpu: 1}", "x"), stage.clock)
    supervisor = stage.supervise()
    gate = stage.root / "gate"
    gate.touch()
    jobs = [
        stage.shell(f"while [ -e '{gate}' ]; do sleep 0.02; done", resources={"gpu": 1}) for _ in range(2)
    ]
    stage.turn_until_status(supervisor, jobs[0], JobStatus.RUNNING)
    stage.turn_until(supervisor, lambda: stage.job(jobs[1]).reason == "resource")
    apply_configuration(stage.store, parse_configuration("resources: {gpu: 2}", "x"), stage.clock)
    stage.turn_until_status(supervisor, jobs[1], JobStatus.RUNNING)
    gate.unlink()


def reloads(stage: Stage) -> list[tuple[str, object]]:
    return [(event.kind, event.data) for event in stage.store.events.after(0) if "reload" in event.kind]


def test_a_request_reaches_the_running_supervisor_once(stage: Stage) -> None:
    supervisor = stage.supervise()
    write(stage.home, "settings: {idle_interval: 700ms}\nqueues: {gpu: {concurrency: 2}}\n")
    assert request_reload(stage.store)
    supervisor.turn()
    supervisor.turn()
    assert reloads(stage) == [("supervisor.reloaded", {"changes": ["queue gpu: concurrency none → 2"]})]
    assert supervisor.pause_seconds() == 0.7
    assert queue_of(stage, "gpu").concurrency == 2


def test_without_a_supervisor_nobody_is_told(stage: Stage) -> None:
    assert not request_reload(stage.store)


def test_a_broken_file_changes_nothing_in_the_supervisor(stage: Stage) -> None:
    supervisor = stage.supervise()
    write(stage.home, "settings: {idle_interval: 700ms}\nqueues: {gpu: {concurrency: 0}}\n")
    request_reload(stage.store)
    supervisor.turn()
    ((kind, data),) = reloads(stage)
    assert kind == "supervisor.reload_refused"
    assert isinstance(data, dict)
    assert "jobctl.yaml:2:29: concurrency must be 1..100000" in data["error"]
    supervisor.turn()
    assert supervisor.pause_seconds() <= 1.0
    assert [queue.name for queue in stage.store.queues.limits()] == ["default"]


NAMING = """
settings: {idle_interval: 700ms}
jobs: {a: {command: x, schedule: {daily: "03:00"}}}
schedules: {s: {command: x, daily: "03:00"}}
daemons: {web: {command: sleep 1000, autostart: never}}
"""


def named(stage: Stage) -> tuple[bool, bool, bool, bool]:
    """Whether what the file named holds: its job, that one's schedule, the other schedule, the daemon."""
    jobs = {one.definition.name: one.gone_at is None for one in stage.store.definitions.list()}
    schedules = {one.name: one.enabled for one in stage.store.schedules.list()}
    (daemon,) = stage.store.daemons.all()
    return jobs["a"], schedules["a"], schedules["s"], daemon.source is DaemonSource.FILE


def test_a_file_that_is_gone_changes_nothing_and_an_empty_one_retires_all(stage: Stage) -> None:
    supervisor = stage.supervise()
    path = write(stage.home, NAMING)
    request_reload(stage.store)
    supervisor.turn()
    path.unlink()
    request_reload(stage.store)
    supervisor.turn()
    supervisor.turn()
    (_, (kind, data)) = reloads(stage)
    assert kind == "supervisor.reload_refused"
    assert isinstance(data, dict)
    assert "no configuration at" in data["error"]
    assert named(stage) == (True, True, True, True)
    assert supervisor.pause_seconds() <= 0.7
    write(stage.home, "")
    request_reload(stage.store)
    supervisor.turn()
    assert named(stage) == (False, False, False, False)


@pytest.mark.parametrize("place", ["required_configuration", "apply_configuration"])
def test_a_bug_in_a_reload_refuses_it_and_the_supervisor_goes_on(
    stage: Stage, monkeypatch: pytest.MonkeyPatch, place: str
) -> None:
    def fail(*_: object) -> None:
        raise ZeroDivisionError("by hand")

    supervisor = stage.supervise()
    write(stage.home, NAMING)
    monkeypatch.setattr(f"jobctl.supervisor.reloads.{place}", fail)
    request_reload(stage.store)
    supervisor.turn()
    supervisor.turn()
    ((kind, data),) = reloads(stage)
    assert kind == "supervisor.reload_refused"
    assert isinstance(data, dict)
    assert data["error"] == "a bug in jobctl: ZeroDivisionError: by hand"
    assert str(data["traceback"][-1]).endswith("in fail")
    assert stage.store.definitions.list() == []


def test_the_environment_wins_over_the_file(stage: Stage, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("JOBCTL_IDLE_INTERVAL", "300ms")
    supervisor = stage.supervise()
    write(stage.home, "settings: {idle_interval: 700ms}")
    request_reload(stage.store)
    supervisor.turn()
    supervisor.turn()
    assert supervisor.pause_seconds() == 0.3


def test_a_queue_named_in_the_file_is_resumed_by_hand_all_the_same(stage: Stage) -> None:
    wanted = parse_configuration("queues: {gpu: {paused: true}}", "x")
    apply_configuration(stage.store, wanted, stage.clock)
    resume_queue(stage.store, "gpu", stage.clock)
    assert not queue_of(stage, "gpu").paused


def test_a_broken_file_tells_every_problem(home: Home) -> None:
    write(home, "settings: {a: 1}\nqueues: {gpu: {b: 2}}\n")
    error = refused(home)
    assert isinstance(error, BadFileError)
    assert len(error.problems) == 2
