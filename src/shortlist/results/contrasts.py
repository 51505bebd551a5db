"""Each metric's test between two runs: its numbers, a difference to judge, or the reason why there is none."""

import math
from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace
from typing import Any

from shortlist.errors import NotEnoughSamples
from shortlist.records import Interval, Run, Verdict
from shortlist.results import matching
from shortlist.results.accepted import Requests
from shortlist.results.between_runs import HostSpread
from shortlist.results.candidate_figures import PAGE_BYTES
from shortlist.results.changes import Basis, Metric, MetricChange
from shortlist.results.disturbance import noise_of
from shortlist.results.figures import CandidateSummary
from shortlist.results.goodput import Limit, limit_errors, parse_limits
from shortlist.results.measuring import figure_error, measuring_error
from shortlist.results.quality import RATING_SCALE
from shortlist.results.rounds import RoundValues, round_means
from shortlist.stats.equivalence import WITHIN_ERROR
from shortlist.stats.intervals import exact
from shortlist.stats.paired import BetweenRuns, Difference, paired_cluster_difference, welch_log
from shortlist.stats.permutation import permutation_p
from shortlist.stats.samples import ClusteredScores
from shortlist.units import counted

MOST_FAILED = 0.01
"""The guard on failures: a share of requests up to this is borne."""

_SPEEDS = ("rounds", "percentile", "throughput", "load", "kept")
_ONE_ROUND = "how far rounds lie apart is not known, 2 are needed at the least"


@dataclass(frozen=True, slots=True)
class Side:
    """One candidate of one run. `rounds`, `scores` (by figure) and `texts` go by BASE's names of prompts."""

    run: Run
    candidate: str
    summary: CandidateSummary
    requests: Requests
    rounds: Mapping[str, RoundValues]
    scores: Mapping[str, ClusteredScores]
    texts: Mapping[str, set[tuple[str, str]]]


@dataclass(frozen=True, slots=True)
class Sides:
    """A pair of candidates. `renamed`: HEAD's prompt id → BASE's."""

    base: Side
    head: Side
    renamed: Mapping[str, str]
    spread: HostSpread | None = None

    @property
    def broken(self) -> str:
        """Why nothing of HEAD can be compared, where BASE has numbers; else empty."""
        return self._why_nothing(self.head) if self.base.requests.complete.items else ""

    @property
    def unknown(self) -> str:
        """Why there is nothing in BASE to compare with; else empty."""
        return self._why_nothing(self.base)

    @staticmethod
    def _why_nothing(side: Side) -> str:
        return "" if side.requests.complete.items else side.summary.reason or "no request completed"

    def between(self, figure: str) -> BetweenRuns | None:
        """How far runs of this host lie apart in a figure; that of the mean stands in for a percentile."""
        stand_in = {"latency.p95": "latency.mean"}
        return None if self.spread is None else self.spread.between(stand_in.get(figure, figure))

    @property
    def is_same_words(self) -> bool:
        """Whether each prompt was answered in both runs, and word for word the same."""
        return self.base.texts.keys() == self.head.texts.keys() and self.base.texts == self.head.texts


@dataclass(frozen=True, slots=True)
class Tested:
    """A metric before it is judged: a difference, or the p value of another test; neither: the change is finished."""

    metric: Metric
    change: MetricChange
    difference: Difference | None = None
    p_other: float | None = None


@dataclass(frozen=True, slots=True)
class _Case:
    """A metric of a pair, with its figures in both runs and nothing said of them yet."""

    metric: Metric
    change: MetricChange
    sides: Sides

    @property
    def is_measured(self) -> bool:
        """Whether both runs have a number."""
        return all(one is not None and one.point is not None for one in (self.change.base, self.change.head))

    def told(self, difference: Difference | None = None, p_other: float | None = None, **said: Any) -> Tested:
        """The case with what is said of it."""
        return Tested(self.metric, replace(self.change, **said), difference, p_other)

    def missing(self) -> Tested:
        """Why there is nothing to compare; no note where neither run has the metric, so that no row is made of it."""
        ends = self.change.base, self.change.head
        known = [one is not None and one.point is not None for one in ends]
        if any(known):
            return self.told(note=f"not measured in {'HEAD' if known[0] else 'BASE'}")
        return self.told(note=next((one.note for one in ends if one is not None and one.note), ""))


def test_of(metric: Metric, sides: Sides) -> Tested:
    """The metric's numbers in both runs, and what it is judged by; a change without any number was not measured."""
    figure = _load_figure(sides) if metric.basis == "load" else metric.figure
    base, head = (side.summary.figures.get(figure) for side in (sides.base, sides.head))
    bare = MetricChange(
        metric.name, figure, base, head, None, None, margin=metric.margin, lower_is_better=metric.lower_is_better
    )
    case = _Case(metric, bare, sides)
    if not case.is_measured:
        return case.missing()
    noise = _noise(case)
    if noise:
        return case.told(verdict="not told apart", note=noise)
    try:
        return _welch(case, _VALUES[metric.basis](case)) if metric.basis in _VALUES else _OTHERS[metric.basis](case)
    except NotEnoughSamples as error:
        return case.told(note=error.message)


def _noise(case: _Case) -> str:
    """Why the host was too noisy to conclude on a speed; empty where it was not."""
    if case.metric.basis not in _SPEEDS:
        return ""
    sides = (("BASE", case.sides.base), ("HEAD", case.sides.head))
    return "; ".join(f"{name}: {noise}" for name, side in sides if (noise := noise_of(side.summary)))


def _load_figure(sides: Sides) -> str:
    """Of the kinds of load the first that both runs have."""
    figures = [side.summary.figures for side in (sides.base, sides.head)]
    return next((name for name in ("load.cold", "load.warm") if all(name in one for one in figures)), "load.warm")


# --- by rounds --------------------------------------------------------------------------------------------------------


def _welch(case: _Case, values: matching.Rounds) -> Tested:
    """Welch's t on round values; with one round there is no verdict, whatever the numbers say."""
    fewest = min(len(values.base), len(values.head))
    if fewest < 2:
        return case.told(verdict="not told apart", note=f"{counted(fewest, 'round')}: {_ONE_ROUND}")
    step = PAGE_BYTES if case.metric.basis == "memory" else 0.0
    difference = welch_log(values.head, values.base, case.sides.between(case.change.figure), resolution=step)
    difference = replace(difference, error=_measuring_error(case))
    note = f"{counted(values.left_out, 'prompt')} of one run only left out" if values.left_out else ""
    return case.told(difference, note=note)


def _measuring_error(case: _Case) -> float:
    """How far the log ratio may be off by the measuring itself: two runs are two measurements, so both errors add."""
    shares = []
    for side in (case.sides.base, case.sides.head):
        figures = side.summary.figures
        off, point = (
            figure_error(case.change.figure, figures, measuring_error(side.run)),
            figures[case.change.figure].point,
        )
        shares.append(off / point if point else 0.0)
    return math.log1p(sum(shares))


def _values(case: _Case) -> tuple[RoundValues, RoundValues]:
    figure = "latency.mean" if case.metric.basis == "percentile" else case.change.figure
    base, head = (side.rounds.get(figure, {}) for side in (case.sides.base, case.sides.head))
    return base, head


def _means(case: _Case) -> matching.Rounds:
    return matching.matched_means(*_values(case))


def _percentiles(case: _Case) -> matching.Rounds:
    failed = sum(side.summary.failed for side in (case.sides.base, case.sides.head))
    return matching.matched_percentiles(*_values(case), 0.95, failed)


def _throughputs(case: _Case) -> matching.Rounds:
    matching.check_same_prompts(case.sides.base.requests, case.sides.head.requests, case.sides.renamed)
    return _peaks(case)


def _peaks(case: _Case) -> matching.Rounds:
    base, head = (round_means(values) for values in _values(case))
    return matching.Rounds(base, head)


def _loads(case: _Case) -> matching.Rounds:
    if any(side.run.info.plan.suite.is_resident for side in (case.sides.base, case.sides.head)):
        raise NotEnoughSamples("no verdict: all candidates stayed loaded, so each was loaded once")
    kind = case.change.figure.removeprefix("load.")
    base, head = (matching.loads_of(side.run, side.candidate, kind) for side in (case.sides.base, case.sides.head))
    return matching.Rounds(base, head)


# --- by prompts, by permutation, exactly ------------------------------------------------------------------------------


def _scores(case: _Case) -> Tested:
    """By prompt and cluster; where every answer is the same in every word, so is its quality."""
    figure, sides = case.metric.figure, case.sides
    base, head = sides.base.scores[figure], sides.head.scores[figure]
    if sides.is_same_words and base == head:
        same = Interval(0.0, 0.0, 0.0, 1.0, "exact", len(base), "difference", "clusters")
        note = "each answer is word for word as before"
        return case.told(change=same, verdict="equivalent", p_no_worse=0.0, is_exact=True, note=note)
    scale = RATING_SCALE if figure == "rating" else (0.0, 1.0)
    difference = paired_cluster_difference(head, base, scale=scale)
    return case.told(difference, note=difference.note)


def _failures(case: _Case) -> Tested:
    """The share of each round's requests that failed."""
    base, head = (matching.failures_of(side.requests) for side in (case.sides.base, case.sides.head))
    if not (any(base) or any(head)):
        return case.told(p_no_worse=0.0, note="none failed")
    before, after = _points(case.change)
    return _permuted(case, base, head, is_borne=after <= MOST_FAILED or after <= before)


def _kept(case: _Case) -> Tested:
    """The share of each round's requests that kept the limits of goodput."""
    base, head = (matching.kept_of(side.requests, _limits(side)) for side in (case.sides.base, case.sides.head))
    if min(base) == min(head) == 1:
        return case.told(p_no_worse=0.0, note="all kept")
    before, after = _points(case.change)
    told = _permuted(case, base, head, is_borne=after >= before)
    if 0 < abs(after - before) <= sum(map(_edge_share, (case.sides.base, case.sides.head))):
        return replace(told, p_other=1.0, change=replace(told.change, note=WITHIN_ERROR))
    return told


def _edge_share(side: Side) -> float:
    """The share of requests so near to a limit that our own error decides whether they kept it."""
    error = measuring_error(side.run)
    if error is None:
        return 0.0
    return limit_errors(side.requests, _limits(side), side.summary.figures, error.error_ns).get("goodput.share", 0.0)


def _limits(side: Side) -> tuple[Limit, ...]:
    return parse_limits(side.run.info.plan.suite.goodput)


def _permuted(case: _Case, base: tuple[float, ...], head: tuple[float, ...], *, is_borne: bool) -> Tested:
    """By permutation of rounds, for requests of one round fail together; `is_borne`: a strict gate lets it pass."""
    before, after = _points(case.change)
    change = Interval(after - before, None, None, 0.95, "permutation of rounds", len(head), "difference", "rounds")
    note = "" if min(len(base), len(head)) > 1 else f"1 round: {_ONE_ROUND}"
    no_worse = 0.0 if is_borne else None
    return case.told(p_other=permutation_p(head, base), change=change, p_no_worse=no_worse, note=note)


def _points(change: MetricChange) -> tuple[float, float]:
    base, head = (0.0 if one is None else one.point or 0.0 for one in (change.base, change.head))
    return base, head


def _exact(case: _Case) -> Tested:
    """Numbers without sampling error."""
    before, after = _points(case.change)
    if min(before, after) <= 0:
        return case.told(note="no ratio to zero")
    ratio, metric = after / before, case.metric
    verdict: Verdict = "better" if (ratio < 1) == metric.lower_is_better else "worse"
    if abs(math.log(ratio)) <= math.log1p(metric.margin):
        verdict = "equivalent"
    no_worse = 1.0 if verdict == "worse" else 0.0
    return case.told(change=exact(ratio, "ratio"), verdict=verdict, p_no_worse=no_worse, is_exact=True)


def _shown(case: _Case) -> Tested:
    """For the reader only: it explains a change and is none."""
    before, after = _points(case.change)
    if before <= 0:
        return case.told(note="tokens, not judged")
    ratio = Interval(after / before, None, None, 0.95, "ratio of means", 1, "ratio")
    return case.told(change=ratio, note="tokens, not judged")


_VALUES: Mapping[Basis, Callable[[_Case], matching.Rounds]] = {
    "rounds": _means,
    "percentile": _percentiles,
    "throughput": _throughputs,
    "memory": _peaks,
    "load": _loads,
}
_OTHERS: Mapping[Basis, Callable[[_Case], Tested]] = {
    "scores": _scores,
    "failures": _failures,
    "kept": _kept,
    "exact": _exact,
    "shown": _shown,
}
