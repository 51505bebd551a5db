"""Intervals of one candidate's numbers: points, conventions for what is missing, and simulated coverage."""

import math
from collections.abc import Sequence

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy import stats as reference

from shortlist.errors import NotEnoughSamples
from shortlist.records import Interval
from shortlist.stats.exact import share_lower, share_upper
from shortlist.stats.intervals import cluster_t, exact, mean_t, percentile, proportion, ratio_of_sums
from shortlist.stats.samples import each_its_own

positive = st.floats(0.01, 1e6)


def covers(interval: Interval, true: float) -> bool:
    assert interval.low is not None, interval.note
    assert interval.high is not None, interval.note
    return interval.low <= true <= interval.high


def clustered(means: Sequence[float]) -> dict[str, dict[str, list[float]]]:
    return {str(c): {f"{c}-1": [mean]} for c, mean in enumerate(means)}


# --- means ----------------------------------------------------------------------------------------------------------


def test_a_mean_agrees_with_scipy_s_t_interval() -> None:
    rounds = [1.02, 0.98, 1.10, 1.05, 0.97]
    low, high = reference.t.interval(0.95, 4, np.mean(rounds), reference.sem(rounds))
    seen = mean_t(rounds, "s", basis="stamps")
    assert (seen.low, seen.high) == pytest.approx((low, high))
    assert (seen.n, seen.unit, seen.basis, seen.level, seen.note) == (5, "s", "stamps", 0.95, "")


def test_one_round_gives_a_point_and_says_how_many_more() -> None:
    seen = mean_t([1.5], "s")
    assert (seen.point, seen.low, seen.high, seen.n) == (1.5, None, None, 1)
    assert seen.note == "no interval: 1 round, needs 2 (1 more)"


def test_no_rounds_give_nothing() -> None:
    seen = mean_t([], "s")
    assert (seen.point, seen.low, seen.high, seen.n, seen.note) == (None, None, None, 0, "no rounds")


@pytest.mark.parametrize("rounds", [[2.0, 2.0, 2.0], [0.3, 0.1 + 0.2]])
def test_identical_rounds_have_no_interval(rounds: list[float]) -> None:
    seen = mean_t(rounds, "s")
    assert seen.point == pytest.approx(rounds[0])
    assert seen.low is seen.high is None
    assert "identical rounds" in seen.note


def test_identical_rounds_read_in_steps_have_the_interval_that_a_step_leaves_open() -> None:
    seen = mean_t([4096.0] * 5, "B", resolution=4096)
    assert seen.half_width == pytest.approx(2.776 * 4096 / math.sqrt(12) / math.sqrt(5), rel=1e-3)


@pytest.mark.parametrize("bad", [math.nan, math.inf, -math.inf])
def test_a_mean_of_what_is_no_number_is_an_error(bad: float) -> None:
    with pytest.raises(NotEnoughSamples):
        mean_t([1.0, bad, 2.0], "s")


@given(st.lists(positive, min_size=2, max_size=12), positive)
def test_a_mean_scales_with_its_unit_and_lies_inside(rounds: list[float], scale: float) -> None:
    seen, scaled = mean_t(rounds, "s"), mean_t([scale * r for r in rounds], "s")
    if seen.low is not None and seen.high is not None and scaled.low is not None:
        assert seen.low <= seen.point <= seen.high  # type: ignore[operator]  # a mean with ends has a point
        assert scaled.low == pytest.approx(scale * seen.low, rel=1e-6, abs=1e-6 * scale * max(rounds))


@pytest.mark.parametrize("rounds", [2, 3, 5, 10])
def test_means_cover_95_percent(rounds: int) -> None:
    rng = np.random.default_rng(rounds)
    table = 1 + 0.02 * rng.standard_normal((2000, rounds))
    assert sum(covers(mean_t(row.tolist(), "s"), 1) for row in table) / 2000 >= 0.95 - 2 * 0.0049


def test_a_number_without_sampling_error_is_its_own_interval() -> None:
    assert (exact(5.0, "B").low, exact(5.0, "B").high, exact(5.0, "B").method) == (5, 5, "exact")


def test_a_rate_is_the_ratio_of_the_sums() -> None:
    seen = ratio_of_sums([100, 300], [2, 4], "tokens/s")
    assert seen.point == pytest.approx(400 / 6)
    residuals = (np.array([100, 300]) - 400 / 6 * np.array([2, 4])) / 3
    assert seen.half_width == pytest.approx(12.706 * residuals.std(ddof=1) / math.sqrt(2), rel=1e-4)


def test_a_rate_over_equal_times_is_the_mean_of_the_rates() -> None:
    seen, mean = ratio_of_sums([40, 44, 42], [2, 2, 2], "tokens/s"), mean_t([20, 22, 21], "tokens/s")
    assert (seen.point, seen.low, seen.high) == pytest.approx((mean.point, mean.low, mean.high))


def test_rates_cover_95_percent() -> None:
    rng = np.random.default_rng(8)
    hits = 0
    for _ in range(2000):
        seconds = 10 * np.exp(0.1 * rng.standard_normal(5))
        tokens = 30 * seconds * np.exp(0.02 * rng.standard_normal(5) - 0.0002)
        hits += covers(ratio_of_sums(tokens.tolist(), seconds.tolist(), "tokens/s"), 30)
    assert hits / 2000 >= 0.94


def test_a_round_without_busy_time_has_no_rate() -> None:
    with pytest.raises(NotEnoughSamples):
        ratio_of_sums([10, 0], [1, 0], "tokens/s")
    assert ratio_of_sums([], [], "tokens/s").point is None
    with pytest.raises(ValueError, match="2 numerators and 1 denominators"):
        ratio_of_sums([1, 2], [1], "tokens/s")


# --- percentiles ----------------------------------------------------------------------------------------------------


@given(st.lists(st.lists(positive, max_size=9), min_size=1, max_size=4), st.sampled_from([0.25, 0.5, 0.9, 0.95]))
def test_the_point_is_numpy_s_linear_percentile_of_all_requests(rounds: list[list[float]], q: float) -> None:
    pooled = [value for one in rounds for value in one]
    seen = percentile(rounds, q, "s", draws=20)
    assert seen.n == len(pooled)
    assert seen.point == (pytest.approx(np.percentile(pooled, 100 * q), rel=1e-12) if pooled else None)


def test_p95_of_twenty_has_a_point_and_no_interval() -> None:
    seen = percentile([[float(i) for i in range(10)]] * 2, 0.95, "s")
    assert seen.point is not None
    assert (seen.low, seen.high, seen.note) == (None, None, "no interval: n = 20, needs 72")


def test_p95_has_an_interval_from_72_requests_on() -> None:
    rng = np.random.default_rng(1)
    assert percentile(rng.random((3, 24)).tolist(), 0.95, "s").low is not None
    assert percentile([*rng.random((2, 24)).tolist(), rng.random(23).tolist()], 0.95, "s").low is None


def test_p99_is_withheld_below_368() -> None:
    rng = np.random.default_rng(1)
    seen = percentile(rng.random((5, 73)).tolist(), 0.99, "s")
    assert (seen.point, seen.low, seen.high, seen.note) == (None, None, None, "no interval: n = 365, needs 368")
    whole = percentile(rng.random((4, 92)).tolist(), 0.99, "s")
    assert None not in (whole.point, whole.low, whole.high)


def test_one_round_has_no_interval_however_long_it_is() -> None:
    seen = percentile([np.random.default_rng(1).random(500).tolist()], 0.95, "s")
    assert seen.point is not None
    assert (seen.low, seen.high, seen.note) == (None, None, "no interval: 1 round, needs 2 (1 more)")


def test_no_requests_give_nothing() -> None:
    assert percentile([[], []], 0.5, "s") == percentile([], 0.5, "s")
    assert (percentile([], 0.5, "s").point, percentile([], 0.5, "s").note) == (None, "no requests")


def test_failures_below_the_percentile_leave_it_finite_and_open_its_upper_end() -> None:
    rng = np.random.default_rng(2)
    rounds = [[*rng.random(38).tolist(), math.inf, 0.5], rng.random(40).tolist(), [*rng.random(39).tolist(), math.inf]]
    seen = percentile(rounds, 0.95, "s")
    assert seen.point is not None
    assert seen.low is not None
    assert seen.low <= seen.point <= 1
    assert (seen.high, seen.note) == (None, "no upper end; infinite: 2 of 120 requests failed")


def test_a_percentile_among_the_failures_has_no_point_and_a_lower_end() -> None:
    rounds = [[1.0] * 30 + [2.0] * 5 + [math.inf] * 5] * 3
    seen = percentile(rounds, 0.95, "s")
    assert seen.point is seen.high is None
    assert seen.low is not None
    assert 1 <= seen.low <= 2
    assert seen.note == "no upper end; infinite: 15 of 120 requests failed"


def test_where_every_request_failed_there_is_no_number() -> None:
    seen = percentile([[math.inf] * 40] * 3, 0.95, "s")
    assert (seen.point, seen.low, seen.high) == (None, None, None)
    assert seen.note == "no interval; infinite: 120 of 120 requests failed"


def test_a_failure_shows_in_a_percentile_that_is_too_small_for_an_interval() -> None:
    seen = percentile([[1.0] * 9 + [math.inf]] * 2, 0.95, "s")
    assert seen.point is None
    assert seen.note == "no interval: n = 20, needs 72; infinite: 2 of 20 requests failed"


@pytest.mark.parametrize("bad", [math.nan, -math.inf])
def test_a_percentile_of_what_is_no_duration_is_an_error(bad: float) -> None:
    with pytest.raises(NotEnoughSamples):
        percentile([[1.0, bad], [2.0]], 0.5, "s")


def test_the_same_seed_gives_the_same_interval_and_another_seed_nearly_the_same() -> None:
    rounds = np.random.default_rng(3).lognormal(size=(5, 40)).tolist()
    first, again, other = (percentile(rounds, 0.95, "s", seed=seed) for seed in (1, 1, 2))
    assert first == again
    assert other != first
    assert other.low == pytest.approx(first.low, rel=0.1)


@settings(max_examples=40)
@given(st.lists(st.lists(st.one_of(positive, st.just(math.inf)), min_size=1, max_size=12), min_size=2, max_size=5))
def test_whatever_fails_low_is_at_most_the_point_and_the_point_at_most_high(rounds: list[list[float]]) -> None:
    seen = percentile(rounds, 0.5, "s", draws=50)
    ends = [value for value in (seen.low, seen.point, seen.high) if value is not None]
    assert ends == sorted(ends)
    assert all(map(math.isfinite, ends))
    assert seen.point is not None or seen.note
    assert seen.high is not None or seen.note


@settings(max_examples=20)
@given(st.sampled_from([0.001, 4.0, 1e9]))
def test_a_percentile_scales_with_its_unit(scale: float) -> None:
    rounds = np.random.default_rng(3).lognormal(size=(4, 20))
    plain, scaled = percentile(rounds.tolist(), 0.95, "s"), percentile((scale * rounds).tolist(), 0.95, "s")
    assert None not in (plain.low, plain.high)
    assert (scaled.low, scaled.high) == pytest.approx((scale * plain.low, scale * plain.high))  # type: ignore[operator]  # asserted above


@pytest.mark.parametrize("q", [0.5, 0.95])
def test_percentiles_cover_95_percent_with_unlike_prompts_and_a_round_effect(q: float) -> None:
    """20 prompts of unlike length, 5 rounds, request noise 3 %, round effect 2 %."""
    rng = np.random.default_rng(4)
    base = np.exp(0.4 * np.linspace(-1, 1, 20))
    many = base * np.exp(0.02 * rng.standard_normal((20_000, 1)) + 0.03 * rng.standard_normal((20_000, 20)))
    true, hits = float(np.quantile(many, q)), 0
    for run in range(200):
        luck = 0.02 * rng.standard_normal((5, 1))
        rounds = base * np.exp(luck + 0.03 * rng.standard_normal((5, 20)))
        hits += covers(percentile(rounds.tolist(), q, "s", seed=run, draws=500), true)
    assert hits / 200 >= 0.95


@pytest.mark.parametrize("q", [0.5, 0.95])
def test_percentiles_cover_where_prompts_are_alike_and_rounds_as_unlike_as_requests(q: float) -> None:
    """The hard case: nothing but a round effect of 2 % beside request noise of 3 %. Nominal 95 %, at least 90 %."""
    rng = np.random.default_rng(5)
    true = math.exp(math.hypot(0.02, 0.03) * reference.norm.ppf(q))
    hits = 0
    for run in range(300):
        rounds = np.exp(0.02 * rng.standard_normal((5, 1)) + 0.03 * rng.standard_normal((5, 20)))
        hits += covers(percentile(rounds.tolist(), q, "s", seed=run, draws=500), true)
    assert hits / 300 >= 0.90


# --- shares ---------------------------------------------------------------------------------------------------------


def test_a_share_is_clopper_and_pearson_s() -> None:
    seen = proportion(15, 148)
    assert (seen.point, seen.low, seen.high) == pytest.approx((15 / 148, 0.0578, 0.1617), abs=5.1e-5)


def test_a_share_of_nothing_is_not_measured() -> None:
    seen = proportion(0, 0)
    assert (seen.point, seen.low, seen.high, seen.n) == (None, None, None, 0)
    with pytest.raises(ValueError, match="is not a share"):
        proportion(3, 2)


# --- quality --------------------------------------------------------------------------------------------------------


def test_clusters_in_mid_scale_get_student_s_t() -> None:
    means = [0.31, 0.52, 0.63, 0.44, 0.75, 0.56, 0.67]
    low, high = reference.t.interval(0.95, 6, np.mean(means), reference.sem(means))
    seen = cluster_t(clustered(means), "facets")
    assert (seen.low, seen.high, seen.n) == pytest.approx((low, high, 7))


def test_repeats_are_averaged_inside_the_prompt_and_prompts_inside_the_cluster() -> None:
    """A prompt asked a hundred times, or a cluster of many prompts, weighs no more than another."""
    scores = {"a": {"1": [1.0] * 99 + [0.0], "2": [0.5]}, "b": {"3": [0.25]}}
    assert cluster_t(scores, "facets").point == pytest.approx(((0.99 + 0.5) / 2 + 0.25) / 2)


def test_without_clusters_each_prompt_is_its_own() -> None:
    assert cluster_t(each_its_own({"a": [0.2], "b": [0.4, 0.6]}), "facets").n == 2


@pytest.mark.parametrize("count", [0, 1, 5])
def test_under_six_clusters_there_is_no_interval(count: int) -> None:
    seen = cluster_t(clustered([0.5] * count), "facets")
    assert (seen.low, seen.high) == (None, None)
    assert seen.point == (0.5 if count else None)
    assert f"needs 6 ({6 - count} more)" in seen.note


def test_clusters_without_scores_do_not_count() -> None:
    assert cluster_t({"a": {"1": []}, "b": {}, "c": {"2": [0.5]}}, "facets").n == 1


def test_twelve_perfect_clusters_are_not_certain() -> None:
    seen = cluster_t(clustered([1.0] * 12), "facets")
    assert (seen.point, seen.low, seen.high) == pytest.approx((1.0, 0.735, 1.0), abs=5e-4)
    assert "Clopper-Pearson" in seen.method


def test_near_the_top_the_bounds_are_clopper_and_pearson_s_on_clusters() -> None:
    seen = cluster_t(clustered([1.0] * 9 + [0.8, 0.6, 0.0]), "facets")
    assert (seen.low, seen.high) == pytest.approx((share_lower(9, 12, 0.025), share_upper(11, 12, 0.025)))


def test_ends_of_t_stay_on_the_scale() -> None:
    seen = cluster_t(clustered([0.9, 0.95, 0.99, 0.2, 0.97, 0.98, 0.96]), "facets")
    assert seen.high == 1.0


def test_identical_scores_without_a_scale_have_no_interval() -> None:
    seen = cluster_t(clustered([3.5] * 8), "rating", scale=None)
    assert (seen.point, seen.low, seen.high) == (3.5, None, None)
    assert "identical clusters" in seen.note


def test_a_score_that_is_no_number_is_an_error() -> None:
    with pytest.raises(NotEnoughSamples):
        cluster_t(clustered([0.5] * 7 + [math.nan]), "facets")


@given(st.lists(st.sampled_from([0.0, 0.2, 0.5, 0.8, 1.0]), min_size=6, max_size=20))
def test_quality_lies_inside_its_interval_and_the_interval_on_the_scale(means: list[float]) -> None:
    seen = cluster_t(clustered(means), "facets")
    assert seen.low is not None
    assert seen.high is not None
    assert seen.point is not None
    assert 0 <= seen.low <= seen.point + 1e-12
    assert seen.point <= seen.high + 1e-12 <= 1 + 2e-12
    assert seen.low < seen.high


def simulated_coverage(mean: float, clusters: int, runs: int = 1500) -> float:
    """Five prompts per cluster, pass or fail, correlated 0.2 inside a cluster."""
    rng = np.random.default_rng(clusters)
    share = rng.beta(4 * mean, 4 * (1 - mean), (runs, clusters, 1))
    means = (rng.random((runs, clusters, 5)) < share).mean(axis=2)
    return sum(covers(cluster_t(clustered(row), "facets"), mean) for row in means.tolist()) / runs


@pytest.mark.parametrize("clusters", [8, 12, 30])
def test_quality_in_mid_scale_covers_95_percent(clusters: int) -> None:
    assert simulated_coverage(0.5, clusters) >= 0.95 - 2 * 0.0056


@pytest.mark.parametrize("clusters", [8, 12, 30])
def test_quality_at_the_ceiling_still_covers(clusters: int) -> None:
    """A true score of 0.97, where t alone covers 71 % with 12 clusters."""
    assert simulated_coverage(0.97, clusters) >= 0.93
