"""What each round of a run gave, by candidate and figure: the values that pairs, runs and redraws are compared by."""

from collections.abc import Mapping, Sequence

from shortlist.records import MemoryPoint, Run
from shortlist.results import metrics
from shortlist.results.accepted import Measure, Requests, requests_by_candidate
from shortlist.stats.samples import mean_of

RoundValues = Mapping[int, Mapping[str, float]]
"""Round → what was measured in it (a prompt and its repeat, or the round as a whole) → the value."""

_WHOLE = "round"
_MEASURES: Mapping[str, Measure] = {
    "latency.mean": metrics.latency_ns,
    "ttft.mean": metrics.ttft_ns,
    "tokens_per_s": metrics.output_tokens_per_s,
    "characters_per_s": metrics.characters_per_s,
    "tpot": metrics.tpot_ns,
}


def round_values(run: Run) -> dict[str, dict[str, RoundValues]]:
    """Candidate → figure → its rounds; a figure that no round has is left out."""
    peaks = _peaks_by_round(run)
    found = {}
    for candidate, requests in requests_by_candidate(run).items():
        rounds: dict[str, RoundValues] = {name: _by_round(requests, measure) for name, measure in _MEASURES.items()}
        rounds["throughput"] = _throughput(requests)
        rounds["memory.peak"] = peaks.get(candidate, {})
        found[candidate] = {name: values for name, values in rounds.items() if values}
    return found


def round_means(values: RoundValues) -> tuple[float, ...]:
    """One mean per round, rounds in their order."""
    return tuple(mean_of(values[number].values()) for number in sorted(values))


def _by_round(requests: Requests, measure: Measure) -> RoundValues:
    rounds: dict[int, dict[str, float]] = {}
    for item in requests.complete.items:
        value = measure(item.sample)
        if value is not None:
            rounds.setdefault(item.cell.round, {})[f"{item.cell.prompt}/{item.cell.repeat}"] = float(value)
    return rounds


def _throughput(requests: Requests) -> RoundValues:
    rounds = {one.items[0].cell.round: metrics.throughput_per_s(one.samples) for one in requests.by_round()}
    return {number: {_WHOLE: value} for number, value in rounds.items() if value is not None}


def _peaks_by_round(run: Run) -> dict[str, dict[int, dict[str, float]]]:
    """The highest reading of each candidate's finished block, peaks before samples."""
    done = {block.id: block for block in run.blocks if block.state == "done"}
    found: dict[str, dict[int, dict[str, float]]] = {}
    for phase in ("sample", "peak"):
        for block, points in _points_by_block(run.memory_points, phase).items():
            if block in done:
                rounds = found.setdefault(done[block].candidate, {})
                rounds[done[block].round] = {_WHOLE: float(max(point.total_bytes for point in points))}
    return found


def _points_by_block(points: Sequence[MemoryPoint], phase: str) -> dict[str, list[MemoryPoint]]:
    by_block: dict[str, list[MemoryPoint]] = {}
    for point in points:
        if point.phase == phase:
            by_block.setdefault(point.block, []).append(point)
    return by_block
