"""What a step hands on: the texts its command wrote, as the types its definition promises."""

from __future__ import annotations

from collections.abc import Mapping

from jobctl.errors import BadInputError
from jobctl.model.documents import Json
from jobctl.model.parameters import Parameter, ParameterType, read_value


def typed_outputs(
    texts: Mapping[str, str], promised: Mapping[str, ParameterType], home: str
) -> dict[str, Json]:
    """The outputs; those that are not promised stay texts.

    Raises:
        BadInputError: one is missing or not what was promised; names it.
    """
    found: dict[str, Json] = dict(texts)
    for name, kind in promised.items():
        if name not in texts:
            hint = f'append it, as {name}=…, to "$JOBCTL_OUTPUT"'
            raise BadInputError(f"output {name} is promised and was not written", None, hint)
        try:
            found[name] = read_value(Parameter(name, kind), texts[name], home, texts=True)
        except BadInputError as error:
            raise BadInputError(f"output {name} is not {kind.words}", texts[name], error.hint) from None
    return found
