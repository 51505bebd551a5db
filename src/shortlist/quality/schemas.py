"""Whether an answer is JSON of a given shape (Draft 2020-12). Nothing is ever fetched for a `$ref`."""

import json
import re
from typing import Any, NoReturn

from shortlist.records import Json

_FENCE = re.compile(r"(`{3,}|~{3,})[ \t]*[\w+-]*[ \t]*\n(.*?)\n?[ \t]*\1[ \t]*", re.DOTALL)


def unfenced(text: str) -> str:
    """The inside of the one Markdown fence that a whole text is; the text itself where it is none."""
    stripped = text.strip()
    match = _FENCE.fullmatch(stripped)
    return match[2] if match and match[1] not in match[2] else stripped


def _refuse(constant: str) -> NoReturn:
    raise ValueError(f"{constant} is not JSON")


def decoded(text: str) -> Any:
    """The JSON of an answer, fenced or not. Raises ValueError, RecursionError."""
    return json.loads(unfenced(text), parse_constant=_refuse)


def fits(schema: Json, text: str) -> bool:
    """Whether the text is JSON that the schema accepts. Raises ValueError for a schema that cannot be used."""
    from jsonschema import Draft202012Validator
    from jsonschema.exceptions import SchemaError
    from referencing.exceptions import Unresolvable
    from referencing.jsonschema import EMPTY_REGISTRY

    try:
        value = decoded(text)
    except (ValueError, RecursionError):
        return False
    try:
        Draft202012Validator.check_schema(schema)
        # A registry of its own: jsonschema's default one would fetch a remote reference.
        return bool(Draft202012Validator(schema, registry=EMPTY_REGISTRY).is_valid(value))
    except SchemaError as error:
        raise ValueError(f"not a schema: {error.message}") from None
    except Unresolvable as error:
        raise ValueError(f"the reference {error.ref!r} is not in the schema, and none is fetched") from None
