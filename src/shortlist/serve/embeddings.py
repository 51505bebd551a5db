"""POST /v1/embeddings, for models that are opened for them."""

import base64
import struct
from typing import Any

import msgspec

from shortlist.errors import BrokenStream
from shortlist.serve import answers, checks
from shortlist.serve.call import Call, Operation
from shortlist.serve.events import parse, used_of
from shortlist.serve.features import check_lease
from shortlist.serve.lease import Demand
from shortlist.serve.relay import body_of, exchange, leased, refusal
from shortlist.serve.replies import Reply
from shortlist.serve.schema import EmbeddingRequest
from shortlist.serve.tokens import check_fits


async def embed(call: Call) -> Reply:
    """A vector for each text."""
    request = await call.decode(EmbeddingRequest)
    checks.check_known(request)
    inputs = checks.inputs_of(request.input, "input")
    needed = {"embeddings": "model"}
    usage: Any = None
    async with leased(call, request.model, Demand(call.client, None, call.request_id, frozenset(needed))) as lease:
        await check_lease(call, lease, needed, None)
        await check_fits(call, lease, inputs, "input")
        body = {"model": lease.endpoint.model, "input": inputs, "encoding_format": "float"}
        try:
            async with exchange(call, lease, "/embeddings", body) as connection:
                if connection.status != 200:
                    raise await refusal(connection)
                told = parse(await body_of(connection))
            usage = told.get("usage")
        finally:
            call.used = used_of(usage, call.began_ns, None, is_cancelled=call.is_gone)
        return _reply(told, lease.model, len(inputs), is_packed=request.encoding_format == "base64")


def _reply(told: dict[str, Any], model: str, count: int, *, is_packed: bool) -> Reply:
    try:
        vectors = {int(one["index"]): [float(x) for x in one["embedding"]] for one in told["data"]}
    except (KeyError, TypeError, ValueError) as error:
        raise BrokenStream(f"the engine gave no embeddings: {error!r}") from None
    if sorted(vectors) != list(range(count)):
        raise BrokenStream(f"the engine gave {len(vectors)} embeddings for {count} texts")
    data = [
        {"object": "embedding", "index": index, "embedding": _packed(vectors[index]) if is_packed else vectors[index]}
        for index in range(count)
    ]
    usage = {name: told["usage"].get(name, 0) for name in ("prompt_tokens", "total_tokens")}
    return Reply(msgspec.json.encode({"object": "list", "model": model, "data": data, "usage": usage}))


def _packed(vector: list[float]) -> str:
    """Little-endian float32 in base64, as OpenAI's own client asks for."""
    return base64.b64encode(struct.pack(f"<{len(vector)}f", *vector)).decode("ascii")


OPERATIONS = (
    Operation("POST", "/v1/embeddings", embed, "A vector for each text.", EmbeddingRequest, answers.Embeddings),
)
