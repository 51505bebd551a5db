"""Replies as the OpenAPI document tells of them: what is always there, and what may be. Engines may add keys."""

from typing import Any, Literal

from msgspec import UNSET, Struct, UnsetType


class ErrorDetails(Struct):
    """What went wrong: `param` names the parameter, `code` is for programs."""

    message: str
    type: str
    param: str | None
    code: str | None


class Error(Struct):
    """An error in OpenAI's shape."""

    error: ErrorDetails


class Model(Struct):
    """A model that can be asked for."""

    id: str
    object: Literal["model"]
    created: int
    owned_by: str
    context_length: int | UnsetType = UNSET
    format: str | UnsetType = UNSET
    is_loaded: bool | UnsetType = UNSET


class ModelList(Struct):
    """The models that are here."""

    object: Literal["list"]
    data: list[Model]


class Usage(Struct):
    """Tokens, counted by the engine."""

    prompt_tokens: int
    completion_tokens: int
    total_tokens: int


class ChatAnswer(Struct):
    """What the model said; `tool_calls` where it called functions."""

    role: Literal["assistant"]
    content: str | None = None
    reasoning_content: str | None = None
    tool_calls: list[dict[str, Any]] | None = None


class ChatChoice(Struct):
    """One answer of several."""

    index: int
    message: ChatAnswer
    finish_reason: str | None
    logprobs: dict[str, Any] | None = None


class ChatCompletion(Struct):
    """An answer to a conversation. As a stream: `chat.completion.chunk` events, then `[DONE]`."""

    id: str
    object: Literal["chat.completion"]
    created: int
    model: str
    choices: list[ChatChoice]
    usage: Usage | UnsetType = UNSET


class TextChoice(Struct):
    """One text of several."""

    index: int
    text: str
    finish_reason: str | None
    logprobs: dict[str, Any] | None


class Completion(Struct):
    """Text that goes on. As a stream: `text_completion` events, then `[DONE]`."""

    id: str
    object: Literal["text_completion"]
    created: int
    model: str
    choices: list[TextChoice]
    usage: Usage


class Vector(Struct):
    """A text's vector: numbers, or their float32 in base64."""

    object: Literal["embedding"]
    index: int
    embedding: list[float] | str


class VectorUsage(Struct):
    """Tokens that went in."""

    prompt_tokens: int
    total_tokens: int


class Embeddings(Struct):
    """A vector for each text, in its order."""

    object: Literal["list"]
    model: str
    data: list[Vector]
    usage: VectorUsage


class OutputItem(Struct):
    """What the model said, or thought."""

    id: str
    type: Literal["message", "reasoning"]
    status: str
    content: list[dict[str, Any]]


class Response(Struct):
    """An answer to an input. As a stream: named events with `sequence_number`."""

    id: str
    object: Literal["response"]
    created_at: int
    status: Literal["completed", "incomplete"]
    model: str
    output: list[OutputItem]
    store: Literal[False]
    usage: dict[str, Any] | None


class TokenCount(Struct):
    """How many tokens it is, and how many the model can hold."""

    object: Literal["token_count"]
    model: str
    tokens: int
    context_length: int | None


class FoundryTokenCount(Struct, rename="camel"):
    """The same in Foundry Local's words."""

    token_count: int
