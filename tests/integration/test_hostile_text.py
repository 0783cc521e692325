"""Hostile text in everything that takes text, and every verb that shows: it is shown, and never obeyed."""

from __future__ import annotations

import io
import json
import os
from collections.abc import Iterator
from contextlib import redirect_stderr, redirect_stdout

import pytest

from jobctl.cli.app import main
from jobctl.cli.verbs import VERBS, VerbGroup
from jobctl.views.text import width_of
from tests.support.cli import Completed
from tests.support.hostile import AS_ARGUMENT, HOSTILE, LONG, QUOTED, SHORT, TRICKS, HostileHome, harm_in

WIDTH = 80
FITS = frozenset({
    "list", "status", "history", "batch list", "workflow list", "queue list", "daemon list", "schedule list", "catalog",
    "catalog list", "daemon jobs", "watch",
})  # fmt: skip
"""Their lines are never wider than the terminal."""

SHOWN: dict[str, list[list[str]]] = {
    "status": [[]],
    "list": [[], ["--status", "failed"], ["--limit", "1"]],
    "show": [["JOB"], ["FAILED"], ["ABSENT"], ["LONG"], ["RUN"], ["BATCH"]],
    "logs": [["JOB"], ["FAILED"], ["JOB", "--grep", "r.d"]],
    "explain": [["JOB"], ["FAILED"], ["ABSENT"], ["RUN"]],
    "history": [["NAME"], ["LONG NAME"]],
    "wait": [["JOB"], ["FAILED"], ["ABSENT"]],
    "batch list": [[]],
    "batch show": [["BATCH"]],
    "workflow list": [[], ["--all"]],
    "workflow show": [["RUN"]],
    "workflow explain": [["RUN", "tells"], ["RUN", "asks"], ["RUN", "each"], ["RUN", "breaks"]],
    "workflow graph": [["RUN"], ["RUN", "--format", "mermaid"], ["RUN", "--format", "dot"], ["RUN", "--format", "svg"]],
    "catalog": [[]],
    "catalog list": [[]],
    "catalog show": [["bad"], ["long"]],
    "catalog validate": [[]],
    "events": [[], ["--since", "0"]],
    "stats": [["--since", "all", "--by", "name"], ["--since", "all", "--by", "type", "--errors"]],
    "health": [[]],
    "metrics": [[]],
    "queue list": [[]],
    "schedule list": [["--all"]],
    "schedule show": [["bad"]],
    "schedule history": [["bad"]],
    "schedule why": [["bad"]],
    "schedule next": [["bad"]],
    "daemon list": [[]],
    "daemon show": [["web"], ["SHORT"]],
    "daemon check": [[]],
    "daemon logs": [["web"]],
    "daemon jobs": [["web"]],
    "notify list": [[]],
    "db info": [[]],
    "db check": [[]],
    "db path": [[]],
    "reload": [[]],
    "prune": [["--dry-run", "--keep", "1"]],
}  # fmt: skip
"""What each verb that shows is called with; capitals stand for what the home has."""

NOT_SHOWING = {
    "up": "its lines are those of events; its dashboard is that of watch; both are called here or in test_panes",
    "watch": "never ends on a terminal or as JSON; in a pipe it is called by a test of its own",
    "report": "writes an HTML page; called by a test of its own",
    "run": "passes on what its job prints, byte by byte, as it promises",
    "demo": "has a home of its own, without a word from outside",
    "advise": "answers with its own words and the numbers it was given",
    "doctor": "starts programs to try them; says nothing of any job",
    "completion show": "prints a fixed script", "completion install": "names a path of its own",
    "catalog schema": "fixed", "workflow schema": "fixed",
    "workflow validate": "shows lines of a file: test_workflow_files",
    "db backup": "says a path", "db migrate": "says numbers", "db vacuum": "says sizes",
    "db restore": "says a path", "db repair": "says numbers",
}  # fmt: skip
"""Verbs that are only called with hostile words here."""


_CODES = (0, 1, 4, 6)
"""4: a schedule that is broken has no next slot; 6: nobody supervises."""


class Terminal(io.TextIOWrapper):
    """A standard output that says that people look at it."""

    def isatty(self) -> bool:
        """They do."""
        return True


@pytest.fixture(scope="module")
def filled(tmp_path_factory: pytest.TempPathFactory) -> Iterator[HostileHome]:
    """Filled once; nothing here changes what is in it."""
    home = HostileHome(tmp_path_factory.mktemp("hostile"))
    yield home
    home.close()


@pytest.fixture
def hostile(filled: HostileHome, monkeypatch: pytest.MonkeyPatch) -> HostileHome:
    """The home that calls are about, on a terminal of 80 columns."""
    monkeypatch.setenv("JOBCTL_HOME", filled.stage.home.path)
    monkeypatch.setenv("COLUMNS", str(WIDTH))
    monkeypatch.setenv("TERM", "xterm-256color")
    monkeypatch.delenv("NO_COLOR", raising=False)
    monkeypatch.chdir(filled.stage.root)
    if not filled.batch:
        made = call("batch", "-q", "--", "echo", ":::", AS_ARGUMENT, HOSTILE, "x")
        assert made.code == 0, made
        filled.batch = int(made.out)
        filled.rename_jobs(filled.batch, filled.workflow)
    return filled


def call(*args: str, terminal: bool = False) -> Completed:
    """``jobctl args…`` has ended in this process."""
    out = (Terminal if terminal else io.TextIOWrapper)(io.BytesIO(), encoding="utf-8", write_through=True)
    err = io.TextIOWrapper(io.BytesIO(), encoding="utf-8", errors="backslashreplace", write_through=True)
    with redirect_stdout(out), redirect_stderr(err):
        code = main(args)
    texts = [stream.buffer.getvalue().decode() for stream in (out, err)]  # type: ignore[attr-defined]
    return Completed(code, *texts)


def words(hostile: HostileHome, args: list[str]) -> list[str]:
    """The arguments with what the home has in place of what is in capitals."""
    job, failed, absent, long = map(str, hostile.ended)
    meant = {
        "JOB": job, "FAILED": failed, "ABSENT": absent, "LONG": long, "RUN": str(hostile.workflow),
        "BATCH": str(hostile.batch), "NAME": HOSTILE, "SHORT": SHORT, "LONG NAME": LONG,
    }  # fmt: skip
    return [meant.get(arg, arg) for arg in args]


def verbs() -> list[str]:
    """Every verb, with its group: ``queue list``."""
    found = []
    for word, entry in VERBS.items():
        if not isinstance(entry, VerbGroup):
            found.append(word)
            continue
        found += [word] if entry.own is not None else []
        found += [f"{word} {inner}" for inner in entry.verbs]
    return found


CHANGING = frozenset(verbs()) - SHOWN.keys() - NOT_SHOWING.keys()
CASES = [(verb, args) for verb, variants in SHOWN.items() for args in variants]
IDS = [" ".join([verb, *args]) for verb, args in CASES]


def test_every_verb_that_shows_is_called_here_or_listed_with_the_reason() -> None:
    known = {
        "down",
        "submit",
        "cancel",
        "retry",
        "hold",
        "release",
        "pause",
        "resume",
        "batch",
        "batch retry",
        "workflow run",
        "workflow cancel",
        "workflow retry",
        "workflow rollback",
        "workflow approve",
        "workflow reject",
        "edit",
        "remove",
        "progress",
        "queue add",
        "queue set",
        "queue pause",
        "queue resume",
        "queue drain",
        "queue remove",
        "schedule add",
        "schedule edit",
        "schedule remove",
        "schedule enable",
        "schedule disable",
        "schedule run",
        "daemon add",
        "daemon start",
        "daemon stop",
        "daemon restart",
        "daemon remove",
        "daemon edit",
        "daemon wait",
        "notify test",
        "notify deliver",
    }
    assert known >= CHANGING, "a verb that shows belongs into SHOWN, one that changes into known"


@pytest.mark.parametrize(("verb", "args"), CASES, ids=IDS)
def test_what_is_shown_is_never_obeyed(hostile: HostileHome, verb: str, args: list[str]) -> None:
    given = [*verb.split(), *words(hostile, args)]
    for terminal in (False, True):
        shown = call(*given, terminal=terminal)
        assert shown.code in _CODES, shown.err
        assert not harm_in(shown.out, styled=terminal), (terminal, shown.out)
        assert not harm_in(shown.err), (terminal, shown.err)
        if terminal and verb in FITS:
            wide = [line for line in _unstyled(shown.out).split("\n") if width_of(line) > WIDTH]
            assert not wide
    shown = call(*given, "--json")
    assert shown.code in _CODES, shown.err
    assert not harm_in(shown.out), shown.out
    assert not harm_in(shown.err), shown.err
    documents = [json.loads(line) for line in shown.out.split("\n") if line]
    assert all(shown.code in (4, 6) or list(document) != ["error"] for document in documents), documents


def _unstyled(text: str) -> str:
    from tests.support.hostile import _SGR

    return _SGR.sub("", text)


@pytest.mark.parametrize("verb", verbs())
def test_a_word_that_is_refused_is_told_escaped(hostile: HostileHome, verb: str) -> None:
    if verb in ("db backup",):
        pytest.skip("any word is a path to it")
    before = sorted(os.listdir(hostile.stage.root))
    for word in (AS_ARGUMENT, f"{LONG}?"):
        for mode in ([], ["--json"]):
            refused = call(*verb.split(), word, *mode)
            assert refused.code in (1, 2, 3, 4, 5, 6, 125), (refused.code, refused.err)
            assert not harm_in(refused.out + refused.err), refused.err
            assert max(map(len, refused.err.split("\n"))) < 1000, refused.err[:2000]
            if mode:
                assert refused.document["error"]["code"] != "E_BUG"
    assert sorted(os.listdir(hostile.stage.root)) == before


@pytest.mark.parametrize(
    "option",
    [
        "name",
        "tag",
        "type",
        "category",
        "user",
        "queue",
        "unique",
        "lock",
        "resource",
        "meta",
        "env",
        "cwd",
        "at",
        "after",
        "progress-from",
    ],
)
def test_what_is_taken_or_refused_with_a_job_is_told_escaped(hostile: HostileHome, option: str) -> None:
    for trick in (SHORT, TRICKS["markup"], TRICKS["bidi"], f"a{AS_ARGUMENT}"):
        answer = call("submit", f"--{option}", trick, "--json", "--", "true", trick)
        assert answer.code in (0, 2, 3), answer.err
        assert not harm_in(answer.out + answer.err), answer
        assert answer.document


def test_hostile_lines_of_a_jobs_file_are_refused_with_their_place(hostile: HostileHome) -> None:
    path = hostile.stage.root / "jobs.jsonl"
    for line in (
        json.dumps({"command": ["true"], "name": HOSTILE}),
        json.dumps({HOSTILE: 1}),
        f"{{{HOSTILE}",
        "\x00",
    ):
        path.write_bytes(line.encode("utf-8", "surrogateescape") + b"\n")
        for mode in ([], ["--json"]):
            refused = call("submit", "--jsonl", str(path), *mode)
            assert refused.code == 2, refused
            assert not harm_in(refused.out + refused.err), refused
    path.unlink()


@pytest.mark.parametrize(
    "args", [["watch"], ["watch", "daemons"], ["watch", "workflow", "RUN"], ["report", "--since", "all", "-o", "-"],
             ["report", "--since", "all", "--json"]]
)  # fmt: skip
def test_what_goes_into_a_pipe_is_never_obeyed_either(hostile: HostileHome, args: list[str]) -> None:
    shown = call(*words(hostile, args))
    assert shown.code == 0, shown.err
    assert not harm_in(shown.out + shown.err), shown
    assert "35;45" in shown.out or "workflow" in args, shown.out


@pytest.mark.parametrize(
    "verb", ["workflow validate", "workflow graph", "workflow run", "catalog validate", "batch --from"]
)
def test_hostile_files_are_told_of_escaped(hostile: HostileHome, verb: str) -> None:
    path = hostile.stage.root / "file.yaml"
    texts = (
        f"name: {QUOTED}\nsteps: []\n{QUOTED}: 1\n",
        f"jobs: {{{QUOTED}: {{command: {QUOTED}, icon: {QUOTED}}}}}\n",
        f"name: [/b]\u202e\nsteps: [{{id: {LONG}, run: a, needs: [{QUOTED}], when: {QUOTED}}}]\n",
        f"a: {SHORT}",
        "\x00",
    )
    for content in texts:
        path.write_bytes(content.encode() + b"\xff" * (content == "\x00"))
        for mode in ([], ["--json"]):
            refused = call(*verb.split(), str(path), *mode)
            assert refused.code in (1, 2), refused
            assert not harm_in(refused.out + refused.err), refused
            assert max(map(len, refused.err.split("\n"))) < 1000
    path.unlink()


def test_what_a_terminal_would_obey_stays_in_a_document(hostile: HostileHome) -> None:
    found = call("show", str(hostile.ended[0]), "--json").document
    assert found["name"] == HOSTILE
    assert found["meta"] == {HOSTILE: HOSTILE}
    assert found["result"] == {HOSTILE: [HOSTILE, LONG]}
