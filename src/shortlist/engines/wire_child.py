"""The OpenAI wire for children of ours: whoever yields pieces of text is served as an endpoint, behind a key.

    class Parrot:
        wire = Wire("parrot", context=512, accepts=frozenset({"temperature", "seed"}))

        def pieces(self, asked, cancel):            # a generator, or an async one
            yield Piece(prompt_tokens=3)            # first, so that the client sees the reply begin
            for word in asked.messages[-1].content.split():
                yield Piece(word + " ", tokens=1)

    serve(Parrot(), key, lambda url: report(url, device="cpu", version="1"))    # returns after SIGTERM

What a generator raises before its first piece is the reply's status, later an event of its stream; the server goes on.
A client that closes its connection is noticed at once, and its generator told. How generators are driven stands in
`wire_generation`, what may be asked in `wire_request`.
"""

import asyncio
import hmac
import signal
import sys
from collections import deque
from collections.abc import Callable
from dataclasses import dataclass, field

from shortlist.engines.child_http import MAX_REQUEST_BYTES, Connection, Listener, Request, new_loop
from shortlist.engines.wire_generation import Generation, Generator, Workers
from shortlist.engines.wire_reply import Reply, error_response, json_response, text_response
from shortlist.engines.wire_request import Refusal, read_request

_NOT_OURS = ("/v1/completions", "/v1/embeddings", "/v1/responses")
_MOST_UNSENT_BYTES = 1 << 23
GENERATED_TOTAL = "shortlist:tokens_generated_total"
"""Prometheus's name, at /metrics, for the tokens generated so far, whoever got them."""


def serve(generator: Generator, key: str, report: Callable[[str], object]) -> None:
    """Serve on a loopback port until SIGTERM; `report` is called with the URL once requests are taken.

    Answers under way are cancelled at the end, not waited for. Call it on the main thread.
    """
    loop = new_loop()
    server = Server(loop, generator, key)
    if sys.platform != "win32":
        loop.add_signal_handler(signal.SIGTERM, loop.stop)
    # From inside the loop: a SIGTERM that came between the report and the loop's start would be lost.
    loop.call_soon(report, server.start())
    loop.run_forever()
    server.stop()


@dataclass(slots=True)
class _Client:
    """One connection's replies, one after the other."""

    reply: Reply | None = None
    waiting: deque[Request] = field(default_factory=deque)


class Server:
    """Takes requests, hands generations to the workers and writes what they say."""

    def __init__(self, loop: asyncio.AbstractEventLoop, generator: Generator, key: str) -> None:
        self._loop = loop
        self._wire = generator.wire
        self._authorization = f"Bearer {key}".encode()
        self._workers = Workers(generator)
        self._clients: dict[Connection, _Client] = {}
        self._listener = Listener(loop, self)

    def start(self) -> str:
        """Take connections; the URL."""
        self._listener.accept_from_now()
        return f"http://127.0.0.1:{self._listener.port}"

    def stop(self) -> None:
        """Close everything; whoever generates is told."""
        self._listener.refuse()
        for client in tuple(self._clients):
            client.close()

    def answer(self, client: Connection, request: Request) -> None:
        """Reply, after the replies before it."""
        self._clients.setdefault(client, _Client()).waiting.append(request)
        self._go_on(client)

    def refuse_large(self, client: Connection) -> None:
        """Say how much is read."""
        message = f"a request of more than {MAX_REQUEST_BYTES} bytes is not read"
        client.send(error_response(Refusal(413, "request_too_large", message)))

    def left(self, client: Connection) -> None:
        """Tell whoever generates for it."""
        gone = self._clients.pop(client, None)
        if gone is not None and gone.reply is not None:
            gone.reply.generation.cancel.set()

    def _go_on(self, client: Connection) -> None:
        state = self._clients.get(client)
        while state is not None and state.reply is None and state.waiting and client.is_open:
            request = state.waiting.popleft()
            try:
                reply = self._respond(client, request)
            except Refusal as refusal:
                reply = error_response(refusal)
            if isinstance(reply, Reply):
                state.reply = reply
                self._workers.put(reply.generation)
            else:
                self._end(client, reply)

    def _respond(self, client: Connection, request: Request) -> bytes | Reply:
        """The reply, or what will become one. Raises Refusal."""
        path = request.target.partition("?")[0]
        if path == "/health":
            return json_response(200, {"status": "ok"})
        given = request.headers.get("authorization", "").encode("latin-1")
        if not hmac.compare_digest(given, self._authorization):
            raise Refusal(401, "invalid_api_key", "this server answers only to whoever started it")
        if path in _NOT_OURS:
            raise Refusal(501, "not_supported", f"{path}: this model answers /v1/chat/completions only")
        expected = {"/metrics": "GET", "/v1/models": "GET", "/v1/chat/completions": "POST"}.get(path)
        if expected is None:
            raise Refusal(404, "not_found", f"there is nothing at {path[:200]}")
        if request.method != expected:
            raise Refusal(405, "method_not_allowed", f"{path} takes {expected}, not {request.method}")
        if path == "/metrics":
            return text_response(f"{GENERATED_TOTAL} {self._workers.generated}\n")
        if path == "/v1/models":
            return json_response(200, {"object": "list", "data": [self._model()]})
        asked = read_request(request.body, self._wire.accepts)
        generation = Generation(asked, lambda: self._loop.call_soon_threadsafe(self._write, client))
        return Reply(generation, self._wire.model)

    def _model(self) -> dict[str, object]:
        wire = self._wire
        model: dict[str, object] = {"id": wire.model, "object": "model", "created": 0, "owned_by": "shortlist"}
        return model | {"context_length": wire.context, "capabilities": wire.capabilities}

    def _write(self, client: Connection) -> None:
        """Send what was said to this client meanwhile."""
        state = self._clients.get(client)
        if state is None or state.reply is None:
            return
        reply = state.reply
        data = reply.write()
        if reply.is_over:
            state.reply = None
            self._end(client, data)
            self._go_on(client)
        elif data:
            client.send(data)
            if len(client.unsent) > _MOST_UNSENT_BYTES:
                client.close()  # it does not read: nobody wants the answer

    def _end(self, client: Connection, data: bytes) -> None:
        client.send(data)
        if not client.keeps_alive:
            client.close_when_sent()
