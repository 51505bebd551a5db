"""Differences between candidates and between runs: the right unit, and the right error."""

import math

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from numpy.typing import NDArray
from scipy import stats as reference

from shortlist.errors import BadInput, NotEnoughSamples
from shortlist.stats.equivalence import compare
from shortlist.stats.paired import BetweenRuns, Difference, paired_cluster_difference, paired_log_ratio, welch_log

RUNS = 2000
Floats = NDArray[np.float64]


def bench(rng: np.random.Generator, rounds: int, round_effect: float, slower: float = 0.0) -> Floats:
    """Round means of latency for RUNS benches: 20 unlike prompts, request noise 3 %, one effect per fresh process."""
    base = (1 + slower) * np.exp(0.4 * np.linspace(-1, 1, 20))
    luck = round_effect * rng.standard_normal((RUNS, rounds, 1))
    return np.asarray((base * np.exp(luck + 0.03 * rng.standard_normal((RUNS, rounds, 20)))).mean(axis=2))


def clustered(rows: Floats) -> dict[str, dict[str, list[float]]]:
    return {str(c): {f"{c}-{p}": [float(x)] for p, x in enumerate(row)} for c, row in enumerate(rows)}


# --- speed within a run ---------------------------------------------------------------------------------------------


@pytest.mark.parametrize("rounds", [3, 5, 10])
def test_equal_candidates_with_a_round_effect_are_called_different_at_most_6_percent(rounds: int) -> None:
    """2000 A/A runs with a 2 % round effect: 5 % plus two standard errors."""
    rng = np.random.default_rng(rounds)
    pairs = zip(bench(rng, rounds, 0.02).tolist(), bench(rng, rounds, 0.02).tolist(), strict=True)
    differences = [paired_log_ratio(a, b) for a, b in pairs]
    said = [compare(difference, 0.05, lower_is_better=True).verdict for difference in differences]
    assert sum(difference.p_different <= 0.05 for difference in differences) / RUNS <= 0.06
    assert sum(word in ("better", "worse") for word in said) / RUNS <= 0.06


def test_ten_percent_slower_is_found_with_five_rounds() -> None:
    rng = np.random.default_rng(7)
    pairs = zip(bench(rng, 5, 0.02, slower=0.1).tolist(), bench(rng, 5, 0.02).tolist(), strict=True)
    words = [compare(paired_log_ratio(a, b), 0.05, lower_is_better=True).verdict for a, b in pairs]
    assert words.count("worse") / RUNS >= 0.95
    assert words.count("better") == 0


def test_a_log_ratio_is_a_paired_t_test_on_logs() -> None:
    a, b = [1.1, 1.2, 1.0, 1.3], [1.0, 1.0, 1.0, 1.1]
    theirs = reference.ttest_rel(np.log(a), np.log(b))
    ours = paired_log_ratio(a, b)
    assert ours.p_different == pytest.approx(theirs.pvalue)
    low, high = theirs.confidence_interval(0.95)
    shown = ours.interval()
    assert (shown.low, shown.high) == pytest.approx((math.exp(low), math.exp(high)))
    assert (shown.unit, shown.n, shown.basis) == ("ratio", 4, "rounds")


positive = st.floats(0.001, 1e4)


@given(st.lists(st.tuples(positive, positive), min_size=2, max_size=8), st.floats(0.01, 100))
def test_a_ratio_does_not_depend_on_the_unit_and_turns_round(pairs: list[tuple[float, float]], scale: float) -> None:
    a, b = [x for x, _ in pairs], [y for _, y in pairs]
    try:
        plain = paired_log_ratio(a, b)
        scaled, turned = paired_log_ratio([scale * x for x in a], [scale * y for y in b]), paired_log_ratio(b, a)
    except NotEnoughSamples:
        return
    assert scaled.estimate == pytest.approx(plain.estimate, abs=1e-9)
    assert turned.p_above(0.1) == pytest.approx(plain.flipped().p_above(0.1), abs=1e-6)
    shown = plain.interval()
    assert shown.low <= shown.point <= shown.high  # type: ignore[operator]  # a difference always has its three numbers


@pytest.mark.parametrize(
    ("a", "b"),
    [
        ([], []),
        ([1.0], [2.0]),
        ([1.0, 1.0], [1.0, 1.0]),
        ([1.0, 2.0, 3.0], [2.0, 4.0, 6.0]),
        ([0.1, 0.3], [0.3, 0.9]),
        ([1.0, 0.0], [1.0, 2.0]),
        ([1.0, -1.0], [1.0, 2.0]),
        ([1.0, math.nan], [1.0, 2.0]),
        ([1.0, math.inf], [1.0, 2.0]),
    ],
)
def test_what_shows_no_spread_or_no_ratio_is_an_error_and_no_verdict(a: list[float], b: list[float]) -> None:
    with pytest.raises(NotEnoughSamples):
        paired_log_ratio(a, b)


def test_equal_readings_in_known_steps_can_be_compared() -> None:
    memory = [1e9] * 5
    word = compare(paired_log_ratio(memory, memory, resolution=4096), 0.05, lower_is_better=True)
    assert word.verdict == "equivalent"


def test_rounds_that_do_not_match_are_refused() -> None:
    with pytest.raises(ValueError, match="are not pairs"):
        paired_log_ratio([1.0, 2.0], [1.0, 2.0, 3.0])


# --- speed between runs ---------------------------------------------------------------------------------------------


def test_without_a_spread_between_runs_it_is_welch_s_t_and_says_so() -> None:
    a, b = [1.0, 1.1, 1.3, 0.9, 1.2], [1.5, 1.4, 1.6]
    theirs = reference.ttest_ind(np.log(a), np.log(b), equal_var=False)
    ours = welch_log(a, b, None)
    assert (ours.p_different, ours.df) == pytest.approx((theirs.pvalue, theirs.df))
    assert "unknown" in ours.note
    assert ours.interval().note == ours.note


def test_a_known_spread_between_runs_widens_and_is_said() -> None:
    a, b = [1.0, 1.1, 1.3, 0.9, 1.2], [1.5, 1.4, 1.6]
    narrow, wide = welch_log(a, b, None), welch_log(a, b, BetweenRuns(0.05, 6))
    assert wide.se == pytest.approx(math.sqrt(narrow.se**2 + 2 * 0.05**2))
    assert "5.0%" in wide.note


def test_runs_that_lie_apart_are_called_different_at_most_6_percent_when_widened() -> None:
    """2000 A/A pairs of runs, 2 % round effect, 3 % between runs, that spread itself estimated from 10 A/A runs."""
    rng = np.random.default_rng(11)
    plain = widened = 0
    for a, b in zip(bench(rng, 5, 0.02), bench(rng, 5, 0.02), strict=True):
        shift = 0.03 * rng.standard_normal(2)
        first, second = ((x * math.exp(s)).tolist() for x, s in zip((a, b), shift, strict=True))
        between = BetweenRuns(float((0.03 * rng.standard_normal(10)).std(ddof=1)), 10)
        plain += welch_log(first, second, None).p_different <= 0.05
        widened += welch_log(first, second, between).p_different <= 0.05
    assert widened / RUNS <= 0.06
    assert plain / RUNS > 0.2


def test_identical_rounds_can_be_compared_when_the_spread_between_runs_is_known() -> None:
    same = [1.0, 1.0, 1.0]
    with pytest.raises(NotEnoughSamples):
        welch_log(same, same, None)
    assert welch_log(same, same, BetweenRuns(0.02, 8)).df == pytest.approx(7)


@pytest.mark.parametrize("between", [BetweenRuns(0.02, 1), BetweenRuns(math.nan, 5), BetweenRuns(-0.1, 5)])
def test_a_spread_that_nobody_measured_is_refused(between: BetweenRuns) -> None:
    with pytest.raises(NotEnoughSamples):
        welch_log([1.0, 1.1], [1.0, 1.2], between)


def test_one_round_of_either_run_is_too_few() -> None:
    with pytest.raises(NotEnoughSamples, match="1 round of B"):
        welch_log([1.0, 1.1], [1.0], None)


# --- quality --------------------------------------------------------------------------------------------------------


def test_quality_is_a_paired_t_test_over_clusters() -> None:
    rng = np.random.default_rng(1)
    a, b = rng.random((9, 3)), rng.random((9, 3))
    ours = paired_cluster_difference(clustered(a), clustered(b))
    assert ours.p_different == pytest.approx(reference.ttest_rel(a.mean(axis=1), b.mean(axis=1)).pvalue)
    assert (ours.n, ours.units, ours.interval().unit) == (9, "clusters", "difference")


def test_prompts_that_one_side_lacks_are_left_out_and_counted() -> None:
    rng = np.random.default_rng(1)
    a, b = clustered(rng.random((9, 3))), clustered(rng.random((9, 3)))
    whole = paired_cluster_difference(a, b)
    a["0"]["only-a"], b["99"] = [0.0], {"only-b": [1.0]}
    part = paired_cluster_difference(a, b)
    assert part.estimate == whole.estimate
    assert part.note == "2 prompts that one side lacks were left out"


def test_under_six_clusters_are_not_compared() -> None:
    table = clustered(np.random.default_rng(1).random((5, 3)))
    with pytest.raises(NotEnoughSamples, match="5 clusters"):
        paired_cluster_difference(table, table)
    with pytest.raises(NotEnoughSamples, match="0 clusters"):
        paired_cluster_difference(table, {})


def test_identical_answers_from_12_clusters_are_not_proof_of_equality() -> None:
    table = clustered(np.ones((12, 5)))
    said = compare(paired_cluster_difference(table, table), 0.05, lower_is_better=False)
    assert said.verdict == "not told apart"
    assert (said.interval.low, said.interval.high) == pytest.approx((-0.265, 0.265), abs=1e-3)


def test_identical_answers_from_59_clusters_are_equivalent_within_5_percent() -> None:
    """0.95 to the 59th is the first power under 5 %."""
    verdicts = {}
    for count in (58, 59):
        table = clustered(np.ones((count, 1)))
        verdicts[count] = compare(paired_cluster_difference(table, table), 0.05, lower_is_better=False).verdict
    assert verdicts == {58: "not told apart", 59: "equivalent"}


def test_a_certain_win_on_every_cluster_is_better() -> None:
    won = paired_cluster_difference(clustered(np.ones((12, 2))), clustered(np.zeros((12, 2))))
    assert compare(won, 0.05, lower_is_better=False).verdict == "better"
    assert 0 < won.lower(0.025) < 1
    assert compare(won.flipped(), 0.05, lower_is_better=False).verdict == "worse"


def test_equal_differences_on_a_scale_without_ends_are_an_error() -> None:
    a = clustered(np.linspace(2, 4, 8)[:, None])
    b = clustered(np.linspace(2, 4, 8)[:, None] + 1)
    with pytest.raises(NotEnoughSamples):
        paired_cluster_difference(a, b, scale=None)


@pytest.mark.parametrize(("mean", "clusters"), [(0.5, 12), (0.97, 12)])
def test_candidates_of_equal_quality_are_called_different_at_most_6_percent(mean: float, clusters: int) -> None:
    """Candidates share the difficulty of a cluster and differ in luck."""
    rng = np.random.default_rng([clusters, round(100 * mean)])
    share = rng.beta(4 * mean, 4 * (1 - mean), (RUNS, clusters, 1))
    a, b = ((rng.random((RUNS, clusters, 5)) < share).astype(np.float64) for _ in range(2))
    pairs = zip(a, b, strict=True)
    called = sum(paired_cluster_difference(clustered(x), clustered(y)).p_different <= 0.05 for x, y in pairs)
    assert called / RUNS <= 0.06


# --- a difference ---------------------------------------------------------------------------------------------------


@given(st.floats(-1, 1), st.floats(1e-4, 1), st.floats(1, 40), st.floats(0.001, 0.2), st.floats(-1, 1))
def test_p_values_are_the_bounds_turned_round(estimate: float, se: float, df: float, alpha: float, at: float) -> None:
    one = Difference(estimate, se, df, 5, "rounds", "difference", "t")
    if abs(one.lower(alpha) - at) > 1e-9:
        assert (one.p_above(at) < alpha) == (one.lower(alpha) > at)
    if abs(one.upper(alpha) - at) > 1e-9:
        assert (one.p_below(at) < alpha) == (one.upper(alpha) < at)


@pytest.mark.parametrize(
    ("estimate", "se"), [(0.1, 0.0), (0.1, math.nan), (0.1, math.inf), (math.nan, 0.1), (math.inf, 1)]
)
def test_no_difference_without_a_spread_or_an_estimate(estimate: float, se: float) -> None:
    with pytest.raises(NotEnoughSamples):
        Difference(estimate, se, 4, 5, "rounds", "ratio", "t")


@pytest.mark.parametrize("margin", [-0.1, math.nan, math.inf])
def test_a_margin_that_is_none_is_refused(margin: float) -> None:
    with pytest.raises(BadInput):
        Difference(0.0, 0.1, 4, 5, "rounds", "ratio", "t").tested_margin(margin)


def test_memory_that_is_the_same_to_a_page_in_two_runs_can_be_compared_by_what_a_page_leaves_open() -> None:
    same = [40_960_000.0] * 3
    told = welch_log(same, same, None, resolution=4096)
    assert told.estimate == 0
    assert 0 < told.se < 4096 / 40_960_000
