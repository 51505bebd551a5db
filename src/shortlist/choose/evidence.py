"""What a decision is made from, candidate by candidate; independent of how it was measured."""

from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from typing import Literal

from shortlist.models.licence import Action, LicenceFinding, find_licence
from shortlist.records import Interval, Run
from shortlist.results.accepted import requests_by_candidate
from shortlist.results.disturbance import noise_of
from shortlist.results.figures import CandidateSummary, RunSummary, is_speed
from shortlist.results.goodput import limit_errors, parse_limits
from shortlist.results.measuring import figure_errors
from shortlist.results.quality import facet_scores, quality_figures, rating_scores
from shortlist.results.racing import are_answers_final, newest_look, spent_share
from shortlist.results.rounds import RoundValues, round_values
from shortlist.results.summary import summarise
from shortlist.stats.samples import ClusteredScores

ERROR = 0.05
"""The error of all that a run decides, over every look at it."""

Basis = Literal["scores", "rounds", "exact"]
"""What a figure is made of: scores by prompt, values by round, or a number without sampling error."""

_NO_CARD = find_licence(None)


@dataclass(frozen=True, slots=True)
class CandidateEvidence:
    """One candidate: intervals by figure, what pairs are made of (`rounds`, `scores`), and the licence.

    `scores` holds `facets` and `rating` where they were scored. `reason`: why it is not `ok`. `noise`: why its speed
    says nothing; the intervals of its speeds are then open, and it is compared on none of them. `planned`: how many
    requests were planned, where a race may leave some out. `is_stopped`: a race has left it behind, or waiting.
    `errors`: how far a figure may be off by the measuring itself, in its unit; the ends of `figures` contain it.
    """

    candidate: str
    label: str
    figures: Mapping[str, Interval] = field(default_factory=dict)
    rounds: Mapping[str, RoundValues] = field(default_factory=dict)
    scores: Mapping[str, ClusteredScores] = field(default_factory=dict)
    licence: LicenceFinding = _NO_CARD
    reason: str = ""
    noise: str = ""
    planned: int = 0
    is_stopped: bool = False
    errors: Mapping[str, float] = field(default_factory=dict)

    @property
    def is_cut(self) -> bool:
        """Whether some of what was planned was not measured."""
        return "error_rate" in self.figures and self.figures["error_rate"].n < self.planned


@dataclass(frozen=True, slots=True)
class Evidence:
    """All candidates that were planned, and what it takes to measure more. Those left out of the plan are `skipped`.

    `quality_basis` is what `quality` stands for: facets where there are any, else ratings. `share` is the part of the
    error that a race spends at this look on figures that further rounds still change; `are_answers_final`: no round
    changes the scores, since each gets the same answers.
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
    share: float = 1.0
    are_answers_final: bool = False

    @property
    def level(self) -> float:
        """The error level of all that is decided now: five per cent shared among the looks (Bonferroni)."""
        return ERROR / max(1, self.looks)

    def level_of(self, basis: Basis) -> float:
        """The level of one test. What no further round changes is one test, however often a race looks at it."""
        is_final = basis == "exact" or (basis == "scores" and self.are_answers_final)
        return self.level if is_final else self.level * self.share

    def of(self, candidate: str) -> CandidateEvidence:
        """One candidate by its id. Raises KeyError."""
        return next(one for one in self.candidates if one.candidate == candidate)


def evidence_from(run: Run, actions: Mapping[str, Action] | None = None) -> Evidence:
    """What a run gives to decide by. The run's looks share the error level, so intervals widen with each.

    `actions`: what the licence policy says of each candidate, by id.
    """
    looks, share = max(1, len(run.info.plan.looks)), spent_share(run)
    blank = Evidence((), looks, share=share, are_answers_final=are_answers_final(run.info))
    summary = summarise(run, level=1 - blank.level_of("rounds"), failures_as_infinite=True)
    quality = quality_figures(run, 1 - blank.level_of("scores")) if share < 1 else {}
    look = newest_look(run)
    behind = {*look.out, *look.waiting} if look else set()
    rounds = round_values(run)
    errors = _errors(run, summary)
    scores = {"facets": facet_scores(run), "rating": rating_scores(run)}
    planned = {candidate.id: candidate for candidate in run.info.plan.candidates}
    found = [
        CandidateEvidence(
            one.candidate,
            one.label,
            {**_widened(_told_figures(one), errors[one.candidate]), **quality.get(one.candidate, {})},
            rounds[one.candidate],
            {name: by[one.candidate] for name, by in scores.items() if by.get(one.candidate)},
            replace(find_licence(planned[one.candidate].card), action=(actions or {}).get(one.candidate)),
            one.reason or "",
            noise_of(one),
            one.planned if run.info.plan.race else 0,
            one.candidate in behind and one.n < one.planned,
            errors[one.candidate],
        )
        for one in summary.candidates
        if one.candidate in planned
    ]
    prompts = run.info.plan.suite.prompts
    return with_quality(
        replace(
            blank,
            candidates=tuple(found),
            run=run.info.short_id,
            rounds=summary.rounds,
            prompts=len(prompts),
            clusters=len({prompt.cluster or prompt.id for prompt in prompts}),
            round_ns=summary.round_ns,
            skipped=tuple(f"{one.label}: {one.reason}" if one.reason else one.label for one in run.info.skipped),
        )
    )


def _errors(run: Run, summary: RunSummary) -> dict[str, dict[str, float]]:
    """Candidate → figure → how far the measuring itself may have moved it."""
    known = summary.measuring_error
    errors = {one.candidate: figure_errors(one.figures, known) for one in summary.candidates}
    limits = parse_limits(run.info.plan.suite.goodput)
    if known is not None and limits:
        requests = requests_by_candidate(run)
        for one in summary.candidates:
            if one.candidate in requests:
                errors[one.candidate] |= limit_errors(requests[one.candidate], limits, one.figures, known.error_ns)
    return errors


def _told_figures(one: CandidateSummary) -> Mapping[str, Interval]:
    """The figures, but that a speed measured on a host too noisy has a point and nothing to judge by."""
    noise = noise_of(one)
    if not noise:
        return one.figures
    return {
        name: replace(figure, low=None, high=None, note=noise)
        if is_speed(name) and figure.point is not None
        else figure
        for name, figure in one.figures.items()
    }


def _widened(figures: Mapping[str, Interval], errors: Mapping[str, float]) -> Mapping[str, Interval]:
    """Intervals with both ends moved out by the measuring error: the one place where a decision takes it in."""
    wide = {
        name: replace(
            figures[name],
            low=None if figures[name].low is None else max(0.0, (figures[name].low or 0.0) - off),
            high=None if figures[name].high is None else (figures[name].high or 0.0) + off,
        )
        for name, off in errors.items()
    }
    return {**figures, **wide}


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
