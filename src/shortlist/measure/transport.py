"""One request, told to a recorder as it happens; connections are kept between the requests of a block.

Redirects are not followed and cookies are not kept. Errors are `EndpointError`s; a timeout is the caller's business.
"""

import asyncio
import contextlib
import ssl
from typing import NamedTuple, Protocol

from shortlist.errors import ConnectFailed
from shortlist.measure.link import Address, Link, StampBasis, connect_socket, connect_tls, resolve
from shortlist.measure.reading import NowNs, SocketReader
from shortlist.measure.wire import DEFAULT_LIMITS, HttpRequest, Limits, ResponseReader, Target, write_request

_PROVEN_NS = 20_000_000


class Recorder(Protocol):
    """What a request tells, in this order; the head, the body and its end may come on another thread."""

    def connected(self, *, is_reused: bool, is_resent: bool) -> None:
        """A connection is there. `is_resent`: a kept one turned out closed, and the request goes out a second time."""
        ...

    def sent(self, ns: int) -> None:
        """The first byte is about to be written."""
        ...

    def headed(self, ns: int, status: int, headers: dict[str, str]) -> None:
        """The head of the reply; header names in lower case."""
        ...

    def arrived(self, data: bytes, ns: int, lag_ns: int | None) -> None:
        """Body bytes of one read, without chunk framing. `lag_ns` None: unknown."""
        ...

    def ended(self, ns: int) -> None:
        """The reply is complete."""
        ...

    def clock_stepped(self) -> None:
        """The wall clock was set meanwhile, so that the kernel's stamps may be off; told last."""
        ...


class Transport(Protocol):
    """What `drive` needs of the network."""

    stamp_basis: StampBasis

    @property
    def is_reading(self) -> bool:
        """Bytes are being read at this moment: work that can wait had better wait."""
        ...

    async def request(self, request: HttpRequest, recorder: Recorder) -> None:
        """Carry one request to its end; cancelling it drops the request, and then nothing more is told."""
        ...

    async def prepare(self, connections: int) -> None:
        """Have this many connections open, so that opening them is not measured; one that fails is not told here."""
        ...

    def close(self) -> None:
        """Drop every kept connection."""
        ...


class _Exchange:
    """One request on one link: from the bytes of the wire to what the recorder is told."""

    def __init__(self, link: Link, reader: ResponseReader, recorder: Recorder, *, may_be_lost: bool) -> None:
        self.is_lost = False
        self._link = link
        self._reader = reader
        self._recorder = recorder
        self._may_be_lost = may_be_lost
        self._is_headed = False
        self.sent = recorder.sent

    @property
    def is_reusable(self) -> bool:
        """The link may carry another request."""
        return self._reader.is_reusable

    def feed(self, data: bytes, ns: int, lag_ns: int | None) -> bool:
        """Bytes of the reply, or none for the peer's close; True once it is complete, or lost."""
        reader = self._reader
        if data:
            self._may_be_lost = False
            body = reader.feed(data)
        elif self._may_be_lost:
            self.is_lost = True
            return True
        else:
            body = reader.end(self._link.close_reason)
        if not self._is_headed and reader.is_headed:
            self._is_headed = True
            self._recorder.headed(ns, reader.status, reader.headers)
        if body:
            self._recorder.arrived(body, ns, lag_ns)
        if reader.is_complete:
            self._recorder.ended(ns)
        return reader.is_complete


class _Idle(NamedTuple):
    link: Link
    since_ns: int


class HttpTransport:
    """HTTP/1.1 to one target on the running loop, plaintext or TLS; owns its connections and the thread that reads.

    A connection is used again once one of them was seen to stay open for 20 ms after a reply. llama.cpp's server
    promises `Keep-Alive` and closes 0.1 ms after each streamed reply: a request sent in between would be lost, and
    sending it again would stand in its TTFT.

    `stamp_basis` says where the stamps of the connection opened last are taken. `now_ns` gives the user-space ones.
    """

    def __init__(
        self, target: Target, now_ns: NowNs, *, limits: Limits = DEFAULT_LIMITS, tls: ssl.SSLContext | None = None
    ) -> None:
        self._target = target
        self._now_ns = now_ns
        self._limits = limits
        self._tls = (tls or ssl.create_default_context()) if target.is_tls else None
        self._reader: SocketReader | None = None
        self._fresh: list[_Idle] = []
        self._carried: list[_Idle] = []
        self._keeps_alive: bool | None = None
        self._addresses: list[Address] = []
        self._resolving = asyncio.Lock()
        self.stamp_basis: StampBasis = "stream read (TLS)" if target.is_tls else "socket read"

    @property
    def is_reading(self) -> bool:
        """Bytes are being read at this moment."""
        return self._reader is not None and self._reader.is_reading

    async def request(self, request: HttpRequest, recorder: Recorder) -> None:
        """Send one request and tell what comes back.

        A kept connection that turns out closed before any byte of the reply is replaced once, by a fresh one, where
        the request may be sent twice. Raises ConnectFailed, ConnectionClosed, BrokenStream.
        """
        wire = write_request(self._target, request)
        link, is_reused = self._take_idle()
        is_resent, is_kept = False, False
        try:
            while True:
                link = link or await self._open()
                recorder.connected(is_reused=is_reused, is_resent=is_resent)
                reader = ResponseReader(self._limits)
                exchange = _Exchange(link, reader, recorder, may_be_lost=is_reused and request.is_resendable)
                steps = link.clock_steps
                try:
                    await link.carry(wire, exchange)
                finally:
                    if link.clock_steps != steps:
                        recorder.clock_stepped()
                if not exchange.is_lost:
                    is_kept = exchange.is_reusable
                    return
                link.close()
                link, is_reused, is_resent = None, False, True
                self._keeps_alive = False
                self._close_all(self._carried)
        finally:
            if link is not None:
                self._give_back(link, is_kept=is_kept)

    async def prepare(self, connections: int) -> None:
        """Open connections until this many are fresh. The first that fails ends it: the request itself will tell."""
        with contextlib.suppress(ConnectFailed):
            while sum(idle.link.is_usable_idle for idle in self._fresh) < connections:
                self._fresh.append(_Idle(await self._open(), self._now_ns()))

    def close(self) -> None:
        """Drop every kept connection."""
        self._close_all(self._fresh)
        self._close_all(self._carried)
        if self._reader is not None:
            self._reader.close()
            self._reader = None

    def _close_all(self, kept: list[_Idle]) -> None:
        for idle in kept:
            idle.link.close()
        kept.clear()

    def _take_idle(self) -> tuple[Link | None, bool]:
        if self._keeps_alive is None:
            self._keeps_alive = self._was_kept_open() or None
        # Fresh connections and those that carried something stand apart, the newest last: it is the surest.
        for idle in (self._carried if self._keeps_alive else None, self._fresh):
            while idle:
                link = idle.pop().link
                if link.is_usable_idle:
                    return link, idle is self._carried
                link.close()
        return None, False

    def _was_kept_open(self) -> bool:
        proven_ns = self._now_ns() - _PROVEN_NS
        return any(idle.since_ns <= proven_ns and idle.link.is_usable_idle for idle in self._carried)

    def _give_back(self, link: Link, *, is_kept: bool) -> None:
        if is_kept and link.is_usable_idle and self._keeps_alive is not False:
            self._carried.append(_Idle(link, self._now_ns()))
        else:
            link.close()

    async def _open(self) -> Link:
        if self._tls is not None:
            return await connect_tls(self._target.host, self._target.port, self._tls, self._now_ns)
        async with self._resolving:
            if not self._addresses:
                self._addresses = await resolve(self._target.host, self._target.port)
        if self._reader is None:
            self._reader = SocketReader(self._now_ns)
        link = await connect_socket(self._addresses, self._reader, self._now_ns)
        self.stamp_basis = link.stamp_basis
        return link
