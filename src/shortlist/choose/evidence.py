"""What a decision is made from, candidate by candidate; independent of how it was measured."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace

from shortlist.models.licence import LicenceFinding, find_licence
from shortlist.records import Candidate, Interval, MemoryPoint, Run
from shortlist.results import metrics
from shortlist.results.accepted import Measure, Requests, requests_by_candidate
from shortlist.results.quality import facet_scores, rating_scores
from shortlist.results.summary import summarise
from shortlist.stats.samples import ClusteredScores

ERROR = 0.05
"""The error of all that a run decides, over every look at it."""

RoundValues = Mapping[int, Mapping[str, float]]
"""Round → what was measured in it (a prompt and its repeat, or the round as a whole) → the value."""

_WHOLE = "round"
_NO_CARD = find_licence(None)
_MEASURES: Mapping[str, Measure] = {
    "latency.mean": metrics.latency_ns,
    "ttft.mean": metrics.ttft_ns,
    "tokens_per_s": metrics.output_tokens_per_s,
    "characters_per_s": metrics.characters_per_s,
    "tpot": metrics.tpot_ns,
}


@dataclass(frozen=True, slots=True)
class CandidateEvidence:
    """One candidate: intervals by figure, what pairs are made of (`rounds`, `scores`), and the licence.

    `scores` holds `facets` and `rating` where they were scored. `reason`: why it is not `ok`.
    """

    candidate: str
    label: str
    figures: Mapping[str, Interval] = field(default_factory=dict)
    rounds: Mapping[str, RoundValues] = field(default_factory=dict)
    scores: Mapping[str, ClusteredScores] = field(default_factory=dict)
    licence: LicenceFinding = _NO_CARD
    reason: str = ""


@dataclass(frozen=True, slots=True)
class Evidence:
    """All candidates that were planned, and what it takes to measure more. Those left out of the plan are `skipped`.

    `quality_basis` is what `quality` stands for: facets where there are any, else ratings.
    """

    candidates: tuple[CandidateEvidence, ...]
    looks: int = 1
    run: str = ""
    rounds: int = 0
    prompts: int = 0
    clusters: int = 0
    round_ns: int | None = None
    quality_basis: str | None = None
    skipped: tuple[str, ...] = ()

    @property
    def level(self) -> float:
        """The error level of this look: five per cent shared among the looks (Bonferroni)."""
        return ERROR / max(1, self.looks)

    def of(self, candidate: str) -> CandidateEvidence:
        """One candidate by its id. Raises KeyError."""
        return next(one for one in self.candidates if one.candidate == candidate)


def evidence_from(run: Run) -> Evidence:
    """What a run gives to decide by. The run's looks share the error level, so intervals widen with each."""
    looks = max(1, len(run.info.plan.looks))
    summary = summarise(run, level=1 - ERROR / looks, failures_as_infinite=True)
    requests = requests_by_candidate(run)
    scores = {"facets": facet_scores(run), "rating": rating_scores(run)}
    planned = {candidate.id: candidate for candidate in run.info.plan.candidates}
    peaks = _peaks_by_round(run)
    found = [
        _candidate(
            CandidateEvidence(one.candidate, one.label, one.figures, reason=one.reason or ""),
            planned[one.candidate],
            requests[one.candidate],
            {name: by[one.candidate] for name, by in scores.items() if by.get(one.candidate)},
            peaks.get(one.candidate, {}),
        )
        for one in summary.candidates
        if one.candidate in planned
    ]
    prompts = run.info.plan.suite.prompts
    return with_quality(
        Evidence(
            tuple(found),
            looks,
            run.info.short_id,
            summary.rounds,
            len(prompts),
            len({prompt.cluster or prompt.id for prompt in prompts}),
            summary.round_ns,
            skipped=tuple(f"{one.label}: {one.reason}" if one.reason else one.label for one in run.info.skipped),
        )
    )


def with_quality(evidence: Evidence) -> Evidence:
    """The same, with `quality` standing for facets where any candidate has them, else for the rating."""
    basis = next((b for b in ("facets", "rating") if any(b in one.scores for one in evidence.candidates)), None)
    named = [
        replace(one, figures={**one.figures, "quality": one.figures[basis]})
        if basis is not None and basis in one.figures
        else one
        for one in evidence.candidates
    ]
    return replace(evidence, candidates=tuple(named), quality_basis=basis)


def _candidate(
    bare: CandidateEvidence,
    candidate: Candidate,
    requests: Requests,
    scores: Mapping[str, ClusteredScores],
    peaks: RoundValues,
) -> CandidateEvidence:
    rounds = {name: _by_round(requests, measure) for name, measure in _MEASURES.items()}
    rounds["throughput"] = _throughput(requests)
    rounds["memory.peak"] = peaks
    return CandidateEvidence(
        bare.candidate,
        bare.label,
        bare.figures,
        {name: values for name, values in rounds.items() if values},
        scores,
        find_licence(candidate.card),
        bare.reason,
    )


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
