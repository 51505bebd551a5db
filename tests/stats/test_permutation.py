import numpy as np
import pytest
from scipy import stats

from shortlist.errors import NotEnoughSamples
from shortlist.stats.permutation import MOST_SPLITS, permutation_p


def test_all_splits_of_few_values_are_counted() -> None:
    assert permutation_p([1.0] * 5, [0.0] * 5) == pytest.approx(2 / 252)
    assert permutation_p([0.0, 0.0], [0.0, 0.0, 0.0]) == 1.0
    assert permutation_p([3.0], [1.0]) == 1.0


def test_it_agrees_with_scipys_exact_test() -> None:
    rng = np.random.default_rng(4)
    for size in (3, 5, 7):
        a, b = rng.random(size), rng.random(6) + 0.2
        theirs = stats.permutation_test(
            (a, b), lambda x, y, axis: abs(x.mean(axis) - y.mean(axis)), vectorized=True, alternative="greater"
        )
        assert permutation_p(a.tolist(), b.tolist()) == pytest.approx(theirs.pvalue, abs=1e-9)


def test_many_values_are_drawn_by_a_fixed_seed_and_p_is_never_zero() -> None:
    a, b = [float(n) for n in range(20)], [float(n + 100) for n in range(20)]
    assert permutation_p(a, b) == permutation_p(a, b) == pytest.approx(1 / (MOST_SPLITS + 1))


def test_equal_groups_are_called_different_5_percent_of_the_time_at_most() -> None:
    """Rare failures, as rounds of a bench have them: one prompt in thirty, sometimes."""
    rng = np.random.default_rng(5)
    draws = rng.binomial(30, 0.02, (600, 2, 5)) / 30
    share = np.mean([permutation_p(a.tolist(), b.tolist()) <= 0.05 for a, b in draws])
    assert share <= 0.05 + 2 * 0.009


@pytest.mark.parametrize(("a", "b"), [([], [1.0]), ([1.0], []), ([float("nan")], [1.0]), ([float("inf")], [1.0])])
def test_what_is_no_number_cannot_be_compared(a: list[float], b: list[float]) -> None:
    with pytest.raises(NotEnoughSamples):
        permutation_p(a, b)
