"""Nothing held out is in the training set: shown by making the whole training set again."""

import json
import re
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest

from notes_recipe import noise, templates
from notes_recipe.buckets import bucket_of, triple_key
from notes_recipe.examples import TRAINING_EXAMPLES, training_digest, training_examples
from notes_recipe.suite import told_notes
from notes_recipe.words import UNSEEN_MODIFIERS, UNSEEN_NAMES, UNSEEN_NOUNS
from shortlist.demo import demo_card_path, demo_names

HELDOUT = Path(__file__).parents[2] / "training" / "heldout"
GENERATED = ("known_names", "unseen_names", "unseen_items")
SIZES = {"known_names": 400, "unseen_names": 200, "unseen_items": 200, "free_hand": 30}
SENTENCE_END = re.compile(r"\n|(?<=[.?!]) |(?<=Minutes:) ")
LINE_MARK = re.compile(r"^(?:- |\* |> )")


@dataclass(frozen=True, slots=True)
class Trained:
    """Everything of the training set that a held-out note could be found in."""

    triples: frozenset[str]
    instances: frozenset[str]
    cut_sentences: frozenset[str]
    notes: frozenset[str]
    words: frozenset[str]
    examples: int
    digest: str


def sentences(note: str) -> set[str]:
    """A note cut at line and sentence ends, without knowing how it was made."""
    return {LINE_MARK.sub("", part) for part in SENTENCE_END.split(note)}


def rows(name: str) -> list[dict[str, Any]]:
    """A held-out file's rows."""
    return [json.loads(line) for line in (HELDOUT / f"{name}.jsonl").read_text(encoding="utf-8").splitlines()]


def constants() -> set[str]:
    """The sentences without slots, which both sides share."""
    groups = [
        group
        for name, group in (*vars(templates).items(), *vars(noise).items())
        if name.isupper() and isinstance(group, tuple)
    ]
    return {text for group in groups for text in group if not templates.slots_of(text)}


@pytest.fixture(scope="module")
def trained() -> Trained:
    """The training set, made again from its seed."""
    triples, instances, cut, notes, words = (set[str]() for _ in range(5))
    examples = list(training_examples())
    for example in examples:
        words.update(re.findall(r"[\w-]+", example.messages[-1].content.casefold()))
        if example.note is None or example.facts is None:
            continue
        triples.add(example.facts.key)
        instances.update(example.note.instances)
        cut.update(sentences(example.note.text))
        notes.add(example.note.text)
    return Trained(
        triples=frozenset(triples),
        instances=frozenset(instances),
        cut_sentences=frozenset(cut),
        notes=frozenset(notes),
        words=frozenset(words),
        examples=len(examples),
        digest=training_digest(examples),
    )


def leaks(trained: Trained, heldout: list[dict[str, Any]]) -> dict[str, set[str]]:
    """What of `heldout` the training set holds, by kind."""
    shared = constants()
    return {
        "triple": {triple_key(row["item"], row["owner"], row["date"]) for row in heldout} & trained.triples,
        "instance": {text for row in heldout for text in row["instances"]} & trained.instances,
        "sentence": {text for row in heldout for text in sentences(row["note"]) - shared} & trained.cut_sentences,
        "note": {row["note"] for row in heldout} & trained.notes,
    }


@pytest.mark.slow
def test_training_set_is_the_whole_one(trained: Trained) -> None:
    """The proof looks at tens of thousands of notes, triples and sentences, not at an empty set."""
    assert trained.examples == TRAINING_EXAMPLES
    assert len(trained.notes) > 0.7 * TRAINING_EXAMPLES
    assert len(trained.triples) > 0.7 * TRAINING_EXAMPLES
    assert len(trained.instances) > 3 * TRAINING_EXAMPLES


@pytest.mark.slow
@pytest.mark.parametrize("name", demo_names())
def test_the_set_made_again_is_the_one_trained_on(trained: Trained, name: str) -> None:
    """Each card names the digest of its training set, and it is this one."""
    card = json.loads(demo_card_path(name).read_text(encoding="utf-8"))
    assert card["extra"]["recipe"]["examples_sha256"] == trained.digest


@pytest.mark.slow
@pytest.mark.parametrize("name", SIZES)
def test_nothing_held_out_was_trained_on(trained: Trained, name: str) -> None:
    """No held-out triple, sentence or note is in the training set."""
    heldout = rows(name)
    assert len(heldout) == SIZES[name]
    assert leaks(trained, heldout) == {"triple": set(), "instance": set(), "sentence": set(), "note": set()}


@pytest.mark.slow
@pytest.mark.parametrize("name", GENERATED)
def test_split_is_a_hash(trained: Trained, name: str) -> None:
    """Held-out triples and sentences hash to one side, those of training to the other."""
    heldout = rows(name)
    texts = {text for row in heldout for text in row["instances"]}
    assert len(texts) > 3 * len(heldout)
    assert {bucket_of(text) for text in texts} == {"heldout"}
    assert {bucket_of(triple_key(row["item"], row["owner"], row["date"])) for row in heldout} == {"heldout"}
    assert {bucket_of(text) for text in trained.instances} == {"train"}
    assert {bucket_of(text) for text in trained.triples} == {"train"}


@pytest.mark.parametrize("name", GENERATED)
def test_cutting_a_note_finds_its_sentences(name: str) -> None:
    """The check by cutting sees the same sentences as the generator's own list: it is no empty check."""
    for row in rows(name):
        assert set(row["instances"]) <= sentences(row["note"])


@pytest.mark.slow
def test_planted_leaks_are_found(trained: Trained) -> None:
    """One training note among the held-out ones is found by each of the four checks."""
    planted = next(example for example in training_examples() if example.note and len(example.note.instances) > 1)
    assert planted.note is not None
    assert planted.facts is not None
    row = {
        "item": planted.facts.item.core,
        "owner": planted.facts.owner,
        "date": planted.facts.date,
        "instances": list(planted.note.instances),
        "note": planted.note.text,
    }
    assert all(leaks(trained, [*rows("known_names"), row]).values())


@pytest.mark.slow
def test_unseen_names_and_words_were_never_seen(trained: Trained) -> None:
    """No part of a name or a word kept for the held-out sets is a word of the training set."""
    parts = {piece.casefold() for name in UNSEEN_NAMES for part in name.split() for piece in (part, *part.split("-"))}
    kept = parts | set(UNSEEN_MODIFIERS) | set(UNSEEN_NOUNS)
    assert len(kept) > 100
    assert not kept & trained.words


@pytest.mark.slow
def test_suite_is_held_out(trained: Trained) -> None:
    """The demo's thirty notes are no part of the training set either."""
    told = told_notes()
    assert len(told) == 30
    assert not {one.facts.key for one in told} & trained.triples
    assert not {text for one in told for text in one.note.instances} & trained.instances
    assert not {one.note.text for one in told} & trained.notes
