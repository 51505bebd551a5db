"""How far raters agree with each other, and each with themselves.

Krippendorff's alpha with the ordinal metric takes any number of raters and missing ratings; Cohen's weighted kappa with
quadratic weights is for each two raters. 1 is perfect, 0 is what chance gives. Intervals redraw outputs, the units that
were rated. Only the first time that a rater met an output counts between raters; the later times are for repeatability.
Sources: Krippendorff, Content Analysis, 3rd edition (2013), ch. 12; Cohen, Psychological Bulletin 70 (1968) 213-220.
"""

from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from itertools import combinations

import numpy as np
from numpy.typing import NDArray

from shortlist.records import Annotation, Interval
from shortlist.stats.intervals import FEWEST_CLUSTERS, proportion

FloatArray = NDArray[np.float64]

VALUES = 5
"""Ratings go from 1 to this."""

_DRAWS = 2000
_BY_OUTPUT = "outputs redrawn"


@dataclass(frozen=True, slots=True)
class DimensionAgreement:
    """One dimension over all raters; `outputs` counts those that two raters or more have rated."""

    dimension: str
    raters: tuple[str, ...]
    outputs: int
    alpha: Interval


@dataclass(frozen=True, slots=True)
class PairAgreement:
    """Two raters on the outputs that both rated; `exact` and `within_one` are shares of them."""

    dimension: str
    a: str
    b: str
    kappa: Interval
    exact: Interval
    within_one: Interval


@dataclass(frozen=True, slots=True)
class Repeatability:
    """A rater against themselves, on outputs that they met twice."""

    dimension: str
    rater: str
    kappa: Interval
    exact: Interval
    within_one: Interval


@dataclass(frozen=True, slots=True)
class Agreement:
    """All that is known of how steady the ratings are; `notes` says in words what could not be told."""

    raters: Mapping[str, int]
    dimensions: tuple[DimensionAgreement, ...]
    pairs: tuple[PairAgreement, ...]
    repeats: tuple[Repeatability, ...]
    notes: tuple[str, ...] = ()


def agreement(annotations: Iterable[Annotation], *, level: float = 0.95, seed: int = 0) -> Agreement:
    """Agreement of everything that was rated in a run."""
    rated = tuple(annotations)
    raters = {name: sum(one.rater == name for one in rated) for name in sorted({one.rater for one in rated})}
    by_dimension: dict[str, list[Annotation]] = {}
    for one in sorted(rated, key=lambda one: (one.dimension, one.output_sha256, one.rater, one.repeat)):
        by_dimension.setdefault(one.dimension, []).append(one)
    manner = (level, seed)
    dimensions = tuple(_dimension(name, group, manner) for name, group in by_dimension.items())
    pairs = tuple(pair for name, group in by_dimension.items() for pair in _pairs(name, group, manner))
    repeats = tuple(one for name, group in by_dimension.items() for one in _repeats(name, group, manner))
    return Agreement(raters, dimensions, pairs, repeats, _notes(raters, pairs, repeats))


def _notes(raters: Mapping[str, int], pairs: Sequence[object], repeats: Sequence[object]) -> tuple[str, ...]:
    notes = []
    if not raters:
        notes.append("nobody has rated this run yet")
    elif len(raters) == 1:
        only = next(iter(raters))
        notes.append(f"only {only} has rated: agreement between raters needs a second one")
    elif not pairs:
        notes.append("no two raters have rated the same output: agreement between them cannot be told")
    if raters and not repeats:
        notes.append("no output was rated twice by one rater: repeatability cannot be told")
    return tuple(notes)


# --- the two coefficients -------------------------------------------------------------------------------------------


def coincidences(ratings: Sequence[int]) -> FloatArray:
    """One unit's coincidence matrix: every ordered pair of its ratings from different raters, over raters less one."""
    counts = np.bincount(np.asarray(ratings, dtype=np.int64) - 1, minlength=VALUES).astype(np.float64)
    if counts.sum() < 2:
        return np.zeros((VALUES, VALUES))
    return np.asarray((np.outer(counts, counts) - np.diag(counts)) / (counts.sum() - 1))


def ordinal_alpha(matrices: FloatArray) -> FloatArray:
    """Krippendorff's alpha of coincidence matrices [..., 5, 5], ordinal metric; NaN where nothing varies."""
    totals = matrices.sum(axis=-1)
    n = totals.sum(axis=-1)
    below = np.cumsum(totals, axis=-1)
    # Σ of the ranks from c to k, less half of both ends: |middle rank of k − middle rank of c|.
    middle = below - totals / 2
    squared = (middle[..., :, None] - middle[..., None, :]) ** 2
    observed = (matrices * squared).sum(axis=(-1, -2))
    expected = (totals[..., :, None] * totals[..., None, :] * squared).sum(axis=(-1, -2))
    with np.errstate(divide="ignore", invalid="ignore"):
        return np.asarray(np.where(expected > 0, 1 - (n - 1) * observed / expected, np.nan))


def quadratic_weights(size: int = VALUES) -> FloatArray:
    """Disagreement as the square of the distance."""
    steps = np.arange(size, dtype=np.float64)
    return np.asarray((steps[:, None] - steps[None, :]) ** 2)


def weighted_kappa(tables: FloatArray, weights: FloatArray | None = None) -> FloatArray:
    """Cohen's weighted kappa of tables [..., k, k] of two raters, counts or shares; NaN where chance alone agrees.

    `weights` are disagreements, zero on the diagonal; quadratic unless given.
    """
    weights = quadratic_weights(tables.shape[-1]) if weights is None else weights
    n = tables.sum(axis=(-1, -2))
    chance = tables.sum(axis=-1)[..., :, None] * tables.sum(axis=-2)[..., None, :]
    observed, expected = (tables * weights).sum(axis=(-1, -2)), (chance * weights).sum(axis=(-1, -2))
    with np.errstate(divide="ignore", invalid="ignore"):
        return np.asarray(np.where(expected > 0, 1 - n * observed / expected, np.nan))


# --- from ratings ---------------------------------------------------------------------------------------------------


def _dimension(name: str, group: Sequence[Annotation], manner: tuple[float, int]) -> DimensionAgreement:
    units: dict[str, list[int]] = {}
    raters: set[str] = set()
    for one in group:
        if one.repeat == 0:
            units.setdefault(one.output_sha256, []).append(one.value)
            raters.add(one.rater)
    shared = [values for values in units.values() if len(values) > 1]
    matrices = np.array([coincidences(values) for values in shared]).reshape(-1, VALUES, VALUES)
    alpha = _interval(matrices, ordinal_alpha, "ordinal alpha", manner)
    return DimensionAgreement(name, tuple(sorted(raters)), len(shared), alpha)


def _pairs(name: str, group: Sequence[Annotation], manner: tuple[float, int]) -> Iterable[PairAgreement]:
    by_rater: dict[str, dict[str, int]] = {}
    for one in group:
        if one.repeat == 0:
            by_rater.setdefault(one.rater, {})[one.output_sha256] = one.value
    for a, b in combinations(sorted(by_rater), 2):
        both = [(by_rater[a][key], by_rater[b][key]) for key in sorted(by_rater[a].keys() & by_rater[b].keys())]
        if both:
            yield PairAgreement(name, a, b, *_twice([[pair] for pair in both], manner))


def _repeats(name: str, group: Sequence[Annotation], manner: tuple[float, int]) -> Iterable[Repeatability]:
    by_rater: dict[str, dict[str, list[int]]] = {}
    for one in group:  # sorted by repeat
        by_rater.setdefault(one.rater, {}).setdefault(one.output_sha256, []).append(one.value)
    for rater, outputs in sorted(by_rater.items()):
        again = [[(values[0], later) for later in values[1:]] for values in outputs.values() if len(values) > 1]
        if again:
            yield Repeatability(name, rater, *_twice(again, manner))


def _twice(
    by_output: Sequence[Sequence[tuple[int, int]]], manner: tuple[float, int]
) -> tuple[Interval, Interval, Interval]:
    """Kappa, the share of equal ratings and of those at most one apart; an output counts by its worst pair."""
    tables = np.zeros((len(by_output), VALUES, VALUES))
    for table, pairs in zip(tables, by_output, strict=True):
        for a, b in pairs:
            table[a - 1, b - 1] += 1
    apart = [max(abs(a - b) for a, b in pairs) for pairs in by_output]
    shares = [proportion(sum(d <= most for d in apart), len(apart), level=manner[0]) for most in (0, 1)]
    return _interval(tables, weighted_kappa, "quadratic weighted kappa", manner), shares[0], shares[1]


def _interval(
    units: FloatArray, statistic: Callable[[FloatArray], FloatArray], name: str, manner: tuple[float, int]
) -> Interval:
    """A coefficient over units [n, 5, 5], with the percentiles of the same over redrawn units."""
    level, seed = manner
    n = len(units)
    point = float(statistic(units.sum(axis=0))) if n else float("nan")
    if not n or np.isnan(point):
        note = "all ratings are the same: chance cannot be told from agreement" if n else "no output was rated twice"
        return Interval(None, None, None, level, name, n, "coefficient", note=note)
    if n < FEWEST_CLUSTERS:
        note = f"no interval: {n} outputs, needs {FEWEST_CLUSTERS} ({FEWEST_CLUSTERS - n} more)"
        return Interval(point, None, None, level, name, n, "coefficient", note=note)
    chance = np.random.default_rng(seed)
    weights = chance.multinomial(n, [1 / n] * n, size=_DRAWS).astype(np.float64)
    found = statistic((weights @ units.reshape(n, -1)).reshape(_DRAWS, VALUES, VALUES))
    kept = found[~np.isnan(found)]
    if kept.size < _DRAWS / 2:
        return Interval(point, None, None, level, name, n, "coefficient", note="no interval: the ratings hardly vary")
    low, high = np.quantile(kept, [(1 - level) / 2, (1 + level) / 2])
    low, high = min(float(low), point), max(float(high), point)
    return Interval(point, low, high, level, f"{name}, {_BY_OUTPUT}", n, "coefficient")
