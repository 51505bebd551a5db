"""What may be preferred, and how far one candidate leads another on it."""

import math
from collections.abc import Mapping
from dataclasses import dataclass, replace
from typing import Literal

import numpy as np

from shortlist.choose.evidence import Basis, CandidateEvidence
from shortlist.errors import NotEnoughSamples, UnknownName
from shortlist.results.measuring import ratio_error
from shortlist.results.quality import RATING_SCALE
from shortlist.stats.paired import Difference, paired_cluster_difference, paired_log_ratio
from shortlist.stats.samples import mean_of

_PAGE_BYTES = 4096
_FIRM = 1e9  # degrees of freedom of a number without sampling error


@dataclass(frozen=True, slots=True)
class Preference:
    """`figure` is what it is read from; `margin` names the margin; `ahead` and `behind` are its words."""

    name: str
    figure: str
    basis: Basis
    margin: str
    unit: str
    lower_is_better: bool
    ahead: str
    behind: str


@dataclass(frozen=True, slots=True)
class Weight:
    """A preference's weight on a scale that was declared beforehand: `worst` scores 0, `best` 1, in its own unit."""

    preference: str
    weight: float
    worst: float
    best: float


def _speed(name: str, figure: str, unit: str = "ns") -> Preference:
    ahead, behind = ("quicker", "slower") if unit == "ns" else ("faster", "slower")
    return Preference(name, figure, "rounds", "speed", unit, unit == "ns", ahead, behind)


PREFERENCES: Mapping[str, Preference] = {
    one.name: one
    for one in (
        Preference("quality", "quality", "scores", "facets", "", False, "better", "worse"),
        Preference("facets", "facets", "scores", "facets", "", False, "better", "worse"),
        Preference("rating", "rating", "scores", "rating", "", False, "better", "worse"),
        _speed("latency", "latency.mean"),
        _speed("ttft", "ttft.mean"),
        _speed("throughput", "throughput", "tokens/s"),
        _speed("tokens_per_s", "tokens_per_s", "tokens/s"),
        Preference("memory", "memory.peak", "rounds", "memory", "B", True, "smaller in memory", "larger in memory"),
        Preference("footprint", "footprint", "exact", "memory", "B", True, "smaller on disk", "larger on disk"),
    )
}
DEFAULT_WITH_QUALITY = ("quality", "latency")
DEFAULT_WITHOUT = ("latency", "throughput", "memory", "footprint")


def find_preference(name: str) -> Preference:
    """A preference by its name. Raises UnknownName with the nearest."""
    if name not in PREFERENCES:
        raise UnknownName("preference", name, PREFERENCES)
    return PREFERENCES[name]


def resolve(name: str, quality_basis: str | None) -> Preference:
    """A preference by its name; `quality` is read from what stands for it in this run. Raises UnknownName."""
    found = find_preference(name)
    return replace(PREFERENCES[quality_basis], name=name) if name == "quality" and quality_basis else found


def is_measured(one: CandidateEvidence, preference: Preference) -> bool:
    """Whether this candidate has anything to compare on it."""
    if preference.basis == "scores":
        return bool(one.scores.get(preference.figure))
    if preference.basis == "rounds":
        return bool(one.rounds.get(preference.figure))
    figure = one.figures.get(preference.figure)
    return figure is not None and figure.point is not None


def paired_means(a: CandidateEvidence, b: CandidateEvidence, figure: str) -> tuple[list[float], list[float]]:
    """Round means of both, over the rounds and the prompts in them that both have."""
    pairs = paired_by_round(a, b, figure).values()
    return [mean for mean, _ in pairs], [mean for _, mean in pairs]


def paired_by_round(a: CandidateEvidence, b: CandidateEvidence, figure: str) -> dict[int, tuple[float, float]]:
    """Round → the means of both over what both have in it, rounds in their order."""
    pairs = {}
    rounds_a, rounds_b = a.rounds.get(figure, {}), b.rounds.get(figure, {})
    for number in sorted(rounds_a.keys() & rounds_b.keys()):
        both = sorted(rounds_a[number].keys() & rounds_b[number].keys())
        if both:
            mine, theirs = ([rounds[number][place] for place in both] for rounds in (rounds_a, rounds_b))
            pairs[number] = mean_of(mine), mean_of(theirs)
    return pairs


def _exact(estimate: float, scale: Literal["ratio", "difference"]) -> Difference:
    """Two numbers without sampling error, such as bytes on disk: the smallest spread that can be written."""
    return Difference(estimate, 1e-12, _FIRM, 1, "rounds", scale, "exact")


def scale_of(figure: str) -> tuple[float, float]:
    """The ends of a score."""
    return RATING_SCALE if figure == "rating" else (0.0, 1.0)


def difference(a: CandidateEvidence, b: CandidateEvidence, preference: Preference) -> Difference | None:
    """A against B, paired: a ratio for speed and sizes, a difference for scores. None: cannot be compared."""
    if not (is_measured(a, preference) and is_measured(b, preference)):
        return None
    try:
        if preference.basis == "scores":
            scores = a.scores[preference.figure], b.scores[preference.figure]
            return paired_cluster_difference(*scores, scale=scale_of(preference.figure))
        if preference.basis == "rounds":
            step = _PAGE_BYTES if preference.unit == "B" else 0.0
            found = paired_log_ratio(*paired_means(a, b, preference.figure), resolution=step)
            return replace(found, error=_ratio_error(a, b, preference.figure))
    except NotEnoughSamples:
        return None
    ends = _point(a, preference.figure), _point(b, preference.figure)
    return _exact(math.log(ends[0] / ends[1]), "ratio") if min(ends) > 0 else None


def _ratio_error(a: CandidateEvidence, b: CandidateEvidence, figure: str) -> float:
    """How far the measuring itself may have moved the log ratio of both."""
    sides = [(one.errors.get(figure, 0.0), _point(one, figure)) for one in (a, b)]
    return ratio_error(*sides[0], *sides[1])


def _point(one: CandidateEvidence, figure: str) -> float:
    found = one.figures.get(figure)
    return (found.point or 0.0) if found is not None else 0.0


def lead(x: CandidateEvidence, y: CandidateEvidence, preference: Preference) -> Difference | None:
    """How far Y is ahead of X: above zero (a ratio above one) when Y is better."""
    found = difference(y, x, preference)
    return found.flipped() if found is not None and preference.lower_is_better else found


def weighted_lead(x: CandidateEvidence, y: CandidateEvidence, weights: tuple[Weight, ...]) -> Difference | None:
    """How far Y's weighted score is ahead of X's, on scales that no candidate can move.

    Score = Σ weight · (value - worst) / (best - worst), weights adding up to one; values beyond an end of a scale count
    on. Each part is paired by its own unit (rounds, clusters); the parts' errors are taken as independent, degrees of
    freedom by Satterthwaite. None where a part cannot be compared.
    """
    total = sum(one.weight for one in weights)
    estimate, error, parts, units = 0.0, 0.0, [], []
    for one in weights:
        found = _natural(y, x, find_preference(one.preference))
        if found is None:
            return None
        factor = one.weight / total / (one.best - one.worst)
        estimate += factor * found.estimate
        error += abs(factor) * found.error
        parts.append(((factor * found.se) ** 2, found.df))
        units.append((found.n, found.units))
    variance = sum(part for part, _ in parts)
    df = variance**2 / sum(part**2 / df for part, df in parts)
    # The scarcest unit limits the score; a number without sampling error limits nothing.
    n, unit = min([one for one in units if one[0] > 1] or units)
    method = "weighted sum on declared scales"
    return Difference(estimate, math.sqrt(variance), df, n, unit, "difference", method, error=error)


def _natural(a: CandidateEvidence, b: CandidateEvidence, preference: Preference) -> Difference | None:
    """A less B in the preference's own unit, with a t error."""
    if not (is_measured(a, preference) and is_measured(b, preference)):
        return None
    try:
        if preference.basis == "scores":
            scores = a.scores[preference.figure], b.scores[preference.figure]
            return paired_cluster_difference(*scores, scale=None)
        if preference.basis == "rounds":
            means_a, means_b = paired_means(a, b, preference.figure)
            if len(means_a) < 2:
                return None
            steps = np.subtract(means_a, means_b)
            se = float(steps.std(ddof=1)) / math.sqrt(steps.size)
            error = max(one.errors.get(preference.figure, 0.0) for one in (a, b))
            shown = Difference(float(steps.mean()), se, steps.size - 1, steps.size, "rounds", "difference", "paired t")
            return replace(shown, error=error)
    except NotEnoughSamples:
        return None
    ends = a.figures[preference.figure].point, b.figures[preference.figure].point
    return None if ends[0] is None or ends[1] is None else _exact(ends[0] - ends[1], "difference")
