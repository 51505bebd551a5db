"""What would change the decision: each need's limit swept through all ends of intervals.

A need's verdicts can change only where its limit passes an end of a candidate's interval, so the break points are
exact.
"""

import math
from collections.abc import Callable, Sequence
from dataclasses import replace

from shortlist.choose.decision import Need, NeedJudgement, Segment
from shortlist.choose.judge import judge
from shortlist.choose.rule import Outcome
from shortlist.records import Flip

_MOST = {"facets": 1.0, "critical": 1.0, "error_rate": 1.0}

DecideFrom = Callable[[Sequence[NeedJudgement]], Outcome]


def sweep(need: Need, judgements: Sequence[NeedJudgement], decide_from: DecideFrom) -> tuple[Segment, ...]:
    """The outcome at every limit that this need could have, all other judgements staying as they are."""
    ends = sorted(
        {
            end
            for one in judgements
            if one.need == need and one.interval is not None
            for end in (one.interval.low, one.interval.high)
            if end is not None
        }
    )
    most = _MOST.get(need.figure, math.inf)
    cuts = [end for end in ends if 0 < end < most]
    segments: list[Segment] = []
    for low, high in zip([None, *cuts], [*cuts, None], strict=True):
        moved = [_at(one, need, _inside(low, high, most)) for one in judgements]
        outcome = decide_from(moved)
        found = Segment(low, high, outcome.verdict, outcome.pick)
        before = segments[-1] if segments else None
        if before is not None and (before.verdict, before.pick) == (found.verdict, found.pick):
            segments[-1] = replace(before, high=high)
        else:
            segments.append(found)
    return tuple(segments)


def _inside(low: float | None, high: float | None, most: float) -> float:
    """A limit between two break points."""
    if high is None:
        return (low or 0.0) + 1 if math.isinf(most) else ((low or 0.0) + most) / 2
    return ((low or 0.0) + high) / 2


def _at(one: NeedJudgement, need: Need, limit: float) -> NeedJudgement:
    return replace(one, verdict=judge(need, one.interval, limit)) if one.need == need else one


def flips_of(need: Need, segments: Sequence[Segment], pick: str | None) -> tuple[Flip, ...]:
    """The nearest limit on either side at which each other pick, or nobody, would come out."""
    if isinstance(need.limit, str):
        return ()
    found = []
    below = [one for one in segments if one.high is not None and one.high <= need.limit]
    above = [one for one in segments if one.low is not None and one.low >= need.limit]
    for side, end in ((below[::-1], "high"), (above, "low")):
        seen = {pick}
        for one in side:
            if one.pick not in seen:
                seen.add(one.pick)
                found.append(Flip(need.text, need.limit, getattr(one, end), one.pick))
    return tuple(found)
