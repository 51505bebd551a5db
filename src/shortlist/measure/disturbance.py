"""Which requests were disturbed, and by what: judged by causes outside engine and client, never by how long it took.

A reading of the host (`hostwatch.Span`) counts for a request by as much as the two overlap. The limits and what they
rest on: docs/decisions/0010.
"""

import os
from bisect import bisect_left, bisect_right
from collections import Counter
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from typing import Literal

from shortlist.clock import monotonic_ns, sleep_blocking_ns
from shortlist.measure.hostwatch import HostWatch, Span

Place = Literal["ours", "this host", "elsewhere"]
"""Where the engine runs: a child of ours, somebody's process on this host, or another machine."""

_WIDE_NS = 10**9
_SUMMED = (
    "others_ns",
    "unseen_ns",
    "steal_ns",
    "ours_ns",
    "engine_waited_ns",
    "client_waited_ns",
    "pressure_ns",
)


@dataclass(frozen=True, slots=True)
class Limits:
    """From where on a cause disturbs. Shares of all cores (`others`, `unseen`, `steal`) or of the request's time."""

    others: float = 0.05
    unseen: float = 0.15
    steal: float = 0.05
    waited: float = 0.05


LIMITS = Limits()


@dataclass(frozen=True, slots=True)
class Host:
    """What a judgement needs of the host: logical cores, and where the engine runs on it."""

    cores: int
    place: Place = "ours"
    limits: Limits = LIMITS


@dataclass(frozen=True, slots=True)
class Conditions:
    """What the host did during one request. Cores are means over its time; None: not visible here.

    `waited` is the share of its time that the engine's threads (elsewhere: our event loop) waited for a core, as far as
    others filled the cores: in proportion to what they and we used. `severity` is how far the strongest cause is over
    its limit, 1 being at it.
    """

    causes: tuple[str, ...] = ()
    severity: float = 0.0
    others: float | None = None
    unseen: float | None = None
    steal: float | None = None
    waited: float | None = None
    pressure: float | None = None
    throttled: bool = False

    @property
    def is_disturbed(self) -> bool:
        """Something outside was over its limit."""
        return bool(self.causes)


def conditions(spans: Sequence[Span], start_ns: int, end_ns: int, host: Host) -> Conditions:
    """What happened between two moments, and which of it disturbs. Without a reading in that time: nothing is known."""
    own = _totals(spans, start_ns, end_ns)
    if own is None:
        return Conditions()
    # Ticks of 10 ms are too coarse for a short request: what only they tell is judged over a second around it.
    reach_ns = max(0, _WIDE_NS - (end_ns - start_ns)) // 2
    wide = _totals(spans, start_ns - reach_ns, end_ns + reach_ns) or own
    others, steal = _share(own.others_ns, own), _share(wide.steal_ns, wide)
    unseen = _share(wide.unseen_ns, wide)
    waited = _explained_wait(own, host.place)
    found = list(_found(own, host, (others, unseen, steal, waited)))
    causes = [cause for severity, cause in found if severity >= 1]
    if own.throttled:
        causes.append("the processor throttled")
    severity = max([severity for severity, _ in found] + [1.0] * bool(own.throttled))
    return Conditions(
        tuple(causes),
        severity,
        others,
        unseen,
        steal,
        waited,
        None if own.pressure_ns is None else own.pressure_ns / own.length_ns,
        bool(own.throttled),
    )


def _found(
    own: "_Totals", host: Host, seen: tuple[float | None, float | None, float | None, float | None]
) -> Iterator[tuple[float, str]]:
    """How far each cause that may judge here is over its limit, and its words; waiting where nobody is named for it."""
    limits, (others, unseen, steal, waited) = host.limits, (value or 0.0 for value in seen)
    taken = 0.0
    if host.place == "ours":
        taken = others / (limits.others * host.cores)
        yield taken, _took(own.names, own.others_ns, others)
        yield unseen / (limits.unseen * host.cores), f"unseen processes took {unseen:.1f} cores"
    if host.place != "this host" and taken < 1:
        yield waited / limits.waited, _waited(own.names, waited)
    yield steal / (limits.steal * host.cores), f"steal {steal / host.cores * 100:.0f} %"


@dataclass(frozen=True, slots=True)
class _Totals:
    """Sums over the overlap of some spans with a stretch of time."""

    length_ns: float
    others_ns: float | None
    unseen_ns: float | None
    steal_ns: float | None
    ours_ns: float | None
    engine_waited_ns: float | None
    client_waited_ns: float | None
    pressure_ns: float | None
    throttled: int
    names: Counter[str]


def _totals(spans: Iterable[Span], start_ns: int, end_ns: int) -> _Totals | None:
    sums: dict[str, float | None] = dict.fromkeys(_SUMMED)
    length, throttled, names = 0.0, 0, Counter[str]()
    for span in spans:
        overlap = min(end_ns, span.end_ns) - max(start_ns, span.start_ns)
        if overlap <= 0 or span.end_ns <= span.start_ns:
            continue
        part = overlap / (span.end_ns - span.start_ns)
        length += overlap
        throttled += span.throttled or 0
        for name, spent in span.by_name:
            names[name] += round(spent * part)
        for name, before in sums.items():
            value = getattr(span, name)
            if value is not None:
                sums[name] = (before or 0.0) + value * part
    return _Totals(length, **sums, throttled=throttled, names=names) if length else None


def _explained_wait(totals: _Totals, place: Place) -> float | None:
    """Threads of an engine wait for each other too: only the others' part of the work done is laid at their door."""
    waited_ns = totals.client_waited_ns if place == "elsewhere" else totals.engine_waited_ns
    if waited_ns is None or totals.others_ns is None:
        return None
    worked_ns = totals.others_ns + (totals.ours_ns or 0.0)
    explained_ns = waited_ns * totals.others_ns / worked_ns if worked_ns else 0.0
    return min(explained_ns, totals.others_ns) / totals.length_ns


def _share(total_ns: float | None, totals: _Totals) -> float | None:
    return None if total_ns is None else total_ns / totals.length_ns


def _who(names: Counter[str], total_ns: float | None) -> str:
    """The largest, as many as it takes for two thirds of it."""
    said, reached = [], 0
    for name, spent in names.most_common(3):
        said.append(name)
        reached += spent
        if total_ns is None or reached >= total_ns * 2 / 3:
            break
    return ", ".join(sorted(said)) or "other processes"


def _took(names: Counter[str], total_ns: float | None, cores: float) -> str:
    return f"{_who(names, total_ns)} took {cores:.1f} cores"


def _waited(names: Counter[str], share: float) -> str:
    return f"waited {min(1, share) * 100:.0f} % of the time for a core ({_who(names, None)})"


def look_around(length_ns: int) -> Conditions:
    """What the host does now, before an engine is there: blocks the thread for so long."""
    with HostWatch(()) as watch:
        start_ns = monotonic_ns()
        sleep_blocking_ns(length_ns)
        watch.read()
        spans = watch.spans()
    return conditions(spans, start_ns, spans[-1].end_ns, Host(os.cpu_count() or 1))


def judge(windows: Sequence[tuple[int, int]], spans: Sequence[Span], host: Host) -> list[Conditions]:
    """`conditions` for each window. Where no reading near it is over a limit by itself, no mean of them can be."""
    starts, ends = [span.start_ns for span in spans], [span.end_ns for span in spans]
    loud = [n for n, span in enumerate(spans) if conditions((span,), span.start_ns, span.end_ns, host).is_disturbed]
    found = []
    for start_ns, end_ns in windows:
        first, last = bisect_right(ends, start_ns - _WIDE_NS), bisect_left(starts, end_ns + _WIDE_NS)
        is_quiet = bisect_left(loud, first) == bisect_left(loud, last)
        found.append(Conditions() if is_quiet else conditions(spans[first:last], start_ns, end_ns, host))
    return found
