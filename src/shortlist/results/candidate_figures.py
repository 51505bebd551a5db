"""One candidate's figures, each with its interval or the reason why it has none."""

import math
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, replace

import numpy as np

from shortlist.records import Block, Interval, MemoryPoint, Sample, Variant
from shortlist.results import metrics
from shortlist.results.accepted import Measure, Requests
from shortlist.results.goodput import Limit
from shortlist.stats.intervals import exact, mean_t, percentile, proportion, ratio_of_sums
from shortlist.stats.power import quantile_n, rounds_for_quantile
from shortlist.units import about

PAGE_BYTES = 4096
_NOT_STREAMED = "not streamed: the first content is the whole reply"


@dataclass(frozen=True, slots=True)
class Manner:
    """How to summarise. `failures_as_infinite`: in percentiles, as a need judges them. `limits` are goodput's.

    `no_gaps` says why chunk gaps are not known, where not every chunk was kept. `percentiles` are those to give, None:
    all; resampling is most of the work.
    """

    level: float = 0.95
    is_streamed: bool = True
    failures_as_infinite: bool = False
    round_ns: int | None = None
    seed: int = 0
    limits: tuple[Limit, ...] = ()
    no_gaps: str = ""
    percentiles: frozenset[str] | None = None


def withheld(unit: str, note: str, level: float) -> Interval:
    """A figure that cannot be given, and why."""
    return Interval(None, None, None, level, "withheld", 0, unit, note=note)


def speed_figures(requests: Requests, manner: Manner) -> dict[str, Interval]:
    """Latency, TTFT and all rates."""
    found = {
        "latency.mean": _mean(requests, metrics.latency_ns, "ns", manner),
        **_percentiles(requests, metrics.latency_ns, ("latency.p50", "latency.p95", "latency.p99"), manner),
        "latency.max": _longest(requests, manner),
    }
    if manner.is_streamed:
        found["ttft.mean"] = _mean(requests, metrics.ttft_ns, "ns", manner)
        found |= _percentiles(requests, metrics.ttft_ns, ("ttft.p50", "ttft.p95"), manner)
        found["ttft.service"] = _mean(requests, metrics.service_ttft_ns, "ns", manner)
        if any(sample.reasoning for sample in requests.complete.samples):
            found["ttft.text"] = _mean(requests, metrics.text_ttft_ns, "ns", manner)
        found["tpot"] = _mean(requests, metrics.tpot_ns, "ns", manner)
        found["prefill_tokens_per_s"] = _mean(requests, metrics.prefill_tokens_per_s, "tokens/s", manner)
        found["decode_tokens_per_s"] = _mean(requests, metrics.decode_tokens_per_s, "tokens/s", manner)
        found |= _gap_figures(requests, manner)
    else:
        names = ("ttft.mean", "ttft.p50", "ttft.p95", "ttft.service", "tpot", "gap.p50", "gap.p99")
        found |= {name: withheld("ns", _NOT_STREAMED, manner.level) for name in names}
        phases = ("prefill_tokens_per_s", "decode_tokens_per_s")
        found |= {name: withheld("tokens/s", _NOT_STREAMED, manner.level) for name in phases}
    basis = "/".join(sorted({str(s.token_basis) for s in requests.complete.samples if s.token_basis}))
    rates: tuple[tuple[str, Measure, str], ...] = (
        ("tokens_per_s", metrics.output_tokens_per_s, "tokens/s"),
        ("total_tokens_per_s", metrics.total_tokens_per_s, "tokens/s"),
        ("characters_per_s", metrics.characters_per_s, "characters/s"),
    )
    for name, measure, unit in rates:
        found[name] = replace(_mean(requests, measure, unit, manner), basis=basis if unit == "tokens/s" else "")
    found["throughput"] = _throughput(requests, basis, manner)
    return found


def _mean(requests: Requests, measure: Measure, unit: str, manner: Manner) -> Interval:
    return mean_t(requests.complete.round_means(measure), unit, level=manner.level)


def _percentiles(requests: Requests, measure: Measure, names: Sequence[str], manner: Manner) -> dict[str, Interval]:
    """Percentiles by name (`latency.p95`), those that are wanted."""
    wanted = [name for name in names if manner.percentiles is None or name in manner.percentiles]
    return {name: _percentile(requests, measure, int(name.rpartition("p")[2]) / 100, manner) for name in wanted}


def _percentile(requests: Requests, measure: Measure, q: float, manner: Manner) -> Interval:
    rounds = []
    for one in requests.by_round():
        values = one.complete.values(measure)
        if manner.failures_as_infinite:
            values += [math.inf] * metrics.failures(one.samples)
        rounds.append(values)
    found = percentile(rounds, q, "ns", level=manner.level, seed=manner.seed)
    if found.low is not None or found.high is not None or not found.n:
        return found
    if found.n >= quantile_n(q, manner.level):
        return found
    in_round = max(1, round(found.n / max(1, len(rounds))))
    more = max(1, rounds_for_quantile(q, in_round, manner.level) - len(rounds))
    length = f", about {about(more * manner.round_ns)}" if manner.round_ns else ""
    return replace(found, note=f"{found.note} ({more} more rounds{length})")


def _longest(requests: Requests, manner: Manner) -> Interval:
    values = requests.complete.values(metrics.latency_ns)
    if not values:
        return withheld("ns", "no requests", manner.level)
    return Interval(max(values), None, None, manner.level, "maximum", len(values), "ns", note="the longest seen")


def _gap_figures(requests: Requests, manner: Manner) -> dict[str, Interval]:
    if manner.no_gaps:
        return {name: withheld("ns", manner.no_gaps, manner.level) for name in ("gap.p50", "gap.p99")}
    gaps = [gap for sample in requests.complete.samples for gap in metrics.gaps_ns(sample)]
    if not gaps:
        return {name: withheld("ns", "no gaps", manner.level) for name in ("gap.p50", "gap.p99")}
    note = "no interval: the gaps of one reply hang together"
    return {
        f"gap.p{q}": Interval(
            float(np.percentile(gaps, q)), None, None, manner.level, "numpy", len(gaps), "ns", note=note
        )
        for q in (50, 99)
    }


def _throughput(requests: Requests, basis: str, manner: Manner) -> Interval:
    tokens, seconds = [], []
    for one in requests.by_round():
        counts = [metrics.completion_tokens(sample) for sample in one.complete.samples]
        known = [count for count in counts if count is not None]
        if len(known) < len(counts):
            return withheld("tokens/s", "a reply without a token count", manner.level)
        in_flight_ns = metrics.in_flight_ns(one.samples)
        if in_flight_ns:  # a round whose engine did not start has neither tokens nor time
            tokens.append(float(sum(known)))
            seconds.append(in_flight_ns / 1e9)
    if not requests.complete.items:
        return withheld("tokens/s", "no requests", manner.level)
    return ratio_of_sums(tokens, seconds, "tokens/s", level=manner.level, basis=basis)


def answer_figures(requests: Requests, manner: Manner) -> dict[str, Interval]:
    """How long the answers are, how many were cut, how many requests failed."""
    cut, complete = metrics.cut_at_limit(requests.samples)
    failed = metrics.failures(requests.samples)
    return {
        "output_tokens": _mean(requests, metrics.completion_tokens, "tokens", manner),
        "output_characters": _mean(requests, metrics.characters, "characters", manner),
        "length_share": proportion(cut, complete, level=manner.level),
        "error_rate": proportion(failed, len(requests.items), level=manner.level),
    }


def load_figures(blocks: Iterable[Block], level: float) -> dict[str, Interval]:
    """Time to load, warm and cold apart; none where no block says."""
    by_kind: dict[str, list[float]] = {}
    for block in blocks:
        if block.load_ns is not None and block.load is not None:
            by_kind.setdefault(block.load, []).append(float(block.load_ns))
    return {f"load.{kind}": mean_t(values, "ns", level=level) for kind, values in sorted(by_kind.items())}


def memory_figures(points: Sequence[MemoryPoint], level: float) -> dict[str, Interval]:
    """Loaded and peak memory over blocks, the peak's split beside it; none where nothing was read."""
    loaded = _highest_by_block(point for point in points if point.phase == "loaded")
    peaks = _highest_by_block(point for point in points if point.phase == "peak") or _highest_by_block(
        point for point in points if point.phase == "sample"
    )
    found = {}
    for name, chosen in (("memory.loaded", loaded), ("memory.peak", peaks)):
        if chosen:
            basis = "/".join(sorted({point.basis for point in chosen}))
            totals = [float(point.total_bytes) for point in chosen]
            found[name] = mean_t(totals, "B", level=level, basis=basis, resolution=PAGE_BYTES)
    parts = {
        "memory.peak.anonymous": [point.anonymous_bytes for point in peaks],
        "memory.peak.file": [point.file_bytes for point in peaks],
        "memory.vram": [point.vram_bytes for point in peaks],
    }
    for name, values in parts.items():
        known = [float(value) for value in values if value is not None]
        if known and len(known) == len(values):
            found[name] = mean_t(known, "B", level=level, resolution=PAGE_BYTES)
    return found


def _highest_by_block(points: Iterable[MemoryPoint]) -> list[MemoryPoint]:
    highest: dict[str, MemoryPoint] = {}
    for point in points:
        if point.block not in highest or point.total_bytes > highest[point.block].total_bytes:
            highest[point.block] = point
    return list(highest.values())


def footprint_figures(variant: Variant) -> Mapping[str, Interval]:
    """Bytes on disk, a file that occurs twice counted once; none for an endpoint, or where a size is not known."""
    if variant.size_bytes is None:
        return {}
    sizes = {file.sha256 or file.path: file.size_bytes or 0 for file in variant.files}
    return {"footprint": exact(float(sum(sizes.values())), "B")}


def cached_tokens(samples: Iterable[Sample]) -> int | None:
    """The most prompt tokens that a reply took from a cache; None where no reply says."""
    return max((sample.cached_tokens for sample in samples if sample.cached_tokens is not None), default=None)
