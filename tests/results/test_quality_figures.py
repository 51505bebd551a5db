"""Quality figures of a run: clusters, critical failures, ratings, pairs and the null candidates."""

from dataclasses import replace

import pytest

from quality.rated_run import LATE, PROMPTS, RIGHT, WRONG, answering, candidate_id, prompt_of
from results.made_run import make_run
from shortlist.quality.outputs import output_key
from shortlist.quality.scorers import score_run
from shortlist.records import Annotation, Facet, Run
from shortlist.results.export import export_run, import_run
from shortlist.results.figures import FIGURES
from shortlist.results.quality import (
    critical_failures,
    facet_scores,
    quality_figures,
    rating_scores,
    summarise_quality,
)
from shortlist.results.summary import summarise

ANSWERS = {"tiny": {"n-001": WRONG, "n-002": LATE, "n-005": WRONG, "n-006": WRONG}}


def scored(run: Run) -> Run:
    return replace(run, scores=score_run(run))


def rated(run: Run, *ratings: tuple[str, str, str, int]) -> Run:
    """Rater, prompt, text, value, on faithfulness."""
    made = tuple(
        Annotation(output_key(prompt, text), rater, "faithfulness", value) for rater, prompt, text, value in ratings
    )
    return replace(run, annotations=(*run.annotations, *made))


RUN = scored(answering(ANSWERS))
TINY = candidate_id(RUN, "tiny")
SMALL = candidate_id(RUN, "small")


def test_facet_scores_stand_by_cluster_and_prompt_one_for_each_accepted_answer() -> None:
    run = scored(answering(ANSWERS, clusters=4))
    found = facet_scores(run)
    assert set(found) == {candidate_id(run, label) for label in ("tiny", "small", "large")}
    assert set(found[TINY]) == {"m-0", "m-1", "m-2", "m-3"}
    assert found[TINY]["m-0"] == {"n-001": [0, 0], "n-005": [0, 0], "n-009": [1, 1]}


def test_prompts_without_facets_and_runs_without_scores_are_left_out() -> None:
    assert facet_scores(answering(ANSWERS)) == {}
    assert facet_scores(make_run()) == {}
    assert summarise(make_run()).quality is None


def test_critical_failures_are_counted_in_answers() -> None:
    found = critical_failures(RUN)
    assert found[TINY] == (6, 24)
    assert found[SMALL] == (0, 24)
    assert critical_failures(scored(answering({}, facets=(Facet("len", "max_words", value=9),)))) == {}


def test_the_figures_have_intervals_over_clusters() -> None:
    found = quality_figures(RUN, 0.95)
    facets, critical = found[TINY]["facets"], found[TINY]["critical"]
    assert facets.point == pytest.approx((8 + 0.75) / 12)
    assert (facets.n, facets.basis) == (12, "12 prompts in 12 clusters")
    assert facets.low is not None
    assert facets.high is not None
    assert (critical.point, critical.n, critical.basis) == (0.25, 12, "6 of 24 answers")
    best = found[SMALL]
    assert (best["facets"].point, best["facets"].high) == (1, 1)
    assert best["facets"].low == pytest.approx(0.025 ** (1 / 12))
    assert best["critical"].point == 0
    assert best["critical"].high == pytest.approx(1 - 0.025 ** (1 / 12))


def test_repeating_the_rounds_does_not_narrow_quality() -> None:
    two, eight = (quality_figures(scored(answering(ANSWERS, rounds=n)), 0.95)[TINY] for n in (2, 8))
    for name in ("facets", "critical"):
        assert two[name].half_width == pytest.approx(eight[name].half_width)


def test_few_clusters_have_no_interval_and_say_so() -> None:
    figure = quality_figures(scored(answering(ANSWERS, clusters=3)), 0.95)[TINY]["facets"]
    assert figure.low is None
    assert "needs 6 (3 more)" in figure.note


def test_a_rating_is_centred_on_the_raters_mean_and_put_back_on_the_scale() -> None:
    """Ann is a point stricter than Ben throughout: after centring both say the same."""
    run = answering(ANSWERS)
    both = [("n-001", WRONG, 1, 2), ("n-001", RIGHT, 4, 5), ("n-002", LATE, 2, 3), ("n-002", RIGHT, 3, 4)]
    run = rated(run, *(("ann", prompt, text, ann) for prompt, text, ann, _ in both))
    run = rated(run, *(("ben", prompt, text, ben) for prompt, text, _, ben in both))
    found = rating_scores(run)
    assert found[TINY] == {"m-0": {"n-001": [1.5, 1.5]}, "m-1": {"n-002": [2.5, 2.5]}}
    assert found[SMALL] == {"m-0": {"n-001": [4.5, 4.5]}, "m-1": {"n-002": [3.5, 3.5]}}


def test_one_raters_ratings_stay_as_they_are_and_a_shared_output_counts_for_both_candidates() -> None:
    run = rated(answering({}), ("ann", "n-001", RIGHT, 5), ("ann", "n-002", RIGHT, 3))
    found = rating_scores(run)
    assert found[TINY] == found[SMALL] == {"m-0": {"n-001": [5, 5]}, "m-1": {"n-002": [3, 3]}}


def test_what_centring_moves_past_the_scale_is_put_at_its_end() -> None:
    run = rated(answering({}), ("ann", "n-001", RIGHT, 5), ("ann", "n-002", RIGHT, 1), ("ben", "n-003", RIGHT, 5))
    values = [v for cluster in rating_scores(run)[TINY].values() for prompt in cluster.values() for v in prompt]
    assert max(values) == 5
    assert "rating" in summarise(run).candidates[0].figures


def test_dimensions_are_averaged_and_half_filled_answers_wait() -> None:
    run = answering({}, rubric={"faithfulness": {}, "style": {}})
    key = output_key("n-001", RIGHT)
    half = replace(run, annotations=(Annotation(key, "ann", "faithfulness", 5),))
    assert rating_scores(half) == {}
    whole = replace(half, annotations=(*half.annotations, Annotation(key, "ann", "style", 2)))
    assert rating_scores(whole)[TINY] == {"m-0": {"n-001": [3.5, 3.5]}}


def test_repeats_are_averaged_within_the_rater() -> None:
    run = rated(answering({}), ("ann", "n-001", RIGHT, 5))
    again = Annotation(output_key("n-001", RIGHT), "ann", "faithfulness", 4, "", 1)
    assert rating_scores(replace(run, annotations=(*run.annotations, again)))[TINY] == {"m-0": {"n-001": [4.5, 4.5]}}


def test_ratings_of_outputs_that_the_run_does_not_hold_change_nothing() -> None:
    assert rating_scores(rated(answering({}), ("ann", "n-001", "never said", 5))) == {}


def test_the_summary_has_quality_prompt_by_prompt_with_the_null_candidates() -> None:
    summary = summarise(RUN)
    tiny = next(one for one in summary.candidates if one.candidate == TINY)
    assert {"facets", "critical"} <= set(tiny.figures) <= set(FIGURES)
    quality = summary.quality
    assert quality is not None
    assert list(quality.nulls) == ["empty", "echo"]
    assert quality.nulls["empty"].point == quality.nulls["echo"].point == 0
    first = quality.prompts[0]
    assert (first.prompt, first.cluster, dict(first.nulls)) == ("n-001", "m-0", {"empty": 0, "echo": 0})
    figure = next(one for one in first.figures if one.candidate == TINY)
    assert (figure.facets, figure.has_critical_failure, figure.failed) == (0, True, {"owner": 2, "no-tom": 2})


def test_pairs_are_both_right_one_only_or_neither() -> None:
    quality = summarise_quality(RUN, 0.95)
    assert quality is not None
    tiny = next(pair for pair in quality.pairs if pair.candidate == TINY)
    assert (tiny.both, tiny.one, tiny.neither) == (4, 0, 2)
    other = summarise_quality(scored(answering({"tiny": {"n-001": WRONG}})), 0.95)
    assert other is not None
    tiny = next(pair for pair in other.pairs if pair.candidate == TINY)
    assert (tiny.both, tiny.one, tiny.neither) == (5, 1, 0)
    assert tiny.differing == (("n-001", "n-002"),)
    assert tiny.share.point == pytest.approx(5 / 6)
    assert tiny.share.n == 6


def test_unscored_facets_are_a_warning_with_the_command_to_type() -> None:
    assert f"facets were not scored: shortlist score {RUN.info.short_id}" in summarise(answering({})).warnings
    assert not any("not scored" in warning for warning in summarise(RUN).warnings)


def test_facets_that_could_not_be_decided_are_a_warning() -> None:
    run = scored(answering({}, facets=(Facet("bad", "json_schema", schema={"type": "nothing"}),), default="{}"))
    told = [warning for warning in summarise(run).warnings if "facet bad" in warning]
    assert len(told) == len(PROMPTS)
    assert "counted as failed" in told[0]


def test_a_run_that_was_exported_and_imported_has_the_same_scores_and_quality() -> None:
    run = rated(RUN, ("ann", "n-001", RIGHT, 5), ("ben", "n-001", RIGHT, 4))
    back = import_run(export_run(run))
    assert back == run
    assert score_run(back) == run.scores
    assert summarise(back) == summarise(run)


def test_the_order_of_samples_scores_and_annotations_does_not_matter() -> None:
    run = rated(RUN, ("ann", "n-001", RIGHT, 5), ("ben", "n-002", RIGHT, 4))
    turned = replace(run, scores=run.scores[::-1], annotations=run.annotations[::-1])
    assert quality_figures(turned, 0.95) == quality_figures(run, 0.95)
    assert prompt_of(run, "n-001").facets
