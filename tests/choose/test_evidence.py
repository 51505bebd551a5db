"""From a stored run to what a decision is made from."""

from choose.scored_run import scored_run
from results.made_run import make_run
from shortlist.choose.decide import Manner, decide_run
from shortlist.choose.evidence import evidence_from
from shortlist.choose.needs import parse_needs
from shortlist.choose.needsfile import Needs
from shortlist.choose.preferences import PREFERENCES, difference
from shortlist.records import Run, to_json
from shortlist.results.export import export_run, import_run
from shortlist.results.summary import summarise


def test_figures_are_those_of_the_report_with_failures_as_infinite() -> None:
    run = scored_run()
    reported = {one.label: one.figures for one in summarise(run, failures_as_infinite=True).candidates}
    for one in evidence_from(run).candidates:
        figures = {name: figure for name, figure in one.figures.items() if name != "quality"}
        assert figures == reported[one.label]


def test_pairs_are_compared_as_the_report_compares_them() -> None:
    run = make_run()
    found = {one.label: one for one in evidence_from(run).candidates}
    told = {(c.figure, run_label(run, c.candidate)): c.ratio for c in summarise(run).comparisons}
    ours = difference(found["large"], found["tiny"], PREFERENCES["latency"])
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
    found = evidence_from(make_run())
    assert [one.label for one in found.candidates] == ["tiny", "small", "large", "broken"]
    assert found.skipped == ("qwen2.5-0.5b: no source is known for this alias",)


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
