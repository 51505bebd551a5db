"""What `compare` says of two runs: records, and the metrics that it knows."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Literal

from shortlist.errors import UnknownName
from shortlist.records import Interval, Verdict
from shortlist.stats.paired import BetweenRuns

MARGINS: Mapping[str, float] = {"speed": 0.05, "memory": 0.05, "facets": 0.05, "rating": 0.25}
"""Differences that are too small to matter: shares for speed and memory, of the score for facets and ratings."""

Basis = Literal["rounds", "percentile", "throughput", "memory", "load", "scores", "failures", "kept", "exact", "shown"]


@dataclass(frozen=True, slots=True)
class Metric:
    """What is compared: the figure it shows, what it is tested on, its margin, its words for worse and better."""

    name: str
    figure: str
    basis: Basis
    margin: float
    lower_is_better: bool
    worse: str
    better: str


def _speed(name: str, figure: str, basis: Basis = "rounds", *, is_rate: bool = False) -> Metric:
    better = "faster" if is_rate else "quicker"
    return Metric(name, figure, basis, MARGINS["speed"], not is_rate, "slower", better)


METRICS: Mapping[str, Metric] = {
    one.name: one
    for one in (
        _speed("latency", "latency.mean"),
        _speed("p95", "latency.p95", "percentile"),
        _speed("ttft", "ttft.mean"),
        _speed("tokens_per_s", "tokens_per_s", is_rate=True),
        _speed("throughput", "throughput", "throughput", is_rate=True),
        Metric("memory", "memory.peak", "memory", MARGINS["memory"], True, "larger in memory", "smaller in memory"),
        Metric("load", "load", "load", MARGINS["speed"], True, "slower to load", "quicker to load"),
        Metric("facets", "facets", "scores", MARGINS["facets"], False, "worse in facets", "better in facets"),
        Metric("critical", "critical", "scores", MARGINS["facets"], True, "worse in facets that are critical",
               "better in facets that are critical"),
        Metric("rating", "rating", "scores", MARGINS["rating"], False, "rated worse", "rated better"),
        Metric("errors", "error_rate", "failures", 0.0, True, "failing more", "failing less"),
        Metric("goodput", "goodput.share", "kept", 0.0, False, "keeping its limits less", "keeping its limits more"),
        Metric("footprint", "footprint", "exact", MARGINS["memory"], True, "larger on disk", "smaller on disk"),
        Metric("answer_tokens", "output_tokens", "shown", 0.0, True, "", ""),
    )
}  # fmt: skip


def find_metric(name: str) -> Metric:
    """A metric by its name. Raises UnknownName with the nearest."""
    if name not in METRICS:
        raise UnknownName("metric", name, METRICS)
    return METRICS[name]


@dataclass(frozen=True, slots=True)
class MetricChange:
    """One metric of one candidate, HEAD against BASE.

    `change` is a ratio, or a difference of scores and shares. `verdict` is None where none can be given, and `note`
    says why. `more` counts further `units` of each run until a verdict, None: no reasonable number. `p_no_worse` is
    the p value of "not worse by more than the margin", None where that was not tested. p values are Holm's, over
    everything that was judged. `is_exact`: no sampling error, nothing to adjust.
    """

    metric: str
    figure: str
    base: Interval | None
    head: Interval | None
    change: Interval | None
    verdict: Verdict | None
    margin: float
    lower_is_better: bool
    p_different: float | None = None
    p_equivalent: float | None = None
    p_no_worse: float | None = None
    more: int | None = None
    detectable: float | None = None
    units: Literal["rounds", "clusters"] = "rounds"
    is_exact: bool = False
    note: str = ""

    @property
    def words(self) -> str:
        """`slower`, `larger in memory`: what a verdict of better or worse means here."""
        metric = METRICS[self.metric]
        return metric.better if self.verdict == "better" else metric.worse


@dataclass(frozen=True, slots=True)
class Fact:
    """Something that differs between the runs and is no measurement."""

    what: str
    base: str
    head: str


@dataclass(frozen=True, slots=True)
class Mismatch:
    """Something that must be the same before numbers are compared; `group` is what --allow takes."""

    group: str
    what: str
    base: str
    head: str

    @property
    def text(self) -> str:
        """`parameters: seed: 1 in BASE, 2 in HEAD`."""
        what = "" if self.what == self.group else f"{self.what}: "
        return f"{self.group}: {what}{self.base} in BASE, {self.head} in HEAD"


@dataclass(frozen=True, slots=True)
class CandidateChange:
    """A candidate of BASE and what became of it in HEAD.

    `prompts` are compared; `same_answers` of `answers` prompts were answered word for word as before, in every round;
    `worse_prompts` (ids in HEAD) lost facets or rating. `broken` says why HEAD has no number where BASE has, `unknown`
    why BASE has none.
    """

    base: str
    base_label: str
    head: str
    head_label: str
    metrics: tuple[MetricChange, ...]
    facts: tuple[Fact, ...] = ()
    rounds: tuple[int, int] = (0, 0)
    prompts: int = 0
    clusters: int = 0
    answers: int = 0
    same_answers: int = 0
    worse_prompts: tuple[str, ...] = ()
    broken: str = ""
    unknown: str = ""

    @property
    def label(self) -> str:
        """One name for both: `small`, or `small@q8_0 → small@q4_0`."""
        same = self.base_label == self.head_label
        return self.base_label if same else f"{self.base_label} → {self.head_label}"


@dataclass(frozen=True, slots=True)
class RunName:
    """A run that is compared. `shown` is its name, or its short id; unlike the other's.

    `is_stored`: commands reach it. `can_grow`: `bench --resume` does, for no other tool measured it.
    """

    id: str
    name: str | None
    shown: str
    started_at: str
    rounds: int
    is_stored: bool = True
    can_grow: bool = True

    @property
    def short_id(self) -> str:
        """The last eight hex digits of the id."""
        return self.id[-8:]


@dataclass(frozen=True, slots=True)
class RunComparison:
    """HEAD against BASE. `judged` metrics share the error level `alpha`.

    `spreads`: how far runs of each pair lie apart in latency on this host, None where nobody measured it. `only_base`
    and `only_head` are labels of candidates that the other run lacks.
    """

    base: RunName
    head: RunName
    candidates: tuple[CandidateChange, ...]
    alpha: float
    judged: int
    looks: int = 1
    only_base: tuple[str, ...] = ()
    only_head: tuple[str, ...] = ()
    allowed: tuple[Mismatch, ...] = ()
    facts: tuple[Fact, ...] = ()
    spreads: tuple[BetweenRuns | None, ...] = ()
    warnings: tuple[str, ...] = ()

    @property
    def changes(self) -> tuple[tuple[CandidateChange, MetricChange], ...]:
        """Every metric with its candidate."""
        return tuple((candidate, one) for candidate in self.candidates for one in candidate.metrics)


GateVerdict = Literal["pass", "fail", "cannot tell"]


@dataclass(frozen=True, slots=True)
class GateReason:
    """Why a gate does not pass; `metric` is None where it is the whole candidate."""

    candidate: str
    metric: str | None
    verdict: GateVerdict
    text: str


@dataclass(frozen=True, slots=True)
class Gate:
    """Whether HEAD may replace BASE, and why not: what fails, and what cannot be told."""

    verdict: GateVerdict
    is_strict: bool
    reasons: tuple[GateReason, ...] = ()
