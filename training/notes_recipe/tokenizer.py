"""A small byte-level BPE whose merges never hold a capital letter, a digit or a piece of a name.

A name is therefore always several tokens, and the same tokens at the start of a line, after a space and in the answer:
copying one is following a trail and not recalling a word.
"""

import re
from collections.abc import Iterator
from pathlib import Path
from typing import Final

from tokenizers import Tokenizer, decoders, models, pre_tokenizers, trainers

from notes_recipe.chat import SPECIAL_TOKENS
from notes_recipe.examples import Example
from notes_recipe.shape import VOCABULARY

SPLIT_BEFORE: Final = re.compile(r"[A-Z0-9]|[^\x00-\x7f]")


def _without_names(example: Example) -> Iterator[str]:
    """A request with everybody's name cut out, and cut again at every capital letter and digit."""
    if example.facts is None:
        return
    people = sorted((example.facts.owner, *example.facts.others), key=len, reverse=True)
    for message in example.messages:
        text = message.content
        for name in people:
            text = text.replace(name, "\n")
        yield SPLIT_BEFORE.sub("\n", text)
    yield SPLIT_BEFORE.sub("\n", example.answer.replace(example.facts.owner, "\n"))


def train_tokenizer(examples: Iterator[Example], path: Path) -> Tokenizer:
    """Learn the merges from the notes and write `tokenizer.json`."""
    tokenizer = Tokenizer(models.BPE())
    tokenizer.pre_tokenizer = pre_tokenizers.ByteLevel(add_prefix_space=False)
    tokenizer.decoder = decoders.ByteLevel()
    trainer = trainers.BpeTrainer(
        vocab_size=VOCABULARY,
        special_tokens=list(SPECIAL_TOKENS),
        initial_alphabet=sorted(pre_tokenizers.ByteLevel.alphabet()),
        show_progress=False,
    )
    tokenizer.train_from_iterator((text for example in examples for text in _without_names(example)), trainer)
    tokenizer.save(str(path))
    return tokenizer
