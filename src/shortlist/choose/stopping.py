"""The stop rule of a race: whose further rounds can still change the decision, after a planned look.

What a look tells at its level is told for good. A candidate is *out* when it fails a need, or when one that cannot
fail any more is ahead of it. It *waits* while the one ahead of it may still fail a need. It is *open* while it may be
picked, or while somebody who may be picked is not ahead of it. Nobody open: the decision cannot change.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from functools import cached_property

from shortlist.choose.decide import Case, make_case
from shortlist.choose.decision import NeedJudgement
from shortlist.choose.evidence import Evidence
from shortlist.choose.judge import judge_all
from shortlist.choose.needsfile import Needs
from shortlist.choose.rule import Outcome, Relation
from shortlist.choose.sentence import why_out
from shortlist.stats.holm import holm

_SCORED = ("facets", "critical", "quality")
_CERTAIN = ("licence", "footprint")


@dataclass(frozen=True, slots=True)
class Standing:
    """A race after a look. `waiting` and `out` say why, by candidate; nobody in `open_`: it is over with `outcome`."""

    outcome: Outcome
    open_: tuple[str, ...]
    waiting: Mapping[str, str] = field(default_factory=dict)
    out: Mapping[str, str] = field(default_factory=dict)

    @property
    def is_over(self) -> bool:
        """Whether no further round can change the decision."""
        return not self.open_


def stand(evidence: Evidence, needs: Needs) -> Standing:
    """Where a race stands on what was measured so far. Raises BadInput as `decide` does."""
    case = make_case(evidence, needs)
    judgements = judge_all(evidence, case.needs)
    field_ = _Field(case, judgements)
    out = field_.out()
    needed = field_.needed(out)
    waiting = {y: why for y in needed if (why := field_.waits_for(y, out)) is not None}
    if len(waiting) == len(needed):
        waiting = {}  # a ring, each behind another: somebody has to go on
    outcome = replace(case, evidence=_with_stopped(evidence, {**out, **waiting})).outcome(judgements)
    is_over = field_.is_settled(outcome)
    open_ = () if is_over else tuple(y for y in needed if y not in waiting)
    return Standing(outcome, open_, waiting, out)


def _with_stopped(evidence: Evidence, behind: Mapping[str, str]) -> Evidence:
    """The same, with those that are not measured on marked, unless they were measured to the end."""
    marked = [replace(one, is_stopped=one.candidate in behind and one.is_cut) for one in evidence.candidates]
    return replace(evidence, candidates=tuple(marked))


@dataclass
class _Field:
    """The candidates of one look: who may fail or pass yet, and who is ahead of whom."""

    case: Case
    judgements: Sequence[NeedJudgement]

    @cached_property
    def failed(self) -> dict[str, NeedJudgement]:
        """Who is excluded, by the first need that is not met."""
        found: dict[str, NeedJudgement] = {}
        for one in self.judgements:
            if one.verdict == "fail":
                found.setdefault(one.candidate, one)
        return found

    @cached_property
    def contenders(self) -> list[str]:
        return [one.candidate for one in self.case.evidence.candidates if one.candidate not in self.failed]

    @cached_property
    def may_fail(self) -> set[str]:
        """Contenders with a need that further rounds may yet judge."""
        untold = (one for one in self.judgements if one.verdict == "cannot tell" and not self._is_certain(one))
        return {one.candidate for one in untold} - self.failed.keys()

    @cached_property
    def cannot_pass(self) -> set[str]:
        """Contenders with a need that cannot be told, and that no further round would tell."""
        return {one.candidate for one in self.judgements if one.verdict == "cannot tell" and self._is_certain(one)}

    def _is_certain(self, one: NeedJudgement) -> bool:
        """Whether no further round changes what the need is judged by."""
        scored = one.need.figure in _SCORED and self.case.evidence.are_answers_final
        return scored or one.need.figure in _CERTAIN

    @cached_property
    def relations(self) -> dict[str, dict[str, tuple[Relation, int]]]:
        """Every contender against every other. A family may shrink yet while somebody may fail."""
        others = {x: [y for y in self.contenders if y != x] for x in self.contenders}
        return {x: self.case.pairs.walk(x, rest, holm) for x, rest in others.items()}

    def beaters(self, y: str) -> list[str]:
        """Who is told apart as ahead of Y; those whom nobody, or hardly anybody, is ahead of come first."""
        found = [x for x, relations in self.relations.items() if y in relations and relations[y][0] == "ahead"]
        return sorted(found, key=self._beaten_by)

    def _beaten_by(self, x: str) -> int:
        return sum(x in relations and relations[x][0] == "ahead" for relations in self.relations.values())

    def is_never_settled(self, x: str, y: str) -> bool:
        """Whether X cannot be told apart from Y, or shown equal to it, by any further round.

        While somebody may still fail, a family may shrink and its bounds with it: then by the bounds of the pair alone.
        """
        relation, place = self.relations[x][y]
        if self.may_fail:
            relation, place = self.case.pairs.walk(x, [y], tuple)[y]
        return relation == "open" and all(self._is_final(before) for before in range(place + 1))

    def _is_final(self, place: int) -> bool:
        basis = self.case.compared.basis_of(place)
        return basis == "exact" or (basis == "scores" and self.case.evidence.are_answers_final)

    def out(self) -> dict[str, str]:
        """Who is out for good, and why."""
        found = {name: why_out(one) for name, one in self.failed.items()}
        for y in self.contenders:
            firm = [z for z in self.beaters(y) if z not in self.may_fail]
            if firm:
                found[y] = self._behind(y, firm[0])
        return found

    def waits_for(self, y: str, out: Mapping[str, str]) -> str | None:
        """What would have to happen before Y mattered again; None where nobody is ahead of it."""
        for z in self.beaters(y):
            if z in self.may_fail and z not in out:
                untold = [
                    one.need.text for one in self.judgements if one.candidate == z and one.verdict == "cannot tell"
                ]
                return f"{self._behind(y, z)}, which may still fail {' and '.join(untold)}"
        return None

    def _behind(self, y: str, z: str) -> str:
        """`worse than large in quality by 0.12 to 0.31`: one-sided bounds at the level of the test."""
        place = self.relations[z][y][1]
        preference = self.case.compared.preferences[place]
        named, label = preference.name.replace("_", " "), self.case.evidence.of(z).label
        lead = self.case.pairs.lead(y, z, place)
        seen = None if lead is None else lead.interval(1 - 2 * self.case.pairs.alphas[place])
        if seen is None or seen.low is None or seen.high is None:
            return f"{preference.behind} than {label} in {named}"
        if seen.unit == "ratio":
            return f"{preference.behind} than {label} in {named} by {seen.low - 1:.0%} to {seen.high - 1:.0%}"
        return f"{preference.behind} than {label} in {named} by {seen.low:.2f} to {seen.high:.2f}"

    def is_settled(self, outcome: Outcome) -> bool:
        """Whether the verdict stands whatever comes."""
        if outcome.verdict != "ship_cheapest_of_equals":
            return outcome.verdict != "not_enough_evidence"
        return not self.may_fail

    def needed(self, out: Mapping[str, str]) -> list[str]:
        """Who may be picked, and who stands in the way of one that may."""
        left = [y for y in self.contenders if y not in out]
        firm = [y for y in left if y not in self.may_fail]
        possible = [
            x
            for x in left
            if x not in self.cannot_pass and not any(self.is_never_settled(x, y) for y in firm if y != x)
        ]
        return [y for y in left if y in possible or any(self.relations[x][y][0] != "ahead" for x in possible if x != y)]
