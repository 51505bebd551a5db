"""Whether another way of opening one model changed its answers: told of greedy runs alone."""

from dataclasses import replace

from results.made_run import make_run
from shortlist.records import Run
from shortlist.report.wording import one_model_lines
from shortlist.results.one_model import SameModel
from shortlist.results.summary import summarise


def run_of_one_file(changed: str | None = None, temperature: float = 0.0) -> Run:
    """`small` and `tiny` are the same file; `small` answers the prompt `changed` otherwise."""
    run = make_run()
    plan = run.info.plan
    tiny, small = plan.candidates[0], plan.candidates[1]
    candidates = tuple(replace(one, variant=tiny.variant) if one is small else one for one in plan.candidates)
    generation = replace(plan.suite.generation, temperature=temperature)
    plan = replace(plan, candidates=candidates, suite=replace(plan.suite, generation=generation))
    of_small = {cell.id for cell in plan.cells if cell.candidate == small.id and cell.prompt == changed}
    samples = tuple(replace(one, text="otherwise") if one.cell in of_small else one for one in run.samples)
    return replace(run, info=replace(run.info, plan=plan), samples=samples)


def test_the_same_answers_are_told() -> None:
    summary = summarise(run_of_one_file())
    assert [(one.prompts, one.differing) for one in summary.one_model] == [(4, ())]
    assert one_model_lines(summary) == ["the same answers as tiny to all of 4 prompts: small"]


def test_a_changed_answer_is_counted_and_named() -> None:
    summary = summarise(run_of_one_file("n-002"))
    tiny, small = summary.candidates[0].candidate, summary.candidates[1].candidate
    assert summary.one_model == (SameModel(small, tiny, 4, ("n-002",)),)
    assert one_model_lines(summary) == ["small answers 1 of 4 prompts otherwise than tiny"]


def test_sampled_answers_and_other_models_are_not_compared() -> None:
    assert summarise(run_of_one_file("n-002", temperature=0.7)).one_model == ()
    assert summarise(make_run()).one_model == ()
