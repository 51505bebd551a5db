"""The accepted requests of a run, by candidate, round and prompt: what every summary is made from."""

from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from itertools import groupby

from shortlist.records import Cell, Run, Sample
from shortlist.results.metrics import is_complete

Measure = Callable[[Sample], float | None]


@dataclass(frozen=True, slots=True)
class Measured:
    """An accepted request and the cell that it stands for."""

    cell: Cell
    sample: Sample

    @property
    def place(self) -> tuple[str, int]:
        """Prompt and repeat: what is the same thing in two candidates of one round."""
        return self.cell.prompt, self.cell.repeat


@dataclass(frozen=True, slots=True)
class Requests:
    """Accepted requests of one candidate, by round and then in plan order."""

    items: tuple[Measured, ...]

    @property
    def samples(self) -> tuple[Sample, ...]:
        """The samples alone."""
        return tuple(item.sample for item in self.items)

    @property
    def complete(self) -> "Requests":
        """Those whose reply came to its end."""
        return Requests(tuple(item for item in self.items if is_complete(item.sample)))

    def by_round(self) -> tuple["Requests", ...]:
        """One per round that has any."""
        return tuple(Requests(tuple(group)) for _, group in groupby(self.items, key=lambda item: item.cell.round))

    def by_prompt(self) -> dict[str, list[Measured]]:
        """Prompt → its requests, in the order of the rounds."""
        found: dict[str, list[Measured]] = {}
        for item in self.items:
            found.setdefault(item.cell.prompt, []).append(item)
        return found

    def values(self, measure: Measure) -> list[float]:
        """What the measure gives, where it gives anything."""
        found = (measure(item.sample) for item in self.items)
        return [float(value) for value in found if value is not None]

    def round_means(self, measure: Measure) -> list[float]:
        """The measure's mean in each round that has it."""
        rounds = (one.values(measure) for one in self.by_round())
        return [sum(values) / len(values) for values in rounds if values]


def first_pass(samples: Sequence[Sample], warmups: int) -> list[Sample]:
    """Of one round's accepted samples, those that came before anything was measured again.

    What is measured again comes later, beside requests of no cell, after a wait for a quiet host: a rate, or a number
    in flight, taken over that would be a statement about the wait.
    """
    return [sample for sample in samples if sample.seq < warmups + len(samples)]


def requests_by_candidate(run: Run) -> dict[str, Requests]:
    """The accepted measured requests of every candidate in the plan; warm-ups and other attempts are left out."""
    cells = {cell.id: (place, cell) for place, cell in enumerate(run.info.plan.cells)}
    found: dict[str, list[tuple[int, int, Measured]]] = {candidate.id: [] for candidate in run.info.plan.candidates}
    for sample in _accepted(run.samples):
        if sample.cell in cells:
            place, cell = cells[sample.cell]
            found[cell.candidate].append((cell.round, place, Measured(cell, sample)))
    return {
        candidate: Requests(tuple(item for _, _, item in sorted(items, key=lambda item: item[:2])))
        for candidate, items in found.items()
    }


def _accepted(samples: Iterable[Sample]) -> Iterable[Sample]:
    return (sample for sample in samples if sample.phase == "measure" and sample.is_accepted)
