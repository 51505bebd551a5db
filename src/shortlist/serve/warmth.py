"""Keep-alive: a light prompt now and then, so that the pages of a model that nobody asks stay in memory.

One token, asked for without a chat template where the engine can: it takes the least recently used slot of the engine
and the prompt that was kept there, and it counts as nobody's request.
"""

import msgspec

from shortlist.serve.model import Open
from shortlist.serve.upstream import Upstreams, request_bytes, target_of

LIMIT_S = 60.0


async def ask_lightly(upstreams: Upstreams, opened: Open) -> None:
    """One token of the model. Raises EndpointError where its engine fails at that."""
    endpoint = opened.endpoint
    body: dict[str, object] = {"model": endpoint.model, "max_tokens": 1, "temperature": 0}
    if "completions" in endpoint.capabilities:
        path = "/completions"
        body["prompt"] = "\n"
    else:
        path = "/chat/completions"
        body["messages"] = [{"role": "user", "content": "."}]
    target = target_of(endpoint.base_url)
    asked = request_bytes(target, path, opened.engine.request_headers(), msgspec.json.encode(body))
    connection = await upstreams.ask(target, asked)
    try:
        while await connection.read():
            pass
    finally:
        connection.abort()
