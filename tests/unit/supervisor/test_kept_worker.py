"""What a worker of a dead life has told: old recalls free nothing, answers after the pipe hung up free all."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from jobctl.executors.functions import WorkerDirectory
from jobctl.executors.journals import Begin, Record
from jobctl.executors.trees import Tree
from jobctl.model.states import WorkerId
from jobctl.supervisor.kept_worker import KeptWorker

OLD = (
    {"t": "ready", "at": 1, "pid": 1, "python": "3.11.7"},
    {"t": "begin", "job": 1, "attempt": 1, "token": 11, "at": 2},
    {"t": "recalled", "at": 3, "tokens": [12]},
)


@pytest.fixture
def worker(tmp_path: Path) -> KeptWorker:
    directory = WorkerDirectory(str(tmp_path))
    found = KeptWorker(WorkerId(1), directory, Tree(None, None, None, 0, b""))
    tell(found, *OLD)
    return found


def tell(worker: KeptWorker, *records: dict[str, object]) -> None:
    """The worker has written these into its journal."""
    with open(worker.journal.path, "a") as file:
        file.writelines(f"{json.dumps(record)}\n" for record in records)


def kinds(records: list[Record]) -> list[str]:
    return [type(record).__name__.lower() for record in records]


@pytest.mark.parametrize("is_gone", [False, True])
def test_what_a_dead_life_recalled_is_not_heard_again(worker: KeptWorker, is_gone: bool) -> None:
    # Jobs that were handed over behind that recall begin later: freed by it, they would run twice.
    tell(worker, {"t": "begin", "job": 3, "attempt": 1, "token": 13, "at": 4})
    worker.adopted()
    worker.gone = is_gone
    found = worker.read()
    assert kinds(found) == ["ready", "begin", "begin"]
    assert isinstance(found[-1], Begin)
    assert worker.read() == []
    tell(worker, {"t": "recalled", "at": 5, "tokens": []})
    assert kinds(worker.read()) == ["recalled"]


def test_an_answer_right_after_the_take_over_is_heard(worker: KeptWorker) -> None:
    worker.adopted()
    tell(worker, {"t": "recalled", "at": 5, "tokens": [14]})
    assert kinds(worker.read()) == ["ready", "begin", "recalled"]


def test_a_child_is_heard_in_full(worker: KeptWorker) -> None:
    assert kinds(worker.read()) == ["ready", "begin", "recalled"]
