"""The rule: from verdicts on needs and paired comparisons to one pick, or to none.

For a contender X every other contender Y is settled when, preference by preference in their order, X turns out ahead
before Y could be: at each preference either the two are equivalent, or Y's lead over X is under the margin; and at one
of them X is told apart as ahead. Holm runs over the contenders beside X. A pick is shipped when all are settled so;
where the passing contenders that nobody beats are equivalent on everything, the smallest of them is picked.
"""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Literal

from shortlist.records import ChoiceVerdict
from shortlist.stats.equivalence import tost
from shortlist.stats.holm import holm
from shortlist.stats.paired import Difference

Relation = Literal["ahead", "equal", "open"]
Adjust = Callable[[Sequence[float]], Sequence[float]]
"""P values of one family → as they are judged."""
LeadOf = Callable[[str, str, int], Difference | None]
"""(X, Y, place of the preference) → how far Y is ahead of X, or None where they cannot be compared."""


@dataclass(frozen=True, slots=True)
class _Tests:
    """One pair on one preference: p values for "Y leads by less than the margin", "X is ahead", "equivalent"."""

    under_margin: float
    ahead: float
    equivalent: float


_UNKNOWN = _Tests(1.0, 1.0, 1.0)


@dataclass
class Pairs:
    """Every pair's tests, computed when first asked for. `margins` and `alphas` stand by preference, the first first.

    `behind_everywhere(w, others)` says whether w is behind each of the others in every round and cluster.
    """

    lead_of: LeadOf
    margins: Sequence[float]
    alphas: Sequence[float]
    behind_everywhere: Callable[[str, Sequence[str]], bool] = lambda _one, _others: False
    _leads: dict[tuple[str, str, int], Difference | None] = field(default_factory=dict)
    _tests: dict[tuple[str, str, int], _Tests] = field(default_factory=dict)

    def lead(self, x: str, y: str, place: int) -> Difference | None:
        """How far Y is ahead of X on this preference."""
        if (x, y, place) not in self._leads:
            found = self.lead_of(x, y, place)
            self._leads[x, y, place] = found
            self._leads[y, x, place] = None if found is None else found.flipped()
        return self._leads[x, y, place]

    def tests(self, x: str, y: str, place: int) -> _Tests:
        """The p values of X against Y."""
        if (x, y, place) not in self._tests:
            found = self.lead(x, y, place)
            margin = self.margins[place]
            self._tests[x, y, place] = (
                _UNKNOWN
                if found is None
                else _Tests(found.p_below(found.tested_margin(margin)), found.p_below(0.0), tost(found, margin))
            )
        return self._tests[x, y, place]

    def relations(self, x: str, others: Sequence[str]) -> dict[str, Relation]:
        """X against each other contender, Holm over them."""
        return {y: relation for y, (relation, _) in self.walk(x, others, holm).items()}

    def walk(self, x: str, others: Sequence[str], adjust: Adjust) -> dict[str, tuple[Relation, int]]:
        """X against each of the others, and the place of the preference that says so; the last where none does."""
        state: dict[str, tuple[Relation, int] | None] = dict.fromkeys(others)
        is_equal = dict.fromkeys(others, True)
        for place, alpha in enumerate(self.alphas):
            tests = [self.tests(x, y, place) for y in others]
            adjusted = zip(
                others,
                adjust([one.under_margin for one in tests]),
                adjust([one.ahead for one in tests]),
                adjust([one.equivalent for one in tests]),
                strict=True,
            )
            for y, under, ahead, equivalent in adjusted:
                if state[y] is not None or equivalent <= alpha:
                    continue
                is_equal[y] = False
                if under > alpha:
                    state[y] = "open", place
                elif ahead <= alpha:
                    state[y] = "ahead", place
        last = len(self.alphas) - 1
        return {y: state[y] or ("equal" if is_equal[y] and self.alphas else "open", last) for y in others}


@dataclass(frozen=True, slots=True)
class Outcome:
    """What the rule says; `equivalents` are those that the pick is equivalent to on every preference.

    `behind` were stopped by a race, and a contender is ahead of them: nothing has to be told of them any more.
    """

    verdict: ChoiceVerdict
    pick: str | None
    equivalents: tuple[str, ...] = ()
    behind: frozenset[str] = frozenset()


def apply_rule(
    contenders: Sequence[str],
    passing: frozenset[str],
    pairs: Pairs,
    cheapness: Mapping[str, tuple[float, float, str]],
    stopped: frozenset[str] = frozenset(),
) -> Outcome:
    """The outcome for those that no need excludes. `cheapness`: footprint, memory and name; the smallest is picked.

    One that a race has `stopped` is no pick while a contender is told apart as ahead of it. Nobody else has to be
    told apart from it then: whoever ships is ahead of the one that is ahead. It stays in Holm's families.
    """
    if not contenders:
        return Outcome("none_qualifies", None)
    left = [one for one in contenders if not pairs.behind_everywhere(one, [y for y in contenders if y != one])]
    gone = _gone(left, pairs, stopped)
    behind = gone | (stopped & set(contenders) - set(left))
    known = {
        x: {y: r for y, r in pairs.relations(x, [y for y in left if y != x]).items() if y not in gone}
        for x in left
        if x in passing and x not in gone
    }
    settled = [x for x, relations in known.items() if "open" not in relations.values()]
    ahead_of_all = [x for x in settled if "equal" not in known[x].values()]
    if len(ahead_of_all) == 1:
        return Outcome("ship", ahead_of_all[0], (), behind)
    if ahead_of_all or not settled:
        return Outcome("not_enough_evidence", None, (), behind)
    pick = min(settled, key=cheapness.__getitem__)
    group = {pick, *(y for y, relation in known[pick].items() if relation == "equal" and y in passing)}
    if any(y not in settled or known[y][z] != "equal" for y in group for z in group if y != z):
        return Outcome("not_enough_evidence", None, (), behind)
    equivalents = tuple(y for y in left if y in group and y != pick)
    return Outcome("ship_cheapest_of_equals", pick, equivalents, behind)


def _gone(left: Sequence[str], pairs: Pairs, stopped: frozenset[str]) -> frozenset[str]:
    """The stopped ones that somebody is ahead of who was measured to the end, or whom such a one is ahead of."""
    waiting = [y for y in left if y in stopped]
    beaters = [z for z in left if z not in stopped]
    gone: set[str] = set()
    while waiting and beaters:
        z = beaters.pop()
        relations = pairs.relations(z, [y for y in left if y != z])
        beaten = [y for y in waiting if relations[y] == "ahead"]
        gone.update(beaten)
        beaters += beaten
        waiting = [y for y in waiting if y not in gone]
    return frozenset(gone)
