"""Evidence made by hand: candidates whose numbers are given, with a small spread that is the same every time."""

from dataclasses import dataclass

import numpy as np

from shortlist.choose.evidence import CandidateEvidence, Evidence, with_quality
from shortlist.models.licence import LicenceFinding
from shortlist.records import Interval
from shortlist.stats.intervals import cluster_t, exact, mean_t, proportion

MS = 10**6
PERMISSIVE = LicenceFinding("permissive", "apache-2.0", "m", "card")


@dataclass(frozen=True, slots=True)
class Made:
    """A candidate: mean facets, latency in ms, memory and footprint in MB. `wobble` is the facets' spread."""

    name: str
    facets: float | None = 0.7
    latency: float = 1000.0
    memory: float = 1000.0
    footprint: float = 500.0
    failed: int = 0
    wobble: float = 0.02
    licence: LicenceFinding = PERMISSIVE


def _swings(name: str, what: str, count: int) -> list[float]:
    """Noise of mean 0 and standard deviation 1, different for each name and the same every time."""
    drawn = np.random.default_rng(list(f"{name} {what}".encode())).standard_normal(count)
    return [float(value) for value in (drawn - drawn.mean()) / drawn.std()]


def candidate(made: Made, clusters: int = 10, rounds: int = 5) -> CandidateEvidence:
    latencies = [made.latency * MS * (1 + 0.005 * swing) for swing in _swings(made.name, "latency", rounds)]
    peaks = [made.memory * 1e6 * (1 + 0.0001 * swing) for swing in _swings(made.name, "memory", rounds)]
    noise = [made.wobble * swing for swing in _swings(made.name, "facets", clusters * 2)]
    scores = (
        {}
        if made.facets is None
        else {
            f"c{c:02d}": {f"p{c:02d}{p}": (min(1.0, max(0.0, made.facets + noise[2 * c + p])),) for p in range(2)}
            for c in range(clusters)
        }
    )
    total = rounds * clusters * 2
    figures: dict[str, Interval] = {
        "latency.mean": mean_t(latencies, "ns"),
        "memory.peak": mean_t(peaks, "B"),
        "footprint": exact(made.footprint * 1e6, "B"),
        "error_rate": proportion(made.failed, total),
    }
    if scores:
        figures["facets"] = cluster_t(scores, "score")
    return CandidateEvidence(
        made.name,
        made.name,
        figures,
        {
            "latency.mean": {n: {"round": value} for n, value in enumerate(latencies)},
            "memory.peak": {n: {"round": value} for n, value in enumerate(peaks)},
        },
        {"facets": scores} if scores else {},
        made.licence,
    )


def evidence(*made: Made, clusters: int = 10, rounds: int = 5, looks: int = 1) -> Evidence:
    found = tuple(candidate(one, clusters, rounds) for one in made)
    minute = 60 * 10**9
    return with_quality(Evidence(found, looks, "5eed7f3c", rounds, clusters * 2, clusters, minute))
