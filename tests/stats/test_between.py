"""The spread between runs: analysis of variance, checked by hand and by how often equal runs are called different."""

import numpy as np
import pytest

from shortlist.errors import NotEnoughSamples
from shortlist.stats.between import between_spread
from shortlist.stats.paired import BetweenRuns, welch_log

HOSTS = 1500


def runs_of(rng: np.random.Generator, between: float, within: float, runs: int, rounds: int) -> list[list[float]]:
    logs = rng.normal(0, between, (runs, 1)) + rng.normal(0, within, (runs, rounds))
    return np.exp(logs).tolist()  # type: ignore[no-any-return]


def test_what_the_rounds_vary_by_is_taken_away_from_the_spread_of_run_means() -> None:
    # By hand: run means 0, 0.2, 0.4 on logs (mean square 2 * 0.04), rounds ± 0.1 around them (mean square 0.02).
    logs = np.array([[-0.1, 0.1], [0.1, 0.3], [0.3, 0.5]])
    found = between_spread(np.exp(logs).tolist())
    assert found.sd_log == pytest.approx(((0.08 - 0.02) / 2) ** 0.5)
    assert found.runs == 3
    assert found.df == pytest.approx(0.06**2 / (0.08**2 / 2 + 0.02**2 / 3))


def test_runs_that_differ_no_more_than_their_rounds_have_no_spread_of_their_own() -> None:
    found = between_spread([[1.0, 1.2], [1.2, 1.0], [1.1, 1.1]])
    assert found.sd_log == 0.0
    assert welch_log([1.0, 1.1], [1.0, 1.2], found).se > 0


def test_runs_of_different_lengths_weigh_by_their_rounds() -> None:
    rng = np.random.default_rng(3)
    found = [
        between_spread([r[: 2 + n % 4] for n, r in enumerate(runs_of(rng, 0.02, 0.01, 12, 6))]) for _ in range(300)
    ]
    assert np.mean([one.sd_log**2 for one in found]) == pytest.approx(0.02**2, rel=0.1)


@pytest.mark.parametrize("runs", [[], [[1.0, 1.1]], [[1.0], [1.1]], [[1.0, 0.0], [1.0, 1.1]]])
def test_too_little_tells_nothing(runs: list[list[float]]) -> None:
    with pytest.raises(NotEnoughSamples):
        between_spread(runs)


@pytest.mark.parametrize("between", [0.0, 0.003, 0.01, 0.03])
def test_two_runs_of_the_same_are_called_different_at_most_6_percent(between: float) -> None:
    """Six runs of three rounds on each simulated host, then two runs of five rounds that differ by nothing else."""
    rng = np.random.default_rng(round(between * 1000))
    called = 0
    for _ in range(HOSTS):
        known: BetweenRuns = between_spread(runs_of(rng, between, 0.01, 6, 3))
        a, b = runs_of(rng, between, 0.01, 2, 5)
        called += welch_log(a, b, known).p_different <= 0.05
    assert called / HOSTS <= 0.06
