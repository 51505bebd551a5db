"""How often `compare` is wrong on runs whose truth is known; benchmarks/aa_rates.py prints the whole table."""

import pytest

from aa_rates import HONEST, POWER, SCENES, Planted, Scene, compare_once, make_run, one_aa, one_slowdown, rates_of
from shortlist.results.export import export_run, import_run


def different(scene: Scene, runs: int) -> float:
    rates = rates_of(one_aa(scene, seed) for seed in range(1, runs + 1))
    return rates.different / rates.runs


def test_simulated_runs_are_runs_as_they_are_stored() -> None:
    run = make_run(SCENES[1], Planted(7))
    assert import_run(export_run(run)) == run


def test_a_longer_run_begins_with_the_shorter_one() -> None:
    short, long = (make_run(POWER, Planted(7, rounds=rounds)) for rounds in (3, 5))
    assert [one.end_ns for one in long.samples[: len(short.samples)]] == [one.end_ns for one in short.samples]


@pytest.mark.slow
def test_two_runs_of_one_thing_are_seldom_called_different() -> None:
    """40 comparisons at a promise of 5 %: five or more wrong would happen once in 20 tries."""
    assert different(SCENES[0], 40) <= 5 / 40


@pytest.mark.slow
@pytest.mark.parametrize("scene", HONEST, ids=lambda scene: scene.name)
def test_any_metric_is_called_different_in_at_most_6_percent(scene: Scene) -> None:
    assert different(scene, 400) <= 0.06


@pytest.mark.slow
def test_the_announced_rounds_find_a_planted_slowdown() -> None:
    """80 % power was announced; of about 70 tries fewer than 65 % would happen once in a thousand."""
    found = [one_slowdown(POWER, 0.1, seed) for seed in range(1, 101)]
    tried = [one for one in found if one.announced]
    assert len(tried) >= 30
    assert sum(one.later for one in tried) / len(tried) >= 0.65


def test_a_planted_slowdown_of_a_third_is_found_at_once() -> None:
    said = compare_once(SCENES[0], 3, Planted(7, slower=0.33))
    assert {one.verdict for _, one in said.changes if one.metric in ("latency", "tokens_per_s")} == {"worse"}
