"""How far a run's numbers may be off by our own measuring, figure by figure."""

import math
from collections.abc import Mapping

import msgspec

from shortlist.records import Interval, MeasuringError, Run, from_builtins

SELFTEST = "selftest"
"""The kind of event that holds what a self-test found before an executor's first block."""

_GAPS = ("gap.p50", "gap.p99")
_TIME_UNDER: Mapping[str, str] = {
    **dict.fromkeys(("tokens_per_s", "characters_per_s", "total_tokens_per_s", "throughput"), "latency.mean"),
    "prefill_tokens_per_s": "ttft.service",
    "decode_tokens_per_s": "tpot",
}
"""Rates, and the time that each is counted over."""


def measuring_error(run: Run) -> MeasuringError | None:
    """The largest that was found for any process that ran blocks; None where one of them has none that can be read."""
    by_executor: dict[str, MeasuringError] = {}
    for event in run.events:
        if event.kind == SELFTEST:
            try:
                by_executor[event.executor] = from_builtins(event.data, MeasuringError)
            except msgspec.ValidationError:
                return None  # of a version that is not ours: not known, and printed so
    ran = {block.executor for block in run.blocks}
    if not ran or not ran <= by_executor.keys():
        return None
    return max((by_executor[name] for name in ran), key=lambda one: one.error_ns)


def figure_error(figure: str, figures: Mapping[str, Interval], error: MeasuringError | None) -> float:
    """How far a figure may be off, in its own unit; 0 where our stamps have no part in it, or nothing is known.

    A duration from due is off by the error of one stamp. A rate is off by the same share as the time under it (latency,
    for prefill the first token's, for decode the time per token); the time per token by that error over the tokens that
    it is spread over. Goodput's own is `goodput.limit_errors`: it takes the requests.
    """
    interval = figures.get(figure)
    if error is None or interval is None or interval.point is None:
        return 0.0
    if figure.startswith(("latency.", "ttft.")):
        return float(error.tail_ns if figure.endswith(".p99") else error.error_ns)
    if figure in _GAPS:
        return float(error.gap.p99_ns if figure == "gap.p99" else error.gap.p95_ns)
    if figure == "tpot":
        return _token_error(figures, error)
    if figure not in _TIME_UNDER:
        return 0.0
    under = _TIME_UNDER[figure]
    off, time = _token_error(figures, error) if under == "tpot" else error.error_ns, _point(figures, under)
    return interval.point * off / time if time else 0.0


def _token_error(figures: Mapping[str, Interval], error: MeasuringError) -> float:
    """What the time per token may be off by."""
    tokens = _point(figures, "output_tokens")
    return error.error_ns / max(1.0, tokens - 1) if tokens else 0.0


def figure_errors(figures: Mapping[str, Interval], error: MeasuringError | None) -> dict[str, float]:
    """Every figure that may be off, and by how much."""
    return {name: off for name in figures if (off := figure_error(name, figures, error)) > 0}


def ratio_error(error_a: float, a: float, error_b: float, b: float) -> float:
    """How far the log of a ratio a / b may be off, when the difference of the two is off by the larger error.

    Both sides were measured by one client on one host, so what it always adds stands on both; the whole error of one
    is allowed for.
    """
    shares = [error / abs(value) for error, value in ((error_a, a), (error_b, b)) if value]
    return math.log1p(max(shares, default=0.0))


def _point(figures: Mapping[str, Interval], name: str) -> float:
    found = figures.get(name)
    return (found.point or 0.0) if found is not None else 0.0
