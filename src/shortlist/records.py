"""The nouns: frozen, slotted records and their JSON.

Stamps (`*_ns`) are nanoseconds on the run's axis (`clock.RunAxis`), durations too. `None` is "not measured"; zero is
zero.
Everything stored carries `SCHEMA_VERSION`. Ids of things that happen are UUIDv7; ids of things that are planned are
hashes of their content, so that the same plan has the same ids on every host.
"""

import hashlib
import os
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, Literal, TypeVar

import msgspec

SCHEMA_VERSION = 1

T = TypeVar("T")

Json = dict[str, Any]
"""A JSON object of somebody else's shape, kept as it came."""


# --- JSON -----------------------------------------------------------------------------------------------------------


def to_json(value: object) -> bytes:
    """Any record, or a container of them, as JSON; the same value gives the same bytes."""
    return msgspec.json.encode(value, order="deterministic", enc_hook=_plain)


def to_builtins(value: object) -> Any:
    """Any record as dicts and lists, keys in the order of the fields."""
    return msgspec.to_builtins(value, enc_hook=_plain)


def _plain(value: object) -> object:
    """A sequence of another kind (chunks that stay packed in a store's bytes) as the tuple that it stands for."""
    if isinstance(value, Sequence):
        return tuple(value)
    raise NotImplementedError(f"{type(value).__name__} is no record")


def from_json(data: bytes | str, kind: type[T]) -> T:
    """JSON back as a record. Raises msgspec.ValidationError or msgspec.DecodeError, which name the place."""
    return msgspec.json.decode(data, type=kind)


def from_builtins(value: object, kind: type[T]) -> T:
    """Dicts and lists back as a record. Raises msgspec.ValidationError, which names the place."""
    return msgspec.convert(value, type=kind)


def content_id(value: object) -> str:
    """Sixteen hex digits over a value's JSON: equal content, equal id."""
    return hashlib.sha256(to_json(value)).hexdigest()[:16]


def text_sha256(text: str) -> str:
    """Digest of a text's UTF-8; a lone surrogate is kept, not refused."""
    return hashlib.sha256(text.encode("utf-8", "surrogatepass")).hexdigest()


def uuid7(wall_ns: int) -> str:
    """A UUIDv7 (RFC 9562): sorts by the given wall time, 74 random bits."""
    random = int.from_bytes(os.urandom(10))
    value = (
        (wall_ns // 10**6 & (1 << 48) - 1) << 80
        | 7 << 76
        | (random >> 68 & 0xFFF) << 64
        | 2 << 62
        | random & (1 << 62) - 1
    )
    text = f"{value:032x}"
    return "-".join((text[:8], text[8:12], text[12:16], text[16:20], text[20:]))


# --- models ---------------------------------------------------------------------------------------------------------

Format = Literal["gguf", "onnx", "adapter", "endpoint"]


@dataclass(frozen=True, slots=True)
class ModelFile:
    """One file of a variant; `path` is relative, never a place on a host. None: nobody has told us."""

    path: str
    size_bytes: int | None
    sha256: str | None = None


@dataclass(frozen=True, slots=True)
class Variant:
    """One artefact of a model. `folder` is for what is a folder of a repository and not a list of files (ONNX).

    `revision` is a commit of the repository, None until one was seen; `source` says where all of this was read.
    """

    format: Format
    quantisation: str | None = None
    files: tuple[ModelFile, ...] = ()
    repository: str | None = None
    folder: str | None = None
    revision: str | None = None
    source: str | None = None

    @property
    def size_bytes(self) -> int | None:
        """Bytes on disk; None where there is no file (an endpoint), or one whose size is not known."""
        sizes = [f.size_bytes for f in self.files if f.size_bytes is not None]
        return sum(sizes) if sizes and len(sizes) == len(self.files) else None


@dataclass(frozen=True, slots=True)
class Architecture:
    """What memory is predicted from: a decoder's shape. Sizes are counts of elements, `context` is in tokens.

    `window`: tokens that a sliding-window layer looks back; `windowed_layers`: how many of the layers are such.
    `merges`: rules of a byte-pair tokenizer, 0 for one of another kind.
    """

    layers: int
    width: int
    feed_forward: int
    heads: int
    kv_heads: int
    head_size: int
    vocabulary: int
    window: int | None = None
    windowed_layers: int = 0
    merges: int | None = None


@dataclass(frozen=True, slots=True)
class BaseModel:
    """A model that another was made from, and its licence, which binds the child too."""

    name: str
    licence: str | None = None
    source: str | None = None


@dataclass(frozen=True, slots=True)
class ModelCard:
    """What is known of a model; `sources` says where each fact comes from.

    `names`: what else it is called. `bases`: from the nearest parent (`base_model`) to the first ancestor.
    """

    alias: str
    family: str | None = None
    base_model: str | None = None
    capabilities: tuple[str, ...] = ()
    context_length: int | None = None
    parameters: int | None = None
    licence: str | None = None
    languages: tuple[str, ...] = ()
    description: str = ""
    variants: tuple[Variant, ...] = ()
    sources: Mapping[str, str] = field(default_factory=dict)
    extra: Json = field(default_factory=dict)
    names: tuple[str, ...] = ()
    repository: str | None = None
    is_gated: bool | None = None
    bases: tuple[BaseModel, ...] = ()
    architecture: Architecture | None = None
    schema_version: int = SCHEMA_VERSION


@dataclass(frozen=True, slots=True)
class EngineOptions:
    """How an engine opens a variant. `None` leaves the engine's default; a context is tokens per request."""

    device: Literal["auto", "cpu", "gpu"] = "auto"
    threads: int | None = None
    context: int | None = None
    kv_type: str | None = None
    gpu_layers: int | None = None
    prefix_cache: bool = False
    extra: Mapping[str, str] = field(default_factory=dict)

    @property
    def given(self) -> Mapping[str, object]:
        """What differs from an engine's defaults, by name; the extra options under their own."""
        plain = {
            "device": None if self.device == "auto" else self.device,
            "threads": self.threads,
            "context": self.context,
            "kv_type": self.kv_type,
            "gpu_layers": self.gpu_layers,
            "prefix_cache": "on" if self.prefix_cache else None,
            **dict(sorted(self.extra.items())),
        }
        return {name: value for name, value in plain.items() if value is not None}

    @property
    def told(self) -> tuple[str, ...]:
        """The same as people read and type it: `threads=2`, `speculation=ngram`."""
        return tuple(f"{name}={value}" for name, value in self.given.items())


@dataclass(frozen=True, slots=True)
class Candidate:
    """What is compared. The id is over content (digests, engine, options), not over label or place."""

    id: str
    label: str
    model: str
    engine: str
    variant: Variant
    options: EngineOptions = field(default_factory=EngineOptions)
    card: ModelCard | None = None


def make_candidate(
    label: str, model: str, engine: str, variant: Variant, options: EngineOptions, card: ModelCard | None = None
) -> Candidate:
    """A candidate with its content id: two files of one digest are one candidate, whatever they are called."""
    content = [f.sha256 or [f.path, f.size_bytes] for f in variant.files] or model
    return Candidate(
        content_id([variant.format, content, engine, options]), label, model, engine, variant, options, card
    )


@dataclass(frozen=True, slots=True)
class Endpoint:
    """A base URL that speaks OpenAI's API, and who stands behind it. Keys are never here.

    `capabilities` are what it honours: `chat`, `completions`, `embeddings`, `stream`, `usage`, `stop`, `seed`,
    `logprobs`, `json_object`, `json_schema`, `tools`, `penalties`, `top_k` ...; the service refuses a parameter that
    needs another. `tools_by_template`: where the model's template has them. `passes_on`: whoever runs it judges that.
    """

    base_url: str
    model: str
    pid: int | None
    engine: str
    engine_version: str | None
    device: str | None
    capabilities: tuple[str, ...] = ()


# --- the plan -------------------------------------------------------------------------------------------------------

FacetKind = Literal["must_include", "must_not_include", "max_words", "json_schema"]


@dataclass(frozen=True, slots=True)
class Facet:
    """One thing an answer must show; which of the fields counts is given by `kind`."""

    id: str
    kind: FacetKind
    any_of: tuple[str, ...] = ()
    regex: str | None = None
    value: int | None = None
    schema: Json | None = None
    critical: bool = False


@dataclass(frozen=True, slots=True)
class Message:
    """One turn of a chat."""

    role: str
    content: str


@dataclass(frozen=True, slots=True)
class Prompt:
    """One prompt, by value. `source` is the text that the answer is about, shown beside it."""

    id: str
    messages: tuple[Message, ...]
    cluster: str | None = None
    tags: tuple[str, ...] = ()
    source: str | None = None
    pair_with: str | None = None
    facets: tuple[Facet, ...] = ()
    references: tuple[str, ...] = ()
    rubric: Mapping[str, Mapping[str, str]] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class Generation:
    """What is asked of a model in every request. `fixed_tokens` ignores the end token: pure speed."""

    max_tokens: int = 150
    temperature: float = 0.0
    seed: int = 0
    stream: bool = True
    fixed_tokens: int | None = None


@dataclass(frozen=True, slots=True)
class LoadShape:
    """How requests arrive: `closed` keeps `concurrency` in flight, `open` follows a rate and its due times.

    In an open loop `concurrency` is how many slots an engine of ours opens, and how many warm-ups are in flight; what
    comes beyond waits in the engine's queue.
    """

    kind: Literal["closed", "open"] = "closed"
    concurrency: int = 1
    rate_per_s: float | None = None
    arrivals: Literal["constant", "poisson"] | None = None


@dataclass(frozen=True, slots=True)
class Suite:
    """What every candidate is asked, how often and in which shape.

    A block asks each prompt `repeats` times. `goodput` holds the limits that a good request keeps (`ttft<500ms`).
    """

    prompts: tuple[Prompt, ...]
    generation: Generation = field(default_factory=Generation)
    load: LoadShape = field(default_factory=LoadShape)
    rounds: int = 5
    warmup: int = 1
    timeout_ns: int = 120 * 10**9
    order_seed: int = 0
    is_resident: bool = False
    repeats: int = 1
    goodput: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class Cell:
    """One request that the plan wants; the id is a hash of the rest and holds nothing of the host."""

    id: str
    candidate: str
    prompt: str
    round: int
    repeat: int = 0
    due_offset_ns: int | None = None


@dataclass(frozen=True, slots=True)
class PlannedBlock:
    """Candidate × round: the cells of one engine process, in their order."""

    candidate: str
    round: int
    cells: tuple[Cell, ...]


@dataclass(frozen=True, slots=True)
class Look:
    """The plan was laid, or extended. Each extension came after numbers were seen and costs error level: it counts."""

    at: str
    rounds: int
    prompts: int
    first_round: int = 1


@dataclass(frozen=True, slots=True)
class Race:
    """Looks that were planned before the start: after which rounds, which share of the error each has, and by what.

    `needs` are expressions; `prefer` is an order of names, or `weights` holds (weight, worst, best) by name.
    """

    after: tuple[int, ...]
    shares: tuple[float, ...]
    needs: tuple[str, ...] = ()
    prefer: tuple[str, ...] = ()
    weights: Mapping[str, tuple[float, float, float]] = field(default_factory=dict)
    margins: Mapping[str, float] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class TakenLook:
    """What a race's look came to: who is measured on (`open_`), who waits, who is out and why, by candidate.

    `number` counts from 1. Nobody open: the race is over.
    """

    number: int
    after: int
    verdict: str
    pick: str | None
    open_: tuple[str, ...] = ()
    waiting: Mapping[str, str] = field(default_factory=dict)
    out: Mapping[str, str] = field(default_factory=dict)

    @property
    def is_over(self) -> bool:
        """Whether nothing more is measured."""
        return not self.open_


@dataclass(frozen=True, slots=True)
class Plan:
    """Suite × candidates as data: prompts by value, models by digest, no paths. Blocks stand in the order they run.

    In a `race` a block may be left out, or run later than its place says.
    """

    suite: Suite
    candidates: tuple[Candidate, ...]
    blocks: tuple[PlannedBlock, ...]
    looks: tuple[Look, ...] = ()
    race: Race | None = None

    @property
    def cells(self) -> tuple[Cell, ...]:
        """Every cell, in the order of sending."""
        return tuple(cell for block in self.blocks for cell in block.cells)


# --- what was measured ----------------------------------------------------------------------------------------------

ChunkKind = Literal["text", "reasoning", "tool", "role", "usage", "other"]
CONTENT: frozenset[ChunkKind] = frozenset(("text", "reasoning", "tool"))
SampleStatus = Literal["ok", "empty", "failed", "timeout", "partial"]
Phase = Literal["warmup", "measure", "memory"]
TokenBasis = Literal["usage", "tokenizer", "chunks"]


@dataclass(frozen=True, slots=True)
class Chunk:
    """One event of a stream as it arrived. `lag_ns`: how much later than the kernel we had it; None: unknown."""

    ns: int
    bytes: int
    kind: ChunkKind
    lag_ns: int | None = None

    @property
    def is_content(self) -> bool:
        """Text, reasoning or a tool call: what a first token may be."""
        return self.kind in CONTENT


@dataclass(frozen=True, slots=True)
class Usage:
    """Tokens as the endpoint counts them."""

    prompt_tokens: int | None = None
    completion_tokens: int | None = None


@dataclass(frozen=True, slots=True)
class SampleError:
    """Why a request failed: the error's class name and its message."""

    type: str
    message: str


RESENT = "resent"
"""Stands in `Sample.disturbance` where the request was sent twice, since its connection had been closed meanwhile."""

CLOCK_STEP = "the wall clock was set"
"""Stands there where the wall clock was set while the request ran: the kernel's stamps are made with it."""


@dataclass(frozen=True, slots=True)
class Sample:
    """One request as measured. `cell` is None in a warm-up; `seq` counts the samples of a block attempt.

    `disturbance` names what disturbed it from outside (`causes`), and holds RESENT where it was sent twice.
    """

    id: str
    cell: str | None
    block: str
    executor: str
    phase: Phase
    status: SampleStatus
    seq: int
    due_ns: int
    sent_ns: int | None = None
    headers_ns: int | None = None
    end_ns: int | None = None
    chunks: tuple[Chunk, ...] = ()
    usage: Usage | None = None
    cached_tokens: int | None = None
    token_basis: TokenBasis | None = None
    finish_reason: str | None = None
    text: str = ""
    reasoning: str = ""
    text_sha256: str | None = None
    error: SampleError | None = None
    disturbance: tuple[str, ...] = ()
    prompt: str | None = None
    is_accepted: bool = False

    @property
    def causes(self) -> tuple[str, ...]:
        """What disturbed it; empty for a request that was measured in peace."""
        return tuple(one for one in self.disturbance if one != RESENT)


@dataclass(frozen=True, slots=True)
class MemoryPoint:
    """Resident memory of an engine's process tree. `basis` says how it was read (VmHWM, PSS, rss …)."""

    block: str
    ns: int
    phase: Literal["loaded", "peak", "sample"]
    anonymous_bytes: int | None
    file_bytes: int | None
    total_bytes: int
    basis: str
    vram_bytes: int | None = None


@dataclass(frozen=True, slots=True)
class ErrorFigures:
    """The client's values less the true ones, over `n` of them.

    `bias_ns` is their mean, `sd_ns` their standard deviation; 95 and 99 % of them lie within ± `p95_ns` and `p99_ns`.
    """

    n: int
    bias_ns: int
    sd_ns: int
    p95_ns: int
    p99_ns: int


@dataclass(frozen=True, slots=True)
class MeasuringError:
    """What a self-test found of this host's client at so many streams, against a server that logs its every write.

    `ttft`, `gap` and `e2e` are our stamps less its log. `sending` is no error: from due until the server had read the
    request, which TTFT and latency contain. `lag_p99_ns`: how much later than the kernel the client had a chunk; None
    where the kernel gives no stamp. `late_p99_ns`: how far the server itself was behind its schedule, which the errors
    do not contain. `failed` requests are left out. `stamps`: where the client's stamps were taken.
    """

    streams: int
    requests: int
    chunks: int
    failed: int
    ttft: ErrorFigures
    gap: ErrorFigures
    e2e: ErrorFigures
    sending: ErrorFigures
    late_p99_ns: int
    stamps: str
    at: str
    boot_id: str
    lag_p99_ns: int | None = None
    schema_version: int = SCHEMA_VERSION

    @property
    def error_ns(self) -> int:
        """How far a duration may be off: 95 % of first tokens and of whole replies are off by no more.

        What lies beyond is rare and random: it is in the spread over rounds already.
        """
        return max(self.ttft.p95_ns, self.e2e.p95_ns)

    @property
    def tail_ns(self) -> int:
        """The same for 99 %: what a 99th percentile may be off by."""
        return max(self.ttft.p99_ns, self.e2e.p99_ns)


BlockState = Literal["running", "done", "cut", "failed"]


@dataclass(frozen=True, slots=True)
class Block:
    """One attempt at a planned block: one engine process. `load` is cold only after the page cache was dropped."""

    id: str
    candidate: str
    round: int
    attempt: int
    state: BlockState
    executor: str
    started_ns: int
    ended_ns: int | None = None
    load_ns: int | None = None
    load: Literal["cold", "warm"] | None = None
    endpoint: Endpoint | None = None
    error: SampleError | None = None


@dataclass(frozen=True, slots=True)
class Event:
    """Something worth knowing later: a warning, a resume. May arrive twice: (executor, sequence) is its key."""

    executor: str
    sequence: int
    ns: int
    kind: str
    block: str | None = None
    data: Json = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class Executor:
    """A process that ran blocks: which host, which boot, which clock, which versions."""

    id: str
    fingerprint: str
    boot_id: str
    clock_source: str
    host: Json
    versions: Mapping[str, str]


CandidateStatus = Literal["ok", "failed", "skipped", "partial"]


@dataclass(frozen=True, slots=True)
class CandidateResult:
    """How a candidate fared, with the reason where it is not `ok`."""

    candidate: str
    label: str
    status: CandidateStatus
    reason: str | None = None


SweptOver = Literal["concurrency", "rate"]


@dataclass(frozen=True, slots=True)
class Sweep:
    """Runs that differ in one number of their load alone; they share `id`, and are run round by round side by side."""

    id: str
    name: str
    over: SweptOver
    values: tuple[float, ...]


RunState = Literal["running", "done", "interrupted", "failed"]


@dataclass(frozen=True, slots=True)
class RunInfo:
    """The manifest: everything of a run but its samples. `flags` are stamps such as `resident` or `allow-shared`.

    `pins` are the digests of a deterministic run. `sweep`: the sweep that this run is one value of.
    """

    id: str
    name: str | None
    started_at: str
    state: RunState
    plan: Plan
    flags: tuple[str, ...] = ()
    skipped: tuple[CandidateResult, ...] = ()
    schema_version: int = SCHEMA_VERSION
    pins: Mapping[str, str] = field(default_factory=dict)
    sweep: Sweep | None = None

    @property
    def short_id(self) -> str:
        """The last eight hex digits: UUIDv7 begins with time, so its end is what tells runs apart."""
        return self.id[-8:]


@dataclass(frozen=True, slots=True)
class Score:
    """One scorer's verdict on one output. `value` 0–1 for facets, 1–5 for ratings."""

    sample: str
    scorer: str
    value: float
    parts: Json = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class Annotation:
    """One rating by a person (or a second model), keyed by the output's hash (`quality.outputs.output_key`).

    `repeat` counts how often the rater had seen the output before: 0 is the rating, later ones show how steady it is.
    """

    output_sha256: str
    rater: str
    dimension: str
    value: int
    note: str = ""
    repeat: int = 0


# --- what is concluded ----------------------------------------------------------------------------------------------


@dataclass(frozen=True, slots=True)
class Interval:
    """Every printed number. Both ends None: no interval, `note` says why; one end None: open on that side."""

    point: float | None
    low: float | None
    high: float | None
    level: float
    method: str
    n: int
    unit: str
    basis: str = ""
    note: str = ""

    @property
    def half_width(self) -> float | None:
        """Half the interval's width; None where an end is missing."""
        return None if self.low is None or self.high is None else (self.high - self.low) / 2


Verdict = Literal["better", "equivalent", "worse", "not told apart"]
NeedVerdict = Literal["pass", "fail", "cannot tell"]
ChoiceVerdict = Literal["ship", "ship_cheapest_of_equals", "not_enough_evidence", "none_qualifies"]


@dataclass(frozen=True, slots=True)
class Exclusion:
    """A candidate, the need that it does not meet, and the numbers."""

    candidate: str
    need: str
    verdict: NeedVerdict
    interval: Interval | None


@dataclass(frozen=True, slots=True)
class Flip:
    """If this need moved from here to there, the pick would be another (None: nobody)."""

    need: str
    from_value: float
    to_value: float
    pick: str | None


@dataclass(frozen=True, slots=True)
class Choice:
    """The decision with its reasons. `stability` is a share of redraws, never a probability."""

    verdict: ChoiceVerdict
    pick: str | None
    equivalents: tuple[str, ...] = ()
    excluded: tuple[Exclusion, ...] = ()
    flips: tuple[Flip, ...] = ()
    level: float = 0.05
    stability: float | None = None
    more_needed: Json | None = None


@dataclass(frozen=True, slots=True)
class Scorecard:
    """Six dimensions of one candidate; a dimension may hold several intervals by name."""

    candidate: str
    latency: Mapping[str, Interval] = field(default_factory=dict)
    throughput: Mapping[str, Interval] = field(default_factory=dict)
    memory: Mapping[str, Interval] = field(default_factory=dict)
    quality: Mapping[str, Interval] = field(default_factory=dict)
    footprint: Mapping[str, Interval] = field(default_factory=dict)
    licence: str = "unknown"


@dataclass(frozen=True, slots=True)
class Run:
    """A run as a whole: what `runs export` writes and every report reads."""

    info: RunInfo
    executors: tuple[Executor, ...]
    blocks: tuple[Block, ...]
    samples: tuple[Sample, ...]
    memory_points: tuple[MemoryPoint, ...] = ()
    events: tuple[Event, ...] = ()
    scores: tuple[Score, ...] = ()
    annotations: tuple[Annotation, ...] = ()
    choices: tuple[Choice, ...] = ()
