"""Every verb has help that ends with examples, a README row that parses, and completes."""

from __future__ import annotations

import re
from collections.abc import Iterator
from typing import Any

import pytest

from jobctl.cli.app import root, verb_command
from jobctl.cli.verbs import ALIASES, GROUP_ALIASES, VERBS, Verb, VerbGroup
from tests.docs import readme
from tests.support.cli import run_cli

COMMON = {"--help", "-h"}


def verbs() -> Iterator[tuple[str, Verb]]:
    """Every verb by its words: ``submit``, ``queue add``."""
    for word, entry in VERBS.items():
        if isinstance(entry, VerbGroup):
            if entry.own is not None:
                yield word, entry.own
            yield from ((f"{word} {below}", verb) for below, verb in entry.verbs.items())
        else:
            yield word, entry


ALL = dict(verbs())


def options_of(words: str) -> set[str]:
    """The option strings of a verb."""
    params: list[Any] = verb_command(words.split()[-1], ALL[words]).params
    return COMMON | {option for param in params for option in param.opts if option.startswith("-")}


@pytest.mark.parametrize("words", ALL)
def test_help_has_a_sentence_and_ends_with_examples(words: str) -> None:
    doc = verb_command(words.split()[-1], ALL[words]).help or ""
    body, separator, examples = doc.partition("Examples:\n")
    assert separator, f"no examples in the help of {words}"
    assert body.strip()
    lines = [line for line in examples.splitlines() if line.strip()]
    assert len(lines) >= 2, words
    assert all("jobctl " in line for line in lines), examples
    assert any(f"jobctl {words}" in line for line in lines), f"no example of {words}"


@pytest.mark.parametrize("words", ALL)
def test_help_examples_use_options_that_exist(words: str) -> None:
    doc = verb_command(words.split()[-1], ALL[words]).help or ""
    for call in readme.calls(doc.partition("Examples:\n")[2]):
        check_call(call)


def test_the_readme_has_one_row_a_verb_and_no_other() -> None:
    rows = readme.table("verb", "what it does", "example")
    assert [row[0].strip("`") for row in rows] == list(ALL)
    for row in rows:
        verb, example = row[0].strip("`"), row[2].strip("`")
        assert example.startswith(f"jobctl {verb}"), row


def test_every_call_in_the_readme_names_a_verb_and_options_that_exist() -> None:
    checked = 0
    for block in readme.blocks("console", "sh", "text", "ini", ""):
        for call in readme.calls(block.text):
            checked += check_call(call)
    prose = re.sub(r"^```.*?^```$", "", readme.text(), flags=re.DOTALL | re.MULTILINE)
    for span in re.findall(r"`([^`\n]+)`", prose):
        for call in readme.calls(span):
            checked += check_call(call)
    assert checked > 60


def check_call(words: list[str]) -> int:
    """1 if ``words`` are a call of a verb with known options, 0 if they are something else."""
    words = [word for word in words if word not in ("…",)]
    if not words or words[0].startswith(("-", "[", "VERB")):
        return 0
    first = ALIASES.get(words[0], words[0])
    if first.endswith(":") or first not in VERBS:
        # Prose such as "the jobctl developers" is no call; a slip in an example is.
        assert first.isalpha() is False or first in _PROSE, f"unknown verb: jobctl {' '.join(words)}"
        return 0
    entry, rest = VERBS[first], words[1:]
    verb = first
    if isinstance(entry, VerbGroup):
        below = GROUP_ALIASES.get(rest[0], rest[0]) if rest else ""
        if below in entry.verbs:
            verb, rest = f"{first} {below}", rest[1:]
        else:
            assert entry.own is not None, words
    known = options_of(verb)
    for word in rest:
        if word.startswith("-") and word != "-":
            assert word.partition("=")[0] in known, f"{word} is no option of {verb}: {words}"
    return 1


_PROSE = frozenset(
    {"supervisor", "itself", "promises", "queues", "reads", "does", "developers", "written", "import"}
)


def test_every_verb_completes_in_a_shell() -> None:
    """One spawned call, as fish makes it; the rest is asked in process."""
    asked = {
        "_JOBCTL_COMPLETE": "complete_fish",
        "_TYPER_COMPLETE_FISH_ACTION": "get-args",
        "_TYPER_COMPLETE_ARGS": "jobctl ",
    }
    offered = {row.split("\t")[0] for row in run_cli(env=asked).out.splitlines()}
    assert set(VERBS) <= offered


@pytest.mark.parametrize("words", [word for word, entry in VERBS.items() if isinstance(entry, VerbGroup)])
def test_every_verb_of_a_group_completes(words: str) -> None:
    entry = VERBS[words]
    assert isinstance(entry, VerbGroup)
    assert offered_behind(words, "") >= set(entry.verbs)


@pytest.mark.parametrize("words", ALL)
def test_every_verb_completes_its_options(words: str) -> None:
    assert {"--help", "--json", "--home"} <= offered_behind(words, "--")


def offered_behind(words: str, incomplete: str) -> set[str]:
    """What completion offers behind a verb or a group."""
    command: Any = root()
    for word in words.split():
        command = command.get_command(None, word)
    context = command.make_context(words, [], resilient_parsing=True)
    return {item.value for item in command.shell_complete(context, incomplete)}
