"""Facts in, a meeting note out: prose, bullets or a dialogue, with distractors and corrections."""

from collections.abc import Sequence
from dataclasses import dataclass
from random import Random

from notes_recipe import noise
from notes_recipe import templates as t
from notes_recipe.buckets import bucket_of
from notes_recipe.facts import FactPicker, Facts
from notes_recipe.words import VERBS

TRIES = 40


class NoSentenceFitsError(Exception):
    """No template of a group gave a sentence on the wanted side of the split; draw other facts."""


@dataclass(frozen=True, slots=True)
class Note:
    """A note's text and the sentences with filled slots that it is built from."""

    text: str
    instances: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class Difficulty:
    """How many distractor sentences a note holds, and how often a facet is corrected inside the note."""

    noise: int
    fix: float


@dataclass(frozen=True, slots=True)
class Chat:
    """The templates of everything around the facts."""

    sentences: t.Group = noise.NOISE
    slotless: t.Group = noise.SLOTLESS_NOISE
    opening: t.Group = noise.OPENING


class NoteWriter:
    """Writes notes whose filled sentences all lie on one side of the split."""

    def __init__(self, rng: Random, picker: FactPicker, chat: Chat | None = None) -> None:
        self.rng = rng
        self.picker = picker
        self.chat = chat or Chat()
        self.instances: list[str] = []

    def write(self, facts: Facts, difficulty: Difficulty) -> Note:
        """One note for `facts`. Raises NoSentenceFitsError when the split allows none."""
        self.instances = []
        kind = self.rng.random()
        if kind < 0.18:
            text = self._bullets(facts, difficulty)
        elif kind < 0.30:
            text = self._dialogue(facts, difficulty)
        else:
            text = self._prose(facts, difficulty)
        return Note(text, tuple(self.instances))

    def sentence(self, group: Sequence[str], facts: Facts, cast: Sequence[str] = (), prefix: str = "") -> str:
        """A filled template of `group` on the right side of the split."""
        for _ in range(TRIES):
            template = prefix + self.rng.choice(group)
            if not t.slots_of(template):
                return template
            text = self._fill(template, facts, cast)
            if bucket_of(text) == self.picker.sources.split and text not in self.instances:
                self.instances.append(text)
                return text
        raise NoSentenceFitsError(group[0])

    def _fill(self, template: str, facts: Facts, cast: Sequence[str]) -> str:
        rng, slots = self.rng, t.slots_of(template)
        values = {"O": facts.owner, "V": facts.verb, "G": facts.gerund, "I": facts.item.phrase, "D": facts.date}
        if "n" in slots or "m" in slots or "p" in slots:
            values["n"], values["m"], values["p"] = cast or rng.sample(facts.others, 3)
        if "v" in slots or "g" in slots:
            values["v"], values["g"] = rng.choice(VERBS)
        if "i" in slots:
            values["i"] = self.picker.other_item(facts.item).phrase
        if "d" in slots:
            values["d"] = self.picker.other_date(facts.date, needs_day=" on {d}" in template)
        if "w" in slots:
            values["w"] = self.picker.word()
        if "W" in slots:
            values["W"] = self.picker.word().capitalize()
        return template.format_map(values)

    def _noise(self, facts: Facts) -> str:
        group = self.chat.slotless if self.rng.random() < 0.2 else self.chat.sentences
        return self.sentence(group, facts)

    def _prose(self, facts: Facts, difficulty: Difficulty) -> str:
        rng = self.rng
        lines = [self.sentence(group, facts) for group in self._prose_core(difficulty)]
        for _ in range(difficulty.noise):
            lines.insert(rng.randint(0, len(lines)), self._noise(facts))
        opening = rng.random()
        if opening < 0.3:
            lines.insert(0, rng.choice(noise.SLOTLESS_OPENING))
        if 0.2 < opening < 0.55:
            lines.insert(int(opening < 0.3), self.sentence(self.chat.opening, facts))
        return ("\n" if rng.random() < 0.12 else " ").join(lines)

    def _prose_core(self, difficulty: Difficulty) -> list[t.Group]:
        rng, kind = self.rng, self.rng.random()
        decision, owner, deadline = (
            fixed if rng.random() < difficulty.fix else plain
            for plain, fixed in (
                (t.DECISION, t.FIXED_DECISION),
                (t.OWNER, t.FIXED_OWNER),
                (t.DEADLINE, t.FIXED_DEADLINE),
            )
        )
        if kind < 0.40:
            return [decision, owner, deadline]
        if kind < 0.55:
            return [decision, t.OWNER_DEADLINE]
        if kind < 0.65:
            return [t.DECISION_OWNER, deadline]
        if kind < 0.72:
            return [t.DECISION_DEADLINE, owner]
        return [t.FIXED_WHOLE if rng.random() < difficulty.fix else t.WHOLE]

    def _bullets(self, facts: Facts, difficulty: Difficulty) -> str:
        rng = self.rng
        groups = [t.BULLET_DECISION, t.BULLET_OWNER, t.BULLET_DEADLINE] if rng.random() < 0.6 else [t.BULLET_WHOLE]
        if rng.random() < 0.3:
            rng.shuffle(groups)
        core = [self.sentence(group, facts) for group in groups]
        around = [self._noise(facts) for _ in range(difficulty.noise)]
        at = rng.randint(0, len(around))
        lines = around[:at] + core + around[at:]
        if rng.random() < 0.5:
            lines.insert(0, self.sentence(t.BULLET_PRESENT, facts))
        mark = rng.choice(("- ", "- ", "* ", ""))
        return "\n".join(mark + line for line in lines)

    def _dialogue(self, facts: Facts, difficulty: Difficulty) -> str:
        rng = self.rng
        cast = rng.sample(facts.others, 3)
        turns = [
            self.sentence(t.TALK_QUESTION, facts, cast, "{n}: "),
            self.sentence(t.TALK_DECISION, facts, cast, "{m}: "),
            self.sentence(t.TALK_WHO, facts, cast, rng.choice(("{p}: ", "{n}: "))),
            self.sentence(t.TALK_ANSWER, facts, cast, "{O}: "),
        ]
        for _ in range(min(difficulty.noise, 2)):
            turns.insert(rng.choice((0, len(turns))), self._noise(facts))
        mark = rng.choice(("> ", ""))
        return "\n".join(mark + turn for turn in turns)
