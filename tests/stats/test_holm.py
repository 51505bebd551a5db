"""Many comparisons at once: Holm's adjustment and the bounds that agree with it."""

import math

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from shortlist.errors import NotEnoughSamples
from shortlist.stats.holm import holm, upper_bounds
from shortlist.stats.paired import Difference, paired_log_ratio


def lead(estimate: float, se: float = 0.01, df: float = 9) -> Difference:
    return Difference(estimate, se, df, 10, "rounds", "difference", "t")


def test_the_textbook_example() -> None:
    """Four hypotheses, p = 0.01, 0.04, 0.03, 0.005: at 5 % the first and the last are rejected."""
    assert holm([0.01, 0.04, 0.03, 0.005]) == pytest.approx((0.03, 0.06, 0.06, 0.02))


def test_nothing_to_adjust() -> None:
    assert holm([]) == ()
    assert holm([0.2]) == (0.2,)
    assert upper_bounds({}, 0.05) == {}


@pytest.mark.parametrize("bad", [math.nan, -0.1, 1.1])
def test_what_is_no_p_value_is_an_error(bad: float) -> None:
    with pytest.raises(NotEnoughSamples):
        holm([0.1, bad])


@given(st.lists(st.floats(0, 1), min_size=1, max_size=10))
def test_adjusted_lies_between_raw_and_bonferroni_and_keeps_the_order(p_values: list[float]) -> None:
    adjusted = holm(p_values)
    for raw, ours in zip(p_values, adjusted, strict=True):
        assert raw <= ours <= min(1, len(p_values) * raw) or ours == max(adjusted)
        assert raw <= ours <= 1
    by_raw = sorted(range(len(p_values)), key=p_values.__getitem__)
    assert [adjusted[i] for i in by_raw] == sorted(adjusted)


@given(st.lists(st.tuples(st.floats(-0.2, 0.2), st.floats(0.001, 0.1)), min_size=1, max_size=6))
def test_bounds_agree_with_the_verdicts(leads: list[tuple[float, float]]) -> None:
    bounds = upper_bounds({str(i): lead(*one) for i, one in enumerate(leads)}, 0.05)
    for bound in bounds.values():
        assert bound.is_under_margin == (bound.p_adjusted <= 0.05)
        assert (bound.upper <= 0.05) if bound.is_under_margin else (bound.upper > 0.05 - 1e-12)


def test_one_contender_alone_gets_the_plain_bound() -> None:
    bound = upper_bounds({"b": lead(0.01)}, 0.05)["b"]
    assert bound.upper == pytest.approx(lead(0.01).upper(0.05))
    assert bound.is_under_margin


def test_a_contender_that_fails_holds_the_others_at_the_margin() -> None:
    bounds = upper_bounds({"far": lead(-0.2), "near": lead(0.05)}, 0.05)
    assert (bounds["far"].is_under_margin, bounds["far"].upper) == (True, 0.05)
    assert not bounds["near"].is_under_margin
    assert bounds["near"].upper == pytest.approx(lead(0.05).upper(0.05))


def test_bounds_of_ratios_are_ratios() -> None:
    ratio = paired_log_ratio([1.0, 1.01, 0.99, 1.0], [1.0, 1.0, 1.01, 1.0])
    bound = upper_bounds({"b": ratio}, 0.05)["b"]
    assert 1 < bound.upper == pytest.approx(math.exp(ratio.upper(0.05)))


@pytest.mark.parametrize("true_leads", [(0.05, 0.05, 0.05, 0.05), (0.05, -0.2, -0.2, -0.2), (0.0, 0.04, 0.05, 0.2)])
def test_all_bounds_hold_together_95_percent_of_the_time(true_leads: tuple[float, ...]) -> None:
    rng = np.random.default_rng(3)
    held = 0
    for _ in range(1500):
        samples = np.array(true_leads) + 0.03 * rng.standard_normal((10, len(true_leads)))
        leads = {
            str(i): lead(float(column.mean()), float(column.std(ddof=1)) / math.sqrt(10))
            for i, column in enumerate(samples.T)
        }
        bounds = upper_bounds(leads, 0.05)
        held += all(bounds[str(i)].upper >= true - 1e-12 for i, true in enumerate(true_leads))
    assert held / 1500 >= 0.95 - 2 * 0.0056
