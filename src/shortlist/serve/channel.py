"""The client's connection as a relay needs it: written to without a task's turn, and heard when it stalls or goes.

ASGI's `send` is a coroutine, so that each chunk of a stream would wait for a task to get its turn behind all others.
`server.Protocol` puts a channel into the scope; `Call` takes it out. The head and the last of a reply go by `send`.
"""

import asyncio
from collections.abc import Callable
from typing import Protocol

STALL_LIMIT_S = 60.0
"""How long a client may take nothing before its connection is dropped, and with it the engine's work for it."""


class Valve(Protocol):
    """Where the bytes come from."""

    def hold(self) -> None:
        """Bring no more for now."""
        ...

    def flow(self) -> None:
        """Go on."""
        ...


class Channel:
    """One client's connection; one request at a time uses it."""

    def __init__(self, transport: asyncio.Transport) -> None:
        self._transport = transport
        self._valve: Valve | None = None
        self._on_gone: Callable[[], None] | None = None
        self._stall: asyncio.TimerHandle | None = None
        self._is_full = False
        self.is_gone = False

    def watch(self, on_gone: Callable[[], None] | None) -> None:
        """Call this once when the client goes; None: no longer. At once for one that is gone already."""
        self._on_gone = on_gone
        if self.is_gone and on_gone is not None:
            on_gone()

    def attach(self, valve: Valve | None) -> None:
        """Bytes come from there now; it is told to hold when the client does not keep up."""
        self._valve = valve
        if self._is_full and valve is not None:
            valve.hold()

    def write(self, data: bytes) -> None:
        """A part of the body, as one HTTP chunk in one write."""
        if not self.is_gone:
            self._transport.write(b"%x\r\n%b\r\n" % (len(data), data))

    def abort(self) -> None:
        """Drop the connection, with what was not read of it."""
        self._transport.abort()

    # --- called by the server's protocol ------------------------------------------------------------------------------

    def full(self) -> None:
        """More was written than the client takes."""
        self._is_full = True
        self._stall = asyncio.get_running_loop().call_later(STALL_LIMIT_S, self.abort)
        if self._valve is not None:
            self._valve.hold()

    def drained(self) -> None:
        """The client has caught up."""
        self._is_full = False
        self._unset_stall()
        if self._valve is not None:
            self._valve.flow()

    def lost(self) -> None:
        """The connection is closed."""
        self.is_gone = True
        self._unset_stall()
        if self._on_gone is not None:
            self._on_gone()

    def _unset_stall(self) -> None:
        if self._stall is not None:
            self._stall.cancel()
            self._stall = None
