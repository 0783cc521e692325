"""The options of ``workflow run``: what is said of the run's own job, and so of every step that says nothing else."""

# No postponed annotations here, as in job_options.
from dataclasses import dataclass
from typing import Annotated

import typer

from jobctl.actions.callers import portable
from jobctl.actions.requests import JobRequest
from jobctl.cli.complete import complete_names, complete_queues, complete_tags, complete_words
from jobctl.errors import BadInputError
from jobctl.model.documents import parse_json
from jobctl.model.environments import merge_assignments

_Text = str | None
_Texts = list[str] | None


@dataclass(frozen=True, eq=False, repr=False)
class WorkflowOptions:
    """What was given, as written."""

    name: Annotated[
        _Text,
        typer.Option(
            "--name", "-n", metavar="TEXT", help="Its name; else that of the workflow.",
            autocompletion=complete_names,
        ),
    ] = None  # fmt: skip
    tags: Annotated[
        _Texts,
        typer.Option("--tag", "-t", metavar="TEXT", help="A tag; repeatable.", autocompletion=complete_tags),
    ] = None
    queue: Annotated[
        _Text,
        typer.Option(
            "--queue", "-Q", metavar="NAME", help="The queue of steps that name none; else default.",
            autocompletion=complete_queues,
        ),
    ] = None  # fmt: skip
    priority: Annotated[
        _Text, typer.Option("--priority", "-p", metavar="N", help="1 (most urgent) to 10; else 5.")
    ] = None
    grace: Annotated[
        _Text, typer.Option("--grace", metavar="DURATION", help="From TERM to KILL of a step; else 10s.")
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
    meta: Annotated[_Text, typer.Option("--meta", metavar="JSON", help="Any JSON to keep with it.")] = None
    type: Annotated[_Text, typer.Option("--type", metavar="TEXT", help="What kind of work it is.")] = None
    category: Annotated[_Text, typer.Option("--category", metavar="TEXT", help="What it belongs to.")] = None
    user: Annotated[_Text, typer.Option("--user", metavar="TEXT", help="Whom it is for.")] = None
    detach: Annotated[bool, typer.Option("--detach", help="Started inside a job: be no child of it.")] = False
    unique: Annotated[
        _Text, typer.Option("--unique", metavar="KEY", help="At most one such run that has not ended.")
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

    def request(self) -> JobRequest:
        """The request these options make.

        Raises:
            BadInputError: ``--env`` or ``--meta`` is malformed.
        """
        return JobRequest(
            name=_ported(self.name),
            tags=tuple(map(portable, self.tags or ())),
            queue=_ported(self.queue),
            priority=self.priority,
            grace=self.grace,
            env=merge_assignments(map(portable, self.env or ())),
            env_file=_ported(self.env_file),
            secret_env=tuple(map(portable, self.secret_env or ())),
            clean_env=self.clean_env,
            meta=None if self.meta is None else parse_json(portable(self.meta), "meta"),
            type=_ported(self.type),
            category=_ported(self.category),
            user=_ported(self.user),
            detach=self.detach,
            unique=_ported(self.unique),
            on_duplicate=self.on_duplicate,
        )


def assignments(texts: _Texts) -> dict[str, str]:
    """The value by name of each ``--set NAME=VALUE``.

    Raises:
        BadInputError: ``E_PARAMETER``: not an assignment, or a name given twice.
    """
    found: dict[str, str] = {}
    for text in map(portable, texts or ()):
        name, equals, value = text.partition("=")
        if not equals or not name:
            raise BadInputError("bad parameter", text, "write it as --set name=value", "E_PARAMETER")
        if name in found:
            raise BadInputError("parameter given twice", name, "give it once", "E_PARAMETER")
        found[name] = value
    return found


def _ported(text: _Text) -> _Text:
    return None if text is None else portable(text)
