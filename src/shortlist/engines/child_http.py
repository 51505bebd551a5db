"""HTTP on a bare loopback socket, for the children that serve: requests in, bytes out, and word of a client that left.

A handler answers whole requests with bytes of its own making. A transport would queue them behind the other streams of
the same turn of the loop; here each write is one `send` at once, and what the socket does not take follows when it can.
"""

import asyncio
import socket
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Protocol

import httptools

from shortlist.clock import monotonic_ns

MAX_REQUEST_BYTES = 1 << 24
"""Head and body of one request together."""

_MOST_READ_BYTES = 1 << 28
_BACKLOG = 1024
_READ_BYTES = 1 << 18


@dataclass(frozen=True, slots=True)
class Request:
    """One request, whole. Header names are in lower case; `arrived_ns` is the stamp of the read that completed it."""

    method: str
    target: str
    headers: Mapping[str, str]
    body: bytes
    arrived_ns: int


class Handler(Protocol):
    """What a server does with its clients."""

    def answer(self, client: "Connection", request: Request) -> None:
        """A request is whole."""
        ...

    def refuse_large(self, client: "Connection") -> None:
        """A request is larger than `MAX_REQUEST_BYTES`: the last thing that this client is told."""
        ...

    def left(self, client: "Connection") -> None:
        """A client went, or was closed."""
        ...


def new_loop() -> asyncio.AbstractEventLoop:
    """Uvloop's where there is one."""
    try:
        import uvloop
    except ImportError:
        return asyncio.new_event_loop()
    return uvloop.new_event_loop()


class Connection:
    """One client: its requests are parsed as they come."""

    def __init__(self, handler: Handler, loop: asyncio.AbstractEventLoop, sock: socket.socket) -> None:
        self.is_open = True
        self.keeps_alive = True
        self.unsent = bytearray()
        self._handler = handler
        self._loop = loop
        self._sock = sock
        self._closes = False
        self._parser = httptools.HttpRequestParser(self)
        self._body = bytearray()
        self._url = b""
        self._headers: dict[str, str] = {}
        self._requests: list[Request] = []
        self._seen_ns = 0
        self._held_bytes = 0
        self._is_refused = False
        loop.add_reader(sock, self._on_readable)

    def send(self, data: bytes) -> None:
        """Write now; what the socket does not take follows when it can."""
        if not self.is_open:
            return
        try:
            taken = 0 if self.unsent else self._sock.send(data)
        except BlockingIOError:
            taken = 0
        except OSError:
            self.close()
            return
        if taken < len(data):
            self.unsent += data[taken:]
            self._loop.add_writer(self._sock, self._on_writable)

    def close(self) -> None:
        """End the connection and tell the handler; may be called again."""
        if self.is_open:
            self.is_open = False
            self._loop.remove_reader(self._sock)
            self._loop.remove_writer(self._sock)
            self._sock.close()
            self._handler.left(self)

    def close_when_sent(self) -> None:
        """End the connection once all that was sent is written."""
        self._closes = True
        if self.is_open and not self.unsent:
            self.close()

    def _on_readable(self) -> None:
        """Bytes came, or the peer went."""
        self._seen_ns = monotonic_ns()
        try:
            data = self._sock.recv(_READ_BYTES)
            self._held_bytes += len(data)
            if self._held_bytes <= MAX_REQUEST_BYTES:
                self._parser.feed_data(data)
        except BlockingIOError:
            return
        except (OSError, httptools.HttpParserError):
            data = b""
        if not data or self._held_bytes > _MOST_READ_BYTES:
            self.close()
        elif self._held_bytes > MAX_REQUEST_BYTES and not self._is_refused:
            self._is_refused = True  # it is read on and thrown away: closed at once, it would not see why
            self._body.clear()
            self._handler.refuse_large(self)
        while self._requests and self.is_open:  # outside the parser, which would swallow what goes wrong here
            self._handler.answer(self, self._requests.pop(0))

    def _on_writable(self) -> None:
        try:
            del self.unsent[: self._sock.send(self.unsent)]
        except BlockingIOError:
            return
        except OSError:
            self.close()
            return
        if not self.unsent:
            self._loop.remove_writer(self._sock)
            if self._closes:
                self.close()

    def on_url(self, url: bytes) -> None:
        """httptools: the target, perhaps in parts."""
        self._url += url

    def on_header(self, name: bytes, value: bytes) -> None:
        """httptools: one header."""
        self._headers[name.decode("latin-1").lower()] = value.decode("latin-1")

    def on_body(self, data: bytes) -> None:
        """httptools: a part of the body."""
        self._body += data

    def on_message_complete(self) -> None:
        """httptools: the request is whole."""
        self.keeps_alive = bool(self._parser.should_keep_alive())
        method = self._parser.get_method().decode("latin-1")
        target = self._url.decode("latin-1")
        self._requests.append(Request(method, target, self._headers, bytes(self._body), self._seen_ns))
        self._url, self._headers = b"", {}
        self._held_bytes = 0
        self._body.clear()


class Listener:
    """A loopback port whose clients are the handler's."""

    def __init__(self, loop: asyncio.AbstractEventLoop, handler: Handler) -> None:
        self._loop = loop
        self._handler = handler
        self._socket = socket.create_server(("127.0.0.1", 0), backlog=_BACKLOG)
        self._socket.setblocking(False)
        self.port: int = self._socket.getsockname()[1]

    def accept_from_now(self) -> None:
        """Begin to serve."""
        self._loop.add_reader(self._socket, self._on_connect)

    def refuse(self) -> None:
        """Give the port back: whoever connects is refused."""
        self._loop.remove_reader(self._socket)
        self._socket.close()

    def _on_connect(self) -> None:
        while True:
            try:
                sock, _ = self._socket.accept()
            except BlockingIOError:
                return
            sock.setblocking(False)
            sock.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
            Connection(self._handler, self._loop, sock)
