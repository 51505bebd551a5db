"""Better, equivalent, worse, or not told apart: the only four words for a comparison.

Equivalent means that two one-sided tests place the difference inside the margin. It comes first: a difference that is
certain and too small to matter is equivalent. Better and worse mean told apart from zero.
Source: Schuirmann, Journal of Pharmacokinetics and Biopharmaceutics 15 (1987) 657-680.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace

from shortlist.records import Interval, Verdict
from shortlist.stats.exact import ExactBounds
from shortlist.stats.holm import holm
from shortlist.stats.paired import Difference
from shortlist.stats.power import Seen, detectable, more_needed, smallest

WITHIN_ERROR = "no larger than the measuring error allows to tell"


@dataclass(frozen=True, slots=True)
class Comparison:
    """A against B, in one word and its numbers.

    `more_needed` counts further `units` (rounds, clusters): 0 when concluded, None when no reasonable number would do.
    `detectable` is the smallest true difference that so many units find with 80 % power, as a share for ratios (0.07:
    7 % more) and in the score for differences; None where exact bounds stand in for t. In a family of comparisons the
    p values are Holm's. `is_error_bound`: not told apart for no other reason than the measuring error.
    """

    verdict: Verdict
    interval: Interval
    p_different: float
    p_equivalent: float
    margin: float
    alpha: float
    more_needed: int | None
    units: str
    detectable: float | None
    is_error_bound: bool = False


@dataclass(frozen=True, slots=True)
class Claim:
    """One comparison of a family, with the margin and the direction that are its own."""

    difference: Difference
    margin: float
    lower_is_better: bool


@dataclass(frozen=True, slots=True)
class FamilyLevels:
    """Error levels of a family: `alpha` for the words; of each one's interval, and of each one's plan for more units.

    None takes `alpha` over the number of comparisons.
    """

    alpha: float = 0.05
    interval: float | None = None
    plan: float | None = None


@dataclass(frozen=True, slots=True)
class _Rule:
    """How one comparison is judged: the level of the word, of the interval, and of the plan for more units."""

    margin: float
    lower_is_better: bool
    alpha: float
    interval: float
    plan: float


def tost(difference: Difference, margin: float) -> float:
    """The p value of two one-sided tests for equivalence inside ± `margin`: the larger of the two.

    `margin` is a share for ratios (0.05: from 1/1.05 to 1.05) and a score for differences. Raises BadInput.
    """
    limit = difference.tested_margin(margin)
    return max(difference.p_above(-limit), difference.p_below(limit))


def compare(difference: Difference, margin: float, *, lower_is_better: bool, alpha: float = 0.05) -> Comparison:
    """What may be said of A against B at error `alpha`, and how much is missing to say more.

    The interval is two-sided at 1 - `alpha`; equivalence is at `alpha` too, so its own interval is at 1 - 2 `alpha`.
    Raises BadInput on a margin that is negative or not a number.
    """
    return compare_all({"": difference}, margin, lower_is_better=lower_is_better, alpha=alpha)[""]


def compare_all(
    differences: Mapping[str, Difference], margin: float, *, lower_is_better: bool, alpha: float = 0.05
) -> dict[str, Comparison]:
    """Several comparisons as one family, by Holm.

    The chance of any false *better* or *worse* is at most `alpha`, and so is that of any false *equivalent*. Intervals
    and `more_needed` are at `alpha` over the number of comparisons. Raises BadInput on a bad margin.
    """
    claims = {name: Claim(one, margin, lower_is_better) for name, one in differences.items()}
    return compare_family(claims, FamilyLevels(alpha))[0]


def compare_family(
    claims: Mapping[str, Claim], levels: FamilyLevels, others: Sequence[float] = ()
) -> tuple[dict[str, Comparison], tuple[float, ...]]:
    """As `compare_all`, each claim with its own margin and direction; `others`: p values of tests of another kind.

    Those are adjusted as members of the same family, for difference, and come back in their order.
    """
    count = max(1, len(claims) + len(others))
    each = levels.alpha / count
    interval = each if levels.interval is None else levels.interval
    plan = each if levels.plan is None else levels.plan
    adjusted, adjusted_others = _p_values(claims, others)
    exact = adjusted
    if any(one.difference.error for one in claims.values()):
        unmoved = {name: replace(one, difference=one.difference.without_error) for name, one in claims.items()}
        exact, _ = _p_values(unmoved, others)
    judged = {}
    for name, one in claims.items():
        rule = _Rule(one.margin, one.lower_is_better, levels.alpha, interval, plan)
        is_bound = _verdict(one, adjusted[name], rule) == "not told apart" != _verdict(one, exact[name], rule)
        judged[name] = _judge(one, adjusted[name], rule, is_error_bound=is_bound)
    return judged, adjusted_others


def _p_values(
    claims: Mapping[str, Claim], others: Sequence[float]
) -> tuple[dict[str, tuple[float, float]], tuple[float, ...]]:
    """For different and for equivalent, each by Holm over all; and the others' beside them."""
    different = holm([*(one.difference.p_different for one in claims.values()), *others])
    equivalent = holm([*(tost(one.difference, one.margin) for one in claims.values()), *(1.0 for _ in others)])
    pairs = dict(zip(claims, zip(different, equivalent, strict=True), strict=False))
    return pairs, different[len(claims) :]


def _verdict(claim: Claim, p: tuple[float, float], rule: _Rule) -> Verdict:
    p_different, p_equivalent = p
    if p_equivalent <= rule.alpha:
        return "equivalent"
    if p_different > rule.alpha:
        return "not told apart"
    return "better" if (claim.difference.estimate < 0) == rule.lower_is_better else "worse"


def _judge(claim: Claim, p: tuple[float, float], rule: _Rule, *, is_error_bound: bool) -> Comparison:
    (p_different, p_equivalent), difference = p, claim.difference
    verdict = _verdict(claim, p, rule)
    return Comparison(
        verdict,
        difference.interval(1 - rule.interval),
        p_different,
        p_equivalent,
        rule.margin,
        rule.alpha,
        _more(difference, rule) if verdict == "not told apart" else 0,
        difference.units,
        _detectable(difference, rule.plan),
        is_error_bound,
    )


def _detectable(difference: Difference, alpha: float) -> float | None:
    if difference.bounds:
        return None
    found = detectable(difference.se, difference.df, alpha) + difference.error
    return difference.shown(found) - 1 if difference.scale == "ratio" else found


def _more(difference: Difference, rule: _Rule) -> int | None:
    """Further units until a verdict, if the rest is like what was seen; at 80 % power where t is the test."""
    n, bounds, limit = difference.n, difference.bounds, difference.tested_margin(rule.margin)
    if n < 2:
        return None
    if bounds is None:
        seen = Seen(difference.estimate, difference.se, difference.df, n, difference.se_floor, difference.error)
        return more_needed(seen, limit, rule.plan)
    total = smallest(lambda total: _bounds_conclude(bounds.projected(total), limit, rule.plan), n)
    return None if total is None else total - n


def _bounds_conclude(bounds: ExactBounds, limit: float, alpha: float) -> bool:
    p_equivalent = max(bounds.p_above(-limit), bounds.p_below(limit))
    return p_equivalent <= alpha or 2 * min(bounds.p_above(0.0), bounds.p_below(0.0)) <= alpha
