"""The sockets and the HTTP server around the application: both loopback addresses, TLS, limits, an orderly end.

server = Server(app, Listen(port=5273))
await server.start()         # serves from here on; `server.urls` say where
await server.run_until(stopping)
await server.stop(grace_s=30)
"""

import asyncio
import contextlib
import errno
import gc
import math
import socket
import ssl
from dataclasses import dataclass
from functools import partial
from typing import Any, cast

import uvicorn

from shortlist.clock import SYSTEM
from shortlist.serve.call import ASGI, CHANNEL
from shortlist.serve.channel import Channel
from shortlist.serve.http import LimitedProtocol
from shortlist.serve.limits import Crowd, Limits

PORT = 5273
LOOPBACK = ("127.0.0.1", "::1")
_BACKLOG = 2048
_POLL_NS = 20 * 10**6


@dataclass(frozen=True, slots=True)
class Listen:
    """Where to listen. `hosts` are addresses; port 0 takes a free one, the same for all of them."""

    hosts: tuple[str, ...] = LOOPBACK
    port: int = PORT
    tls: ssl.SSLContext | None = None
    limits: Limits = Limits()


class Protocol(LimitedProtocol):
    """uvicorn's HTTP, with a channel to the client in each request's scope."""

    def connection_made(self, transport: asyncio.Transport) -> None:  # type: ignore[override]
        """asyncio: a client."""
        super().connection_made(transport)
        self._channel = Channel(transport)

    def connection_lost(self, exc: Exception | None) -> None:
        """asyncio: the client is gone."""
        super().connection_lost(exc)
        self._channel.lost()

    def pause_writing(self) -> None:
        """asyncio: the client does not keep up."""
        super().pause_writing()
        self._channel.full()

    def resume_writing(self) -> None:
        """asyncio: it does again."""
        super().resume_writing()
        self._channel.drained()

    def on_message_begin(self) -> None:
        """httptools: a request begins."""
        super().on_message_begin()
        self.scope["extensions"] = {CHANNEL: {"channel": self._channel}}


class Server:
    """One application on its sockets; `port` and `urls` say where, from `start` on."""

    def __init__(self, app: ASGI, listen: Listen) -> None:
        self._listen = listen
        self.crowd = Crowd(listen.limits)
        config = uvicorn.Config(
            app,
            http=cast("type[asyncio.Protocol]", partial(Protocol, self.crowd)),
            ws="none", lifespan="off", loop="none", log_config=None, access_log=False,
            server_header=False, proxy_headers=False, backlog=_BACKLOG,
            timeout_keep_alive=math.ceil(listen.limits.idle_s),
        )  # fmt: skip
        self._config = config
        self._server = _Quiet(config)
        self.port = 0
        self.urls: tuple[str, ...] = ()
        self._serving: asyncio.Task[None] | None = None

    async def start(self) -> None:
        """Take the port and begin to serve. Raises OSError (EADDRINUSE) for a taken one."""
        self._config.load()
        self._config.ssl = self._listen.tls
        sockets = open_sockets(self._listen.hosts, self._listen.port)
        scheme = "https" if self._listen.tls else "http"
        self.port = sockets[0].getsockname()[1]
        self.urls = tuple(f"{scheme}://{_bracketed(one.getsockname()[0])}:{self.port}" for one in sockets)
        self._serving = asyncio.get_running_loop().create_task(self._server.serve(sockets=sockets))
        while not self._server.started and not self._serving.done():
            await SYSTEM.sleep_ns(0)
        if self._serving.done():
            await self._serving
        gc.freeze()  # what is loaded by now stays: a full collection need not hold up every stream to look at it

    async def stop(self, grace_s: float) -> None:
        """Take no more connections, wait for the requests under way, drop what is left after the grace period."""
        self._config.timeout_graceful_shutdown = max(1, round(grace_s))
        self._server.should_exit = True
        if self._serving is not None:
            await self._serving


class _Quiet(uvicorn.Server):
    """uvicorn without its own signal handlers: whoever runs the service decides what a signal means."""

    @contextlib.contextmanager
    def capture_signals(self) -> Any:
        """No signals."""
        yield


def open_sockets(hosts: tuple[str, ...], port: int) -> list[socket.socket]:
    """A listening socket for each address, all on one port. ::1 may be missing on a host without IPv6.

    Raises OSError when one of them is taken; none is left open then.
    """
    for attempt in range(16):
        found: list[socket.socket] = []
        try:
            for host in hosts:
                found += _open(host, found[0].getsockname()[1] if found else port, is_needed=host == hosts[0])
        except OSError as error:
            for one in found:
                one.close()
            if port or error.errno != errno.EADDRINUSE or attempt == 15:
                raise
        else:
            return found
    raise AssertionError  # the loop returns or raises


def _open(host: str, port: int, *, is_needed: bool) -> list[socket.socket]:
    family = socket.AF_INET6 if ":" in host else socket.AF_INET
    try:
        one = socket.socket(family, socket.SOCK_STREAM)
    except OSError:
        if is_needed:
            raise
        return []
    try:
        one.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        if family == socket.AF_INET6:
            one.setsockopt(socket.IPPROTO_IPV6, socket.IPV6_V6ONLY, 1)
        one.bind((host, port))
        one.listen(_BACKLOG)
        one.setblocking(False)
    except OSError as error:
        one.close()
        if is_needed or error.errno != errno.EADDRNOTAVAIL:
            raise
        return []
    return [one]


def _bracketed(host: str) -> str:
    return f"[{host}]" if ":" in host else host


def new_loop() -> asyncio.AbstractEventLoop:
    """The event loop of the service: uvloop where there is one."""
    try:
        import uvloop
    except ImportError:
        return asyncio.new_event_loop()
    return uvloop.new_event_loop()
