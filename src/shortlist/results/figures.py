"""What a report says about a run: numbers with their intervals, computed once and printed by anyone.

Durations are nanoseconds (unit `ns`), sizes bytes, rates per second. An interval without a point says in its note why.
"""

from collections.abc import Mapping
from dataclasses import dataclass, field

from shortlist.records import (
    CandidateStatus,
    Generation,
    Interval,
    Json,
    LoadShape,
    MeasuringError,
    RunState,
    SampleError,
    SampleStatus,
    Verdict,
)
from shortlist.results.one_model import SameModel
from shortlist.results.repeatability import Repeatability


@dataclass(frozen=True, slots=True)
class CandidateSummary:
    """One candidate. `figures` by name: `latency.mean`, `latency.p95`, `throughput`, `memory.peak`, … (see `FIGURES`).

    `n` counts accepted requests, of which `failed` did not complete. `sample` is the last complete answer. `disturbed`
    of them stayed disturbed, by these `causes`, and count; `undisturbed` are the speed figures without them, none
    where nothing or everything was disturbed. `options`: what its engine was told beside the defaults.
    """

    candidate: str
    label: str
    model: str
    engine: str
    quantisation: str | None
    status: CandidateStatus
    reason: str | None
    n: int
    planned: int
    rounds: int
    failed: int
    figures: Mapping[str, Interval]
    token_basis: tuple[str, ...] = ()
    cached_tokens: int | None = None
    disturbed: int = 0
    sample: str | None = None
    causes: tuple[str, ...] = ()
    undisturbed: Mapping[str, Interval] = field(default_factory=dict)
    options: tuple[str, ...] = ()


DETERMINISTIC = "deterministic"
"""The stamp of a run that pinned all that is known to move answers."""

FIGURES: Mapping[str, str] = {
    "latency.mean": "mean latency, from due to the last content",
    "latency.p50": "median latency",
    "latency.p95": "95th percentile of latency",
    "latency.p99": "99th percentile of latency",
    "latency.max": "longest latency seen",
    "ttft.mean": "mean time to first content, from due",
    "ttft.p50": "median time to first content",
    "ttft.p95": "95th percentile of the time to first content",
    "ttft.service": "mean time to first content, from sent: less what the client waited",
    "ttft.text": "mean time to the first text of the answer, after its reasoning",
    "tokens_per_s": "completion tokens over latency, mean of requests",
    "characters_per_s": "characters over latency, mean of requests",
    "throughput": "all completion tokens over the time with a request in flight",
    "goodput": "requests per second that kept the stated limits",
    "goodput.share": "requests that kept the stated limits",
    "reached.concurrency": "requests in flight on average, until the last one was sent (closed loop)",
    "reached.rate": "requests sent per second (open loop)",
    "reached.completed": "replies completed per second: over the block (closed), from the first end to the last (open)",
    "backlog": "arrivals that piled up: 0 where the number in flight settles (open loop)",
    "late.p99": "99th percentile of the client's own delay, from due to sent",
    "total_tokens_per_s": "the workshop's figure: prompt and completion tokens over latency",
    "prefill_tokens_per_s": "prompt tokens read over the time from sent to the first content",
    "decode_tokens_per_s": "output tokens after the first chunk over the time that they took",
    "roofline_tokens_per_s": "tokens/s that read bandwidth allows: bandwidth over the bytes of a step",
    "mbu": "share of the read bandwidth that decoding uses",
    "tpot": "time per output token after the first chunk",
    "gap.p50": "median gap between chunks",
    "gap.p99": "99th percentile of the gaps between chunks",
    "load.warm": "time to load, file in the page cache",
    "load.cold": "time to load, page cache dropped",
    "memory.loaded": "resident memory, loaded and idle",
    "memory.peak": "peak resident memory",
    "memory.peak.anonymous": "anonymous memory at the end of a block, beside the peak",
    "memory.peak.file": "file-backed memory at the end of a block, beside the peak",
    "memory.vram": "peak memory of the GPU",
    "footprint": "bytes on disk",
    "energy.requests": "energy above idle, per 1000 requests",
    "energy.tokens": "energy above idle, per 1000 output tokens",
    "energy.gross.requests": "the host's whole energy, per 1000 requests",
    "energy.gross.tokens": "the host's whole energy, per 1000 output tokens",
    "power.work": "mean draw while requests ran",
    "power.idle": "draw with no engine loaded",
    "cost.requests": "energy and machine time at the prices set, per 1000 requests",
    "cost.tokens": "energy and machine time at the prices set, per 1000 output tokens",
    "output_tokens": "tokens of an answer",
    "output_characters": "characters of an answer",
    "length_share": "answers cut at the token limit",
    "error_rate": "requests that failed",
    "facets": "facets passed, 0 with a failed critical one; mean of clusters",
    "critical": "answers that failed a critical facet",
    "rating": "ratings by hand, 1 to 5, raters centred; mean of clusters",
}
"""Every figure and what it means; a candidate has those that its run can give."""


_SPEEDS = frozenset(
    [
        "latency",
        "ttft",
        "tpot",
        "gap",
        "throughput",
        "tokens_per_s",
        "characters_per_s",
        "total_tokens_per_s",
        "prefill_tokens_per_s",
        "decode_tokens_per_s",
        "mbu",
        "goodput",
        "reached",
        "backlog",
        "late",
        "load",
        "energy",
        "power",
        "cost",
    ]
)


def is_speed(figure: str) -> bool:
    """Whether a busy host moves this figure: whatever is a time, or over one."""
    return figure.partition(".")[0] in _SPEEDS


@dataclass(frozen=True, slots=True)
class Disturbance:
    """What disturbed a run. `is_watched`: somebody looked; `hidden` is what could not be seen in any block.

    Disturbed requests were `measured_again` in their block or `stayed` so and count; blocks with many were run again
    whole. `places`: where engines ran (`ours`, `this host`, `elsewhere`).
    """

    is_watched: bool
    measured_again: int = 0
    stayed: int = 0
    blocks_again: int = 0
    causes: tuple[str, ...] = ()
    hidden: tuple[str, ...] = ()
    places: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class Outlier:
    """A request far from the others of its prompt: named, never removed."""

    round: int
    repeat: int
    latency_ns: int
    score: float


@dataclass(frozen=True, slots=True)
class PromptFigure:
    """One prompt on one candidate over all rounds; None where no request completed."""

    candidate: str
    n: int
    failed: int
    median_ns: float | None
    max_ns: int | None
    outliers: tuple[Outlier, ...] = ()


@dataclass(frozen=True, slots=True)
class Answer:
    """What a candidate answered in its last round: strangers' text. `changed` over the rounds; None: seen once."""

    candidate: str
    round: int
    status: SampleStatus
    text: str
    reasoning: str
    tokens: int | None
    finish_reason: str | None
    changed: bool | None
    error: SampleError | None = None


@dataclass(frozen=True, slots=True)
class PromptSummary:
    """One prompt: what was asked, how long it took and what came."""

    prompt: str
    asked: str
    figures: tuple[PromptFigure, ...]
    answers: tuple[Answer, ...]


@dataclass(frozen=True, slots=True)
class SpeedComparison:
    """One candidate against the fastest, on one figure. `ratio` is candidate ÷ fastest.

    `verdict` is None where nothing can be said, and `note` says why. `more_rounds` counts those that would tell them
    apart or show them equivalent; None: beyond reason. p values are Holm's, over all candidates of the run.
    """

    figure: str
    candidate: str
    against: str
    verdict: Verdict | None
    ratio: Interval | None
    margin: float
    p_different: float | None = None
    p_equivalent: float | None = None
    more_rounds: int | None = None
    note: str = ""


@dataclass(frozen=True, slots=True)
class PromptQualityFigure:
    """One candidate on one prompt, over all its answers. `failed`: facet → in how many of the `n` answers it failed."""

    candidate: str
    n: int
    facets: float | None
    has_critical_failure: bool
    failed: Mapping[str, int] = field(default_factory=dict)
    rating: float | None = None


@dataclass(frozen=True, slots=True)
class PromptQuality:
    """One prompt's quality. `nulls`: the facet score of the empty answer and of the echo; none without facets."""

    prompt: str
    cluster: str
    figures: tuple[PromptQualityFigure, ...]
    nulls: Mapping[str, float] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class PairFigure:
    """Pairs of prompts with the same expected answer: how many a candidate has both right, one only, neither.

    Right is every facet passed in every answer. `share` is both right of all pairs; `differing` are those with one.
    """

    candidate: str
    both: int
    one: int
    neither: int
    share: Interval
    differing: tuple[tuple[str, str], ...] = ()


@dataclass(frozen=True, slots=True)
class QualitySummary:
    """Quality prompt by prompt; `nulls`: the facets of an empty answer (`empty`) and of the prompt itself (`echo`)."""

    prompts: tuple[PromptQuality, ...]
    nulls: Mapping[str, Interval]
    pairs: tuple[PairFigure, ...] = ()
    raters: tuple[str, ...] = ()
    clusters: int = 0


@dataclass(frozen=True, slots=True)
class RunSummary:
    """A run, summarised. `round_ns` is how long one more round of every candidate takes; None: unknown.

    `goodput` holds the limits that good requests keep, `pins` the digests of a deterministic run. `one_model`:
    candidates of the same files, and whether they answered alike.
    `measuring_error` is what the self-test found on the run's host; None: not known. It is not in the intervals here.
    """

    run: str
    name: str | None
    started_at: str
    state: RunState
    rounds: int
    prompts: tuple[PromptSummary, ...]
    candidates: tuple[CandidateSummary, ...]
    comparisons: tuple[SpeedComparison, ...]
    load: LoadShape
    generation: Generation
    level: float
    looks: int
    flags: tuple[str, ...] = ()
    hosts: tuple[Json, ...] = ()
    versions: Mapping[str, str] = field(default_factory=dict)
    engines: tuple[str, ...] = ()
    stamps: tuple[str, ...] = ()
    round_ns: int | None = None
    warnings: tuple[str, ...] = ()
    quality: QualitySummary | None = None
    goodput: tuple[str, ...] = ()
    repeatability: tuple[Repeatability, ...] = ()
    pins: Mapping[str, str] = field(default_factory=dict)
    disturbance: Disturbance | None = None
    race: str | None = None
    measuring_error: MeasuringError | None = None
    one_model: tuple[SameModel, ...] = ()

    @property
    def short_id(self) -> str:
        """The last eight hex digits of the run's id."""
        return self.run[-8:]

    def label_of(self, candidate: str) -> str:
        """A candidate's label; its id where the run does not know it."""
        return next((c.label for c in self.candidates if c.candidate == candidate), candidate)
