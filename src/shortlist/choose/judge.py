"""Pass, fail or cannot tell: a need against an interval, never against a point."""

import math
from collections.abc import Mapping, Sequence
from dataclasses import replace

from shortlist.choose.decision import Need, NeedJudgement
from shortlist.choose.evidence import CandidateEvidence, Evidence
from shortlist.choose.needs import GUARD, KINDS
from shortlist.models.licence import Action, commercial_use
from shortlist.records import Interval, NeedVerdict
from shortlist.results.goodput import FEWEST_REQUESTS
from shortlist.stats.distributions import t_quantile
from shortlist.stats.exact import share_upper
from shortlist.stats.power import quantile_n, rounds_for_quantile, smallest
from shortlist.units import duration, rate

_QUANTILES: Mapping[str, float] = {"p50": 0.50, "p95": 0.95, "p99": 0.99}

_BY_ACTION: Mapping[Action | None, NeedVerdict] = {
    "allow": "pass",
    "refuse": "fail",
    "review": "cannot tell",
    None: "cannot tell",
}

_MEANS = ("ns", "B", "J", "money", "tokens/s", "characters/s", "requests/s")
"""Units of figures whose interval is over round means."""


def judge(need: Need, interval: Interval | None, limit: float | None = None) -> NeedVerdict:
    """By the interval alone; an end that is missing decides nothing. `limit` stands in for the need's own."""
    if interval is None or isinstance(need.limit, str):
        return "cannot tell"
    bound = need.limit if limit is None else limit
    low, high, is_strict = interval.low, interval.high, len(need.operator) == 1
    if need.operator[0] == ">":
        bound, low, high = -bound, None if high is None else -high, None if low is None else -low
    if high is not None and (high < bound or (high == bound and not is_strict)):
        return "pass"
    if low is not None and (low > bound or (low == bound and is_strict)):
        return "fail"
    return "cannot tell"


def asked_and_guard(needs: Sequence[Need]) -> tuple[Need, ...]:
    """The needs, and the guard on errors unless they speak of errors themselves."""
    return tuple(needs) if any(need.figure == GUARD.figure for need in needs) else (*needs, GUARD)


def judge_all(evidence: Evidence, needs: Sequence[Need]) -> tuple[NeedJudgement, ...]:
    """Every candidate against every need, candidates in their order."""
    return tuple(_judgement(one, need) for one in evidence.candidates for need in needs)


def _judgement(one: CandidateEvidence, need: Need) -> NeedJudgement:
    if need.figure == "licence":
        found = one.licence
        named = f"{found.licence or 'no licence'} ({found.licence_class})"
        if need.limit != "policy":
            return NeedJudgement(one.candidate, need, commercial_use(found), None, found.note or named)
        note = found.note or named if found.action else "no licence policy is set"
        return NeedJudgement(one.candidate, need, _BY_ACTION[found.action], None, note)
    interval = one.figures.get(need.figure)
    if not need.is_asked:
        return _guard(one, need, interval)
    verdict = judge(need, interval)
    note = ""
    if interval is None:
        note = f"{need.figure} was not measured"
    elif verdict == "cannot tell":
        note = interval.note or "the limit lies inside the interval"
        off = one.errors.get(need.figure, 0.0)
        if off and judge(need, narrowed(interval, off)) != "cannot tell":
            note = f"the limit lies within the measuring error of ±{_amount(off, interval.unit)}"
    elif need.figure == "error_rate" or interval.note:
        note = interval.note
    return NeedJudgement(one.candidate, need, verdict, interval, note)


def _amount(off: float, unit: str) -> str:
    return duration(off) if unit == "ns" else f"{rate(off)} {unit}"


def narrowed(interval: Interval, off: float) -> Interval:
    """The interval as it would be if the measuring itself were exact."""
    low, high = interval.low, interval.high
    return replace(interval, low=None if low is None else low + off, high=None if high is None else high - off)


def _guard(one: CandidateEvidence, need: Need, interval: Interval | None) -> NeedJudgement:
    """By the observed share: to show 1 % by an interval takes 299 requests, and nobody asked for them."""
    if interval is None or interval.point is None:
        return NeedJudgement(one.candidate, need, "cannot tell", interval, one.reason or "nothing was measured")
    upper = "" if interval.high is None or interval.high >= 1 else f", at most {interval.high * 100:.1f} %"
    note = f"{round(interval.point * interval.n)} of {interval.n} requests failed{upper}"
    if one.reason and interval.point > 0:
        note = f"{note}: {one.reason}"
    allowed, failed = float(need.limit), round(interval.point * interval.n)
    if interval.point <= allowed:
        return NeedJudgement(one.candidate, need, "pass", interval, note)
    # A race: too many so far fail it for good only when even a perfect rest would not make up for them.
    is_open = interval.n < one.planned and failed <= allowed * one.planned
    return NeedJudgement(one.candidate, need, "cannot tell" if is_open else "fail", interval, note)


# --- how much a need takes ------------------------------------------------------------------------------------------


def rounds_needed(needs: Sequence[Need], prompts: int, level: float = 0.95) -> int:
    """Rounds of so many prompts from which every need can be judged at all; 1 where none asks for more.

    A percentile takes as many requests as its interval, goodput as many as it is given for, a mean two rounds. An error
    rate takes so many requests that none failing shows it.
    """
    return max((_rounds_for(need, max(1, prompts), level) for need in needs), default=1)


def _rounds_for(need: Need, prompts: int, level: float) -> int:
    q = _QUANTILES.get(need.figure.rpartition(".")[2])
    if q is not None:
        return rounds_for_quantile(q, prompts, level)
    if need.figure == "error_rate" and isinstance(need.limit, float) and need.limit > 0:
        return math.ceil(_requests_for_share(need.limit, level) / prompts)
    fewest = 2 if need.figure in KINDS and KINDS[need.figure].unit in _MEANS else 1
    is_goodput = need.figure.partition(".")[0] == "goodput"
    return max(fewest, math.ceil(FEWEST_REQUESTS / prompts)) if is_goodput else fewest


def _requests_for_share(limit: float, level: float) -> int:
    """The fewest requests that show a share under `limit` when none of them fails."""
    found = smallest(lambda n: share_upper(0, n, (1 - level) / 2) <= limit, 0, most=10**7)
    return found or 10**7


def more_to_judge(need: Need, interval: Interval, evidence: Evidence, off: float = 0.0) -> tuple[int, str] | None:
    """How many more rounds or clusters would judge a need that cannot be told, if the point stays; None: no number.

    `off` is the part of the interval's ends that is measuring error: no number of rounds lessens it.
    """
    if isinstance(need.limit, str) or interval.n < 1:
        return None
    if need.figure == "error_rate":
        return _more_for_share(need.limit, interval, evidence)
    is_scored = need.figure in ("facets", "rating", "quality", "critical")
    unit = "clusters" if is_scored else "rounds"
    quantile = _QUANTILES.get(need.figure.rpartition(".")[2])
    have = evidence.clusters if is_scored else max(1, evidence.rounds)
    level = 1 - evidence.level_of("scores" if is_scored else "rounds")
    if quantile is not None and interval.n < quantile_n(quantile, level):
        in_round = max(1, round(interval.n / have))
        return max(1, rounds_for_quantile(quantile, in_round, level) - have), unit
    if interval.half_width is None:
        fewest = 6 if is_scored else 2
        return (fewest - have, unit) if have < fewest else None
    distance = 0.0 if interval.point is None else abs(need.limit - interval.point)
    return _narrowed(interval.half_width - off, distance - off, have, level, unit)


def _more_for_share(limit: float, interval: Interval, evidence: Evidence) -> tuple[int, str] | None:
    """Rounds until the exact upper bound of a share that stays as it is lies under the limit; None: it never will."""
    point, have = interval.point, max(1, evidence.rounds)
    if point is None or point >= limit:
        return None
    each = evidence.level_of("rounds") / 2
    wanted = smallest(lambda n: share_upper(round(point * n), n, each) <= limit, interval.n, most=10**6)
    if wanted is None:
        return None
    in_round = max(1, round(interval.n / have))
    return max(1, math.ceil(wanted / in_round) - have), "rounds"


def _narrowed(half: float, distance: float, have: int, level: float, unit: str) -> tuple[int, str] | None:
    """Further units until half the interval is under the distance, if the spread stays as it is."""
    if have < 2 or distance <= 0:
        return None
    spread = half * math.sqrt(have) / t_quantile((1 + level) / 2, have - 1)
    found = smallest(lambda n: t_quantile((1 + level) / 2, n - 1) * spread / math.sqrt(n) < distance, have)
    return None if found is None else (found - have, unit)
