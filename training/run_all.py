"""Reproduce everything: `python run_all.py [NAME...]`. Held-out sets, prompt suite, tokenizer, trainings, files, cards.

Without names all three models are made. `--evaluate-only` measures the files that are there and rewrites their cards.
"""

import argparse
import json
from pathlib import Path
from typing import Any, Final

import torch
from tokenizers import Tokenizer

from notes_recipe.batches import encode
from notes_recipe.cards import write_card
from notes_recipe.evaluate import evaluate
from notes_recipe.examples import training_examples
from notes_recipe.gguf_file import write_gguf
from notes_recipe.heldout import write_heldout
from notes_recipe.hf_folder import write_hf_folder
from notes_recipe.recipes import RECIPES
from notes_recipe.suite import write_suite
from notes_recipe.suite_score import suite_scores
from notes_recipe.tokenizer import train_tokenizer
from notes_recipe.train import Recipe, read_check_set, train

HERE: Final = Path(__file__).parent
BUILD: Final = HERE / "build"
LOGS: Final = HERE / "logs"
HELDOUT: Final = HERE / "heldout"
DEMO: Final = HERE.parent / "src" / "shortlist" / "demo"
TOKENIZER: Final = BUILD / "tokenizer.json"
CHECKPOINT: Final = "notes-small"
CHECK_COUNT: Final = 96
TOKENIZER_EXAMPLES: Final = slice(20_000, 40_000)


def prepare() -> Tokenizer:
    """Write the held-out sets, the prompt suite and the tokenizer."""
    write_heldout(HELDOUT)
    write_suite(DEMO / "prompts.json")
    examples = list(training_examples(TOKENIZER_EXAMPLES.stop))
    return train_tokenizer(iter(examples[TOKENIZER_EXAMPLES]), TOKENIZER)


def build(recipe: Recipe, tokenizer: Tokenizer) -> None:
    """Train one model and write its files."""
    data = encode(tokenizer, list(training_examples()))
    check = read_check_set(tokenizer, HELDOUT / "unseen_names.jsonl", CHECK_COUNT)
    model = train(recipe, data, tokenizer, check, LOGS / f"{recipe.name}.jsonl")
    weights = {name: weight.detach().numpy() for name, weight in model.state_dict().items()}
    write_gguf(DEMO / "models" / f"{recipe.name}.gguf", recipe.shape, weights, TOKENIZER)
    if recipe.name == CHECKPOINT:
        write_hf_folder(HERE / "checkpoints" / recipe.name, recipe.shape, weights, TOKENIZER)


def measure(recipe: Recipe) -> dict[str, Any]:
    """Ask the shipped file all held-out notes and write its card."""
    path = DEMO / "models" / f"{recipe.name}.gguf"
    measured = evaluate(path, HELDOUT, BUILD / f"{recipe.name}.answers.jsonl")
    measured["demo_prompts"] = suite_scores(path, DEMO / "prompts.json")
    log = [json.loads(line) for line in (LOGS / f"{recipe.name}.jsonl").read_text("utf-8").splitlines()]
    write_card(path, recipe, log[0]["parameters"], log, measured)
    return measured


def main() -> None:
    """Run the steps and print one line per model and set."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("names", nargs="*", metavar="NAME", help=f"one or more of {', '.join(RECIPES)}")
    parser.add_argument("--evaluate-only", action="store_true")
    options = parser.parse_args()
    if unknown := set(options.names) - set(RECIPES):
        parser.error(f"no recipe for {', '.join(sorted(unknown))}; there are {', '.join(RECIPES)}")
    torch.set_num_threads(1)
    BUILD.mkdir(exist_ok=True)
    LOGS.mkdir(exist_ok=True)
    tokenizer = None if options.evaluate_only else prepare()
    for name in options.names or RECIPES:
        if tokenizer:
            build(RECIPES[name], tokenizer)
        for set_name, row in measure(RECIPES[name]).items():
            print(json.dumps({"model": name, "set": set_name, **row}), flush=True)


if __name__ == "__main__":
    main()
