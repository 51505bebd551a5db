"""The known truth served by somebody else: an ASGI application for uvicorn or hypercorn, which speak HTTP and write.

`client_truth.py --asgi 'PYTHON -m uvicorn'` starts it. It keeps client_truth's schedule and notes CLOCK_MONOTONIC
before it hands each chunk to the server; at shutdown it writes the notes, as known_truth.c does, to TRUTH_LOG.
Stands alone: the server's Python need not have Shortlist.
"""

import asyncio
import json
import os
import time
from collections.abc import Awaitable, Callable
from pathlib import Path
from typing import Any

TTFT_NS, GAP_NS, CHUNKS = (int(part) for part in os.environ.get("TRUTH", "50000000,5000000,64").split(","))
LOG: list[list[int]] = []

Receive = Callable[[], Awaitable[dict[str, Any]]]
Send = Callable[[dict[str, Any]], Awaitable[None]]


def now_ns() -> int:
    return time.monotonic_ns()  # noqa: TID251 - runs where Shortlist is not installed


def sse(delta: dict[str, str], finish: str | None = None) -> bytes:
    choice = {"index": 0, "delta": delta, "finish_reason": finish}
    return b"data: " + json.dumps({"id": "chatcmpl-0", "choices": [choice]}).encode() + b"\n\n"


async def app(scope: dict[str, Any], receive: Receive, send: Send) -> None:
    if scope["type"] == "lifespan":
        await lifespan(receive, send)
    elif scope["type"] == "http":
        await complete(receive, send)


async def lifespan(receive: Receive, send: Send) -> None:
    while True:
        kind = (await receive())["type"]
        if kind == "lifespan.shutdown":
            lines = "\n".join(" ".join(map(str, line)) for line in LOG)
            Path(os.environ["TRUTH_LOG"]).write_text(lines)  # noqa: ASYNC240 - nothing is served any more
        await send({"type": f"{kind}.complete"})
        if kind == "lifespan.shutdown":
            return


async def complete(receive: Receive, send: Send) -> None:
    read_ns, body, is_more = now_ns(), b"", True
    while is_more:
        message = await receive()
        body, is_more = body + message.get("body", b""), message.get("more_body", False)
    line = [int(json.loads(body)["request_id"]), read_ns]
    LOG.append(line)
    await send({"type": "http.response.start", "status": 200, "headers": [(b"content-type", b"text/event-stream")]})
    await give(send, sse({"role": "assistant", "content": ""}))
    for number in range(CHUNKS):
        await asyncio.sleep(max(0, read_ns + TTFT_NS + number * GAP_NS - now_ns()) / 1e9)  # noqa: TID251 - as above
        line.append(now_ns())
        await give(send, sse({"content": " word"}))
    await give(send, sse({}, "length") + b"data: [DONE]\n\n")
    await send({"type": "http.response.body", "body": b"", "more_body": False})


async def give(send: Send, data: bytes) -> None:
    await send({"type": "http.response.body", "body": data, "more_body": True})
