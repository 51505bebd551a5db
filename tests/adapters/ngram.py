"""A small language model as an adapter: letters after letters, by how often they followed in its weights' text."""

import json
import math
import random
import sys
import time
from collections import Counter, defaultdict
from collections.abc import Iterator

ORDER = 4
LINES = [
    "Decision: ship on Friday. Owner: Zoë. Deadline: 3 June. 🙂",
    "Decision: move the budget review to noon. Owner: Łukasz. Deadline: Monday.",
    "Maya sends the report by 3pm; 東京 is told. Nobody may use the lab before Monday.",
]


class Ngram:
    """Counts of what followed the last letters; the weights are those counts, made of a text by `train`."""

    context = 512
    parallel = 4
    device = "cpu"

    def load(self, weights_path: str) -> None:
        with open(weights_path, encoding="utf-8") as file:  # noqa: PTH123 - as anybody writes it
            self.followers: dict[str, dict[str, int]] = json.load(file)

    def count_tokens(self, text: str) -> int:
        return len(text)

    def generate(
        self, prompt: str, *, max_tokens: int = 400, temperature: float = 0, seed: int = 0, ignore_eos: bool = False
    ) -> Iterator[str]:
        chance = random.Random(seed)
        written = prompt[-ORDER:]
        for _ in range(max_tokens):
            letter = self._next(written, temperature, chance, ignore_eos=ignore_eos)
            if letter is None:
                return
            written += letter
            yield letter

    def _next(self, written: str, temperature: float, chance: random.Random, *, ignore_eos: bool) -> str | None:
        for length in range(ORDER, -1, -1):
            counts = self.followers.get(written[len(written) - length :] if length else "")
            known = {one: n for one, n in (counts or {}).items() if one or not ignore_eos}
            if known:
                break
        if temperature == 0:
            return max(sorted(known), key=known.__getitem__) or None
        weights = [math.exp(math.log(n) / temperature) for n in known.values()]
        return chance.choices(list(known), weights)[0] or None


def train(texts: list[str]) -> dict[str, dict[str, int]]:
    """Weights for `Ngram`; the empty letter ends a text."""
    followers: dict[str, Counter[str]] = defaultdict(Counter)
    for text in texts:
        for place, letter in enumerate([*text, ""]):
            for length in range(ORDER + 1):
                if place >= length:
                    followers[text[place - length : place]][letter] += 1
    return {context: dict(sorted(counts.items())) for context, counts in sorted(followers.items())}


class SlowNgram(Ngram):
    """Writes a line for each letter that it worked out, and takes milliseconds for it."""

    def _next(self, written: str, temperature: float, chance: random.Random, *, ignore_eos: bool) -> str | None:
        time.sleep(0.005)  # noqa: TID251 - a user's code
        sys.stderr.write("letter\n")
        sys.stderr.flush()
        return super()._next(written, temperature, chance, ignore_eos=ignore_eos)
