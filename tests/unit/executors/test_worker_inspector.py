"""What the inspector prints, asked as a process of its own, as the supervisor's side asks it."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

from jobctl.executors.worker.signatures import parameter_documents
from tests.support.workers import MAIN

MODULE = '''
from __future__ import annotations
import enum, datetime
from pathlib import Path
from typing import Literal, Optional, Any, TYPE_CHECKING
from collections.abc import Sequence, Mapping
from jobctl import job, resource
if TYPE_CHECKING:
    from nowhere import Thing

print("importing")

class Color(enum.Enum):
    RED = "red"
    BLUE = 2

class Odd:
    def __repr__(self): raise RuntimeError("no")

@resource
def db(): return 1

@job("media.scan", timeout="5m", schedule="0 3 * * *", icon="S")
def scan(path: Path, depth: int = 3, db=db, *, color: Color = Color.RED, when: Optional[datetime.datetime] = None,
         names: Sequence[str] = (), sizes: Mapping[str, float] | None = None, mode: Literal["a", 1] = "a",
         **rest: Any) -> None:
    """Look at a directory.

    More.
    """

async def later(a, /, b: bool = True, *more: str, odd=Odd(), other: Thing = None, exact: float = 0.5): pass

@job("hidden")
def _hidden(): pass

def _private(): pass

def make():
    @job("inner")
    def inner(): pass
make()
'''


def inspect(directory: Path, **request: Any) -> dict[str, Any]:
    done = subprocess.run(
        [sys.executable, MAIN, "--inspect"],
        input=json.dumps({"path": [str(directory)], **request}),
        capture_output=True,
        text=True,
        check=True,
    )
    answer: dict[str, Any] = json.loads(done.stdout)
    return answer


@pytest.fixture(scope="module")
def answer(tmp_path_factory: pytest.TempPathFactory) -> dict[str, Any]:
    directory = tmp_path_factory.mktemp("modules")
    (directory / "good.py").write_text(MODULE)
    (directory / "broken.py").write_text("x = 1\nimport not_there_at_all\n")
    (directory / "wrong.py").write_text("x = 1\ndef f(:\n")
    (directory / "leaving.py").write_text("import sys\nsys.exit('bye')\n")
    (directory / "second.py").write_text("from jobctl import job\n@job('media.scan')\ndef again(): pass\n")
    package = directory / "pkg"
    package.mkdir()
    (package / "__init__.py").write_text("")
    (package / "sub.py").write_text("def f(x: int): pass\ndef g(): pass\n")
    return inspect(
        directory,
        modules=["good", "broken", "wrong", "leaving", "second", "pkg"],
        functions=["pkg.sub:f", "pkg.sub:nothing", "broken:f", "builtins:len", "good:scan"],
        entry_points=True,
    )


def function_of(answer: dict[str, Any], name: str) -> dict[str, Any]:
    (found,) = [one for one in answer["functions"] if one["function"] == name]
    return dict(found)


def test_public_and_declared_functions_are_listed_once(answer: dict[str, Any]) -> None:
    assert [one["function"] for one in answer["functions"]] == [
        "good:scan", "good:later", "good:_hidden", "good:make", "second:again", "pkg.sub:f", "builtins:len",
    ]  # fmt: skip


def test_a_declaration_is_told_with_its_options(answer: dict[str, Any]) -> None:
    found = function_of(answer, "good:scan")
    assert (found["help"], found["async"]) == ("Look at a directory.", False)
    assert found["job"] == {
        "name": "media.scan",
        "options": {"timeout": "5m"},
        "schedule": "0 3 * * *",
        "icon": "S",
        "help": "Look at a directory.",
    }


def test_parameters_are_told_with_type_and_default_and_without_resources(answer: dict[str, Any]) -> None:
    found = {one.pop("name"): one for one in function_of(answer, "good:scan")["parameters"]}
    plain, named = "positional_or_keyword", "keyword_only"
    assert found == {
        "path": {"kind": plain, "type": "str", "required": True},
        "depth": {"kind": plain, "type": "int", "required": False, "default": 3},
        "color": {"kind": named, "type": {"literal": ["red", 2]}, "required": False, "default": "red"},
        "when": {"kind": named, "type": {"union": ["str", "none"]}, "required": False, "default": None},
        "names": {"kind": named, "type": {"list": "str"}, "required": False, "default": []},
        "sizes": {
            "kind": named,
            "type": {"union": [{"dict": "float"}, "none"]},
            "required": False,
            "default": None,
        },
        "mode": {"kind": named, "type": {"literal": ["a", 1]}, "required": False, "default": "a"},
        "rest": {"kind": "var_keyword", "type": "any", "required": False},
    }


def test_what_cannot_be_resolved_or_shown_is_taken_as_anything(answer: dict[str, Any]) -> None:
    found = function_of(answer, "good:later")
    assert found["async"] is True
    by_name = {one["name"]: one for one in found["parameters"]}
    assert by_name["a"] == {"name": "a", "kind": "positional_only", "type": "any", "required": True}
    assert by_name["b"]["type"] == "bool"
    assert by_name["more"] == {"name": "more", "kind": "var_positional", "type": "str", "required": False}
    assert by_name["odd"]["default_text"] == "<Odd>"
    assert by_name["other"]["type"] == "any"
    assert (by_name["exact"]["type"], by_name["exact"]["default"]) == ("float", 0.5)


def test_what_fails_is_told_and_stops_nothing(answer: dict[str, Any]) -> None:
    found = [(one["module"], one["error"], one["line"]) for one in answer["errors"]]
    hidden = "job 'inner' is declared inside a function, where no worker finds it"
    assert found[:4] == [
        ("good", hidden, MODULE[: MODULE.index('@job("inner")')].count("\n") + 1),
        ("broken", "ModuleNotFoundError: No module named 'not_there_at_all'", 2),
        ("wrong", found[2][1], 2),
        ("leaving", "SystemExit: bye", 2),
    ]
    assert found[2][1].startswith("SyntaxError: ")
    assert found[4:] == [
        ("pkg.sub", "module pkg.sub has no function nothing", None),
        ("second", "job 'media.scan' is declared twice: good:scan and second:again", None),
    ]
    assert "broken.py" in answer["errors"][1]["traceback"]


def test_an_import_that_is_tried_again_is_told_once(answer: dict[str, Any]) -> None:
    assert [one["module"] for one in answer["errors"]].count("broken") == 1


@pytest.mark.parametrize("kind", [dict[bool, int], dict[tuple[int, int], str], list[dict[bytes, int]]])
def test_a_dictionary_whose_keys_no_text_makes_is_refused_where_it_is_inspected(kind: Any) -> None:
    def function(x: Any) -> None:
        raise NotImplementedError

    function.__annotations__["x"] = kind
    with pytest.raises(
        TypeError, match=r"parameter x: keys of JSON are texts, from which no (bool|tuple|bytes) is"
    ):
        parameter_documents(function)


def test_a_wrong_option_of_a_declaration_is_told_by_its_own_line(tmp_path: Path) -> None:
    (tmp_path / "odd.py").write_text("from jobctl import job\n\n@job('x', attempt=3)\ndef x(): pass\n")
    order = {"modules": ["odd"], "functions": [], "path": [str(tmp_path)], "entry_points": False}
    ended = subprocess.run(
        [sys.executable, MAIN, "--inspect"],
        input=json.dumps(order),
        capture_output=True,
        text=True,
        check=True,
    )
    (error,) = json.loads(ended.stdout)["errors"]
    assert error["line"] == 3
