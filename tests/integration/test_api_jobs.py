"""The API on a real store, with a supervisor turned by hand: the same jobs, documents and errors as the verbs have."""

from __future__ import annotations

import json
import os
import threading
import weakref
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from jobctl import api
from jobctl.api import Client, Job, JobStatus
from jobctl.errors import (
    BadInputError,
    JobctlError,
    JobFailedError,
    NotFoundError,
    StateConflictError,
    WaitTimeoutError,
)
from jobctl.model.states import JobId
from jobctl.store import Store
from tests.support.calls import Calls
from tests.support.supervisors import Stage
from tests.support.waiting import wait_until

CHANGING = ("wait_seconds", "duration_seconds", "eta_seconds")
"""Of a job that has not ended: they depend on when it was looked at."""


@pytest.fixture
def client(stage: Stage, monkeypatch: pytest.MonkeyPatch) -> Iterator[Client]:
    """A client of the stage's home, which is the default one."""
    monkeypatch.setenv("JOBCTL_HOME", stage.home.path)
    monkeypatch.chdir(stage.root)
    with Client(stage.home.path) as found:
        yield found


@pytest.fixture
def jobctl(stage: Stage, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch) -> Calls:
    """The command line about the same home."""
    return Calls(stage.home.path, capsys, monkeypatch)


def settled(document: dict[str, Any]) -> dict[str, Any]:
    """What of a document does not depend on when it was made."""
    return {key: value for key, value in document.items() if key not in CHANGING}


def ended(stage: Stage, job: Job) -> Job:
    """The job, once a supervisor has run it."""
    stage.turn_until(stage.supervise(), lambda: stage.status(JobId(job.id)).is_terminal)
    return job.refresh()


def test_a_job_is_as_the_command_line_would_have_made_it(client: Client, stage: Stage, jobctl: Calls) -> None:
    job = client.submit(
        ["echo", "hi"],
        name="hello",
        tags=["a"],
        timeout="5m",
        attempts=3,
        priority=2,
        meta={"x": [1]},
        user="ana",
    )
    by_hand = jobctl(
        "submit", "--json", "-n", "hello", "-t", "a", "--timeout", "5m", "--attempts", "3", "-p", "2",
        "--meta", '{"x": [1]}', "--user", "ana", "--", "echo", "hi",
    )  # fmt: skip
    other = json.loads(by_hand.out)
    mine = settled(job.as_json())
    assert {**mine, "id": 0, "created_at": 0, "queued_at": 0, "eligible_at": 0} == {
        **settled(other), "id": 0, "created_at": 0, "queued_at": 0, "eligible_at": 0,
    }  # fmt: skip
    mine_spec, other_spec = (stage.job(JobId(number)).spec for number in (job.id, other["id"]))
    assert mine_spec == other_spec
    assert stage.store.jobs.environment_of(JobId(job.id)) == stage.store.jobs.environment_of(
        JobId(other["id"])
    )
    shown = json.loads(jobctl("list", "--json").out)["jobs"]
    assert [settled(one) for one in shown] == [settled(one.as_json()) for one in client.list()]


@pytest.mark.parametrize(
    ("kwargs", "words"),
    [
        ({"queue": "gpx"}, ["--queue", "gpx"]),
        ({"timeout": "5x"}, ["--timeout", "5x"]),
        ({"priority": 11}, ["--priority", "11"]),
        ({"after": 99}, ["--after", "99"]),
        ({"name": "a\nb"}, ["--name", "a\nb"]),
        ({"cwd": "/nowhere/at/all"}, ["--cwd", "/nowhere/at/all"]),
    ],
)
def test_errors_are_those_of_the_command_line(
    client: Client, jobctl: Calls, kwargs: dict[str, Any], words: list[str]
) -> None:
    said = jobctl("submit", "--json", *words, "--", "true")
    with pytest.raises(JobctlError) as refused:
        client.submit(["true"], **kwargs)
    error = json.loads(said.out)["error"]
    assert (refused.value.code, refused.value.message, refused.value.hint or None) == (
        error["code"], error["message"], error["hint"],
    )  # fmt: skip
    assert refused.value.exit_code == said.code
    assert client.list() == []


def test_many_are_stored_or_none(client: Client) -> None:
    ids = client.submit_many([{"command": ["true"]}, {"shell": "exit 3", "name": "bad"}], tags=["bulk"])
    assert [client.job(number).tags for number in ids] == [("bulk",), ("bulk",)]
    with pytest.raises(
        BadInputError, match=r"requests\[1\]: unknown key.*timeot.*none of the jobs was submitted"
    ):
        client.submit_many([{"command": ["true"]}, {"command": ["true"], "timeot": 1}])
    assert len(client.list()) == 2


def test_lists_are_narrowed(client: Client, stage: Stage) -> None:
    for user, name in (("ana", "a"), ("bob", "b"), ("ana", "c")):
        client.submit(["true"], user=user, name=name, tags=[f"t{name}"], hold=name == "c")
    assert [job.name for job in client.list()] == ["c", "b", "a"]
    assert [job.name for job in client.recent(user="ana")] == ["c", "a"]
    assert [job.name for job in client.recent(limit=1)] == ["c"]
    assert [job.name for job in client.list(tags=["tb"])] == ["b"]
    assert [job.name for job in client.list("name:a")] == ["a"]
    assert [job.name for job in client.list(status="created")] == ["c"]
    assert [job.name for job in client.list(sort="name")] == ["a", "b", "c"]
    assert client.list([]) == []
    supervisor = stage.supervise()
    stage.turn_until(supervisor, lambda: client.counts()["completed"] == 2)
    assert [job.name for job in client.active()] == ["c"]
    assert [job.name for job in client.history("a")] == ["a"]
    with pytest.raises(NotFoundError):
        client.list(99)
    with pytest.raises(BadInputError, match="unknown sort key"):
        client.list(sort="size")
    with pytest.raises(BadInputError, match="bad limit"):
        client.list(limit=0)


def test_nothing_is_made_by_reading(tmp_path: Path) -> None:
    tmp_path.chmod(0o700)
    with Client(tmp_path / "none") as client:
        assert (client.list(), client.events(), client.schedules.list(), client.daemons.list()) == (
            [],
            [],
            [],
            [],
        )
        assert client.find(1) is None
        assert [queue.name for queue in client.queues.list()] == ["default"]
        with pytest.raises(NotFoundError) as missing:
            client.job(1)
        assert missing.value.code == "E_NO_STORE"
    assert not (tmp_path / "none").exists()


def test_results_logs_and_failures(client: Client, stage: Stage) -> None:
    good = client.submit(shell='echo one; printf two; echo \'{"a": 1}\' > "$JOBCTL_RESULT"')
    bad = client.submit(shell="echo gone wrong; exit 3", name="bad")
    supervisor = stage.supervise()
    stage.turn_until(supervisor, lambda: all(job.ended for job in client.list()))
    assert client.result(good) == {"a": 1}
    assert list(good.logs()) == ["one", "two"]
    assert list(client.logs([good, bad])) == ["one", "two", "gone wrong"]
    with pytest.raises(JobFailedError) as failed:
        client.result(bad)
    assert failed.value.exit_code == 1
    assert failed.value.job.exit_code == 3
    assert failed.value.log_tail == ("gone wrong",)
    assert "job" in str(failed.value)
    assert "| gone wrong" in str(failed.value)
    assert [job.status for job in client.wait([good, bad])] == [JobStatus.COMPLETED, JobStatus.FAILED]
    assert bad.refresh().returncode == 3
    assert [attempt.outcome for attempt in client.attempts(bad)] == ["failed"]
    assert client.explain(bad)[0].as_json()["code"]
    with pytest.raises(NotFoundError):
        list(client.logs(good, attempt=7))
    with pytest.raises(BadInputError, match="unknown stream"):
        client.logs(good, stream="both-of-them")


def test_waiting_gives_up_in_time_and_tells_progress(client: Client, stage: Stage) -> None:
    gate = stage.root / "gate"
    gate.touch()
    job = client.submit(
        shell=f'echo "1/4 first" >> "$JOBCTL_PROGRESS"; while [ -e {gate} ]; do sleep 0.01; done;'
        ' echo "4/4 last" >> "$JOBCTL_PROGRESS"'
    )
    supervisor = stage.supervise()
    stage.turn_until(supervisor, lambda: job.refresh().items_done == 1, tick=0.3)
    seen: list[tuple[float | None, str | None]] = []
    with pytest.raises(WaitTimeoutError):
        client.wait(job, timeout=0, on_progress=lambda found: seen.append((found.percent, found.message)))
    with pytest.raises(WaitTimeoutError):
        client.wait(job, timeout=0.05, on_progress=lambda found: seen.append((found.percent, found.message)))
    gate.unlink()
    stage.turn_until(supervisor, lambda: job.refresh().ended, tick=0.3)
    job.wait(on_progress=lambda found: seen.append((found.percent, found.message)))
    assert seen == [(25.0, "first"), (100.0, "last")]
    assert client.wait([]) == []
    with pytest.raises(NotFoundError):
        client.wait(99)


def test_changes_are_those_of_the_verbs(client: Client, stage: Stage) -> None:
    first, second = (client.submit(["true"], name=name) for name in "ab")
    assert [change.as_json() for change in client.hold(first)] == [
        {"id": first.id, "status": "created", "action": "held"}
    ]
    assert client.release([first])[0].action == "released"
    assert client.edit(second, priority=1, timeout="90s").priority == 1
    assert client.cancel("name:a", reason="not needed")[0].status is JobStatus.CANCELLED
    assert first.refresh().status is JobStatus.CANCELLED
    assert first.retry().status is JobStatus.QUEUED
    assert client.cancel([]) == []
    assert client.remove(first) == [first.id]
    with pytest.raises(NotFoundError):
        first.refresh()
    with pytest.raises(StateConflictError):
        client.retry(second)
    with pytest.raises(BadInputError, match="no option of edit"):
        client.edit(second, colour="red")  # type: ignore[call-arg]
    with pytest.raises(BadInputError, match="nothing to change"):
        client.edit(second)
    ended(stage, second)
    assert client.prune(keep=0, dry_run=True) == [second.id]
    assert client.prune(keep=0) == [second.id]
    with pytest.raises(BadInputError, match="prune needs criteria"):
        client.prune()


def test_running_jobs_are_paused_resumed_and_cancelled(client: Client, stage: Stage) -> None:
    job = client.submit(["sleep", "1000"])
    supervisor = stage.supervise()
    stage.turn_until(supervisor, lambda: job.refresh().status is JobStatus.RUNNING)
    assert client.pause(job)[0].action == "pausing"
    stage.turn_until(supervisor, lambda: job.refresh().reason == "paused")
    assert client.resume(job)[0].action == "resuming"
    stage.turn_until(supervisor, lambda: job.refresh().reason is None)
    assert client.cancel(job, grace=0, signal="KILL", reason="enough")[0].action == "cancelling"
    stage.turn_until(supervisor, lambda: job.refresh().ended)
    assert job.refresh().returncode == 143


def test_events_are_followed_to_the_end_of_a_job(client: Client, stage: Stage) -> None:
    job = client.submit(["true"])
    client.submit(["true"], hold=True)
    ended(stage, job)
    kinds = ["job.submitted", "job.started", "job.completed"]
    assert [event.kind for event in client.follow(job=job.id)] == kinds
    assert [event.kind for event in client.events_of(job)] == kinds
    assert [event.kind for event in client.follow(job=job.id, kinds=["job.s*"])] == kinds[:2]
    first = client.events(kinds=["job.*"])[0]
    assert first.as_json() == {
        **first.as_json(),
        "kind": "job.submitted",
        "entity": "job",
        "entity_id": job.id,
    }
    assert [event.id for event in client.events(since=first.id, limit=1)] == [client.events()[-1].id]
    following = client.follow(since=first.id)
    assert next(following).id == first.id + 1
    with stage.store.write():
        pass  # a writer is not kept away by the reader that is open
    following.close()
    with pytest.raises(NotFoundError):
        next(client.follow(job=99))


def test_callbacks_hear_of_states_progress_and_ends(client: Client, stage: Stage) -> None:
    heard: list[tuple[str, str]] = []
    with client.listen(
        on_status_changed=lambda job, event: heard.append(("status", event.kind)),
        on_progress=lambda job, event: heard.append(("progress", f"{job.percent:.0f}")),
        on_completed=lambda job, event: heard.append(("completed", job.status.value)),
    ) as listener:
        job = client.submit(shell='echo "1/1 x" >> "$JOBCTL_PROGRESS"')
        ended(stage, job)
    assert listener.is_over
    assert heard == [
        ("status", "job.submitted"), ("status", "job.started"), ("progress", "100"),
        ("status", "job.completed"), ("completed", "completed"),
    ]  # fmt: skip


def test_an_error_in_a_callback_is_raised_where_the_listener_is_stopped(client: Client) -> None:
    def fail(job: Job, event: api.Event) -> None:
        raise RuntimeError(f"about {event.kind}")

    listener = client.listen(on_status_changed=fail)
    client.submit(["true"], hold=True)
    wait_until(lambda: listener.is_over)
    with pytest.raises(RuntimeError, match=r"about job\.submitted"):
        listener.stop()
    listener.stop()


def test_threads_share_a_client_and_each_has_a_connection(client: Client) -> None:
    stores: set[int] = set()
    problems: list[BaseException] = []
    ready = threading.Barrier(4)

    def work(number: int) -> None:
        try:
            ready.wait(60)
            for _ in range(5):
                job = client.submit(["true"], name=f"thread{number}")
                assert job in client.list(name=f"thread{number}")
            stores.add(id(client.connections.store()))
            ready.wait(60)
        except BaseException as error:  # noqa: BLE001 - told below
            problems.append(error)

    threads = [threading.Thread(target=work, args=(number,)) for number in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(60)
    assert not problems
    assert len(stores) == 4
    assert len(client.list()) == 20


def test_connections_are_closed(client: Client, stage: Stage) -> None:
    of_thread: list[weakref.ref[Store]] = []
    with Client(stage.home.path) as other:
        other.submit(["true"])
        own = other.connections.store()
        thread = threading.Thread(target=lambda: of_thread.append(weakref.ref(other.connections.store())))
        thread.start()
        thread.join(60)
        assert of_thread[0]() is None, "the connection of a thread that has ended is left"
        assert not own.database.peewee.is_closed()
    assert own.database.peewee.is_closed()
    other.close()
    assert len(other.list()) == 1, "what is called later opens anew"
    other.close()


def test_a_forked_child_has_connections_of_its_own(client: Client) -> None:
    job = client.submit(["true"])
    inherited = client.connections.store()
    child = os.fork()
    if not child:
        code = 1
        try:
            client.submit(["true"], name="child")
            code = 0 if client.connections.store() is not inherited else 2
        finally:
            os._exit(code)
    assert os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]) == 0
    assert client.connections.store() is inherited
    assert [found.name for found in client.list()] == ["child", job.name]


def test_the_functions_are_about_the_default_home(
    client: Client, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    job = api.submit(["true"])
    assert api.job(job.id) == client.job(job.id)
    assert api.list() == client.list()
    assert api.queues.get("default").queued == 1
    other = tmp_path / "other"
    monkeypatch.setenv("JOBCTL_HOME", str(other))
    assert api.list() == []
    assert not api.supervisor_runs()
    with pytest.raises(JobctlError) as down:
        api.down()
    assert down.value.exit_code == 6
    monkeypatch.setenv("JOBCTL_HOME", "")
    with pytest.raises(BadInputError):
        api.list()


def test_definitions_of_the_file_are_submitted_with_typed_parameters(client: Client, stage: Stage) -> None:
    (stage.root / "home" / "jobctl.yaml").write_text(
        "jobs:\n  report:\n    command: [echo, '${{ params.days }}']\n"
        "    parameters:\n      days: {type: int, default: 1}\n"
    )
    job = client.submit(definition="report", parameters={"days": 7}, priority=2)
    assert (job.name, job.command, job.priority) == ("report", ("echo", "7"), 2)
    with pytest.raises(BadInputError) as wrong:
        client.submit(definition="report", parameters={"days": "many"})
    assert wrong.value.code == "E_PARAMETER"
    with pytest.raises(NotFoundError):
        client.submit(definition="nonsense")
    with pytest.raises(BadInputError, match="a definition and a command"):
        client.submit(["true"], definition="report")
