"""Whether the load that was asked for was reached: requests in flight, rates, a backlog that grows, a late client."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import replace
from statistics import median

import numpy as np

from shortlist.records import Interval, LoadShape, Sample
from shortlist.results import metrics
from shortlist.results.accepted import Requests, first_pass
from shortlist.stats.intervals import mean_t
from shortlist.units import duration, rate

SHORTFALL = 0.95
"""A load of less than this share of what was asked is told."""

GROWTH = 0.05
"""Where more than this share of the arrivals piles up, what was measured depends on how long it was measured."""

_FEWEST_ARRIVALS = 10
_LATE_SHARE = 0.05
_LATE_NS = 10**6
_REQUESTS, _PER_S, _SHARE = "requests", "requests/s", "share"


def reached_figures(requests: Requests, load: LoadShape, level: float, warmups: int = 0) -> dict[str, Interval]:
    """Closed: `reached.concurrency`. Open: `reached.rate` (sent), `backlog`. Both: `reached.completed`, `late.p99`."""
    if not requests.items:
        return {}

    def over_rounds(measure: Callable[[Sequence[Sample]], float | None], unit: str, *, is_share: bool) -> Interval:
        return _over_rounds(requests, (measure, warmups, is_share), unit, level)

    found = {"late.p99": _late(requests, level)}
    if load.kind == "closed":
        found["reached.completed"] = over_rounds(closed_rate_per_s, _PER_S, is_share=True)
        found["reached.concurrency"] = over_rounds(in_flight_mean, _REQUESTS, is_share=True)
    else:
        found["reached.rate"] = over_rounds(send_rate_per_s, _PER_S, is_share=False)
        found["reached.completed"] = over_rounds(completion_rate_per_s, _PER_S, is_share=False)
        found["backlog"] = over_rounds(backlog_share, _SHARE, is_share=False)
    return found


def _over_rounds(
    requests: Requests, how: tuple[Callable[[Sequence[Sample]], float | None], int, bool], unit: str, level: float
) -> Interval:
    """A measure of each round's first pass; `is_share`: those measured again later are counted in by their number."""
    measure, warmups, is_share = how
    values = []
    for one in requests.by_round():
        first = first_pass(one.samples, warmups)
        # Of a round whose engine did not start nothing was sent: it says nothing of the load.
        value = measure(first) if any(sample.sent_ns is not None for sample in first) else None
        if value is not None:
            values.append(value * len(one.samples) / len(first) if is_share else value)
    found = mean_t(values, unit, level=level)
    return found if values else replace(found, note="too few requests in a round to tell")


# --- one round ------------------------------------------------------------------------------------------------------


def in_flight_mean(samples: Sequence[Sample]) -> float | None:
    """Requests in flight on average over time, from the first one sent to the last one sent.

    What comes after the last request began is the tail, in which slots run empty: it is left out. None where nearly all
    began at once, so that there is no such stretch.
    """
    spans = _spans(samples)
    starts = sorted(start for start, _ in spans)
    if len(starts) < 2 or starts[-1] <= min(end for _, end in spans):
        return None
    first, last = starts[0], starts[-1]
    return sum(max(0, min(end, last) - start) for start, end in spans) / (last - first)


def _spans(samples: Sequence[Sample]) -> list[tuple[int, int]]:
    return [(s.sent_ns, s.end_ns) for s in samples if s.sent_ns is not None and s.end_ns is not None]


def send_rate_per_s(samples: Sequence[Sample]) -> float | None:
    """Requests sent per second: gaps between the first and the last one sent, over the time between these two."""
    return _rate([s.sent_ns for s in samples if s.sent_ns is not None])


def completion_rate_per_s(samples: Sequence[Sample]) -> float | None:
    """Complete replies per second, between the first and the last end: no ramp at the start and no tail in it."""
    return _rate([s.end_ns for s in samples if metrics.is_complete(s) and s.end_ns is not None])


def closed_rate_per_s(samples: Sequence[Sample]) -> float | None:
    """Complete replies over the block: first due to last end. A closed loop answers in bursts of its slots."""
    ends = [s.end_ns for s in samples if metrics.is_complete(s) and s.end_ns is not None]
    span = max(ends) - min(s.due_ns for s in samples) if ends else 0
    return len(ends) / span * 1e9 if span > 0 else None


def due_rate_per_s(samples: Sequence[Sample]) -> float | None:
    """What the schedule itself asked for; a Poisson schedule of few requests is rarely at its nominal rate."""
    return _rate([s.due_ns for s in samples])


def _rate(stamps: Sequence[int]) -> float | None:
    span = max(stamps) - min(stamps) if stamps else 0
    return (len(stamps) - 1) / span * 1e9 if span > 0 else None


def backlog_share(samples: Sequence[Sample]) -> float | None:
    """The share of arrivals that pile up: the slope of the number in flight over the number that arrived.

    0 where the number in flight settles, 1 where nothing gets done; at a rate above capacity it is 1 - capacity/rate.
    The ramp, one median latency long, is left out. None under 10 arrivals. Least squares.
    """
    ordered = sorted(samples, key=lambda sample: sample.due_ns)
    ends = np.sort(np.array([s.end_ns for s in ordered if s.end_ns is not None], dtype=np.int64))
    if len(ordered) < _FEWEST_ARRIVALS or not ends.size:
        return None
    due = np.array([s.due_ns for s in ordered], dtype=np.int64)
    arrived = np.arange(due.size)
    in_flight = arrived - np.searchsorted(ends, due, side="right")
    latency = median(s.end_ns - s.due_ns for s in ordered if s.end_ns is not None)
    ramp = int(np.searchsorted(due, due[0] + latency))
    if due.size - ramp < _FEWEST_ARRIVALS:
        ramp = 0
    return float(np.polyfit(arrived[ramp:], in_flight[ramp:], 1)[0])


def _late(requests: Requests, level: float) -> Interval:
    """Sent less due, 99th percentile: what the client itself added to every latency."""
    late = [float(s.sent_ns - s.due_ns) for s in requests.samples if s.sent_ns is not None]
    if not late:
        return Interval(None, None, None, level, "withheld", 0, "ns", note="nothing was sent")
    point = float(np.percentile(late, 99))
    return Interval(point, None, None, level, "numpy", len(late), "ns", note="no interval: a check, not a result")


# --- what it means --------------------------------------------------------------------------------------------------


def is_growing(figures: Mapping[str, Interval]) -> bool:
    """Whether requests pile up: over a twentieth of them, and told from none where there is an interval."""
    backlog = figures.get("backlog")
    if backlog is None or backlog.point is None:
        return False
    return backlog.point > GROWTH and (backlog.low is None or backlog.low > 0)


_WORSENS_UP = ("latency.", "ttft.")
_WORSENS_DOWN = ("tokens_per_s", "characters_per_s", "total_tokens_per_s", "goodput", "goodput.share")
_GREW = "the backlog grew: a longer block would show worse"


def without_far_ends(figures: Mapping[str, Interval]) -> dict[str, Interval]:
    """Figures of a candidate whose backlog grew: no bound on the bad side, since a longer block would be worse.

    A need may then still be failed, and never be passed.
    """
    found = {}
    for name, one in figures.items():
        note = "; ".join(filter(None, (one.note, _GREW)))
        if name.startswith(_WORSENS_UP):
            found[name] = replace(one, high=None, note=note)
        elif name in _WORSENS_DOWN:
            found[name] = replace(one, low=None, note=note)
        else:
            found[name] = one
    return found


def load_warnings(requests: Requests, figures: Mapping[str, Interval], load: LoadShape) -> list[str]:
    """What a reader must know of a candidate's load: each warning names its cause."""
    if not any(sample.sent_ns is not None for sample in requests.samples):
        return []
    texts = [_late_warning(figures)]
    if load.kind == "closed":
        texts.append(_concurrency_warning(figures, load.concurrency))
    else:
        texts += [_rate_warning(requests, figures), _backlog_warning(figures, load)]
    return [text for text in texts if text]


def _point(figures: Mapping[str, Interval], name: str) -> float | None:
    interval = figures.get(name)
    return None if interval is None else interval.point


def _late_warning(figures: Mapping[str, Interval]) -> str:
    late, latency = _point(figures, "late.p99"), _point(figures, "latency.p50")
    if late is None or latency is None or late < max(_LATE_NS, _LATE_SHARE * latency):
        return ""
    return (
        f"the client was late: requests were sent up to {duration(late)} after they were due (p99); "
        "that is in the latency, and is not the server's"
    )


def _concurrency_warning(figures: Mapping[str, Interval], asked: int) -> str:
    if asked < 2:
        return ""
    reached = _point(figures, "reached.concurrency")
    if reached is None:
        return (
            f"nearly all requests of a block began at once, so {asked} in flight were never held for a while: "
            "--repeats makes blocks longer"
        )
    if reached >= SHORTFALL * asked:
        return ""
    return (
        f"{asked} requests in flight were asked and {rate(reached)} reached: slots stood empty between a reply's end "
        "and the next request"
    )


def _rate_warning(requests: Requests, figures: Mapping[str, Interval]) -> str:
    sent = _point(figures, "reached.rate")
    due = [value for one in requests.by_round() if (value := due_rate_per_s(one.samples)) is not None]
    planned = sum(due) / len(due) if due else None
    if sent is None or planned is None or sent >= SHORTFALL * planned:
        return ""
    return f"the client could not keep the rate: {rate(planned)} requests/s were planned and {rate(sent)} sent"


def _backlog_warning(figures: Mapping[str, Interval], load: LoadShape) -> str:
    if not is_growing(figures):
        return ""
    piled, completed = (_point(figures, "backlog") or 0.0) * 100, _point(figures, "reached.completed")
    done = f" and {rate(completed)} completed" if completed is not None else ""
    return (
        f"{rate(load.rate_per_s or 0.0)} requests/s were asked{done}; {piled:.0f} % of the arrivals piled up: the rate "
        "is above its capacity, or the blocks are too short to settle. Latency then depends on how long one measures, "
        "and has no upper end here"
    )
