"""What one request, and one candidate's requests together, took: the definitions of every number, in one place.

Pure functions over samples. Durations are nanoseconds; `None` is "not measured" or "withheld", zero is zero. Everything
counts from `due`, when the plan wanted the request out, so that waiting in the client is not hidden.
"""

from collections.abc import Iterable, Sequence
from itertools import pairwise

from shortlist.records import Chunk, Sample

FEWEST_TOKENS_FOR_TPOT = 16


def is_complete(sample: Sample) -> bool:
    """Whether the reply came to its end: `ok` or `empty`. Others are failures and never averaged into latency."""
    return sample.status in ("ok", "empty")


def content(sample: Sample) -> tuple[Chunk, ...]:
    """The chunks that carry text, reasoning or a tool call; a role-only chunk does not."""
    return tuple(chunk for chunk in sample.chunks if chunk.is_content)


def first_content(sample: Sample) -> Chunk | None:
    """The first chunk with content."""
    return next((chunk for chunk in sample.chunks if chunk.is_content), None)


def last_content(sample: Sample) -> Chunk | None:
    """The last chunk with content."""
    return next((chunk for chunk in reversed(sample.chunks) if chunk.is_content), None)


def ttft_ns(sample: Sample) -> int | None:
    """Due → arrival of the first chunk with content."""
    first = first_content(sample)
    return None if first is None else first.ns - sample.due_ns


def service_ttft_ns(sample: Sample) -> int | None:
    """Sent → arrival of the first chunk with content: less what the client waited."""
    first = first_content(sample)
    return None if first is None or sample.sent_ns is None else first.ns - sample.sent_ns


def text_ttft_ns(sample: Sample) -> int | None:
    """Due → first chunk of the answer itself, after any reasoning."""
    first = next((chunk for chunk in sample.chunks if chunk.kind == "text"), None)
    return None if first is None else first.ns - sample.due_ns


def response_end_ns(sample: Sample) -> int | None:
    """Due → the end of the reply, whatever came last in it."""
    return None if sample.end_ns is None else sample.end_ns - sample.due_ns


def latency_ns(sample: Sample) -> int | None:
    """Due → last chunk with content; the reply's end where there was none. None for a request that failed."""
    if not is_complete(sample):
        return None
    last = last_content(sample)
    return response_end_ns(sample) if last is None else last.ns - sample.due_ns


def gaps_ns(sample: Sample) -> tuple[int, ...]:
    """Every gap between consecutive chunks with content."""
    return tuple(after - before for before, after in pairwise([chunk.ns for chunk in content(sample)]))


def completion_tokens(sample: Sample) -> int | None:
    """Tokens of the reply, on the sample's own basis: as the endpoint counts them, else its chunks with content."""
    if sample.usage is not None and sample.usage.completion_tokens is not None:
        return sample.usage.completion_tokens
    is_counted = sample.token_basis == "chunks"  # noqa: S105 - tokens of text, not secrets
    return len(content(sample)) if is_counted else None


def tpot_ns(sample: Sample) -> float | None:
    """Time per output token after the first chunk; withheld under 16 tokens.

    The first chunk counts as one token: nobody says how many it held.
    """
    tokens, first, last = completion_tokens(sample), first_content(sample), last_content(sample)
    if tokens is None or tokens < FEWEST_TOKENS_FOR_TPOT or first is None or last is None or first is last:
        return None
    return (last.ns - first.ns) / (tokens - 1)


def decode_tokens_per_s(sample: Sample) -> float | None:
    """One ÷ TPOT: tokens after the first chunk ÷ the time from it to the last; withheld under 16 tokens."""
    each = tpot_ns(sample)
    return 1e9 / each if each else None


def prefill_tokens_per_s(sample: Sample) -> float | None:
    """Prompt tokens that had to be read ÷ the time from sent to the first content; those from a cache are left out.

    The time holds the way to the engine, its queue and the first token too: a long prompt tells most.
    """
    elapsed = service_ttft_ns(sample)
    if sample.usage is None or sample.usage.prompt_tokens is None or not elapsed or elapsed < 0:
        return None
    read = sample.usage.prompt_tokens - (sample.cached_tokens or 0)
    return read / elapsed * 1e9 if read > 0 else None


def _per_s(count: int | None, sample: Sample) -> float | None:
    elapsed = latency_ns(sample)
    return count / elapsed * 1e9 if count is not None and elapsed is not None and elapsed > 0 else None


def output_tokens_per_s(sample: Sample) -> float | None:
    """Completion tokens ÷ latency."""
    return _per_s(completion_tokens(sample), sample)


def characters(sample: Sample) -> int:
    """Characters (code points) of answer and reasoning."""
    return len(sample.text) + len(sample.reasoning)


def characters_per_s(sample: Sample) -> float | None:
    """Characters ÷ latency: comparable where tokenizers differ."""
    return _per_s(characters(sample), sample)


def total_tokens_per_s(sample: Sample) -> float | None:
    """The workshop's figure: prompt and completion tokens ÷ latency. It rewards long prompts; shown, never judged."""
    usage = sample.usage
    if usage is None or usage.prompt_tokens is None or usage.completion_tokens is None:
        return None
    return _per_s(usage.prompt_tokens + usage.completion_tokens, sample)


# --- many requests --------------------------------------------------------------------------------------------------


def union_ns(intervals: Iterable[tuple[int, int]]) -> int:
    """The length covered by these intervals, overlaps counted once."""
    covered, reached = 0, None
    for start, end in sorted(intervals):
        begin = start if reached is None or start > reached else reached
        covered += max(0, end - begin)
        reached = end if reached is None else max(reached, end)
    return covered


def in_flight_ns(samples: Iterable[Sample]) -> int:
    """Nanoseconds with at least one of these requests in flight, from its first byte to its reply's end."""
    return union_ns((s.sent_ns, s.end_ns) for s in samples if s.sent_ns is not None and s.end_ns is not None)


def throughput_per_s(samples: Sequence[Sample]) -> float | None:
    """All completion tokens ÷ the time with a request in flight; None where any complete reply has no count."""
    counts = [completion_tokens(sample) for sample in samples if is_complete(sample)]
    known = [count for count in counts if count is not None]
    elapsed = in_flight_ns(samples)
    return sum(known) / elapsed * 1e9 if known and len(known) == len(counts) and elapsed else None


def failures(samples: Iterable[Sample]) -> int:
    """How many of these failed, timed out or broke off."""
    return sum(not is_complete(sample) for sample in samples)


def cut_at_limit(samples: Iterable[Sample]) -> tuple[int, int]:
    """How many complete replies ended because the token limit was reached, and of how many."""
    complete = [sample for sample in samples if is_complete(sample)]
    return sum(sample.finish_reason == "length" for sample in complete), len(complete)
