"""The options that say what a job is: the same for every verb that makes jobs."""

# No postponed annotations here: evaluating forty texts costs every submit 10 ms.
from collections.abc import Sequence
from dataclasses import dataclass, fields
from typing import Annotated, Any

import typer

from jobctl.actions.callers import portable
from jobctl.actions.requests import JobRequest
from jobctl.cli.complete import complete_jobs, complete_names, complete_queues, complete_tags, complete_words
from jobctl.errors import BadInputError
from jobctl.model.documents import parse_json
from jobctl.model.environments import merge_assignments

_Text = str | None
_Texts = list[str] | None


@dataclass(frozen=True, eq=False, repr=False)
class WorkOptions:
    """What a job is, as written; numbers are read by ``jobctl.model``, which corrects nothing in silence."""

    shell: Annotated[
        _Text, typer.Option("--shell", metavar="TEXT", help="A shell line in place of a command.")
    ] = None
    name: Annotated[
        _Text,
        typer.Option(
            "--name",
            "-n",
            metavar="TEXT",
            help="Its name; else the program's.",
            autocompletion=complete_names,
        ),
    ] = None
    tags: Annotated[
        _Texts,
        typer.Option("--tag", "-t", metavar="TEXT", help="A tag; repeatable.", autocompletion=complete_tags),
    ] = None
    queue: Annotated[
        _Text,
        typer.Option(
            "--queue", "-Q", metavar="NAME", help="The queue; else default.", autocompletion=complete_queues
        ),
    ] = None
    priority: Annotated[
        _Text, typer.Option("--priority", "-p", metavar="N", help="1 (most urgent) to 10; else 5.")
    ] = None
    timeout: Annotated[
        _Text,
        typer.Option("--timeout", metavar="DURATION", help="End an attempt that runs longer; else never."),
    ] = None
    grace: Annotated[
        _Text,
        typer.Option("--grace", metavar="DURATION", help="From TERM to KILL when it is ended; else 10s."),
    ] = None
    attempts: Annotated[
        _Text, typer.Option("--attempts", metavar="N", help="How often it may be tried in all; else 1.")
    ] = None
    retry_delay: Annotated[
        _Text, typer.Option("--retry-delay", metavar="DURATION", help="Before the second attempt; else 5s.")
    ] = None
    backoff: Annotated[
        _Text, typer.Option("--backoff", metavar="X", help="The delay grows by this factor; else 2.")
    ] = None
    max_delay: Annotated[
        _Text, typer.Option("--max-delay", metavar="DURATION", help="The delay grows no further; else 1h.")
    ] = None
    retry_on: Annotated[
        _Text, typer.Option("--retry-on", metavar="CODES", help="Retry only after these exit codes: 1,75.")
    ] = None
    env: Annotated[_Texts, typer.Option("--env", metavar="K=V", help="Set a variable; repeatable.")] = None
    env_file: Annotated[
        _Text, typer.Option("--env-file", metavar="FILE", help="Set the variables of a file of K=V lines.")
    ] = None
    secret_env: Annotated[
        _Texts,
        typer.Option(
            "--secret-env", metavar="K", help="Take it at start from the supervisor; never store it."
        ),
    ] = None
    clean_env: Annotated[
        bool, typer.Option("--clean-env", help="Do not pass on the present environment.")
    ] = False
    cwd: Annotated[
        _Text, typer.Option("--cwd", metavar="DIR", help="Its working directory; else this one.")
    ] = None
    stdin: Annotated[
        _Text, typer.Option("--stdin", metavar="FILE", help="Its standard input; else empty.")
    ] = None
    split_output: Annotated[bool, typer.Option("--split-output", help="Keep stdout and stderr apart.")] = (
        False
    )
    meta: Annotated[_Text, typer.Option("--meta", metavar="JSON", help="Any JSON to keep with it.")] = None
    type: Annotated[_Text, typer.Option("--type", metavar="TEXT", help="What kind of work it is.")] = None
    category: Annotated[_Text, typer.Option("--category", metavar="TEXT", help="What it belongs to.")] = None
    user: Annotated[_Text, typer.Option("--user", metavar="TEXT", help="Whom it is for.")] = None
    on_crash: Annotated[
        _Text,
        typer.Option(
            "--on-crash",
            metavar="retry|fail",
            help="When an attempt is lost; else retry.",
            autocompletion=complete_words("retry", "fail"),
        ),
    ] = None
    keep_children: Annotated[
        bool, typer.Option("--keep-children", help="Let what it leaves running go on.")
    ] = False
    detach: Annotated[bool, typer.Option("--detach", help="Submitted inside a job: be no child of it.")] = (
        False
    )
    unique: Annotated[
        _Text, typer.Option("--unique", metavar="KEY", help="At most one such job that has not ended.")
    ] = None
    on_duplicate: Annotated[
        _Text,
        typer.Option(
            "--on-duplicate",
            metavar="return|reject|replace",
            help="When there is one; else return its id.",
            autocompletion=complete_words("return", "reject", "replace"),
        ),
    ] = None
    lock: Annotated[
        _Text, typer.Option("--lock", metavar="KEY", help="Never beside another job with this key.")
    ] = None
    resources: Annotated[
        _Texts,
        typer.Option("--resource", metavar="NAME=N", help="Take so much of a resource; repeatable."),
    ] = None
    max_memory: Annotated[
        _Text, typer.Option("--max-memory", metavar="SIZE", help="End it when its processes take more: 2G.")
    ] = None
    nice: Annotated[
        _Text, typer.Option("--nice", metavar="N", help="Its niceness: -20 (root) to 19; else 0.")
    ] = None
    max_log: Annotated[
        _Text, typer.Option("--max-log", metavar="SIZE", help="Keep so much output, head and tail; else 1G.")
    ] = None
    progress_from: Annotated[
        _Text,
        typer.Option("--progress-from", metavar="REGEX", help="Read progress off its output: '(\\d+)%'."),
    ] = None
    on_success: Annotated[
        _Text,
        typer.Option("--on-success", metavar="TEXT", help="A shell line run once it has completed."),
    ] = None
    on_failure: Annotated[
        _Text,
        typer.Option("--on-failure", metavar="TEXT", help="A shell line run once it failed or timed out."),
    ] = None

    def request(self, command: tuple[str, ...] | None) -> JobRequest:
        """The request these options and what followed ``--`` make.

        Raises:
            BadInputError: ``--env`` or ``--meta`` is malformed.
        """
        given: dict[str, Any] = {
            option.name: _portable(value)
            for option in fields(self)
            if (value := getattr(self, option.name)) is not None
        }
        given["env"] = merge_assignments(given.get("env", ()))
        given["resources"] = _amounts(given.get("resources", ()))
        if self.meta is not None:
            given["meta"] = parse_json(given["meta"], "meta")
        return JobRequest(command=_portable(command), **given)


@dataclass(frozen=True, eq=False, repr=False)
class JobOptions(WorkOptions):
    """The same, and when one job may start: not for schedules, which say that themselves."""

    at: Annotated[
        _Text, typer.Option("--at", metavar="TIME", help="Not before: 03:00, tomorrow 9:00, RFC 3339.")
    ] = None
    in_: Annotated[_Text, typer.Option("--in", metavar="DURATION", help="Not before this long from now.")] = (
        None
    )
    hold: Annotated[bool, typer.Option("--hold", help="Not before it is released.")] = False
    after: Annotated[
        _Texts,
        typer.Option(
            "--after",
            metavar="SEL",
            help="Once these jobs have completed; repeatable.",
            autocompletion=complete_jobs,
        ),
    ] = None
    after_any: Annotated[
        _Texts,
        typer.Option(
            "--after-any", metavar="SEL", help="Once these have ended, however.", autocompletion=complete_jobs
        ),
    ] = None
    after_failed: Annotated[
        _Texts,
        typer.Option(
            "--after-failed", metavar="SEL", help="Once these have failed.", autocompletion=complete_jobs
        ),
    ] = None


def _amounts(texts: Sequence[str]) -> dict[str, str]:
    """The amount by name of each ``NAME=N``."""
    found: dict[str, str] = {}
    for text in texts:
        name, equals, amount = text.partition("=")
        if not equals or not name:
            raise BadInputError("bad resource", text, "write it as gpu=1", "E_RESOURCE")
        if name in found:
            raise BadInputError("resource given twice", name, "give it once", "E_RESOURCE")
        found[name] = amount
    return found


def _portable(value: Any) -> Any:
    if isinstance(value, str):
        return portable(value)
    return tuple(map(portable, value)) if isinstance(value, list | tuple) else value
