"""Scorers found by entry point; a whole run scored."""

import math
import sys
from dataclasses import replace
from importlib.metadata import EntryPoint
from pathlib import Path

import pytest

from quality.rated_run import LATE, RIGHT, WRONG, answering, candidate_id
from shortlist.errors import ShortlistError
from shortlist.quality.scorers import GROUP, facet_score_of, find_scorers, scorable, score_nulls, score_run
from shortlist.records import Facet, Run

RUN = answering({"tiny": {"n-001": WRONG, "n-002": LATE}})


def values(run: Run, label: str) -> dict[str, float]:
    """Prompt → score of the first round."""
    cells = {cell.id: cell for cell in run.info.plan.cells if cell.candidate == candidate_id(run, label)}
    of_sample = {sample.id: cells[sample.cell].prompt for sample in run.samples if sample.cell in cells}
    return {of_sample[score.sample]: score.value for score in score_run(run) if score.sample in of_sample}


def test_each_complete_accepted_answer_gets_one_score_and_no_other_sample_does() -> None:
    run = replace(RUN, samples=(replace(RUN.samples[1], status="partial"), *RUN.samples[2:]))
    scores = score_run(run)
    assert sorted(score.sample for score in scores) == sorted(sample.id for sample in scorable(run))
    assert RUN.samples[1].id not in {score.sample for score in scores}
    assert {score.scorer for score in scores} == {"facets"}
    assert {sample.status for sample in run.samples if sample.is_accepted} == {"ok", "failed", "partial"}


def test_scores_are_what_the_answers_deserve() -> None:
    found = values(RUN, "tiny")
    assert (found["n-001"], found["n-002"], found["n-003"]) == (0, 0.75, 1)


def test_an_empty_answer_is_scored_as_the_null_candidate_is() -> None:
    run = answering({"tiny": {"n-001": ""}})
    sample = next(s for s in run.samples if s.is_accepted and s.text == "")
    run = replace(run, samples=tuple(replace(s, status="empty") if s.id == sample.id else s for s in run.samples))
    score = next(score for score in score_run(run) if score.sample == sample.id)
    assert score.value == score_nulls(run.info.plan.suite.prompts)["empty"]["n-001"].value


def test_the_same_run_gives_the_same_scores_twice() -> None:
    assert score_run(RUN) == score_run(RUN)


def test_a_run_without_facets_has_no_scores() -> None:
    assert score_run(answering({}, facets=())) == ()


def test_a_facet_that_cannot_be_decided_is_stored_as_failed_with_its_reason() -> None:
    facets = (Facet("bad", "json_schema", schema={"type": "nothing"}), Facet("len", "max_words", value=9))
    run = answering({}, facets=facets, default="{}")
    score = score_run(run)[0]
    assert score.parts["bad"] is False
    told = facet_score_of(run.info.plan.suite.prompts[0], score)
    assert told.parts == {"bad": False, "len": True}
    assert "not a schema" in told.errors["bad"]


PLUGIN = """
from shortlist.quality.scorers import ScorerVerdict

class Length:
    name = "length"
    def score(self, prompt, text):
        return ScorerVerdict(float(len(text))) if prompt.id == "n-001" else None

class Broken:
    name = "broken"
    def score(self, prompt, text):
        return ScorerVerdict(float("nan"))

class Liar:
    name = "facets"
"""


@pytest.fixture
def plugin(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> str:
    (tmp_path / "their_scorers.py").write_text(PLUGIN)
    monkeypatch.syspath_prepend(str(tmp_path))
    sys.modules.pop("their_scorers", None)
    return "their_scorers"


def test_a_scorer_of_somebody_else_scores_beside_ours_where_it_applies(plugin: str) -> None:
    scorers = find_scorers([EntryPoint("length", f"{plugin}:Length", GROUP)])
    assert [scorer.name for scorer in scorers] == ["facets", "length"]
    theirs = [score for score in score_run(RUN, scorers) if score.scorer == "length"]
    assert {score.value for score in theirs} == {float(len(WRONG)), float(len(RIGHT))}
    assert len(theirs) == 6


@pytest.mark.parametrize(
    ("value", "why"),
    [("no_such_module:X", "cannot be loaded"), ("{}:Nope", "cannot be loaded"), ("{}:Liar", "calls itself 'facets'")],
)
def test_a_scorer_that_cannot_be_used_is_named(plugin: str, value: str, why: str) -> None:
    with pytest.raises(ShortlistError, match=why):
        find_scorers([EntryPoint("x", value.format(plugin), GROUP)])


def test_a_scorer_may_not_stand_in_for_ours(plugin: str) -> None:
    (only,) = find_scorers([EntryPoint("facets", f"{plugin}:Liar", GROUP)])
    assert type(only).__module__ == "shortlist.quality.scorers"


def test_a_score_that_is_no_number_is_refused(plugin: str) -> None:
    scorers = find_scorers([EntryPoint("broken", f"{plugin}:Broken", GROUP)])
    with pytest.raises(ShortlistError, match="'broken' gave"):
        score_run(RUN, scorers)


def test_the_null_candidates_are_far_below_a_right_answer() -> None:
    nulls = score_nulls(RUN.info.plan.suite.prompts)
    assert all(score.value == 0 for of_null in nulls.values() for score in of_null.values())
    assert all(math.isfinite(score.value) for of_null in nulls.values() for score in of_null.values())
