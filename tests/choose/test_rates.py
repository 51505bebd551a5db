"""How often decisions are wrong on scenes whose truth is known; benchmarks/decide_rates.py prints the whole table."""

import pytest

from decide_rates import Scene, is_right, load_scenes, most_wrong, simulate

SCENES = {scene.name: scene for scene in load_scenes()}
BORDER = ("the best on the border", "the best just inside the border")
"""Here a `ship` takes a need's interval that misses the truth or barely clears it: few ship, and of those half err."""

QUICK = (
    "clear winner",
    "best leads by twice the margin",
    "two equals and a third",
    "all equal",
    "a need on the border",
    "one failing",
    "drift over time",
    "ceiling scores",
)


def check(scene: Scene, runs: int) -> None:
    rates = simulate(scene, runs)
    allowed = most_wrong(runs)
    assert rates.wrong <= allowed
    assert rates.shipped >= scene.ship_at_least - (0.0 if runs >= 2000 else 0.06)
    assert rates.shipped <= (scene.ship_at_most if runs >= 2000 else scene.ship_at_most + 0.03)
    if scene.name not in BORDER and rates.verdicts["ship"] >= 100:
        assert 1 - (rates.right_of_shipped or 0.0) <= most_wrong(rates.verdicts["ship"])


@pytest.mark.parametrize("name", QUICK)
def test_what_ships_is_right_in_200_runs(name: str) -> None:
    check(SCENES[name], 200)


def test_eight_equals_hardly_ever_ship_one() -> None:
    check(SCENES["eight equals"], 60)


@pytest.mark.slow
@pytest.mark.timeout(1200)
@pytest.mark.parametrize("name", SCENES)
def test_what_ships_is_right_in_2000_runs(name: str) -> None:
    check(SCENES[name], 2000)


def test_the_truth_of_a_scene_knows_needs_margins_and_failures() -> None:
    assert [is_right(SCENES["clear winner"], pick) for pick in range(3)] == [True, False, False]
    assert [is_right(SCENES["a need on the border"], pick) for pick in range(3)] == [True, False, False]
    assert [is_right(SCENES["one failing"], pick) for pick in range(3)] == [True, False, False]
    assert all(is_right(SCENES["all equal"], pick) for pick in range(3))
