"""Signatures of functions as an inspection found them, and how arguments are checked against them."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Any

from jobctl.errors import BadInputError
from jobctl.model.documents import Json, canonical_json
from jobctl.model.problems import did_you_mean
from jobctl.model.value_types import ANY, ValueType, fits, read_text, type_words

_EXTRA = "var_keyword"
_UNNAMED = "var_positional"
_LONGEST_SHOWN = 200


@dataclass(frozen=True, slots=True)
class Argument:
    """One parameter of a function. ``kind`` is named as in ``inspect``, in small letters."""

    name: str
    kind: str = "positional_or_keyword"
    type: ValueType = ANY
    required: bool = False
    default: Json = None
    default_text: str | None = None
    """Its default as Python shows it, where JSON cannot hold it."""

    @property
    def is_given_by_name(self) -> bool:
        """Whether a value can be handed to it."""
        return self.kind not in (_EXTRA, _UNNAMED)

    @property
    def words(self) -> str:
        """What it takes, for people."""
        return type_words(self.type)


@dataclass(frozen=True, slots=True)
class Signature:
    """What a function takes."""

    function: str
    """``pkg.mod:func``."""
    arguments: tuple[Argument, ...] = ()
    help: str = ""
    is_async: bool = False

    @property
    def named(self) -> dict[str, Argument]:
        """The parameters that values can be handed to, by name."""
        return {one.name: one for one in self.arguments if one.is_given_by_name}

    @property
    def extra(self) -> Argument | None:
        """``**kwargs``: takes every other name."""
        return next((one for one in self.arguments if one.kind == _EXTRA), None)

    def document(self) -> dict[str, Any]:
        """As JSON can hold it; ``signature_of`` gives it back."""
        return {
            "function": self.function,
            "parameters": [_argument_document(one) for one in self.arguments],
            "help": self.help,
            "async": self.is_async,
        }


def signature_of(document: Mapping[str, Any]) -> Signature:
    """The signature that an inspection printed, or that was stored."""
    return Signature(
        function=document["function"],
        arguments=tuple(
            Argument(
                name=one["name"],
                kind=one.get("kind", "positional_or_keyword"),
                type=one.get("type", ANY),
                required=bool(one.get("required")),
                default=one.get("default"),
                default_text=one.get("default_text"),
            )
            for one in document.get("parameters", ())
        ),
        help=document.get("help") or "",
        is_async=bool(document.get("async")),
    )


def bind_arguments(
    signature: Signature, args: Mapping[str, Json], texts: Mapping[str, str] | None = None
) -> dict[str, Json]:
    """The arguments of a call, proven to fit; defaults are left to the function.

    Args:
        signature: what it takes.
        args: typed, by name.
        texts: from a command line, by name: JSON where that is what the function takes, else texts.

    Raises:
        BadInputError: ``E_ARGUMENT``: unknown (with the nearest name), given twice, missing or of a wrong type.
    """
    found: dict[str, Json] = dict(args)
    for name, text in (texts or {}).items():
        if name in found:
            raise BadInputError(
                f"argument of {signature.function} given twice", name, "keep one", "E_ARGUMENT"
            )
        found[name] = read_text(text, _known(signature, name).type, _called(signature, name))
    for name, value in args.items():
        check_argument(signature, name, value)
    check_missing(signature, found)
    return found


def check_name(signature: Signature, name: str) -> None:
    """The function takes something by this name.

    Raises:
        BadInputError: ``E_ARGUMENT``: it does not.
    """
    _known(signature, name)


def check_argument(signature: Signature, name: str, value: Json) -> None:
    """The function takes ``value`` by this name.

    Raises:
        BadInputError: ``E_ARGUMENT``: it does not.
    """
    known = _known(signature, name)
    if not fits(value, known.type):
        shown = canonical_json(value)
        shown = shown if len(shown) <= _LONGEST_SHOWN else shown[:_LONGEST_SHOWN] + "…"
        raise BadInputError(f"bad {_called(signature, name)}", shown, f"give {known.words}", "E_ARGUMENT")


def check_missing(signature: Signature, given: Iterable[str]) -> None:
    """What the function cannot do without is in ``given``.

    Raises:
        BadInputError: ``E_ARGUMENT``: names the first that is not.
    """
    names = set(given)
    for one in signature.named.values():
        if one.required and one.name not in names:
            what = f"argument of {signature.function} missing"
            raise BadInputError(what, one.name, f"give {one.words}", "E_ARGUMENT")


def _known(signature: Signature, name: str) -> Argument:
    """The parameter that takes this name."""
    named = signature.named
    if name in named:
        return named[name]
    if signature.extra is not None:
        return signature.extra
    hint = did_you_mean(name, named) if named else "it takes none"
    if any(one.name == name for one in signature.arguments):
        hint = f"*{name} takes values without names, and arguments are given by name"
    raise BadInputError(f"unknown argument of {signature.function}", name, hint, "E_ARGUMENT")


def _called(signature: Signature, name: str) -> str:
    return f"argument {name} of {signature.function}"


def _argument_document(one: Argument) -> dict[str, Any]:
    found: dict[str, Any] = {"name": one.name, "kind": one.kind, "type": one.type}
    if one.required:
        found["required"] = True
    else:
        found |= {"default": one.default} if one.default_text is None else {"default_text": one.default_text}
    return found
