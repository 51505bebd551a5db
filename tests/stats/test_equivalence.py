"""The four words: better, equivalent, worse, not told apart, and how much is missing."""

import math
from dataclasses import replace
from typing import get_args

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from shortlist.errors import BadInput
from shortlist.records import Verdict
from shortlist.stats.equivalence import Claim, FamilyLevels, compare, compare_all, compare_family, tost
from shortlist.stats.holm import holm
from shortlist.stats.paired import BetweenRuns, Difference, paired_cluster_difference, paired_log_ratio, welch_log


def ratio(percent: float, se: float = 0.005, df: float = 4) -> Difference:
    return Difference(math.log1p(percent / 100), se, df, 5, "rounds", "ratio", "t")


def test_the_example_of_lakens() -> None:
    """Lakens, Social Psychological and Personality Science 8 (2017) 355-362, from Moery and Calin-Jageman, study 2:
    means 5.25 and 5.22, deviations 0.95 and 0.83, n 95 and 89, bounds of d = ± 0.43: p = .004.
    """
    parts = (0.95**2 / 95, 0.83**2 / 89)
    df = sum(parts) ** 2 / (parts[0] ** 2 / 94 + parts[1] ** 2 / 88)
    one = Difference(5.25 - 5.22, math.sqrt(sum(parts)), df, 89, "clusters", "difference", "Welch t")
    margin = 0.43 * math.sqrt((0.95**2 + 0.83**2) / 2)
    assert (one.estimate - margin) / one.se == pytest.approx(-2.69, abs=0.005)
    assert tost(one, margin) == pytest.approx(0.004, abs=5e-4)
    assert compare(one, margin, lower_is_better=False).verdict == "equivalent"


@pytest.mark.parametrize(
    ("difference", "lower_is_better", "word"),
    [
        (ratio(20), True, "worse"),
        (ratio(20), False, "better"),
        (ratio(-20), True, "better"),
        (ratio(-20), False, "worse"),
        (ratio(1), True, "equivalent"),
        (ratio(20, se=0.2), True, "not told apart"),
        (ratio(1, se=0.2), False, "not told apart"),
    ],
)
def test_each_word_has_its_case(difference: Difference, lower_is_better: bool, word: Verdict) -> None:
    said = compare(difference, 0.05, lower_is_better=lower_is_better)
    assert said.verdict == word
    assert (said.more_needed == 0) == (word != "not told apart")


def test_certain_and_too_small_to_matter_is_equivalent() -> None:
    said = compare(ratio(2, se=0.002), 0.05, lower_is_better=True)
    assert said.p_different < 0.01
    assert said.verdict == "equivalent"


def test_without_a_margin_nothing_is_equivalent() -> None:
    assert compare(ratio(0), 0, lower_is_better=True).verdict == "not told apart"
    with pytest.raises(BadInput):
        compare(ratio(0), -0.05, lower_is_better=True)


@settings(max_examples=50)
@given(st.floats(-30, 30), st.floats(0.0005, 0.3), st.floats(1, 30), st.booleans())
def test_words_agree_with_the_interval_and_turn_round(percent: float, se: float, df: float, lower: bool) -> None:
    one = ratio(percent, se, df)
    said, turned = (compare(x, 0.05, lower_is_better=lower) for x in (one, one.flipped()))
    opposite = {"better": "worse", "worse": "better"}
    assert said.verdict in get_args(Verdict)
    assert turned.verdict == opposite.get(said.verdict, said.verdict)
    low, high = said.interval.low, said.interval.high
    assert low is not None
    assert high is not None
    if said.verdict in opposite:
        assert low > 1 or high < 1
    inner = one.interval(0.9)
    assert (said.verdict == "equivalent") == ((inner.low or 0) >= 1 / 1.05 and (inner.high or 0) <= 1.05)


def test_truly_different_by_the_margin_is_called_equivalent_at_most_5_percent() -> None:
    rng = np.random.default_rng(2)
    called = 0
    for logs in math.log(1.05) + 0.02 * rng.standard_normal((2000, 5)):
        called += (
            compare(paired_log_ratio(np.exp(logs).tolist(), [1.0] * 5), 0.05, lower_is_better=True).verdict
            == "equivalent"
        )
    assert called / 2000 <= 0.06


def test_the_number_that_is_missing_concludes_four_times_in_five() -> None:
    """A first bench of 4 rounds sees 4 % and a spread of 3 %; with what it asks for, most further benches conclude."""
    first = ratio(4, se=0.03 / 2, df=3)
    missing = compare(first, 0.0, lower_is_better=True).more_needed
    assert missing is not None
    rng = np.random.default_rng(9)
    logs = math.log(1.04) + 0.03 * rng.standard_normal((1000, 4 + missing))
    words = [
        compare(paired_log_ratio(np.exp(row).tolist(), [1.0] * row.size), 0.0, lower_is_better=True).verdict
        for row in logs
    ]
    assert 0.75 <= words.count("worse") / 1000 <= 0.9


def test_perfect_twins_need_as_many_clusters_as_the_margin_asks() -> None:
    table = {str(c): {str(c): [1.0]} for c in range(12)}
    said = compare(paired_cluster_difference(table, table), 0.05, lower_is_better=False)
    assert (said.verdict, said.more_needed, said.units, said.detectable) == (
        "not told apart",
        59 - 12,
        "clusters",
        None,
    )


def test_rounds_cannot_mend_a_host_whose_runs_lie_apart() -> None:
    a, b = [1.0, 1.02, 0.98, 1.01], [1.01, 1.0, 1.03, 0.99]
    assert compare(welch_log(a, b, BetweenRuns(0.1, 5)), 0.05, lower_is_better=True).more_needed is None
    assert compare(welch_log(a, b, None), 0.05, lower_is_better=True).more_needed is not None


def test_what_would_have_been_found_is_a_share_for_ratios_and_a_score_for_differences() -> None:
    assert compare(ratio(0, se=0.01), 0.05, lower_is_better=True).detectable == pytest.approx(
        math.expm1(0.0372), abs=2e-4
    )
    plain = Difference(0.0, 0.01, 4, 5, "rounds", "difference", "t")
    assert compare(plain, 0.05, lower_is_better=True).detectable == pytest.approx(0.0372, abs=2e-4)


def test_a_family_is_judged_by_holm() -> None:
    family = {str(i): ratio(6, se=math.log(1.06) / 3.0, df=9) for i in range(4)}
    alone = {name: compare(one, 0.0, lower_is_better=True).verdict for name, one in family.items()}
    together = compare_all(family, 0.0, lower_is_better=True)
    assert set(alone.values()) == {"worse"}
    assert {said.verdict for said in together.values()} == {"not told apart"}
    assert together["0"].interval.level == pytest.approx(1 - 0.05 / 4)
    assert compare_all({}, 0.05, lower_is_better=True) == {}


def test_eight_equal_models_give_a_false_winner_at_most_5_percent_of_the_time() -> None:
    """28 pairs, 500 families: 5 % and two standard errors; without Holm over 30 %."""
    rng = np.random.default_rng(6)
    adjusted = raw = 0
    for table in 1 + 0.02 * rng.standard_normal((500, 8, 5)):
        rows = table.tolist()
        p_values = [paired_log_ratio(rows[i], rows[j]).p_different for i in range(8) for j in range(i)]
        adjusted += min(holm(p_values)) <= 0.05
        raw += min(p_values) <= 0.05
    assert adjusted / 500 <= 0.05 + 2 * 0.0097
    assert raw / 500 > 0.3


def test_a_ratio_beyond_all_bounds_is_open_above() -> None:
    wild = compare(paired_log_ratio([1e9, 1.0], [1.0, 1e9]), 0.05, lower_is_better=True, alpha=0.001)
    assert (wild.verdict, wild.interval.high, wild.detectable) == ("not told apart", None, math.inf)


def test_a_family_takes_margins_and_directions_of_its_own_and_p_values_of_other_tests() -> None:
    slower = ratio(6, se=0.002, df=9)
    claims = {
        "latency": Claim(slower, 0.05, lower_is_better=True),
        "rate": Claim(slower, 0.05, lower_is_better=False),
        "wide": Claim(slower, 0.2, lower_is_better=True),
    }
    said, others = compare_family(claims, FamilyLevels(), [0.01, 0.5])
    assert [said[name].verdict for name in claims] == ["worse", "better", "equivalent"]
    assert others == pytest.approx((0.02, 0.5))
    assert said["latency"].interval.level == pytest.approx(1 - 0.05 / 5)


def test_levels_of_interval_and_plan_are_told_apart_from_that_of_the_words() -> None:
    claims = {name: Claim(ratio(2, se=0.02, df=4), 0.0, lower_is_better=True) for name in "ab"}
    plain = compare_family(claims, FamilyLevels())[0]["a"]
    strict = compare_family(claims, FamilyLevels(interval=0.05, plan=0.001))[0]["a"]
    assert plain.interval.level == pytest.approx(0.975)
    assert strict.interval.level == 0.95
    assert plain.more_needed is not None
    assert strict.more_needed is not None
    assert strict.more_needed > plain.more_needed


# --- the measuring error --------------------------------------------------------------------------------------------


def test_a_difference_no_larger_than_the_measuring_error_is_not_told_and_that_is_named() -> None:
    seen = Difference(0.10, 0.01, 9, 10, "rounds", "ratio", "t")
    assert compare(seen, 0.05, lower_is_better=True).verdict == "worse"
    off = replace(seen, error=0.12)
    judged = compare(off, 0.05, lower_is_better=True)
    assert (judged.verdict, judged.is_error_bound, judged.more_needed) == ("not told apart", True, None)
    assert off.lower(0.025) == pytest.approx(seen.lower(0.025) - 0.12)
    assert off.upper(0.025) == pytest.approx(seen.upper(0.025) + 0.12)
    small = compare(replace(seen, error=0.02), 0.05, lower_is_better=True)
    assert (small.verdict, small.is_error_bound) == ("worse", False), "what is larger than the error is still told"


def test_a_measuring_error_as_large_as_the_margin_leaves_no_room_for_equivalence() -> None:
    seen = Difference(0.001, 0.004, 9, 10, "rounds", "ratio", "t")
    assert compare(seen, 0.05, lower_is_better=True).verdict == "equivalent"
    judged = compare(replace(seen, error=0.05), 0.05, lower_is_better=True)
    assert (judged.verdict, judged.is_error_bound, judged.more_needed) == ("not told apart", True, None)


def test_what_noise_hides_is_not_blamed_on_the_measuring_error() -> None:
    noisy = Difference(0.10, 0.20, 4, 5, "rounds", "ratio", "t", error=0.01)
    judged = compare(noisy, 0.05, lower_is_better=True)
    assert (judged.verdict, judged.is_error_bound) == ("not told apart", False)
    assert judged.more_needed is not None
    exact = compare(noisy.without_error, 0.05, lower_is_better=True)
    assert exact.more_needed is not None
    assert judged.more_needed > exact.more_needed, "the error stays, so more rounds are needed than without it"


def test_in_a_family_the_reason_is_told_for_each_pair_of_its_own() -> None:
    told = Difference(0.5, 0.01, 9, 10, "rounds", "ratio", "t", error=0.01)
    hidden = Difference(0.05, 0.001, 9, 10, "rounds", "ratio", "t", error=0.10)
    judged = compare_all({"told": told, "hidden": hidden}, 0.01, lower_is_better=True)
    assert {name: (one.verdict, one.is_error_bound) for name, one in judged.items()} == {
        "told": ("worse", False),
        "hidden": ("not told apart", True),
    }
