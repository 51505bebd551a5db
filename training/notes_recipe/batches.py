"""Examples as tensors: batches of conversations of similar length, so that no mask between neighbours is needed."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from random import Random
from typing import Final

import torch
from tokenizers import Tokenizer

from notes_recipe.chat import END, render_prompt
from notes_recipe.examples import Example

WINDOW: Final = 384
IGNORED: Final = -100


@dataclass(frozen=True, slots=True)
class Encoded:
    """A conversation's token ids, and where its answer starts."""

    ids: tuple[int, ...]
    answer_at: int


@dataclass(frozen=True, slots=True)
class Batch:
    """`inputs` and `targets` are [rows, length]; targets outside the answer are IGNORED."""

    inputs: torch.Tensor
    targets: torch.Tensor
    tokens: int


def encode(tokenizer: Tokenizer, examples: Sequence[Example]) -> list[Encoded]:
    """Token ids of prompts and answers."""
    prompts = tokenizer.encode_batch([render_prompt(example.messages) for example in examples])
    answers = tokenizer.encode_batch([example.answer + END for example in examples])
    return [
        Encoded((*prompt.ids, *answer.ids), len(prompt.ids)) for prompt, answer in zip(prompts, answers, strict=True)
    ]


def to_batch(rows: Sequence[Encoded]) -> Batch:
    """Pad rows on the right; the causal mask keeps padding out of sight."""
    length = max(len(row.ids) for row in rows) - 1
    inputs = torch.zeros(len(rows), length, dtype=torch.long)
    targets = torch.full((len(rows), length), IGNORED, dtype=torch.long)
    for number, row in enumerate(rows):
        ids = torch.tensor(row.ids)
        inputs[number, : len(ids) - 1] = ids[:-1]
        targets[number, row.answer_at - 1 : len(ids) - 1] = ids[row.answer_at :]
    return Batch(inputs, targets, sum(len(row.ids) for row in rows))


def batches(encoded: Sequence[Encoded], tokens_per_batch: int, seed: int) -> Iterator[Batch]:
    """The examples in file order, window by window; inside a window sorted by length, its batches shuffled."""
    rng = Random(seed)
    for start in range(0, len(encoded), WINDOW):
        window = sorted(encoded[start : start + WINDOW], key=lambda row: len(row.ids))
        groups: list[list[Encoded]] = [[]]
        for row in window:
            if groups[-1] and len(row.ids) * (len(groups[-1]) + 1) > tokens_per_batch:
                groups.append([])
            groups[-1].append(row)
        rng.shuffle(groups)
        yield from (to_batch(group) for group in groups)
