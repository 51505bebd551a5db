"""What a running bench tells whoever watches: facts, not text."""

from collections.abc import Callable
from dataclasses import dataclass

from shortlist.records import Block, Candidate, MeasuringError, PlannedBlock, Race, Sample, TakenLook


@dataclass(frozen=True, slots=True)
class BlockStarted:
    """A candidate's engine is being started for a round."""

    candidate: Candidate
    planned: PlannedBlock


@dataclass(frozen=True, slots=True)
class Loaded:
    """The engine is ready; requests begin."""

    candidate: Candidate
    load_ns: int | None


@dataclass(frozen=True, slots=True)
class Measured:
    """One request is over; warm-ups are told too."""

    candidate: Candidate
    sample: Sample


@dataclass(frozen=True, slots=True)
class BlockOver:
    """A block ended, well or not."""

    candidate: Candidate
    block: Block
    samples: tuple[Sample, ...]


@dataclass(frozen=True, slots=True)
class LookTaken:
    """A race was looked at: who is measured on, who is out."""

    race: Race
    look: TakenLook


@dataclass(frozen=True, slots=True)
class ErrorKnown:
    """What the self-test before the first block found."""

    error: MeasuringError


@dataclass(frozen=True, slots=True)
class Warned:
    """Something went another way than planned: its cause, and what was done."""

    text: str


Told = ErrorKnown | BlockStarted | Loaded | Measured | BlockOver | LookTaken | Warned
Progress = Callable[[Told], None]
