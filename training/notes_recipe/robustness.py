"""The largest model under instructions that training never saw, and by the length of the note.

Run `python -m notes_recipe.robustness`.
"""

import json
from collections.abc import Sequence
from pathlib import Path
from typing import Any, Final

from notes_recipe.engine import Answer, answers
from notes_recipe.evaluate import read_rows
from notes_recipe.examples import Example, ExampleMaker
from notes_recipe.facts import Sources
from notes_recipe.heldout import to_row
from notes_recipe.instructions import messages_for
from notes_recipe.scoring import facets, shares
from notes_recipe.writing import Difficulty, NoSentenceFitsError

TRAINING: Final = Path(__file__).parents[1]
MODEL: Final = TRAINING.parent / "src" / "shortlist" / "demo" / "models" / "notes-large.gguf"
NOTES: Final = 200
INSTRUCTIONS: Final = {
    "the suite's": "Summarise this meeting note as decision, owner and deadline.",
    "tl;dr": "tl;dr",
    "chatty": "Hey there, could you tell me in plain words what these folks settled on?",
    "roles": "Act as a project manager and report the result to your boss.",
    "other words": "Which task was handed out, to whom, and what is the due date?",
    "none": "",
}
LONG_NOTES: Final = 100
LONG_SEED: Final = 104
LENGTHS: Final = ((0, 100), (100, 150), (150, 250), (250, 350), (350, 1000))


def _shares(rows: Sequence[dict[str, Any]], given: Sequence[Answer]) -> dict[str, float]:
    return shares(facets(answer.text, row) for answer, row in zip(given, rows, strict=True))


def by_instruction(rows: Sequence[dict[str, Any]]) -> None:
    """Print the shares under each instruction, on the same notes."""
    for name, text in INSTRUCTIONS.items():
        asked = [[{"role": "user", "content": f"{text}\n{row['note']}".strip()}] for row in rows]
        print(json.dumps({"instruction": name, "n": len(rows), **_shares(rows, answers(MODEL, asked))}), flush=True)


def by_length(rows: Sequence[dict[str, Any]]) -> None:
    """Print the shares for short and long prompts, in tokens, with the held-out set's own instructions."""
    given = answers(MODEL, [row["messages"] for row in rows])
    for low, high in LENGTHS:
        chosen = [(row, one) for row, one in zip(rows, given, strict=True) if low <= one.prompt_tokens < high]
        if not chosen:
            continue
        found = _shares([row for row, _ in chosen], [one for _, one in chosen])
        print(json.dumps({"prompt_tokens": [low, high], "n": len(chosen), **found}))


def long_rows() -> list[dict[str, Any]]:
    """Held-out notes with ten to sixteen distractor sentences; the files hold only a few."""
    maker = ExampleMaker(LONG_SEED, Sources("heldout", "unseen", "known"))
    rows: list[dict[str, Any]] = []
    while len(rows) < LONG_NOTES:
        facts = maker.picker.facts()
        try:
            note = maker.writer.write(facts, Difficulty(maker.rng.randint(10, 16), 0.3))
        except NoSentenceFitsError:
            continue
        rows.append(to_row(Example(messages_for(maker.rng, note.text), facts.answer, note, facts)))
    return rows


def main() -> None:
    """Print both, on held-out notes."""
    rows = read_rows(TRAINING / "heldout" / "unseen_names.jsonl")
    by_instruction(rows[:NOTES])
    by_length([*rows, *read_rows(TRAINING / "heldout" / "known_names.jsonl"), *long_rows()])


if __name__ == "__main__":
    main()
