"""The search, on settings whose true speeds are known: it ends in time, never loses, and finds what is faster."""

import math

import numpy as np
import pytest

from shortlist.records import EngineOptions
from shortlist.tune.grid import Conditions, Setting, settings_of
from shortlist.tune.search import Aim, Found, Search
from tune.labs import SECOND, DrawnLab
from virtual_time import run_virtual

TUNABLE = ("threads", "threads_batch", "ubatch", "kv_type")
GRID = settings_of("e", TUNABLE, EngineOptions(), Conditions(2, 2, 2, 1200))
BUDGET_S = 600


def search(
    lab: DrawnLab,
    budget_s: int = BUDGET_S,
    *,
    allows_change: bool = False,
    current: Setting | None = None,
    grid: tuple[Setting, ...] = GRID,
    others: tuple[Setting, ...] = (),
) -> tuple[Found, float]:
    """What was found, and after how many seconds."""

    async def work() -> tuple[Found, float]:
        aim = Aim("tokens_per_s", budget_s * SECOND, allows_change)
        found = await Search(lab, lab.clock, aim, current).run(grid, others)
        return found, lab.clock.now_ns() / SECOND

    return run_virtual(work())


def fate(found: Found, label: str) -> str:
    return next(one.fate for one in found.tried if one.setting.label == label)


def test_a_faster_setting_is_found_and_its_gain_comes_from_fresh_rounds() -> None:
    lab = DrawnLab({"threads=1": 1.3, "ubatch=64": 0.8})
    found, _ = search(lab)
    assert (found.outcome, found.pick and found.pick.label) == ("faster", "e threads=1")
    assert [ask.phase for ask in lab.asked] == ["first round", "race", "comparison"]
    assert lab.asked[1].raced_by == "tokens_per_s"
    ratio = found.verdicts["e threads=1"].interval
    assert ratio.n == lab.asked[-1].rounds
    assert ratio.low is not None
    assert ratio.high is not None
    assert ratio.low < 1.3 < ratio.high


def test_factors_that_help_are_put_together() -> None:
    found, _ = search(DrawnLab({"threads=1": 1.2, "ubatch=128": 1.15, "kv_type=f32": 0.9}))
    assert found.pick is not None
    assert found.pick.label == "e threads=1, ubatch=128"


def test_what_is_far_behind_is_left_after_the_first_round_and_what_is_near_is_raced() -> None:
    lab = DrawnLab({"ubatch=64": 0.5, "kv_type=f32": 0.95})
    found, _ = search(lab)
    raced = [one.label for one in lab.asked[1].settings]
    assert "e ubatch=64" not in raced
    assert "e kv_type=f32" in raced
    assert fate(found, "e ubatch=64") == "behind, first round"


def test_a_setting_that_changes_the_text_is_told_and_wins_only_when_that_is_allowed() -> None:
    lab = DrawnLab({"threads=1": 1.4}, altering=frozenset({"threads=1"}))
    found, _ = search(lab)
    assert found.pick is None
    told = next(one for one in found.tried if one.setting.label == "e threads=1")
    assert (told.fate, told.is_barred) == ("changes the text", True)
    assert told.change is not None
    assert (told.change.changed, told.change.prompts, told.change.first_character) == (1, 1, 15)
    assert all("e threads=1" not in [one.label for one in ask.settings] for ask in lab.asked[1:])
    allowed, _ = search(DrawnLab(lab.effects, altering=lab.altering), allows_change=True)
    assert allowed.pick is not None
    assert "threads=1" in allowed.pick.label


def test_a_kv_type_that_keeps_less_never_wins_unasked_even_with_the_same_text() -> None:
    found, _ = search(DrawnLab({"kv_type=q8_0": 1.5}))
    assert found.pick is None
    assert fate(found, "e kv_type=q8_0") == "keeps less of the context"
    allowed, _ = search(DrawnLab({"kv_type=q8_0": 1.5}), allows_change=True)
    assert allowed.pick is not None
    assert allowed.pick.label == "e kv_type=q8_0"


@pytest.mark.parametrize("budget_s", [5, 20, 60, 200, 600])
def test_it_ends_within_the_budget_and_says_what_was_not_tried(budget_s: int) -> None:
    for block_s in (0.5, 4.0, 30.0, 1000.0):
        lab = DrawnLab({"threads=1": 1.3}, block_s=block_s)
        found, took_s = search(lab, budget_s)
        assert took_s <= budget_s
        measured = {label for phase in found.phases for label in phase.evidence}
        assert {one.label for one in GRID} <= measured | set(found.untried), (budget_s, block_s)
        if block_s * 10 > budget_s:
            assert found.pick is None
            assert found.outcome == "not told apart"


def test_with_little_time_only_the_fastest_are_raced_and_for_a_few_rounds() -> None:
    lab = DrawnLab({"threads=1": 1.3, "ubatch=64": 0.9, "kv_type=f32": 0.95})
    found, _ = search(lab, 100)
    first, race, last = lab.asked
    assert len(race.settings) < len([one for one in first.settings if not one.is_lossy])
    assert found.phases[1].rounds_of("e default", "tokens_per_s") >= 3
    assert "e threads=1" in [one.label for one in race.settings]
    assert last.phase == "comparison"


def test_a_lead_over_too_few_rounds_is_told_and_not_kept() -> None:
    found, _ = search(DrawnLab({"threads=1": 3.0}, block_s=6.0, own_sd=0.001, shared_sd=0.0), 60)
    assert found.pick is None
    assert found.outcome == "not told apart"
    assert fate(found, "e threads=1") == "ahead, in too few rounds to keep"


def test_what_was_ahead_when_time_was_up_is_not_said_to_be_behind() -> None:
    found, _ = search(DrawnLab({"threads=1": 3.0}, block_s=17.0, own_sd=0.001, shared_sd=0.0), 60)
    assert (found.pick, found.outcome) == (None, "not told apart")
    assert fate(found, "e threads=1") == "ahead when time was up"


def test_nothing_faster_is_said_of_what_was_compared() -> None:
    slower = ("threads=1", "ubatch=256", "ubatch=128", "ubatch=64", "kv_type=f32")
    found, _ = search(DrawnLab(dict.fromkeys(slower, 0.9)))
    assert found.outcome == "nothing faster"
    assert [one.verdict for one in found.verdicts.values()] == ["worse"]


def test_what_does_not_start_is_told_and_the_others_go_on() -> None:
    found, _ = search(DrawnLab({"threads=1": 1.3}, broken=frozenset({"ubatch=64", "kv_type=f32"})))
    assert fate(found, "e ubatch=64") == "it broke"
    assert found.pick is not None


def test_a_default_that_does_not_start_ends_it() -> None:
    found, _ = search(DrawnLab({"threads=1": 1.3}, broken_default=True))
    assert (found.outcome, found.pick, found.last, len(found.phases)) == ("not told apart", None, None, 1)


def test_an_older_profile_is_measured_beside_and_stays_where_it_still_is_the_fastest() -> None:
    older = Setting("e", EngineOptions(threads=1, extra={"ubatch": "32"}), "profile")
    found, _ = search(DrawnLab({"threads=1": 1.2, "ubatch=32": 1.2}), current=older)
    assert found.pick == older
    worse, _ = search(DrawnLab({"threads=1": 0.8}), current=older)
    assert worse.pick is None
    assert worse.verdicts[older.label].verdict == "worse"


def test_another_engines_default_may_win_and_another_variant_is_only_shown() -> None:
    grid = (Setting("e"), Setting("f"), *GRID[1:])
    others = (Setting("e", model="other@q8_0"),)
    lab = DrawnLab({"other@q8_0": 2.0, "threads=1": 1.2})
    found, _ = search(lab, grid=grid, others=others)
    assert found.other is not None
    assert found.other.model == "other@q8_0"
    assert found.verdicts[found.other.label].verdict == "better"
    assert found.pick is not None
    assert found.pick.model == ""
    assert fate(found, found.other.label) == "other weights"


# --- how often it is wrong --------------------------------------------------------------------------------------------

RUNS = 100


def many(effects: dict[str, float], **lab: float) -> list[tuple[Found, DrawnLab]]:
    labs = [DrawnLab(effects, seed=seed, **lab) for seed in range(RUNS)]  # type: ignore[arg-type]
    return [(search(one)[0], one) for one in labs]


def test_where_all_are_alike_the_default_stays_but_for_the_error_that_is_allowed() -> None:
    found = many({})
    wrong = sum(one.pick is not None for one, _ in found)
    assert wrong <= 0.05 * RUNS + 2 * math.sqrt(0.05 * 0.95 * RUNS)


@pytest.mark.parametrize("own_sd", [0.02, 0.15])
def test_what_is_picked_is_hardly_ever_slower_than_the_default(own_sd: float) -> None:
    effects = {"threads=1": 0.97, "ubatch=256": 0.98, "ubatch=64": 0.9, "ubatch=128": 1.0, "kv_type=f32": 0.96}
    lost = sum(one.pick is not None and lab.truth(one.pick) < 0.97 for one, lab in many(effects, own_sd=own_sd))
    assert lost <= 0.02 * RUNS


def test_what_is_a_fifth_faster_is_found_nearly_always_and_its_interval_covers_the_truth() -> None:
    found = many({"threads=1": 1.2, "kv_type=f32": 1.03, "ubatch=64": 0.9}, own_sd=0.03)
    picked = [(one, lab) for one, lab in found if one.pick is not None]
    assert len(picked) >= 0.95 * RUNS
    assert np.mean([lab.truth(one.pick) for one, lab in picked if one.pick]) >= 1.19
    covered = 0
    for one, lab in picked:
        assert one.pick is not None
        told = one.verdicts[one.pick.label].interval
        covered += (told.low or 0) <= lab.truth(one.pick) <= (told.high or math.inf)
    assert covered >= 0.9 * len(picked)
