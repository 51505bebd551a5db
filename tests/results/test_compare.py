"""From stored records to words: what was planted is found, and nothing else."""

from collections.abc import Mapping
from dataclasses import replace
from functools import cache

import pytest

from results.test_measuring import found, with_error
from results.two_runs import Change, base_run, head_run
from shortlist.errors import BadInput, UnknownName
from shortlist.records import Event, LoadShape, Race, Run, Sample, TakenLook
from shortlist.results.between_runs import HostSpread
from shortlist.results.changes import MetricChange, RunComparison
from shortlist.results.compare import Asked, compare_runs
from shortlist.results.gate import judge_gate
from shortlist.results.racing import LOOK, look_data
from shortlist.results.worse_answers import worse_answers

BASE = base_run()


@cache
def plain() -> RunComparison:
    return compare_runs(BASE, head_run())


def metric(comparison: RunComparison, label: str, name: str) -> MetricChange:
    (candidate,) = (one for one in comparison.candidates if one.head_label == label)
    return next(one for one in candidate.metrics if one.metric == name)


def verdicts(comparison: RunComparison, label: str) -> dict[str, str | None]:
    (candidate,) = (one for one in comparison.candidates if one.head_label == label)
    return {one.metric: one.verdict for one in candidate.metrics}


def test_two_runs_of_one_thing_are_equivalent() -> None:
    assert verdicts(plain(), "small") == {
        **dict.fromkeys(("latency", "p95", "ttft", "tokens_per_s", "memory", "load"), "equivalent"),
        "facets": "equivalent",
        "errors": None,
        "footprint": "equivalent",
        "answer_tokens": None,
    }
    assert {one.verdict for _, one in plain().changes} == {"equivalent", None}
    assert judge_gate(plain(), is_strict=True).verdict == "pass"


def test_a_slowdown_no_larger_than_the_measuring_error_is_not_told_and_the_reason_is() -> None:
    slower = head_run(Change(slower={"small": 1.08}))
    assert metric(compare_runs(BASE, slower), "small", "latency").verdict == "worse"
    mean = metric(compare_runs(BASE, slower), "small", "latency").base
    assert mean is not None
    off = found(round((mean.point or 0.0) * 0.06))
    base, head = (with_error(run, *((one.id, off) for one in run.executors)) for run in (BASE, slower))
    blurred = compare_runs(base, head)
    change = metric(blurred, "small", "latency")
    assert change.verdict == "not told apart", "the errors of two runs add"
    assert "measuring error" in change.note
    assert metric(blurred, "small", "memory").verdict == "equivalent"


def test_a_planted_slowdown_is_found_where_it_is_and_nowhere_else() -> None:
    found = compare_runs(BASE, head_run(Change(slower={"small": 1.08})))
    assert verdicts(found, "small") | {"latency": "worse", "tokens_per_s": "worse"} == verdicts(found, "small")
    assert {one.verdict for candidate, one in found.changes if candidate.label != "small"} == {"equivalent", None}
    change = metric(found, "small", "latency").change
    assert change is not None
    assert change.low is not None
    assert change.high is not None
    assert change.low < 1.08 < change.high
    gate = judge_gate(found)
    assert (gate.verdict, {one.metric for one in gate.reasons}) == ("fail", {"latency", "p95", "ttft", "tokens_per_s"})


def test_facets_that_got_lost_are_told_and_the_answers_named() -> None:
    head = head_run(Change(forgotten={"small": 0.6}))
    found = compare_runs(BASE, head, Asked(candidates=("small",)))
    assert metric(found, "small", "facets").verdict == "worse"
    worse = worse_answers(BASE, head)
    assert {one.candidate for one in worse} == {"small"}
    assert tuple(sorted(one.prompt for one in worse)) == found.candidates[0].worse_prompts
    assert [one.after - one.before for one in worse] == sorted(one.after - one.before for one in worse)
    assert all(one.lost and one.base and one.head and one.asked for one in worse)


def test_answers_in_other_words_are_judged_by_their_clusters_and_not_taken_for_the_same() -> None:
    head = head_run()
    other = tuple(replace(one, text=f"{one.text} Bye.") if one.prompt == "n-001" else one for one in head.samples)
    found = compare_runs(BASE, replace(head, samples=other))
    facets = metric(found, "small", "facets")
    assert (facets.is_exact, facets.verdict, facets.units) == (False, "not told apart", "clusters")
    assert facets.more is not None
    assert found.candidates[1].same_answers == 19


def test_the_error_level_is_shared_by_all_that_is_judged() -> None:
    """A lone 3 % may be told apart where it is asked for alone, and not among nineteen."""
    head = head_run(Change(forgotten={"large": 0.3}))
    alone = compare_runs(BASE, head, Asked(candidates=("large",), metrics=("facets",)))
    together = compare_runs(BASE, head)
    assert (alone.judged, together.judged) == (1, 19)
    assert metric(alone, "large", "facets").verdict == "worse"
    assert metric(together, "large", "facets").verdict == "not told apart"
    assert "alone it would be told apart" in metric(together, "large", "facets").note


def test_a_margin_that_is_typed_replaces_the_default() -> None:
    head = head_run(Change(slower={"small": 1.08}))
    found = compare_runs(BASE, head, Asked(margins={"latency": 0.1}))
    assert metric(found, "small", "latency").verdict == "equivalent"
    assert metric(found, "small", "tokens_per_s").verdict == "worse"


def test_one_round_each_tells_nothing_of_speed() -> None:
    found = compare_runs(first_round(BASE), first_round(head_run(Change(slower={"small": 3}))))
    latency = metric(found, "small", "latency")
    assert (latency.verdict, latency.change, latency.more) == ("not told apart", None, None)
    assert "1 round: how far rounds lie apart is not known" in latency.note
    assert judge_gate(found, is_strict=True).verdict == "cannot tell"


def first_round(run: Run) -> Run:
    """What a run of one round holds."""
    plan = run.info.plan
    blocks = tuple(block for block in plan.blocks if block.round == 1)
    kept = {block.id for block in run.blocks if block.round == 1}
    return replace(
        run,
        info=replace(run.info, plan=replace(plan, blocks=blocks)),
        blocks=tuple(one for one in run.blocks if one.id in kept),
        samples=tuple(one for one in run.samples if one.block in kept),
        memory_points=tuple(one for one in run.memory_points if one.block in kept),
    )


def spread_of(runs: Mapping[str, tuple[tuple[float, ...], ...]]) -> HostSpread:
    return HostSpread("f00d", "llamacpp", "demo/small", 1, "2026-11-02", runs, {})


FAR_APART = tuple((level, level * 1.001, level * 0.999) for level in (0.8, 1.0, 1.2, 0.9, 1.1, 1.0))


def test_the_hosts_spread_between_runs_widens_speed_and_no_number_of_rounds_mends_it() -> None:
    head = head_run(Change(slower={"small": 1.08}))
    known = compare_runs(BASE, head, Asked(spreads=lambda *_: spread_of({"latency.mean": FAR_APART})))
    latency = metric(known, "small", "latency")
    assert (latency.verdict, latency.more) == ("not told apart", None)
    assert "no number of rounds would do" in latency.note
    assert metric(known, "small", "memory").verdict == "equivalent"
    assert known.spreads[1] is not None
    asked: list[tuple[str, str, str, int]] = []

    def unknown(host: str, engine: str, model: str, streams: int) -> None:
        asked.append((host, engine, model, streams))

    assert compare_runs(BASE, head, Asked(spreads=unknown)).spreads == (None,) * 4
    assert ("f00d", "llamacpp", "demo/small", 1) in asked


def test_a_spread_that_stands_in_for_another_model_or_load_is_named() -> None:
    own = spread_of({"latency.mean": FAR_APART})
    for known, said in (
        (replace(own, model="demo/small", streams=4), ["small: the spread between runs of demo/small at 4 streams"]),
        (replace(own, model="other", streams=1), ["small: the spread between runs of other at 1 stream"]),
        (replace(own, model="demo/small", streams=1), []),
    ):
        found = compare_runs(BASE, head_run(), Asked(("small",), spreads=lambda *_, known=known: known))
        assert [one.partition(" stands in")[0] for one in found.warnings] == said


def test_looks_share_the_error_level() -> None:
    looked = replace(BASE, info=replace(BASE.info, plan=replace(BASE.info.plan, looks=BASE.info.plan.looks * 2)))
    found = compare_runs(looked, head_run())
    assert (found.looks, found.alpha) == (2, 0.025)


def test_a_race_that_was_looked_at_shares_the_error_level_among_its_looks() -> None:
    looks = [TakenLook(number, number, "not_enough_evidence", None, ("x",)) for number in (1, 2, 3)]
    events = tuple(Event("exec-1", 50 + one.number, one.number, LOOK, data=look_data(one)) for one in looks)
    plan = replace(BASE.info.plan, race=Race((1, 2, 3), (0.1, 0.3, 0.6)))
    raced = replace(BASE, info=replace(BASE.info, plan=plan), events=(*BASE.events, *events))
    found = compare_runs(raced, head_run())
    assert found.looks == 3
    assert found.alpha == pytest.approx(0.05 / 3)
    assert [one for one in found.warnings if one.startswith("BASE was a race")]
    assert not [one for one in plain().warnings if "race" in one]


def resident(run: Run) -> Run:
    """Every candidate stays loaded, so only its first block says how long that took."""
    suite = replace(run.info.plan.suite, is_resident=True)
    info = replace(run.info, plan=replace(run.info.plan, suite=suite), flags=("resident",))
    blocks = tuple(one if one.round == 1 else replace(one, load_ns=None, load=None) for one in run.blocks)
    return replace(run, info=info, blocks=blocks)


def test_runs_whose_candidates_stayed_loaded_can_pass_a_gate_and_say_what_their_rounds_share() -> None:
    found = compare_runs(resident(BASE), resident(head_run()), Asked(candidates=("small",)))
    load = metric(found, "small", "load")
    assert (load.verdict, load.note) == (None, "no verdict: all candidates stayed loaded, so each was loaded once")
    assert judge_gate(found).verdict == "pass"
    assert sum("share one process" in one for one in found.warnings) == 2


def failing(run: Run, label: str, prompts: tuple[str, ...]) -> Run:
    """These prompts fail in every round."""
    (candidate,) = (one.id for one in run.info.plan.candidates if one.label == label)
    mine = {block.id for block in run.blocks if block.candidate == candidate}

    def failed(one: Sample) -> Sample:
        if one.block not in mine or one.prompt not in prompts:
            return one
        return replace(one, status="failed", chunks=(), usage=None, text="")

    return replace(run, samples=tuple(failed(one) for one in run.samples))


def test_failures_are_judged_by_rounds_and_do_not_stretch_or_flatter_latency() -> None:
    head = failing(head_run(), "small", ("n-001", "n-002"))
    found = compare_runs(BASE, head, Asked(candidates=("small",), metrics=("latency", "p95", "errors")))
    assert metric(found, "small", "errors").verdict == "worse"
    assert metric(found, "small", "errors").p_different == pytest.approx(2 * 2 / 252)
    assert metric(found, "small", "latency").verdict == "equivalent"
    assert "2 prompts of one run only left out" in metric(found, "small", "latency").note
    assert metric(found, "small", "p95").verdict is None


def test_a_candidate_that_gives_no_number_any_more_fails_the_gate() -> None:
    head = failing(head_run(), "small", tuple(one.id for one in BASE.info.plan.suite.prompts))
    found = compare_runs(BASE, head)
    small = found.candidates[1]
    assert (small.metrics, small.broken) == ((), "no request completed")
    gate = judge_gate(found)
    assert (gate.verdict, gate.reasons[0].candidate, gate.reasons[0].metric) == ("fail", "small", None)


def test_a_candidate_that_never_gave_a_number_is_told_and_fails_nothing() -> None:
    broken = plain().candidates[-1]
    assert broken.unknown.startswith("EngineNotReady")
    assert judge_gate(plain()).verdict == "pass"


def test_a_candidate_that_is_missing_in_head_leaves_the_gate_without_an_answer() -> None:
    head = head_run()
    plan = head.info.plan
    kept = tuple(one for one in plan.candidates if one.label != "large")
    blocks = tuple(one for one in plan.blocks if one.candidate in {one.id for one in kept})
    found = compare_runs(
        BASE, replace(head, info=replace(head.info, plan=replace(plan, candidates=kept, blocks=blocks)))
    )
    assert found.only_base == ("large",)
    assert judge_gate(found).verdict == "cannot tell"


def test_a_strict_gate_asks_that_worse_than_the_margin_is_excluded() -> None:
    runs = BASE, head_run(Change(slower={"small": 1.045}))
    found = compare_runs(*runs, Asked(margins={"latency": 0.05}, candidates=("small",), metrics=("latency",)))
    assert metric(found, "small", "latency").verdict in ("worse", "not told apart")
    wide = compare_runs(*runs, Asked(margins={"latency": 0.06}, candidates=("small",), metrics=("latency",)))
    assert judge_gate(wide, is_strict=True).verdict == "pass"
    asked = Asked(("small",), ("latency", "p95"), spreads=lambda *_: spread_of({"latency.mean": FAR_APART}))
    noisy = compare_runs(*runs, asked)
    assert judge_gate(noisy).verdict == "pass"
    strict = judge_gate(noisy, is_strict=True)
    assert (strict.verdict, {one.metric for one in strict.reasons}) == ("cannot tell", {"latency", "p95"})


def test_a_file_that_grew_is_larger_with_no_error_to_speak_of() -> None:
    head = head_run()
    plan = head.info.plan
    grown = tuple(
        replace(
            one,
            variant=replace(
                one.variant, files=tuple(replace(f, size_bytes=2 * (f.size_bytes or 0)) for f in one.variant.files)
            ),
        )
        for one in plan.candidates
    )
    found = compare_runs(BASE, replace(head, info=replace(head.info, plan=replace(plan, candidates=grown))))
    footprint = metric(found, "small", "footprint")
    assert (footprint.verdict, footprint.is_exact, footprint.p_different) == ("worse", True, None)
    assert found.judged == plain().judged


def test_a_run_is_not_compared_with_itself() -> None:
    with pytest.raises(BadInput, match="are both run 00007f3c"):
        compare_runs(BASE, BASE)


@pytest.mark.parametrize("asked", [Asked(metrics=("latancy",)), Asked(margins={"latancy": 0.1})])
def test_an_unknown_metric_is_told_with_the_nearest(asked: Asked) -> None:
    with pytest.raises(UnknownName) as caught:
        compare_runs(BASE, head_run(), asked)
    assert "latency" in (caught.value.hint or "")


def test_speed_that_was_measured_on_a_noisy_host_is_not_judged_and_the_gate_says_so() -> None:
    head = head_run(Change(slower={"small": 1.3}))
    disturbed = tuple(
        replace(one, disturbance=("others took 1.4 cores",)) if number % 3 == 0 else one
        for number, one in enumerate(head.samples)
    )
    found = compare_runs(BASE, replace(head, samples=disturbed), Asked(candidates=("small",)))
    latency = metric(found, "small", "latency")
    assert (latency.verdict, latency.p_different) == ("not told apart", None)
    assert latency.note.startswith("HEAD: the host was too noisy: 3")
    assert metric(found, "small", "memory").verdict == "equivalent"
    gate = judge_gate(found)
    assert gate.verdict == "cannot tell"
    assert {one.metric for one in gate.reasons} == {"latency", "p95", "ttft", "tokens_per_s", "load"}


def test_goodput_is_judged_by_the_share_of_each_round_that_kept_the_limits() -> None:
    def limited(run: Run) -> Run:
        suite = replace(run.info.plan.suite, goodput=("latency<215ms",))
        return replace(run, info=replace(run.info, plan=replace(run.info.plan, suite=suite)))

    head = limited(head_run(Change(slower={"small": 1.08})))
    judged = compare_runs(limited(BASE), head, Asked(metrics=("goodput",)))
    small, tiny = metric(judged, "small", "goodput"), metric(judged, "tiny", "goodput")
    assert (small.verdict, small.words) == ("worse", "keeping its limits less")
    assert (tiny.verdict, tiny.note) == (None, "all kept")
    off = found(20 * 10**6)
    base, head = (with_error(run, *((one.id, off) for one in run.executors)) for run in (limited(BASE), head))
    blurred = metric(compare_runs(base, head, Asked(metrics=("goodput",))), "small", "goodput")
    assert (blurred.verdict, blurred.p_different) == ("not told apart", 1.0)


def test_a_load_that_was_not_reached_is_a_warning() -> None:
    def four_at_once(run: Run) -> Run:
        suite = replace(run.info.plan.suite, load=LoadShape(concurrency=4))
        return replace(run, info=replace(run.info, plan=replace(run.info.plan, suite=suite)))

    found = compare_runs(four_at_once(BASE), four_at_once(head_run()))
    assert any(one.startswith("HEAD: small: ") and "4" in one for one in found.warnings)
