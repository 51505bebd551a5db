"""One connection to a peer, and the single place where bytes and their stamp come in.

Plaintext is a non-blocking socket of our own, read in an `add_reader` callback: the stamp is taken there, before any
task runs, and `recvmsg` with kernel stamps fits in the same place. TLS goes through asyncio's streams, so its stamp is
taken when our task gets to run, which is later; the link says which it is.
"""

import asyncio
import contextlib
import os
import socket
import ssl
from collections import deque
from collections.abc import Callable
from typing import Any, Literal, NamedTuple, Protocol

from shortlist.errors import ConnectFailed

READ_BYTES = 64 * 1024
StampBasis = Literal["socket read", "stream read (TLS)"]
NowNs = Callable[[], int]
Address = tuple[socket.AddressFamily, tuple[Any, ...]]


# Tuples here and in transport: one is made per read inside the timed loop.
class Arrival(NamedTuple):
    """Bytes as they were read; none at all means that the peer closed. `lag_ns` None: unknown."""

    data: bytes
    ns: int
    lag_ns: int | None = None


class Link(Protocol):
    """A connection that carries one request after another."""

    stamp_basis: StampBasis

    @property
    def is_usable_idle(self) -> bool:
        """Still open, and nothing arrived that nobody asked for."""
        ...

    @property
    def close_reason(self) -> str:
        """What the system said when the peer went, to be put behind a sentence; empty for a clean close."""
        ...

    async def send(self, data: bytes) -> int:
        """Write everything; returns the stamp of the first byte. A failure is told by what `receive` then finds."""
        ...

    async def receive(self) -> Arrival:
        """The next bytes, in order; an empty arrival for ever once the peer closed."""
        ...

    def close(self) -> None:
        """Drop the connection now."""
        ...


class SocketLink:
    """Plaintext over a non-blocking socket; made and used on one event loop."""

    stamp_basis: StampBasis = "socket read"

    def __init__(self, sock: socket.socket, now_ns: NowNs) -> None:
        self._sock = sock
        self._now_ns = now_ns
        self._loop = asyncio.get_running_loop()
        self._arrivals: deque[Arrival] = deque()
        self._waiter: asyncio.Future[None] | None = None
        self._is_ended = False
        self._is_reading = True
        self.close_reason = ""
        self._loop.add_reader(sock.fileno(), self._on_readable)

    @property
    def is_usable_idle(self) -> bool:
        """Still open, and nothing arrived that nobody asked for."""
        return not self._is_ended and not self._arrivals

    async def send(self, data: bytes) -> int:
        """Write everything; returns the stamp just before the first byte went to the kernel."""
        view, first_ns = memoryview(data), self._now_ns()
        try:
            written = self._sock.send(view)
        except (BlockingIOError, InterruptedError):
            written = 0
        except OSError as error:
            self._note(error)
            return first_ns
        if written < len(data):
            try:
                await self._loop.sock_sendall(self._sock, view[written:])
            except OSError as error:
                self._note(error)
        return first_ns

    async def receive(self) -> Arrival:
        """The next bytes, in order; an empty arrival for ever once the peer closed."""
        while not self._arrivals:
            if self._is_ended:
                return Arrival(b"", self._now_ns())
            self._waiter = self._loop.create_future()
            try:
                await self._waiter
            finally:
                self._waiter = None
        return self._arrivals.popleft()

    def close(self) -> None:
        """Drop the connection now."""
        self._stop_reading()
        self._is_ended = True
        self._sock.close()

    def _read(self) -> Arrival:
        # The one place where bytes and their stamp come in.
        data = self._sock.recv(READ_BYTES)
        return Arrival(data, self._now_ns())

    def _on_readable(self) -> None:
        try:
            arrival = self._read()
        except (BlockingIOError, InterruptedError):
            return
        except OSError as error:
            self._note(error)
            arrival = Arrival(b"", self._now_ns())
        if not arrival.data:
            self._is_ended = True
            self._stop_reading()
        self._arrivals.append(arrival)
        if self._waiter is not None and not self._waiter.done():
            self._waiter.set_result(None)

    def _note(self, error: OSError) -> None:
        self.close_reason = self.close_reason or f" ({_reason(error)})"

    def _stop_reading(self) -> None:
        if self._is_reading:
            self._is_reading = False
            self._loop.remove_reader(self._sock.fileno())


class TlsLink:
    """TLS over asyncio's streams: stamps are taken in the task, after decryption."""

    stamp_basis: StampBasis = "stream read (TLS)"

    def __init__(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter, now_ns: NowNs) -> None:
        self._reader = reader
        self._writer = writer
        self._now_ns = now_ns
        self.close_reason = ""

    @property
    def is_usable_idle(self) -> bool:
        """Still open; streams hide whether bytes wait."""
        return not self._reader.at_eof() and not self._writer.is_closing()

    async def send(self, data: bytes) -> int:
        """Write everything; returns the stamp just before it went to the stream."""
        first_ns = self._now_ns()
        try:
            self._writer.write(data)
            await self._writer.drain()
        except OSError as error:
            self._note(error)
        return first_ns

    async def receive(self) -> Arrival:
        """The next bytes, in order; an empty arrival for ever once the peer closed."""
        try:
            data = await self._reader.read(READ_BYTES)
        except OSError as error:
            self._note(error)
            data = b""
        return Arrival(data, self._now_ns())

    def close(self) -> None:
        """Drop the connection now, without the closing handshake."""
        self._writer.transport.abort()

    def _note(self, error: OSError) -> None:
        self.close_reason = self.close_reason or f" ({_reason(error)})"


def _reason(error: OSError) -> str:
    # asyncio writes its own sentence over the system's; TLS errors have numbers of another kind.
    return os.strerror(error.errno) if error.errno and not isinstance(error, ssl.SSLError) else str(error)


async def resolve(host: str, port: int) -> list[Address]:
    """Addresses of a host, IPv4 and IPv6, in the system's order of preference. Raises ConnectFailed."""
    loop = asyncio.get_running_loop()
    try:
        try:
            found = socket.getaddrinfo(host, port, type=socket.SOCK_STREAM, flags=socket.AI_NUMERICHOST)
        except socket.gaierror:
            found = await loop.getaddrinfo(host, port, type=socket.SOCK_STREAM)
    except (OSError, UnicodeError) as error:
        raise ConnectFailed(f"{host} cannot be resolved: {error}", hint="check the endpoint's URL") from error
    return [(family, address) for family, _, _, _, address in found]


async def connect_socket(addresses: list[Address], now_ns: NowNs) -> SocketLink:
    """A plaintext link to the first address that answers. Raises ConnectFailed with every address's reason."""
    loop = asyncio.get_running_loop()
    reasons: list[str] = []
    for family, address in addresses:
        sock: socket.socket | None = None
        try:
            sock = socket.socket(family, socket.SOCK_STREAM)
            sock.setblocking(False)
            sock.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
            await loop.sock_connect(sock, address)
            return SocketLink(sock, now_ns)
        except OSError as error:
            reasons.append(f"{address[0]} port {address[1]}: {_reason(error)}")
            if sock is not None:
                sock.close()
        except BaseException:
            if sock is not None:
                sock.close()
            raise
    raise ConnectFailed(
        f"no connection to {'; '.join(reasons)}", hint="is the server running, and is this its address?"
    )


async def connect_tls(host: str, port: int, context: ssl.SSLContext, now_ns: NowNs) -> TlsLink:
    """A TLS link, the certificate checked against the host. Raises ConnectFailed."""
    try:
        reader, writer = await asyncio.open_connection(host, port, ssl=context, limit=READ_BYTES)
    except OSError as error:
        raise ConnectFailed(f"no TLS connection to {host} port {port}: {_reason(error)}") from error
    sock = writer.get_extra_info("socket")
    if sock is not None:
        with contextlib.suppress(OSError):  # a peer that is already gone is told by the first read
            sock.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
    return TlsLink(reader, writer, now_ns)
