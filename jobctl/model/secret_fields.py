"""Variables of a file that look secret: the store would hold them, so they are refused where they stand."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, NamedTuple

from jobctl.model.environments import split_environment
from jobctl.model.readings import Reading
from jobctl.model.yaml_nodes import MappingNode, Node


class Patterns(NamedTuple):
    """What a file says about which names are secret."""

    keep: tuple[str, ...] = ()
    """``pass_env``: those that only look so."""
    secret: tuple[str, ...] = ()
    """``secret_env``: those that do not look so."""


def patterns_of(settings: Mapping[str, Any]) -> Patterns:
    """The patterns of the section ``settings:``."""
    return Patterns(tuple(settings.get("pass_env", ())), tuple(settings.get("secret_env", ())))


def check_secrets(reading: Reading, node: Node, patterns: Patterns, hint: str = "") -> None:
    """No variable under ``env:`` of the entry ``node`` looks secret; ``hint`` says where its value goes."""
    env = node.entries.get("env") if isinstance(node, MappingNode) else None
    if env is None or not isinstance(env[1], MappingNode):
        return
    for name, (key, _) in env[1].entries.items():
        if split_environment({name: ""}, patterns.keep, secret=patterns.secret)[1]:
            usual = f"name it under secret_env: and put the value into secrets.env of the home: {name}"
            reading.add(key.mark, "secret values are not stored", name, hint or usual)
