"""The options of a job as a file writes them: the keys of ``submit --jsonl``, with their kinds and what they mean."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from jobctl.errors import BadInputError
from jobctl.model.environments import is_reserved_name
from jobctl.model.fields import Choice, Described, Duration, Factor, Field, Size, Text, Truth, Whole
from jobctl.model.names import (
    LEAST_URGENT,
    MOST_URGENT,
    check_key,
    check_name,
    check_queue_name,
    check_resource_word,
    check_tag,
    parse_whole,
)
from jobctl.model.nested_fields import Anything, Either, Named, Texts, Written
from jobctl.model.readings import WRONG, Entry, Reading
from jobctl.model.selectors import parse_selector
from jobctl.model.setting_fields import MOST_ATTEMPTS, MOST_SLOTS
from jobctl.model.specs import OnCrash, OnDuplicate
from jobctl.model.yaml_nodes import ScalarNode, SequenceNode


def check_variable(name: str) -> str:
    """``name``, proven fit to name a variable of a job.

    Raises:
        BadInputError: ``E_ENV``.
    """
    if not name or "=" in name or "\0" in name:
        raise BadInputError("bad environment name", name, "no '=' and no NUL in it", "E_ENV")
    if is_reserved_name(name):
        raise BadInputError("jobctl sets this variable itself", name, "choose another name", "E_ENV")
    return name


def _check_pattern(text: str, what: str) -> None:
    del what
    from jobctl.model.progress_patterns import parse_progress_pattern  # few jobs have one

    parse_progress_pattern(text)


class _Codes:
    """Exit codes in one text or number: ``1,75``."""

    words = "exit codes such as 75 or [1, 75]"
    types: tuple[type, ...] = (int, str)

    def parse(self, text: str, what: str) -> str:
        """The text, each of its codes proven to be one."""
        for code in text.split(","):
            parse_whole(code.strip(), what, 0, 255)
        return text.replace(" ", "")

    def schema(self) -> dict[str, Any]:
        """A number, or texts with commas."""
        return {
            "type": ["integer", "string"],
            "minimum": 0,
            "maximum": 255,
            "pattern": "^[0-9]+(, *[0-9]+)*$",
        }


class _Selector:
    """An id or a selector of jobs."""

    words = "an id, a selector or a list of them"
    types: tuple[type, ...] = (int, str)

    def parse(self, text: str, what: str) -> str:
        """The text, proven to be a selector."""
        del what
        parse_selector(text)
        return text

    def schema(self) -> dict[str, Any]:
        """A number or a text."""
        return {"type": ["integer", "string"]}


@dataclass(frozen=True, slots=True)
class _Words(Texts):
    """An argv: its first word names a program."""

    def read(self, reading: Reading, entry: Entry) -> Any:
        """The words."""
        found = Texts.read(self, reading, entry)
        if found is not WRONG and isinstance(entry.node, SequenceNode):
            first = entry.node.items[0] if entry.node.items else entry.node
            if first is entry.node or (isinstance(first, ScalarNode) and not first.text):
                reading.add(first.mark, f"{entry.name} is empty", None, "name a program")
                return WRONG
        return found

    def schema(self) -> dict[str, Any]:
        """A list of at least one word."""
        return {**Texts.schema(self), "minItems": 1}


_CODES = Either(_Codes(), Texts(Whole(0, 255), _Codes.words), _Codes.words)
_NEEDS = Either(_Selector(), Texts(_Selector(), _Selector.words), _Selector.words)
_LABEL = Text(check=check_tag)
_SHELL = Text("a shell line")

_OPTIONS: tuple[Field[Described], ...] = (
    Field("queue", Text("the name of a queue", check_queue_name), "its queue", "default"),
    Field("priority", Whole(MOST_URGENT, LEAST_URGENT), "1 (most urgent) to 10", "5"),
    Field("tags", Texts(Text("a tag", check_tag, templates=True), "a list of tags"), "its tags"),
    Field("timeout", Duration(), "end an attempt that runs longer"),
    Field("grace", Duration(allow_zero=True), "from TERM to KILL when it is ended", "10s"),
    Field("attempts", Whole(1, MOST_ATTEMPTS), "how often it may be tried in all", "1"),
    Field("retry_delay", Duration(allow_zero=True), "before the second attempt", "5s"),
    Field("backoff", Factor(1, 100), "the delay grows by this factor", "2"),
    Field("max_delay", Duration(allow_zero=True), "the delay grows no further", "1h"),
    Field("retry_on", _CODES, "retry only after these exit codes"),
    Field(
        "env",
        Named(check_variable, Written(), "names and values such as {LEVEL: 3}"),
        "variables on top of the supervisor's",
    ),
    Field("env_file", Text("a path"), "variables from a file of `K=V` lines"),
    Field(
        "secret_env",
        Texts(Text("a name", lambda text, _: check_variable(text)), "a list of names"),
        "taken at start from the supervisor or `secrets.env`, never stored",
    ),
    Field("clean_env", Truth(), "without the supervisor's environment", "false"),
    Field("cwd", Text("a path", templates=True), "its working directory, from the file's", "."),
    Field("stdin", Text("a path", templates=True), "a file as its standard input"),
    Field("split_output", Truth(), "keep stdout and stderr apart", "false"),
    Field("name", Text("a name", check_name, templates=True), "what its jobs are called; else its own name"),
    Field("type", _LABEL, "what kind of work it is"),
    Field("category", _LABEL, "what it belongs to; groups the catalog"),
    Field("user", _LABEL, "whom it is for"),
    Field("meta", Anything(), "any JSON to keep with it"),
    Field("hold", Truth(), "not before it is released", "false"),
    Field("after", _NEEDS, "once these jobs have completed"),
    Field("after_any", _NEEDS, "once these have ended, however"),
    Field("after_failed", _NEEDS, "once these have failed"),
    Field("unique", Text("a key", check_key, templates=True), "at most one such job that has not ended"),
    Field("on_duplicate", Choice(OnDuplicate), "when there is one", "return"),
    Field("lock", Text("a key", check_key, templates=True), "never beside another job with this key"),
    Field(
        "resources",
        Named(check_resource_word, Whole(1, MOST_SLOTS), "names and amounts such as {gpu: 1}"),
        "how much it takes of what",
    ),
    Field("max_memory", Size(), "end it when its processes take more"),
    Field("max_log", Size(), "keep so much output, head and tail", "1GiB"),
    Field("nice", Whole(-20, 19), "its niceness; below 0 only as root", "0"),
    Field("progress_from", Text("a pattern", _check_pattern), "read progress off its output"),
    Field("on_success", _SHELL, "a shell line run once it has completed"),
    Field("on_failure", _SHELL, "a shell line run once it failed or timed out"),
    Field("on_crash", Choice(OnCrash), "when an attempt is lost", "retry"),
    Field("keep_children", Truth(), "let what it leaves running go on", "false"),
    Field("detach", Truth(), "submitted inside a job: be no child of it", "false"),
)
OPTIONS = {found.name: found for found in _OPTIONS}
"""By key, as ``actions.requests`` reads them."""

COMMAND: Field[Described] = Field(
    "command",
    Either(
        Text("a shell line or a list of words", templates=True, is_shell=True),
        _Words(Written(), "a list of words such as [rsync, -a, src, dst]"),
        "a shell line or a list of words",
    ),
    "what runs: a text is a shell line, a list is passed word for word",
)

OTHER_WORDS = {
    "cmd": "command", "run": "command", "shell": "command", "script": "command", "exec": "command",
    "args": "command (a list)", "workdir": "cwd", "working_dir": "cwd", "working_directory": "cwd", "dir": "cwd",
    "directory": "cwd", "environment": "env", "envs": "env", "vars": "env", "secrets": "secret_env",
    "retry": "attempts", "retries": "attempts (the first one included)", "max_retries": "attempts",
    "max_attempts": "attempts", "timeout_minutes": "timeout (90s, 5m, 2h)", "timeout_seconds": "timeout",
    "depends": "after", "depends_on": "after", "needs": "after", "label": "tags", "labels": "tags", "tag": "tags",
    "resource": "resources", "memory": "max_memory", "mem": "max_memory", "mutex": "lock", "user_name": "user",
    "on_error": "on_failure", "onfailure": "on_failure", "onsuccess": "on_success", "metadata": "meta",
    "niceness": "nice", "pool": "queue", "group": "queue", "exit_codes": "retry_on", "envfile": "env_file",
}  # fmt: skip
"""What cron, systemd, GitHub Actions, Dagu and others call the keys of a job."""
