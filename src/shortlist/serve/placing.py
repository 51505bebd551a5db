"""Whose memory a model gets that wants to be loaded: pure decisions, made anew at each step of the pool.

A model is never evicted while it is pinned, and never while a request is in it. Of the idle ones the least recently
used goes first, and no more than are needed. A model that others keep busy has its *turn*: from the moment that it was
loaded it may work for `turn` (or four times what loading the next one takes, if that is longer), then it takes nothing
new, its requests end, and the next model has its turn. So two models that share the memory of one are swapped at most
once in a turn, whoever waits longest is next, and loading takes a fifth of the time at worst.
"""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass

from shortlist.serve.model import Model

LINGER_NS = 100_000_000
"""In its turn a model is left alone for so long after its last request: who asks again and again is not swapped out."""

_TURN_OF_LOADS = 4


@dataclass(frozen=True, slots=True)
class Rules:
    """What the settings say. `keep_alive_ns` None: idle models are unloaded after `idle_timeout_ns`."""

    idle_timeout_ns: int = 600 * 10**9
    keep_alive_ns: int | None = None
    turn_ns: int = 10 * 10**9
    drain_ns: int = 30 * 10**9
    queue_limit: int = 256
    memory_limit_bytes: int | None = None


@dataclass(frozen=True, slots=True)
class Room:
    """Memory that is free for one more model: by what the host has, and by what the settings allow us in all."""

    host_bytes: int
    limit_bytes: int | None = None

    @property
    def bytes(self) -> int:
        """The smaller of the two."""
        return self.host_bytes if self.limit_bytes is None else min(self.host_bytes, self.limit_bytes)

    @property
    def basis(self) -> str:
        """Which of the two it is, in words."""
        is_host = self.limit_bytes is None or self.host_bytes <= self.limit_bytes
        return "free now" if is_host else "left of memory_limit"


@dataclass(frozen=True, slots=True)
class Placement:
    """What to do for a model. All empty: load it. `is_hopeless`: not even when all that may go is gone.

    `evict` now; `drain`: take nothing new into these; `later`: these have their turn yet, which ends at `until_ns`.
    """

    evict: tuple[Model, ...] = ()
    drain: tuple[Model, ...] = ()
    later: tuple[Model, ...] = ()
    until_ns: int | None = None
    is_waiting: bool = False
    is_hopeless: bool = False

    @property
    def is_now(self) -> bool:
        """There is room: load it."""
        return not (self.evict or self.drain or self.is_waiting or self.is_hopeless)


def place(wanting: Model, room: Room, models: Iterable[Model], now_ns: int, rules: Rules) -> Placement:
    """What makes room for a model."""
    lacking = wanting.need_bytes - room.bytes
    if lacking <= 0:
        return Placement()
    others = [m for m in models if m is not wanting and not m.is_pinned]
    leaving = sum(m.charge_bytes for m in others if m.state == "unloading")
    coming = sum(m.charge_bytes for m in others if m.state == "loading")
    ready = sorted((m for m in others if m.state == "ready"), key=_last_used)
    if leaving + coming + sum(m.charge_bytes for m in ready) < lacking:
        return Placement(is_hopeless=True)
    if leaving >= lacking:
        return Placement(is_waiting=True)
    idle = [m for m in ready if m.is_idle and _idle_until(m, wanting, now_ns, rules) is None]
    chosen = _enough(idle, lacking - leaving)
    if chosen is not None:
        return Placement(evict=tuple(chosen), is_waiting=True)
    over = {m.opening.key: _turn_end(m, wanting, rules) for m in ready}
    candidates = [m for m in ready if over[m.opening.key] <= now_ns or m in idle]
    chosen = _enough(candidates, lacking - leaving)
    if chosen is not None:
        return Placement(
            evict=tuple(m for m in chosen if m.in_use == 0),
            drain=tuple(m for m in chosen if m.in_use > 0),
            is_waiting=True,
        )
    later = [end for m in ready if (end := over[m.opening.key]) > now_ns]
    later += [at for m in ready if m.is_idle and (at := _idle_until(m, wanting, now_ns, rules)) is not None]
    going = tuple(_enough(ready, lacking - leaving) or ready)
    return Placement(later=going, until_ns=min(later, default=None), is_waiting=True)


def _enough(candidates: Sequence[Model], lacking: int) -> list[Model] | None:
    """The first of these that together free enough, less those that turn out not to be needed; None: all do not."""
    chosen: list[Model] = []
    for model in candidates:
        if lacking <= sum(m.charge_bytes for m in chosen):
            break
        chosen.append(model)
    freed = sum(m.charge_bytes for m in chosen)
    if freed < lacking:
        return None
    for model in reversed(chosen[:]):  # the most recently used first: it would rather stay
        if freed - model.charge_bytes >= lacking:
            chosen.remove(model)
            freed -= model.charge_bytes
    return chosen


def _last_used(model: Model) -> int:
    return model.open.last_used_ns if model.open is not None else 0


def _turn_end(model: Model, wanting: Model, rules: Rules) -> int:
    ready_ns = model.open.ready_ns if model.open is not None else 0
    load_ns = wanting.tally.load_ns or 0
    return ready_ns + max(rules.turn_ns, round(_TURN_OF_LOADS * load_ns))


def _idle_until(model: Model, wanting: Model, now_ns: int, rules: Rules) -> int | None:
    """When an idle model may go; None: now."""
    end = min(_last_used(model) + LINGER_NS, _turn_end(model, wanting, rules))
    return end if end > now_ns else None
