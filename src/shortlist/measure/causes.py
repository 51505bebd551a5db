"""Causes of disturbance as people read them: those that differ in a number only are one."""

import re
from collections.abc import Iterable

_NUMBER = re.compile(r"\d+(?:\.\d+)?")


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


def _range(numbers: set[str]) -> str:
    ordered = sorted(numbers, key=float)
    return ordered[0] if len(ordered) == 1 else f"{ordered[0]}–{ordered[-1]}"
