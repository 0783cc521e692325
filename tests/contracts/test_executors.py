"""What every executor keeps, whichever shell is /bin/sh."""

from __future__ import annotations

import os
import resource
import shutil
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import pytest

from jobctl.executors import command
from jobctl.executors.attempts import AttemptDirectory
from jobctl.executors.base import Executor, SpawnError, StartRefused
from jobctl.executors.kills import TreeKill
from jobctl.executors.processes import (
    ProcessTable,
    become_subreaper,
    boot_id,
    start_ticks,
    stray_children,
    tag_supported,
)
from jobctl.executors.registry import EXECUTORS
from jobctl.executors.trees import Tree, members
from tests.support.processes import (
    end,
    finish,
    has_members,
    make_order,
    make_shell,
    output,
    reap_strays,
    running,
    tree_of,
)
from tests.support.waiting import wait_until

SLACK = 6.0
"""The promise is grace + 2 s; a machine with more to do than it has cores gets this much more."""

CASES = [f"{name} {shell}" for name in EXECUTORS for shell in ("sh", "bash")]


@pytest.fixture(params=CASES)
def executor(request: pytest.FixtureRequest, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Executor:
    name, shell = request.param.split()
    if shell == "bash":
        bash = shutil.which("bash")
        if bash is None:
            pytest.skip("no bash here")
        (tmp_path / "bash").mkdir()
        (tmp_path / "bash" / "sh").symlink_to(bash)  # called sh, it is POSIX as on macOS and Fedora
        monkeypatch.setattr(command, "SHELL", str(tmp_path / "bash" / "sh"))
    return EXECUTORS[name]()


@pytest.fixture
def subreaper() -> Iterator[None]:
    become_subreaper()
    yield
    reap_strays()


@pytest.mark.parametrize("code", [0, 3, 125, 255])
def test_an_exit_code_is_recorded_and_equals_the_wait_status(
    executor: Executor, tmp_path: Path, code: int
) -> None:
    order = make_shell(tmp_path, f"exit {code}")
    began = time.time_ns() // 1_000_000
    started = executor.start(order)
    assert finish(started) == code
    directory = AttemptDirectory(order.directory)
    record = directory.read_exit()
    assert record is not None
    assert record.code == code
    assert began - 1000 <= record.ended_at_ms <= time.time_ns() // 1_000_000 + 1000
    assert directory.read_pid() == started.pid
    assert not directory.is_held()


@pytest.mark.parametrize("sig", [signal.SIGTERM, signal.SIGKILL, signal.SIGSEGV, signal.SIGUSR1])
def test_a_signal_is_recorded_as_128_and_its_number(
    executor: Executor, tmp_path: Path, sig: signal.Signals
) -> None:
    order = make_shell(tmp_path, f"kill -{sig.value} $$")
    assert finish(executor.start(order)) == 128 + sig
    record = AttemptDirectory(order.directory).read_exit()
    assert record is not None
    assert record.code == 128 + sig


@pytest.mark.parametrize(("text", "code"), [("exit 3", 3), ("cd /", 0), ("exec true", 0), ("exec false", 1)])
def test_builtins_leave_a_record(executor: Executor, tmp_path: Path, text: str, code: int) -> None:
    order = make_shell(tmp_path, text)
    assert finish(executor.start(order)) == code
    record = AttemptDirectory(order.directory).read_exit()
    assert record is not None
    assert record.code == code


def test_a_builtin_without_a_program_is_not_found(executor: Executor, tmp_path: Path) -> None:
    with pytest.raises(SpawnError) as caught:
        executor.start(make_order(tmp_path, "exit", "3"))
    assert caught.value.exit_code == 127
    assert caught.value.message == "exit: command not found"


def test_a_builtin_with_a_program_runs_the_program(executor: Executor, tmp_path: Path) -> None:
    order = make_order(tmp_path, "echo", "hello")
    assert finish(executor.start(order)) == 0
    assert output(order) == b"hello\n"


def test_the_command_holds_no_lock_and_no_descriptor_but_its_three(
    executor: Executor, tmp_path: Path
) -> None:
    text = "import os; print(sorted(os.listdir('/proc/self/fd'))[:-1], os.readlink('/proc/self/fd/0'))"
    order = make_order(tmp_path, sys.executable, "-c", text)
    assert finish(executor.start(order)) == 0
    assert output(order) == b"['0', '1', '2'] /dev/null\n"


def test_a_program_that_closes_all_descriptors_is_alive_and_recorded(
    executor: Executor, tmp_path: Path
) -> None:
    gate = tmp_path / "gate"
    gate.touch()
    text = f"import os; os.closerange(0, 1024)\nwhile os.path.exists({str(gate)!r}): pass\nos._exit(7)"
    order = make_order(tmp_path, sys.executable, "-c", text)
    with running(executor, order) as started:
        directory = AttemptDirectory(order.directory)
        wait_until(directory.read_pid)
        assert directory.is_held()
        assert directory.read_exit() is None
        gate.unlink()
        assert finish(started) == 7
    record = directory.read_exit()
    assert record is not None
    assert record.code == 7


def test_a_job_left_in_the_background_does_not_hold_the_lock(executor: Executor, tmp_path: Path) -> None:
    order = make_shell(tmp_path, "sleep 1000 & exit 4")
    with running(executor, order) as started:
        assert finish(started) == 4
        assert not AttemptDirectory(order.directory).is_held()


def test_arguments_arrive_byte_for_byte(executor: Executor, tmp_path: Path) -> None:
    words = [b"", b"two words", b"line\nbreak", b"\xff\xfe", b"$HOME `id` \\ '\"", b"-n", b"a=b", b"--"]
    text = "import os,sys; os.write(1, b'\\0'.join(map(os.fsencode, sys.argv[1:])))"
    order = make_order(tmp_path, sys.executable, "-c", text, *words)
    assert finish(executor.start(order)) == 0
    assert output(order) == b"\0".join(words)


@pytest.mark.parametrize("name", [b"-dash", b"a=b", b"with space", b"new\nline", b"\xff"])
def test_odd_command_names_run(executor: Executor, tmp_path: Path, name: bytes) -> None:
    (tmp_path / "bin").mkdir()
    program = os.path.join(os.fsencode(tmp_path), b"bin", name)
    with open(program, "wb") as file:
        file.write(b"#!/bin/sh\necho ran $1\n")
    os.chmod(program, 0o755)
    order = make_order(tmp_path, name, "-x")
    path = os.fsencode(tmp_path / "bin") + b":" + order.environment[b"PATH"]
    order = replace(order, environment={**order.environment, b"PATH": path, b"odd.name": b"1"})
    assert finish(executor.start(order)) == 0
    assert output(order) == b"ran -x\n"


def test_every_environment_name_arrives(executor: Executor, tmp_path: Path) -> None:
    odd = {b"with.dot": b"1", b"-x": b"2", b"with-dash": b"a=b", b"\xff": b"\xfe", b"9": b"nine", b"e": b""}
    text = "import os; os.write(1, repr(sorted(os.environb.items())).encode())"
    order = make_order(tmp_path, sys.executable, "-c", text)
    order = replace(order, environment={**order.environment, **odd})
    assert finish(executor.start(order)) == 0
    got = dict(eval(output(order)))
    for added in (b"PWD", b"_", b"SHLVL", b"OLDPWD", b"LC_CTYPE"):  # by the shells, and by Python
        got.pop(added, None)
    assert got == order.environment


def test_cwd_umask_nice_and_input_are_the_orders(executor: Executor, tmp_path: Path) -> None:
    (tmp_path / "input").write_bytes(b"from a file")
    (tmp_path / "sub").mkdir()
    order = make_shell(
        tmp_path, "pwd; umask; nice; cat", cwd=os.fsencode(tmp_path / "sub"), umask=0o027, nice=5,
        stdin=b"../input",
    )  # fmt: skip
    before = os.umask(0o022)
    os.umask(before)
    assert finish(executor.start(order)) == 0
    assert output(order).split(b"\n")[1:] == [b"0027", b"%d" % min(19, os.nice(0) + 5), b"from a file"]
    assert output(order).startswith(os.fsencode(tmp_path / "sub"))
    assert os.umask(before) == before


def test_output_is_split_when_asked(executor: Executor, tmp_path: Path) -> None:
    order = make_shell(tmp_path, "echo out; echo err >&2", split_output=True)
    assert finish(executor.start(order)) == 0
    assert output(order, "stdout") == b"out\n"
    assert output(order, "stderr") == b"err\n"


def test_output_is_whole_in_one_log(executor: Executor, tmp_path: Path) -> None:
    order = make_shell(tmp_path, "echo out; echo err >&2")
    assert finish(executor.start(order)) == 0
    assert output(order) == b"out\nerr\n"


def test_relative_commands_are_looked_up_in_the_jobs_directory(executor: Executor, tmp_path: Path) -> None:
    (tmp_path / "tool").write_text("#!/bin/sh\nexit 9\n")
    (tmp_path / "tool").chmod(0o755)
    assert finish(executor.start(make_order(tmp_path, "./tool"))) == 9
    order = make_order(tmp_path, "tool")
    assert finish(executor.start(replace(order, environment={**order.environment, b"PATH": b"."}))) == 9


def test_a_command_runs_without_any_path(executor: Executor, tmp_path: Path) -> None:
    order = make_order(tmp_path, "true", nice=1)
    environment = {b"JOBCTL_RUN": order.environment[b"JOBCTL_RUN"], b"a.b": b"1"}
    assert finish(executor.start(replace(order, environment=environment))) == 0


@pytest.mark.parametrize(
    ("argv", "code", "said"),
    [
        (("no-such-program",), 127, "no-such-program: command not found"),
        (("./missing",), 127, "./missing: no such file"),
        (("./plain",), 126, "./plain: not executable"),
        (("plain",), 126, "not executable"),
        (("./folder",), 126, "./folder: is a directory"),
        (("",), 127, "the command is empty"),
        ((), 127, "the command is empty"),
        (("true\0",), 126, "null byte"),
        (("true", "x\0"), 126, "null byte"),
        (("true", "x" * 200_000), 126, "too long"),
    ],
)  # fmt: skip
def test_what_cannot_run_says_so(
    executor: Executor, tmp_path: Path, argv: tuple[str, ...], code: int, said: str
) -> None:
    (tmp_path / "plain").touch(0o644)
    (tmp_path / "folder").mkdir()
    order = make_order(tmp_path, *argv)
    path = order.environment[b"PATH"] + b":" + os.fsencode(tmp_path)
    with pytest.raises(SpawnError) as caught:
        executor.start(replace(order, environment={**order.environment, b"PATH": path}))
    assert caught.value.exit_code == code
    assert said in caught.value.message
    assert not AttemptDirectory(order.directory).is_held()


@pytest.mark.parametrize(
    ("changes", "said"),
    [
        ({"cwd": b"/no/such/place"}, "working directory /no/such/place: No such file"),
        ({"cwd": b"/dev/null"}, "working directory /dev/null: not a directory"),
        ({"stdin": b"missing"}, "missing: No such file"),
        ({"stdin": b"/"}, "standard input /: is a directory"),
    ],
)
def test_an_unusable_place_says_so(
    executor: Executor, tmp_path: Path, changes: dict[str, object], said: str
) -> None:
    with pytest.raises(SpawnError) as caught:
        executor.start(make_order(tmp_path, "true", **changes))
    assert caught.value.exit_code == 126
    assert said in caught.value.message


def test_a_machine_without_descriptors_refuses_for_now(executor: Executor, tmp_path: Path) -> None:
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    inherited = os.listdir("/proc/self/fd")
    # The limit is on the number of a descriptor: a gap below the highest would be room.
    gaps = [os.open("/dev/null", os.O_RDONLY) for _ in range(max(map(int, inherited)) + 1 - len(inherited))]
    before = set(os.listdir("/proc/self/fd"))
    highest = max(int(name) for name in before)
    refusals: list[str] = []
    try:
        for spare in range(8):  # each count fails at another call
            resource.setrlimit(resource.RLIMIT_NOFILE, (highest + 1 + spare, hard))
            try:
                finish(executor.start(make_order(tmp_path, "/bin/true")))
            except StartRefused as refused:
                refusals.append(refused.message)
    finally:
        resource.setrlimit(resource.RLIMIT_NOFILE, (soft, hard))
    assert refusals
    assert all("Too many open files" in message for message in refusals)
    assert set(os.listdir("/proc/self/fd")) == before
    for gap in gaps:
        os.close(gap)


def test_what_a_claim_without_start_left_is_emptied(executor: Executor, tmp_path: Path) -> None:
    order = make_order(tmp_path, "true")
    os.close(AttemptDirectory(order.directory).create(order))
    (Path(order.directory) / "result").write_text("old")
    assert finish(executor.start(order)) == 0
    assert not (Path(order.directory) / "result").exists()


def test_an_attempt_that_is_alive_is_not_started_again(executor: Executor, tmp_path: Path) -> None:
    order = make_order(tmp_path, "sleep", "1000")
    with running(executor, order):
        with pytest.raises(SpawnError, match="still alive"):
            executor.start(order)
        assert AttemptDirectory(order.directory).is_held()


def test_the_shim_leads_its_own_session_and_this_process_stays_untagged(
    executor: Executor, tmp_path: Path
) -> None:
    order = make_order(tmp_path, "sleep", "1000")
    limit = ProcessTable({}).own_tag
    with running(executor, order) as started:
        tree = tree_of(order, started)
        wait_until(has_members(tree, 1))
        table = ProcessTable.read()
        assert table.entries[started.pid].session == started.pid
        assert [entry.session for entry in members(table, tree)] == [started.pid]
        if tag_supported():
            assert table.tag(started.pid) == order.tag
        assert ProcessTable({}).own_tag == limit


NASTY = """
trap '' TERM
echo cover
sleep 1000 &
setsid sleep 1000 &
(sleep 1000 &)
(setsid sleep 1000 &)
(env -i setsid sleep 1000 &)
while :; do sleep 1000; done
"""

FORKER = """
import os, signal, time
signal.signal(signal.SIGTERM, signal.SIG_IGN)
end = time.time() + 60  # whatever becomes of the test, this does not fork for ever
while time.time() < end:
    if os.fork():
        os._exit(0)
    os.setsid()
    time.sleep(0.002)
"""


def name_of(pid: int) -> str:
    """What the process executes now; empty once it has gone."""
    try:
        with open(f"/proc/{pid}/comm") as file:
            return file.read().strip()
    except OSError:
        return ""


@pytest.mark.skipif(not tag_supported(), reason="only a tag finds what cleared its environment")
def test_a_nasty_tree_is_gone_within_grace_and_two_seconds(
    executor: Executor, tmp_path: Path, subreaper: None
) -> None:
    order = make_shell(tmp_path, NASTY)
    with running(executor, order) as started:
        tree = tree_of(order, started)
        wait_until(has_members(tree, 7))
        kill = TreeKill(tree, grace_seconds=0.2, now=time.monotonic())
        assert end(kill, started.pid) < 2.2 + SLACK
        assert kill.survivors == []
        assert kill.escalated
        assert members(ProcessTable.read(), tree) == []
        assert finish(started) == 137
    record = AttemptDirectory(order.directory).read_exit()
    assert record is not None
    assert record.code == 137


@pytest.mark.parametrize("brand", ["tag", "marker"])
def test_a_process_that_forks_itself_on_is_caught(
    executor: Executor, tmp_path: Path, subreaper: None, brand: str
) -> None:
    order = make_order(tmp_path, sys.executable, "-c", FORKER)
    order = replace(order, tag=order.tag if brand == "tag" else 0)
    with running(executor, order) as started:
        tree = tree_of(order, started)
        assert finish(started) == 0  # the first of them is long gone
        wait_until(has_members(tree, 1))
        kill = TreeKill(tree, grace_seconds=0.1, now=time.monotonic())
        assert end(kill, started.pid) < 2.1 + SLACK
        assert kill.survivors == []


def test_a_well_behaved_tree_ends_at_the_first_signal(executor: Executor, tmp_path: Path) -> None:
    order = make_shell(tmp_path, "sleep 1000 & sleep 1000; exit 0")
    with running(executor, order) as started:
        tree = tree_of(order, started)
        wait_until(has_members(tree, 3))
        kill = TreeKill(tree, grace_seconds=60, now=time.monotonic())
        end(kill, started.pid)
        assert not kill.escalated
        assert finish(started) == 143


def test_a_handler_has_the_signal_once_and_its_last_word(executor: Executor, tmp_path: Path) -> None:
    text = "trap 'echo term; (exit 0); exit 5' TERM; echo ready; while :; do sleep 0.01; done"
    order = make_shell(tmp_path, text)
    with running(executor, order) as started:
        wait_until(lambda: output(order) == b"ready\n")
        kill = TreeKill(tree_of(order, started), grace_seconds=60, now=time.monotonic())
        end(kill, started.pid)
        assert finish(started) == 5
    assert output(order).count(b"term") == 1


def test_a_stopped_tree_is_woken_to_end(executor: Executor, tmp_path: Path) -> None:
    order = make_order(tmp_path, "sleep", "1000")
    with running(executor, order) as started:
        tree = tree_of(order, started)
        # A TERM between the shim's fork and its exec may be lost: then only KILL ends it, which is not meant here.
        wait_until(lambda: [name_of(entry.pid) for entry in members(ProcessTable.read(), tree)] == ["sleep"])
        os.killpg(started.pid, signal.SIGSTOP)
        wait_until(lambda: ProcessTable.read().entries[started.pid].state == "T")
        kill = TreeKill(tree, grace_seconds=60, now=time.monotonic())
        end(kill, started.pid)
        assert not kill.escalated
        assert finish(started) == 143


def test_the_death_of_the_shim_alone_leaves_a_tree_that_is_still_found(
    executor: Executor, tmp_path: Path, subreaper: None
) -> None:
    order = make_shell(tmp_path, "setsid sleep 1000 & sleep 1000")
    with running(executor, order) as started:
        tree = tree_of(order, started)
        wait_until(has_members(tree, 3))
        os.kill(started.pid, signal.SIGKILL)
        assert finish(started) == -signal.SIGKILL
        directory = AttemptDirectory(order.directory)
        assert not directory.is_held()
        assert directory.read_exit() is None
        assert directory.read_pid() == started.pid
        unproven = Tree(None, None, None, tree.tag, b"")
        unmarked = Tree(None, None, None, 0, tree.marker)
        table = ProcessTable.read()
        assert len(members(table, tree)) == 3
        assert len(members(table, unmarked)) == 3
        assert len(members(table, unproven)) == (3 if tag_supported() else 0)
        assert stray_children([])
        kill = TreeKill(unmarked, grace_seconds=0, now=time.monotonic())
        end(kill)
        assert members(ProcessTable.read(), tree) == []


def test_an_adopted_attempt_is_known_again_by_pid_alone(executor: Executor, tmp_path: Path) -> None:
    order = make_order(tmp_path, "sleep", "1000")
    with running(executor, order) as started:
        wait_until(has_members(tree_of(order, started), 1))
        pid = AttemptDirectory(order.directory).read_pid()
        assert start_ticks(started.pid) is not None
        assert boot_id()
        tree = Tree(pid, None, None, order.tag, b"JOBCTL_RUN=" + order.environment[b"JOBCTL_RUN"])
        table = ProcessTable.read()
        adopted = {started.pid: table.entries[started.pid]._replace(ppid=1)}
        tags = {entry: table.tag(entry) for entry in table.entries}
        found = members(ProcessTable({**table.entries, **adopted}, tags), tree)
        assert len(found) == 1
        assert found[0].pid != pid


def test_a_full_disk_loses_neither_pid_nor_exit_code(executor: Executor, tmp_path: Path) -> None:
    mount = tmp_path / "small"
    mount.mkdir()
    made = subprocess.run(["mount", "-t", "tmpfs", "-o", "size=64k", "jobctl", mount], capture_output=True)
    if made.returncode:
        pytest.skip("cannot mount a tmpfs here")
    try:
        gate = tmp_path / "gate"
        gate.touch()
        text = f"cat /dev/zero; while [ -e '{gate}' ]; do :; done; exit 6"
        order = make_shell(mount, text)
        with running(executor, order) as started:
            wait_until(lambda: b"No space left" in output(order) or not os.statvfs(mount).f_bfree)
            with pytest.raises(StartRefused, match="No space left"):
                executor.start(make_order(mount, "true"))
            gate.unlink()
            assert finish(started) == 6
        directory = AttemptDirectory(order.directory)
        record = directory.read_exit()
        assert record is not None
        assert record.code == 6
        assert directory.read_pid() == started.pid
    finally:
        subprocess.run(["umount", "-l", mount], check=True)
