"""One request as a sequence of stamped events; connections are kept between the requests of a block.

Redirects are not followed and cookies are not kept. Errors are `EndpointError`s; a timeout is the caller's business.
"""

import asyncio
import contextlib
import ssl
from collections.abc import AsyncGenerator
from typing import NamedTuple, Protocol

from shortlist.errors import ConnectFailed
from shortlist.measure.link import Address, Link, NowNs, StampBasis, connect_socket, connect_tls, resolve
from shortlist.measure.wire import DEFAULT_LIMITS, HttpRequest, Limits, ResponseReader, Target, write_request


class Connected(NamedTuple):
    """A connection is there. `is_resent`: a kept one turned out closed, and the request goes out a second time."""

    ns: int
    is_reused: bool
    is_resent: bool = False


class Sent(NamedTuple):
    """The request was written; the stamp is that of its first byte."""

    ns: int


class Headers(NamedTuple):
    """The head of the reply; header names in lower case."""

    ns: int
    status: int
    headers: dict[str, str]


class Data(NamedTuple):
    """Body bytes of one read, without chunk framing. `lag_ns` None: unknown."""

    ns: int
    data: bytes
    lag_ns: int | None


class End(NamedTuple):
    """The reply is complete."""

    ns: int


_PROVEN_NS = 20_000_000

Event = Connected | Sent | Headers | Data | End


class Transport(Protocol):
    """What `drive` needs of the network."""

    def request(self, request: HttpRequest) -> AsyncGenerator[Event, None]:
        """Connected, Sent, Headers, Data …, End, each stamped on arrival; closing the generator drops the request."""
        ...

    async def prepare(self, connections: int) -> None:
        """Have this many connections open, so that opening them is not measured; one that fails is not told here."""
        ...

    def close(self) -> None:
        """Drop every kept connection."""
        ...


class _Idle(NamedTuple):
    link: Link
    since_ns: int
    has_carried: bool


class HttpTransport:
    """HTTP/1.1 to one target on the running loop, plaintext or TLS; owns its connections.

    A connection is used again once one of them was seen to stay open for 20 ms after a reply. llama.cpp's server
    promises `Keep-Alive` and closes 0.1 ms after each streamed reply: a request sent in between would be lost, and
    sending it again would stand in its TTFT.

    `stamp_basis` says where the stamps are taken. `now_ns` gives them.
    """

    def __init__(
        self, target: Target, now_ns: NowNs, *, limits: Limits = DEFAULT_LIMITS, tls: ssl.SSLContext | None = None
    ) -> None:
        self._target = target
        self._now_ns = now_ns
        self._limits = limits
        self._tls = (tls or ssl.create_default_context()) if target.is_tls else None
        self._idle: list[_Idle] = []
        self._keeps_alive: bool | None = None
        self._addresses: list[Address] = []
        self._resolving = asyncio.Lock()
        self.stamp_basis: StampBasis = "stream read (TLS)" if target.is_tls else "socket read"

    async def request(self, request: HttpRequest) -> AsyncGenerator[Event, None]:
        """Send one request and give its events.

        A kept connection that turns out closed before any byte of the reply is replaced once, by a fresh one, where
        the request may be sent twice. Raises ConnectFailed, ConnectionClosed, BrokenStream.
        """
        wire = write_request(self._target, request)
        reader = ResponseReader(self._limits)
        link, is_reused = self._take_idle()
        is_resent = False
        try:
            while True:
                link = link or await self._open()
                yield Connected(self._now_ns(), is_reused, is_resent)
                yield Sent(await link.send(wire))
                arrival = await link.receive()
                if arrival.data or not is_reused or not request.is_resendable:
                    break
                link.close()
                link, is_reused, is_resent = None, False, True
                self._keeps_alive = False
            is_headed = False
            while True:
                body = reader.feed(arrival.data) if arrival.data else reader.end(link.close_reason)
                if reader.is_headed and not is_headed:
                    is_headed = True
                    yield Headers(arrival.ns, reader.status, reader.headers)
                if body:
                    yield Data(arrival.ns, body, arrival.lag_ns)
                if reader.is_complete:
                    yield End(arrival.ns)
                    return
                arrival = await link.receive()
        finally:
            if link is not None:
                self._give_back(link, is_kept=reader.is_reusable)

    async def prepare(self, connections: int) -> None:
        """Open connections until this many are fresh. The first that fails ends it: the request itself will tell."""
        with contextlib.suppress(ConnectFailed):
            while sum(not idle.has_carried for idle in self._idle) < connections:
                self._idle.append(_Idle(await self._open(), self._now_ns(), has_carried=False))

    def close(self) -> None:
        """Drop every kept connection."""
        for idle in self._idle:
            idle.link.close()
        self._idle.clear()

    def _take_idle(self) -> tuple[Link | None, bool]:
        for idle in self._idle:
            if not idle.link.is_usable_idle:
                idle.link.close()
        self._idle = [idle for idle in self._idle if idle.link.is_usable_idle]
        if self._keeps_alive is None:
            proven_ns = self._now_ns() - _PROVEN_NS
            self._keeps_alive = any(idle.has_carried and idle.since_ns <= proven_ns for idle in self._idle) or None
        for place in reversed(range(len(self._idle))):
            if self._keeps_alive or not self._idle[place].has_carried:
                idle = self._idle.pop(place)
                return idle.link, idle.has_carried
        return None, False

    def _give_back(self, link: Link, *, is_kept: bool) -> None:
        if is_kept and link.is_usable_idle and self._keeps_alive is not False:
            self._idle.append(_Idle(link, self._now_ns(), has_carried=True))
        else:
            link.close()

    async def _open(self) -> Link:
        if self._tls is not None:
            return await connect_tls(self._target.host, self._target.port, self._tls, self._now_ns)
        async with self._resolving:
            if not self._addresses:
                self._addresses = await resolve(self._target.host, self._target.port)
        return await connect_socket(self._addresses, self._now_ns)
