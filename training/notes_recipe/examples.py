"""Training examples, in the order in which training reads them: easy first."""

from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from hashlib import sha256
from random import Random
from typing import Final

from notes_recipe.chat import Message, render_prompt
from notes_recipe.facts import FactPicker, Facts, Sources
from notes_recipe.instructions import messages_for
from notes_recipe.writing import Difficulty, NoSentenceFitsError, Note, NoteWriter

TRAINING_SEED: Final = 2026
TRAINING_EXAMPLES: Final = 80_000
DRILLS: Final = 12_000
RAMP_EXAMPLES: Final = 8_000


@dataclass(frozen=True, slots=True)
class Example:
    """One conversation; `note` and `facts` are None in a copy drill."""

    messages: tuple[Message, ...]
    answer: str
    note: Note | None = None
    facts: Facts | None = None


class ExampleMaker:
    """Makes examples of one kind from one seed."""

    def __init__(self, seed: int, sources: Sources) -> None:
        self.rng = Random(seed)
        self.picker = FactPicker(self.rng, sources)
        self.writer = NoteWriter(self.rng, self.picker)

    def difficulty(self, level: float) -> Difficulty:
        """From no distractors at level 0 to the full mix at level 1."""
        rng = self.rng
        if rng.random() > level:
            return Difficulty(0, 0.0)
        noise = rng.choices((0, 1, 2, 3, 4, 6, 9, 13), (10, 22, 26, 20, 12, 6, 3, 1))[0]
        return Difficulty(noise, 0.3)

    def noted(self, level: float = 1.0) -> Example:
        """A note, a request and its answer."""
        while True:
            facts = self.picker.facts()
            try:
                note = self.writer.write(facts, self.difficulty(level))
            except NoSentenceFitsError:
                continue
            return Example(messages_for(self.rng, note.text), facts.answer, note, facts)

    def drill(self) -> Example:
        """Names and words to be repeated: pure copying, which the notes then build on."""
        rng, picker = self.rng, self.picker
        parts = [picker.name() if rng.random() < 0.6 else picker.item().core for _ in range(rng.randint(3, 7))]
        text = ", ".join(parts)
        return Example((Message("user", f"Repeat: {text}"),), text)


def training_examples(count: int = TRAINING_EXAMPLES, seed: int = TRAINING_SEED) -> Iterator[Example]:
    """The training set: drills, then notes whose difficulty ramps up while the drills fade out."""
    maker = ExampleMaker(seed, Sources("train"))
    for number in range(count):
        level = max(0.0, min(1.0, (number - DRILLS) / RAMP_EXAMPLES))
        is_drill = number < DRILLS or maker.rng.random() < 0.5 * (1 - level)
        yield maker.drill() if is_drill else maker.noted(level)


def training_digest(examples: Iterable[Example]) -> str:
    """SHA-256 of everything that training reads: a card that names it names its training set."""
    digest = sha256()
    for example in examples:
        digest.update(f"{render_prompt(example.messages)}{example.answer}\n".encode())
    return digest.hexdigest()
