"""Train one size.

AdamW, warm-up and cosine, loss on the answer's tokens only, driven by tokens and never by the clock.
"""

import json
import math
import time
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any, Final

import torch
from tokenizers import Tokenizer
from torch.nn import functional

from notes_recipe.batches import IGNORED, Batch, Encoded, batches, encode, to_batch
from notes_recipe.chat import Message
from notes_recipe.examples import Example
from notes_recipe.model import Llama, Shape, rotary
from notes_recipe.scoring import facets, shares

WARM_UP_STEPS: Final = 60
FLOOR: Final = 0.04
WEIGHT_DECAY: Final = 0.05
BETAS: Final = (0.9, 0.98)
CHECKS: Final = 16
CHECK_ROWS: Final = 24


@dataclass(frozen=True, slots=True)
class Recipe:
    """Everything that one training depends on, besides the data."""

    name: str
    shape: Shape
    tokens: int
    tokens_per_batch: int
    learning_rate: float
    seed: int


@dataclass(frozen=True, slots=True)
class CheckSet:
    """Held-out rows for a look at progress while training."""

    rows: tuple[dict[str, Any], ...]
    encoded: tuple[Encoded, ...]


def read_check_set(tokenizer: Tokenizer, path: Path, count: int) -> CheckSet:
    """The first `count` rows of a held-out file."""
    rows = [json.loads(line) for line in path.read_text(encoding="utf-8").splitlines()[:count]]
    examples = [Example(tuple(Message(**turn) for turn in row["messages"]), row["reference"]) for row in rows]
    return CheckSet(tuple(rows), tuple(encode(tokenizer, examples)))


@torch.no_grad()
def teacher_forced(model: Llama, tokenizer: Tokenizer, check: CheckSet) -> dict[str, float]:
    """Facet shares when each token is guessed after the right ones: quick, and a little kind to the model."""
    scored = []
    for start in range(0, len(check.rows), CHECK_ROWS):
        batch = to_batch(check.encoded[start : start + CHECK_ROWS])
        states = model(batch.inputs, *rotary(model.shape, batch.inputs.shape[1]))
        guesses = model.logits(states).argmax(-1)
        for row, guess, target in zip(check.rows[start:], guesses, batch.targets, strict=False):
            answer = tokenizer.decode(guess[target != IGNORED].tolist())
            scored.append(facets(answer, row))
    return shares(scored)


def _optimiser(model: Llama, recipe: Recipe) -> torch.optim.AdamW:
    matrices = [w for name, w in model.named_parameters() if w.dim() > 1 and "embed" not in name]
    others = [w for name, w in model.named_parameters() if w.dim() == 1 or "embed" in name]
    groups = [{"params": matrices, "weight_decay": WEIGHT_DECAY}, {"params": others, "weight_decay": 0.0}]
    return torch.optim.AdamW(groups, lr=recipe.learning_rate, betas=BETAS, fused=True)


def _rate(step: int, done: float) -> float:
    cosine = 0.5 * (1 + math.cos(math.pi * min(1.0, done)))
    return min(1.0, (step + 1) / WARM_UP_STEPS) * (FLOOR + (1 - FLOOR) * cosine)


def _train_on(model: Llama, optimiser: torch.optim.AdamW, batch: Batch) -> float:
    states = model(batch.inputs, *rotary(model.shape, batch.inputs.shape[1]))
    wanted = batch.targets != IGNORED
    loss = functional.cross_entropy(model.logits(states[wanted]), batch.targets[wanted])
    optimiser.zero_grad(set_to_none=True)
    loss.backward()  # type: ignore[no-untyped-call]  # torch has no types here
    torch.nn.utils.clip_grad_norm_(model.parameters(), 1.0)
    optimiser.step()
    return loss.item()


def _seconds_since(start_s: float) -> float:
    return round(time.perf_counter() - start_s, 1)  # noqa: TID251


def train(recipe: Recipe, data: list[Encoded], tokenizer: Tokenizer, check: CheckSet, log_path: Path) -> Llama:
    """One training. The log gets a JSON line at each look."""
    torch.manual_seed(recipe.seed)
    model = Llama(recipe.shape)
    optimiser = _optimiser(model, recipe)
    tokens, losses, next_look = 0, [], recipe.tokens // CHECKS
    start_s = time.perf_counter()  # noqa: TID251  the package and its clock are not needed to train
    with log_path.open("w", encoding="utf-8") as log:
        log.write(json.dumps({"recipe": asdict(recipe), "parameters": model.parameter_count()}) + "\n")
        for step, batch in enumerate(batches(data, recipe.tokens_per_batch, recipe.seed)):
            for group in optimiser.param_groups:
                group["lr"] = recipe.learning_rate * _rate(step, tokens / recipe.tokens)
            losses.append(_train_on(model, optimiser, batch))
            tokens += batch.tokens
            if tokens < next_look:
                continue
            next_look += recipe.tokens // CHECKS
            look = {"step": step + 1, "tokens": tokens, "seconds": _seconds_since(start_s)}
            look |= {"loss": round(sum(losses) / len(losses), 4), **teacher_forced(model, tokenizer, check)}
            losses.clear()
            log.write(json.dumps(look) + "\n")
            log.flush()
            if tokens >= recipe.tokens:
                break
    return model
