"""How long a plan will take: from earlier runs of the same candidates here, else a guess from the file's size."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from statistics import mean

from shortlist.records import Candidate, Plan, PlannedBlock, Run

_GUESSED_READ_BYTES_PER_S = 10e9
"""A slow laptop's memory: a token reads every weight once. A guess, and printed as one."""

_GUESSED_TOKEN_NS = 1e6
_GUESSED_START_NS = 1.5e9
_START_NS = 0.8e9
"""A process of ours with its engine imported, beside the load that is measured."""


@dataclass(frozen=True, slots=True)
class Pace:
    """What one candidate takes: to start its engine, and for one request. `basis`: measured or guessed."""

    start_ns: float
    request_ns: float
    basis: str


def guessed_pace(candidate: Candidate, plan: Plan) -> Pace:
    """From the size alone: every token reads the weights once, answers as long as they may be."""
    size = candidate.variant.size_bytes or 0
    generation = plan.suite.generation
    tokens = generation.fixed_tokens or generation.max_tokens
    token_ns = max(_GUESSED_TOKEN_NS, size / _GUESSED_READ_BYTES_PER_S * 1e9)
    return Pace(_GUESSED_START_NS + size / 1e9 * 1e9, tokens * token_ns, "guessed from the file's size")


def measured_pace(candidate: Candidate, run: Run) -> Pace | None:
    """From an earlier run's accepted requests; None where there are none."""
    mine = {block.id: block for block in run.blocks if block.candidate == candidate.id and block.state == "done"}
    spans = [s.end_ns - s.due_ns for s in run.samples if s.block in mine and s.is_accepted and s.end_ns is not None]
    if not spans:
        return None
    loads = [block.load_ns for block in mine.values() if block.load_ns is not None]
    start = _START_NS + (mean(loads) if loads else 0.0)
    return Pace(start, mean(spans), f"measured in run {run.info.short_id}")


def paces(plan: Plan, earlier: Sequence[Run]) -> dict[str, Pace]:
    """A pace for each candidate, from the newest run that has one. `earlier` stands newest first."""
    found: dict[str, Pace] = {}
    for candidate in plan.candidates:
        measured = (measured_pace(candidate, run) for run in earlier)
        found[candidate.id] = next((pace for pace in measured if pace), None) or guessed_pace(candidate, plan)
    return found


def blocks_ns(plan: Plan, blocks: Sequence[PlannedBlock], by_candidate: Mapping[str, Pace]) -> float:
    """How long these blocks take, one after the other; requests share their time at a higher concurrency.

    An open loop lasts as its due times say, and then until the last request is over.
    """
    suite, together = plan.suite, plan.suite.load.concurrency
    total = 0.0
    for block in blocks:
        pace = by_candidate[block.candidate]
        total += pace.start_ns + suite.warmup * pace.request_ns
        if suite.load.kind == "open":
            total += max((cell.due_offset_ns or 0 for cell in block.cells), default=0) + pace.request_ns
        else:
            total += len(block.cells) * pace.request_ns / together
    return total


def rounds_that_fit(plan: Plan, by_candidate: Mapping[str, Pace], budget_ns: float) -> int:
    """The most whole rounds, from the first, that the budget holds; 0 where not even one does."""
    spent, fitting = 0.0, 0
    for number in sorted({block.round for block in plan.blocks}):
        spent += blocks_ns(plan, [b for b in plan.blocks if b.round == number], by_candidate)
        if spent > budget_ns:
            break
        fitting = number
    return fitting
