"""OpenAI's operations: models and chat here, and all those of the modules beside."""

from dataclasses import replace
from typing import Any

import msgspec

from shortlist.serve import answers, checks, completions, embeddings, responses, tokens
from shortlist.serve.bodies import bare_logprobs, chat_body, seeded
from shortlist.serve.call import Call, Operation
from shortlist.serve.features import check_bias, check_lease
from shortlist.serve.lease import Demand, Lease, Listed
from shortlist.serve.merging import Source, merge_stream, merge_whole
from shortlist.serve.relay import leased, relay_stream, relay_whole
from shortlist.serve.replies import Reply
from shortlist.serve.schema import ChatRequest

PATH = "/chat/completions"


async def list_models(call: Call) -> Reply:
    """The models that are here."""
    data = [_shown(model) for model in await call.state.models.listed()]
    return Reply(msgspec.json.encode({"object": "list", "data": data}))


async def show_model(call: Call) -> Reply:
    """One model, by any name that resolves; `id` is the name that replies will carry."""
    return Reply(msgspec.json.encode(_shown(await call.state.models.about(call.parameter("model")))))


def _shown(model: Listed) -> dict[str, object]:
    shown = {"id": model.id, "object": "model", "created": model.created, "owned_by": model.owned_by}
    extra = {"context_length": model.context, "format": model.format, "is_loaded": model.is_loaded}
    return shown | {name: value for name, value in extra.items() if value is not None}


async def chat(call: Call) -> Reply | None:
    """One answer to a conversation."""
    request = await call.decode(ChatRequest)
    checks.check_chat(request)
    needed = checks.features_of(request)
    demand = Demand(
        call.client, checks.limit_of(request), call.request_id, frozenset(needed), checks.question_of(request)
    )
    async with leased(call, request.model, demand) as lease:
        await check_lease(call, lease, needed, checks.limit_of(request))
        await check_bias(call, lease, request.logit_bias)
        return await answer(call, lease, request)


async def answer(call: Call, lease: Lease, request: ChatRequest) -> Reply | None:
    """The reply to a checked request: the engine's own bytes, where they are what was asked for."""
    body = chat_body(request, lease)
    options = request.stream_options
    keeps_usage = bool(options and options.include_usage)
    is_bare = bool(request.logprobs and not request.top_logprobs)
    if (request.n or 1) == 1 and not is_bare:
        if not request.stream:
            return await relay_whole(call, lease, PATH, body)
        await relay_stream(call, lease, PATH, body, keeps_usage=keeps_usage)
        return None
    reshape = bare_logprobs if is_bare else _as_it_is
    sources = [Source(seeded(body, number), number, number == 0, reshape) for number in range(request.n or 1)]
    if not request.stream:
        return await merge_whole(call, lease, PATH, sources)
    await merge_stream(call, lease, PATH, sources, keeps_usage=keeps_usage)
    return None


def _as_it_is(choice: dict[str, Any]) -> dict[str, Any]:
    return choice


_OPERATIONS = (
    Operation("GET", "/v1/models", list_models, "The models that are here.", reply=answers.ModelList),
    Operation(
        "GET", "/v1/models/{model:path}", show_model, "One model, by any name that resolves.", reply=answers.Model
    ),
    Operation(
        "POST", "/v1/chat/completions", chat, "One answer to a conversation.", ChatRequest, answers.ChatCompletion
    ),
    *completions.OPERATIONS,
    *embeddings.OPERATIONS,
    *responses.OPERATIONS,
    *tokens.OPERATIONS,
)
OPERATIONS = tuple(replace(operation, access="key") for operation in _OPERATIONS)
