"""Goodput: requests per second that kept a stated limit. Raw samples are stored: any limit can be asked afterwards."""

import re
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, replace

from shortlist.errors import BadInput, UnknownName
from shortlist.records import Interval, Run, Sample
from shortlist.results import metrics
from shortlist.results.accepted import Requests, first_pass
from shortlist.stats.intervals import proportion, ratio_of_sums
from shortlist.units import parse_duration_ns

FEWEST_REQUESTS = 30
"""Below it a share says too little: 95 % of 29 requests may be 82 %."""

_MEASURES: Mapping[str, Callable[[Sample], float | None]] = {
    "latency": metrics.latency_ns,
    "ttft": metrics.ttft_ns,
    "tpot": metrics.tpot_ns,
}
_EXPRESSION = re.compile(r"\s*([A-Za-z][\w.]*)\s*(<=|<|≤)\s*(\S.*?)\s*")
_HINT = "write it like 'ttft<500ms' or 'latency<2s,tpot<50ms'"


@dataclass(frozen=True, slots=True)
class Limit:
    """What a good request keeps: `figure` of one request, under (or, not strict, at) so many nanoseconds."""

    text: str
    figure: str
    limit_ns: int
    is_strict: bool = True

    def is_kept(self, sample: Sample) -> bool:
        """Whether a request kept it. A failed one never does; an answer too short for a TPOT cannot break its limit."""
        if not metrics.is_complete(sample):
            return False
        value = _MEASURES[self.figure](sample)
        if value is None:
            return self.figure == "tpot"
        return value < self.limit_ns if self.is_strict else value <= self.limit_ns

    def moved(self, by_ns: float) -> "Limit":
        """The same, so much looser (below zero: stricter)."""
        return replace(self, limit_ns=round(self.limit_ns + by_ns))


def parse_limits(texts: Iterable[str]) -> tuple[Limit, ...]:
    """Limits as typed; one text may hold several with commas. Raises BadInput, UnknownName."""
    parts = [part for text in texts for part in text.split(",") if part.strip()]
    limits = tuple(_parse(part) for part in parts)
    names = [limit.figure for limit in limits]
    twice = next((name for name in names if names.count(name) > 1), None)
    if twice is not None:
        raise BadInput(f"goodput has two limits on {twice}", hint="keep the stricter one")
    return limits


def _parse(text: str) -> Limit:
    match = _EXPRESSION.fullmatch(text)
    if not match:
        raise BadInput(f"{text.strip()!r} is not a limit of goodput", hint=_HINT)
    name, sign, limit = match[1].lower(), match[2], match[3]
    if name not in _MEASURES:
        raise UnknownName("figure of goodput", name, _MEASURES, hint=_HINT)
    limit_ns = parse_duration_ns(limit)
    if limit_ns <= 0:
        raise BadInput(f"no request can keep {text.strip()}", hint=_HINT)
    return Limit(f"{name}{sign}{limit}", name, limit_ns, sign == "<")


def with_limits(run: Run, texts: Sequence[str]) -> Run:
    """The run as if these limits had been stated for it; none: as it was. Raises BadInput, UnknownName."""
    parse_limits(texts)
    if not texts:
        return run
    suite = replace(run.info.plan.suite, goodput=tuple(texts))
    return replace(run, info=replace(run.info, plan=replace(run.info.plan, suite=suite)))


def needs_stream(limits: Iterable[Limit]) -> bool:
    """Whether the limits can only be judged on streamed replies."""
    return any(limit.figure != "latency" for limit in limits)


def goodput_figures(
    requests: Requests, limits: Sequence[Limit], *, is_streamed: bool, level: float, warmups: int = 0
) -> dict[str, Interval]:
    """`goodput`, in requests/s with t over rounds, and `goodput.share`; nothing without limits.

    The window of a round: first due to last content, less what was measured again after its first `warmups` samples and
    cells; those repeats stand in for the requests that they replace. Withheld under 30 requests, and where a limit
    needs a stream.
    """
    if not limits:
        return {}
    count = len(requests.items)
    reason = f"n = {count}, needs {FEWEST_REQUESTS}" if count < FEWEST_REQUESTS else ""
    if needs_stream(limits) and not is_streamed:
        reason = "not streamed: the first content is the whole reply"
    if reason:
        return {name: _withheld(unit, reason, level) for name, unit in _UNITS.items()}
    good, seconds = [], []
    for one in requests.by_round():
        good.append(float(_kept(one.samples, limits)))
        seconds.append(window_ns(first_pass(one.samples, warmups)) / 1e9)
    if not all(seconds):
        return {name: _withheld(unit, "a round took no time", level) for name, unit in _UNITS.items()}
    basis = ", ".join(limit.text for limit in limits)
    return {
        "goodput": ratio_of_sums(good, seconds, _UNITS["goodput"], level=level, basis=basis),
        "goodput.share": proportion(_kept(requests.samples, limits), count, level=level, basis=basis),
    }


def limit_errors(
    requests: Requests, limits: Sequence[Limit], figures: Mapping[str, Interval], error_ns: float
) -> dict[str, float]:
    """How far `goodput` and `goodput.share` may be off where each time may be: by the requests near a limit.

    A time per token is off by less; it counts as the others do.
    """
    kept, found = _kept(requests.samples, limits), dict[str, float]()
    if not limits or not error_ns or not requests.items:
        return found
    wide, tight = (_kept(requests.samples, [limit.moved(by) for limit in limits]) for by in (error_ns, -error_ns))
    off = max(wide - kept, kept - tight)
    share, rate = figures.get("goodput.share"), figures.get("goodput")
    if share is not None and share.point is not None:
        found["goodput.share"] = off / len(requests.items)
    if rate is not None and rate.point is not None and kept:
        found["goodput"] = rate.point * off / kept
    return found


_UNITS = {"goodput": "requests/s", "goodput.share": "share"}


def _withheld(unit: str, note: str, level: float) -> Interval:
    return Interval(None, None, None, level, "withheld", 0, unit, note=note)


def _kept(samples: Iterable[Sample], limits: Sequence[Limit]) -> int:
    return sum(all(limit.is_kept(sample) for limit in limits) for sample in samples)


def window_ns(samples: Sequence[Sample]) -> int:
    """First due to last content; where nothing came, to the last end."""
    last = [chunk.ns for sample in samples if (chunk := metrics.last_content(sample))]
    last = last or [sample.end_ns for sample in samples if sample.end_ns is not None]
    return max(last, default=0) - min(sample.due_ns for sample in samples) if last else 0
