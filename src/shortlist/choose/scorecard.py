"""Six dimensions per candidate, each an interval with its basis: what a decision weighs, side by side."""

from collections.abc import Mapping

from shortlist.choose.evidence import CandidateEvidence, Evidence
from shortlist.records import Interval, Scorecard

_LATENCY = ("latency.mean", "latency.p50", "latency.p95", "latency.p99", "ttft.mean", "ttft.p50", "ttft.p95", "tpot")
_THROUGHPUT = (
    "throughput",
    "tokens_per_s",
    "characters_per_s",
    "prefill_tokens_per_s",
    "decode_tokens_per_s",
    "error_rate",
)
_MEMORY = ("memory.loaded", "memory.peak", "memory.peak.anonymous", "memory.peak.file", "memory.vram")
_QUALITY = ("facets", "critical", "rating")


def scorecards(evidence: Evidence) -> tuple[Scorecard, ...]:
    """One card per candidate, in the plan's order; what was not measured is not on it."""
    return tuple(_card(one) for one in evidence.candidates)


def _card(one: CandidateEvidence) -> Scorecard:
    def named(names: tuple[str, ...]) -> Mapping[str, Interval]:
        return {name: one.figures[name] for name in names if name in one.figures}

    return Scorecard(
        one.candidate,
        latency=named(_LATENCY),
        throughput=named(_THROUGHPUT),
        memory=named(_MEMORY),
        quality=named(_QUALITY),
        footprint=named(("footprint",)),
        licence=one.licence.licence_class,
    )
