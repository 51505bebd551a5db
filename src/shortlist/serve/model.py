"""One model of the service, as the pool sees it: its state, what it has open, who waits for it, what it has cost.

    absent ──▶ loading ──▶ ready ──▶ unloading ──▶ absent
                  │          └─ its process ended by itself ──▶ absent, and loaded again after a back-off;
                  ▼                                             failed, when that happened too often in a row
                failed ──▶ loading, when its time is over and somebody asks

`busy` is `ready` with requests in it; a `ready` model that `is_draining` takes no new ones and is unloaded when the
last has ended. Only `pool` and `keeper` change any of this.
"""

import asyncio
from dataclasses import dataclass, field
from typing import Any, Literal

from shortlist.engines import Engine
from shortlist.errors import ShortlistError
from shortlist.records import Endpoint
from shortlist.serve.opening import Opening
from shortlist.serve.waiting import Queue

State = Literal["absent", "loading", "ready", "unloading", "failed"]

_FIRST_BACK_OFF_NS, _LONGEST_BACK_OFF_NS = 500_000_000, 300 * 10**9


@dataclass(slots=True, eq=False)
class Open:
    """An engine process that serves a model. Leases hold on to it, so that a crash and a reload mix up no counts.

    `ended`: what those are told whose request was in it when it ended.
    """

    engine: Engine
    endpoint: Endpoint
    ready_ns: int
    last_used_ns: int
    in_use: int = 0
    is_draining: bool = False
    ended: ShortlistError | None = None
    requests: int = 0
    resident_bytes: int | None = None
    anonymous_bytes: int = 0
    warmed_ns: int = 0
    warmed: int = 0


@dataclass(slots=True)
class Tally:
    """What happened to a model since the service started."""

    requests: int = 0
    cancelled: int = 0
    loads: int = 0
    evictions: int = 0
    crashes: int = 0
    prompt_tokens: int = 0
    completion_tokens: int = 0
    decoded_tokens: int = 0
    decode_ns: int = 0
    service_ns: float | None = None
    load_ns: float | None = None
    loading_ns: int = 0
    kept_loads: int = 0
    kept_ns: int = 0


@dataclass(slots=True, eq=False)
class Model:
    """A model that somebody asked for since the service started.

    `load_wishes`: who waits for it to be loaded only; `wished_ns`: since when it shall be loaded, though nobody asks it
    anything. `pin_ns`: when a pinned one is tried again that could not be loaded. `is_leaving`: somebody wants it
    unloaded as soon as the requests in it have ended. `idle_timeout_ns`: its own, in place of the rules'; it ends with
    the load that it was asked for.
    """

    opening: Opening
    is_pinned: bool = False
    is_leaving: bool = False
    idle_timeout_ns: int | None = None
    state: State = "absent"
    open: Open | None = None
    queue: Queue = field(default_factory=Queue)
    load_wishes: "list[asyncio.Future[None]]" = field(default_factory=list)
    wished_ns: int | None = None
    streak: int = 0
    error: ShortlistError | None = None
    retry_ns: int = 0
    pin_ns: int = 0
    measured_bytes: int | None = None
    charge_bytes: int = 0
    tally: Tally = field(default_factory=Tally)

    @property
    def label(self) -> str:
        """What it is called."""
        return self.opening.label

    @property
    def need_bytes(self) -> int:
        """What must be there to load it."""
        return self.opening.need_bytes(self.measured_bytes)

    @property
    def basis(self) -> str:
        """How the need is known."""
        return "predicted" if self.measured_bytes is None else "measured"

    @property
    def in_use(self) -> int:
        """Requests in its engine."""
        return self.open.in_use if self.open is not None else 0

    @property
    def is_idle(self) -> bool:
        """Ready, with nothing to do."""
        return self.state == "ready" and self.in_use == 0 and not len(self.queue)

    def idle_limit_ns(self, usual_ns: int) -> int:
        """How long it may be idle."""
        return usual_ns if self.idle_timeout_ns is None else self.idle_timeout_ns

    @property
    def free_slots(self) -> int:
        """How many more requests its engine takes now."""
        if self.state != "ready" or self.open is None or self.open.is_draining:
            return 0
        return self.opening.spec.parallel - self.open.in_use

    @property
    def wanted_ns(self) -> int | None:
        """Since when somebody wants it loaded; None: nobody does."""
        if self.state not in ("absent", "failed"):
            return None
        stamps = [stamp for stamp in (self.queue.oldest_ns, self.wished_ns) if stamp is not None]
        return min(stamps, default=None)

    def take_waiting(self) -> "list[asyncio.Future[Any]]":
        """Everybody who waits for it, taken out: who takes them answers them."""
        waiting = [*(ticket.granted for ticket in self.queue.clear()), *self.load_wishes]
        self.load_wishes.clear()
        self.wished_ns = None
        return waiting

    def back_off_ns(self) -> int:
        """Count one more failure in a row; how long to leave the model alone: half a second, doubled each time."""
        self.streak += 1
        return int(min(_FIRST_BACK_OFF_NS * 2 ** (self.streak - 1), _LONGEST_BACK_OFF_NS))
