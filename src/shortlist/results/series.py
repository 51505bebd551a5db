"""What pictures are drawn from: every request in the order it was sent, and each distinct answer once."""

from collections.abc import Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass

from shortlist.measure.causes import summed_up
from shortlist.records import Run, Sample, SampleError, SampleStatus
from shortlist.results import metrics
from shortlist.results.accepted import Measured, Requests, requests_by_candidate


@dataclass(frozen=True, slots=True)
class TimedRequest:
    """A complete request: when it was due, counted from the run's first, and how long it took."""

    offset_ns: int
    latency_ns: int
    round: int


@dataclass(frozen=True, slots=True)
class DisturbedSpan:
    """A stretch in which requests were disturbed, and by what."""

    start_ns: int
    end_ns: int
    cause: str


@dataclass(frozen=True, slots=True)
class CandidateSeries:
    """One candidate over the run, all in the order of sending.

    `requests` are accepted; `repeated` are complete attempts that were measured again and kept beside.
    """

    candidate: str
    requests: tuple[TimedRequest, ...]
    repeated: tuple[TimedRequest, ...] = ()
    disturbed: tuple[DisturbedSpan, ...] = ()


@dataclass(frozen=True, slots=True)
class GivenBy:
    """Who gave an answer, and in which rounds."""

    candidate: str
    rounds: tuple[int, ...]


@dataclass(frozen=True, slots=True)
class DistinctAnswer:
    """An answer that came at least once: strangers' text. `sha256` is its text's digest, as scores know it."""

    text: str
    reasoning: str
    status: SampleStatus
    error: SampleError | None
    given: tuple[GivenBy, ...]
    sample: str
    sha256: str | None = None


@dataclass(frozen=True, slots=True)
class PromptAnswers:
    """What came to one prompt: each distinct answer once, in the order of the candidates."""

    prompt: str
    answers: tuple[DistinctAnswer, ...]


@dataclass(frozen=True, slots=True)
class Series:
    """Everything of a run that only pictures and the side-by-side need."""

    candidates: tuple[CandidateSeries, ...]
    answers: tuple[PromptAnswers, ...]

    def of(self, candidate: str) -> CandidateSeries | None:
        """One candidate's series; None where it was not measured."""
        return next((one for one in self.candidates if one.candidate == candidate), None)


def series(run: Run) -> Series:
    """The run's series, candidates in the plan's order; those without a request are left out."""
    requests = requests_by_candidate(run)
    block_of = {block.id: block for block in run.blocks}
    others: dict[str, list[tuple[int, Sample]]] = {}
    for sample in run.samples:
        if sample.phase == "measure" and not sample.is_accepted and sample.block in block_of:
            block = block_of[sample.block]
            others.setdefault(block.candidate, []).append((block.round, sample))
    start = min((sample.due_ns for sample in run.samples), default=0)
    found = tuple(
        _candidate(candidate, one, others.get(candidate, ()), start) for candidate, one in requests.items() if one.items
    )
    by_prompt = {candidate: one.by_prompt() for candidate, one in requests.items()}
    answers = tuple(
        PromptAnswers(prompt.id, _distinct({candidate: of.get(prompt.id, ()) for candidate, of in by_prompt.items()}))
        for prompt in run.info.plan.suite.prompts
    )
    return Series(found, answers)


def _candidate(
    candidate: str, requests: Requests, others: Sequence[tuple[int, Sample]], start_ns: int
) -> CandidateSeries:
    accepted = [(item.cell.round, item.sample) for item in requests.items]
    return CandidateSeries(
        candidate,
        _timed(accepted, start_ns),
        _timed(others, start_ns),
        _spans([sample for _, sample in [*accepted, *others] if sample.causes], start_ns),
    )


def _timed(samples: Iterable[tuple[int, Sample]], start_ns: int) -> tuple[TimedRequest, ...]:
    found = [
        TimedRequest(sample.due_ns - start_ns, latency, number)
        for number, sample in samples
        if (latency := metrics.latency_ns(sample)) is not None
    ]
    return tuple(sorted(found, key=lambda one: one.offset_ns))


def _spans(samples: Sequence[Sample], start_ns: int) -> tuple[DisturbedSpan, ...]:
    """Disturbed requests that overlap or follow one another in a block are one span, and a cause's numbers a range."""
    groups: list[list[Sample]] = []
    start = end = 0
    for sample in sorted(samples, key=lambda one: one.due_ns):
        if groups and groups[-1][-1].block == sample.block and sample.due_ns - end <= max(1, end - start):
            groups[-1].append(sample)
        else:
            groups.append([sample])
            start = end = sample.due_ns
        end = max(end, sample.end_ns or sample.due_ns)
    return tuple(
        DisturbedSpan(
            group[0].due_ns - start_ns,
            max(one.end_ns or one.due_ns for one in group) - start_ns,
            "; ".join(summed_up(cause for one in group for cause in one.causes)),
        )
        for group in groups
    )


def _distinct(items: Mapping[str, Sequence[Measured]]) -> tuple[DistinctAnswer, ...]:
    found: dict[tuple[object, ...], dict[str, set[int]]] = {}
    first: dict[tuple[object, ...], Sample] = {}
    for candidate, mine in items.items():
        for item in mine:
            key = _key(item)
            first.setdefault(key, item.sample)
            found.setdefault(key, {}).setdefault(candidate, set()).add(item.cell.round)
    return tuple(_answer(first[key], by_candidate) for key, by_candidate in found.items())


def _key(item: Measured) -> tuple[object, ...]:
    sample = item.sample
    is_complete = metrics.is_complete(sample)
    return sample.text, sample.reasoning, None if is_complete else sample.status, None if is_complete else sample.error


def _answer(sample: Sample, given: Mapping[str, Collection[int]]) -> DistinctAnswer:
    by = tuple(GivenBy(candidate, tuple(sorted(rounds))) for candidate, rounds in given.items())
    return DistinctAnswer(sample.text, sample.reasoning, sample.status, sample.error, by, sample.id, sample.text_sha256)
