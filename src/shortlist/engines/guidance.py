"""A JSON Schema as llguidance (inside ONNX Runtime GenAI) is given it, so that a small model comes to an end.

Every answer that fits what is given fits the schema that was asked for.
"""

from collections.abc import Iterator
from typing import Any

from shortlist.records import Json

MOST_INTEGER = 10**15
"""Integers without bounds get this one, as in llama.cpp's grammars: a model may write digits without end."""

_SCHEMAS = ("additionalProperties", "contains", "else", "if", "items", "not", "propertyNames", "then")
_LISTS = ("allOf", "anyOf", "oneOf", "prefixItems")
_MAPS = ("$defs", "definitions", "dependentSchemas", "patternProperties", "properties")
_BOUNDS = frozenset({"const", "enum", "exclusiveMaximum", "exclusiveMinimum", "maximum", "minimum", "multipleOf"})


def tight(schema: Json) -> Json:
    """The schema with integers bounded, and with no white space but what is written here."""
    form = {"whitespace_flexible": False, "item_separator": ", ", "key_separator": ": "}
    return {"x-guidance": form, **_bounded(schema)}


def literals(schema: Json) -> Iterator[str]:
    """Every text that an answer may have to hold letter by letter: names of properties, values of enum and const."""
    yield from _map(schema, "properties")
    yield from (value for value in (*_list(schema, "enum"), schema.get("const")) if isinstance(value, str))
    for inside in _inner(schema):
        yield from literals(inside)


def _bounded(schema: Json) -> Json:
    found: Json = {key: _bounded_value(key, value) for key, value in schema.items()}
    if schema.get("type") == "integer" and not _BOUNDS & schema.keys():
        found |= {"minimum": -MOST_INTEGER, "maximum": MOST_INTEGER}
    return found


def _bounded_value(key: str, value: Any) -> Any:
    if key in _SCHEMAS and key != "not" and isinstance(value, dict):
        return _bounded(value)
    if key in _LISTS and isinstance(value, list):
        return [_bounded(one) if isinstance(one, dict) else one for one in value]
    if key in _MAPS and isinstance(value, dict):
        return {name: _bounded(one) if isinstance(one, dict) else one for name, one in value.items()}
    return value


def _map(schema: Json, key: str) -> Json:
    value = schema.get(key)
    return value if isinstance(value, dict) else {}


def _list(schema: Json, key: str) -> list[Any]:
    value = schema.get(key)
    return value if isinstance(value, list) else []


def _inner(schema: Json) -> Iterator[Json]:
    """The schemas directly inside this one."""
    values = [schema.get(key) for key in _SCHEMAS]
    values += [one for key in _LISTS for one in _list(schema, key)]
    values += [one for key in _MAPS for one in _map(schema, key).values()]
    yield from (value for value in values if isinstance(value, dict))
