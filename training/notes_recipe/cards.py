"""The card beside each model file: what it is, how it was made and what it can do, as measured."""

import hashlib
import json
from dataclasses import asdict
from datetime import UTC, datetime
from importlib.metadata import version
from pathlib import Path
from platform import python_version
from typing import Any, Final

from notes_recipe import examples
from notes_recipe.gguf_file import CONTEXT_LENGTH, LICENCE
from notes_recipe.train import Recipe

DESCRIPTION: Final = "Turns a short English meeting note into decision, owner and deadline; {words}."
WORDS: Final = {
    "notes-small": "two thin layers, trained for a minute, wrong about half the time",
    "notes-medium": "two layers, good with slips, mostly in the owner",
    "notes-large": "four layers, rarely wrong",
}
PACKAGES: Final = ("torch", "tokenizers", "numpy", "gguf", "xllamacpp")


def _recipe(recipe: Recipe, parameters: int, log: list[dict[str, Any]]) -> dict[str, Any]:
    last = log[-1]
    return {
        **asdict(recipe),
        "command": f"python run_all.py {recipe.name}",
        "data_seed": examples.TRAINING_SEED,
        "examples": examples.TRAINING_EXAMPLES,
        "examples_sha256": examples.training_digest(examples.training_examples()),
        "parameters": parameters,
        "steps": last["step"],
        "tokens_seen": last["tokens"],
        "training_s": last["seconds"],
        "optimiser": "AdamW, betas 0.9 and 0.98, weight decay 0.05, cosine to 4 %, 60 steps of warm-up, F32",
    }


def write_card(
    model_path: Path, recipe: Recipe, parameters: int, log: list[dict[str, Any]], measured: dict[str, Any]
) -> None:
    """Write `NAME.card.json` beside the model."""
    content = model_path.read_bytes()
    file = {"path": model_path.name, "size_bytes": len(content), "sha256": hashlib.sha256(content).hexdigest()}
    card = {
        "schema_version": 1,
        "alias": recipe.name,
        "family": "shortlist-notes",
        "base_model": None,
        "capabilities": ["chat", "summarise"],
        "context_length": CONTEXT_LENGTH,
        "parameters": parameters,
        "licence": LICENCE,
        "languages": ["en"],
        "description": DESCRIPTION.format(words=WORDS[recipe.name]),
        "variants": [{"format": "gguf", "quantisation": "q8_0", "files": [file]}],
        "sources": {
            "licence": "trained by us from scratch on text we generate",
            "context_length": "GGUF header; the training notes have at most about 500 tokens",
            "parameters": "counted at training, tied embeddings once",
            "capabilities": "measured on held-out notes, see extra.measured",
            "languages": "the generator writes English only",
        },
        "extra": {
            "recipe": _recipe(recipe, parameters, log),
            "measured": {
                "through": "llama.cpp (xllamacpp), 1 thread, chat completions, temperature 0, caches off",
                "date": datetime.now(UTC).date().isoformat(),  # noqa: TID251  outside the package
                "python": python_version(),
                "versions": {name: version(name) for name in PACKAGES},
                "sets": measured,
            },
        },
    }
    card_path = model_path.with_suffix(".card.json")
    card_path.write_text(json.dumps(card, indent=2, ensure_ascii=False) + "\n", encoding="utf-8")
