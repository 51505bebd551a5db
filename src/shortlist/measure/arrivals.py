"""When the requests of an open loop are due: at a constant rate, or as a Poisson process of that rate."""

import math
import random

from shortlist.records import LoadShape

_STEP_NS = 1000
"""Gaps are whole microseconds: two hosts whose logarithms differ in the last bit must plan the same cells."""


def due_offsets(load: LoadShape, count: int, seed: str) -> tuple[int | None, ...]:
    """Nanoseconds from the start of a block's measured phase, one for each request; None each in a closed loop.

    Constant: the first at once, then one every 1/rate. Poisson: independent exponential gaps of mean 1/rate, the first
    request after the first gap; the same seed gives the same schedule.
    """
    if load.kind == "closed" or load.rate_per_s is None:
        return (None,) * count
    gap_ns = 1e9 / load.rate_per_s
    if load.arrivals != "poisson":
        return tuple(round(place * gap_ns) for place in range(count))
    chance = random.Random(seed)  # noqa: S311 - a schedule, not a secret
    offsets, due = [], 0
    for _ in range(count):
        due += round(-math.log1p(-chance.random()) * gap_ns / _STEP_NS) * _STEP_NS
        offsets.append(due)
    return tuple(offsets)
