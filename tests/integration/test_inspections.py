"""Inspections: modules imported by a child, whatever they do to it."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

from jobctl.errors import UnusableError
from jobctl.executors.inspections import LIMIT_SECONDS, Inspection, Order, inspect_now, started
from jobctl.executors.processes import runs_since, start_ticks
from jobctl.model.functions import Inspected
from jobctl.model.signatures import Argument
from tests.support.supervisors import reap_orphans
from tests.support.waiting import wait_until

MODULE = '''
import os, sys
print("noise")
os.write(1, b"more noise")
from jobctl import job

@job("media.scan", timeout="5m", attempts=3, schedule="0 3 * * *")
async def scan(path: str, depth: int | None = None, *, tags: list[str] = ()):
    """Scan a directory.

    At length.
    """

def _private():
    pass
'''


def inspected(directory: Path, text: str, **order: object) -> Inspected:
    (directory / "mod.py").write_text(text)
    found = Order(str(directory), str(directory / ".jobctl"), ("mod",), **order)  # type: ignore[arg-type]
    return inspect_now(found)


def test_public_functions_are_found_with_their_signatures_and_declarations(tmp_path: Path) -> None:
    found = inspected(tmp_path, MODULE)
    assert found.problems == ()
    (scan,) = found.functions
    assert (scan.name, scan.signature.help, scan.signature.is_async) == (
        "mod:scan",
        "Scan a directory.",
        True,
    )
    assert scan.signature.arguments[:2] == (
        Argument("path", type="str", required=True),
        Argument("depth", type={"union": ["int", "none"]}),
    )
    assert scan.declaration is not None
    assert (scan.declaration.name, scan.declaration.schedule) == ("media.scan", "0 3 * * *")
    assert scan.declaration.options == {"timeout": "5m", "attempts": 3}


@pytest.mark.parametrize(
    ("text", "problem"),
    [
        ("import no_such_module_anywhere", "ModuleNotFoundError"),
        ("def f(:", "SyntaxError"),
        ("import os; os._exit(3)", "ended with exit code 3"),
        ("import os, signal; os.kill(os.getpid(), signal.SIGKILL)", "was ended by SIGKILL"),
        ("raise SystemExit(4)", "SystemExit"),
    ],
)
def test_a_module_that_cannot_be_imported_is_a_problem(tmp_path: Path, text: str, problem: str) -> None:
    found = inspected(tmp_path, text)
    assert found.functions == ()
    assert [(one.module, problem in one.error) for one in found.problems] == [("mod", True)]


def test_of_a_package_what_it_imports_of_itself_is_found_too(tmp_path: Path) -> None:
    package = tmp_path / "pack"
    (package / "inner").mkdir(parents=True)
    (package / "__init__.py").write_text("from pack.tasks import work\nfrom os import system\n")
    (package / "tasks.py").write_text("from jobctl import job\n@job('w')\ndef work(): pass\n")
    (package / "unused.py").write_text("raise SystemExit")
    found = inspect_now(Order(str(tmp_path), str(tmp_path / ".jobctl"), ("pack",)))
    assert ([one.name for one in found.functions], found.problems) == (["pack.tasks:work"], ())


def test_a_module_that_hangs_is_ended_with_all_it_started(tmp_path: Path) -> None:
    (tmp_path / "mod.py").write_text(
        "import os, subprocess, time\n"
        "child = subprocess.Popen(['sleep', '1000'], start_new_session=True)\n"
        "open('pid.part', 'w').write(str(child.pid))\n"
        "os.rename('pid.part', 'pid')\n"
        "while True: time.sleep(0.01)\n"
    )
    inspection = Inspection(Order(str(tmp_path), str(tmp_path / ".jobctl"), ("mod",)), 0.0)
    try:
        wait_until((tmp_path / "pid").exists)
        grandchild = int((tmp_path / "pid").read_text())
        ticks = start_ticks(grandchild)
        assert ticks is not None
        assert inspection.poll(LIMIT_SECONDS - 1) is None
        found = inspection.poll(LIMIT_SECONDS)
    finally:
        inspection.close()
    assert found is not None
    assert [str(problem) for problem in found.problems] == [
        "cannot import mod: the import takes longer than 30 s"
    ]

    # Another test may have made this process the one that inherits orphans.
    def is_gone() -> bool:
        reap_orphans()
        return not runs_since(grandchild, ticks)

    wait_until(is_gone)


def test_the_session_is_killed_while_its_leader_is_not_reaped_so_that_it_is_no_strangers(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    states: list[str] = []

    def look(pid: int, number: int) -> None:
        states.append(Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0])

    monkeypatch.setattr(os, "killpg", look)
    assert inspected(tmp_path, "def f(): pass").problems == ()
    assert states == ["Z"]


def test_a_child_that_somebody_else_has_reaped_is_not_signalled_by_its_number(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "mod.py").write_text("def f(): pass")
    monkeypatch.setattr(os, "killpg", lambda pid, number: pytest.fail("it may be a stranger's"))
    inspection = Inspection(Order(str(tmp_path), str(tmp_path / ".jobctl"), ("mod",)), 0.0)
    assert inspection.reaped(*os.waitpid(inspection.pid, 0))
    found = inspection.poll(0.0)
    assert found is not None
    assert [one.name for one in found.functions] == ["mod:f"]


def test_an_interpreter_that_is_none_is_told(tmp_path: Path) -> None:
    order = Order(str(tmp_path), str(tmp_path), ("mod",), python=str(tmp_path / "nowhere"))
    with pytest.raises(UnusableError, match="cannot start the interpreter of workers"):
        started(order, 0.0)
    assert os.listdir(tmp_path) == []
