"""From a stored run to what a decision is made from."""

from dataclasses import replace

import pytest

from choose.scored_run import scored_run
from results.made_run import MS, make_run
from results.test_measuring import found, with_error
from shortlist.choose.decide import Manner, decide_run
from shortlist.choose.decision import Decision, NeedJudgement, PreferenceDifference
from shortlist.choose.evidence import evidence_from
from shortlist.choose.needs import parse_needs
from shortlist.choose.needsfile import Needs
from shortlist.choose.preferences import PREFERENCES, difference
from shortlist.records import Run, to_json
from shortlist.results.export import export_run, import_run
from shortlist.results.metrics import latency_ns
from shortlist.results.summary import summarise


def test_figures_are_those_of_the_report_with_failures_as_infinite() -> None:
    run = scored_run()
    reported = {one.label: one.figures for one in summarise(run, failures_as_infinite=True).candidates}
    for one in evidence_from(run).candidates:
        figures = {name: figure for name, figure in one.figures.items() if name != "quality"}
        assert figures == reported[one.label]


def test_pairs_are_compared_as_the_report_compares_them() -> None:
    run = make_run()
    known = {one.label: one for one in evidence_from(run).candidates}
    told = {(c.figure, run_label(run, c.candidate)): c.ratio for c in summarise(run).comparisons}
    ours = difference(known["large"], known["tiny"], PREFERENCES["latency"])
    assert ours is not None
    assert ours.interval() == told["latency.mean", "large"]


def run_label(run: Run, candidate: str) -> str:
    return next(c.label for c in run.info.plan.candidates if c.id == candidate)


def test_memory_is_paired_by_the_peak_of_each_round() -> None:
    tiny = next(one for one in evidence_from(make_run()).candidates if one.label == "tiny")
    assert sorted(tiny.rounds["memory.peak"]) == [1, 2, 3, 4, 5]
    assert all(4e7 <= places["round"] < 4.1e7 for places in tiny.rounds["memory.peak"].values())


def test_quality_is_facets_where_any_were_scored_and_nothing_where_none_were() -> None:
    assert evidence_from(scored_run()).quality_basis == "facets"
    assert evidence_from(make_run()).quality_basis is None


def test_a_skipped_alias_is_named_and_no_contender() -> None:
    made = evidence_from(make_run())
    assert [one.label for one in made.candidates] == ["tiny", "small", "large", "broken"]
    assert made.skipped == ("qwen2.5-0.5b: no source is known for this alias",)


def test_looks_widen_the_intervals_that_needs_are_judged_by() -> None:
    once, thrice = (evidence_from(scored_run(looks)).candidates[0].figures["latency.mean"] for looks in (1, 3))
    assert once.half_width is not None
    assert thrice.half_width is not None
    assert thrice.half_width > once.half_width
    assert evidence_from(scored_run(3)).level == 0.05 / 3


def test_an_imported_run_gives_the_same_decision_byte_for_byte() -> None:
    run = scored_run()
    needs = Needs(parse_needs(["latency<1s", "memory<200MB", "facets>=0.2"]))
    again = import_run(export_run(run), "run.json")
    made = decide_run(run, needs, Manner(draws=25))
    assert to_json(decide_run(again, needs, Manner(draws=25))) == to_json(made)
    assert made.labels[made.choice.pick or ""] == "small"
    assert made.choice.verdict == "ship"
    assert "slower by a factor of 2.9" in made.sentence
    assert "broken is out: 100 of 100 requests failed." in made.sentence


# --- the measuring error --------------------------------------------------------------------------------------------


def decided(error_ms: float, *needs: str) -> Decision:
    run = with_error(scored_run(), ("exec-1", found(round(error_ms * MS))))
    return decide_run(run, Needs(parse_needs(needs), ("latency",)), Manner(draws=0, has_sweeps=False))


def of(made: Decision, label: str) -> dict[str, NeedJudgement]:
    name = next(candidate for candidate, shown in made.labels.items() if shown == label)
    return {one.need.text: one for one in made.judgements if one.candidate == name}


def test_ends_of_intervals_stand_further_out_by_the_measuring_error_and_sizes_stay() -> None:
    plain = evidence_from(scored_run()).candidates[0].figures
    wide = evidence_from(with_error(scored_run(), ("exec-1", found(3 * MS)))).candidates[0].figures
    for name in ("latency.mean", "latency.p95", "ttft.mean"):
        assert wide[name].low == pytest.approx((plain[name].low or 0) - 3 * MS)
        assert wide[name].high == pytest.approx((plain[name].high or 0) + 3 * MS)
        assert wide[name].point == plain[name].point
    assert wide["memory.peak"] == plain["memory.peak"]


def test_goodput_is_off_by_the_requests_that_lie_within_the_error_of_its_limit() -> None:
    run = scored_run()
    latencies = sorted(latency for one in run.samples if (latency := latency_ns(one)) is not None)
    limit = f"latency<{latencies[len(latencies) // 2] + 1}ns"
    suite = replace(run.info.plan.suite, goodput=(limit,))
    limited = replace(run, info=replace(run.info, plan=replace(run.info.plan, suite=suite)))
    exact = evidence_from(limited).candidates
    known = evidence_from(with_error(limited, ("exec-1", found(5 * MS)))).candidates
    assert any(one.errors.get("goodput.share", 0) > 0 for one in known)
    for before, after in zip(exact, known, strict=True):
        for name in ("goodput", "goodput.share"):
            high, off = before.figures[name].high, after.errors.get(name, 0.0)
            assert after.figures[name].high == (None if high is None else pytest.approx(high + off))


def test_a_need_closer_to_the_limit_than_the_error_cannot_be_told_and_the_reason_is_named() -> None:
    need = "latency<203ms"
    assert of(decided(0.01, need), "tiny")[need].verdict == "pass"
    judged = of(decided(5, need), "tiny")[need]
    assert judged.verdict == "cannot tell"
    assert "the measuring error of ±5.00 ms" in judged.note
    made = decided(5, need)
    assert any("no reasonable number of rounds" in one.text for one in made.advice), "more rounds would not help"


def test_what_is_ahead_by_less_than_the_error_is_not_shipped_and_what_is_ahead_by_more_is() -> None:
    def latency_of(made: Decision, label: str) -> PreferenceDifference:
        return next(one for one in made.differences if made.labels[one.candidate] == label)

    sharp = decided(0.01)
    assert latency_of(sharp, "large").verdict == "worse"
    blurred = decided(450)
    assert blurred.choice.verdict == "not_enough_evidence"
    assert latency_of(blurred, "large").verdict == "not told apart"
    assert "measuring error" in latency_of(blurred, "large").note
    assert "measuring error" in blurred.sentence
    assert "measuring error" not in sharp.sentence
