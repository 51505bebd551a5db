"""Requests to /v1/responses: the stateless part for text, and the names of the rest, so that none is ignored."""

from typing import Annotated, Any, Literal

from msgspec import Meta, Struct

from shortlist.serve.schema import (
    Count,
    JsonObject,
    Label,
    Name,
    PlainText,
    Schema,
    Share,
    StreamOptions,
    Temperature,
    Text,
)


class InputText(Struct, tag_field="type", tag="input_text", forbid_unknown_fields=True):
    """Text that goes in."""

    text: str


class OutputText(Struct, tag_field="type", tag="output_text", forbid_unknown_fields=True, omit_defaults=True):
    """Text that came out before."""

    text: str
    annotations: list[Any] | None = None
    logprobs: list[Any] | None = None


class InputMessage(Struct, forbid_unknown_fields=True, omit_defaults=True):
    """One message of a response's input; an output message of before may be given back as it came."""

    role: Literal["user", "assistant", "system", "developer"]
    content: str | Annotated[list[InputText | OutputText], Meta(min_length=1)]
    type: Literal["message"] = "message"
    id: str | None = None
    status: Literal["in_progress", "completed", "incomplete"] | None = None


class SchemaFormat(Struct, tag_field="type", tag="json_schema", forbid_unknown_fields=True, omit_defaults=True):
    """JSON of a schema, as responses word it."""

    name: Name
    schema: Schema
    description: str | None = None
    strict: bool | None = None


class TextOptions(Struct, forbid_unknown_fields=True, omit_defaults=True):
    """What the text has to be."""

    format: PlainText | JsonObject | SchemaFormat | None = None
    verbosity: Literal["low", "medium", "high"] | None = None


class ReasoningOptions(Struct, forbid_unknown_fields=True, omit_defaults=True):
    """How much is thought."""

    effort: Literal["none", "minimal", "low", "medium", "high", "xhigh"] | None = None
    summary: Literal["auto", "concise", "detailed"] | None = None


class ResponseRequest(Struct, forbid_unknown_fields=True, omit_defaults=True, kw_only=True):
    """POST /v1/responses: its stateless part for text."""

    model: Text
    input: Text | Annotated[list[InputMessage], Meta(min_length=1)]
    instructions: str | None = None
    max_output_tokens: Count | None = None
    temperature: Temperature | None = None
    top_p: Share | None = None
    text: TextOptions | None = None
    reasoning: ReasoningOptions | None = None
    stream: bool | None = None
    stream_options: StreamOptions | None = None
    metadata: Annotated[dict[str, Label], Meta(max_length=16)] | None = None
    user: Label | None = None
    safety_identifier: Label | None = None
    prompt_cache_key: Label | None = None
    truncation: Literal["auto", "disabled"] | None = None
    service_tier: Literal["auto", "default", "flex", "scale", "priority"] | None = None
    store: bool | None = None
    background: bool | None = None
    previous_response_id: str | None = None
    conversation: Any = None
    prompt: Any = None
    prompt_cache_retention: str | None = None
    include: list[str] | None = None
    tools: list[Any] | None = None
    tool_choice: Any = None
    max_tool_calls: int | None = None
    parallel_tool_calls: bool | None = None
    top_logprobs: Annotated[int, Meta(ge=0, le=20)] | None = None
