"""Arrival schedules: exact where they are constant, exponential where they are Poisson, the same for the same seed."""

from itertools import pairwise

import numpy as np
import pytest
from scipy import stats

from shortlist.measure.arrivals import due_offsets
from shortlist.records import LoadShape

POISSON = LoadShape("open", rate_per_s=50.0, arrivals="poisson")


def offsets(load: LoadShape, count: int, seed: str = "0:1:arrivals") -> list[int]:
    return [due for due in due_offsets(load, count, seed) if due is not None]


def gaps_s(count: int, seed: str) -> list[float]:
    return [(b - a) / 1e9 for a, b in pairwise([0, *offsets(POISSON, count, seed)])]


def test_a_closed_loop_has_no_due_times() -> None:
    assert due_offsets(LoadShape(concurrency=4), 3, "x") == (None, None, None)


def test_constant_arrivals_are_exact_and_do_not_drift() -> None:
    third = LoadShape("open", rate_per_s=3.0, arrivals="constant")
    assert offsets(third, 7) == [0, 333_333_333, 666_666_667, 10**9, 1_333_333_333, 1_666_666_667, 2 * 10**9]
    assert offsets(third, 30_001)[-1] == 10_000 * 10**9


def test_the_same_seed_gives_the_same_schedule_and_a_longer_one_begins_alike() -> None:
    assert offsets(POISSON, 20, "a") == offsets(POISSON, 20, "a") == offsets(POISSON, 50, "a")[:20]
    assert offsets(POISSON, 20, "a") != offsets(POISSON, 20, "b")


def test_due_times_are_whole_microseconds_and_never_go_back() -> None:
    due = offsets(POISSON, 2000)
    assert all(at % 1000 == 0 for at in due)
    assert due == sorted(due)


@pytest.mark.parametrize("seed", ["0:1:arrivals", "0:2:arrivals", "7:1:arrivals"])
def test_poisson_gaps_are_exponential_with_the_mean_that_was_asked(seed: str) -> None:
    gaps = gaps_s(5000, seed)
    assert stats.kstest(gaps, stats.expon(scale=1 / 50).cdf).pvalue > 0.01
    assert np.mean(gaps) == pytest.approx(1 / 50, rel=4 / np.sqrt(5000))


def test_poisson_gaps_do_not_depend_on_the_gap_before() -> None:
    gaps = gaps_s(5000, "0:1:arrivals")
    assert abs(np.corrcoef(gaps[:-1], gaps[1:])[0, 1]) < 4 / np.sqrt(5000)


def test_counts_in_windows_are_poisson() -> None:
    due = np.array(offsets(POISSON, 20_000, "0:9:arrivals")) / 1e9
    counts = np.bincount((due / 0.1).astype(int))[:-1]  # five are expected in a tenth of a second
    edges = np.arange(13)
    seen = np.array([(counts == k).sum() for k in edges[:-1]] + [(counts >= edges[-1]).sum()])
    expected = np.append(stats.poisson.pmf(edges[:-1], 5), stats.poisson.sf(edges[-1] - 1, 5)) * counts.size
    assert stats.chisquare(seen, expected).pvalue > 0.01
