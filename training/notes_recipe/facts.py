"""The facts of one note, and the people, items and dates that distract from them."""

from dataclasses import dataclass
from random import Random
from typing import Literal

from notes_recipe.buckets import Split, bucket_of, triple_key
from notes_recipe.dates import ordinal
from notes_recipe.invented import invented_first_name, invented_surname, invented_word, sound_alike
from notes_recipe.words import (
    ADJECTIVES,
    DETERMINERS,
    KNOWN_NAMES,
    LOOSE_DATES,
    MODIFIERS,
    MONTHS,
    NOUNS,
    SHORT_MONTHS,
    TAILS,
    UNSEEN_MODIFIERS,
    UNSEEN_NAMES,
    UNSEEN_NOUNS,
    VERBS,
    WEEKDAYS,
)

NameSource = Literal["mixed", "known", "unseen"]
ItemSource = Literal["mixed", "known", "unseen"]
LAST_DAY = 28
NOT_A_DAY = ("next", "the end", "end", "tomorrow", "noon", "tonight", "midnight", "week")


@dataclass(frozen=True, slots=True)
class Item:
    """What is decided about: `phrase` is a determiner and the `core` that an answer must hold."""

    determiner: str
    core: str

    @property
    def phrase(self) -> str:
        """The item as a sentence spells it."""
        return f"{self.determiner} {self.core}"


@dataclass(frozen=True, slots=True)
class Facts:
    """What a perfect answer says, and who else is in the note."""

    owner: str
    others: tuple[str, ...]
    verb: str
    gerund: str
    item: Item
    date: str

    @property
    def answer(self) -> str:
        """The answer in the form that the models are taught."""
        return f"Decision: {self.verb} {self.item.phrase}. Owner: {self.owner}. Deadline: {self.date}."

    @property
    def key(self) -> str:
        """The text whose hash decides the side of the split."""
        return triple_key(self.item.core, self.owner, self.date)


@dataclass(frozen=True, slots=True)
class Sources:
    """Where names and items come from, and which side of the split the facts must be on."""

    split: Split
    names: NameSource = "mixed"
    items: ItemSource = "mixed"


class FactPicker:
    """Draws facts from one random stream."""

    def __init__(self, rng: Random, sources: Sources) -> None:
        self.rng = rng
        self.sources = sources

    def name(self) -> str:
        """One person's name."""
        rng, source = self.rng, self.sources.names
        if source == "unseen":
            return rng.choice(UNSEEN_NAMES)
        if source == "known" or rng.random() < 0.3:
            return rng.choice(KNOWN_NAMES)
        first = rng.choice(KNOWN_NAMES) if rng.random() < 0.1 else invented_first_name(rng)
        return f"{first} {invented_surname(rng)}" if rng.random() < 0.15 else first

    def people(self, count: int) -> list[str]:
        """`count` names, none of them part of another; the first is the owner."""
        rng, names = self.rng, [self.name()]
        while len(names) < count:
            is_twin = self.sources.names == "mixed" and rng.random() < 0.06
            name = sound_alike(rng, names[0]) if is_twin else self.name()
            if not any(name in other or other in name for other in names):
                names.append(name)
        return names

    def word(self) -> str:
        """Any word, for a distractor."""
        is_odd = self.sources.items == "mixed" and self.rng.random() < 0.4
        return invented_word(self.rng) if is_odd else self.rng.choice(MODIFIERS + NOUNS)

    def item(self) -> Item:
        """A noun phrase of two to six words."""
        rng, source = self.rng, self.sources.items
        if source == "unseen":
            return Item("the", f"{rng.choice(UNSEEN_MODIFIERS)} {rng.choice(UNSEEN_NOUNS)}")
        odd = 0.25 if source == "mixed" else 0.0
        modifier = invented_word(rng) if rng.random() < odd else rng.choice(MODIFIERS)
        if odd and rng.random() < 0.06:
            modifier = modifier.capitalize()
        noun = invented_word(rng) if rng.random() < odd else rng.choice(NOUNS)
        words = [modifier, noun] if rng.random() < 0.85 else [noun]
        if rng.random() < (0.6 if len(words) == 1 else 0.2):
            words.insert(0, rng.choice(ADJECTIVES))
        if rng.random() < 0.1:
            company = invented_first_name(rng) if odd else rng.choice(("Acme", "Nordwind", "Bluebird"))
            words.append(rng.choice(TAILS).format(w=company, k=rng.choice(MODIFIERS)))
        determiner = rng.choice(DETERMINERS)
        if determiner == "a" and words[0][0] in "aeiouAEIOU":
            determiner = "an"
        return Item(determiner, " ".join(words))

    def date(self) -> str:
        """A deadline as people write it."""
        rng, kind = self.rng, self.rng.random()
        day, month = rng.randint(1, LAST_DAY), rng.choice(MONTHS)
        if kind < 0.40:
            return f"{day} {month}"
        if kind < 0.48:
            return f"{month} {day}"
        if kind < 0.62:
            return rng.choice(WEEKDAYS)
        if kind < 0.69:
            return f"next {rng.choice(WEEKDAYS)}"
        if kind < 0.74:
            return f"the end of {month}"
        if kind < 0.80:
            return rng.choice(LOOSE_DATES)
        return self._rare_date(day, month)

    def _rare_date(self, day: int, month: str) -> str:
        rng = self.rng
        nth = ordinal(day)
        return rng.choice(
            (
                f"{rng.randint(1, 12)} pm on {rng.choice(WEEKDAYS)}",
                f"{rng.choice(WEEKDAYS)} {day} {month}",
                f"the {nth}",
                f"{nth} of {month}",
                f"{day} {rng.choice(SHORT_MONTHS)}",
                f"{month} {nth}",
                f"{rng.choice(WEEKDAYS)} at {rng.randint(8, 18)}:{rng.choice(('00', '15', '30', '45'))}",
                f"20{rng.randint(25, 29)}-{rng.randint(1, 12):02}-{day:02}",
                f"{day} {month} 20{rng.randint(25, 29)}",
                f"{rng.choice(WEEKDAYS)} {rng.choice(('morning', 'noon', 'evening'))}",
                f"week {rng.randint(1, 52)}",
            ),
        )

    def other_item(self, item: Item) -> Item:
        """An item that cannot be taken for `item`."""
        while (other := self.item()).core in item.core or item.core in other.core:
            pass
        return other

    def other_date(self, date: str, *, needs_day: bool) -> str:
        """A date that cannot be taken for `date`; with `needs_day` one that can follow the word "on"."""
        while (other := self.date()) in date or date in other or (needs_day and other.startswith(NOT_A_DAY)):
            pass
        return other

    def facts(self) -> Facts:
        """Facts on this picker's side of the split."""
        while True:
            names = self.people(self.rng.choice((4, 4, 4, 5, 6)))
            verb, gerund = self.rng.choice(VERBS)
            facts = Facts(names[0], tuple(names[1:]), verb, gerund, self.item(), self.date())
            if bucket_of(facts.key) == self.sources.split:
                return facts
