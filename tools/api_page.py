"""docs/api.md: every parameter of the service's API with what becomes of it, and every error code, from the code."""

from collections.abc import Iterator
from typing import Any

import msgspec

from shortlist.engines.fake import CAPABILITIES as FAKE
from shortlist.engines.llamacpp import CAPABILITIES as LLAMACPP
from shortlist.serve import checks, response_schema, schema
from shortlist.serve.replies import CODES

_REQUESTS = (
    ("POST /v1/chat/completions", schema.ChatRequest),
    ("POST /v1/completions", schema.CompletionRequest),
    ("POST /v1/embeddings", schema.EmbeddingRequest),
    ("POST /v1/responses", response_schema.ResponseRequest),
    ("POST /v1/tokens/count", schema.CountRequest),
)
_NOTES = {
    "n": "each is a request of its own to the engine; with a seed, the second has seed + 1, and so on",
    "seed": "any 64-bit number; it is folded into the engine's 32 bits",
    "max_tokens": "over the context: an error; at the end of the context an answer ends as `length`",
    "max_completion_tokens": "the newer name of `max_tokens`",
    "min_tokens": "only with `ignore_eos` and as many `max_tokens`",
    "best_of": "only as many as `n`",
    "model": "any name that resolves; it is loaded if need be",
    "tool_choice": "needs `tools` of the model's template; a function that is named is the one that is called",
    "stream_options": "`include_usage` needs `usage`",
    "logit_bias": "needs `logit_bias`; keys are numbers of tokens",
    "messages": "text; images need `vision`, tool messages `tools`",
    "response_format": "needs `json_object` or `json_schema`",
    "reasoning": "`effort` needs `reasoning_effort`; `summary` is refused",
}


def api_page(mark: str) -> str:
    """The page."""
    parts = [mark, "# The API, parameter by parameter\n", _INTRODUCTION]
    for title, kind in _REQUESTS:
        parts += [f"\n## {title}\n", "| parameter | value | |", "|---|---|---|", *_rows(kind)]
    parts += ["\n## Errors\n", _ERRORS, "| code | status | |", "|---|---|---|", *_errors()]
    return "\n".join(parts) + "\n"


_INTRODUCTION = f"""\
Each parameter of OpenAI's is named here, with what becomes of it. One that is not named is an error
(`unknown_parameter`), so is a value out of its range (`invalid_value`); what cannot be honoured is an error too
(`unsupported_parameter`), never ignored. *needs x*: refused where the engine behind the model has no such capability.
Null is as good as not given. What is not given is left to the engine: llama.cpp then takes temperature 0.8, top_k 40,
top_p 0.95, min_p 0.05. A *label* is the caller's own book-keeping and changes nothing.

- `llamacpp` has {", ".join(f"`{name}`" for name in LLAMACPP if name != "tools_by_template")}; `tools` and
  `reasoning_effort` where the model's chat template has them; a model whose card says `embeddings` has those alone.
- `fake` has {", ".join(f"`{name}`" for name in FAKE)}.
- An endpoint that others run gets every parameter, and refuses for itself."""

_ERRORS = """\
`{"error": {"message", "type", "param", "code"}}`, also as the last event of a stream that fails;
no `[DONE]` follows it.
"""


def _rows(kind: type) -> Iterator[str]:
    for field in msgspec.structs.fields(kind):
        yield f"| `{field.name}` | {_shown(field.type)} | {_fate(kind, field.name)} |"


def _fate(kind: type, name: str) -> str:
    never, only = checks.NEVER.get(kind, {}), checks.ONLY.get(kind, {})
    if name in never:
        return f"refused: {never[name]}"
    if name in only:
        values, why = only[name]
        return f"only {' or '.join(f'`{msgspec.json.encode(value).decode()}`' for value in values)}: {why}"
    if name in checks.LABELS:
        return "a label"
    if kind is response_schema.ResponseRequest and name == "stream_options":
        return "usage always stands in the last event"
    note = _NOTES.get(name)
    if note is not None:
        return note
    is_text = kind in (schema.ChatRequest, schema.CompletionRequest)
    return f"needs `{checks.NEEDS[name]}`" if is_text and name in checks.NEEDS else ""


def _shown(kind: Any) -> str:
    """A type for people: its names, its range."""
    told = msgspec.json.schema(kind)
    return _of(told).replace("|", "\\|")


def _of(told: dict[str, Any]) -> str:
    if "anyOf" in told:
        found = [_of(one) for one in told["anyOf"]]
        return " or ".join(one for one in dict.fromkeys(found) if one != "null")
    if "$ref" in told:
        return str(told["$ref"].rpartition("/")[2])
    if "enum" in told:
        return ", ".join(f"`{msgspec.json.encode(value).decode()}`" for value in told["enum"])
    kind = told.get("type", "anything")
    if kind == "array":
        most = f", up to {told['maxItems']}" if "maxItems" in told else ""
        return f"list of {_of(told.get('items', {}))}{most}"
    low = told.get("minimum", told.get("exclusiveMinimum"))
    high = told.get("maximum")
    if low is not None and high is not None and abs(high) < 1 << 24:
        sign = ">" if "exclusiveMinimum" in told else ""
        return f"{kind} {sign}{low} … {high}"
    return f"{kind} from {low}" if low is not None and abs(low) < 1 << 24 else str(kind)


def _errors() -> Iterator[str]:
    seen: dict[str, tuple[int, list[str]]] = {}
    for kind, status, code in CODES:
        seen.setdefault(code, (int(status), []))[1].append(kind.__name__)
    for code, (status, kinds) in seen.items():
        yield f"| `{code}` | {status} | {', '.join(f'`{kind}`' for kind in kinds)} |"
    for code, status, told in _OWN:
        yield f"| `{code}` | {status} | {told} |"


_OWN = (
    ("invalid_json", 400, "the body is not JSON"),
    ("invalid_value", 400, "a value of the wrong type, out of range, or against another parameter"),
    ("unknown_parameter", 400, "a name that nobody knows"),
    ("missing_required_parameter", 400, "a parameter that has to be given"),
    ("unsupported_parameter", 400, "the engine behind this model, or the service, cannot honour it"),
    ("not_found", 404, "no such path"),
    ("method_not_allowed", 405, "`Allow` says which are"),
    ("request_too_large", 413, "a body over the limit"),
    ("foreign_host", 403, "`Host` is not a name of this service: `--allow-host`"),
    ("foreign_origin", 403, "a web page of another origin: `--allow-origin`"),
    ("invalid_host", 400, "no `Host`, or several"),
    ("invalid_api_key", 401, "no API key, or one that is not known"),
    ("management_token_required", 401, "state changes want `X-Shortlist-Token`, from `service/token`"),
    ("not_ready", 503, "`/ready`: a pinned model is not open"),
    ("invalid_http", 400, "not HTTP/1.1, or hardly; the connection is closed"),
    ("request_timeout", 408, "a head or a body that took too long; the connection is closed"),
    ("uri_too_long", 414, "a target over 16 KiB"),
    ("headers_too_large", 431, "a head over 64 KiB or 100 fields"),
    ("too_many_connections", 503, "all are taken by requests under way"),
    ("internal_error", 500, "a fault of ours; the log has it under the request's id"),
)
