"""HEAD against BASE, metric by metric: better, equivalent, worse or not told apart, at one error level for all of it.

Speed and memory by Welch's t on the logs of round values, for rounds of two runs are no pairs; speed widened by the
host's spread between runs where it is known. Quality by the prompts, which are the same in both. Failures by
permutation of rounds. Holm over everything that is judged.
"""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field, replace

from shortlist.errors import BadInput
from shortlist.records import Run
from shortlist.results.accepted import requests_by_candidate
from shortlist.results.between_runs import HostSpread
from shortlist.results.changes import (
    METRICS,
    CandidateChange,
    Metric,
    MetricChange,
    RunComparison,
    RunName,
    find_metric,
)
from shortlist.results.comparable import candidate_facts, check_comparable, imported_from, run_facts, unknown_hosts
from shortlist.results.contrasts import Side, Sides, test_of
from shortlist.results.figures import CandidateSummary
from shortlist.results.judging import ERROR, judge_together
from shortlist.results.matching import renamed as renamed_values
from shortlist.results.metrics import is_complete
from shortlist.results.pairing import Pair, pair_candidates, same_prompts
from shortlist.results.quality import cluster_of, critical_scores, facet_scores, rating_scores
from shortlist.results.racing import looks_at, looks_of
from shortlist.results.reached import load_warnings
from shortlist.results.rounds import round_values
from shortlist.results.summary import candidate_summaries, manner_of
from shortlist.stats.samples import ClusteredScores, mean_of
from shortlist.units import counted

_LEAST = 1e-9

_PERCENTILES = frozenset({"latency.p95"})
_WHOLE_ROUNDS = ("throughput", "memory.peak")
"""Figures that a round has once, and not prompt by prompt."""

SpreadOf = Callable[[str, str, str, int], HostSpread | None]
"""(host fingerprint, engine, model, streams) → how far runs lie apart there, as `between_runs.find_spread` knows it."""


@dataclass(frozen=True, slots=True)
class Asked:
    """How to compare: `candidates` as pairs, `metrics` by name (none: all that were measured), `margins` by metric."""

    candidates: tuple[str, ...] = ()
    metrics: tuple[str, ...] = ()
    margins: Mapping[str, float] = field(default_factory=dict)
    allow: tuple[str, ...] = ()
    spreads: SpreadOf | None = None
    stored: tuple[bool, bool] = (True, True)


def compare_runs(base: Run, head: Run, asked: Asked = Asked()) -> RunComparison:
    """All that can be said of HEAD against BASE.

    Raises NotComparable where what must be the same is not, UnknownName for a metric, group or candidate, BadInput for
    a run compared with itself.
    """
    if base.info.id == head.info.id:
        raise BadInput(f"BASE and HEAD are both run {base.info.short_id}", hint="shortlist runs list")
    wanted = _metrics(asked, base)
    pairing = pair_candidates(base, head, asked.candidates)
    allowed = check_comparable(base, head, pairing.pairs, asked.allow)
    sides = _Read(base), _Read(head)
    renamed = same_prompts(base.info.plan.suite.prompts, head.info.plan.suite.prompts)
    opened = [_open(pair, sides, renamed, asked.spreads) for pair in pairing.pairs]
    tested = [
        (place, test_of(metric, one))
        for place, one in enumerate(opened)
        for metric in wanted
        if not (one.broken or one.unknown)
    ]
    looks = max(1, *(looks_at(run) for run in (base, head)))
    judged, count = judge_together(tested, looks)
    candidates = [
        _candidate(pair, one, tuple(change for at, change in judged if at == place and _is_known(change)))
        for place, (pair, one) in enumerate(zip(pairing.pairs, opened, strict=True))
    ]
    names = _names(base, head, asked.stored)
    return RunComparison(
        base=names[0],
        head=names[1],
        candidates=tuple(candidates),
        alpha=ERROR / looks,
        judged=count,
        looks=looks,
        only_base=pairing.only_base,
        only_head=pairing.only_head,
        allowed=allowed,
        facts=run_facts(base, head),
        spreads=tuple(one.between("latency.mean") for one in opened),
        warnings=(
            *unknown_hosts(base, head),
            *_imported(base, head),
            *_unfinished(base, head),
            *_rounds_unlike(base, head),
            *_standing_in(opened),
            *_loads(opened),
        ),
    )


def _metrics(asked: Asked, base: Run) -> tuple[Metric, ...]:
    """Those to judge, with their margins. One request at a time, throughput is tokens/s again: only when asked for."""
    for name in (*asked.metrics, *asked.margins):
        find_metric(name)
    load = base.info.plan.suite.load
    is_serial = load.kind == "closed" and load.concurrency == 1
    names = asked.metrics or tuple(name for name in METRICS if not (name == "throughput" and is_serial))
    found = [METRICS[name] for name in METRICS if name in names]
    return tuple(replace(one, margin=asked.margins.get(one.name, one.margin)) for one in found)


def _names(base: Run, head: Run, stored: tuple[bool, bool]) -> tuple[RunName, RunName]:
    by_name = base.info.name != head.info.name
    found = [
        RunName(
            run.info.id,
            run.info.name,
            (run.info.name if by_name else None) or run.info.short_id,
            run.info.started_at,
            len({cell.round for cell in run.info.plan.cells}),
            is_stored,
            is_stored and imported_from(run) is None,
        )
        for run, is_stored in zip((base, head), stored, strict=True)
    ]
    return found[0], found[1]


def _imported(base: Run, head: Run) -> tuple[str, ...]:
    """Who else measured; where one run is ours and the other is not, all that the importer warns of."""
    tools = {side: imported_from(run) for side, run in (("BASE", base), ("HEAD", head))}
    is_mixed = None in tools.values()
    found = []
    for side, run in (("BASE", base), ("HEAD", head)):
        if tools[side] is not None and is_mixed:
            found += [f"{side}: {event.data['message']}" for event in run.events if "message" in event.data]
        elif tools[side] is not None:
            found.append(f"{side} was measured by {tools[side]}: shortlist report has what that means for its numbers")
    return tuple(found)


def _unfinished(base: Run, head: Run) -> tuple[str, ...]:
    return tuple(
        f"{side} is {run.info.state}: what was measured so far is compared"
        for side, run in (("BASE", base), ("HEAD", head))
        if run.info.state != "done"
    )


def _rounds_unlike(base: Run, head: Run) -> tuple[str, ...]:
    """Where rounds are not what an interval takes them for: independent processes, as many as were planned."""
    found = []
    for side, run in (("BASE", base), ("HEAD", head)):
        if run.info.plan.suite.is_resident:
            found.append(
                f"{side} kept all loaded: rounds share one process, and what differs between processes is left out"
            )
        taken = len(looks_of(run.events)) if run.info.plan.race else 0
        if taken > 1:
            found.append(
                f"{side} was a race: what its {taken} looks saw ended its rounds, so they share the error level"
            )
    return tuple(found)


def _standing_in(opened: Sequence[Sides]) -> tuple[str, ...]:
    """Where the spread between runs is that of another model or load."""
    found = []
    for sides in opened:
        known, head = sides.spread, sides.head
        streams = head.run.info.plan.suite.load.concurrency
        if known is not None and (known.model, known.streams) != (head.summary.model, streams):
            at = f"{known.model} at {counted(known.streams, 'stream')}"
            found.append(f"{head.summary.label}: the spread between runs of {at} stands in: its own was not measured")
    return tuple(dict.fromkeys(found))


def _loads(opened: Sequence[Sides]) -> tuple[str, ...]:
    """Where a load that was asked for was not reached."""
    found = [
        f"{name}: {side.summary.label}: {warning}"
        for sides in opened
        for name, side in (("BASE", sides.base), ("HEAD", sides.head))
        for warning in load_warnings(side.requests, side.summary.figures, side.run.info.plan.suite.load)
    ]
    return tuple(dict.fromkeys(found))


def _is_known(change: MetricChange) -> bool:
    """Whether either run has a number for it, or a reason to give why not."""
    return bool(change.note) or any(one is not None and one.point is not None for one in (change.base, change.head))


# --- one run, one pair ------------------------------------------------------------------------------------------------


class _Read:
    """A run with what is computed from it once."""

    def __init__(self, run: Run) -> None:
        self.run = run
        self.requests = requests_by_candidate(run)
        self.rounds = round_values(run)
        found = candidate_summaries(run, self.requests, manner_of(run, percentiles=_PERCENTILES))
        self.summaries: dict[str, CandidateSummary] = {one.candidate: one for one in found}
        self.scores = {"facets": facet_scores(run), "critical": critical_scores(run), "rating": rating_scores(run)}
        self.prompts = {prompt.id: prompt for prompt in run.info.plan.suite.prompts}

    def side(self, candidate: str, names: Mapping[str, str], clusters: Mapping[str, str]) -> Side:
        """One candidate of it, its prompts called as `names` says (others left out), in BASE's clusters."""
        scores = {
            name: _renamed(by_candidate.get(candidate, {}), names, clusters)
            for name, by_candidate in self.scores.items()
        }
        requests = self.requests[candidate]
        values = {
            figure: of_figure if figure in _WHOLE_ROUNDS else renamed_values(of_figure, names)
            for figure, of_figure in self.rounds.get(candidate, {}).items()
        }
        texts: dict[str, set[tuple[str, str]]] = {}
        for item in requests.items:
            if item.cell.prompt in names and is_complete(item.sample):
                said = texts.setdefault(names[item.cell.prompt], set())
                said.add((item.sample.text, item.sample.reasoning))
        return Side(self.run, candidate, self.summaries[candidate], requests, values, scores, texts)


def _renamed(scores: ClusteredScores, names: Mapping[str, str], clusters: Mapping[str, str]) -> ClusteredScores:
    found: dict[str, dict[str, Sequence[float]]] = {}
    for prompts in scores.values():
        for prompt, values in prompts.items():
            if prompt in names:
                found.setdefault(clusters[names[prompt]], {})[names[prompt]] = values
    return found


def _open(pair: Pair, sides: tuple[_Read, _Read], renamed: Mapping[str, str], spreads: SpreadOf | None) -> Sides:
    same = {name: name for name in renamed.values()}
    clusters = {prompt.id: cluster_of(prompt) for prompt in sides[0].prompts.values()}
    base = sides[0].side(pair.base.id, same, clusters)
    head = sides[1].side(pair.head.id, renamed, clusters)
    return Sides(base, head, renamed, None if spreads is None else _spread(pair, sides, spreads))


def _spread(pair: Pair, sides: tuple[_Read, _Read], spreads: SpreadOf) -> HostSpread | None:
    """The spread of runs like these; where host or engine differ, the wider of the two, and none if one is unknown."""
    found = [
        spreads(executor.fingerprint, one.engine, one.model, read.run.info.plan.suite.load.concurrency)
        for read, one in zip(sides, (pair.base, pair.head), strict=True)
        for executor in read.run.executors
    ]
    if not found or any(one is None for one in found):
        return None
    return max((one for one in found if one is not None), key=_width)


def _width(spread: HostSpread) -> float:
    between = spread.between("latency.mean")
    return 0.0 if between is None else between.sd_log


def _candidate(pair: Pair, sides: Sides, metrics: tuple[MetricChange, ...]) -> CandidateChange:
    both = sides.base.texts.keys() & sides.head.texts.keys()
    clusters = {cluster for scores in (sides.base.scores["facets"], sides.base.scores["rating"]) for cluster in scores}
    return CandidateChange(
        pair.base.id,
        pair.base.label,
        pair.head.id,
        pair.head.label,
        metrics,
        candidate_facts(sides.base.run, sides.head.run, pair),
        (sides.base.summary.rounds, sides.head.summary.rounds),
        len(both),
        len(clusters),
        len(both),
        sum(sides.base.texts[name] == sides.head.texts[name] for name in both),
        _worse_prompts(sides),
        sides.broken,
        sides.unknown,
    )


def _worse_prompts(sides: Sides) -> tuple[str, ...]:
    """HEAD's prompts whose mean facets went down; ratings where there are no facets."""
    names = {mine: theirs for theirs, mine in sides.renamed.items()}
    for figure in ("facets", "rating"):
        means = [
            {prompt: mean_of(values) for prompts in side.scores[figure].values() for prompt, values in prompts.items()}
            for side in (sides.base, sides.head)
        ]
        if means[0] and means[1]:
            before, after = means
            lower = [name for name in before if name in after and after[name] < before[name] - _LEAST]
            return tuple(names[name] for name in lower)
    return ()
