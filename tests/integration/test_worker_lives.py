"""How workers start, what they keep, and how they end; each test has its own."""

from __future__ import annotations

import signal
import subprocess
import sys
from pathlib import Path

import pytest

from tests.support.waiting import wait_until
from tests.support.workers import HOSTILE, MAIN, WorkerDriver, hostile_worker, running_worker


def test_a_worker_whose_supervisor_has_gone_finishes_its_job_and_begins_no_other(tmp_path: Path) -> None:
    gate = tmp_path / "gate"
    gate.touch()
    with hostile_worker(tmp_path / "home") as worker:
        first = worker.hand(HOSTILE + "wait_for", args={"gate": str(gate)})
        worker.wait_begun(first)
        last = worker.hand(HOSTILE + "noop", together=3)
        worker.hang_up()
        assert worker.is_held()
        gate.unlink()
        assert worker.wait_end(first)["result"] == "over"
        assert worker.wait_exit() == 0
        assert [one["token"] for one in worker.records("begin")] == [first]
        bye = worker.records()[-1]
        assert (bye["t"], bye["why"], bye["tokens"]) == ("bye", "hangup", [last - 2, last - 1, last])
        assert not worker.is_held()


def test_an_idle_worker_ends_with_its_supervisor(tmp_path: Path) -> None:
    with hostile_worker(tmp_path) as worker:
        worker.hang_up()
        assert worker.wait_exit() == 0
        assert [one["t"] for one in worker.records()] == ["ready", "bye"]
        assert worker.own_log() == ""
        assert b"j" in worker.heard_wakes()


def test_a_recalled_job_never_begins_and_the_worker_goes_on(tmp_path: Path) -> None:
    gate = tmp_path / "gate"
    gate.touch()
    with hostile_worker(tmp_path / "home") as worker:
        assert worker.recall()["tokens"] == []
        first = worker.hand(HOSTILE + "wait_for", args={"gate": str(gate)})
        worker.wait_begun(first)
        last = worker.hand(HOSTILE + "noop", together=2)
        assert worker.recall()["tokens"] == [last - 1, last]
        gate.unlink()
        worker.wait_end(first)
        after = worker.run(HOSTILE + "add", args={"a": 1})
        assert [one["token"] for one in worker.records("begin")] == [first, after["token"]]


@pytest.mark.parametrize(
    ("function", "outcome", "result"),
    [
        ("wait_for", "cancelled", None),
        ("wait_async", "cancelled", None),
        ("wait_stubbornly", "completed", "swallowed"),
    ],
)
def test_a_cancelled_job_is_interrupted_and_the_worker_is_over(
    tmp_path: Path, function: str, outcome: str, result: object
) -> None:
    gate, started = tmp_path / "gate", tmp_path / "started"
    gate.touch()
    with hostile_worker(tmp_path / "home") as worker:
        token = worker.hand(HOSTILE + function, args={"gate": str(gate), "started": str(started)})
        wait_until(started.exists)
        other = worker.hand(HOSTILE + "noop")
        worker.cancel(token)
        end = worker.wait_end(token)
        assert (end["outcome"], end["result"], end["error"], end["cancel"]) == (outcome, result, None, True)
        assert worker.wait_exit() == 0
        assert worker.records()[-1]["why"] == "cancelled"
        assert worker.records()[-1]["tokens"] == [other]


def test_a_job_that_asks_is_left_to_end_by_itself(tmp_path: Path) -> None:
    gate = tmp_path / "gate"
    gate.touch()
    with hostile_worker(tmp_path / "home") as worker:
        token = worker.hand(HOSTILE + "wait_politely", args={"gate": str(gate)})
        worker.wait_begun(token)
        worker.cancel(token)
        end = worker.wait_end(token)
        # It may be told before it has asked for the first time: then it is interrupted as others are.
        assert (end["outcome"], end["result"]) in [("cancelled", "stopped early"), ("cancelled", None)]


def test_an_async_job_that_asks_is_not_interrupted(tmp_path: Path) -> None:
    gate, started = tmp_path / "gate", tmp_path / "started"
    gate.touch()
    with hostile_worker(tmp_path / "home") as worker:
        token = worker.hand(
            HOSTILE + "wait_politely_async", args={"gate": str(gate), "started": str(started)}
        )
        wait_until(started.exists)
        worker.cancel(token)
        worker.recall()  # answered after the cancel was heard
        gate.unlink()
        end = worker.wait_end(token)
        assert (end["outcome"], end["result"]) == ("cancelled", "saved")


def test_a_signal_that_means_another_job_does_nothing(tmp_path: Path) -> None:
    gate, started = tmp_path / "gate", tmp_path / "started"
    gate.touch()
    with hostile_worker(tmp_path / "home") as worker:
        token = worker.hand(HOSTILE + "wait_for", args={"gate": str(gate), "started": str(started)})
        wait_until(started.exists)
        worker.process.send_signal(signal.SIGTERM)
        worker.cancel(token + 1)
        worker.recall()  # answered after both were heard
        gate.unlink()
        assert worker.wait_end(token)["outcome"] == "completed"
        end = worker.run(HOSTILE + "noop")
        assert (end["outcome"], end["token"]) == ("cancelled", token + 1)


def test_a_worker_is_renewed_after_so_many_jobs(tmp_path: Path) -> None:
    with hostile_worker(tmp_path, worker_jobs=3) as worker:
        last = worker.hand(HOSTILE + "noop", together=5)
        assert worker.wait_exit() == 0
        bye = worker.records()[-1]
        assert (bye["why"], bye["tokens"]) == ("recycled", [last - 1, last])
        assert len(worker.records("end")) == 3


def test_a_worker_that_has_grown_is_renewed(tmp_path: Path) -> None:
    with hostile_worker(tmp_path, worker_memory=1) as worker:
        worker.hand(HOSTILE + "noop")
        assert worker.wait_exit() == 0
        assert worker.records()[-1]["why"] == "memory"


@pytest.mark.parametrize(
    ("function", "args", "code"), [("speak_and_end", {"code": 5}, 5), ("segfault", {}, -signal.SIGSEGV)]
)
def test_a_job_that_ends_its_process_leaves_a_begin_without_end(
    tmp_path: Path, function: str, args: dict[str, object], code: int
) -> None:
    with hostile_worker(tmp_path) as worker:
        token = worker.hand(HOSTILE + function, args=args)
        assert worker.wait_exit() == code
        assert [one["t"] for one in worker.records()] == ["ready", "begin"]
        assert not worker.is_held()
        said = (worker.directory / "output.log").read_text()
        assert ("last words" if code == 5 else "Segmentation fault") in said
        if code == 5:
            assert worker.output(token) == "last words\n"


def test_a_job_that_closes_all_descriptors_is_recorded_and_the_worker_is_over(tmp_path: Path) -> None:
    with hostile_worker(tmp_path) as worker:
        token = worker.hand(HOSTILE + "close_all_descriptors")
        assert worker.wait_end(token)["outcome"] == "completed"
        assert worker.wait_exit() == 0
        assert worker.records()[-1]["why"] == "descriptors"


def test_a_job_that_leaves_no_descriptors_is_recorded_and_the_worker_is_over(tmp_path: Path) -> None:
    with hostile_worker(tmp_path) as worker:
        end = worker.run(HOSTILE + "leak_descriptors")
        assert (end["outcome"], end["dir"]) == ("completed", True)
        assert worker.output(end["token"]) == "leaking\n"
        assert worker.wait_exit() == 0
        assert worker.records()[-1]["why"] == "descriptors"
        assert "cannot clean up after a job" in worker.own_log()


def test_a_daemon_that_a_job_turns_into_holds_nothing_of_the_worker(tmp_path: Path) -> None:
    gate, started = tmp_path / "gate", tmp_path / "started"
    gate.touch()
    with hostile_worker(tmp_path / "home") as worker:
        worker.hand(HOSTILE + "daemonise", args={"gate": str(gate), "started": str(started)})
        assert worker.wait_exit() == 0
        wait_until(started.exists)
        assert not worker.is_held()
        assert [one["t"] for one in worker.records()] == ["ready", "begin"]
        gate.unlink()


def test_no_order_is_both_begun_and_given_back_nor_neither(tmp_path: Path) -> None:
    with hostile_worker(tmp_path, worker_jobs=0) as worker:
        last = 0
        for together in range(1, 40):
            last = worker.hand(HOSTILE + "noop", together=together)
            worker.recall()
        end = worker.run(HOSTILE + "noop")
        begun = [one["token"] for one in worker.records("begin")]
        back = [token for one in worker.records("recalled") for token in one["tokens"]]
        assert sorted(begun + back) == list(range(1, last + 2))
        assert [one["token"] for one in worker.records("end")] == begun
        assert end["token"] == last + 1
        assert begun
        assert back


def test_a_thread_that_never_ends_does_not_keep_a_worker_alive(tmp_path: Path) -> None:
    gate = tmp_path / "gate"
    gate.touch()
    with hostile_worker(tmp_path / "home") as worker:
        worker.run(HOSTILE + "start_thread", args={"gate": str(gate)})
        worker.hang_up()
        assert worker.wait_exit() == 0
        assert gate.exists()


def test_resources_are_built_once_and_closed_at_the_end(tmp_path: Path) -> None:
    with hostile_worker(tmp_path) as worker:
        found = [worker.run(HOSTILE + "use_database", args={"key": key}) for key in "ab"]
        assert [one["result"] for one in found] == [1, 2]
        assert worker.output(found[0]["token"]) == "resource opened\n"
        assert worker.run(HOSTILE + "use_pool")["result"] is True
        assert worker.run(HOSTILE + "use_pool_in_step")["result"] == 1
        worker.hang_up()
        assert worker.wait_exit() == 0
        assert worker.own_log() == "pool closed\nresource closed after 2\n"


def test_a_script_runs_as_main_and_what_it_imports_stays(tmp_path: Path) -> None:
    place = tmp_path / "scripts"
    place.mkdir()
    (place / "beside.py").write_text("value = 1\n")
    script = place / "script.py"
    script.write_text(
        "import sys, fractions, beside\n"
        "from jobctl import context\n"
        "assert __name__ == '__main__' and sys.modules['__main__'].__file__ == __file__\n"
        "context.result([sys.argv[1:], beside.value])\n"
        "sys.exit(int(sys.argv[1]))\n"
    )
    run = "jobctl.builtin_functions.scripts:run_script"
    with running_worker(tmp_path / "home") as worker:
        given = {"script": "script.py", "args": ["0", "b"]}
        assert worker.run(run, args=given, cwd=str(place))["result"] == [["0", "b"], 1]
        (place / "beside.py").write_text("value = 23\n")
        assert worker.run(run, args=given, cwd=str(place))["result"] == [["0", "b"], 23]
        assert worker.run(run, args={"script": str(script), "args": ["4"]})["code"] == 4
        (worker.home / "look.py").write_text(
            "import sys\ndef f():\n return ['fractions' in sys.modules, 'beside' in sys.modules,"
            " hasattr(sys.modules['__main__'], 'beside'), len(sys.argv)]\n"
        )
        assert worker.run("look:f")["result"] == [True, False, False, 1]
        error = worker.run(run, args={"script": "missing.py"})["error"]
        assert error["text"].startswith("FileNotFoundError: no such script: /")
        script.write_text("1 / 0\n")
        error = worker.run(run, args={"script": str(script)})["error"]
        assert error["traceback"].count("File ") == 1


def test_a_script_ends_when_its_threads_do_and_their_words_are_its_own(tmp_path: Path) -> None:
    gate = tmp_path / "gate"
    gate.touch()
    script = tmp_path / "script.py"
    script.write_text(
        "import os, sys, threading, time\n"
        "def late():\n"
        f"    while os.path.exists({str(gate)!r}): time.sleep(0.01)\n"
        "    threading.Thread(target=print, args=['last words', sys.argv[1]]).start()\n"
        "threading.Thread(target=late).start()\n"
        "print('first words')\n"
        "sys.exit(5)\n"
    )
    run = "jobctl.builtin_functions.scripts:run_script"
    with running_worker(tmp_path / "home") as worker:
        token = worker.hand(run, args={"script": str(script), "args": ["x"]})
        wait_until(lambda: worker.directory_of(token).exists())
        gate.unlink()
        end = worker.wait_end(token)
        assert (end["code"], worker.output(token)) == (5, "first words\nlast words x\n")


def test_preloaded_modules_are_there_and_what_they_print_is_no_jobs_log(tmp_path: Path) -> None:
    home = tmp_path / "home"
    home.mkdir()
    (home / "heavy.py").write_text("print('loading')\ndef f(): return __name__\n")
    with running_worker(home, config={"path": [str(home)], "preload": ["heavy"]}) as worker:
        end = worker.run("heavy:f")
        assert (end["result"], end["dir"]) == ("heavy", False)
        assert worker.own_log() == "loading\n"


@pytest.mark.parametrize(
    ("content", "text"),
    [
        ("import nope_nope", "ModuleNotFoundError: No module named 'nope_nope'"),
        ("raise SystemExit(3)", "SystemExit: 3"),
    ],
)
def test_a_preload_that_fails_is_said_and_no_job_begins(tmp_path: Path, content: str, text: str) -> None:
    (tmp_path / "heavy.py").write_text(content)
    worker = WorkerDriver(tmp_path, config={"path": [str(tmp_path)], "preload": ["heavy"]})
    try:
        assert worker.wait_exit() == 1
        (bye,) = worker.records()
        assert (bye["t"], bye["why"], bye["error"]["text"]) == ("bye", "import-error", text)
        assert "heavy.py" in bye["error"]["traceback"]
    finally:
        worker.close()


def test_an_interpreter_that_has_no_jobctl_can_be_a_worker(tmp_path: Path) -> None:
    (tmp_path / "mine.py").write_text(
        "import sys\nfrom jobctl import context\ndef f():\n"
        " context.progress(50)\n return 'site' in sys.modules\n"
    )
    bare = [sys.executable, "-I", "-S"]
    assert subprocess.run([*bare, "-c", "import jobctl"], capture_output=True, check=False).returncode == 1
    with running_worker(tmp_path, interpreter=bare) as worker:
        assert worker.run("mine:f")["result"] is False


def test_a_worker_loads_nothing_heavy(tmp_path: Path) -> None:
    (tmp_path / "mine.py").write_text("import sys\ndef f(): return sorted(sys.modules)\n")
    with running_worker(tmp_path, interpreter=[sys.executable, "-I", "-S"]) as worker:
        loaded = set(worker.run("mine:f")["result"])
    assert not loaded & {
        "asyncio",
        "inspect",
        "typing",
        "dataclasses",
        "traceback",
        "subprocess",
        "pathlib",
        "signal",
    }


def test_main_is_harmless_for_children_of_multiprocessing() -> None:
    code = (
        f"import runpy; runpy.run_path({MAIN!r}, run_name='__mp_main__'); import jobctl.context; print('ok')"
    )
    done = subprocess.run(
        [sys.executable, "-I", "-S", "-c", code], capture_output=True, text=True, check=False
    )
    assert (done.stdout, done.stderr) == ("ok\n", "")
