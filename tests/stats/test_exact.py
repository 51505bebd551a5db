"""Exact bounds: Clopper and Pearson's published values, and bounds for means of bounded scores."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from scipy import stats as reference

from shortlist.stats.exact import ExactBounds, difference_bounds, score_bounds, share_lower, share_upper

# Newcombe, Statistics in Medicine 17 (1998) 857-872, table I, method 5
NEWCOMBE = [(81, 263, 0.2527, 0.3676), (15, 148, 0.0578, 0.1617), (0, 20, 0.0, 0.1684), (1, 29, 0.0009, 0.1776)]


@pytest.mark.parametrize(("k", "n", "low", "high"), NEWCOMBE)
def test_bounds_are_those_newcombe_prints(k: int, n: int, low: float, high: float) -> None:
    assert share_lower(k, n, 0.025) == pytest.approx(low, abs=5.1e-5)
    assert share_upper(k, n, 0.025) == pytest.approx(high, abs=5.1e-5)


@given(
    st.integers(1, 300).flatmap(lambda n: st.tuples(st.integers(0, n), st.just(n))),
    st.sampled_from([0.001, 0.025, 0.05]),
)
def test_bounds_agree_with_scipy(counts: tuple[int, int], alpha: float) -> None:
    k, n = counts
    interval = reference.binomtest(k, n).proportion_ci(1 - 2 * alpha, method="exact")
    assert share_lower(k, n, alpha) == pytest.approx(interval.low, abs=1e-9)
    assert share_upper(k, n, alpha) == pytest.approx(interval.high, abs=1e-9)


@pytest.mark.parametrize(("k", "n"), [(0, 0), (-1, 5), (6, 5)])
def test_no_bound_of_what_is_no_share(k: int, n: int) -> None:
    with pytest.raises(ValueError, match="is not a share"):
        share_lower(k, n, 0.05)


def test_twelve_perfect_clusters_support_0_735() -> None:
    bounds = score_bounds(np.ones(12), (0.0, 1.0))
    assert bounds is not None
    assert bounds.lower(0.025) == pytest.approx(0.025 ** (1 / 12))
    assert bounds.lower(0.025) == pytest.approx(0.735, abs=5e-4)
    assert bounds.upper(0.025) == 1


def test_near_the_top_wholly_right_gives_the_lower_and_not_wholly_wrong_the_upper_bound() -> None:
    means = np.array([1.0] * 8 + [0.8, 0.6, 0.0, 0.0])
    bounds = score_bounds(means, (0.0, 1.0))
    assert bounds is not None
    assert bounds.lower(0.025) == pytest.approx(share_lower(8, 12, 0.025))
    assert bounds.upper(0.025) == pytest.approx(share_upper(10, 12, 0.025))


def test_near_the_bottom_the_same_rule_holds() -> None:
    bounds = score_bounds(np.array([0.0] * 9 + [0.2, 0.4, 1.0]), (0.0, 1.0))
    assert bounds is not None
    assert bounds.lower(0.025) == pytest.approx(share_lower(1, 12, 0.025))
    assert bounds.upper(0.025) == pytest.approx(share_upper(3, 12, 0.025))


def test_five_clusters_off_the_top_are_enough_for_t() -> None:
    assert score_bounds(np.array([1.0] * 7 + [0.9, 0.8, 0.7, 0.6, 0.5]), (0.0, 1.0)) is None


def test_a_tie_inside_the_scale_has_bounds_on_both_sides() -> None:
    bounds = score_bounds(np.full(12, 0.8), (0.0, 1.0))
    assert bounds is not None
    assert bounds.lower(0.025) == pytest.approx(0.8 * 0.735, abs=1e-3)
    assert bounds.upper(0.025) == pytest.approx(0.8 + 0.2 * 0.265, abs=1e-3)


def test_another_scale_gives_the_same_bounds_stretched() -> None:
    means = np.array([1.0] * 10 + [0.5, 0.0])
    unit, stars = score_bounds(means, (0.0, 1.0)), score_bounds(1 + 4 * means, (1.0, 5.0))
    assert unit is not None
    assert stars is not None
    assert stars.lower(0.05) == pytest.approx(1 + 4 * unit.lower(0.05))
    assert stars.upper(0.05) == pytest.approx(1 + 4 * unit.upper(0.05))


def test_scores_off_their_scale_are_refused() -> None:
    with pytest.raises(ValueError, match="not on the scale"):
        score_bounds(np.array([0.5, 4.0]), (0.0, 1.0))


def test_identical_candidates_are_only_as_equal_as_their_number_shows() -> None:
    bounds = difference_bounds(np.zeros(12), (0.0, 1.0))
    assert bounds is not None
    assert bounds.upper(0.025) == pytest.approx(0.265, abs=5e-4)
    assert bounds.lower(0.025) == pytest.approx(-0.265, abs=5e-4)


bounded = st.builds(
    lambda n, a, b, floor, ceiling: ExactBounds(-1, 1, floor, a % (n + 1), ceiling, b % (n + 1), n),
    st.integers(1, 60),
    st.integers(0, 60),
    st.integers(0, 60),
    st.sampled_from([-1.0, 0.0, 0.2, 1.0]),
    st.sampled_from([-1.0, 0.0, 0.2, 1.0]),
)


@given(bounded, st.floats(0.001, 0.2), st.floats(-0.99, 0.99))
def test_p_values_are_the_bounds_turned_round(bounds: ExactBounds, alpha: float, value: float) -> None:
    if abs(bounds.lower(alpha) - value) > 1e-9:
        assert (bounds.p_above(value) < alpha) == (bounds.lower(alpha) > value)
    if abs(bounds.upper(alpha) - value) > 1e-9:
        assert (bounds.p_below(value) < alpha) == (bounds.upper(alpha) < value)


def test_bounds_of_a_mean_hold_whatever_the_scores_look_like() -> None:
    """Nine in ten clusters tie at 0.6, the rest are anything: each side must fail at most 2.5 % of the time."""
    rng = np.random.default_rng(5)
    low_misses = high_misses = used = 0
    for _ in range(2000):
        means = np.where(rng.random(15) < 0.9, 0.6, rng.random(15).round(1))
        bounds = score_bounds(means, (0.0, 1.0))
        if bounds is not None:
            used += 1
            low_misses += bounds.lower(0.025) > 0.59
            high_misses += bounds.upper(0.025) < 0.59
    assert used > 1500
    assert max(low_misses, high_misses) / used <= 0.025
