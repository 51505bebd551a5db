"""The wire to an engine: one connection, one request at a time, its reply handed over as it comes.

Reading stops while what came is not taken, so that a slow client holds up the engine and fills no memory.
"""

import asyncio
from collections.abc import Callable

import httptools

from shortlist.errors import BrokenStream, ConnectionClosed, EndpointError, RequestTimeout

HIGH_WATER_BYTES = 256 * 1024
_HEAD_LIMIT_BYTES = 64 * 1024


class Connection(asyncio.Protocol):
    """One connection; made by `Upstreams`. `read` gives what arrived since, b"" once the reply is whole."""

    def __init__(self, loop: asyncio.AbstractEventLoop) -> None:
        self._loop = loop
        self.status = 0
        self.headers: dict[str, str] = {}
        self.has_reply_bytes = False
        self.is_closed = False
        self.can_be_reused = False
        self._transport: asyncio.Transport | None = None
        self._parser: httptools.HttpResponseParser | None = None
        self._waiter: asyncio.Future[None] | None = None
        self._pieces: list[bytes] = []
        self._pending_bytes = 0
        self._head_bytes = 0
        self._is_headed = self._is_whole = self._is_paused = False
        self._error: Exception | None = None
        self._sink: Callable[[bytes], None] | None = None
        self._reads = 0
        self._silence: asyncio.TimerHandle | None = None

    # --- what a relay calls -----------------------------------------------------------------------------------------

    def send(self, data: bytes, silence_limit_s: float) -> None:
        """Write a whole request; the reply of the one before must be over.

        A reply of which nothing comes for so long, while somebody takes it, fails with RequestTimeout.
        """
        assert self._transport is not None
        self._parser = httptools.HttpResponseParser(self)
        self.status, self.headers = 0, {}
        self.has_reply_bytes = self.can_be_reused = False
        self._is_headed = self._is_whole = False
        self._error = None
        self._head_bytes = self._pending_bytes = 0
        self._pieces.clear()
        self.flow()
        self._listen(silence_limit_s)
        self._transport.write(data)

    async def head(self) -> int:
        """Wait for status and headers. Raises ConnectionClosed, BrokenStream."""
        while not self._is_headed:
            await self._more()
        return self.status

    async def read(self) -> bytes:
        """What arrived of the body, waiting for at least a byte; b"" at its end."""
        while not self._pieces:
            if self._is_whole:
                return b""
            await self._more()
        data = self._taken()
        self.flow()
        return data

    async def push(self, sink: Callable[[bytes], None]) -> None:
        """Give the sink all that arrives from now on, in the turn of the loop in which it arrives, to the reply's end.

        What the sink raises ends the reply and comes out of here. `hold` and `flow` stop and start it.
        """
        self._sink = sink
        try:
            self._deliver()
            while not self._is_whole:
                await self._more()
        finally:
            self._sink = None
        if self._error is not None:
            raise self._error

    def hold(self) -> None:
        """Read no more from the engine for now."""
        if not self._is_paused and not self.is_closed and self._transport is not None:
            self._is_paused = True
            self._transport.pause_reading()

    def flow(self) -> None:
        """Read again."""
        if self._is_paused and not self.is_closed and self._transport is not None:
            self._is_paused = False
            self._transport.resume_reading()

    def abort(self) -> None:
        """Drop the connection now: an engine stops when its client is gone."""
        self.is_closed = True
        self._stop_listening()
        if self._transport is not None:
            self._transport.abort()

    def _listen(self, limit_s: float) -> None:
        self._silence = self._loop.call_later(limit_s, self._check_silence, self._reads, limit_s)

    def _check_silence(self, reads: int, limit_s: float) -> None:
        if reads == self._reads and not self._is_paused:
            self._fail(RequestTimeout(f"the engine said nothing for {limit_s:g} s"))
            self._wake()
        else:
            self._listen(limit_s)

    def _stop_listening(self) -> None:
        if self._silence is not None:
            self._silence.cancel()
            self._silence = None

    async def _more(self) -> None:
        if self._error is not None:
            raise self._error
        if self.is_closed:
            raise ConnectionClosed("the engine closed the connection before its reply was complete")
        self._waiter = self._loop.create_future()
        try:
            await self._waiter
        finally:
            self._waiter = None

    def _taken(self) -> bytes:
        data = self._pieces[0] if len(self._pieces) == 1 else b"".join(self._pieces)
        self._pieces.clear()
        self._pending_bytes = 0
        return data

    def _deliver(self) -> None:
        if self._pieces and self._sink is not None:
            try:
                self._sink(self._taken())
            except EndpointError as error:
                self._fail(error)

    def _wake(self) -> None:
        if self._waiter is not None and not self._waiter.done():
            self._waiter.set_result(None)

    # --- asyncio and httptools --------------------------------------------------------------------------------------

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        """asyncio: it is open."""
        assert isinstance(transport, asyncio.Transport) or hasattr(transport, "pause_reading")
        self._transport = transport  # type: ignore[assignment]  # uvloop's does not inherit asyncio's

    def data_received(self, data: bytes) -> None:
        """asyncio: bytes came."""
        if self._parser is None or self._is_whole:
            self.abort()  # nobody asked for these
            return
        self.has_reply_bytes = True
        self._reads += 1
        if not self._is_headed:
            self._head_bytes += len(data)
        try:
            self._parser.feed_data(data)
        except (httptools.HttpParserError, httptools.HttpParserUpgrade) as error:
            self._fail(BrokenStream(f"the engine does not answer in HTTP: {error}"))
        if not self._is_headed and self._head_bytes > _HEAD_LIMIT_BYTES:
            self._fail(BrokenStream(f"the engine's headers are over {_HEAD_LIMIT_BYTES} bytes"))
        if self._sink is not None:
            self._deliver()
            if not self._is_whole and self._error is None:
                return  # whoever awaits the end need not wake for this
        elif self._pending_bytes > HIGH_WATER_BYTES:
            self.hold()
        self._wake()

    def connection_lost(self, exc: Exception | None) -> None:
        """asyncio: it is closed, perhaps as the end of a reply that says no length."""
        self.is_closed = True
        self._stop_listening()
        if self._is_headed and not self._is_whole and exc is None and not self._is_delimited:
            self._is_whole = True
        self._wake()

    def on_header(self, name: bytes, value: bytes) -> None:
        """httptools: one header."""
        self.headers[name.decode("latin-1").lower()] = value.decode("latin-1")

    def on_headers_complete(self) -> None:
        """httptools: the head is whole."""
        assert self._parser is not None
        self.status = self._parser.get_status_code()
        self._is_headed = self.status >= 200

    def on_body(self, data: bytes) -> None:
        """httptools: a part of the body."""
        self._pieces.append(data)
        self._pending_bytes += len(data)

    def on_message_complete(self) -> None:
        """httptools: the reply is whole."""
        if not self._is_headed:
            return  # an interim reply
        assert self._parser is not None
        self._is_whole = True
        self._stop_listening()
        self.can_be_reused = bool(self._parser.should_keep_alive())

    @property
    def _is_delimited(self) -> bool:
        return "content-length" in self.headers or "chunked" in self.headers.get("transfer-encoding", "").lower()

    def _fail(self, error: Exception) -> None:
        self._error = self._error or error
        self.abort()
