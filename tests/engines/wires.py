"""Generators behind the wire of our children, served in this process over real sockets."""

import asyncio
import http.client
import json
import threading
from collections.abc import AsyncIterator, Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import Any

from shortlist.engines.wire_child import Server
from shortlist.engines.wire_generation import Cancel, Generator, Piece, Wire
from shortlist.engines.wire_request import Asked

KEY = "a key"

Make = Callable[[Asked, Cancel], Iterator[Piece] | AsyncIterator[Piece]]


@dataclass
class Scripted:
    """Generates what a test says."""

    make: Make
    wire: Wire = field(default_factory=lambda: Wire("scripted", context=64))

    def pieces(self, asked: Asked, cancel: Cancel) -> Iterator[Piece] | AsyncIterator[Piece]:
        return self.make(asked, cancel)


@dataclass(frozen=True)
class Answer:
    """A reply as a client sees it."""

    status: int
    body: bytes

    @property
    def events(self) -> list[Any]:
        parts = [part.removeprefix("data: ") for part in self.body.decode().split("\n\n") if part]
        return [json.loads(part) for part in parts if part != "[DONE]"]

    @property
    def json(self) -> Any:
        return json.loads(self.body)

    @property
    def texts(self) -> list[str]:
        deltas = [event["choices"][0]["delta"] for event in self.events if event.get("choices")]
        return [delta["content"] for delta in deltas if delta.get("content")]

    @property
    def finish(self) -> str | None:
        reasons = [event["choices"][0]["finish_reason"] for event in self.events if event.get("choices")]
        return reasons[-1] if reasons else None

    @property
    def usage(self) -> Any:
        return next((event["usage"] for event in self.events if "usage" in event), None)

    @property
    def error(self) -> Any:
        return self.json["error"]


@dataclass(frozen=True)
class Served:
    port: int

    def get(self, path: str, key: str = KEY, method: str = "GET") -> Answer:
        return self._send(method, path, None, key)

    def ask(self, prompt: str = "hi", **keys: Any) -> Answer:
        """A streamed completion, unless `stream=False`."""
        return self.post(self.body(prompt, **keys))

    def post(self, body: bytes, path: str = "/v1/chat/completions") -> Answer:
        return self._send("POST", path, body, KEY)

    def body(self, prompt: str = "hi", **keys: Any) -> bytes:
        body = {"model": "m", "messages": [{"role": "user", "content": prompt}], "stream": True} | keys
        body |= {"stream_options": {"include_usage": True}} if body["stream"] else {}
        return json.dumps(body).encode()

    def raw(self, **keys: Any) -> bytes:
        """A whole request, to be written to a socket."""
        data = self.body(**keys)
        head = f"POST /v1/chat/completions HTTP/1.1\r\nHost: x\r\nAuthorization: Bearer {KEY}\r\n"
        return f"{head}Content-Length: {len(data)}\r\n\r\n".encode() + data

    def _send(self, method: str, path: str, body: bytes | None, key: str) -> Answer:
        connection = http.client.HTTPConnection("127.0.0.1", self.port, timeout=30)
        try:
            connection.request(method, path, body, {"Authorization": f"Bearer {key}"})
            reply = connection.getresponse()
            return Answer(reply.status, reply.read())
        finally:
            connection.close()


def endless(asked: Asked, cancel: Cancel) -> Iterator[Piece]:
    yield Piece(prompt_tokens=1)
    while True:
        yield Piece("na ", tokens=1)


@contextmanager
def served(generator: Generator) -> Iterator[Served]:
    """A server in a thread of its own, as a child has it."""
    loop = asyncio.new_event_loop()
    server = Server(loop, generator, KEY)
    url = server.start()
    thread = threading.Thread(target=loop.run_forever)
    thread.start()
    try:
        yield Served(int(url.rpartition(":")[2]))
    finally:
        loop.call_soon_threadsafe(server.stop)
        loop.call_soon_threadsafe(loop.stop)
        thread.join()
        loop.close()


@contextmanager
def scripted(make: Make, **wire: Any) -> Iterator[Served]:
    with served(Scripted(make, Wire("scripted", **({"context": 64} | wire)))) as server:
        yield server
