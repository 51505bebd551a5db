"""The held-out sets: known names, names never seen, and words never seen."""

import json
from collections.abc import Iterator
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any, Final

from notes_recipe.examples import Example, ExampleMaker
from notes_recipe.facts import Sources


@dataclass(frozen=True, slots=True)
class HeldoutSet:
    """How one held-out file is made."""

    name: str
    count: int
    seed: int
    sources: Sources


HELDOUT_SETS: Final = (
    HeldoutSet("known_names", 400, 101, Sources("heldout", "known", "known")),
    HeldoutSet("unseen_names", 200, 102, Sources("heldout", "unseen", "known")),
    HeldoutSet("unseen_items", 200, 103, Sources("heldout", "known", "unseen")),
)


def heldout_examples(chosen: HeldoutSet) -> Iterator[Example]:
    """The examples of one set, at full difficulty."""
    maker = ExampleMaker(chosen.seed, chosen.sources)
    for _ in range(chosen.count):
        yield maker.noted()


def to_row(example: Example) -> dict[str, Any]:
    """One line of a held-out file."""
    assert example.note is not None
    assert example.facts is not None
    facts = example.facts
    return {
        "messages": [asdict(message) for message in example.messages],
        "reference": example.answer,
        "owner": facts.owner,
        "others": list(facts.others),
        "verb": facts.verb,
        "item": facts.item.core,
        "date": facts.date,
        "note": example.note.text,
        "instances": list(example.note.instances),
    }


def write_heldout(folder: Path) -> None:
    """Write every generated held-out set as JSON lines."""
    for chosen in HELDOUT_SETS:
        rows = (json.dumps(to_row(example), ensure_ascii=False) + "\n" for example in heldout_examples(chosen))
        (folder / f"{chosen.name}.jsonl").write_text("".join(rows), encoding="utf-8")
