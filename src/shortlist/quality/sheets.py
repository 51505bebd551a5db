"""A rater's sheet: which answers, in which order, and which of them a second time.

Seeded for each rater. The same source never stands twice running where that can be, a tenth of the answers comes
again (ten at least where there are twenty), fifteen places later where that can be.
"""

import hashlib
import random
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass

from shortlist.quality.outputs import Output
from shortlist.records import text_sha256

REPEATED_SHARE = 0.1
FEWEST_REPEATS = 10
FURTHEST_APART = 15


@dataclass(frozen=True, slots=True)
class Item:
    """One answer as a rater meets it. `repeat` is 1 the second time; the id tells nobody but us which is which."""

    id: str
    output: Output
    repeat: int = 0


@dataclass(frozen=True, slots=True)
class Rater:
    """Whose sheet, of which run, in which of the possible orders."""

    run: str
    name: str
    seed: int = 0


def lay_out(outputs: Mapping[str, Output], rater: Rater) -> tuple[Item, ...]:
    """The rater's items in their order; the same outputs, rater and seed give the same sheet."""
    digest = hashlib.sha256(f"{rater.run}\0{rater.name}\0{rater.seed}".encode("utf-8", "surrogatepass")).digest()
    chance = random.Random(int.from_bytes(digest[:8]))  # noqa: S311 - an order to shuffle, not a secret
    order = _apart([outputs[key] for key in sorted(outputs)], chance)
    items = [Item(item_id(rater.run, rater.name, one.key, 0), one) for one in order]
    for original in _to_repeat(items, chance):
        again = Item(item_id(rater.run, rater.name, original.output.key, 1), original.output, 1)
        items.insert(_place_for(again, items, items.index(original), chance), again)
    return tuple(items)


def item_id(run: str, rater: str, key: str, repeat: int) -> str:
    """An item's id: twelve hex digits that show neither the output nor the repeat."""
    return text_sha256(f"{run}\0{rater}\0{key}\0{repeat}")[:12]


def _apart(outputs: Sequence[Output], chance: random.Random) -> list[Output]:
    """A random order in which no source follows itself, where there is one."""
    by_source: dict[str, list[Output]] = {}
    for one in outputs:
        by_source.setdefault(one.source, []).append(one)
    for group in by_source.values():
        chance.shuffle(group)
    order: list[Output] = []
    while by_source:
        last = order[-1].source if order else None
        left = sum(map(len, by_source.values()))
        largest = max(by_source, key=lambda source: len(by_source[source]))
        if largest != last and 2 * len(by_source[largest]) > left:
            source = largest  # any other choice would leave this one to follow itself at the end
        else:
            others = [source for source in by_source if source != last] or list(by_source)
            source = chance.choices(others, [len(by_source[source]) for source in others])[0]
        order.append(by_source[source].pop())
        if not by_source[source]:
            del by_source[source]
    return order


def _to_repeat(items: Sequence[Item], chance: random.Random) -> Iterable[Item]:
    count = min(len(items) // 2, max(FEWEST_REPEATS, -(-len(items) // round(1 / REPEATED_SHARE))))
    early = max(count, len(items) - FURTHEST_APART + 1)
    return sorted(chance.sample(items[:early], count), key=items.index)


def _place_for(again: Item, items: Sequence[Item], first: int, chance: random.Random) -> int:
    def is_free(place: int) -> bool:
        beside = (*items[place - 1 : place], *items[place : place + 1])
        return all(one.output.source != again.output.source for one in beside)

    later = [place for place in range(first + FURTHEST_APART, len(items) + 1) if is_free(place)]
    if later:
        return chance.choice(later)
    closer = [place for place in range(first + 2, len(items) + 1) if is_free(place)]
    return closer[-1] if closer else len(items)
