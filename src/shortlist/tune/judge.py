"""Which settings go on, and whether one is faster than the default: on paired rounds, by the statistics of `bench`."""

import math
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import replace

from shortlist.choose.evidence import CandidateEvidence
from shortlist.choose.preferences import Preference, difference, find_preference, paired_by_round
from shortlist.records import Interval
from shortlist.results.speed import SPEED_MARGIN
from shortlist.stats.equivalence import Comparison, compare_all
from shortlist.stats.paired import Difference
from shortlist.stats.samples import mean_of
from shortlist.tune.grid import Setting, combined

OBJECTIVES = ("tokens_per_s", "latency", "ttft", "throughput")
MARGIN = 0.02
"""Within a fiftieth of the default a setting is not worth keeping."""

FEWEST = 4
"""Rounds under which nothing is kept: t on two or three is at the mercy of how their noise is distributed."""

SCREEN, SCREEN_DISTURBED = 0.75, 0.4
"""After the first round a setting goes on with at least this share of the fastest one's speed; less where others on
the host disturbed it: one such round says little."""


Seen = Mapping[str, CandidateEvidence]
"""What was measured in one run, by the setting's label."""


def speedup(one: CandidateEvidence, base: CandidateEvidence, objective: str) -> float | None:
    """How many times as fast as the base, over the rounds that both have; None where there are none. A point only."""
    preference = find_preference(objective)
    pairs = [pair for pair in paired_by_round(one, base, preference.figure).values() if min(pair) > 0]
    if not pairs:
        return None
    log = mean_of([math.log(mine / theirs) for mine, theirs in pairs])
    return math.exp(-log if preference.lower_is_better else log)


def speedups(seen: Seen, base: str, objective: str) -> dict[str, float]:
    """Every setting's speedup over the base; those without a pair of rounds are left out."""
    if base not in seen:
        return {}
    found = {name: speedup(one, seen[base], objective) for name, one in seen.items()}
    return {name: value for name, value in found.items() if value is not None}


def goes_on(seen: Seen, ratios: Mapping[str, float], allowed: Iterable[str]) -> tuple[str, ...]:
    """Of those that may be chosen, who is worth a race after one round: no one far behind the fastest of them."""
    mine = {name: ratios[name] for name in allowed if name in ratios}
    best = max(mine.values(), default=0.0)
    shares = {name: SCREEN_DISTURBED if seen[name].noise else SCREEN for name in mine}
    return tuple(name for name, ratio in mine.items() if ratio >= shares[name] * best)


def finalists(settings: Mapping[str, Setting], ratios: Mapping[str, float], most: int = 2) -> tuple[Setting, ...]:
    """The fastest setting, and the best levels of all factors put together, by points; only what is ahead of the base.

    Nobody ahead: whoever is nearest, so that *nothing faster* is said of something that was compared. Whether they are
    faster is for fresh rounds to say: who is picked as the fastest of many looks better than it is.
    """
    ahead = sorted((name for name in settings if ratios.get(name, 0.0) > 1.0), key=lambda name: -ratios[name])
    if not ahead:
        near = [name for name in settings if SCREEN <= ratios.get(name, 0.0) < 1.0]
        return tuple(settings[name] for name in sorted(near, key=lambda name: -ratios[name])[:1])
    best = settings[ahead[0]]
    levels: dict[str, Setting] = {}
    for name in ahead:
        one = settings[name]
        if (one.engine, one.model) == (best.engine, best.model) and one.factor and ratios[name] > 1 + MARGIN:
            levels.setdefault(one.factor, one)
    found = [best]
    if len(levels) > 1:
        found.insert(0, combined(levels.values()))
    return tuple({one.label: one for one in found}.values())[:most]


def compared(seen: Seen, base: str, names: Sequence[str], objective: str) -> dict[str, Comparison]:
    """Each of these against the base by paired rounds, as one family by Holm. A pair that shows nothing is left out."""
    preference = find_preference(objective)
    found = {name: _against(seen, name, base, preference) for name in names}
    known = {name: one for name, one in found.items() if one is not None}
    return compare_all(known, MARGIN, lower_is_better=preference.lower_is_better) if known else {}


def _against(seen: Seen, name: str, base: str, preference: Preference) -> Difference | None:
    if name not in seen or base not in seen:
        return None
    return difference(seen[name], seen[base], preference)


def as_speedup(told: Interval, objective: str) -> Interval:
    """A ratio of the figure as a speedup: above 1 is faster, whichever way the figure counts."""
    if not find_preference(objective).lower_is_better:
        return told
    point, low, high = (1 / end if end else None for end in (told.point, told.high, told.low))
    return replace(told, point=point, low=low, high=high)


def is_no_gain(one: Comparison, objective: str) -> bool:
    """Whether it is told not to be worth anything: slower, as fast, or ahead by less than counts as a difference."""
    high = as_speedup(one.interval, objective).high
    return one.verdict in ("worse", "equivalent") or (high is not None and high < 1 + SPEED_MARGIN)


def winner(verdicts: Mapping[str, Comparison], ratios: Mapping[str, float], sizes: Mapping[str, int]) -> str | None:
    """Of those that are told to be faster than the base the fastest; None: the base stays.

    Of several within the margin of the fastest the one that changes least (`sizes`).
    """
    better = [name for name, one in verdicts.items() if one.verdict == "better" and one.interval.n >= FEWEST]
    best = max((ratios[name] for name in better), default=0.0)
    near = [name for name in better if ratios[name] * (1 + MARGIN) >= best]
    return min(near, key=lambda name: (sizes[name], -ratios[name]), default=None)
