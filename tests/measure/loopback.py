"""A real server on a loopback port that plays what a test writes into it, and pieces of replies to play."""

import asyncio
import contextlib
import json
from collections.abc import AsyncIterator, Awaitable, Callable, Sequence
from dataclasses import dataclass, field
from typing import Any

from shortlist.clock import SYSTEM, RunAxis
from shortlist.measure.drive import DriveSpec, drive
from shortlist.measure.recording import PlannedRequest
from shortlist.records import Endpoint, LoadShape, Sample


@dataclass
class Exchange:
    """One request as the server saw it; `number` counts requests and `connection` connections, from 0."""

    number: int
    connection: int
    head: str
    body: bytes
    writer: asyncio.StreamWriter
    is_closing: bool = False

    async def write(self, data: bytes) -> None:
        self.writer.write(data)
        await self.writer.drain()

    async def play(self, pieces: Sequence[bytes]) -> None:
        """Write each piece and let the loop turn, so that the client reads them one by one."""
        for piece in pieces:
            if piece:
                await self.write(piece)
                for _ in range(4):
                    await SYSTEM.sleep_ns(0)

    def close(self) -> None:
        self.is_closing = True


Script = Callable[[Exchange], Awaitable[None]]


@dataclass
class Loopback:
    script: Script
    port: int = 0
    requests: list[Exchange] = field(default_factory=list)
    connections: int = 0
    gone: int = 0
    writers: list[asyncio.StreamWriter] = field(default_factory=list)

    @property
    def base_url(self) -> str:
        return f"http://127.0.0.1:{self.port}/v1"

    async def handle(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        connection = self.connections
        self.connections += 1
        self.writers.append(writer)
        try:
            while True:
                head = (await reader.readuntil(b"\r\n\r\n")).decode("latin-1")
                length = next((int(h[15:]) for h in head.split("\r\n") if h.lower().startswith("content-length:")), 0)
                exchange = Exchange(len(self.requests), connection, head, await reader.readexactly(length), writer)
                self.requests.append(exchange)
                await self.script(exchange)
                if exchange.is_closing:
                    break
        except (asyncio.IncompleteReadError, ConnectionError):
            self.gone += 1
        finally:
            writer.close()


@contextlib.asynccontextmanager
async def loopback(script: Script, **options: Any) -> AsyncIterator[Loopback]:
    state = Loopback(script)
    server = await asyncio.start_server(state.handle, "127.0.0.1", 0, backlog=512, **options)
    state.port = server.sockets[0].getsockname()[1]
    try:
        yield state
    finally:
        server.close()
        for writer in state.writers:
            writer.transport.abort()
        await SYSTEM.sleep_ns(1_000_000)


def event(delta: dict[str, Any], finish: str | None = None, **more: Any) -> bytes:
    """One event of a stream, as OpenAI writes it."""
    return sse({"choices": [{"index": 0, "delta": delta, "finish_reason": finish}], **more})


def sse(value: object) -> bytes:
    return b"data: " + json.dumps(value, ensure_ascii=False).encode() + b"\n\n"


DONE = b"data: [DONE]\n\n"
ROLE = event({"role": "assistant", "content": None})
STOP = event({}, "stop")
USAGE = sse({"choices": [], "usage": {"prompt_tokens": 7, "completion_tokens": 3}})
HEAD = b"HTTP/1.1 200 OK\r\nContent-Type: text/event-stream\r\nTransfer-Encoding: chunked\r\n\r\n"
SIMPLE = (ROLE, event({"content": "Déjà "}), event({"content": "vu "}), event({"content": "🙂"}), STOP, USAGE, DONE)


def chunked(*pieces: bytes) -> bytes:
    return b"".join(b"%x\r\n%b\r\n" % (len(p), p) for p in pieces) + b"0\r\n\r\n"


def whole(body: bytes, status: str = "200 OK", *headers: str) -> bytes:
    lines = [f"HTTP/1.1 {status}", f"Content-Length: {len(body)}", *headers, "", ""]
    return "\r\n".join(lines).encode() + body


def planned(count: int = 1, **changes: Any) -> list[PlannedRequest]:
    return [PlannedRequest(f"cell-{n}", "p", b'{"n": %d}' % n, **changes) for n in range(count)]


def endpoint(base_url: str) -> Endpoint:
    return Endpoint(base_url, "m", None, "test", None, None)


def spec(concurrency: int = 1, **changes: Any) -> DriveSpec:
    fields: dict[str, Any] = {
        "load": LoadShape("closed", concurrency),
        "timeout_ns": 20 * 10**9,
        "clock": SYSTEM,
        "axis": RunAxis(0),
        "block": "block",
        "executor": "executor",
    }
    return DriveSpec(**(fields | changes))


async def run(base_url: str, requests: Sequence[PlannedRequest], how: DriveSpec | None = None) -> list[Sample]:
    """Drive and give the samples in the order in which they were finished."""
    samples: list[Sample] = []
    await drive(endpoint(base_url), {}, requests, how or spec(), samples.append)
    return samples


async def ask(script: Script, how: DriveSpec | None = None, **changes: Any) -> Sample:
    """One request against a scripted server."""
    async with loopback(script) as server:
        (sample,) = await run(server.base_url, planned(1, **changes), how)
        return sample


def replay(data: bytes, *, closes: bool = False) -> Script:
    async def script(exchange: Exchange) -> None:
        await exchange.write(data)
        if closes:
            exchange.close()

    return script
