"""How far the same request brought the same answer: measured over the rounds, promised by nobody."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from itertools import takewhile

from shortlist.records import Interval
from shortlist.results.accepted import Measured, Requests
from shortlist.stats.intervals import proportion


@dataclass(frozen=True, slots=True)
class Deviation:
    """A prompt whose answers differed: how many different ones, and where the first two of them part.

    `at` counts characters of reasoning and answer together, from 0; `first` and `other` are the rounds they came in.
    """

    prompt: str
    answers: int
    at: int
    first: int
    other: int


@dataclass(frozen=True, slots=True)
class Repeatability:
    """One candidate: of `prompts` answered at least twice, `identical` had the same characters every time."""

    candidate: str
    prompts: int
    identical: int
    share: Interval
    deviations: tuple[Deviation, ...] = ()


def repeatability(requests: Mapping[str, Requests], level: float) -> tuple[Repeatability, ...]:
    """For each candidate with a prompt that was answered twice or more; failed requests are left out."""
    found = []
    for candidate, one in requests.items():
        by_prompt: dict[str, list[Measured]] = {}
        for item in one.complete.items:
            by_prompt.setdefault(item.cell.prompt, []).append(item)
        compared = {prompt: items for prompt, items in by_prompt.items() if len(items) > 1}
        if not compared:
            continue
        differing = tuple(
            deviation for prompt, items in compared.items() if (deviation := _deviation(prompt, items)) is not None
        )
        identical = len(compared) - len(differing)
        share = proportion(identical, len(compared), level=level)
        found.append(Repeatability(candidate, len(compared), identical, share, differing))
    return tuple(found)


def _deviation(prompt: str, items: Sequence[Measured]) -> Deviation | None:
    first = items[0]
    texts = [item.sample.reasoning + item.sample.text for item in items]
    place = next((n for n, text in enumerate(texts) if text != texts[0]), None)
    if place is None:
        return None
    at = sum(1 for _ in takewhile(lambda pair: pair[0] == pair[1], zip(texts[0], texts[place], strict=False)))
    return Deviation(prompt, len(set(texts)), at, first.cell.round, items[place].cell.round)
