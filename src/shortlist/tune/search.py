"""A whole tuning within its budget: a first round of everything, a race, and a fresh comparison with the default.

The race finds who looks fastest; of many that look alike the best looks better than it is. So the numbers that are
printed and decided by are those of the last phase alone, measured after the finalists were named. A setting that is not
told to be faster there is not kept.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import Literal

from shortlist.choose.preferences import find_preference
from shortlist.clock import Clock
from shortlist.profiles import changes
from shortlist.records import Verdict
from shortlist.stats.equivalence import Comparison
from shortlist.tune import judge
from shortlist.tune.answers import Answers, Change, compare_answers, is_repeatable, merged
from shortlist.tune.grid import Setting, by_label
from shortlist.tune.lab import Ask, Lab, Phase

MOST_RACED, MOST_COMPARED = 5, 12
"""Rounds of the race, and of the comparison that decides. When time is up they are cut; whole rounds count."""

_FEW_ROUNDS = 3
_FIRST_SHARE, _RACE_SHARE = 0.35, 0.6  # of the budget, by when the phases end
_SPARE_NS = 3 * 10**9

_FATES: Mapping[Verdict, str] = {
    "better": "faster",
    "worse": "slower",
    "equivalent": "as fast",
    "not told apart": "not told apart",
}

Outcome = Literal["faster", "nothing faster", "not told apart"]


@dataclass(frozen=True, slots=True)
class Aim:
    """What is sought and in which time. `allows_change`: other answers than the default's are as good."""

    objective: str
    budget_ns: int
    allows_change: bool = False


@dataclass(frozen=True, slots=True)
class Tried:
    """One setting: its speedup over the default (a point of `rounds` rounds), its answers, and what became of it."""

    setting: Setting
    speedup: float | None
    rounds: int
    change: Change | None
    fate: str
    is_barred: bool = False


@dataclass(frozen=True, slots=True)
class Found:
    """How a tuning ended. `pick` is kept; None: the default stays. `last` is the phase that decided, where one did."""

    base: Setting
    outcome: Outcome
    pick: Setting | None
    verdicts: Mapping[str, Comparison]
    tried: tuple[Tried, ...]
    untried: Mapping[str, str]
    phases: tuple[Phase, ...]
    notes: tuple[str, ...] = ()
    other: Setting | None = None

    @property
    def last(self) -> Phase | None:
        """The newest phase that measured the default."""
        return next((one for one in reversed(self.phases) if self.base.label in one.evidence), None)


@dataclass
class Search:
    """One tuning on its way. `base` is the first of the settings; `current`: what an older profile says."""

    lab: Lab
    clock: Clock
    aim: Aim
    current: Setting | None = None
    _phases: list[Phase] = field(default_factory=list)
    _untried: dict[str, str] = field(default_factory=dict)
    _began_ns: int = 0

    async def run(self, settings: Sequence[Setting], others: Sequence[Setting] = ()) -> Found:
        """Search. `others` are of other variants: shown and never kept. Ends within the budget, come what may."""
        self._began_ns = self.clock.now_ns()
        base = settings[0]
        defaults = [one for one in settings[1:] if one.is_default]
        rest = [one for one in settings[1:] if not one.is_default]
        wanted = [base, *([self.current] if self.current else []), *defaults, *others, *rest]
        mine = by_label(self._that_fit(list(by_label(wanted).values())))
        await self._measure("first round", tuple(mine.values()), 1, self._at(_FIRST_SHARE))
        first = self._phases[0]
        figure = find_preference(self.aim.objective).figure
        for label in mine:
            if not first.rounds_of(label, figure) and label not in first.failed:
                self._untried[label] = "time was up"
        if base.label not in first.evidence:
            return self._found(base, mine, (), None)
        allowed = [label for label, one in mine.items() if not self._bar(base, one)]
        ratios = judge.speedups(first.evidence, base.label, self.aim.objective)
        going = judge.goes_on(first.evidence, ratios, allowed)
        ranked = sorted(going, key=lambda label: -ratios[label])
        raced = self._that_can_race([mine[label] for label in dict.fromkeys((base.label, *ranked))])
        await self._race(raced)
        named = judge.finalists({one.label: one for one in raced}, self._ratios(base), 2)
        if list(first.evidence) == [base.label]:
            named = tuple(settings[1:2])  # a slow model: the little time that is left goes to what promises most
        other = self._fastest_other(base, others, named)
        await self._compare(base, named, other)
        return self._found(base, mine, named, other)

    # --- the phases ---------------------------------------------------------------------------------------------------

    def _that_fit(self, wanted: list[Setting]) -> list[Setting]:
        """As many as the first round has time for, by a guess; the default and one more at least."""
        spent = 0.0
        fitting: list[Setting] = []
        for one in wanted:
            spent += self.lab.guess_ns(one)
            if spent > _FIRST_SHARE * self.aim.budget_ns and len(fitting) > 1:
                self._untried[one.label] = "the budget has no time for them"
            else:
                fitting.append(one)
        return fitting

    def _that_can_race(self, ranked: list[Setting]) -> list[Setting]:
        """As many of the fastest as there is time for a few rounds of; the default and one more at least."""
        left_ns = self._at(_RACE_SHARE) - self.clock.now_ns()
        while len(ranked) > 2 and _FEW_ROUNDS * self._round_ns(ranked) > left_ns:
            ranked = ranked[:-1]
        return ranked

    async def _race(self, raced: list[Setting]) -> None:
        """Further rounds for those that are near each other, until they are told apart or time is up."""
        until_ns = self._at(_RACE_SHARE)
        if len(raced) > 1 and self._round_ns(raced) <= until_ns - self.clock.now_ns():
            await self._measure("race", tuple(raced), MOST_RACED, until_ns, raced_by=self.aim.objective)

    async def _compare(self, base: Setting, named: Sequence[Setting], other: Setting | None) -> None:
        """The rounds that decide: the default, the finalists, and what is in use or may be of interest beside them."""
        beside = [one for one in (self.current, other) if one is not None]
        sides = list(by_label([base, *named, *beside]).values())
        if len(sides) > 1:
            await self._measure("comparison", tuple(sides), MOST_COMPARED, self._at(1.0))

    async def _measure(
        self, phase: str, settings: tuple[Setting, ...], rounds: int, until_ns: int, raced_by: str | None = None
    ) -> None:
        self._phases.append(await self.lab.measure(Ask(phase, settings, rounds, until_ns, raced_by)))

    def _at(self, share: float) -> int:
        spare = min(_SPARE_NS, self.aim.budget_ns // 10)
        return self._began_ns + round(share * (self.aim.budget_ns - spare))

    def _round_ns(self, sides: Sequence[Setting]) -> float:
        """How long a round of these takes, by the first round."""
        known = self._phases[0].block_ns
        usual = max(known.values(), default=0.0)
        return sum(known.get(one.label, usual) for one in sides)

    def _is_measured(self, label: str) -> bool:
        return any(label in phase.evidence for phase in self._phases)

    # --- what it comes to ---------------------------------------------------------------------------------------------

    def _ratios(self, base: Setting) -> dict[str, float]:
        """The newest speedups before the comparison: those of the race go before those of the first round."""
        found: dict[str, float] = {}
        for phase in self._phases:
            if phase.name != "comparison":
                found |= judge.speedups(phase.evidence, base.label, self.aim.objective)
        return found

    def _answers(self, label: str) -> Answers:
        return merged([phase.answers[label] for phase in self._phases if label in phase.answers])

    def _change(self, base: Setting, one: Setting) -> Change | None:
        answers = self._answers(one.label)
        return compare_answers(self._answers(base.label), answers) if answers and one.label != base.label else None

    def _bar(self, base: Setting, one: Setting) -> str:
        """Why a setting may not be kept, however fast; empty where it may."""
        if one.model != base.model:
            return "other weights"
        change = self._change(base, one)
        if self.aim.allows_change:
            return ""
        if change is not None and change.changed:
            return "changes the text"
        return "keeps less of the context" if one.is_lossy else ""

    def _fastest_other(self, base: Setting, others: Sequence[Setting], named: Sequence[Setting]) -> Setting | None:
        """The other variant that looks fastest, opened as the best finalist would be."""
        ratios = self._ratios(base)
        known = [one for one in others if one.label in ratios]
        if not known:
            return None
        best = max(known, key=lambda one: ratios[one.label])
        tuned = next((one.tuned for one in named if one.engine == best.engine), best.tuned)
        return replace(best, tuned=tuned)

    def _found(
        self, base: Setting, mine: Mapping[str, Setting], named: Sequence[Setting], other: Setting | None
    ) -> Found:
        last = self._phases[-1] if self._phases[-1].name == "comparison" else None
        everybody = by_label([*named, *([self.current] if self.current else []), *([other] if other else [])])
        beside = [label for label in everybody if label != base.label]
        verdicts = judge.compared(last.evidence, base.label, beside, self.aim.objective) if last else {}
        ratios = judge.speedups(last.evidence, base.label, self.aim.objective) if last else {}
        open_ = [label for label in beside if not self._bar(base, everybody[label])]
        may_win = {label: verdicts[label] for label in open_ if label in verdicts}
        pick = judge.winner(may_win, ratios, {label: len(changes(everybody[label].tuned)) for label in may_win})
        return Found(
            base,
            self._outcome(base, pick, [one.label for one in named if one.label in open_], verdicts),
            None if pick is None else everybody[pick],
            verdicts,
            tuple(self._told(base, one, verdicts) for one in by_label([*mine.values(), *everybody.values()]).values()),
            {label: why for label, why in self._untried.items() if not self._is_measured(label)},
            tuple(self._phases),
            self._notes(base),
            other,
        )

    def _outcome(
        self, base: Setting, pick: str | None, named: Sequence[str], verdicts: Mapping[str, Comparison]
    ) -> Outcome:
        if pick is not None:
            return "faster"
        is_measured = base.label in self._phases[0].evidence and len(self._phases[0].evidence) > 1
        settled = all(label in verdicts and judge.is_no_gain(verdicts[label], self.aim.objective) for label in named)
        return "nothing faster" if is_measured and settled else "not told apart"

    def _told(self, base: Setting, one: Setting, verdicts: Mapping[str, Comparison]) -> Tried:
        figure = find_preference(self.aim.objective).figure
        newest = next((p for p in reversed(self._phases) if p.rounds_of(one.label, figure)), None)
        ratio = None
        if newest is not None and base.label in newest.evidence:
            ratio = judge.speedup(newest.evidence[one.label], newest.evidence[base.label], self.aim.objective)
        failed = next((p.failed[one.label] for p in self._phases if one.label in p.failed), "")
        bar = self._bar(base, one) if newest is not None else ""
        untried = "" if self._is_measured(one.label) else self._untried.get(one.label, "")
        fate = "" if one.label == base.label else failed or untried or bar
        if not fate and one.label in verdicts:
            fate = _FATES[verdicts[one.label].verdict]
            if fate == "faster" and verdicts[one.label].interval.n < judge.FEWEST:
                fate = "ahead, in too few rounds to keep"
        rounds = 0 if newest is None else newest.rounds_of(one.label, figure)
        return Tried(one, ratio, rounds, self._change(base, one), fate or self._dropped(base, one, ratio), bool(bar))

    def _dropped(self, base: Setting, one: Setting, ratio: float | None) -> str:
        """In which phase it was left behind, or that time was up while it was ahead."""
        if one.label == base.label:
            return "the measure"
        seen = [phase.name for phase in self._phases if one.label in phase.evidence]
        last = self._phases[-1]
        is_cut = last.name == "comparison" and (one.label in last.evidence or base.label not in last.evidence)
        if is_cut and ratio is not None and ratio > 1:
            return "ahead when time was up"
        return f"behind, {seen[-1]}" if seen else "not measured"

    def _notes(self, base: Setting) -> tuple[str, ...]:
        found = []
        if not is_repeatable(self._answers(base.label)):
            found.append("the default's own answers differ from round to round: any of them counts as the same")
        disturbed = max((phase.disturbed for phase in self._phases), default=0.0)
        if disturbed > 0.2:
            found.append(
                f"up to {disturbed:.0%} of a phase's requests were disturbed by others on this host: what is fastest "
                "beside them need not be fastest without them; tune again when it is quiet"
            )
        return tuple(found)
