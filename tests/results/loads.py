"""Requests made by hand, with stamps that are known: one candidate, a block per round."""

from collections.abc import Sequence

from shortlist.records import Cell, Chunk, Sample, SampleStatus
from shortlist.results.accepted import Measured, Requests

MS = 10**6


def sample(
    due_ms: float,
    end_ms: float,
    *,
    first_ms: float | None = None,
    sent_ms: float | None = None,
    status: SampleStatus = "ok",
    text: str = "yes",
    seq: int = 0,
) -> Sample:
    """A reply with its first content at `first_ms` (half-way without one) and its last at `end_ms`."""
    first = (due_ms + end_ms) / 2 if first_ms is None else first_ms
    stamps = [] if status in ("failed", "timeout") else [first, end_ms]
    return Sample(
        id=f"{due_ms}-{end_ms}",
        cell="c",
        block="b",
        executor="e",
        phase="measure",
        status=status,
        seq=seq,
        due_ns=round(due_ms * MS),
        sent_ns=round((due_ms if sent_ms is None else sent_ms) * MS),
        end_ns=round(end_ms * MS),
        chunks=tuple(Chunk(round(at * MS), 1, "text") for at in stamps),
        text=text,
        is_accepted=True,
    )


def requests(*rounds: Sequence[Sample], prompts: Sequence[str] = ()) -> Requests:
    """One round after the other; the prompt of the n-th request of a round is the n-th of `prompts`."""
    names = prompts or [f"p-{n}" for n in range(max(map(len, rounds)))]
    return Requests(
        tuple(
            Measured(Cell(f"{number}-{place}", "x", names[place], number), one)
            for number, samples in enumerate(rounds, 1)
            for place, one in enumerate(samples)
        )
    )
