"""How much of anything one client may take before its request is under way: bytes of a head, time, connections.

What a request costs after that is bounded elsewhere: its body by `Call.body`, its turn by the queue, a client that does
not read by `Channel`. Every limit ends in an answer where one can still be given, and in a closed connection.
"""

import asyncio
import enum
import ipaddress
import sys
from collections import Counter
from dataclasses import dataclass
from typing import Protocol

from shortlist.clock import monotonic_ns
from shortlist.serve.replies import Problem

_NS = 10**9


@dataclass(frozen=True, slots=True)
class Limits:
    """Times in seconds. A body has `body_s`, and a second more for each `body_bytes_per_s` that came.

    `linger_s`: how long a client may go on sending what nobody wants before it is cut off, so that it reads the answer.
    `connections` in all; `per_peer` for each address but this machine's own, behind which many programs stand.
    """

    head_bytes: int = 64 * 1024
    url_bytes: int = 16 * 1024
    fields: int = 100
    head_s: float = 15.0
    body_s: float = 30.0
    body_bytes_per_s: int = 8 * 1024
    idle_s: float = 75.0
    linger_s: float = 3.0
    flush_s: float = 60.0
    connections: int = 1024
    per_peer: int = 256


class Phase(enum.IntEnum):
    """What a connection waits for, those first that are cut off first when there are too many."""

    ANSWERED = 0
    """What still comes is thrown away."""
    IDLE = 1
    HEAD = 2
    BODY = 3
    BUSY = 4
    """For us: nothing is its client's fault."""


class Connection(Protocol):
    """What the crowd asks of each of its members."""

    phase: Phase
    since_ns: int
    body_bytes: int

    @property
    def peer(self) -> str:
        """Whose it is."""
        ...

    @property
    def is_closing(self) -> bool:
        """We have closed it, and it is not yet gone."""
        ...

    @property
    def is_held(self) -> bool:
        """We do not read what comes."""
        ...

    def cut(self, problem: Problem) -> None:
        """End it, with an answer where one can be given."""
        ...

    def drop(self) -> None:
        """End it at once."""
        ...


class Crowd:
    """All connections of one server. Too many of them: the one that has waited longest for its client makes place."""

    def __init__(self, limits: Limits) -> None:
        self.limits = limits
        self.dropped = 0
        self._all: dict[Connection, None] = {}
        self._peers: Counter[str] = Counter()
        self._sweeping: asyncio.TimerHandle | None = None
        times = (limits.head_s, limits.body_s, limits.idle_s, limits.linger_s, limits.flush_s)
        self._silent_s = {Phase.ANSWERED: limits.linger_s, Phase.IDLE: limits.idle_s}
        self._every_s = min(1.0, min(times) / 4)

    def __len__(self) -> int:
        return len(self._all)

    def enter(self, connection: Connection) -> bool:
        """Take a new one in; False where there is no place."""
        peer = connection.peer
        is_many = self._peers[peer] >= self.limits.per_peer and not _is_here(peer)
        if is_many or len(self._all) >= self.limits.connections:
            victim = self._weakest(peer if is_many else None)
            if victim is None:
                return False
            self.dropped += 1
            self.leave(victim)
            victim.drop()
        self._all[connection] = None
        self._peers[peer] += 1
        if self._sweeping is None:
            self._sweeping = asyncio.get_running_loop().call_later(self._every_s, self._sweep)
        return True

    def leave(self, connection: Connection) -> None:
        """It is closed."""
        if connection in self._all:
            del self._all[connection]
            self._peers[connection.peer] -= 1
            if not self._peers[connection.peer]:
                del self._peers[connection.peer]

    def _weakest(self, peer: str | None) -> Connection | None:
        waiting = [c for c in self._all if c.phase is not Phase.BUSY and peer in (None, c.peer)]
        return min(waiting, key=lambda c: (-self._peers[c.peer], c.phase, c.since_ns), default=None)

    def _sweep(self) -> None:
        now = monotonic_ns()
        for connection in list(self._all):
            self._look_at(connection, (now - connection.since_ns) / _NS)
        again = asyncio.get_running_loop().call_later
        self._sweeping = again(self._every_s, self._sweep) if self._all else None

    def _look_at(self, connection: Connection, age_s: float) -> None:
        limits, phase = self.limits, connection.phase
        silent_s = limits.flush_s if connection.is_closing else self._silent_s.get(phase)
        if silent_s is not None:
            if age_s > silent_s:
                connection.drop()
        elif phase is Phase.HEAD and age_s > limits.head_s:
            connection.cut(_late(f"the head of the request took over {limits.head_s:g} s"))
        elif phase is Phase.BODY and not connection.is_held:
            allowed_s = limits.body_s + connection.body_bytes / limits.body_bytes_per_s
            if age_s > allowed_s:
                connection.cut(_late(f"only {connection.body_bytes} bytes of the body came in {allowed_s:.0f} s"))


def _late(told: str) -> Problem:
    return Problem(408, "request_timeout", told)


def _is_here(peer: str) -> bool:
    return peer.startswith("127.") or peer in ("::1", "local")


def peer_of(address: str | None) -> str:
    """Who counts as one peer: an IPv4 address, or the /64 that a household or a host has of IPv6."""
    if address is None:
        return "local"
    if ":" not in address or address == "::1":
        return address
    whole = ipaddress.ip_address(address.partition("%")[0])
    return str(ipaddress.ip_network((whole, 64), strict=False))


def connections_possible(wanted: int, kept: int = 128) -> int:
    """How many of the wanted connections this process may have open, after asking for as many file descriptors."""
    if sys.platform == "win32":
        return wanted
    import resource

    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    most = 2**31 if hard == resource.RLIM_INFINITY else hard
    if soft != resource.RLIM_INFINITY and soft < wanted + kept:
        soft = min(most, wanted + kept)
        resource.setrlimit(resource.RLIMIT_NOFILE, (soft, hard))
    return wanted if soft == resource.RLIM_INFINITY else max(8, min(wanted, soft - kept))
