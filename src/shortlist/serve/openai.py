"""OpenAI's operations: models and chat."""

from dataclasses import replace

import msgspec

from shortlist.serve import checks
from shortlist.serve.bodies import chat_body
from shortlist.serve.call import Call, Operation
from shortlist.serve.lease import Demand, Lease, Listed
from shortlist.serve.relay import leased, relay_stream, relay_whole
from shortlist.serve.replies import Reply
from shortlist.serve.schema import ChatRequest


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
        check_lease(lease, needed, checks.limit_of(request))
        body = chat_body(request, lease)
        if request.stream:
            options = request.stream_options
            keeps_usage = bool(options and options.include_usage)
            await relay_stream(call, lease, "/chat/completions", body, keeps_usage=keeps_usage)
            return None
        return await relay_whole(call, lease, "/chat/completions", body)


def check_lease(lease: Lease, needed: dict[str, str], limit: int | None) -> None:
    """Raise BadRequest for what this model's engine cannot do."""
    checks.check_features(needed, lease.endpoint, lease.endpoint.capabilities)
    checks.check_limit(limit, lease.context)


_OPERATIONS = (
    Operation("GET", "/v1/models", list_models, "The models that are here."),
    Operation("GET", "/v1/models/{model:path}", show_model, "One model, by any name that resolves.", statuses=(404,)),
    Operation("POST", "/v1/chat/completions", chat, "One answer to a conversation.", ChatRequest),
)
OPERATIONS = tuple(replace(operation, access="key") for operation in _OPERATIONS)
