"""One rater's way through a sheet: what comes next, and what each answer of theirs does. No screen, no keyboard.

A rating is in the journal, and then given to `stored`, before the next answer is asked for.
"""

from collections.abc import Callable, Sequence
from dataclasses import dataclass

from shortlist.errors import InvalidFile
from shortlist.quality.annotations import Line, rating_value
from shortlist.quality.journal import Journal
from shortlist.quality.sheets import Item, Rater
from shortlist.records import Annotation

Stored = Callable[[Annotation, bool], None]
"""Told of each rating; False: it was taken back."""


@dataclass(frozen=True, slots=True)
class Question:
    """One item and one of its dimensions."""

    item: Item
    dimension: str


class Rating:
    """Where a rater is. `number` of `total` counts questions, one for each item and dimension."""

    def __init__(self, items: Sequence[Item], rater: Rater, journal: Journal, stored: Stored) -> None:
        self._questions = [Question(item, dimension) for item in items for dimension in item.output.rubric]
        self._rater = rater
        self._journal = journal
        self._stored = stored
        self._by_key = {(question.item.id, question.dimension): question for question in self._questions}
        self._check()

    def _check(self) -> None:
        path = self._journal.path
        for number, line in enumerate(self._journal.lines, start=1):
            place = f"line {number}"
            if (line.run, line.rater) != (self._rater.run, self._rater.name):
                raise InvalidFile(path, place, "belongs to another run or rater")
            question = self._by_key.get((line.item, line.dimension))
            if question is not None and line.output != question.item.output.key:
                raise InvalidFile(path, f"{place}, output", "is not the output of this item")
            if (rating_value(line, path, place) is None) != line.skipped:
                raise InvalidFile(path, f"{place}, value", "expected a rating, or null where it was skipped")

    @property
    def total(self) -> int:
        """Questions on the sheet."""
        return len(self._questions)

    @property
    def done(self) -> int:
        """Questions that were rated or skipped."""
        return sum((line.item, line.dimension) in self._by_key for line in self._journal.lines)

    @property
    def skipped(self) -> int:
        """Questions that were skipped."""
        return sum(line.skipped for line in self._journal.lines)

    def next(self) -> Question | None:
        """The first question that is neither rated nor skipped; None at the end."""
        answered = {(line.item, line.dimension) for line in self._journal.lines}
        return next((one for one in self._questions if (one.item.id, one.dimension) not in answered), None)

    def rate(self, question: Question, value: int, note: str = "") -> None:
        """Keep a rating. Raises StoreError."""
        line = self._line(question, value, note)
        self._journal.add(line)
        self._stored(self._annotation(line, question), True)

    def skip(self, question: Question, note: str = "") -> None:
        """Pass over a question; it comes back in a later sitting, when the others are done."""
        self._journal.add(self._line(question, None, note))

    def undo(self) -> Question | None:
        """Take the last rating or skip back; its question, which is then the next. None where there is nothing."""
        if not self._journal.lines:
            return None
        last = self._journal.lines[-1]
        question = self._by_key.get((last.item, last.dimension))
        if question is None:  # of an earlier state of the run: it is not on this sheet
            return None
        self._journal.take_back()
        if not last.skipped:
            self._stored(self._annotation(last, question), False)
        return question

    def again(self) -> int:
        """Ask for what was skipped once more; how many questions that are."""
        skipped = self.skipped
        if skipped:
            self._journal.keep([line for line in self._journal.lines if not line.skipped])
        return skipped

    def kept(self) -> tuple[Annotation, ...]:
        """Every rating in the journal: a crash may have come before `stored` was told of the last."""
        known = [(line, self._by_key.get((line.item, line.dimension))) for line in self._journal.lines]
        return tuple(
            self._annotation(line, question) for line, question in known if question is not None and not line.skipped
        )

    def _line(self, question: Question, value: int | None, note: str) -> Line:
        return Line(
            run=self._rater.run,
            rater=self._rater.name,
            item=question.item.id,
            output=question.item.output.key,
            dimension=question.dimension,
            value=value,
            note=note,
            skipped=value is None,
            seed=self._rater.seed,
        )

    def _annotation(self, line: Line, question: Question) -> Annotation:
        item = question.item
        return Annotation(item.output.key, self._rater.name, question.dimension, line.value, line.note, item.repeat)
