"""A client's request in the words of the engine that answers it."""

from collections.abc import Sequence
from typing import Any

import msgspec

from shortlist.serve import schema
from shortlist.serve.checks import LABELS, PASSES_ON, flat, limit_of
from shortlist.serve.lease import Lease
from shortlist.serve.schema import ChatRequest

_OURS = ("n", "max_completion_tokens", "min_tokens", "modalities", "service_tier", "store", "verbosity", *LABELS)
_SEEDS = (1 << 32) - 1
"""llama.cpp takes 32 bits, the highest of which means a seed of its own choice."""


def chat_body(request: ChatRequest, lease: Lease) -> dict[str, Any]:
    """The JSON object for the engine's `/chat/completions`, without `stream`."""
    body = _common(request, lease)
    body["messages"] = messages_of(request.messages)
    if request.tool_choice == "none" and not request.tools:
        body.pop("tool_choice")
    if PASSES_ON in lease.endpoint.capabilities:
        return body
    if isinstance(request.tool_choice, schema.NamedTool):  # llama.cpp takes a name for `auto`
        name = request.tool_choice.function.name
        body["tools"] = [tool for tool in body["tools"] if tool["function"]["name"] == name]
        body["tool_choice"] = "required"
    if request.logprobs and not request.top_logprobs:
        body["top_logprobs"] = 1  # llama.cpp takes 0 for no logprobs at all; `bare_logprobs` takes it out again
    effort = body.pop("reasoning_effort", None)
    return body if effort is None else body | {"chat_template_kwargs": {"reasoning_effort": effort}}


def bare_logprobs(choice: dict[str, Any]) -> dict[str, Any]:
    """A choice whose tokens have their own logprob alone."""
    told = choice.get("logprobs")
    if not isinstance(told, dict) or not told.get("content"):
        return choice
    return choice | {"logprobs": told | {"content": [one | {"top_logprobs": []} for one in told["content"]]}}


def completion_body(request: schema.CompletionRequest, lease: Lease) -> dict[str, Any]:
    """The same for `/completions`, without the prompt."""
    body = _common(request, lease)
    for name in ("best_of", "echo", "suffix"):
        body.pop(name, None)
    if request.logprobs is not None and PASSES_ON not in lease.endpoint.capabilities:
        body["logprobs"] = max(1, request.logprobs)  # llama.cpp takes 0 for none at all
    return body


def seeded(body: dict[str, Any], number: int) -> dict[str, Any]:
    """The body for one of several choices: a seed that was given counts up, or all of them would be alike."""
    if number == 0 or "seed" not in body:
        return body
    return body | {"seed": (body["seed"] + number) % _SEEDS}


def _common(request: ChatRequest | schema.CompletionRequest, lease: Lease) -> dict[str, Any]:
    body: dict[str, Any] = msgspec.to_builtins(request)
    for name in ("stream", "stream_options", *_OURS):
        body.pop(name, None)
    if PASSES_ON in lease.endpoint.capabilities and request.min_tokens:
        body["min_tokens"] = request.min_tokens
    limit = limit_of(request)
    if limit is not None:
        body["max_tokens"] = limit
    if request.seed is not None:
        body["seed"] = request.seed % _SEEDS
    return body | {"model": lease.endpoint.model} | dict(lease.extra_body)


def streamed(body: dict[str, Any], lease: Lease, *, wants_usage: bool) -> dict[str, Any]:
    """The same as a stream, with its usage at the end where the engine has that: we count, asked or not."""
    if wants_usage or "usage" in lease.endpoint.capabilities:
        return body | {"stream": True, "stream_options": {"include_usage": True}}
    return body | {"stream": True}


def messages_of(messages: Sequence[schema.ChatMessage]) -> list[dict[str, Any]]:
    """Messages as templates know them."""
    return [_message(message) for message in messages]


def _message(message: schema.ChatMessage) -> dict[str, Any]:
    """A message as templates know it: parts of text alone are one text, `developer` is `system`."""
    told: dict[str, Any] = msgspec.to_builtins(message)
    if isinstance(message, schema.DeveloperMessage):
        told["role"] = "system"
    content = message.content
    if isinstance(content, list) and all(isinstance(part, schema.TextPart) for part in content):
        told["content"] = flat(content)
    if isinstance(message, schema.AssistantMessage):
        told.pop("annotations", None)
        told.setdefault("content", told.pop("refusal", None))
    return told
