"""How much is needed: counts from order statistics and from t, against published and measured values."""

import math

import pytest
from hypothesis import given
from hypothesis import strategies as st
from scipy import stats as reference

from shortlist.errors import NotEnoughSamples
from shortlist.stats.power import (
    MOST,
    Seen,
    detectable,
    more_needed,
    power_different,
    power_equivalent,
    quantile_n,
    rounds_for_quantile,
    smallest,
)


@pytest.mark.parametrize(("q", "n"), [(0.5, 6), (0.9, 36), (0.95, 72), (0.05, 72), (0.99, 368)])
def test_a_percentile_needs_so_many(q: float, n: int) -> None:
    assert quantile_n(q) == n


@given(st.floats(0.01, 0.995), st.floats(0.5, 0.999))
def test_one_less_would_not_do(q: float, level: float) -> None:
    """At n the chance that the whole sample lies on one side is at most half the error; at n - 1 it is not."""
    n, worse = quantile_n(q, level), max(q, 1 - q)
    assert worse**n <= (1 - level) / 2 * (1 + 1e-9)
    assert n == 1 or worse ** (n - 1) > (1 - level) / 2 * (1 - 1e-9)


def test_rounds_for_a_percentile_are_never_fewer_than_two() -> None:
    assert rounds_for_quantile(0.95, 20) == 4
    assert rounds_for_quantile(0.95, 500) == 2
    with pytest.raises(NotEnoughSamples):
        rounds_for_quantile(0.95, 0)


@pytest.mark.parametrize("q", [0.0, 1.0, 1.5])
def test_what_is_no_quantile_is_refused(q: float) -> None:
    with pytest.raises(ValueError, match="between 0 and 1"):
        quantile_n(q)


@pytest.mark.parametrize(("prompts", "seen"), [(20, 0.66), (50, 0.41), (100, 0.29)])
def test_ratings_with_a_spread_of_one_show_what_was_simulated(prompts: int, seen: float) -> None:
    """Paired ratings, 80 % power: differences simulated with a spread of 1.0 between prompts."""
    assert detectable(1.0 / math.sqrt(prompts), prompts - 1) == pytest.approx(seen, abs=0.012)


@pytest.mark.parametrize("n", [3, 4, 5, 10, 30, 100])
def test_power_is_near_that_of_the_noncentral_t(n: int) -> None:
    effect = detectable(1 / math.sqrt(n), n - 1)
    critical = reference.t.ppf(0.975, n - 1)
    exact = reference.nct.sf(critical, n - 1, effect * math.sqrt(n))
    assert exact == pytest.approx(0.8, abs=0.06)
    assert power_different(effect, 1 / math.sqrt(n), n - 1) == pytest.approx(0.8)


def test_power_of_equivalence_falls_from_nearly_sure_to_alpha_at_the_margin() -> None:
    sure, level = power_equivalent(0, 0.05, 0.005, 9), power_equivalent(0.05, 0.05, 0.005, 9)
    assert sure > 0.999
    assert level == pytest.approx(0.05, abs=1e-6)
    assert power_equivalent(0, 0.05, 0.05, 9) == 0


@given(st.floats(-0.2, 0.2), st.floats(0.001, 0.3), st.integers(2, 50))
def test_so_many_more_conclude_and_one_fewer_does_not(estimate: float, sd: float, n: int) -> None:
    seen = Seen(estimate, sd / math.sqrt(n), n - 1, n)
    more = more_needed(seen, 0.05)

    def power(total: int) -> float:
        se, df = seen.with_units(total)
        return max(power_different(estimate, se, df), power_equivalent(estimate, 0.05, se, df))

    if more is None:
        assert power(MOST) < 0.8
    else:
        assert more >= 1
        assert power(n + more) >= 0.8
        assert more == 1 or power(n + more - 1) < 0.8


def test_a_spread_that_more_rounds_do_not_lessen_is_said_to_be_hopeless() -> None:
    assert more_needed(Seen(0.03, 0.05, 4, 5, se_floor=0.04), 0.05) is None


def test_the_smallest_is_found_and_none_is_none() -> None:
    assert smallest(lambda n: n >= 137, 5) == 137
    assert smallest(lambda n: n > 0, 5) == 6
    assert smallest(lambda n: n < 0, 5) is None
