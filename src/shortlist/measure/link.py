"""One connection to a peer, and the single place where bytes and their stamp come in.

Plaintext is a non-blocking socket of our own, read by `reading`'s thread with the kernel's stamps where it gives them.
TLS goes through asyncio's streams, so its stamp is taken when our task gets to run, after decryption, which is later;
the link says which it is.
"""

import asyncio
import contextlib
import os
import socket
import ssl
from typing import Any, Literal, Protocol

from shortlist.errors import ConnectFailed
from shortlist.measure.reading import READ_BYTES, NowNs, SocketReader, ask_for_stamps

StampBasis = Literal["kernel", "socket read", "stream read (TLS)"]
Address = tuple[socket.AddressFamily, tuple[Any, ...]]


class Receiver(Protocol):
    """Takes what comes back for one request. Of a plaintext link, `feed` is called on the reading thread."""

    def sent(self, ns: int) -> None:
        """The first byte of the request is about to be written."""
        ...

    def feed(self, data: bytes, ns: int, lag_ns: int | None) -> bool:
        """The next bytes, none when the peer closed; True: nothing more is wanted."""
        ...


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

    @property
    def clock_steps(self) -> int:
        """How often the wall clock, which kernel stamps are made with, was set so far."""
        ...

    async def carry(self, data: bytes, receiver: Receiver) -> None:
        """Write a request and give the receiver everything that arrives until it wants no more.

        Raises what the receiver raises. A failed write is told by what is then read.
        """
        ...

    def close(self) -> None:
        """Drop the connection now."""
        ...


class SocketLink:
    """Plaintext over a non-blocking socket; made and used on one event loop, read by a reader's thread."""

    def __init__(self, sock: socket.socket, reader: SocketReader, now_ns: NowNs) -> None:
        self.stamp_basis: StampBasis = "kernel" if reader.has_kernel_stamps and ask_for_stamps(sock) else "socket read"
        self.close_reason = ""
        self._sock = sock
        self._reader = reader
        self._now_ns = now_ns
        self._loop = asyncio.get_running_loop()
        self._receiver: Receiver | None = None
        self._over: asyncio.Future[None] = self._loop.create_future()
        self._is_usable = True
        self._is_ended = False
        reader.add(sock, self._on_readable)

    @property
    def is_usable_idle(self) -> bool:
        """Still open, and nothing arrived that nobody asked for."""
        return self._is_usable

    @property
    def clock_steps(self) -> int:
        """How often the wall clock was set so far."""
        return self._reader.clocks.steps

    async def carry(self, data: bytes, receiver: Receiver) -> None:
        """Write a request and give the receiver, on the reading thread, everything that arrives."""
        over = self._loop.create_future()
        with self._reader.lock:
            self._receiver, self._over = receiver, over
            if self._is_ended:
                self._take(b"", self._now_ns(), None)
        try:
            await self._send(data, receiver)
            await over
        finally:
            with self._reader.lock:
                self._receiver = None

    def close(self) -> None:
        """Drop the connection now."""
        with self._reader.lock:
            self._reader.remove(self._sock)
            self._is_usable, self._is_ended = False, True
            self._sock.close()

    async def _send(self, data: bytes, receiver: Receiver) -> None:
        written = 0
        receiver.sent(self._now_ns())
        try:
            with contextlib.suppress(BlockingIOError, InterruptedError):
                written = self._sock.send(data)
            if written < len(data):
                await self._loop.sock_sendall(self._sock, memoryview(data)[written:])
        except OSError as error:
            self._note(error)

    # On the reading thread, under its lock.

    def _on_readable(self) -> None:
        if self._is_ended:
            return
        try:
            data, ns, lag_ns = self._reader.read(self._sock)
        except (BlockingIOError, InterruptedError):
            return
        except OSError as error:
            self._note(error)
            data, ns, lag_ns = b"", self._now_ns(), None
        if not data:
            self._reader.remove(self._sock)
            self._is_ended, self._is_usable = True, False
        self._take(data, ns, lag_ns)

    def _take(self, data: bytes, ns: int, lag_ns: int | None) -> None:
        if self._receiver is None:
            self._is_usable = False
            return
        failure: Exception | None = None
        try:
            if not self._receiver.feed(data, ns, lag_ns):
                return
        except Exception as error:  # noqa: BLE001 - it is raised again where the request waits
            failure = error
        self._receiver = None
        self._reader.clocks.look()
        self._loop.call_soon_threadsafe(_settle, self._over, failure)

    def _note(self, error: OSError) -> None:
        self.close_reason = self.close_reason or f" ({_reason(error)})"


def _settle(over: asyncio.Future[None], failure: Exception | None) -> None:
    if over.done():
        return
    if failure is None:
        over.set_result(None)
    else:
        over.set_exception(failure)


class TlsLink:
    """TLS over asyncio's streams: stamps are taken in the task, after decryption."""

    stamp_basis: StampBasis = "stream read (TLS)"
    clock_steps = 0

    def __init__(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter, now_ns: NowNs) -> None:
        self._reader = reader
        self._writer = writer
        self._now_ns = now_ns
        self.close_reason = ""

    @property
    def is_usable_idle(self) -> bool:
        """Still open; streams hide whether bytes wait."""
        return not self._reader.at_eof() and not self._writer.is_closing()

    async def carry(self, data: bytes, receiver: Receiver) -> None:
        """Write a request and give the receiver everything that arrives."""
        receiver.sent(self._now_ns())
        try:
            self._writer.write(data)
            await self._writer.drain()
        except OSError as error:
            self._note(error)
        while not receiver.feed(await self._read(), self._now_ns(), None):
            pass

    async def _read(self) -> bytes:
        try:
            return await self._reader.read(READ_BYTES)
        except OSError as error:
            self._note(error)
            return b""

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


async def connect_socket(addresses: list[Address], reader: SocketReader, now_ns: NowNs) -> SocketLink:
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
            return SocketLink(sock, reader, now_ns)
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
