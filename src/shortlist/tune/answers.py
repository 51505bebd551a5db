"""Whether a setting changes what the model says: its greedy answers beside the default's, prompt by prompt."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from itertools import takewhile

from shortlist.records import Run
from shortlist.results.metrics import is_complete

Answers = Mapping[str, tuple[str, ...]]
"""Prompt → the texts that were answered, each once, first one first."""


@dataclass(frozen=True, slots=True)
class Change:
    """How many prompts were answered otherwise than by the default, of how many; the earliest place, counted from 0."""

    changed: int
    prompts: int
    first_prompt: str = ""
    first_character: int | None = None

    @property
    def words(self) -> str:
        """`same text` or `other text on 1 of 2 prompts, first at character 17`."""
        if not self.prompts:
            return "no answer to compare"
        if not self.changed:
            return f"same text on {self.prompts} of {self.prompts} prompts"
        return f"other text on {self.changed} of {self.prompts} prompts, from character {self.first_character} on"


def answers_of(run: Run) -> dict[str, dict[str, tuple[str, ...]]]:
    """Candidate → its answers; those that broke off are none."""
    owners = {block.id: block.candidate for block in run.blocks}
    found: dict[str, dict[str, dict[str, None]]] = {}
    for sample in run.samples:
        if sample.phase == "measure" and is_complete(sample) and sample.prompt is not None:
            texts = found.setdefault(owners[sample.block], {}).setdefault(sample.prompt, {})
            texts[f"{sample.reasoning}{sample.text}"] = None
    return {owner: {prompt: tuple(texts) for prompt, texts in by.items()} for owner, by in found.items()}


def compare_answers(default: Answers, other: Answers) -> Change:
    """Over the prompts that both answered. Same: every answer is one that the default gave, too."""
    both = sorted(default.keys() & other.keys())
    places: dict[str, int] = {}
    for prompt in both:
        unlike = [text for text in other[prompt] if text not in default[prompt]]
        if unlike:
            places[prompt] = min(max(_shared(text, known) for known in default[prompt]) for text in unlike)
    first = min(places, key=places.__getitem__, default="")
    return Change(len(places), len(both), first, places.get(first))


def is_repeatable(answers: Answers) -> bool:
    """Whether each prompt got one answer, however often it was asked."""
    return all(len(texts) == 1 for texts in answers.values())


def merged(parts: Sequence[Answers]) -> dict[str, tuple[str, ...]]:
    """Answers of several runs as one."""
    found: dict[str, dict[str, None]] = {}
    for part in parts:
        for prompt, texts in part.items():
            found.setdefault(prompt, {}).update(dict.fromkeys(texts))
    return {prompt: tuple(texts) for prompt, texts in found.items()}


def _shared(one: str, other: str) -> int:
    """How many characters two texts begin with alike."""
    return sum(1 for _ in takewhile(lambda pair: pair[0] == pair[1], zip(one, other, strict=False)))
