"""The stop rule: whose further rounds can still change the decision."""

from dataclasses import replace

import pytest

from choose.evidences import Made, evidence
from shortlist.choose.decide import pick_of
from shortlist.choose.evidence import ERROR, CandidateEvidence, Evidence
from shortlist.choose.needs import parse_needs
from shortlist.choose.needsfile import Needs
from shortlist.choose.stopping import Standing, stand
from shortlist.records import Interval
from shortlist.stats.intervals import mean_t

GOOD, POOR, MIDDLE = Made("good", 0.9), Made("poor", 0.5), Made("middle", 0.7)


def seen(*made: Made, rounds: int = 1, share: float = 0.1, is_final: bool = True) -> Evidence:
    """The first rounds of five, at a look with this share of the error."""
    found = evidence(*made)
    level = 1 - ERROR * share
    return replace(
        found,
        candidates=tuple(_first(one, rounds, level) for one in found.candidates),
        share=share,
        are_answers_final=is_final,
    )


def _first(one: CandidateEvidence, rounds: int, level: float) -> CandidateEvidence:
    values = {name: {n: v for n, v in by.items() if n < rounds} for name, by in one.rounds.items()}
    means = [by["round"] for by in values["latency.mean"].values()]
    error_rate = replace(one.figures["error_rate"], n=20 * rounds)
    figures = {**one.figures, "latency.mean": mean_t(means, "ns", level=level), "error_rate": error_rate}
    return replace(one, rounds=values, figures=figures, planned=100)


def asked(*needs: str, prefer: tuple[str, ...] = ("quality", "latency")) -> Needs:
    return Needs(parse_needs(needs), prefer)


def test_a_leader_that_passes_ends_the_race() -> None:
    found = stand(seen(GOOD, POOR, MIDDLE), asked())
    assert found.is_over
    assert (found.outcome.verdict, found.outcome.pick) == ("ship", "good")
    assert set(found.out) == {"poor", "middle"}
    assert found.out["poor"].startswith("worse than good in quality by 0.3")


def test_a_leader_whose_need_is_open_goes_on_alone() -> None:
    found = stand(seen(GOOD, POOR, MIDDLE), asked("latency<2s"))
    assert found.open_ == ("good",)
    assert set(found.waiting) == {"poor", "middle"}
    assert found.waiting["poor"].endswith("which may still fail latency<2s")
    assert not found.out


def test_the_next_in_line_goes_on_when_the_leader_has_failed() -> None:
    slow = replace(GOOD, latency=3000)
    found = stand(seen(slow, POOR, MIDDLE, rounds=4), asked("latency<2s"))
    assert found.out["good"] == "3 s mean latency, 2 s allowed"
    assert (found.outcome.verdict, found.outcome.pick, found.is_over) == ("ship", "middle", True)


def test_one_behind_a_leader_that_passes_is_out_though_its_own_need_is_open() -> None:
    found = seen(GOOD, POOR, rounds=3)
    good, poor = found.candidates
    untold = Interval(1e9, None, None, 0.95, "t", 1, "ns")
    found = replace(found, candidates=(good, replace(poor, figures={**poor.figures, "latency.mean": untold})))
    assert set(stand(found, asked("latency<2s")).out) == {"poor"}


def test_equal_answers_that_cannot_change_end_the_race_without_a_pick() -> None:
    close = (Made("one", 0.5, wobble=0.15), Made("twin", 0.5, wobble=0.15))
    found = stand(seen(*close), asked())
    assert found.is_over
    assert found.outcome.verdict == "not_enough_evidence"


def test_answers_that_may_change_keep_both_in_the_race() -> None:
    close = (Made("one", 0.5, wobble=0.15), Made("twin", 0.5, wobble=0.15))
    assert set(stand(seen(*close, is_final=False), asked()).open_) == {"one", "twin"}


def test_speed_is_not_told_after_one_round_and_told_after_more() -> None:
    by_speed = asked(prefer=("latency",))
    quick = (Made("quick", latency=500), Made("slow", latency=1000))
    assert set(stand(seen(*quick), by_speed).open_) == {"quick", "slow"}
    later = stand(seen(*quick, rounds=4), by_speed)
    assert later.outcome.pick == "quick"
    assert "slower than quick in latency by 9" in later.out["slow"]


def test_two_who_lead_a_third_go_on_without_it() -> None:
    two = (Made("one", 0.9, latency=1000), Made("two", 0.9, latency=1020), POOR)
    found = stand(seen(*two), asked())
    assert set(found.open_) == {"one", "two"}
    assert set(found.out) == {"poor"}


def test_some_failures_fail_nobody_yet_whom_a_perfect_rest_would_save() -> None:
    """One of 20 is over 1 %, and one of 100 is not."""
    found = seen(replace(GOOD, failed=0), MIDDLE)
    good, middle = found.candidates
    one_failed = replace(good.figures["error_rate"], point=1 / 20)
    two_failed = replace(good.figures["error_rate"], point=2 / 20)

    def standing(rate: Interval) -> Standing:
        changed = replace(good, figures={**good.figures, "error_rate": rate})
        return stand(replace(found, candidates=(changed, middle)), asked())

    assert standing(one_failed).open_ == ("good",)
    assert standing(two_failed).out["good"] == "2 of 20 requests failed"
    assert standing(two_failed).outcome.pick == "middle"


def test_all_that_fail_end_it_with_nobody() -> None:
    found = stand(seen(GOOD, POOR, rounds=4), asked("latency<2ms"))
    assert (found.is_over, found.outcome.verdict) == (True, "none_qualifies")


def test_levels_are_shared_for_what_rounds_change_and_whole_for_the_rest() -> None:
    found = seen(GOOD, POOR, share=0.1)
    assert found.level_of("scores") == found.level_of("exact") == ERROR
    assert found.level_of("rounds") == pytest.approx(ERROR / 10)
    assert replace(found, are_answers_final=False).level_of("scores") == pytest.approx(ERROR / 10)


def test_a_race_to_the_last_look_comes_to_what_the_full_plan_does() -> None:
    """All rounds measured and nobody stopped: the rule is the one that `choose` has."""
    whole = evidence(GOOD, POOR, MIDDLE)
    assert stand(whole, asked("latency<2s")).outcome == pick_of(whole, asked("latency<2s"))


def test_a_stopped_one_is_not_passed_over_by_a_choice_that_finds_nobody_ahead_of_it() -> None:
    """Other preferences than the race's: the stopped one is quicker, and has one round to show it."""
    found = seen(GOOD, replace(POOR, latency=500), rounds=1)
    good, poor = found.candidates
    found = replace(found, candidates=(good, replace(poor, is_stopped=True)))
    assert pick_of(found, asked()).pick == "good"
    by_speed = pick_of(found, asked(prefer=("latency",)))
    assert (by_speed.verdict, by_speed.behind) == ("not_enough_evidence", frozenset())
