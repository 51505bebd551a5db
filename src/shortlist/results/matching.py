"""One number per round from each of two runs, over the requests that both made: what Welch's t is computed on."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np

from shortlist.errors import NotEnoughSamples
from shortlist.records import Run
from shortlist.results import metrics
from shortlist.results.accepted import Requests
from shortlist.results.goodput import Limit
from shortlist.results.rounds import RoundValues
from shortlist.stats.power import quantile_n
from shortlist.stats.samples import mean_of

FEWEST_FOR_P95 = 20
"""Requests in a round from which its 95th percentile lies between two of them: below, it would be the maximum."""


@dataclass(frozen=True, slots=True)
class Rounds:
    """A value per round of BASE and of HEAD; `left_out` prompts that only one of them has."""

    base: tuple[float, ...]
    head: tuple[float, ...]
    left_out: int = 0


def renamed(values: RoundValues, names: Mapping[str, str]) -> RoundValues:
    """Round values by prompt and repeat under other prompts' names; prompts without one are left out."""
    found = {}
    for number, of_round in values.items():
        split = ((*place.rpartition("/")[::2], value) for place, value in of_round.items())
        kept = {f"{names[prompt]}/{repeat}": value for prompt, repeat, value in split if prompt in names}
        if kept:
            found[number] = kept
    return found


def matched_means(base: RoundValues, head: RoundValues) -> Rounds:
    """Round means over the requests that both runs completed at least once.

    A round that lacks some of them (a request failed; a prompt came later) is put on the scale of a whole one: its sum
    over what its requests take on the average of both runs. With nothing missing that is the plain mean.
    Raises NotEnoughSamples where they have nothing in common.
    """
    before, after = _place_means(base), _place_means(head)
    common = before.keys() & after.keys()
    if not common:
        raise NotEnoughSamples("no request of one prompt was completed in both runs")
    expected = {place: (before[place] + after[place]) / 2 for place in common}
    left_out = len({place.rpartition("/")[0] for place in before.keys() ^ after.keys()})
    return Rounds(_on_scale(base, expected), _on_scale(head, expected), left_out)


def _place_means(rounds: RoundValues) -> dict[str, float]:
    values: dict[str, list[float]] = {}
    for one in rounds.values():
        for place, value in one.items():
            values.setdefault(place, []).append(value)
    return {place: mean_of(found) for place, found in values.items()}


def _on_scale(rounds: RoundValues, expected: Mapping[str, float]) -> tuple[float, ...]:
    whole, found = mean_of(expected.values()), []
    for number in sorted(rounds):
        known = sorted(place for place in rounds[number] if place in expected)
        total = sum(expected[place] for place in known)
        if total > 0:
            found.append(sum(rounds[number][place] for place in known) / total * whole)
    return tuple(found)


def matched_percentiles(base: RoundValues, head: RoundValues, q: float, failed: int) -> Rounds:
    """The percentile of each round, where rounds of both runs hold the same requests and none failed.

    Its bias in so small a sample is then the same on both sides. Raises NotEnoughSamples where that does not hold, and
    where the percentile of either run has no interval of its own.
    """
    places = {frozenset(one) for one in (*base.values(), *head.values())}
    if failed or len(places) != 1:
        raise NotEnoughSamples("no verdict: the rounds do not all hold the same completed requests")
    in_round = len(next(iter(places)))
    if in_round < FEWEST_FOR_P95:
        raise NotEnoughSamples(f"no verdict: {in_round} requests in a round, needs {FEWEST_FOR_P95}")
    fewest = min(len(base), len(head)) * in_round
    if fewest < quantile_n(q):
        raise NotEnoughSamples(f"no verdict: n = {fewest}, needs {quantile_n(q)}")
    return Rounds(_quantiles(base, q), _quantiles(head, q))


def _quantiles(rounds: RoundValues, q: float) -> tuple[float, ...]:
    return tuple(float(np.quantile(list(rounds[number].values()), q)) for number in sorted(rounds))


def check_same_prompts(base: Requests, head: Requests, names: Mapping[str, str]) -> None:
    """Raises NotEnoughSamples where rounds of the two runs hold different requests: no rate of them is comparable."""
    asked = {frozenset(item.place for item in one.items) for one in base.by_round()}
    for one in head.by_round():
        asked.add(frozenset((names.get(item.cell.prompt, ""), item.cell.repeat) for item in one.items))
    if len(asked) > 1:
        raise NotEnoughSamples("no verdict: the rounds do not all hold the same prompts")


def loads_of(run: Run, candidate: str, kind: str) -> tuple[float, ...]:
    """How long each finished block took to load, of this kind (cold, warm)."""
    return tuple(
        float(block.load_ns)
        for block in run.blocks
        if block.candidate == candidate and block.state == "done" and block.load == kind and block.load_ns is not None
    )


def failures_of(requests: Requests) -> tuple[float, ...]:
    """The share of each round's requests that did not complete."""
    return tuple(metrics.failures(one.samples) / len(one.items) for one in requests.by_round())


def kept_of(requests: Requests, limits: Sequence[Limit]) -> tuple[float, ...]:
    """The share of each round's requests that kept all limits; a failed one kept none."""
    rounds = requests.by_round()
    kept = [sum(all(limit.is_kept(sample) for limit in limits) for sample in one.samples) for one in rounds]
    return tuple(count / len(one.items) for count, one in zip(kept, rounds, strict=True))
