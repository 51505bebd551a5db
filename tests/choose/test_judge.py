"""Pass, fail or cannot tell."""

from dataclasses import replace

import pytest

from choose.evidences import Made, candidate, evidence
from shortlist.choose.judge import asked_and_guard, judge, judge_all, more_to_judge, rounds_needed
from shortlist.choose.needs import GUARD, parse_need, parse_needs
from shortlist.models.licence import Action, LicenceFinding
from shortlist.records import Interval, NeedVerdict
from shortlist.stats.intervals import cluster_t, percentile

NS = 10**9


def seconds(low: float | None, high: float | None) -> Interval:
    ends = [None if end is None else end * NS for end in (low, high)]
    return Interval(1.0 * NS, ends[0], ends[1], 0.95, "t", 5, "ns")


@pytest.mark.parametrize(
    ("text", "low", "high", "verdict"),
    [
        ("latency<2s", 1.0, 1.9, "pass"),
        ("latency<2s", 1.0, 2.0, "cannot tell"),
        ("latency<=2s", 1.0, 2.0, "pass"),
        ("latency<2s", 2.0, 3.0, "fail"),
        ("latency<=2s", 2.0, 3.0, "cannot tell"),
        ("latency<2s", 1.9, 2.1, "cannot tell"),
        ("latency<2s", 2.1, None, "fail"),
        ("latency<2s", 1.0, None, "cannot tell"),
        ("latency<2s", None, None, "cannot tell"),
    ],
)
def test_the_whole_interval_must_stand_on_one_side(
    text: str, low: float | None, high: float | None, verdict: NeedVerdict
) -> None:
    assert judge(parse_need(text), seconds(low, high)) == verdict


@pytest.mark.parametrize(
    ("low", "high", "verdict"), [(0.85, 0.9, "pass"), (0.8, 0.84, "fail"), (0.8, 0.9, "cannot tell")]
)
def test_where_more_is_better_the_low_end_decides(low: float, high: float, verdict: NeedVerdict) -> None:
    interval = Interval((low + high) / 2, low, high, 0.95, "t", 9, "score")
    assert judge(parse_need("facets>=0.85"), interval) == verdict


def test_a_percentile_of_too_few_requests_never_judges() -> None:
    """20 requests far under the limit: no interval, so nothing is told."""
    found = percentile([[0.1 * NS] * 4 for _ in range(5)], 0.95, "ns")
    assert judge(parse_need("p95<2s"), found) == "cannot tell"


def test_failed_requests_are_infinite_so_a_percentile_can_fail_and_not_pass() -> None:
    rounds = [[0.1 * NS] * 18 + [float("inf")] * 2 for _ in range(5)]
    assert judge(parse_need("p95<2s"), percentile(rounds, 0.95, "ns")) != "pass"


def test_what_was_not_measured_is_not_told_and_says_so() -> None:
    (first, *_) = judge_all(evidence(Made("a", facets=None)), parse_needs(["facets>=0.5"]))
    assert (first.verdict, first.interval) == ("cannot tell", None)
    assert "not measured" in first.note


def test_without_a_need_on_errors_the_guard_stands_and_with_one_it_does_not() -> None:
    assert asked_and_guard(parse_needs(["p95<2s"]))[-1] == GUARD
    assert GUARD not in asked_and_guard(parse_needs(["error_rate<=0.05"]))


@pytest.mark.parametrize(("failed", "verdict"), [(0, "pass"), (1, "pass"), (2, "fail")])
def test_the_guard_judges_the_observed_share(failed: int, verdict: NeedVerdict) -> None:
    """100 requests: one that failed is 1 %, two are more; the interval would tell neither."""
    (found,) = judge_all(evidence(Made("a", failed=failed)), [GUARD])
    assert found.verdict == verdict
    assert f"{failed} of 100 requests failed, at most" in found.note


def test_an_error_rate_that_was_asked_for_is_judged_by_its_interval() -> None:
    (found,) = judge_all(evidence(Made("a", failed=0)), parse_needs(["error_rate<=0.01"]))
    assert found.verdict == "cannot tell"


@pytest.mark.parametrize(
    ("licence", "verdict"),
    [
        ("permissive", "pass"),
        ("attribution", "pass"),
        ("non-commercial", "fail"),
        ("use-restricted", "cannot tell"),
        ("unknown", "cannot tell"),
    ],
)
def test_a_licence_is_judged_by_its_class(licence: str, verdict: NeedVerdict) -> None:
    finding = LicenceFinding(licence, "x", "m", "card")  # type: ignore[arg-type]  # the five classes above
    (found,) = judge_all(evidence(Made("a", licence=finding)), parse_needs(["licence=commercial"]))
    assert found.verdict == verdict


@pytest.mark.parametrize(
    ("action", "verdict", "says"),
    [
        ("allow", "pass", "x (use-restricted)"),
        ("refuse", "fail", "x (use-restricted)"),
        ("review", "cannot tell", "x (use-restricted)"),
        (None, "cannot tell", "no licence policy is set"),
    ],
)
def test_a_policys_action_goes_before_the_class(action: Action | None, verdict: NeedVerdict, says: str) -> None:
    finding = LicenceFinding("use-restricted", "x", "m", "card", action=action)
    (found,) = judge_all(evidence(Made("a", licence=finding)), parse_needs(["licence=policy"]))
    assert (found.verdict, found.note) == (verdict, says)


def test_a_plan_is_made_big_enough_for_what_is_needed() -> None:
    assert rounds_needed(parse_needs(["p95<2s"]), 20) == 4
    assert rounds_needed(parse_needs(["p95<2s", "p50<1s"]), 100) == 2
    assert rounds_needed(parse_needs(["p99<2s"]), 4) == 92
    assert rounds_needed(parse_needs(["error_rate<=0.01"]), 60) == 7
    assert rounds_needed(parse_needs(["facets>=0.5"]), 4) == 1
    assert rounds_needed(parse_needs(["energy<500kJ"]), 4) == rounds_needed(parse_needs(["cost<2"]), 4) == 2
    assert rounds_needed(parse_needs(["goodput>2"]), 4) == rounds_needed(parse_needs(["goodput.share>=0.9"]), 4) == 8
    assert rounds_needed(parse_needs(["goodput>2"]), 100) == 2
    assert rounds_needed((), 4) == 1


def test_how_much_more_would_judge_a_percentile_a_mean_and_a_score() -> None:
    made = evidence(Made("a", wobble=0.1))
    few = percentile([[1e9, 2e9]] * 5, 0.95, "ns")
    assert more_to_judge(parse_need("p95<2s"), few, made) == (31, "rounds")
    mean = candidate(Made("a")).figures["latency.mean"]
    more = more_to_judge(parse_need("latency<1005ms"), mean, made)
    assert more is not None
    assert more[1] == "rounds"
    assert 0 < more[0] < 30
    score = cluster_t(made.candidates[0].scores["facets"], "score")
    assert score.point is not None
    told = more_to_judge(replace(parse_need("facets>=0.5"), limit=score.point - 0.02), score, made)
    assert told is not None
    assert told[1] == "clusters"
    assert more_to_judge(replace(parse_need("facets>=0.5"), limit=score.point), score, made) is None
