"""The options that name a function and its arguments: the same for every verb that makes function jobs."""

# No postponed annotations here: evaluating texts costs every call time; see ``job_options``.
from dataclasses import dataclass, replace
from typing import Annotated

import typer

from jobctl.actions.callers import portable
from jobctl.actions.requests import JobRequest
from jobctl.cli.complete import complete_functions
from jobctl.errors import BadInputError


@dataclass(frozen=True, eq=False, repr=False)
class CallOptions:
    """Which function, with what, as written."""

    function: Annotated[
        str | None,
        typer.Option(
            "--call",
            metavar="PKG.MOD:FUNC",
            help="A Python function in place of a command.",
            autocompletion=complete_functions,
        ),
    ] = None
    arg: Annotated[
        list[str] | None,
        typer.Option("--arg", metavar="K=V", help="An argument of it, as JSON or a text; repeatable."),
    ] = None
    args_json: Annotated[
        str | None, typer.Option("--args-json", metavar="JSON", help="Its arguments as one JSON object.")
    ] = None

    def over(self, request: JobRequest) -> JobRequest:
        """``request`` with the call that these options write.

        Raises:
            BadInputError: an argument is malformed or given twice.
        """
        if self.function is None and not self.arg and self.args_json is None:
            return request
        from jobctl.model.calls import check_arguments  # only function jobs pay for it
        from jobctl.model.documents import parse_json

        args = (
            {}
            if self.args_json is None
            else check_arguments(parse_json(self.args_json, "args-json"), "args-json")
        )
        texts: dict[str, str] = {}
        for word in self.arg or ():
            name, equals, value = portable(word).partition("=")
            if not equals or not name:
                raise BadInputError(
                    "an argument needs a name and a value", word, "write --arg days=7", "E_ARGUMENT"
                )
            if name in texts or name in args:
                raise BadInputError("argument given twice", name, "keep one", "E_ARGUMENT")
            texts[name] = value
        return replace(request, call=self.function, args=args, arg_texts=texts)
