"""Quality of a run's candidates, from its stored facet scores and ratings: by cluster and prompt, with intervals.

Prompts are a sample and clusters the unit; repeats and rounds are averaged inside the prompt first.
"""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass

from shortlist.quality.facets import NULLS, FacetScore
from shortlist.quality.outputs import output_key, outputs_of
from shortlist.quality.scorers import FACETS, facet_errors, facet_score_of, scorable, score_nulls
from shortlist.records import Annotation, Interval, Prompt, Run
from shortlist.results.figures import PairFigure, PromptQuality, PromptQualityFigure, QualitySummary
from shortlist.stats.intervals import cluster_t
from shortlist.stats.samples import ClusteredScores, mean_of

Clustered = dict[str, dict[str, list[float]]]

RATING_SCALE = (1.0, 5.0)
_ALL_RIGHT = 1 - 1e-9


def cluster_of(prompt: Prompt) -> str:
    """A prompt's cluster; without one it is its own."""
    return prompt.cluster or prompt.id


@dataclass(frozen=True, slots=True)
class _Scored:
    """One scored answer."""

    candidate: str
    prompt: Prompt
    score: FacetScore


def _scored(run: Run) -> list[_Scored]:
    """Every accepted answer with a facet score, in plan order."""
    prompts = {prompt.id: prompt for prompt in run.info.plan.suite.prompts}
    samples = {sample.cell: sample.id for sample in scorable(run)}
    scores = {score.sample: score for score in run.scores if score.scorer == FACETS}
    found = []
    for cell in run.info.plan.cells:
        prompt = prompts[cell.prompt]
        score = scores.get(samples.get(cell.id, ""))
        if prompt.facets and score is not None:
            found.append(_Scored(cell.candidate, prompt, facet_score_of(prompt, score)))
    return found


def facet_scores(run: Run) -> dict[str, ClusteredScores]:
    """Candidate → cluster → prompt → the facet score of each accepted answer; prompts without facets are left out."""
    return _clustered((one.candidate, one.prompt, one.score.value) for one in _scored(run))


def critical_scores(run: Run) -> dict[str, ClusteredScores]:
    """As `facet_scores`, 1 for an answer that failed a critical facet and 0 else, where a prompt has such facets."""
    return _clustered(
        (one.candidate, one.prompt, float(bool(one.score.critical_failed)))
        for one in _scored(run)
        if any(facet.critical for facet in one.prompt.facets)
    )


def critical_failures(run: Run) -> dict[str, tuple[int, int]]:
    """Candidate → answers that failed a critical facet, of how many answers to prompts that have one."""
    found = {}
    for candidate, clusters in critical_scores(run).items():
        values = [value for prompts in clusters.values() for repeats in prompts.values() for value in repeats]
        found[candidate] = (round(sum(values)), len(values))
    return found


def rating_scores(run: Run) -> dict[str, ClusteredScores]:
    """Candidate → cluster → prompt → the rating of each accepted answer that was rated, 1–5.

    A rater's rating of an output is the mean over the rubric's dimensions, all of which must be filled in, and over
    repeats. From it the rater's own mean is taken and the mean of all raters' ratings added; then raters are averaged.
    What lies outside 1–5 after that is put at its end.
    """
    ratings = _output_ratings(run)
    prompts = {prompt.id: prompt for prompt in run.info.plan.suite.prompts}
    texts = {sample.cell: sample.text for sample in scorable(run)}
    found = []
    for cell in run.info.plan.cells:
        value = ratings.get(output_key(cell.prompt, texts[cell.id])) if cell.id in texts else None
        if value is not None:
            found.append((cell.candidate, prompts[cell.prompt], value))
    return _clustered(found)


def _output_ratings(run: Run) -> dict[str, float]:
    """Output key → its rating, raters centred."""
    if not run.annotations:
        return {}
    outputs = outputs_of(run)
    by_rater = _by_rater(one for one in run.annotations if one.output_sha256 in outputs)
    rated = {
        rater: {
            key: mean_of([mean_of(values) for values in dimensions.values()])
            for key, dimensions in of_rater.items()
            if dimensions.keys() >= outputs[key].rubric.keys()
        }
        for rater, of_rater in by_rater.items()
    }
    everything = [value for of_rater in rated.values() for value in of_rater.values()]
    if not everything:
        return {}
    grand = mean_of(everything)
    centred: dict[str, list[float]] = {}
    for of_rater in rated.values():
        own = mean_of(of_rater.values()) if of_rater else 0.0
        for key, value in of_rater.items():
            centred.setdefault(key, []).append(value - own + grand)
    least, most = RATING_SCALE
    return {key: min(max(mean_of(values), least), most) for key, values in centred.items()}


def _by_rater(annotations: Iterable[Annotation]) -> dict[str, dict[str, dict[str, list[int]]]]:
    """Rater → output → dimension → values, the repeats among them."""
    found: dict[str, dict[str, dict[str, list[int]]]] = {}
    for one in annotations:
        dimensions = found.setdefault(one.rater, {}).setdefault(one.output_sha256, {})
        dimensions.setdefault(one.dimension, []).append(one.value)
    return found


def _clustered(values: Iterable[tuple[str, Prompt, float]]) -> dict[str, ClusteredScores]:
    found: dict[str, Clustered] = {}
    for candidate, prompt, value in values:
        clusters = found.setdefault(candidate, {})
        clusters.setdefault(cluster_of(prompt), {}).setdefault(prompt.id, []).append(value)
    return dict(found)


# --- figures --------------------------------------------------------------------------------------------------------


def quality_figures(run: Run, level: float) -> dict[str, dict[str, Interval]]:
    """Candidate → `facets`, `critical`, `rating`, as far as they were scored; n counts clusters."""
    counts = critical_failures(run)
    raters = len({one.rater for one in run.annotations})
    found: dict[str, dict[str, Interval]] = {}
    for candidate, scores in facet_scores(run).items():
        found.setdefault(candidate, {})["facets"] = cluster_t(scores, "score", level=level, basis=_extent(scores))
    for candidate, scores in critical_scores(run).items():
        failed, n = counts[candidate]
        basis = f"{failed} of {n} answers"
        found.setdefault(candidate, {})["critical"] = cluster_t(scores, "share", level=level, basis=basis)
    for candidate, scores in rating_scores(run).items():
        basis = f"{_extent(scores)}, {raters} rater{'s' if raters > 1 else ''}"
        interval = cluster_t(scores, "rating", scale=RATING_SCALE, level=level, basis=basis)
        found.setdefault(candidate, {})["rating"] = interval
    return found


def _extent(scores: ClusteredScores) -> str:
    prompts = sum(len(one) for one in scores.values())
    return f"{prompts} prompts in {len(scores)} clusters"


def summarise_quality(run: Run, level: float) -> QualitySummary | None:
    """What pictures and tables of quality show; None where nothing was scored or rated."""
    scored, ratings = _scored(run), rating_scores(run)
    if not scored and not ratings:
        return None
    prompts = run.info.plan.suite.prompts
    by_place: dict[tuple[str, str], list[FacetScore]] = {}
    for one in scored:
        by_place.setdefault((one.candidate, one.prompt.id), []).append(one.score)
    nulls = score_nulls(prompts) if scored else {}
    by_id = {prompt.id: prompt for prompt in prompts}
    null_intervals = {
        name: cluster_t(_of_nulls(by_id, of_null), "score", level=level) for name, of_null in nulls.items() if of_null
    }
    return QualitySummary(
        prompts=tuple(_prompt(run, prompt, by_place, ratings, nulls) for prompt in prompts),
        nulls={name: null_intervals[name] for name in NULLS if name in null_intervals},
        pairs=_pairs(run, scored, level),
        raters=tuple(sorted({one.rater for one in run.annotations})) if ratings else (),
        clusters=len({cluster_of(prompt) for prompt in prompts}),
    )


def quality_warnings(run: Run) -> tuple[str, ...]:
    """What a reader of the numbers must know: facets that nobody scored, and facets that could not be decided."""
    found = list(facet_errors(run))
    has_facets = any(prompt.facets for prompt in run.info.plan.suite.prompts)
    if has_facets and any(scorable(run)) and not any(score.scorer == FACETS for score in run.scores):
        found.append(f"facets were not scored: shortlist score {run.info.short_id}")
    return tuple(found)


def _of_nulls(prompts: Mapping[str, Prompt], scores: Mapping[str, FacetScore]) -> ClusteredScores:
    found: Clustered = {}
    for name, score in scores.items():
        found.setdefault(cluster_of(prompts[name]), {})[name] = [score.value]
    return found


def _prompt(
    run: Run,
    prompt: Prompt,
    scored: Mapping[tuple[str, str], Sequence[FacetScore]],
    ratings: Mapping[str, ClusteredScores],
    nulls: Mapping[str, Mapping[str, FacetScore]],
) -> PromptQuality:
    figures = []
    for candidate in run.info.plan.candidates:
        mine = scored.get((candidate.id, prompt.id), ())
        rated = ratings.get(candidate.id, {}).get(cluster_of(prompt), {}).get(prompt.id, ())
        if mine or rated:
            figures.append(
                PromptQualityFigure(
                    candidate=candidate.id,
                    n=len(mine),
                    facets=mean_of([one.value for one in mine]) if mine else None,
                    has_critical_failure=any(one.critical_failed for one in mine),
                    failed=_failed(mine),
                    rating=mean_of(rated) if rated else None,
                )
            )
    values = {name: of_null[prompt.id].value for name, of_null in nulls.items() if prompt.id in of_null}
    return PromptQuality(prompt.id, cluster_of(prompt), tuple(figures), values)


def _failed(scores: Sequence[FacetScore]) -> dict[str, int]:
    """Facet → in how many answers it failed, where it did."""
    found: dict[str, int] = {}
    for score in scores:
        for facet, passed in score.parts.items():
            if not passed:
                found[facet] = found.get(facet, 0) + 1
    return found


def _pairs(run: Run, scored: Sequence[_Scored], level: float) -> tuple[PairFigure, ...]:
    """Pair consistency. A prompt is right for a candidate when each of its answers passed every facet."""
    prompts = {prompt.id: prompt for prompt in run.info.plan.suite.prompts}
    pairs = list(dict.fromkeys(tuple(sorted((p.id, p.pair_with))) for p in prompts.values() if p.pair_with in prompts))
    found = []
    for candidate in run.info.plan.candidates:
        values: dict[str, list[float]] = {}
        for one in scored:
            if one.candidate == candidate.id:
                values.setdefault(one.prompt.id, []).append(one.score.value)
        right = {name: min(of_prompt) >= _ALL_RIGHT for name, of_prompt in values.items()}
        known = [(a, b) for a, b in pairs if a in right and b in right]
        if not known:
            continue
        shares: Clustered = {}
        for a, b in known:
            of_cluster = shares.setdefault(cluster_of(prompts[a]), {})
            of_cluster[f"{a} {b}"] = [float(right[a] and right[b])]
        both = sum(right[a] and right[b] for a, b in known)
        differing = tuple((a, b) for a, b in known if right[a] != right[b])
        neither = len(known) - both - len(differing)
        share = cluster_t(shares, "share", level=level, basis=f"{both} of {len(known)} pairs")
        found.append(PairFigure(candidate.id, both, len(differing), neither, share, differing))
    return tuple(found)
