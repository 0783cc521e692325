"""One worker process, driven over its pipe as a supervisor drives it."""

from __future__ import annotations

import json
import os
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.support.waiting import wait_until
from tests.support.workers import HOSTILE, WorkerDriver, hostile_worker


@pytest.fixture(scope="module")
def worker(tmp_path_factory: pytest.TempPathFactory) -> Iterator[WorkerDriver]:
    """One worker for all that it must survive."""
    with hostile_worker(tmp_path_factory.mktemp("home")) as driver:
        yield driver


def works(worker: WorkerDriver) -> bool:
    """Whether it still takes jobs, after whatever it was given."""
    result: object = worker.run(HOSTILE + "add", args={"a": 1})["result"]
    return result == 2


# --- calls ---


@pytest.mark.parametrize(
    ("function", "args", "result"),
    [
        ("add", {"a": 2, "b": 3}, 5),
        ("add_later", {"a": 2}, 3),
        ("noop", {}, None),
        ("only_by_position", {"a": 1, "c": 5}, [1, 2, 5]),
        ("converted", {"path": "/a/b", "speed": "fast", "numbers": [1, 1]}, ["b", "FAST", "frozenset", "1"]),
        ("converted", {"path": "b"}, ["b", "SLOW", "frozenset", "0"]),
        ("give", {"kind": "tuple"}, [1, "ä", None, True, 1.5]),
    ],
)
def test_a_function_takes_json_and_its_result_is_json(
    worker: WorkerDriver, function: str, args: dict[str, object], result: object
) -> None:
    end = worker.run(HOSTILE + function, args=args)
    assert (end["outcome"], end["code"], end["result"], end["error"]) == ("completed", 0, result, None)
    assert end["dir"] is False
    assert not worker.directory_of(end["token"]).exists()


@pytest.mark.parametrize(
    ("function", "args", "text"),
    [
        ("fail", {}, "ValueError: it broke"),
        ("fail_unspeakably", {}, "_UnspeakableError: <its text could not be made: RuntimeError>"),
        ("recurse", {}, "RecursionError: maximum recursion depth exceeded"),
        ("interrupt", {}, "KeyboardInterrupt"),
        ("add", {}, "TypeError: add() missing 1 required positional argument: 'a'"),
        (
            "only_by_position",
            {"b": 1},
            "TypeError: only_by_position() missing the positional argument 'a'",
        ),
        ("add", {"a": 1, "x": 1}, "TypeError: add() got an unexpected keyword argument 'x'"),
        ("converted", {"path": "a", "speed": "x"}, "ValueError: argument speed: 'x' is not a valid Speed"),
        (
            "nothing",
            {},
            "TargetError: module tests.support.hostile_functions has no function nothing; "
            "this worker loaded it before: if the function is new there, jobctl reload",
        ),
        ("Speed.FAST", {}, "TargetError: tests.support.hostile_functions:Speed.FAST is a Speed, no function"),
        ("give", {"kind": "nan"}, "result is not JSON: nan is not a JSON number"),
        ("give", {"kind": "set"}, "result is not JSON: set is no JSON type"),
        ("give", {"kind": "key"}, "result is not JSON: a key is int, not a text"),
        ("give", {"kind": "large"}, "result is larger than 1 MiB"),
        ("give", {"kind": "many"}, "result is larger than 1 MiB"),
        ("give", {"kind": "circular"}, "result is nested deeper than 64"),
        ("give", {"kind": "deep"}, "result is nested deeper than 64"),
        ("give", {"kind": "surrogate"}, "result is not usable JSON: lone surrogate"),
        ("give", {"kind": "number"}, "result is not JSON: Exceeds the limit"),
        ("give", {"kind": "generator"}, "result is not JSON: tuple_iterator is no JSON type"),
        ("fail_to_build", {}, "ZeroDivisionError: division by zero"),
    ],
)
def test_what_goes_wrong_is_a_clear_record_and_the_worker_goes_on(
    worker: WorkerDriver, function: str, args: dict[str, object], text: str
) -> None:
    end = worker.run(HOSTILE + function, args=args)
    assert (end["outcome"], end["code"], end["result"]) == ("failed", 1, None)
    assert end["error"]["text"].startswith(text)
    assert works(worker)


def test_a_traceback_begins_in_the_users_code(worker: WorkerDriver) -> None:
    error = worker.run(HOSTILE + "fail", args={"text": "with ünïcode"})["error"]
    assert error["type"] == "ValueError"
    assert error["traceback"].count("File ") == 1
    assert 'hostile_functions.py", line' in error["traceback"]
    assert error["traceback"].endswith("ValueError: with ünïcode\n")


def test_a_message_of_ten_megabytes_is_cut(worker: WorkerDriver) -> None:
    error = worker.run(HOSTILE + "fail", args={"size": 10 << 20})["error"]
    assert len(error["text"]) <= 2000
    assert len(error["traceback"]) <= 64 << 10
    assert error["text"].startswith("ValueError: it broke")


@pytest.mark.parametrize(("given", "code"), [(None, 0), (0, 0), (3, 3), (256, 0), (-1, 255), ("sorry", 1)])
def test_sys_exit_says_the_exit_code(worker: WorkerDriver, given: object, code: int) -> None:
    end = worker.run(HOSTILE + "leave", args={"code": given})
    assert (end["code"], end["outcome"]) == (code, "failed" if code else "completed")
    if given == "sorry":
        assert end["error"]["text"] == "sorry"
        assert worker.output(end["token"]) == "sorry\n"


def test_a_module_that_cannot_be_imported_fails_its_job_and_not_the_worker(worker: WorkerDriver) -> None:
    (worker.home / "broken.py").write_text("import not_there_at_all\n")
    error = worker.run("broken:f")["error"]
    assert error["text"] == "ModuleNotFoundError: No module named 'not_there_at_all'"
    assert "broken.py" in error["traceback"]
    assert works(worker)


def test_a_job_whose_directory_does_not_exist_fails(worker: WorkerDriver) -> None:
    end = worker.run(HOSTILE + "noop", cwd="/not/there")
    assert end["error"]["text"] == "FileNotFoundError: [Errno 2] No such file or directory: '/not/there'"
    assert works(worker)


def test_an_order_that_cannot_be_read_fails_its_job(worker: WorkerDriver) -> None:
    token = 999_999
    os.write(worker._pipe, f"{token} 1 {token} 0 3\n".encode())
    assert worker.wait_end(token)["outcome"] == "failed"
    assert works(worker)


# --- output ---


def test_what_a_job_prints_is_its_own_log(worker: WorkerDriver) -> None:
    first = worker.run(HOSTILE + "speak", args={"text": "one", "error": "two"})
    second = worker.run(HOSTILE + "speak", args={"text": "three"})
    assert worker.output(first["token"]) == "one\ntwo\n"
    assert worker.output(second["token"]) == "three\n"
    assert (first["dir"], second["dir"]) == (True, True)
    assert worker.directory_of(first["token"]).stat().st_mode & 0o777 == 0o700


def test_split_output_is_two_logs_and_the_next_job_has_one_again(worker: WorkerDriver) -> None:
    token = worker.run(HOSTILE + "speak", args={"text": "out", "error": "err"}, split=True)["token"]
    assert worker.output(token, "stdout.log") == "out\n"
    assert worker.output(token, "stderr.log") == "err\n"
    assert sorted(os.listdir(worker.directory_of(token))) == ["stderr.log", "stdout.log"]
    token = worker.run(HOSTILE + "speak", args={"text": "both"})["token"]
    assert os.listdir(worker.directory_of(token)) == ["output.log"]


def test_bytes_that_are_no_text_are_in_the_log_as_they_came(worker: WorkerDriver) -> None:
    token = worker.run(HOSTILE + "speak_raw", args={"hex_bytes": "ff00fe"})["token"]
    assert (worker.directory_of(token) / "output.log").read_bytes() == b"\xff\x00\xfe"


@pytest.mark.parametrize("function", ["close_descriptors", "close_streams"])
def test_closed_output_is_open_again_for_the_next_job(worker: WorkerDriver, function: str) -> None:
    assert worker.run(HOSTILE + function)["outcome"] == "completed"
    token = worker.run(HOSTILE + "speak", args={"text": "here", "error": "there"})["token"]
    assert worker.output(token) == "here\nthere\n"


def test_replaced_streams_are_put_back(worker: WorkerDriver) -> None:
    path = worker.home / "elsewhere"
    worker.run(HOSTILE + "replace_streams", args={"path": str(path)})
    token = worker.run(HOSTILE + "speak", args={"text": "here"})["token"]
    assert worker.output(token) == "here\n"
    assert path.read_text() == "elsewhere\n"


def test_a_program_that_a_job_starts_writes_into_its_log_and_finds_its_variables(
    worker: WorkerDriver,
) -> None:
    script = 'echo "$JOBCTL_JOB_ID $JOBCTL_ATTEMPT $JOBCTL_RUN $EXTRA $STEP"; echo 1/2 > "$JOBCTL_PROGRESS"'
    token = worker.run(
        HOSTILE + "shell_to_log", args={"command": script}, env={"EXTRA": "more"}, vars={"STEP": "s"}
    )["token"]
    assert worker.output(token) == f"{token} 1 run-{token} more s\n"
    assert (worker.directory_of(token) / "progress").read_text() == "1/2\n"
    assert worker.run(HOSTILE + "shell", args={"command": 'echo "$EXTRA$STEP"'})["result"] == "\n"


# --- what a job changes ---


def test_what_a_job_changes_of_its_process_is_put_back(worker: WorkerDriver, tmp_path: Path) -> None:
    def told() -> dict[str, object]:
        found: dict[str, object] = worker.run(HOSTILE + "tell_everything")["result"]
        job = found.pop("job")
        assert isinstance(job, str)
        return found

    before = told()
    assert worker.run(HOSTILE + "change_everything", args={"directory": str(tmp_path)})["code"] == 0
    assert told() == before
    assert before["term"] is True


def test_limits_that_a_job_lowers_are_put_back(worker: WorkerDriver) -> None:
    before = worker.run(HOSTILE + "tell_limit")["result"]
    worker.run(HOSTILE + "lower_limits")
    assert worker.run(HOSTILE + "tell_limit")["result"] == before


def test_a_job_has_its_directory_and_variables_and_the_next_has_not(
    worker: WorkerDriver, tmp_path: Path
) -> None:
    found = worker.run(HOSTILE + "tell_everything", cwd=str(tmp_path), env={"EXTRA": "x"})
    assert (found["result"]["cwd"], found["result"]["extra"]) == (str(tmp_path), "x")
    assert found["result"]["job"] == str(found["job"])
    after = worker.run(HOSTILE + "tell_everything")["result"]
    assert (after["cwd"], after["extra"]) == (str(worker.home), None)


def test_a_forked_child_that_returns_is_no_worker(worker: WorkerDriver) -> None:
    end = worker.run(HOSTILE + "fork_and_return")
    assert end["result"] > 0
    assert works(worker)
    assert [one["token"] for one in worker.records("end")].count(end["token"]) == 1


def test_a_forked_child_that_leaves_ends_with_its_code(worker: WorkerDriver) -> None:
    assert worker.run(HOSTILE + "fork_and_exit", args={"code": 7})["result"] == 7


def test_a_thread_that_stays_and_a_child_that_stays_do_not_hold_the_worker_up(
    worker: WorkerDriver, tmp_path: Path
) -> None:
    gate = tmp_path / "gate"
    gate.touch()
    assert worker.run(HOSTILE + "start_thread", args={"gate": str(gate)})["outcome"] == "completed"
    end = worker.run(HOSTILE + "leave_child", args={"gate": str(gate)})
    assert (end["children"], end["dir"]) == (1, True)
    assert works(worker)
    gate.unlink()
    wait_until(lambda: _is_gone_or_zombie(end["result"]))


def _is_gone_or_zombie(pid: int) -> bool:
    try:
        return Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0] == "Z"
    except FileNotFoundError:
        return True


@pytest.mark.parametrize("method", ["fork", "spawn", "forkserver"])
def test_children_of_multiprocessing_are_the_jobs(worker: WorkerDriver, method: str) -> None:
    for _ in range(2):  # no server of the first job serves the second
        end = worker.run(HOSTILE + "ask_process", args={"method": method})
        assert end["result"] == [str(end["job"]), f"run-{end['job']}"], end["error"]
        assert (end["children"], end["dir"]) == (0, True)


def test_children_of_multiprocessing_that_stay_are_counted(worker: WorkerDriver, tmp_path: Path) -> None:
    gate = tmp_path / "gate"
    gate.touch()
    for number, method in enumerate(("spawn", "forkserver"), 1):
        end = worker.run(HOSTILE + "leave_process", args={"method": method, "gate": str(gate)})
        assert (end["children"], end["outcome"]) == (number, "completed"), method
    assert works(worker)
    gate.unlink()
    wait_until(lambda: worker.run(HOSTILE + "leave_child", args={"gate": str(gate)})["children"] == 0)


def test_tasks_that_an_async_job_leaves_are_cancelled(worker: WorkerDriver) -> None:
    worker.run(HOSTILE + "leave_task")
    assert worker.run(HOSTILE + "count_tasks")["result"] == 1


def test_reports_lie_in_the_jobs_directory(worker: WorkerDriver) -> None:
    end = worker.run(HOSTILE + "report", args={"items": ["a", "bad"]})
    directory = worker.directory_of(end["token"])
    assert end["result"] == {"items": ["a", "bad"]}
    assert (directory / "progress").read_text().splitlines() == [
        "/2", "/2", '{"message":"copying"}', "+1", '{"item":"bad","error":"ValueError: not good"}', "+1",
    ]  # fmt: skip
    assert (directory / "outputs").read_text() == "copied=2\n"


def test_the_journal_is_whole_lines(worker: WorkerDriver) -> None:
    last = worker.hand(HOSTILE + "add", args={"a": 1}, together=50)
    worker.wait_end(last)
    for line in (worker.directory / "journal").read_bytes().splitlines():
        assert json.loads(line)["t"] in ("ready", "begin", "end", "recalled")
    assert b"j" in worker.heard_wakes()
