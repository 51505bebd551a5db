"""How steady a pick is: clusters of prompts and rounds drawn again with replacement, the same for all candidates.

Every number of a redraw is the one that was seen, moved by as much as its point moves; its error stays as it was. To
work errors out anew would judge a redraw by the ties that drawing with replacement makes.
"""

from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, replace

import numpy as np

from shortlist.choose.comparing import Compared
from shortlist.choose.evidence import CandidateEvidence, Evidence
from shortlist.choose.preferences import Preference, find_preference, is_measured, paired_by_round
from shortlist.choose.rule import Outcome, Pairs
from shortlist.records import Interval
from shortlist.stats.paired import Difference
from shortlist.stats.samples import ClusteredScores, mean_of, prompt_means

DRAWS = 500
_QUANTILE_OF = {f"{name}.p{q}": (f"{name}.mean", q) for name in ("latency", "ttft") for q in (50, 95, 99)}

Steps = Mapping[str | int, float]
"""Cluster or round → how far Y is ahead of X in it, on the scale that is tested."""


@dataclass(frozen=True, slots=True)
class Draw:
    """Clusters and rounds of one redraw, some more than once."""

    clusters: tuple[str, ...]
    rounds: tuple[int, ...]

    def mean(self, steps: Steps) -> float:
        """The mean over what was drawn; over everything where none of it was."""
        units: tuple[str | int, ...] = (*self.clusters, *self.rounds)
        drawn = [steps[unit] for unit in units if unit in steps]
        return mean_of(drawn or list(steps.values()))

    def moved(self, seen: Difference, parts: Sequence[Steps]) -> Difference:
        """A pair's difference on this redraw; exact bounds count the clusters that were drawn."""
        estimate = sum(self.mean(steps) for steps in parts)
        bounds = seen.bounds
        if bounds is None:
            return replace(seen, estimate=estimate)
        drawn = [parts[0][unit] for unit in self.clusters if unit in parts[0]] or list(parts[0].values())
        above = sum(step >= bounds.floor - 1e-9 for step in drawn)
        below = sum(step <= bounds.ceiling + 1e-9 for step in drawn)
        return replace(seen, estimate=estimate, bounds=replace(bounds, at_floor=above, at_ceiling=below, n=len(drawn)))


@dataclass(frozen=True, slots=True)
class Redraws:
    """What is redrawn, and how often; `figures` are those that needs are about, `pairs` those of what was seen."""

    evidence: Evidence
    compared: Compared
    pairs: Pairs
    figures: frozenset[str]
    seed: int = 0
    draws: int = DRAWS


def stability(redraws: Redraws, decide_on: Callable[[Evidence, Pairs], Outcome], pick: str | None) -> float | None:
    """The share of redraws that come to the same pick: a share of what was seen, no probability.

    None without a pick.
    """
    if pick is None or not redraws.draws:
        return None
    rng = np.random.default_rng(redraws.seed)
    clusters = sorted({c for one in redraws.evidence.candidates for scores in one.scores.values() for c in scores})
    rounds = sorted({r for one in redraws.evidence.candidates for values in one.rounds.values() for r in values})
    steps: dict[tuple[str, str, int], tuple[Steps, ...]] = {}
    same = 0
    for _ in range(redraws.draws):
        draw = Draw(
            tuple(clusters[i] for i in rng.integers(max(1, len(clusters)), size=len(clusters))),
            tuple(rounds[i] for i in rng.integers(max(1, len(rounds)), size=len(rounds))),
        )
        same += decide_on(redrawn(redraws, draw), moved_pairs(redraws, draw, steps)).pick == pick
    return same / redraws.draws


def moved_pairs(redraws: Redraws, draw: Draw, steps: dict[tuple[str, str, int], tuple[Steps, ...]]) -> Pairs:
    """The pairs on this redraw. `steps` keeps what redraws share."""
    seen = redraws.pairs

    def lead_of(x: str, y: str, place: int) -> Difference | None:
        lead = seen.lead(x, y, place)
        if lead is None:
            return None
        key = (x, y, place)
        if key not in steps:
            steps[key] = lead_steps(redraws.evidence.of(x), redraws.evidence.of(y), redraws.compared, place)
        return draw.moved(lead, steps[key])

    return Pairs(lead_of, seen.margins, seen.alphas, seen.behind_everywhere)


def lead_steps(x: CandidateEvidence, y: CandidateEvidence, compared: Compared, place: int) -> tuple[Steps, ...]:
    """What a lead is the mean of, cluster by cluster or round by round; one part for each weight."""
    if not compared.weights:
        preference = compared.preferences[place]
        sign = -1.0 if preference.lower_is_better else 1.0
        return (_steps(x, y, preference, is_log=preference.basis != "scores", factor=sign),)
    total = sum(one.weight for one in compared.weights)
    return tuple(
        _steps(x, y, find_preference(one.preference), is_log=False, factor=one.weight / total / (one.best - one.worst))
        for one in compared.weights
    )


def _steps(x: CandidateEvidence, y: CandidateEvidence, preference: Preference, *, is_log: bool, factor: float) -> Steps:
    pairs: dict[str | int, tuple[float, float]] = {}
    if not (is_measured(x, preference) and is_measured(y, preference)):
        return {"": 0.0}
    if preference.basis == "scores":
        of_x, of_y = (prompt_means(one.scores[preference.figure]) for one in (x, y))
        for cluster in of_x.keys() & of_y.keys():
            both = of_x[cluster].keys() & of_y[cluster].keys()
            if both:
                pairs[cluster] = mean_of([of_x[cluster][p] for p in both]), mean_of([of_y[cluster][p] for p in both])
    elif preference.basis == "rounds":
        pairs.update(paired_by_round(x, y, preference.figure).items())
    else:
        pairs[""] = x.figures[preference.figure].point or 0.0, y.figures[preference.figure].point or 0.0
    return {unit: factor * float(np.log(b / a) if is_log else b - a) for unit, (a, b) in sorted(pairs.items())}


# --- figures that needs are about -----------------------------------------------------------------------------------


def redrawn(redraws: Redraws, draw: Draw) -> Evidence:
    """The evidence with the intervals that needs judge moved along with their points."""
    candidates = tuple(
        replace(one, figures={**one.figures, **{n: _moved(n, one, draw) for n in redraws.figures & one.figures.keys()}})
        for one in redraws.evidence.candidates
    )
    return replace(redraws.evidence, candidates=candidates)


def _moved(name: str, one: CandidateEvidence, draw: Draw) -> Interval:
    interval = one.figures[name]
    source, q = _QUANTILE_OF.get(name, (name, 0))
    if interval.point is None:
        return interval
    if one.rounds.get(source):
        values = one.rounds[source]
        drawn = [values[number] for number in draw.rounds if number in values] or list(values.values())
        before, after = _statistic(values.values(), q), _statistic(drawn, q)
        factor = after / before if before else 1.0
        ends = [None if v is None else v * factor for v in (interval.point, interval.low, interval.high)]
    else:
        scores = next((one.scores[k] for k in ("facets", "rating") if name in (k, "quality") and k in one.scores), None)
        if not scores:
            return interval
        means = _cluster_means(scores)
        step = draw.mean(means) - mean_of(list(means.values()))
        ends = [None if v is None else v + step for v in (interval.point, interval.low, interval.high)]
    return replace(interval, point=ends[0], low=ends[1], high=ends[2])


def _statistic(rounds: Iterable[Mapping[str, float]], q: int) -> float:
    if q:
        return float(np.percentile([value for places in rounds for value in places.values()], q))
    return mean_of([mean_of(places.values()) for places in rounds if places])


def _cluster_means(scores: ClusteredScores) -> dict[str | int, float]:
    return {cluster: mean_of(prompts.values()) for cluster, prompts in prompt_means(scores).items()}
