"""Scorers, found by entry point, and a whole run scored by all of them.

A scorer is a class of no arguments in the group `shortlist.scorers`; `facets` is ours. It is asked once for each
distinct answer to a prompt.
"""

import math
from collections.abc import Iterable, Iterator, Mapping
from contextlib import ExitStack
from dataclasses import dataclass, field
from importlib.metadata import EntryPoint, entry_points
from typing import Any, ClassVar, Protocol

from shortlist.errors import ShortlistError
from shortlist.quality.facets import NULLS, FacetScore, null_answers, score_answer
from shortlist.quality.limited import Limited
from shortlist.records import Json, Prompt, Run, Sample, Score

GROUP = "shortlist.scorers"
FACETS = "facets"

_OURS = {FACETS: "shortlist.quality.scorers:FacetScorer"}
_ERROR = " (error)"


@dataclass(frozen=True, slots=True)
class ScorerVerdict:
    """What a scorer says of an answer: a finite value, and what it consists of."""

    value: float
    parts: Json = field(default_factory=dict)


class Scorer(Protocol):
    """The contract of a scorer. One that has a `close` is closed when the run is scored."""

    name: ClassVar[str]

    def score(self, prompt: Prompt, text: str) -> ScorerVerdict | None:
        """The verdict on an answer; None where the scorer does not apply to the prompt."""
        ...


class FacetScorer:
    """Facets. `parts` holds each facet's verdict by id, and under `ID (error)` why one could not be decided."""

    name: ClassVar[str] = FACETS

    def __init__(self) -> None:
        self._limited = Limited()

    def score(self, prompt: Prompt, text: str) -> ScorerVerdict | None:
        """None for a prompt without facets."""
        if not prompt.facets:
            return None
        return verdict_of(score_answer(text, prompt, self._limited))

    def close(self) -> None:
        """End the process that ran regular expressions."""
        self._limited.close()


def verdict_of(score: FacetScore) -> ScorerVerdict:
    """A facet score as it is stored."""
    return ScorerVerdict(score.value, {**score.parts, **{f"{k}{_ERROR}": why for k, why in score.errors.items()}})


def facet_score_of(prompt: Prompt, score: Score) -> FacetScore:
    """A stored facet score with its facets told apart again; a facet that it does not know is left out."""
    parts = {facet.id: score.parts[facet.id] is True for facet in prompt.facets if facet.id in score.parts}
    failed = tuple(facet.id for facet in prompt.facets if facet.critical and parts.get(facet.id) is False)
    errors = {f.id: str(score.parts[f"{f.id}{_ERROR}"]) for f in prompt.facets if f"{f.id}{_ERROR}" in score.parts}
    return FacetScore(score.value, parts, failed, errors)


def find_scorers(extra: Iterable[EntryPoint] | None = None) -> tuple[Scorer, ...]:
    """Every scorer, ours first, then by name. Raises ShortlistError for one that cannot be loaded.

    Ours are there without installed metadata too, as in a source tree.
    """
    found = {point.name: point for point in (entry_points(group=GROUP) if extra is None else extra)}
    ours = {name: EntryPoint(name, value, GROUP) for name, value in _OURS.items()}
    points = {**ours, **{name: point for name, point in sorted(found.items()) if name not in ours}}
    scorers = []
    for name, point in points.items():
        try:
            made: Scorer = point.load()()
        except (ImportError, AttributeError, TypeError) as error:
            raise ShortlistError(f"the scorer {name!r} cannot be loaded: {error}") from error
        if made.name != name:
            raise ShortlistError(f"the scorer {name!r} calls itself {made.name!r}: the two must be the same")
        scorers.append(made)
    return tuple(scorers)


def scorable(run: Run) -> Iterator[Sample]:
    """The accepted, measured samples whose reply came to its end."""
    return (s for s in run.samples if s.is_accepted and s.phase == "measure" and s.status in ("ok", "empty"))


def score_run(run: Run, scorers: Iterable[Scorer] | None = None) -> tuple[Score, ...]:
    """A score for every complete accepted answer and every scorer that applies. Raises ShortlistError."""
    with ExitStack() as stack:
        used = find_scorers() if scorers is None else tuple(scorers)
        for scorer in used:
            stack.callback(getattr(scorer, "close", lambda: None))
        prompts = {prompt.id: prompt for prompt in run.info.plan.suite.prompts}
        asked = {cell.id: prompts[cell.prompt] for cell in run.info.plan.cells}
        known: dict[tuple[str, str, str], ScorerVerdict | None] = {}
        scores = []
        for sample in scorable(run):
            prompt = asked.get(sample.cell or "")
            if prompt is None:
                continue
            for scorer in used:
                key = (scorer.name, prompt.id, sample.text)
                if key not in known:
                    known[key] = _checked(scorer, prompt, sample.text)
                verdict = known[key]
                if verdict is not None:
                    scores.append(Score(sample.id, scorer.name, verdict.value, verdict.parts))
        return tuple(scores)


def score_nulls(prompts: Iterable[Prompt]) -> dict[str, dict[str, FacetScore]]:
    """Null candidate → prompt → facet score, for the prompts that have facets."""
    found: dict[str, dict[str, FacetScore]] = {name: {} for name in NULLS}
    with Limited() as limited:
        for prompt in prompts:
            if prompt.facets:
                for name, text in null_answers(prompt).items():
                    found[name][prompt.id] = score_answer(text, prompt, limited)
    return found


def facet_errors(run: Run) -> tuple[str, ...]:
    """What could not be decided in the stored facet scores, one line for each prompt, facet and reason."""
    prompts = {prompt.id: prompt for prompt in run.info.plan.suite.prompts}
    asked: Mapping[str, Prompt] = {cell.id: prompts[cell.prompt] for cell in run.info.plan.cells}
    of_sample = {sample.id: asked[sample.cell or ""] for sample in run.samples if sample.cell in asked}
    told: dict[str, int] = {}
    for score in run.scores:
        if score.scorer == FACETS and score.sample in of_sample:
            prompt = of_sample[score.sample]
            for facet, why in facet_score_of(prompt, score).errors.items():
                line = f"prompt {prompt.id}, facet {facet}: {why}"
                told[line] = told.get(line, 0) + 1
    return tuple(f"{line} ({count} answers, counted as failed)" for line, count in told.items())


def _checked(scorer: Scorer, prompt: Prompt, text: str) -> ScorerVerdict | None:
    verdict: Any = scorer.score(prompt, text)
    if verdict is None or (isinstance(verdict, ScorerVerdict) and math.isfinite(verdict.value)):
        return verdict
    raise ShortlistError(f"the scorer {scorer.name!r} gave {verdict!r} for prompt {prompt.id!r}")
