"""Answers that were better in an earlier run: prompt by prompt, with what was lost and both texts."""

from collections.abc import Mapping
from dataclasses import dataclass

from shortlist.records import Run
from shortlist.results.figures import Answer, PromptQualityFigure, RunSummary
from shortlist.results.pairing import pair_candidates, same_prompts
from shortlist.results.summary import summarise

_LEAST = 1e-9


@dataclass(frozen=True, slots=True)
class WorseAnswer:
    """One prompt of one candidate. Scores are means over all answers; `lost` facets failed more often than before.

    The texts are those of the last round: strangers' text.
    """

    candidate: str
    prompt: str
    asked: str
    figure: str
    before: float
    after: float
    lost: tuple[str, ...]
    base: Answer | None
    head: Answer | None


def worse_answers(base: Run, head: Run) -> tuple[WorseAnswer, ...]:
    """Where HEAD's facets, or without facets its ratings, are lower than BASE's; the largest loss first."""
    summaries = summarise(base), summarise(head)
    names = {mine: theirs for theirs, mine in _names(base, head).items()}
    found = []
    for pair in pair_candidates(base, head).pairs:
        qualities = _qualities(summaries[0], pair.base.id), _qualities(summaries[1], pair.head.id)
        for prompt, before in qualities[0].items():
            after = qualities[1].get(names.get(prompt, ""))
            if after is not None:
                worse = _worse(before, after)
                if worse is not None:
                    answers = (
                        _answer(summaries[0], prompt, pair.base.id),
                        _answer(summaries[1], names[prompt], pair.head.id),
                    )
                    asked = next(one.asked for one in summaries[1].prompts if one.prompt == names[prompt])
                    found.append(WorseAnswer(pair.head.label, names[prompt], asked, *worse, *answers))
    return tuple(sorted(found, key=lambda one: one.after - one.before))


def _names(base: Run, head: Run) -> dict[str, str]:
    return same_prompts(base.info.plan.suite.prompts, head.info.plan.suite.prompts)


def _qualities(summary: RunSummary, candidate: str) -> Mapping[str, PromptQualityFigure]:
    prompts = summary.quality.prompts if summary.quality else ()
    return {one.prompt: figure for one in prompts for figure in one.figures if figure.candidate == candidate}


def _worse(before: PromptQualityFigure, after: PromptQualityFigure) -> tuple[str, float, float, tuple[str, ...]] | None:
    pairs = (("facets", before.facets, after.facets), ("rating", before.rating, after.rating))
    known = [(name, one, other) for name, one, other in pairs if one is not None and other is not None]
    if not known or known[0][2] >= known[0][1] - _LEAST:
        return None
    lost = [
        facet
        for facet, failed in after.failed.items()
        if failed / max(1, after.n) > before.failed.get(facet, 0) / max(1, before.n) + _LEAST
    ]
    return (*known[0], tuple(lost))


def _answer(summary: RunSummary, prompt: str, candidate: str) -> Answer | None:
    answers = (one for found in summary.prompts if found.prompt == prompt for one in found.answers)
    return next((one for one in answers if one.candidate == candidate), None)
