"""When a race is looked at, and how the looks share the error."""

import numpy as np
import pytest

from shortlist.stats.distributions import t_quantile
from shortlist.stats.looks import MOST_LOOKS, error_shares, looks_after


@pytest.mark.parametrize("rounds", range(2, 60))
def test_looks_begin_after_the_first_round_end_after_the_last_and_are_five_at_most(rounds: int) -> None:
    after = looks_after(rounds)
    assert after[0] == 1
    assert after[-1] == rounds
    assert len(after) == min(rounds, MOST_LOOKS)
    assert list(after) == sorted(set(after))


def test_ten_rounds_are_looked_at_after_these() -> None:
    assert looks_after(10) == (1, 3, 5, 8, 10)
    assert looks_after(1) == (1,)


@pytest.mark.parametrize("looks", range(1, 6))
def test_shares_add_up_to_one_and_the_last_keeps_most(looks: int) -> None:
    shares = error_shares(looks)
    assert sum(shares) == pytest.approx(1)
    assert list(shares) == sorted(shares)
    assert shares[-1] >= 0.8


def test_tests_on_growing_samples_err_together_in_less_than_they_share() -> None:
    """20,000 pairs without a difference, one-sided t after each look of ten rounds; exact whatever t is used."""
    after, level, draws = looks_after(10), 0.05, 20_000
    values = np.random.default_rng(3).standard_normal((draws, 10))
    is_wrong = np.zeros(draws, dtype=bool)
    for rounds, share in zip(after, error_shares(len(after)), strict=True):
        if rounds > 1:
            seen = values[:, :rounds]
            t = seen.mean(axis=1) / (seen.std(axis=1, ddof=1) / np.sqrt(rounds))
            is_wrong |= t > t_quantile(1 - level * share, rounds - 1)
    assert 0.03 < is_wrong.mean() < level
