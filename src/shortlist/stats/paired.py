"""The difference between two candidates, with what is needed to test it at any level.

Speed is compared by ratio, on logs, with the round as the unit: a round is a fresh process in a fresh order, and
requests of one process share its luck. Quality is compared by difference, prompt by prompt, with the
cluster as the unit.
"""

import math
from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Literal

import numpy as np

from shortlist.errors import BadInput, NotEnoughSamples
from shortlist.records import Interval
from shortlist.stats.distributions import t_cdf, t_quantile
from shortlist.stats.exact import ExactBounds, difference_bounds
from shortlist.stats.intervals import FEWEST_CLUSTERS
from shortlist.stats.samples import ClusteredScores, FloatArray, logs, mean_of, prompt_means, sample_sd

Scale = Literal["ratio", "difference"]


@dataclass(frozen=True, slots=True)
class Difference:
    """A against B: log(A / B) on the scale `ratio`, A - B on the scale `difference`.

    `se` and `df` carry the t test; `bounds`, where there are any, replace it. `n` counts `units` (rounds, clusters);
    `se_floor` is the part of `se` that no more of them would lessen; `error` is how far the estimate may be off by the
    measuring itself: both bounds stand that much further out, whatever n.
    """

    estimate: float
    se: float
    df: float
    n: int
    units: Literal["rounds", "clusters"]
    scale: Scale
    method: str
    bounds: ExactBounds | None = None
    se_floor: float = 0.0
    note: str = ""
    error: float = 0.0

    def __post_init__(self) -> None:
        if self.bounds is None and not (math.isfinite(self.se) and self.se > 0 and self.df > 0):
            raise NotEnoughSamples(f"a difference over {self.n} {self.units} shows no spread to judge it by")
        if not math.isfinite(self.estimate):
            raise NotEnoughSamples(f"a difference over {self.n} {self.units} is {self.estimate}")

    def lower(self, alpha: float) -> float:
        """One-sided lower bound at error `alpha`, on logs for a ratio."""
        if self.bounds:
            return self.bounds.lower(alpha)
        return self.estimate - self.error - t_quantile(1 - alpha, self.df) * self.se

    def upper(self, alpha: float) -> float:
        """One-sided upper bound at error `alpha`, on logs for a ratio."""
        if self.bounds:
            return self.bounds.upper(alpha)
        return self.estimate + self.error + t_quantile(1 - alpha, self.df) * self.se

    def p_above(self, value: float) -> float:
        """One-sided p for the claim that the true difference is above `value`."""
        if self.bounds:
            return self.bounds.p_above(value)
        return t_cdf((value - self.estimate + self.error) / self.se, self.df)

    def p_below(self, value: float) -> float:
        """One-sided p for the claim that the true difference is below `value`."""
        if self.bounds:
            return self.bounds.p_below(value)
        return t_cdf((self.estimate - value + self.error) / self.se, self.df)

    @property
    def p_different(self) -> float:
        """Two-sided p for the claim that the true difference is not zero."""
        return min(1.0, 2 * min(self.p_above(0.0), self.p_below(0.0)))

    def tested_margin(self, margin: float) -> float:
        """A margin as people say it (0.05: five per cent, or 0.05 of a score) on the scale tested. Raises BadInput."""
        if not (math.isfinite(margin) and margin >= 0):
            raise BadInput(f"a margin of {margin} is not zero or more", hint="write a share such as 0.05")
        return math.log1p(margin) if self.scale == "ratio" else margin

    def shown(self, value: float) -> float:
        """A value of the scale tested as people read it: a ratio A / B, or the difference itself; may be infinite."""
        if self.scale == "difference":
            return value
        return math.exp(value) if value < 700 else math.inf

    def interval(self, level: float = 0.95) -> Interval:
        """Two-sided interval for print: the unit is `ratio` or `difference`; an end that is no number is open."""
        alpha = (1 - level) / 2
        point, low, high = (self.shown(v) for v in (self.estimate, self.lower(alpha), self.upper(alpha)))
        end = None if math.isinf(high) else high
        return Interval(point, low, end, level, self.method, self.n, self.scale, self.units, self.note)

    @property
    def without_error(self) -> "Difference":
        """As if the measuring itself were exact."""
        return replace(self, error=0.0)

    def flipped(self) -> "Difference":
        """B against A."""
        old = self.bounds
        bounds = old and ExactBounds(
            -old.most, -old.least, -old.ceiling, old.at_ceiling, -old.floor, old.at_floor, old.n
        )
        return replace(self, estimate=-self.estimate, bounds=bounds)


@dataclass(frozen=True, slots=True)
class BetweenRuns:
    """How far runs of one thing on one host lie apart: the standard deviation of log round means over `runs` runs.

    `df`: what the estimate is worth, where that is less than `runs` - 1 (`stats.between`).
    """

    sd_log: float
    runs: int
    df: float | None = None


def paired_log_ratio(rounds_a: Sequence[float], rounds_b: Sequence[float], *, resolution: float = 0.0) -> Difference:
    """Speed of A against B within one run: one value per round each (a mean, a rate), same rounds, same order.

    t with R - 1 degrees of freedom on the R log ratios. `resolution` is the step in which the values are read, the
    least spread believed. Raises NotEnoughSamples under two rounds, where all ratios are equal, and on values that
    have no logarithm; ValueError where the rounds do not match.
    """
    a, b = logs(rounds_a, "rounds of A"), logs(rounds_b, "rounds of B")
    if a.size != b.size:
        raise ValueError(f"{a.size} rounds of A and {b.size} of B are not pairs")
    _enough_rounds(a.size)
    step = resolution * math.hypot(math.exp(-a.mean()), math.exp(-b.mean()))
    spread = _spread(a - b, float(np.abs(np.concatenate((a, b))).max()), step)
    se = spread / math.sqrt(a.size)
    return Difference(float((a - b).mean()), se, a.size - 1, a.size, "rounds", "ratio", "t on paired log ratios")


def _enough_rounds(count: int, which: str = "") -> None:
    if count < 2:
        raise NotEnoughSamples(f"{count} round{'s' * (count != 1)}{which} cannot be compared", hint="bench at least 2")


def _spread(differences: FloatArray, magnitude: float, resolution: float = 0.0) -> float:
    """Standard deviation, where rounding of numbers of this magnitude is no spread."""
    spread = sample_sd(differences, resolution)
    return spread if spread > 1e-14 * max(1.0, magnitude) else 0.0


def welch_log(
    rounds_a: Sequence[float], rounds_b: Sequence[float], between: BetweenRuns | None, *, resolution: float = 0.0
) -> Difference:
    """Speed of A in one run against B in another: rounds are not pairs.

    Welch's t on the logs, widened by what two runs of the same thing differ (`between`), degrees of freedom by
    Satterthwaite over the three parts. `resolution` is the step in which the values are read, the least spread
    believed. Raises NotEnoughSamples under two rounds and where nothing varies.
    Source: Welch, Biometrika 34 (1947) 28-35; Satterthwaite, Biometrics Bulletin 2 (1946) 110-114.
    """
    a, b = logs(rounds_a, "rounds of A"), logs(rounds_b, "rounds of B")
    _enough_rounds(a.size, " of A")
    _enough_rounds(b.size, " of B")
    steps = [resolution * math.exp(-x.mean()) for x in (a, b)]
    parts: list[tuple[float, float]] = [
        (_spread(x, float(np.abs(x).max()), step) ** 2 / x.size, x.size - 1)
        for x, step in zip((a, b), steps, strict=True)
    ]
    floor = 0.0
    note = "spread between runs unknown, not widened (shortlist selftest --aa measures it)"
    if between is not None:
        if between.runs < 2 or not (math.isfinite(between.sd_log) and between.sd_log >= 0):
            raise NotEnoughSamples(f"a spread of {between.sd_log} over {between.runs} runs does not tell how runs vary")
        floor = math.sqrt(2) * between.sd_log
        parts.append((floor**2, between.runs - 1 if between.df is None else between.df))
        note = f"widened by {between.sd_log:.1%} between runs"
    variance = sum(part for part, _ in parts)
    df = variance**2 / sum(part**2 / df for part, df in parts) if variance > 0 else 0.0
    estimate, rounds = float(a.mean() - b.mean()), min(a.size, b.size)
    return Difference(
        estimate, math.sqrt(variance), df, rounds, "rounds", "ratio", "Welch t on logs", se_floor=floor, note=note
    )


def paired_cluster_difference(
    scores_a: ClusteredScores, scores_b: ClusteredScores, *, scale: tuple[float, float] | None = (0.0, 1.0)
) -> Difference:
    """Quality of A less that of B over the prompts that both have, with the cluster as the unit.

    Repeats are averaged inside the prompt, prompts inside the cluster; t with C - 1 degrees of freedom on the clusters'
    differences, exact bounds where too few clusters differ (`exact.difference_bounds`). Prompts that only one side
    has are left out and counted in the note. Raises NotEnoughSamples under 6 clusters, and where all clusters differ
    by the same and the `scale` has no ends. Source: Miller, arXiv 2411.00640 (2024), 4.2.
    """
    a, b = prompt_means(scores_a), prompt_means(scores_b)
    matched = {cluster: prompts.keys() & b.get(cluster, {}).keys() for cluster, prompts in a.items()}
    differences = np.array(
        [mean_of([a[c][p] - b[c][p] for p in prompts]) for c, prompts in matched.items() if prompts],
        dtype=np.float64,
    )
    count = differences.size
    if count < FEWEST_CLUSTERS:
        raise NotEnoughSamples(
            f"{count} cluster{'s' * (count != 1)} of prompts cannot be compared, {FEWEST_CLUSTERS} can",
            hint=f"add {FEWEST_CLUSTERS - count} or more prompts in clusters of their own",
        )
    left_out = sum(map(len, a.values())) + sum(map(len, b.values())) - 2 * sum(map(len, matched.values()))
    note = f"{left_out} prompts that one side lacks were left out" if left_out else ""
    bounds = difference_bounds(differences, scale) if scale else None
    se = _spread(differences, 1.0) / math.sqrt(count)
    method = "exact bounds on clusters (Clopper-Pearson)" if bounds else "t on paired clusters"
    return Difference(
        float(differences.mean()), se, count - 1, count, "clusters", "difference", method, bounds, note=note
    )
