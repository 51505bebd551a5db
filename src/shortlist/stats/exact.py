"""Bounds that assume no shape: Clopper-Pearson for shares, and with it for means of bounded scores.

Source: Clopper and Pearson, Biometrika 26 (1934) 404-413. The bounds for a mean follow from a share: of scores inside
[least, most], when a share π of all clusters is at `value` or above, the mean is at least least + π (value - least).
"""

from collections import Counter
from dataclasses import dataclass

from shortlist.stats.distributions import beta_cdf, beta_quantile
from shortlist.stats.samples import FloatArray

FEW = 5
"""With fewer clusters than this off one common score, t promises too much: at a true 0.97, 12 clusters cover 67 %."""


def share_lower(successes: int, n: int, alpha: float) -> float:
    """The one-sided lower bound of a share at error `alpha`."""
    _check_counts(successes, n)
    return 0.0 if successes == 0 else beta_quantile(alpha, successes, n - successes + 1)


def share_upper(successes: int, n: int, alpha: float) -> float:
    """The one-sided upper bound of a share at error `alpha`."""
    return 1 - share_lower(n - successes, n, alpha)


def _check_counts(successes: int, n: int) -> None:
    if n < 1 or not 0 <= successes <= n:
        raise ValueError(f"{successes} of {n} is not a share")


def _p_of_share(at_least: int, n: int, share: float) -> float:
    """The error level at which `share_lower(at_least, n, ·)` reaches `share`: P(Bin(n, share) ≥ at_least)."""
    if share < 0:
        return 0.0
    if at_least == 0 or share >= 1:
        return 1.0
    return beta_cdf(share, at_least, n - at_least + 1)


@dataclass(frozen=True, slots=True)
class ExactBounds:
    """Bounds of a mean of scores in [least, most], from two counts among `n` clusters.

    `at_floor` clusters score `floor` or above, `at_ceiling` score `ceiling` or below.
    """

    least: float
    most: float
    floor: float
    at_floor: int
    ceiling: float
    at_ceiling: int
    n: int

    def lower(self, alpha: float) -> float:
        """One-sided lower bound of the mean at error `alpha`."""
        return self.least + (self.floor - self.least) * share_lower(self.at_floor, self.n, alpha)

    def upper(self, alpha: float) -> float:
        """One-sided upper bound of the mean at error `alpha`."""
        return self.most - (self.most - self.ceiling) * share_lower(self.at_ceiling, self.n, alpha)

    def p_above(self, value: float) -> float:
        """One-sided p that the mean is above `value`: the level at which the lower bound reaches it."""
        if self.floor == self.least:
            return float(value >= self.least)
        return _p_of_share(self.at_floor, self.n, (value - self.least) / (self.floor - self.least))

    def p_below(self, value: float) -> float:
        """One-sided p that the mean is below `value`: the level at which the upper bound reaches it."""
        if self.ceiling == self.most:
            return float(value <= self.most)
        return _p_of_share(self.at_ceiling, self.n, (self.most - value) / (self.most - self.ceiling))

    def projected(self, n: int) -> "ExactBounds":
        """The same shares among `n` clusters, rounded to the cautious side."""
        floor, ceiling = (self.at_floor * n // self.n, self.at_ceiling * n // self.n)
        return ExactBounds(self.least, self.most, self.floor, floor, self.ceiling, ceiling, n)


def score_bounds(means: FloatArray, scale: tuple[float, float]) -> ExactBounds | None:
    """Exact bounds where t over clusters cannot be trusted, else None.

    Fewer than 5 clusters off an end of the scale: clusters wholly right give the lower bound, clusters not wholly wrong
    the upper one. Fewer than 5, and less than half, off one score inside the scale: the clusters tied there.
    """
    least, most = _check_scale(means, scale)
    right, wrong = int((means >= most).sum()), int((means <= least).sum())
    if means.size - max(right, wrong) < FEW:
        return ExactBounds(least, most, most, right, least, wrong, means.size)
    return _tied_bounds(means, (least, most), most_off=(means.size - 1) // 2)


def difference_bounds(differences: FloatArray, scale: tuple[float, float]) -> ExactBounds | None:
    """Exact bounds of a mean difference where most clusters tie, else None.

    Fewer than 5 clusters off zero (no sign test could tell those apart either), or fewer than 5 and less than half off
    another value.
    """
    span = scale[1] - scale[0]
    _check_scale(differences, (-span, span))
    if int((abs(differences) > 1e-9).sum()) < FEW:
        return _bounds_at(0.0, differences, (-span, span))
    return _tied_bounds(differences, (-span, span), most_off=(differences.size - 1) // 2)


def _check_scale(means: FloatArray, scale: tuple[float, float]) -> tuple[float, float]:
    least, most = scale
    if not least < most or means.min() < least - 1e-9 or means.max() > most + 1e-9:
        raise ValueError(f"scores from {means.min():g} to {means.max():g} are not on the scale {least:g} to {most:g}")
    return scale


def _tied_bounds(means: FloatArray, scale: tuple[float, float], most_off: int) -> ExactBounds | None:
    common, ties = Counter(means.round(9).tolist()).most_common(1)[0]
    off = means.size - ties
    return _bounds_at(common, means, scale) if off < FEW and off <= most_off else None


def _bounds_at(value: float, means: FloatArray, scale: tuple[float, float]) -> ExactBounds:
    value = min(max(value, scale[0]), scale[1])
    above, below = int((means >= value - 1e-9).sum()), int((means <= value + 1e-9).sum())
    return ExactBounds(*scale, value, above, value, below, means.size)
