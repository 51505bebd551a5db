"""A sweep as a report tells it: every candidate at every value of the load that was swept."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field

from shortlist.records import CandidateStatus, Interval, LoadShape, MeasuringError, Run, SweptOver
from shortlist.results.figures import RunSummary
from shortlist.results.reached import is_growing
from shortlist.results.summary import summarise


@dataclass(frozen=True, slots=True)
class SweepPoint:
    """One candidate at one value. `is_growing`: its backlog grew, so that latency has no upper end."""

    value: float
    run: str
    status: CandidateStatus
    n: int
    failed: int
    figures: Mapping[str, Interval]
    is_growing: bool = False


@dataclass(frozen=True, slots=True)
class SweepCurve:
    """One candidate over the values that were measured, in their order."""

    candidate: str
    label: str
    points: tuple[SweepPoint, ...]


@dataclass(frozen=True, slots=True)
class SweepSummary:
    """A sweep, summarised. `decisions`: value → what its needs came to; `runs`: the names of the runs.

    `measuring_errors`: what the self-test found for each of `runs`, None where nobody knows.
    """

    sweep: str
    name: str
    over: SweptOver
    values: tuple[float, ...]
    curves: tuple[SweepCurve, ...]
    runs: tuple[str, ...]
    started_at: str
    prompts: int
    rounds: int
    repeats: int
    level: float
    host: str
    goodput: tuple[str, ...] = ()
    warnings: tuple[str, ...] = ()
    decisions: Mapping[str, str] = field(default_factory=dict)
    measuring_errors: tuple[MeasuringError | None, ...] = ()

    @property
    def axis(self) -> str:
        """What was swept, in words."""
        return "requests in flight" if self.over == "concurrency" else "requests/s asked"


def value_of(load: LoadShape) -> float:
    """The number of a load shape that a sweep varies."""
    return float(load.concurrency) if load.rate_per_s is None else load.rate_per_s


def summarise_sweep(runs: Sequence[Run], decisions: Mapping[str, str] | None = None) -> SweepSummary:
    """The runs of one sweep, by their values. Raises ValueError for a run that is in none."""
    summaries = [summarise(run) for run in runs]
    sweep, first = runs[0].info.sweep, summaries[0]
    if sweep is None:
        raise ValueError(f"run {runs[0].info.short_id} is in no sweep")
    labels = {one.candidate: one.label for summary in summaries for one in summary.candidates}
    warnings = [
        f"{sweep.over} {value_of(run.info.plan.suite.load):g}: {text}"
        for run, summary in zip(runs, summaries, strict=True)
        for text in summary.warnings
    ]
    return SweepSummary(
        sweep=sweep.id,
        name=sweep.name,
        over=sweep.over,
        values=sweep.values,
        curves=tuple(SweepCurve(one, label, _points(one, summaries)) for one, label in labels.items()),
        runs=tuple(run.info.name or run.info.short_id for run in runs),
        started_at=min(run.info.started_at for run in runs),
        prompts=len(first.prompts),
        rounds=first.rounds,
        repeats=runs[0].info.plan.suite.repeats,
        level=first.level,
        host=next((str(host.get("line", "")) for host in first.hosts), ""),
        goodput=first.goodput,
        warnings=tuple(warnings),
        decisions=decisions or {},
        measuring_errors=tuple(summary.measuring_error for summary in summaries),
    )


def _points(candidate: str, summaries: Sequence[RunSummary]) -> tuple[SweepPoint, ...]:
    return tuple(
        SweepPoint(
            value_of(summary.load),
            summary.short_id,
            one.status,
            one.n,
            one.failed,
            one.figures,
            is_growing(one.figures),
        )
        for summary in summaries
        for one in summary.candidates
        if one.candidate == candidate
    )
