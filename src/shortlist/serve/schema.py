"""Requests as OpenAI's API words them: every parameter is named here, so that none is ignored.

A name that does not stand here is an error, and so is a value out of its range. What stands here and cannot be honoured
is refused in `checks`, with the reason. Null means not given, as OpenAI's own clients send it.
"""

from typing import Annotated, Any, Literal

from msgspec import Meta, Struct

Text = Annotated[str, Meta(min_length=1)]
Name = Annotated[str, Meta(pattern=r"^[A-Za-z0-9_-]{1,64}$")]
Label = Annotated[str, Meta(max_length=512)]
Count = Annotated[int, Meta(ge=1, le=1 << 24)]
Seed = Annotated[int, Meta(ge=-(1 << 63), le=(1 << 63) - 1)]
Penalty = Annotated[float, Meta(ge=-2, le=2)]
Temperature = Annotated[float, Meta(ge=0, le=2)]
Share = Annotated[float, Meta(ge=0, le=1)]
Choices = Annotated[int, Meta(ge=1, le=16)]
Stops = Text | Annotated[list[Text], Meta(max_length=16)]
Schema = dict[str, Any]
Token = Annotated[int, Meta(ge=0, le=1 << 31)]
Input = Text | Annotated[list[Text | Token | list[Token]], Meta(min_length=1, max_length=2048)]
"""One text, several, one text as tokens, or several of those; `checks.inputs_of` tells them apart."""


# --- messages ---------------------------------------------------------------------------------------------------------


class TextPart(Struct, tag_field="type", tag="text", forbid_unknown_fields=True, omit_defaults=True):
    """Text in a message that is made of parts."""

    text: str


class ImageUrl(Struct, forbid_unknown_fields=True, omit_defaults=True):
    """An image by its address, or as a data URL."""

    url: Text
    detail: Literal["auto", "low", "high"] | None = None


class ImagePart(Struct, tag_field="type", tag="image_url", forbid_unknown_fields=True, omit_defaults=True):
    """An image in a message."""

    image_url: ImageUrl


class AudioPart(Struct, tag_field="type", tag="input_audio", forbid_unknown_fields=True, omit_defaults=True):
    """Sound in a message."""

    input_audio: dict[str, Any]


class FilePart(Struct, tag_field="type", tag="file", forbid_unknown_fields=True, omit_defaults=True):
    """A file in a message."""

    file: dict[str, Any]


class RefusalPart(Struct, tag_field="type", tag="refusal", forbid_unknown_fields=True, omit_defaults=True):
    """An earlier refusal of the model."""

    refusal: str


Part = TextPart | ImagePart | AudioPart | FilePart | RefusalPart
Content = str | Annotated[list[Part], Meta(min_length=1)]


class SystemMessage(Struct, tag_field="role", tag="system", forbid_unknown_fields=True, omit_defaults=True):
    """What the model is told to be."""

    content: Content
    name: str | None = None


class DeveloperMessage(Struct, tag_field="role", tag="developer", forbid_unknown_fields=True, omit_defaults=True):
    """OpenAI's newer word for a system message; templates know the older one."""

    content: Content
    name: str | None = None


class UserMessage(Struct, tag_field="role", tag="user", forbid_unknown_fields=True, omit_defaults=True):
    """What the user said."""

    content: Content
    name: str | None = None


class CalledFunction(Struct, forbid_unknown_fields=True, omit_defaults=True):
    """A function that the model called."""

    name: Text
    arguments: str


class ToolCall(Struct, tag_field="type", tag="function", forbid_unknown_fields=True, omit_defaults=True):
    """A call that the model made."""

    id: str
    function: CalledFunction
    index: int | None = None


class AssistantMessage(Struct, tag_field="role", tag="assistant", forbid_unknown_fields=True, omit_defaults=True):
    """What the model said before; clients send it back as they got it."""

    content: Content | None = None
    name: str | None = None
    refusal: str | None = None
    reasoning_content: str | None = None
    tool_calls: list[ToolCall] | None = None
    annotations: list[Any] | None = None
    audio: Any = None
    function_call: Any = None


class ToolMessage(Struct, tag_field="role", tag="tool", forbid_unknown_fields=True, omit_defaults=True):
    """What a called function gave back."""

    content: Content
    tool_call_id: str
    name: str | None = None


ChatMessage = SystemMessage | DeveloperMessage | UserMessage | AssistantMessage | ToolMessage


# --- what shapes the answer -------------------------------------------------------------------------------------------


class StreamOptions(Struct, forbid_unknown_fields=True, omit_defaults=True):
    """What a stream holds beside the answer."""

    include_usage: bool | None = None
    include_obfuscation: Literal[False] | None = None


class PlainText(Struct, tag_field="type", tag="text", forbid_unknown_fields=True):
    """Any text."""


class JsonObject(Struct, tag_field="type", tag="json_object", forbid_unknown_fields=True):
    """Any JSON object."""


class JsonSchemaSpec(Struct, forbid_unknown_fields=True, omit_defaults=True):
    """A JSON Schema that the answer has to meet."""

    name: Name
    schema: Schema
    description: str | None = None
    strict: bool | None = None


class JsonSchema(Struct, tag_field="type", tag="json_schema", forbid_unknown_fields=True, omit_defaults=True):
    """JSON of a schema."""

    json_schema: JsonSchemaSpec


ResponseFormat = PlainText | JsonObject | JsonSchema


class FunctionSpec(Struct, forbid_unknown_fields=True, omit_defaults=True):
    """A function that the model may call."""

    name: Name
    description: str | None = None
    parameters: Schema | None = None
    strict: bool | None = None


class Tool(Struct, tag_field="type", tag="function", forbid_unknown_fields=True, omit_defaults=True):
    """A tool; functions are the only kind."""

    function: FunctionSpec


class NamedFunction(Struct, forbid_unknown_fields=True):
    """Which function is to be called."""

    name: Name


class NamedTool(Struct, tag_field="type", tag="function", forbid_unknown_fields=True, omit_defaults=True):
    """The tool that has to be called."""

    function: NamedFunction


ToolChoice = Literal["none", "auto", "required"] | NamedTool


# --- requests ---------------------------------------------------------------------------------------------------------


class _Sampling(Struct, forbid_unknown_fields=True, omit_defaults=True, kw_only=True):
    """What requests for text have in common. The last group is not OpenAI's: what local engines can do beside."""

    model: Text
    frequency_penalty: Penalty | None = None
    logit_bias: dict[str, Annotated[float, Meta(ge=-100, le=100)]] | None = None
    max_tokens: Count | None = None
    n: Choices | None = None
    presence_penalty: Penalty | None = None
    seed: Seed | None = None
    stop: Stops | None = None
    stream: bool | None = None
    stream_options: StreamOptions | None = None
    temperature: Temperature | None = None
    top_p: Share | None = None
    user: Label | None = None

    top_k: Annotated[int, Meta(ge=0, le=1 << 24)] | None = None
    min_p: Share | None = None
    repeat_penalty: Annotated[float, Meta(gt=0, le=10)] | None = None
    ignore_eos: bool | None = None
    min_tokens: Annotated[int, Meta(ge=0, le=1 << 24)] | None = None


class ChatRequest(_Sampling, kw_only=True):
    """POST /v1/chat/completions."""

    messages: Annotated[list[ChatMessage], Meta(min_length=1)]
    logprobs: bool | None = None
    top_logprobs: Annotated[int, Meta(ge=0, le=20)] | None = None
    max_completion_tokens: Count | None = None
    response_format: ResponseFormat | None = None
    tools: Annotated[list[Tool], Meta(max_length=128)] | None = None
    tool_choice: ToolChoice | None = None
    parallel_tool_calls: bool | None = None
    reasoning_effort: Literal["none", "minimal", "low", "medium", "high", "xhigh"] | None = None
    metadata: Annotated[dict[str, Label], Meta(max_length=16)] | None = None
    safety_identifier: Label | None = None
    prompt_cache_key: Label | None = None
    prompt_cache_retention: str | None = None
    modalities: list[Literal["text", "audio"]] | None = None
    service_tier: Literal["auto", "default", "flex", "scale", "priority"] | None = None
    store: bool | None = None
    verbosity: Literal["low", "medium", "high"] | None = None
    audio: dict[str, Any] | None = None
    prediction: dict[str, Any] | None = None
    web_search_options: dict[str, Any] | None = None
    functions: list[Any] | None = None
    function_call: Any = None


class CompletionRequest(_Sampling, kw_only=True):
    """POST /v1/completions."""

    prompt: Input
    best_of: Choices | None = None
    echo: bool | None = None
    logprobs: Annotated[int, Meta(ge=0, le=20)] | None = None
    suffix: str | None = None


class EmbeddingRequest(Struct, forbid_unknown_fields=True, omit_defaults=True, kw_only=True):
    """POST /v1/embeddings."""

    model: Text
    input: Input
    dimensions: Count | None = None
    encoding_format: Literal["float", "base64"] | None = None
    user: Label | None = None


class CountRequest(Struct, forbid_unknown_fields=True, omit_defaults=True, kw_only=True):
    """How many tokens a question is: messages under the model's template, or bare text."""

    model: Text
    messages: Annotated[list[ChatMessage], Meta(min_length=1)] | None = None
    text: str | None = None
    tools: list[Tool] | None = None


class FoundryCountRequest(ChatRequest, kw_only=True):
    """The same as Foundry Local has it: a whole chat request, of which the messages are counted."""
