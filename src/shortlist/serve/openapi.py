"""The OpenAPI document, made from the table of operations and the msgspec types of what they take and give."""

import re
from collections.abc import Sequence
from http import HTTPStatus
from typing import Any

import msgspec

from shortlist import __version__
from shortlist.serve.answers import Error
from shortlist.serve.call import Call, Operation
from shortlist.serve.replies import Reply

PATH = "/openapi.json"
_REF = "#/components/schemas/{name}"
_STREAM = "text/event-stream"
_EVENTS = "Server-sent events, when `stream` is true. OpenAPI 3.1 has no words for what is in each."
_ALWAYS = (400, 401, 403, 404, 405, 408, 413, 421, 429, 431, 500, 502, 503, 504, 507)
"""Each operation may meet the guard, the limits, a full queue and an engine that fails."""
_HEADERS = {
    "X-Request-Id": {"description": "The client's own id as far as it is safe, else a new one."},
    "X-Shortlist-Model": {"description": "The canonical name of the model that answered."},
    "X-Shortlist-Route": {"description": "Why this model, where the name left that open."},
}


def operation_of(operations: Sequence[Operation]) -> Operation:
    """The operation that serves the document of these and itself; it is made when somebody asks."""
    made: list[bytes] = []

    async def show(_: Call) -> Reply:
        if not made:
            made.append(msgspec.json.encode(document([*operations, own])))
        return Reply(made[0])

    own = Operation("GET", PATH, show, "This document.", access="open")
    return own


def document(operations: Sequence[Operation]) -> dict[str, Any]:
    """The document as an object."""
    kinds = [kind for one in operations for kind in (one.body, one.reply) if kind is not None]
    schemas, components = msgspec.json.schema_components([*kinds, Error], ref_template=_REF)
    known = dict(zip(map(_key, [*kinds, Error]), schemas, strict=True))
    paths: dict[str, dict[str, Any]] = {}
    for one in operations:
        plain = re.sub(r"\{(\w+)(?::\w+)?\}", r"{\1}", one.path)
        paths.setdefault(plain, {})[one.method.lower()] = _told(one, known)
    return {
        "openapi": "3.1.0",
        "info": {
            "title": "Shortlist's service",
            "version": __version__,
            "description": "OpenAI's API before every model of this host. What is unknown or unsupported is an error.",
        },
        "servers": [{"url": "/"}],
        "paths": paths,
        "components": {
            "schemas": components,
            "headers": {name: {**told, "schema": {"type": "string"}} for name, told in _HEADERS.items()},
            "securitySchemes": {
                "key": {"type": "http", "scheme": "bearer"},
                "management": {"type": "apiKey", "in": "header", "name": "X-Shortlist-Token"},
            },
        },
    }


def _told(one: Operation, known: dict[str, Any]) -> dict[str, Any]:
    parameters: list[dict[str, Any]] = [
        {"name": name, "in": "path", "required": True, "schema": {"type": "string", "minLength": 1}}
        for name in re.findall(r"\{(\w+)", one.path)
    ]
    parameters += [{"name": name, "in": "query", "schema": {"type": "string"}} for name in one.query]
    told: dict[str, Any] = {
        "operationId": f"{one.method.lower()}_{re.sub(r'[^a-z0-9]+', '_', one.path.lower()).strip('_')}",
        "summary": one.summary,
        "responses": _responses(one, known),
    }
    if parameters:
        told["parameters"] = parameters
    if one.body is not None:
        told["requestBody"] = {"required": True, "content": {"application/json": {"schema": known[_key(one.body)]}}}
    if one.access != "open":
        told["security"] = [{"key": []}, {"management": []}] if one.access != "management" else [{"management": []}]
    return told


def _responses(one: Operation, known: dict[str, Any]) -> dict[str, Any]:
    schema = {} if one.reply is None else known[_key(one.reply)]
    content: dict[str, Any] = {one.media_type: {"schema": schema}}
    fields = msgspec.structs.fields(one.body) if one.body is not None else ()
    if any(field.name == "stream" for field in fields):
        content[_STREAM] = {"schema": {"description": _EVENTS}}
    headers = {name: {"$ref": f"#/components/headers/{name}"} for name in _HEADERS}
    found: dict[str, Any] = {"200": {"description": one.summary, "headers": headers, "content": content}}
    failed = {"schema": known[_key(Error)]}
    for status in sorted({*_ALWAYS, *one.statuses}):
        if status < 400:
            found[str(status)] = {"description": HTTPStatus(status).phrase}
            continue
        found[str(status)] = {"description": HTTPStatus(status).phrase, "content": {"application/json": failed}}
    return found


def _key(kind: Any) -> str:
    return str(kind)
