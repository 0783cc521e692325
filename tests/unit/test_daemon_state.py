"""What a daemon remembers: a mapping that is one JSON file, whole or not at all."""

from __future__ import annotations

import json
import os
import threading
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from jobctl import context
from jobctl.daemon_state import State, StateError


@pytest.fixture
def state_dir(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setenv("JOBCTL_STATE_DIR", str(tmp_path))
    return tmp_path


def test_what_is_kept_is_there_after_a_restart(state_dir: Path) -> None:
    state = State()
    assert dict(state) == {}
    state["seen"] = ["a", "b"]
    state.update({"count": 3}, last=None)
    again = State()
    assert dict(again) == {"seen": ["a", "b"], "count": 3, "last": None}
    del again["count"]
    assert again.pop("last") is None
    assert list(State()) == ["seen"]
    assert len(again) == 1
    with pytest.raises(KeyError):
        del again["count"]
    again.clear()
    assert dict(State()) == {}
    assert (state_dir / "state.json").stat().st_mode & 0o777 == 0o600


@pytest.mark.usefixtures("state_dir")
def test_what_it_gives_is_a_copy() -> None:
    state = State()
    mine = {"list": [1]}
    state["a"] = mine
    mine["list"].append(2)
    state["a"]["list"].append(3)
    assert state["a"] == {"list": [1]}
    assert State()["a"] == {"list": [1]}


@pytest.mark.usefixtures("state_dir")
@pytest.mark.parametrize(
    ("value", "message"),
    [
        (float("nan"), "nan is not JSON"),
        ({"deep": [float("inf")]}, "inf is not JSON"),
        ("\ud800", "half a surrogate pair"),
        ({"\udfff": 1}, "half a surrogate pair"),
        ({1: 2}, "must be a text, not int"),
        (b"x", "bytes is not JSON"),
        ({1, 2}, "set is not JSON"),
        (object(), "object is not JSON"),
    ],
)
def test_what_json_cannot_hold_is_refused_and_changes_nothing(value: object, message: str) -> None:
    state = State()
    state["kept"] = 1
    with pytest.raises(StateError, match=message):
        state.update({"fine": 1, "wrong": value})
    assert dict(State()) == {"kept": 1}
    with pytest.raises(StateError, match="must be a text"):
        state.update({7: 1})


@pytest.mark.usefixtures("state_dir")
def test_a_list_that_holds_itself_is_refused() -> None:
    endless: list[object] = []
    endless.append(endless)
    with pytest.raises(StateError, match="nested deeper"):
        State()["endless"] = endless


@pytest.mark.parametrize("content", [b"", b"{", b"[1]", b'{"a": NaN}', b"\xff\xfe", b"null", b'{"a": 1}x'])
def test_a_damaged_file_is_told_and_left_alone(state_dir: Path, content: bytes) -> None:
    file = state_dir / "state.json"
    file.write_bytes(content)
    state = State()
    for touch in (lambda: state["a"], lambda: state.update(a=1), lambda: len(state), lambda: state.pop("a")):
        with pytest.raises(StateError, match=r"the state is damaged: .*state\.json.*remove it to start anew"):
            touch()
    assert file.read_bytes() == content
    state.clear()
    assert dict(State()) == {}


def test_a_write_that_fails_leaves_what_was(state_dir: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    state = State()
    state["a"] = 1

    def full(fd: int) -> None:
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(os, "fsync", full)
    with pytest.raises(OSError, match="No space"):
        state["a"] = 2
    monkeypatch.undo()
    monkeypatch.setenv("JOBCTL_STATE_DIR", str(state_dir))
    assert state["a"] == 1
    assert sorted(os.listdir(state_dir)) == ["state.json", "state.lock"]


@pytest.mark.usefixtures("state_dir")
def test_two_writers_lose_nothing_of_each_other() -> None:
    def write(name: str) -> None:
        mine = State()
        for number in range(20):
            mine[f"{name}{number}"] = number

    threads = [threading.Thread(target=write, args=(name,)) for name in "ab"]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert len(State()) == 40


def test_a_change_of_another_process_is_seen(state_dir: Path) -> None:
    state = State()
    state["a"] = 1
    fresh = state_dir / "other"
    fresh.write_text('{"a": 2}')
    fresh.replace(state_dir / "state.json")
    assert state["a"] == 2


def test_outside_of_a_daemon_there_is_none(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("JOBCTL_STATE_DIR", raising=False)
    with pytest.raises(context.StateError, match="no \\$JOBCTL_STATE_DIR"):
        context.state["a"] = 1


_TEXT = st.text(st.characters(codec="utf-8"), max_size=20)
_JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False, allow_infinity=False) | _TEXT,
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(_TEXT, inner, max_size=3),
    max_leaves=8,
)


@settings(max_examples=25, deadline=None)
@given(st.dictionaries(_TEXT, _JSON, max_size=4))
def test_any_json_comes_back(tmp_path_factory: pytest.TempPathFactory, found: dict[str, Any]) -> None:
    directory = tmp_path_factory.mktemp("state")
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("JOBCTL_STATE_DIR", str(directory))
        State().update(found)
        assert dict(State()) == found
        if found:
            assert json.loads((directory / "state.json").read_text()) == found
