"""What a step hands on: the texts its command wrote, as the types its definition promises."""

from __future__ import annotations

from collections.abc import Mapping

from jobctl.errors import BadInputError
from jobctl.model.documents import Json
from jobctl.model.parameters import Parameter, ParameterType, read_value


def typed_outputs(
    texts: Mapping[str, str], promised: Mapping[str, ParameterType], home: str, result: Json = None
) -> dict[str, Json]:
    """The outputs; those that are not promised stay texts.

    Args:
        texts: what was written to ``$JOBCTL_OUTPUT``.
        promised: the types by name.
        home: what ``~`` stands for.
        result: of a function; where it is a dictionary, its members are outputs, too, unless a text has the name.

    Raises:
        BadInputError: one is missing or not what was promised; names it.
    """
    members = result if isinstance(result, dict) else {}
    found: dict[str, Json] = {**members, **texts}
    for name, kind in promised.items():
        if name not in found:
            hint = f'append it, as {name}=…, to "$JOBCTL_OUTPUT"'
            raise BadInputError(f"output {name} is promised and was not written", None, hint)
        try:
            found[name] = read_value(Parameter(name, kind), found[name], home, texts=name in texts)
        except BadInputError as error:
            raise BadInputError(f"output {name} is not {kind.words}", str(found[name]), error.hint) from None
    return found
