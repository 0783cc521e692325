"""What tells the processes of daemons from those of jobs and of one another."""

from __future__ import annotations

from pathlib import Path

from hypothesis import given
from hypothesis import strategies as st

from jobctl.executors.processes import ProcessEntry, ProcessTable, is_tag
from jobctl.supervisor.identities import Identities
from tests.support.supervisors import Stage


def table_of(tag: int, marker: bytes) -> ProcessTable:
    """One running process."""
    return ProcessTable(
        {9999999: ProcessEntry(9999999, 1, 1, 1, "S", 5, 0, 0)}, {9999999: tag}, {9999999: marker}
    )


def test_a_generation_is_found_by_its_tag_or_by_its_marker(tmp_path: Path) -> None:
    stage = Stage(tmp_path)
    identities = Identities(stage.store)

    @given(st.integers(1, (1 << 15) - 1), st.integers(1, (1 << 24) - 1))
    def check(daemon: int, generation: int) -> None:
        tree = identities.daemon_tree(daemon, generation)
        assert is_tag(tree.tag)
        assert identities.living_generations(table_of(tree.tag, b"")) == {(daemon, generation)}
        assert identities.living_generations(table_of(0, tree.marker)) == {(daemon, generation)}

    check()
    stage.close()


def test_ids_beyond_the_tag_go_by_their_markers_and_nobody_shares_one(tmp_path: Path) -> None:
    stage = Stage(tmp_path)
    identities = Identities(stage.store)
    for daemon, generation in ((32769, 1), (1, (1 << 24) + 1)):
        tree = identities.daemon_tree(daemon, generation)
        assert tree.tag == 0
        assert identities.living_generations(table_of(0, tree.marker)) == {(daemon, generation)}
        # A supervisor that runs in a job has that job's tag, and so has what it starts without one.
        nested = table_of(resource_tag := identities.daemon_tag(7, 7), tree.marker)
        nested.own_tag = resource_tag
        assert (daemon, generation) in identities.living_generations(nested)
    stage.close()


def test_a_job_is_no_daemon(tmp_path: Path) -> None:
    stage = Stage(tmp_path)
    supervisor = stage.supervise()
    job_id = stage.shell("while [ -e gate ]; do sleep 0.01; done")
    (tmp_path / "gate").touch()
    stage.start(supervisor, job_id)
    assert Identities(stage.store).living_generations(ProcessTable.read()) == set()
    stage.close()
