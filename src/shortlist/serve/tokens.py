"""How many tokens a question is, by the tokenizer and the template of the model that would answer it."""

from collections.abc import Sequence
from typing import Any

import msgspec

from shortlist.errors import BadRequest, BrokenStream
from shortlist.serve import answers, checks
from shortlist.serve.bodies import messages_of
from shortlist.serve.call import Call, Operation
from shortlist.serve.events import parse
from shortlist.serve.features import check_lease
from shortlist.serve.lease import Demand, Lease
from shortlist.serve.relay import body_of, exchange, leased, refusal
from shortlist.serve.replies import Reply
from shortlist.serve.schema import CountRequest, FoundryCountRequest

_SPECIAL = 4
"""Tokens that a model may want around a text, generously."""
_CHAT_COUNT = "/chat/completions/input_tokens"


async def count(call: Call) -> Reply:
    """The tokens of messages under the model's template, or those of a text."""
    request = await call.decode(CountRequest)
    if (request.messages is None) == (request.text is None):
        raise BadRequest("give messages or text, one of them", param="messages")
    messages = request.messages or []
    checks.check_messages(messages)
    needed = {"count": "model"} | checks.features_of_messages(messages, request.tools)
    async with leased(call, request.model, Demand(call.client, None, call.request_id, frozenset(needed))) as lease:
        await check_lease(call, lease, needed, None)
        found = await _counted(call, lease, request)
        told = {"object": "token_count", "model": lease.model, "tokens": found, "context_length": lease.context}
        return Reply(msgspec.json.encode(told))


async def count_as_foundry(call: Call) -> Reply:
    """The same in Foundry Local's words; what shapes the answer may be given, and does not count."""
    request = await call.decode(FoundryCountRequest)
    checks.check_chat(request)
    needed = {"count": "model"} | checks.features_of_messages(request.messages, request.tools)
    async with leased(call, request.model, Demand(call.client, None, call.request_id, frozenset(needed))) as lease:
        await check_lease(call, lease, needed, None)
        of = CountRequest(model=request.model, messages=request.messages, tools=request.tools)
        return Reply(msgspec.json.encode({"tokenCount": await _counted(call, lease, of)}))


async def check_fits(call: Call, lease: Lease, texts: Sequence[str | list[int]], param: str) -> None:
    """Raise BadRequest for the first text that is longer than the context. Only one that could be is counted."""
    context = lease.context
    if context is None or "count" not in lease.endpoint.capabilities:
        return
    for place, text in enumerate(texts):
        length = len(text) if isinstance(text, list) else len(text.encode())  # a token is at least a byte
        if length + _SPECIAL > context and isinstance(text, str):
            length = await _tokens_of(call, lease, text, is_whole=True)
        if length > context:
            told = f"{param}[{place}] has {length} tokens, and the context {context}"
            raise BadRequest(told, param=param, code="context_length_exceeded")


async def _tokens_of(call: Call, lease: Lease, text: str, *, is_whole: bool) -> int:
    """The tokens of a text; `is_whole`: with those that the model wants around it."""
    told = await _told(call, lease, "//tokenize", {"content": text, "add_special": is_whole})
    tokens = told.get("tokens")
    return len(tokens) if isinstance(tokens, list) else _no_count()


async def _counted(call: Call, lease: Lease, request: CountRequest) -> int:
    if request.messages is None:
        return await _tokens_of(call, lease, request.text or "", is_whole=False)
    body: dict[str, Any] = {"model": lease.endpoint.model, "messages": messages_of(request.messages)}
    if request.tools:
        body["tools"] = msgspec.to_builtins(request.tools)
    told = await _told(call, lease, _CHAT_COUNT, body)
    tokens = told.get("input_tokens")
    return tokens if type(tokens) is int else _no_count()


async def _told(call: Call, lease: Lease, path: str, body: dict[str, Any]) -> dict[str, Any]:
    async with exchange(call, lease, path, body) as connection:
        if connection.status != 200:
            raise await refusal(connection)
        return parse(await body_of(connection))


def _no_count() -> int:
    raise BrokenStream("the engine gave no number of tokens")


OPERATIONS = (
    Operation(
        "POST", "/v1/tokens/count", count, "How many tokens messages or a text are.",
        CountRequest, answers.TokenCount,
    ),
    Operation(
        "POST", "/v1/chat/completions/tokenizer/encode/count", count_as_foundry,
        "How many tokens a chat's messages are, in Foundry Local's words.",
        FoundryCountRequest, answers.FoundryTokenCount,
    ),
)  # fmt: skip
