"""Causes of disturbance as people read them: those that differ in a number only are one."""

import re
from collections.abc import Iterable

_NUMBER = re.compile(r"\d+(?:\.\d+)?(?:–\d+(?:\.\d+)?)?")
"""A number, or a range of them as `summed_up` makes it."""


def kind_of(cause: str) -> str:
    """A cause without its numbers: `apt took # cores`."""
    return _NUMBER.sub("#", cause)


def summed_up(causes: Iterable[str], most: int = 2) -> tuple[str, ...]:
    """The commonest causes first; a number that varies becomes a range: `apt took 0.7–1.4 cores`."""
    kinds: dict[str, list[str]] = {}
    for cause in causes:
        kinds.setdefault(kind_of(cause), []).append(cause)
    return tuple(_ranged(found) for found in sorted(kinds.values(), key=len, reverse=True)[:most])


def _ranged(causes: list[str]) -> str:
    """A name may hold digits too: only a number that differs is ranged."""
    columns = list(zip(*(_NUMBER.findall(cause) for cause in causes), strict=True))
    ranges = iter([_range(set(column)) for column in columns])
    return _NUMBER.sub(lambda _: next(ranges), causes[0])


def said_once(told: Iterable[tuple[str, str]]) -> list[str]:
    """`label: text` in their order; texts that differ in numbers alone are one, behind all their labels."""
    grouped: dict[str, list[tuple[str, str]]] = {}
    for label, text in told:
        grouped.setdefault(kind_of(text), []).append((label, text))
    return [
        f"{', '.join(label for label, _ in some)}: {summed_up((text for _, text in some), most=1)[0]}"
        for some in grouped.values()
    ]


def _range(numbers: set[str]) -> str:
    ordered = sorted({end for number in numbers for end in number.split("–")}, key=float)
    return ordered[0] if len(ordered) == 1 else f"{ordered[0]}–{ordered[-1]}"
