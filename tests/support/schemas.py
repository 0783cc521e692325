"""Checks a value against the part of JSON Schema that ``configuration_schema`` uses."""

from __future__ import annotations

import re
from typing import Any

_TYPES: dict[str, tuple[type, ...]] = {
    "object": (dict,),
    "array": (list,),
    "string": (str,),
    "integer": (int,),
    "number": (int, float),
    "boolean": (bool,),
    "null": (type(None),),
}
_KNOWN = frozenset({
    "$schema", "title", "description", "default", "type", "enum", "anyOf", "minimum", "maximum", "pattern",
    "minLength", "minItems", "items", "properties", "additionalProperties", "propertyNames",
})  # fmt: skip


def mismatches(schema: dict[str, Any], value: Any, where: str = "") -> list[str]:
    """Where and why the value does not fit; a keyword that is not known here fails the test."""
    assert schema.keys() <= _KNOWN, schema.keys() - _KNOWN
    if "anyOf" in schema:
        tried = [mismatches(one, value, where) for one in schema["anyOf"]]
        return [] if any(not found for found in tried) else [f"{where}: none of {tried}"]
    types = schema.get("type", [])
    names = [types] if isinstance(types, str) else types
    if names and not any(_is(value, name) for name in names):
        return [f"{where}: {value!r} is no {names}"]
    return [*_own(schema, value, where), *_below(schema, value, where)]


def _is(value: Any, name: str) -> bool:
    return isinstance(value, _TYPES[name]) and (name == "boolean" or not isinstance(value, bool))


def _own(schema: dict[str, Any], value: Any, where: str) -> list[str]:
    found = []
    if "enum" in schema and value not in schema["enum"]:
        found.append(f"{where}: {value!r} is none of {schema['enum']}")
    if isinstance(value, str):
        if not re.search(schema.get("pattern", ""), value):
            found.append(f"{where}: {value!r} does not match {schema['pattern']}")
        if len(value) < schema.get("minLength", 0):
            found.append(f"{where}: too short")
    if _is(value, "number") and not schema.get("minimum", value) <= value <= schema.get("maximum", value):
        found.append(f"{where}: {value} is out of range")
    if isinstance(value, list) and len(value) < schema.get("minItems", 0):
        found.append(f"{where}: too few")
    return found


def _below(schema: dict[str, Any], value: Any, where: str) -> list[str]:
    found = []
    if isinstance(value, list) and "items" in schema:
        found += [
            text
            for index, item in enumerate(value)
            for text in mismatches(schema["items"], item, f"{where}[{index}]")
        ]
    if isinstance(value, dict):
        extra = schema.get("additionalProperties", {})
        for name, item in value.items():
            found += mismatches(schema.get("propertyNames", {}), name, f"{where}.{name}")
            below = schema.get("properties", {}).get(name, extra)
            if below is False:
                found.append(f"{where}: unknown key {name}")
            elif below is not True:
                found += mismatches(below, item, f"{where}.{name}")
    return found
