"""The demo's prompt suite: held-out notes from thirteen invented meetings, some told twice in other words."""

import json
from dataclasses import dataclass
from pathlib import Path
from random import Random
from typing import Any, Final

from notes_recipe import noise
from notes_recipe.dates import spellings
from notes_recipe.facts import FactPicker, Facts, Item, Sources
from notes_recipe.words import KNOWN_NAMES, NOUNS, UNSEEN_FIRST_NAMES, UNSEEN_FULL_NAMES
from notes_recipe.writing import Chat, Difficulty, NoSentenceFitsError, Note, NoteWriter

SUITE_SEED: Final = 31
TEMPLATE: Final = "Summarise this meeting note as decision, owner and deadline.\n{note}"
MAX_WORDS: Final = 40
MAX_NOTE_WORDS: Final = 95
KNOWN_TOPICS: Final = ("museum", "festival", "payroll", "library", "warehouse", "travel", "customer", "safety")
UNSEEN_TOPICS: Final = ("Falcon", "lighthouse", "Borealis", "orchard", "Quillon")
PLAIN: Final = Chat(noise.PLAIN_NOISE, noise.PLAIN_SLOTLESS_NOISE, noise.PLAIN_OPENING)
RUBRIC: Final = {
    "faithfulness": {
        "1": "Says something that the note denies or never mentions.",
        "2": "Two of decision, owner and deadline are wrong or missing.",
        "3": "One of decision, owner and deadline is wrong or missing.",
        "4": "All three are right; the wording bends the note a little.",
        "5": "All three are right and nothing is added.",
    },
}


@dataclass(frozen=True, slots=True)
class Meeting:
    """Who was there and what it was about."""

    people: tuple[str, ...]
    topic: str
    has_unseen_names: bool


class MeetingPicker(FactPicker):
    """Facts from one meeting: its people, and items about its topic."""

    def __init__(self, rng: Random, meeting: Meeting) -> None:
        super().__init__(rng, Sources("heldout", "known", "known"))
        self.meeting = meeting

    def people(self, count: int) -> list[str]:
        """Everybody in the meeting, in a new order."""
        return self.rng.sample(self.meeting.people, len(self.meeting.people))[:count]

    def item(self) -> Item:
        """Two items in three are about the topic."""
        item = super().item()
        if self.rng.random() < 0.35:
            return item
        return Item("the", f"{self.meeting.topic} {self.rng.choice(NOUNS)}")


def meetings(rng: Random) -> list[Meeting]:
    """Eight meetings of people with known names and five of people with names never seen."""
    known = rng.sample(KNOWN_NAMES, 4 * len(KNOWN_TOPICS))
    unseen = rng.sample(UNSEEN_FIRST_NAMES, 3 * len(UNSEEN_TOPICS))
    full = rng.sample(UNSEEN_FULL_NAMES, len(UNSEEN_TOPICS))
    return [
        Meeting(tuple(known[4 * at : 4 * at + 4]), topic, has_unseen_names=False)
        for at, topic in enumerate(KNOWN_TOPICS)
    ] + [
        Meeting((*unseen[3 * at : 3 * at + 3], full[at]), topic, has_unseen_names=True)
        for at, topic in enumerate(UNSEEN_TOPICS)
    ]


@dataclass(frozen=True, slots=True)
class Told:
    """A note of a meeting; `pair_with` is the id of a note with the same facts."""

    prompt_id: str
    cluster: str
    meeting: Meeting
    facts: Facts
    note: Note
    pair_with: str | None


def _one_note(writer: NoteWriter, facts: Facts, avoid: str) -> Note | None:
    """A short note that tells `facts` in other words than `avoid`, or None where the split allows none."""
    for _ in range(60):
        try:
            note = writer.write(facts, Difficulty(writer.rng.choice((2, 3, 4)), 0.35))
        except NoSentenceFitsError:
            continue
        is_short = len(note.text.split()) <= MAX_NOTE_WORDS
        has_distractor = any(name in note.text for name in facts.others)
        repeats_itself = any(note.text.count(text) > 1 for text in noise.PLAIN_SLOTLESS_NOISE)
        if is_short and has_distractor and not repeats_itself and not set(note.instances) & set(avoid.split("\n")):
            return note
    return None


def _told_facts(picker: MeetingPicker, times: int) -> tuple[Facts, list[Note]]:
    """Facts that can be told `times` times."""
    writer = NoteWriter(picker.rng, picker, PLAIN)
    while True:
        facts = picker.facts()
        notes: list[Note] = []
        for _ in range(times):
            note = _one_note(writer, facts, "\n".join("\n".join(told.instances) for told in notes))
            if note:
                notes.append(note)
        if len(notes) == times:
            return facts, notes


def told_notes() -> list[Told]:
    """Thirty notes: in every meeting a pair or two single notes, in some meetings one more."""
    rng = Random(SUITE_SEED)
    out: list[Told] = []
    for number, meeting in enumerate(meetings(rng), 1):
        picker = MeetingPicker(rng, meeting)
        is_pair = number % 2 == 1
        groups = [2] if is_pair else [1, 1]
        if number % 3 == 1 and number > 1:
            groups.append(1)
        for times in groups:
            facts, notes = _told_facts(picker, times)
            first_id = None
            for note in notes:
                prompt_id = f"n-{len(out) + 1:03}"
                out.append(Told(prompt_id, f"meeting-{number:02}", meeting, facts, note, first_id))
                first_id = first_id or prompt_id
    return out


def _facets(told: Told) -> list[dict[str, Any]]:
    others = [name for name in told.facts.others if name in told.note.text]
    facets: list[dict[str, Any]] = [
        {"id": "item", "kind": "must_include", "any_of": [told.facts.item.core]},
        {"id": "owner", "kind": "must_include", "any_of": [told.facts.owner], "critical": True},
        {"id": "deadline", "kind": "must_include", "any_of": spellings(told.facts.date)},
        {"id": "no-invented-name", "kind": "must_not_include", "any_of": others, "critical": True},
        {"id": "len", "kind": "max_words", "value": MAX_WORDS},
    ]
    return [facet for facet in facets if facet.get("any_of") != []]


def to_prompt(told: Told) -> dict[str, Any]:
    """One entry of prompts.json."""
    prompt = {
        "id": told.prompt_id,
        "cluster": told.cluster,
        "tags": ["summarise", "en", "unseen-names" if told.meeting.has_unseen_names else "known-names"],
        "note": told.note.text,
        "facets": _facets(told),
        "references": [told.facts.answer],
        "rubric": RUBRIC,
    }
    return prompt | ({"pair_with": told.pair_with} if told.pair_with else {})


def write_suite(path: Path) -> None:
    """Write prompts.json."""
    suite = {"version": 1, "template": TEMPLATE, "prompts": [to_prompt(told) for told in told_notes()]}
    path.write_text(json.dumps(suite, indent=1, ensure_ascii=False) + "\n", encoding="utf-8")
