"""One candidate's numbers with their error.

Every function returns a `records.Interval` and keeps its convention: a value that cannot be given is a point of None;
no interval is both ends None with the reason in the note; one end None is open on that side. low ≤ point ≤ high.
"""

import math
from collections.abc import Sequence

import numpy as np

from shortlist.errors import NotEnoughSamples
from shortlist.records import Interval
from shortlist.stats.distributions import t_quantile
from shortlist.stats.exact import score_bounds, share_lower, share_upper
from shortlist.stats.power import quantile_n
from shortlist.stats.resampling import quantiles, resampled_percentile
from shortlist.stats.samples import ClusteredScores, FloatArray, cluster_means, finite, numbers, sample_sd

FEWEST_CLUSTERS = 6
FURTHEST_WITHOUT_INTERVAL = 0.95
"""A percentile further out than this is withheld where it has no interval: its point would be about the maximum."""


def exact(value: float, unit: str, basis: str = "") -> Interval:
    """A number without sampling error, such as bytes on disk."""
    return Interval(value, value, value, 1.0, "exact", 1, unit, basis)


def mean_t(
    round_means: Sequence[float], unit: str, *, level: float = 0.95, basis: str = "", resolution: float = 0.0
) -> Interval:
    """The mean with Student's t over round means, R - 1 degrees of freedom.

    `resolution` is the step in which values are read (a page of memory): identical rounds then get what the step leaves
    open; without it they get no interval. Raises NotEnoughSamples on a value that is infinite or not a number.
    """
    method = "t over round means"
    means = finite(round_means, "round means")
    rounds = means.size
    if rounds == 0:
        return Interval(None, None, None, level, method, 0, unit, basis, "no rounds")
    point = float(means.mean())
    if rounds == 1:
        return Interval(point, None, None, level, method, 1, unit, basis, "no interval: 1 round, needs 2 (1 more)")
    spread = sample_sd(means, resolution)
    if spread == 0:
        note = f"no interval: {rounds} identical rounds do not show their spread"
        return Interval(point, None, None, level, method, rounds, unit, basis, note)
    half = t_quantile((1 + level) / 2, rounds - 1) * spread / math.sqrt(rounds)
    return Interval(point, point - half, point + half, level, method, rounds, unit, basis)


def ratio_of_sums(
    numerators: Sequence[float], denominators: Sequence[float], unit: str, *, level: float = 0.95, basis: str = ""
) -> Interval:
    """All of one quantity over all of another, such as tokens over busy seconds, one pair per round.

    The point is the ratio of the sums; the interval is t over the rounds' residuals from it. Raises NotEnoughSamples
    on a denominator of zero or less and on values that are infinite or not numbers.
    Source: Cochran, Sampling Techniques, 3rd edition (1977), 6.3-6.4.
    """
    method = "t over rounds, ratio of sums"
    above, below = finite(numerators, "numerators"), finite(denominators, "denominators")
    if above.size != below.size:
        raise ValueError(f"{above.size} numerators and {below.size} denominators")
    if not below.size:
        return Interval(None, None, None, level, method, 0, unit, basis, "no rounds")
    if (below <= 0).any():
        raise NotEnoughSamples(f"{int((below <= 0).sum())} of {below.size} rounds have nothing to divide by")
    ratio = float(above.sum() / below.sum())
    residuals = ratio + (above - ratio * below) / below.mean()
    seen = mean_t(residuals.tolist(), unit, level=level, basis=basis)
    return Interval(ratio, seen.low, seen.high, level, method, seen.n, unit, basis, seen.note)


def percentile(
    rounds: Sequence[Sequence[float]],
    q: float,
    unit: str,
    *,
    level: float = 0.95,
    basis: str = "",
    seed: int = 0,
    draws: int = 2000,
) -> Interval:
    """A percentile (`q` = 0.95) of requests grouped by round; a failed request is `math.inf`.

    The point is numpy's linear method over all requests. The interval resamples rounds, then requests inside them, and
    needs two rounds and as many requests as a distribution-free interval takes (`power.quantile_n`). Where requests
    failed, an infinite point is None, an infinite upper end is open, and the lower end is at most the largest finite
    value. Raises NotEnoughSamples on a value that is not a number or is minus infinity.

    Simulated at 95 %, request noise 3 %, round effect 2 %: prompts of unlike length cover 99 % and more. Prompts of one
    length cover 94 % for p95 with 5 rounds of 20 requests, 89 % with 3 rounds of 40 or 5 of 100: a few rounds do not
    hold the tail of the rounds (`benchmarks/ab_rates.py` prints the table).
    """
    method = "resampled rounds, then requests"
    groups = [group for group in (numbers(one, "requests") for one in rounds) if group.size]
    n = sum(group.size for group in groups)
    note = _why_no_percentile(groups, n, q, level)
    if n == 0:
        return Interval(None, None, None, level, method, 0, unit, basis, note)
    pooled = np.concatenate(groups)
    if np.isneginf(pooled).any():
        raise NotEnoughSamples("a request is minus infinity; a failed one is plus infinity")
    point = float(quantiles(pooled[None, :], q)[0])
    far = max(q, 1 - q) > FURTHEST_WITHOUT_INTERVAL
    if note:
        shown = None if far or math.isinf(point) else point
        note += _failed_note(pooled) if math.isinf(point) else ""
        return Interval(shown, None, None, level, method, n, unit, basis, note)
    low, high = resampled_percentile(groups, q, level, np.random.default_rng(seed), draws)
    low, high = min(low, point), max(high, point)
    return _open_where_infinite(Interval(point, low, high, level, method, n, unit, basis), pooled)


def _why_no_percentile(groups: Sequence[FloatArray], n: int, q: float, level: float) -> str:
    needed = quantile_n(q, level)
    if n == 0:
        return "no requests"
    if n < needed:
        return f"no interval: n = {n}, needs {needed}"
    return "no interval: 1 round, needs 2 (1 more)" if len(groups) < 2 else ""


def _failed_note(pooled: FloatArray) -> str:
    return f"; infinite: {int(np.isinf(pooled).sum())} of {pooled.size} requests failed"


def _open_where_infinite(interval: Interval, pooled: FloatArray) -> Interval:
    point, low, high = (
        None if value is None or math.isinf(value) else value for value in (interval.point, interval.low, interval.high)
    )
    if high is not None:
        return interval
    if low is None and np.isfinite(pooled).any():
        low = float(pooled[np.isfinite(pooled)].max())
    note = ("no upper end" if low is not None else "no interval") + _failed_note(pooled)
    return Interval(point, low, None, interval.level, interval.method, interval.n, interval.unit, interval.basis, note)


def proportion(successes: int, n: int, *, unit: str = "share", level: float = 0.95, basis: str = "") -> Interval:
    """A share with Clopper and Pearson's exact two-sided interval; no point and no interval for n = 0."""
    if n == 0:
        return Interval(None, None, None, level, "Clopper-Pearson", 0, unit, basis, "nothing was counted")
    alpha = (1 - level) / 2
    low, high = share_lower(successes, n, alpha), share_upper(successes, n, alpha)
    return Interval(successes / n, low, high, level, "Clopper-Pearson", n, unit, basis)


def cluster_t(
    scores: ClusteredScores,
    unit: str,
    *,
    scale: tuple[float, float] | None = (0.0, 1.0),
    level: float = 0.95,
    basis: str = "",
) -> Interval:
    """Mean score with the cluster as the unit: repeats averaged inside the prompt, prompts inside the cluster.

    t over cluster means with C - 1 degrees of freedom, cut at the scale's ends; none under 6 clusters; exact bounds
    where too few clusters differ for t to hold (`exact.score_bounds`). A `scale` of None is for scores without ends,
    which then have no exact bounds either. n counts clusters. Source: Miller, arXiv 2411.00640 (2024), 2.2.
    """
    method = "t over clusters"
    means = cluster_means(scores)
    count = means.size
    point = float(means.mean()) if count else None
    if count < FEWEST_CLUSTERS:
        clusters, more = "cluster" if count == 1 else "clusters", FEWEST_CLUSTERS - count
        note = f"no interval: {count} {clusters}, needs {FEWEST_CLUSTERS} ({more} more)"
        return Interval(point, None, None, level, method, count, unit, basis, note)
    bounds = score_bounds(means, scale) if scale else None
    alpha = (1 - level) / 2
    if bounds:
        low, high = bounds.lower(alpha), bounds.upper(alpha)
        return Interval(point, low, high, level, "exact bounds on clusters (Clopper-Pearson)", count, unit, basis)
    seen = mean_t(means.tolist(), unit, level=level)
    if seen.low is None or seen.high is None:
        note = f"no interval: {count} identical clusters do not show their spread"
        return Interval(point, None, None, level, method, count, unit, basis, note)
    least, most = scale or (-math.inf, math.inf)
    return Interval(point, max(seen.low, least), min(seen.high, most), level, method, count, unit, basis)
