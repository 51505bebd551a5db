"""What races decide on scenes whose truth is known; benchmarks/race_rates.py prints the whole table."""

from statistics import median

import pytest

from decide_rates import load_scenes
from race_rates import Manner, holds, leads_by_two_margins, simulate_race

SCENES = {scene.name: scene for scene in load_scenes()}
LONGEST = "eight equals, ample prompts"  # takes minutes; benchmarks/race_rates.py has it
QUICK = ("clear winner", "best leads by twice the margin", "a need on the border", "speed alone, six per cent apart")


@pytest.mark.parametrize("name", QUICK)
def test_a_race_comes_to_the_full_plans_choice_in_60_runs(name: str) -> None:
    assert holds(simulate_race(SCENES[name], 60))


def test_a_clear_lead_takes_less_than_half_of_the_requests() -> None:
    for name in QUICK[:3]:
        assert median(simulate_race(SCENES[name], 20).shares) < 0.5


def test_scenes_with_a_lead_of_two_margins_are_found_by_their_truth() -> None:
    leads = {name for name, scene in SCENES.items() if leads_by_two_margins(scene)}
    assert {"clear winner", "best leads by twice the margin", "speed alone, twelve per cent apart"} <= leads
    assert not leads & {"all equal", "two equals and a third", "speed alone, six per cent apart", "ceiling scores"}


@pytest.mark.slow
@pytest.mark.timeout(1800)
@pytest.mark.parametrize("name", [name for name in SCENES if name != LONGEST])
def test_a_race_comes_to_the_full_plans_choice_in_500_runs(name: str) -> None:
    assert holds(simulate_race(SCENES[name], 500))


@pytest.mark.slow
@pytest.mark.timeout(1800)
@pytest.mark.parametrize("name", QUICK)
def test_answers_that_change_in_every_round_are_raced_by_shared_levels(name: str) -> None:
    assert holds(simulate_race(SCENES[name], 300, Manner(vary=0.5, is_hot=True)))
