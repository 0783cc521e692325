"""Identity, membership and kills over tables made by hand: who is a stranger."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from jobctl.executors import foreign, kills, processes
from jobctl.executors.command import CommandExecutor
from jobctl.executors.kills import KillState, TreeKill
from jobctl.executors.processes import (
    ProcessEntry,
    ProcessTable,
    attempt_tag,
    is_tag,
    signal_process,
    start_ticks,
    stray_children,
)
from jobctl.executors.trees import Tree, find_shim, members, tree_usage
from tests.support.processes import has_members, make_shell, running, tree_of
from tests.support.waiting import wait_until

TAG = attempt_tag(0x3FFFFF, 7, 1)
SHIM = 500


def entry(pid: int, ppid: int = 1, session: int = 0, ticks: int = 100, state: str = "S") -> ProcessEntry:
    return ProcessEntry(pid, ppid, session, session, state, ticks, 10, 4096)


def table(
    *entries: ProcessEntry, tags: dict[int, int] | None = None, markers: dict[int, bytes] | None = None
) -> ProcessTable:
    return ProcessTable({found.pid: found for found in entries}, tags, markers, marker_of=lambda pid: b"")


def pids(found: list[ProcessEntry]) -> set[int]:
    return {one.pid for one in found}


KNOWN = Tree(SHIM, 100, SHIM, TAG, b"JOBCTL_RUN=a")
PROVEN = entry(SHIM, session=SHIM)


def test_session_and_descendants_count_while_the_shim_is_proven() -> None:
    found = table(
        PROVEN,
        entry(501, SHIM, SHIM),
        entry(502, 1, SHIM),
        entry(503, 501, 503),
        entry(504, 503, 504),
        entry(600),
    )
    assert pids(members(found, KNOWN)) == {501, 502, 503, 504}


def test_another_process_with_the_shims_pid_proves_nothing() -> None:
    reused = entry(SHIM, session=SHIM, ticks=101)
    found = table(reused, entry(501, SHIM, SHIM), entry(502, 1, SHIM))
    assert find_shim(found, KNOWN) is None
    assert members(found, KNOWN) == []


def test_a_dead_shim_leaves_only_tag_and_marker_and_their_descendants() -> None:
    found = table(
        entry(501, 1, SHIM), entry(502, 1, SHIM), entry(503, 502, 503), entry(504, 1, 504),
        tags={502: TAG}, markers={504: b"JOBCTL_RUN=a"},
    )  # fmt: skip
    assert pids(members(found, KNOWN)) == {502, 503, 504}


def test_a_marker_of_another_run_or_of_an_older_process_is_a_strangers() -> None:
    found = table(
        entry(501), entry(502, ticks=99), markers={501: b"JOBCTL_RUN=aa", 502: b"JOBCTL_RUN=a"}
    )  # fmt: skip
    assert members(found, KNOWN) == []


def test_a_zombie_is_no_member_but_a_zombie_shim_is_proof() -> None:
    found = table(PROVEN._replace(state="Z"), entry(501, 1, SHIM), entry(502, 1, SHIM, state="Z"))
    assert pids(members(found, KNOWN)) == {501}


def test_this_process_and_its_ancestors_are_never_members() -> None:
    me = os.getpid()
    found = table(
        PROVEN, entry(501, SHIM, SHIM), entry(me, 501, SHIM), entry(9_999_999, me, me),
        tags={501: TAG, me: TAG},
    )  # fmt: skip
    assert members(found, KNOWN) == []


@pytest.mark.parametrize(
    ("shim", "tags", "proven"),
    [
        (entry(SHIM, session=SHIM), {SHIM: TAG}, True),
        (entry(SHIM, os.getpid(), SHIM), {}, True),
        (entry(SHIM, session=SHIM), {}, False),
        (entry(SHIM, session=400), {SHIM: TAG}, False),
    ],
)
def test_a_shim_whose_ticks_were_never_noted_needs_another_proof(
    shim: ProcessEntry, tags: dict[int, int], proven: bool
) -> None:
    adopted = Tree(SHIM, None, None, TAG, b"")
    assert (find_shim(table(shim, tags=tags), adopted) is not None) is proven


def test_usage_is_memory_of_the_members_and_time_of_all() -> None:
    found = table(PROVEN, entry(501, SHIM, SHIM), entry(600))
    assert tree_usage(found, KNOWN) == (4096, 20 / processes.TICKS_PER_SECOND)


def test_a_tag_holds_store_job_and_attempt() -> None:
    assert attempt_tag(1, 2, 3) == 1 << 62 | 1 << 40 | 2 << 8 | 3
    assert attempt_tag(-1, -1, -1) == (1 << 63) - 1
    assert is_tag(attempt_tag(0, 0, 0))
    assert not is_tag(-1)
    assert not is_tag(1 << 61)


@pytest.fixture
def child() -> Iterator[subprocess.Popen[bytes]]:
    process = subprocess.Popen(["sleep", "1000"])
    yield process
    process.kill()
    process.wait()


def test_a_signal_reaches_only_the_process_that_was_meant(child: subprocess.Popen[bytes]) -> None:
    ticks = start_ticks(child.pid)
    assert ticks is not None
    assert not signal_process(child.pid, ticks + 1, signal.SIGKILL)
    assert child.poll() is None
    assert signal_process(child.pid, ticks, signal.SIGKILL)
    assert child.wait() == -signal.SIGKILL
    assert not signal_process(child.pid, ticks, signal.SIGKILL)
    assert start_ticks(child.pid) is None


def test_children_that_nobody_knows_are_strays(child: subprocess.Popen[bytes]) -> None:
    assert child.pid in stray_children([])
    assert child.pid not in stray_children({child.pid})


def test_psutil_tells_the_same_of_a_process(child: subprocess.Popen[bytes]) -> None:
    rows = {row[0]: ProcessEntry(*row) for row in foreign.read_rows()}
    real = ProcessTable.read().entries[child.pid]
    assert rows[child.pid][1:4] == real[1:4]
    ticks = foreign.start_ticks(child.pid)
    assert ticks == rows[child.pid].start_ticks
    assert foreign.marker(os.getpid(), b"NO_SUCH_NAME") == b""
    assert foreign.boot_id().startswith("boot-")
    assert not foreign.signal_process(child.pid, 1, signal.SIGKILL)
    assert ticks is not None
    assert foreign.signal_process(child.pid, ticks, signal.SIGKILL)
    assert child.wait() == -signal.SIGKILL


@pytest.fixture
def sent(monkeypatch: pytest.MonkeyPatch) -> list[tuple[int, int]]:
    signals: list[tuple[int, int]] = []

    def record(pid: int, ticks: int, sig: int) -> bool:
        signals.append((pid, sig))
        return True

    monkeypatch.setattr(kills, "signal_process", record)
    monkeypatch.setattr(kills, "sweep", lambda tag, marker, spared: None)
    monkeypatch.setattr("os.killpg", lambda group, sig: signals.append((-group, sig)))
    return signals


TERM, CONT, KILL = signal.SIGTERM, signal.SIGCONT, signal.SIGKILL


def test_the_group_is_asked_at_once_and_the_others_one_by_one(sent: list[tuple[int, int]]) -> None:
    found = table(PROVEN, entry(501, SHIM, SHIM), entry(502, 501, 502))
    kill = TreeKill(KNOWN, grace_seconds=5, now=0)
    assert kill.advance(found, 0) is KillState.GOING
    assert kill.advance(found, 1) is KillState.GOING
    assert sent == [(-SHIM, TERM), (502, TERM), (-SHIM, CONT), (502, CONT)]


def test_a_signal_the_shim_does_not_survive_spares_it(sent: list[tuple[int, int]]) -> None:
    found = table(PROVEN, entry(501, SHIM, SHIM))
    TreeKill(KNOWN, grace_seconds=5, signal=signal.SIGABRT, now=0).advance(found, 0)
    assert sent == [(501, signal.SIGABRT), (-SHIM, CONT)]


def test_a_dead_shims_group_is_not_signalled(sent: list[tuple[int, int]]) -> None:
    TreeKill(KNOWN, grace_seconds=5, now=0).advance(table(entry(501, 1, SHIM), tags={501: TAG}), 0)
    assert sent == [(501, TERM), (501, CONT)]


def test_helpers_started_by_a_handler_are_left_alone_until_the_grace_is_over(
    sent: list[tuple[int, int]],
) -> None:
    kill = TreeKill(KNOWN, grace_seconds=5, now=0)
    kill.advance(table(PROVEN, entry(501, SHIM, SHIM)), 0)
    sent.clear()
    helper = entry(502, 501, SHIM, ticks=processes.now_ticks() + 1000)
    kill.advance(table(PROVEN, entry(501, SHIM, SHIM), helper), 1)
    assert sent == []
    kill.advance(table(PROVEN, entry(501, SHIM, SHIM), helper), 5)
    assert sent == [(502, KILL), (501, KILL)]
    assert kill.escalated


def test_the_command_of_a_shim_that_swallowed_the_signal_is_asked(sent: list[tuple[int, int]]) -> None:
    kill = TreeKill(KNOWN, grace_seconds=5, now=0)
    kill.advance(table(PROVEN), 0)
    late = entry(501, SHIM, SHIM, ticks=processes.now_ticks() + 1000)
    kill.advance(table(PROVEN, late), 0.1)
    assert (501, TERM) in sent


def test_hurrying_ends_the_grace(sent: list[tuple[int, int]]) -> None:
    found = table(PROVEN, entry(501, SHIM, SHIM))
    kill = TreeKill(KNOWN, grace_seconds=60, now=0)
    kill.advance(found, 0)
    sent.clear()
    kill.hurry(1)
    kill.advance(found, 1)
    assert sent == [(501, KILL)]


def test_the_shim_has_a_second_for_its_record(sent: list[tuple[int, int]]) -> None:
    kill = TreeKill(KNOWN, grace_seconds=0, now=0)
    alone = table(PROVEN)
    assert kill.advance(alone, 0) is KillState.GOING
    assert kill.advance(alone, 0.9) is KillState.GOING
    assert (SHIM, KILL) not in sent
    assert kill.advance(alone, 1.0) is KillState.GOING
    assert sent[-1] == (SHIM, KILL)
    assert kill.advance(table(), 1.1) is KillState.DONE
    assert not kill.escalated


def test_one_empty_table_is_no_proof() -> None:
    kill = TreeKill(KNOWN, grace_seconds=5, now=0)
    assert kill.advance(table(), 0) is KillState.GOING
    assert kill.advance(table(), 0) is KillState.DONE
    assert kill.advance(table(), 0) is KillState.DONE


def test_fresh_zombies_of_the_tree_are_no_proof_either() -> None:
    kill = TreeKill(KNOWN, grace_seconds=5, now=0)
    for pid in (601, 602, 603):
        assert kill.advance(table(entry(pid, state="Z"), tags={pid: TAG}), 0) is KillState.GOING
    assert kill.advance(table(), 0) is KillState.GOING
    assert kill.advance(table(), 0) is KillState.DONE


def test_what_kill_does_not_end_is_reported(sent: list[tuple[int, int]]) -> None:
    stuck = table(PROVEN, entry(501, SHIM, SHIM, state="D"))
    kill = TreeKill(KNOWN, grace_seconds=0, now=0)
    assert kill.advance(stuck, 0) is KillState.GOING
    assert kill.advance(stuck, 9.9) is KillState.GOING
    assert kill.advance(stuck, 10) is KillState.DONE
    assert kill.survivors == [501]


def test_a_real_tree_uses_memory(tmp_path: Path) -> None:
    line = f"sleep 1000 | {sys.executable} -c 'x = bytes(b\"x\" * 30_000_000); input()'"
    order = make_shell(tmp_path, line)
    with running(CommandExecutor(), order) as started:
        tree = tree_of(order, started)
        wait_until(has_members(tree, 3))
        wait_until(lambda: tree_usage(ProcessTable.read(), tree)[0] > 30_000_000)
