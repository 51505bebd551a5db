"""A percentile's spread by drawing rounds again, then requests inside them.

Two ways to the same distribution: a few thousand requests are drawn and sorted; more are never drawn at all, since only
one order statistic of each redraw is wanted, and binomial counts alone lead to it.
"""

import math
from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

from shortlist.stats.distributions import normal_cdf, t_quantile
from shortlist.stats.samples import FloatArray

_CHUNK = 2_000_000  # numbers held at once while drawing: 16 MB
_MOST_DRAWN = 5_000
"""Requests in all rounds; more are counted."""


def quantiles(values: FloatArray, q: float) -> FloatArray:
    """Percentiles by numpy's linear method along rows padded with NaN; infinities never meet in a subtraction."""
    ordered = np.sort(values, axis=1)  # infinities, then NaN, come last
    place = (np.count_nonzero(~np.isnan(ordered), axis=1) - 1) * q
    under = np.floor(place).astype(np.int64)
    share = place - under
    rows = np.arange(len(ordered))
    return _between(ordered[rows, under], ordered[rows, under + (share > 0)], share)


def _between(a: FloatArray, b: FloatArray, share: FloatArray) -> FloatArray:
    with np.errstate(invalid="ignore"):
        between = np.where(share < 0.5, a + (b - a) * share, b - (b - a) * (1 - share))
    return np.asarray(np.where(np.isinf(b), b, between), dtype=np.float64)


def resampled_percentile(
    groups: Sequence[FloatArray], q: float, level: float, rng: np.random.Generator, draws: int
) -> tuple[float, float]:
    """Ends of the interval: quantiles of the redrawn percentile, expanded for the small number of rounds.

    Redrawing R rounds shows (R - 1) / R of their variance and no t tail, so the share cut off each end is
    Φ(-√(R / (R - 1)) · t) instead of (1 - level) / 2. Source: Hesterberg, The American Statistician 69 (2015) 371-386,
    "expanded percentile interval".
    """
    count = len(groups)
    is_drawn = sum(group.size for group in groups) <= _MOST_DRAWN
    found = (drawn_percentiles if is_drawn else counted_percentiles)(groups, q, rng, draws)
    tail = normal_cdf(-math.sqrt(count / (count - 1)) * t_quantile((1 + level) / 2, count - 1))
    return float(quantiles(found[None, :], tail)[0]), float(quantiles(found[None, :], 1 - tail)[0])


def drawn_percentiles(groups: Sequence[FloatArray], q: float, rng: np.random.Generator, draws: int) -> FloatArray:
    """The percentile of each of so many redraws, every request drawn."""
    count = len(groups)
    sizes = np.array([group.size for group in groups])
    table = np.full((count, sizes.max()), np.nan)
    for row, group in zip(table, groups, strict=True):
        row[: group.size] = group
    at_once = max(1, _CHUNK // table.size)
    found = []
    for start in range(0, draws, at_once):
        picked = rng.integers(count, size=(min(at_once, draws - start), count))
        inside = (rng.random((*picked.shape, sizes.max())) * sizes[picked][..., None]).astype(np.int64)
        drawn = table[picked[..., None], inside]
        drawn[np.arange(sizes.max()) >= sizes[picked][..., None]] = np.nan
        found.append(quantiles(drawn.reshape(len(picked), -1), q))
    return np.concatenate(found)


def counted_percentiles(groups: Sequence[FloatArray], q: float, rng: np.random.Generator, draws: int) -> FloatArray:
    """The same without drawing a request; takes draws x rounds x log2(requests) steps."""
    search = _Search(groups, rng, draws)
    inside = search.sizes
    place = (inside.sum(axis=1) - 1) * q
    rank = np.floor(place).astype(np.int64)
    first, above, is_last = search.order_statistic(inside, rank, np.zeros(draws, dtype=np.int64))
    # The next one up: the same value again, or the least of what was redrawn above it.
    share = place - rank
    is_apart = is_last & (share > 0)
    second, _, _ = search.order_statistic(above, np.zeros_like(rank), np.minimum(first + 1, search.values.size - 1))
    second = np.where(is_apart, second, first)
    return _between(search.values[first], search.values[second], share)


class _Search:
    """Redraws of rounds, whose requests are never drawn: only how many of them lie between two values."""

    def __init__(self, groups: Sequence[FloatArray], rng: np.random.Generator, draws: int) -> None:
        self._ordered = [np.sort(group) for group in groups]
        self._rng = rng
        picked = rng.integers(len(groups), size=(draws, len(groups)))
        self._places = [np.nonzero(picked == number) for number in range(len(groups))]
        self.values = np.unique(np.concatenate(self._ordered))
        self.sizes = np.array([group.size for group in self._ordered])[picked]

    def order_statistic(
        self, inside: NDArray[np.int64], rank: NDArray[np.int64], low: NDArray[np.int64]
    ) -> tuple[NDArray[np.int64], NDArray[np.int64], NDArray[np.bool_]]:
        """Of each redraw's `inside` requests at or above values[low], the one of this rank.

        Gives its place in `values`, how many of each round lie above that value, and whether it is the last one there.
        The range is halved until one value is left: of the requests inside it, those in its lower half are binomial.
        """
        high = np.full_like(low, self.values.size)
        below_low, below_high = self._below(low), self.sizes
        above = np.zeros_like(inside)
        while (high - low > 1).any():
            middle = (low + high) // 2  # where the range is one value, this is low: nothing moves any more
            below = self._below(middle)
            width = below_high - below_low
            share = np.divide(below - below_low, width, out=np.zeros(width.shape), where=width > 0)
            left = self._rng.binomial(inside, share)
            is_left = rank < left.sum(axis=1)
            rank = np.where(is_left, rank, rank - left.sum(axis=1))
            high, low = np.where(is_left, middle, high), np.where(is_left, low, middle)
            side = is_left[:, None]
            above += np.where(side, inside - left, 0)
            inside = np.where(side, left, inside - left)
            below_high, below_low = np.where(side, below, below_high), np.where(side, below_low, below)
        return low, above, rank == inside.sum(axis=1) - 1

    def _below(self, place: NDArray[np.int64]) -> NDArray[np.int64]:
        """How many requests of each picked round are below values[place]."""
        counts = np.empty_like(self.sizes)
        for group, (draw, column) in zip(self._ordered, self._places, strict=True):
            counts[draw, column] = np.searchsorted(group, self.values[place[draw]])
        return counts
