"""What a request asks of an engine, in the words of `Endpoint.capabilities`, and the refusal of what it cannot do."""

from collections.abc import Iterable, Mapping, Sequence
from typing import Any

from shortlist.errors import BadRequest
from shortlist.records import Endpoint
from shortlist.serve import response_schema, schema
from shortlist.serve.schema import ChatRequest

PASSES_ON = "passes_on"
"""The capability of an endpoint that others run: it gets every parameter, and refuses for itself."""

LABELS = ("user", "metadata", "safety_identifier", "prompt_cache_key")
"""The caller's own book-keeping: accepted, and without an effect on the answer, as with OpenAI."""

_SAMPLING = (
    ("stop", "stop"), ("seed", "seed"), ("logit_bias", "logit_bias"), ("top_k", "top_k"), ("min_p", "min_p"),
    ("repeat_penalty", "repeat_penalty"), ("frequency_penalty", "penalties"), ("presence_penalty", "penalties"),
    ("ignore_eos", "ignore_eos"), ("stream", "stream"),
)  # fmt: skip
NEEDS = {
    **dict(_SAMPLING),
    "logprobs": "logprobs",
    "top_logprobs": "logprobs",
    "response_format": "json_object or json_schema",
    "tools": "tools",
    "tool_choice": "tools",
    "parallel_tool_calls": "tools",
    "reasoning_effort": "reasoning_effort",
}
"""The capability that each parameter needs of the engine or the model; those that are not here need none."""

NEVER: dict[type, dict[str, str]] = {
    ChatRequest: {
        "audio": "answers are text",
        "prediction": "no engine here takes a predicted answer",
        "web_search_options": "the service fetches nothing",
        "functions": "it was replaced by tools",
        "function_call": "it was replaced by tool_choice",
        "prompt_cache_retention": "how long prompts are kept is the engine's setting",
    },
    schema.CompletionRequest: {"suffix": "text is only ever continued"},
    schema.EmbeddingRequest: {"dimensions": "vectors have the model's own"},
    response_schema.ResponseRequest: {
        "previous_response_id": "the service keeps no answers: send the whole conversation as input",
        "conversation": "the service keeps no conversations: send the whole one as input",
        "prompt": "the service keeps no prompts",
        "prompt_cache_retention": "how long prompts are kept is the engine's setting",
        "max_tool_calls": "tools are those of /v1/chat/completions",
        "top_logprobs": "log probabilities are those of /v1/chat/completions",
    },
}
"""Parameters of OpenAI's that are always refused, and why."""

ONLY: dict[type, dict[str, tuple[tuple[Any, ...], str]]] = {
    ChatRequest: {
        "store": ((False,), "the service keeps no answers"),
        "modalities": ((["text"],), "answers are text"),
        "service_tier": (("auto", "default"), "there is one"),
        "verbosity": (("medium",), "ask for it in the messages"),
    },
    schema.CompletionRequest: {"echo": ((False,), "the prompt is not sent back")},
    response_schema.ResponseRequest: {
        "store": ((False,), "the service keeps no answers"),
        "background": ((False,), "an answer is made while its client waits"),
        "tools": (([],), "they are those of /v1/chat/completions"),
        "tool_choice": (("none", "auto"), "tools are those of /v1/chat/completions"),
        "include": (([],), "there is nothing beside the text"),
        "truncation": (("disabled",), "nothing is cut away to make an input fit"),
        "service_tier": (("auto", "default"), "there is one"),
    },
}
"""Parameters of which only these values can be honoured, and why."""


def check_known(request: object) -> None:
    """Raise BadRequest for what stands in `NEVER` and `ONLY`."""
    kind = next(kind for kind in NEVER if isinstance(request, kind))
    for param, why in NEVER[kind].items():
        if getattr(request, param) is not None:
            raise unsupported(param, why)
    for param, (values, why) in ONLY.get(kind, {}).items():
        given = getattr(request, param)
        if given is not None and given not in values:
            raise unsupported(param, why)


def unsupported(param: str, why: str) -> BadRequest:
    """The error for a parameter that cannot be honoured."""
    return BadRequest(f"{param} is not supported: {why}", param=param, code="unsupported_parameter")


def check_chat(request: ChatRequest) -> None:
    """Raise BadRequest for what no engine here does, and for parameters that contradict each other."""
    check_known(request)
    if request.top_logprobs is not None and not request.logprobs:
        raise BadRequest("top_logprobs needs logprobs: true", param="top_logprobs")
    if request.max_tokens is not None and request.max_completion_tokens not in (None, request.max_tokens):
        raise BadRequest("max_tokens and max_completion_tokens differ", param="max_completion_tokens")
    if request.tool_choice not in (None, "none") and not request.tools:
        raise BadRequest("tool_choice needs tools", param="tool_choice")
    if isinstance(request.tool_choice, schema.NamedTool):
        name = request.tool_choice.function.name
        if name not in [tool.function.name for tool in request.tools or ()]:
            raise BadRequest(f"tool_choice names {name!r}, and tools has no such function", param="tool_choice")
    if request.parallel_tool_calls is not None and not request.tools:
        raise BadRequest("parallel_tool_calls needs tools", param="parallel_tool_calls")
    check_messages(request.messages)
    check_sampling(request)


def check_completion(request: schema.CompletionRequest) -> None:
    """The same for a completion."""
    check_known(request)
    if request.best_of is not None and request.best_of != (request.n or 1):
        raise unsupported("best_of", "no answers are thrown away: ask for n, and choose")
    check_sampling(request)


def inputs_of(given: str | Sequence[str | int | list[int]], param: str) -> list[str | list[int]]:
    """One text, several texts, one text as tokens or several as tokens, as a list of texts. Raises BadRequest."""
    if isinstance(given, str):
        return [given]
    kinds = {type(one) for one in given}
    if kinds == {int}:
        return [[one for one in given if isinstance(one, int)]]
    if len(kinds) != 1 or [] in given:
        raise BadRequest(f"{param} mixes texts and tokens, or holds an empty one", param=param)
    return [one for one in given if not isinstance(one, int)]


def check_sampling(request: ChatRequest | schema.CompletionRequest) -> None:
    """The same for what chats and completions have in common."""
    if request.stream_options is not None and not request.stream:
        raise BadRequest("stream_options needs stream: true", param="stream_options")
    limit = limit_of(request)
    if request.min_tokens and not (request.ignore_eos and request.min_tokens == limit):
        raise unsupported("min_tokens", "only together with ignore_eos: true and as many max_tokens")
    for key in request.logit_bias or ():
        if not key.isascii() or not key.isdigit():
            raise BadRequest(f"logit_bias: {key[:40]!r} is not a token's number", param="logit_bias")


def limit_of(request: ChatRequest | schema.CompletionRequest) -> int | None:
    """How many tokens the answer may have, if the request says so."""
    newer = request.max_completion_tokens if isinstance(request, ChatRequest) else None
    return request.max_tokens if newer is None else newer


def features_of(request: ChatRequest | schema.CompletionRequest) -> dict[str, str]:
    """Which capability each given parameter needs: capability → parameter."""
    needed = {capability: param for param, capability in _SAMPLING if getattr(request, param) not in (None, False)}
    options = request.stream_options
    if options is not None and options.include_usage:
        needed["usage"] = "stream_options.include_usage"
    if request.logprobs is not None and request.logprobs is not False:
        needed["logprobs"] = "logprobs"
    if not isinstance(request, ChatRequest):
        return needed | {"completions": "model"}
    needed["chat"] = "model"
    if isinstance(request.response_format, schema.JsonObject):
        needed["json_object"] = "response_format"
    if isinstance(request.response_format, schema.JsonSchema):
        needed["json_schema"] = "response_format"
    if request.reasoning_effort is not None:
        needed["reasoning_effort"] = "reasoning_effort"
    return needed | features_of_messages(request.messages, request.tools)


def features_of_messages(messages: Sequence[schema.ChatMessage], tools: object) -> dict[str, str]:
    """Which capability a conversation and its tools need: capability → parameter."""
    needed = {"vision": "messages"} if _has_image(messages) else {}
    if tools or any(_is_tool_message(message) for message in messages):
        needed["tools"] = "tools" if tools else "messages"
    return needed


def check_features(needed: Mapping[str, str], endpoint: Endpoint, capabilities: Iterable[str]) -> None:
    """Raise BadRequest for the first thing asked for that the engine behind this model cannot do."""
    has = frozenset(capabilities)
    if PASSES_ON in has:
        return
    for capability, param in needed.items():
        if capability not in has and param == "model":
            told = f"{endpoint.engine} has this model open, and not for {capability}"
            raise BadRequest(told, param=param, code="unsupported_parameter")
        if capability not in has:
            raise unsupported(param, f"{endpoint.engine}, which serves this model, has no {capability}")


def check_limit(limit: int | None, context: int | None) -> None:
    """Raise BadRequest for an answer that could not fit into the context even without a question."""
    if limit is not None and context is not None and limit > context:
        raise BadRequest(
            f"max_tokens is {limit}, and this model's context is {context} tokens", param="max_tokens",
            code="context_length_exceeded",
        )  # fmt: skip


def check_messages(messages: Sequence[schema.ChatMessage]) -> None:
    """Raise BadRequest for messages that no engine here takes."""
    for index, message in enumerate(messages):
        if isinstance(message, schema.AssistantMessage):
            if message.audio is not None or message.function_call is not None:
                raise unsupported(f"messages[{index}]", "audio and function_call are not taken back")
            if message.content is None and not message.tool_calls and message.refusal is None:
                raise BadRequest(f"messages[{index}] has neither content nor tool_calls", param=f"messages[{index}]")
        for part in message.content if isinstance(message.content, list) else ():
            if isinstance(part, schema.AudioPart | schema.FilePart):
                raise unsupported(f"messages[{index}].content", "parts are text or images")


def _is_tool_message(message: schema.ChatMessage) -> bool:
    return isinstance(message, schema.ToolMessage) or bool(getattr(message, "tool_calls", None))


def _has_image(messages: Sequence[schema.ChatMessage]) -> bool:
    return any(
        isinstance(part, schema.ImagePart)
        for message in messages
        for part in (message.content if isinstance(message.content, list) else ())
    )


def question_of(request: ChatRequest) -> str:
    """The text of the last user's message, for a router to look at."""
    for message in reversed(request.messages):
        if isinstance(message, schema.UserMessage):
            return flat(message.content)
    return ""


def flat(content: Any) -> str:
    """Parts of text as one text."""
    if isinstance(content, str):
        return content
    return "\n".join(part.text for part in content or () if isinstance(part, schema.TextPart))
