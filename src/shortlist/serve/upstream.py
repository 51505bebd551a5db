"""Connections to engines: opened where they listen, and kept where they stay open.

A connection is used again only after it was seen to stay open: llama.cpp closes right after a stream.
"""

import asyncio
import functools
import ssl
from collections import defaultdict, deque
from collections.abc import Mapping
from dataclasses import dataclass, field
from urllib.parse import urlsplit

from shortlist.errors import ConnectFailed, ConnectionClosed
from shortlist.serve.connection import Connection

CONNECT_LIMIT_S = 10.0
SILENCE_LIMIT_S = 600.0
"""A long question on a slow machine takes minutes before its first token."""
_SETTLE_S = 0.02
_IDLE_KEPT = 64
_MOST_TARGETS = 256


@dataclass(frozen=True, slots=True)
class Target:
    """Where an engine listens."""

    host: str
    port: int
    path: str
    is_tls: bool
    authority: str


@functools.lru_cache(maxsize=256)
def target_of(base_url: str) -> Target:
    """The parts of an endpoint's base URL."""
    parts = urlsplit(base_url)
    is_tls = parts.scheme == "https"
    port = parts.port or (443 if is_tls else 80)
    return Target(parts.hostname or "", port, parts.path.rstrip("/"), is_tls, parts.netloc)


@dataclass(slots=True)
class _Kept:
    """Connections to one target that may be used again; `stays_open` once one was seen to."""

    idle: deque[Connection] = field(default_factory=deque)
    stays_open: bool = False


class Upstreams:
    """Opens connections to engines and keeps those that may be used again."""

    def __init__(self, silence_limit_s: float = SILENCE_LIMIT_S) -> None:
        self.silence_limit_s = silence_limit_s
        self._kept: defaultdict[Target, _Kept] = defaultdict(_Kept)
        self._tls: ssl.SSLContext | None = None

    async def ask(self, target: Target, request: bytes) -> Connection:
        """Send a request and wait for the head of the reply.

        A kept connection that turns out to be closed costs one more try: the engine answered nothing on it.
        Raises ConnectFailed, ConnectionClosed, BrokenStream.
        """
        if len(self._kept) > _MOST_TARGETS:  # each load of a model is a port of its own
            self._forget()
        kept = self._kept[target]
        while kept.idle:
            again = kept.idle.pop()
            if again.is_closed:
                continue
            try:
                return await self._ask(again, request)
            except ConnectionClosed:
                if again.has_reply_bytes:
                    raise
                kept.stays_open = False
                break
        return await self._ask(await self._connect(target), request)

    def give_back(self, target: Target, used: Connection) -> None:
        """A connection whose reply is over, or was not wanted to its end.

        It is kept at once where connections were seen to stay open, and else when this one did for a moment.
        """
        if not used.can_be_reused or used.is_closed:
            used.abort()
        elif self._kept[target].stays_open:
            self._keep(target, used)
        else:
            asyncio.get_running_loop().call_later(_SETTLE_S, self._keep, target, used)

    def close(self) -> None:
        """Drop all that is kept."""
        for kept in self._kept.values():
            for connection in kept.idle:
                connection.abort()
        self._kept.clear()

    def _keep(self, target: Target, used: Connection) -> None:
        kept = self._kept[target]
        while kept.idle and kept.idle[0].is_closed:
            kept.idle.popleft()
        if used.is_closed or len(kept.idle) >= _IDLE_KEPT:
            used.abort()
        else:
            kept.stays_open = True
            kept.idle.append(used)

    def _forget(self) -> None:
        for target in [target for target, kept in self._kept.items() if all(one.is_closed for one in kept.idle)]:
            del self._kept[target]

    async def _ask(self, connection: Connection, request: bytes) -> Connection:
        is_headed = False
        try:
            connection.send(request, self.silence_limit_s)
            await connection.head()
            is_headed = True
        finally:
            if not is_headed:
                connection.abort()
        return connection

    async def _connect(self, target: Target) -> Connection:
        loop = asyncio.get_running_loop()
        if target.is_tls and self._tls is None:
            self._tls = ssl.create_default_context()
        try:
            async with asyncio.timeout(CONNECT_LIMIT_S):
                _, connection = await loop.create_connection(
                    lambda: Connection(loop), target.host, target.port, ssl=self._tls if target.is_tls else None
                )
        except TimeoutError:
            raise ConnectFailed(f"{target.authority} did not answer within {CONNECT_LIMIT_S:.0f} s") from None
        except (OSError, UnicodeError) as error:
            raise ConnectFailed(f"no connection to {target.authority}: {error}") from error
        return connection


def request_bytes(target: Target, path: str, headers: Mapping[str, str], body: bytes | None) -> bytes:
    """A request as it goes over the wire; `path` is what follows the base URL, `path_from_root` where it begins //."""
    method, content = ("GET", b"") if body is None else ("POST", body)
    whole = path[1:] if path.startswith("//") else f"{target.path}{path}"
    sent = {"Host": target.authority, "Accept": "*/*", **headers}
    if body is not None:
        sent |= {"Content-Type": "application/json", "Content-Length": str(len(content))}
    lines = "".join(f"{name}: {value}\r\n" for name, value in sent.items())
    return f"{method} {whole} HTTP/1.1\r\n{lines}\r\n".encode("latin-1") + content
