"""What a child of ours is asked: the body of a chat completion, checked, and refusals in OpenAI's shape.

A key that the generator cannot honour is refused by name and never passed over; one that asks for nothing (null, or the
value that every server starts from) is no demand.
"""

from collections.abc import Mapping
from collections.abc import Set as AbstractSet
from dataclasses import dataclass, field
from typing import Annotated, Any, Literal

import msgspec

from shortlist.errors import ContextOverflow
from shortlist.records import Json, Message

MAX_STOPS = 16
MAX_STOP_CHARACTERS = 1000

_NEUTRAL: Mapping[str, tuple[Any, ...]] = {
    "cache_prompt": (False,),
    "echo": (False,),
    "frequency_penalty": (0,),
    "ignore_eos": (False,),
    "logit_bias": ({},),
    "logprobs": (False,),
    "min_p": (0,),
    "min_tokens": (0,),
    "modalities": (["text"],),
    "n": (1,),
    "parallel_tool_calls": (True, False),
    "presence_penalty": (0,),
    "repeat_penalty": (1,),
    "repetition_penalty": (1,),
    "service_tier": ("auto", "default"),
    "store": (False,),
    "temperature": (0,),
    "tool_choice": ("none", "auto"),
    "tools": ([],),
    "top_k": (0, -1),
    "top_logprobs": (0,),
    "top_p": (1,),
}
"""What asks for nothing, by key."""

_NOTES = frozenset({"metadata", "prompt_cache_key", "request_id", "safety_identifier", "user"})
"""What a caller writes for its own books."""

_Limit = Annotated[int, msgspec.Meta(ge=1)]


class _Part(msgspec.Struct):
    type: str
    text: str | None = None


class _Turn(msgspec.Struct, forbid_unknown_fields=True):
    role: Literal["system", "developer", "user", "assistant"]
    content: str | list[_Part]
    refusal: None = None
    tool_calls: None = None


class _StreamOptions(msgspec.Struct):
    include_usage: bool = False
    continuous_usage_stats: bool = False


class _Schema(msgspec.Struct):
    schema: dict[str, Any]
    name: str = ""
    strict: bool | None = None
    description: str | None = None


class _Format(msgspec.Struct):
    type: Literal["text", "json_object", "json_schema"]
    json_schema: _Schema | None = None


class _Common(msgspec.Struct):
    """The keys that every generator honours."""

    messages: Annotated[list[_Turn], msgspec.Meta(min_length=1)]
    model: str | None = None
    max_tokens: _Limit | None = None
    max_completion_tokens: _Limit | None = None
    stop: str | list[str] | None = None
    stream: bool | None = None
    stream_options: _StreamOptions | None = None
    response_format: _Format | None = None


class _Sampling(msgspec.Struct):
    """The types of the keys that only some honour."""

    temperature: Annotated[float, msgspec.Meta(ge=0, le=2)] | None = None
    top_p: Annotated[float, msgspec.Meta(gt=0, le=1)] | None = None
    top_k: Annotated[int, msgspec.Meta(ge=-1)] | None = None
    min_p: Annotated[float, msgspec.Meta(ge=0, le=1)] | None = None
    seed: int | None = None
    ignore_eos: bool | None = None
    repetition_penalty: Annotated[float, msgspec.Meta(gt=0)] | None = None
    repeat_penalty: Annotated[float, msgspec.Meta(gt=0)] | None = None
    presence_penalty: Annotated[float, msgspec.Meta(ge=-2, le=2)] | None = None
    frequency_penalty: Annotated[float, msgspec.Meta(ge=-2, le=2)] | None = None


_COMMON = frozenset(_Common.__struct_fields__)


class Refusal(Exception):
    """A request that is answered with an error: HTTP status, OpenAI's code, the key at fault, further numbers."""

    def __init__(
        self,
        status: int,
        code: str,
        message: str,
        *,
        param: str | None = None,
        numbers: Mapping[str, int] | None = None,
    ) -> None:
        super().__init__(message)
        self.status, self.code, self.message, self.param = status, code, message, param
        self.numbers = numbers or {}

    def body(self) -> dict[str, Any]:
        """As OpenAI writes it."""
        kind = "server_error" if self.status >= 500 else "invalid_request_error"
        message = self.message.encode("utf-8", "replace").decode()  # half a character cannot be sent
        error = {"message": message, "type": kind, "param": self.param, "code": self.code}
        return {"error": error | dict(self.numbers)}


def overflow(prompt_tokens: int, context: int) -> Refusal:
    """The refusal for a question that leaves no room for an answer; nothing is cut away to make it fit."""
    return Refusal(
        400,
        "context_length_exceeded",
        f"the question takes {prompt_tokens} tokens and the context has {context} in all; an answer needs room too",
        param="messages",
        numbers={"n_prompt_tokens": prompt_tokens, "n_ctx": context},
    )


def unsupported(key: str, value: object, reason: str = "this model cannot honour it") -> Refusal:
    """The refusal for a key that the generator would have to ignore."""
    shown = str(value)
    shown = shown if len(shown) <= 60 else shown[:59] + "…"
    return Refusal(400, "unsupported_parameter", f"{key}: {shown} is not supported: {reason}", param=key)


def refusal_of(error: BaseException) -> Refusal:
    """What a client is told of an error that a generator raised."""
    if isinstance(error, Refusal):
        return error
    if isinstance(error, ContextOverflow):
        return Refusal(400, "context_length_exceeded", error.message, param="messages")
    return Refusal(500, "generation_failed", f"{type(error).__name__}: {error}"[:600])


@dataclass(frozen=True, slots=True)
class Asked:
    """One chat completion as asked for. `options` are the further keys that the generator said it honours.

    `wants_counts`: the tokens so far with every chunk (`stream_options.continuous_usage_stats`, as vLLM calls it).
    """

    messages: tuple[Message, ...]
    max_tokens: int | None = None
    stop: tuple[str, ...] = ()
    json_schema: Json | None = None
    options: Mapping[str, Any] = field(default_factory=dict)
    is_streamed: bool = False
    wants_usage: bool = True
    wants_counts: bool = False


def read_request(body: bytes, accepts: AbstractSet[str]) -> Asked:
    """A body as `Asked`. `accepts` are the keys beyond messages, limits, stop and streaming that are honoured.

    `json_schema` among them stands for `response_format`. Raises Refusal.
    """
    try:
        raw = msgspec.json.decode(body)
    except (msgspec.DecodeError, UnicodeDecodeError, RecursionError) as error:
        raise Refusal(400, "invalid_json", f"the body is no JSON: {error}") from None
    if not isinstance(raw, dict):
        raise Refusal(400, "invalid_json", "the body is no JSON object")
    common = _convert({key: value for key, value in raw.items() if key in _COMMON}, _Common)
    messages = tuple(_message(number, turn) for number, turn in enumerate(common.messages))
    options = _options(raw, accepts)
    stops = (common.stop,) if isinstance(common.stop, str) else tuple(common.stop or ())
    if len(stops) > MAX_STOPS or not all(0 < len(stop) <= MAX_STOP_CHARACTERS for stop in stops):
        expected = f"up to {MAX_STOPS} texts of 1 to {MAX_STOP_CHARACTERS} characters"
        raise Refusal(400, "invalid_value", f"stop: {expected}", param="stop")
    return Asked(
        messages=messages,
        max_tokens=common.max_completion_tokens or common.max_tokens,
        stop=stops,
        json_schema=_schema(common.response_format, accepts),
        options=options,
        is_streamed=bool(common.stream),
        wants_usage=not common.stream or bool(common.stream_options and common.stream_options.include_usage),
        wants_counts=bool(common.stream_options and common.stream_options.continuous_usage_stats),
    )


def _convert(raw: dict[str, Any], kind: type[Any]) -> Any:
    try:
        return msgspec.convert(raw, kind)
    except msgspec.ValidationError as error:
        message = str(error)
        place = message.rpartition(" - at `$.")[2].rstrip("`") if " - at `$." in message else None
        key = place.partition(".")[0].partition("[")[0] if place else None
        raise Refusal(400, "invalid_value", message.replace("`", "'"), param=key) from None


def _message(number: int, turn: _Turn) -> Message:
    role = "system" if turn.role == "developer" else turn.role
    if isinstance(turn.content, str):
        return Message(role, turn.content)
    for part in turn.content:
        if part.type != "text" or part.text is None:
            raise unsupported(f"messages[{number}].content", part.type, "this model reads text alone")
    return Message(role, "".join(part.text or "" for part in turn.content))


def _options(raw: Mapping[str, Any], accepts: AbstractSet[str]) -> Mapping[str, Any]:
    given = {key: value for key, value in raw.items() if key not in _COMMON | _NOTES and value is not None}
    kept = {key: value for key, value in given.items() if key in accepts}
    is_greedy = given.get("temperature") == 0 or "temperature" not in given
    for key, value in given.items():
        if key in kept or _asks_nothing(key, value):
            continue
        if key == "seed" and is_greedy and "temperature" not in accepts:
            continue  # there is no chance in it that a seed could tame
        raise unsupported(key, value)
    typed = _convert({key: value for key, value in kept.items() if key in _Sampling.__struct_fields__}, _Sampling)
    return kept | {key: getattr(typed, key) for key in kept if key in _Sampling.__struct_fields__}


def _asks_nothing(key: str, value: object) -> bool:
    """0 and 0.0 are the same; 1 and True are not."""
    return any(value == one and isinstance(value, bool) == isinstance(one, bool) for one in _NEUTRAL.get(key, ()))


def _schema(wanted: _Format | None, accepts: AbstractSet[str]) -> Json | None:
    if wanted is None or wanted.type == "text":
        return None
    if "json_schema" not in accepts:
        raise unsupported("response_format", wanted.type, "this model's answers cannot be held to a form")
    if wanted.type == "json_object":
        return {"type": "object"}
    if wanted.json_schema is None:
        raise Refusal(400, "invalid_value", "response_format: json_schema.schema is missing", param="response_format")
    return wanted.json_schema.schema
