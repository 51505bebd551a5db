"""Many differences at once: Holm's step-down test, and the bounds that agree with it.

Sources: Holm, Scandinavian Journal of Statistics 6 (1979) 65-70; for the bounds Strassburger and Bretz, Statistics in
Medicine 27 (2008) 4914-4927, and Guilbaud, Biometrical Journal 50 (2008) 678-692.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from shortlist.errors import NotEnoughSamples
from shortlist.stats.paired import Difference


def holm(p_values: Sequence[float]) -> tuple[float, ...]:
    """Adjusted p values in the order given; those at or under the level are rejected together at that level."""
    if not all(0 <= p <= 1 for p in p_values):
        raise NotEnoughSamples(f"p values between 0 and 1 are needed, not {list(p_values)}")
    adjusted = [0.0] * len(p_values)
    highest = 0.0
    for rank, index in enumerate(sorted(range(len(p_values)), key=p_values.__getitem__)):
        highest = max(highest, min(1.0, (len(p_values) - rank) * p_values[index]))
        adjusted[index] = highest
    return tuple(adjusted)


@dataclass(frozen=True, slots=True)
class UpperBound:
    """The most that a lead may be: all bounds of one family hold together with probability 1 - alpha.

    `upper` is as people read it (a ratio, or a difference). `is_under_margin` is Holm's verdict; where it is true while
    another of the family fails, `upper` stands at the margin itself, so compare by the flag and not by the number.
    """

    upper: float
    is_under_margin: bool
    p_adjusted: float
    alpha: float


def upper_bounds(leads: Mapping[str, Difference], margin: float, alpha: float = 0.05) -> dict[str, UpperBound]:
    """For every contender the Holm-adjusted upper bound of its lead, tested against `margin`.

    A lead is positive (a ratio above 1) when the contender is ahead: pass `flipped()` where lower is better. `margin`
    is a share for ratios and a score for differences. No contenders, no bounds. Raises BadInput on a bad margin.
    """
    limits = {name: lead.tested_margin(margin) for name, lead in leads.items()}
    p_values = [lead.p_below(limits[name]) for name, lead in leads.items()]
    adjusted = dict(zip(leads, holm(p_values), strict=True))
    open_count = sum(p > alpha for p in adjusted.values())
    bounds = {}
    for name, lead in leads.items():
        is_under = adjusted[name] <= alpha
        level = alpha / (open_count or len(leads))
        upper = limits[name] if is_under and open_count else lead.upper(level)
        upper = min(upper, limits[name]) if is_under else upper
        bounds[name] = UpperBound(lead.shown(upper), is_under, adjusted[name], alpha)
    return bounds
