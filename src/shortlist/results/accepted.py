"""The accepted requests of a run, by candidate, round and prompt: what every summary is made from."""

from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from functools import cached_property
from itertools import groupby

import numpy as np

from shortlist.records import Cell, Run, Sample
from shortlist.results.metrics import is_complete
from shortlist.stats.samples import FloatArray

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


@dataclass(frozen=True)
class Requests:
    """Accepted requests of one candidate, by round and then in plan order.

    A run of a million requests is walked for a dozen figures: parts and measures are worked out once.
    """

    items: tuple[Measured, ...]

    @cached_property
    def samples(self) -> tuple[Sample, ...]:
        """The samples alone."""
        return tuple(item.sample for item in self.items)

    @cached_property
    def complete(self) -> "Requests":
        """Those whose reply came to its end."""
        if len(self._rounds) > 1:
            rounds = tuple(one.complete for one in self._rounds if one.complete.items)
            whole = Requests(tuple(item for one in rounds for item in one.items))
            whole.__dict__["_rounds"] = (whole,) if len(rounds) == 1 else rounds  # what they know already is kept
            return whole
        found = tuple(item for item in self.items if is_complete(item.sample))
        return self if len(found) == len(self.items) else Requests(found)

    @cached_property
    def _rounds(self) -> tuple["Requests", ...]:
        groups = [tuple(group) for _, group in groupby(self.items, key=lambda item: item.cell.round)]
        return (self,) if len(groups) == 1 else tuple(Requests(group) for group in groups)

    @cached_property
    def _known(self) -> dict[Measure, FloatArray]:
        return {}

    def by_round(self) -> tuple["Requests", ...]:
        """One per round that has any."""
        return self._rounds

    def by_prompt(self) -> dict[str, list[Measured]]:
        """Prompt → its requests, in the order of the rounds."""
        found: dict[str, list[Measured]] = {}
        for item in self.items:
            found.setdefault(item.cell.prompt, []).append(item)
        return found

    def values(self, measure: Measure) -> list[float]:
        """What the measure gives, where it gives anything."""
        return [float(value) for value in self._measured(measure)]

    def _measured(self, measure: Measure) -> FloatArray:
        if measure not in self._known:
            if len(self._rounds) > 1:
                found = np.concatenate([one._measured(measure) for one in self._rounds])  # noqa: SLF001 - its own kind
            else:
                values = (measure(item.sample) for item in self.items)
                found = np.array([value for value in values if value is not None], dtype=np.float64)
            self._known[measure] = found
        return self._known[measure]

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
