"""The words for everything that a comparison judges, at one error level for all of it (Holm)."""

from collections.abc import Sequence
from dataclasses import replace
from typing import Any

from shortlist.records import Verdict
from shortlist.results.changes import MetricChange
from shortlist.results.contrasts import Tested
from shortlist.stats.equivalence import WITHIN_ERROR, Claim, Comparison, FamilyLevels, compare_family

ERROR = 0.05
"""The chance that anything at all is called better or worse between two runs of one thing; looks share it."""


def judge_together(tested: Sequence[tuple[int, Tested]], looks: int) -> tuple[list[tuple[int, MetricChange]], int]:
    """Words for all, by Holm over those that have a p value; and how many those are."""
    claims = {
        str(number): Claim(one.difference, one.metric.margin, one.metric.lower_is_better)
        for number, (_, one) in enumerate(tested)
        if one.difference is not None
    }
    others = [(number, one.p_other) for number, (_, one) in enumerate(tested) if one.p_other is not None]
    count = len(claims) + len(others)
    alpha = ERROR / looks
    # More rounds are one more look, so they are planned at the level that the next comparison will have.
    levels = FamilyLevels(alpha, interval=alpha, plan=ERROR / (looks + 1) / max(1, count))
    judged, adjusted = compare_family(claims, levels, [p for _, p in others])
    by_other = dict(zip((number for number, _ in others), adjusted, strict=True))
    found = []
    for number, (place, one) in enumerate(tested):
        if str(number) in judged:
            change = _told(one, judged[str(number)], alpha)
        elif number in by_other:
            change = _by_permutation(one, by_other[number], alpha)
        else:
            change = one.change
        found.append((place, change))
    return found, count


def _told(one: Tested, said: Comparison, alpha: float) -> MetricChange:
    difference = one.difference
    assert difference is not None
    limit = difference.tested_margin(said.margin)
    lower = one.metric.lower_is_better
    changes: dict[str, Any] = {
        "change": said.interval,
        "verdict": said.verdict,
        "p_different": said.p_different,
        "p_equivalent": said.p_equivalent,
        "p_no_worse": difference.p_below(limit) if lower else difference.p_above(-limit),
        "more": said.more_needed,
        "detectable": said.detectable,
        "units": difference.units,
    }
    notes = [one.change.note, WITHIN_ERROR if said.is_error_bound else ""]
    is_never = said.verdict == "not told apart" and said.more_needed is None and not said.is_error_bound
    if is_never and difference.se_floor:
        notes.append("no number of rounds would do: runs on this host lie too far apart")
    if said.verdict == "not told apart" and difference.p_different <= alpha:
        notes.append("alone it would be told apart; judged with all the others it is not")
    return replace(one.change, note="; ".join(filter(None, notes)), **changes)


def _by_permutation(one: Tested, p: float, alpha: float) -> MetricChange:
    change = one.change
    base, head = (0.0 if side is None else side.point or 0.0 for side in (change.base, change.head))
    verdict: Verdict = "better" if (head < base) == change.lower_is_better else "worse"
    if p > alpha or base == head:
        verdict = "not told apart"
    return replace(change, verdict=verdict, p_different=p)
