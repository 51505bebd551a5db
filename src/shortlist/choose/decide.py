"""The decision: the rule on a run's evidence, with the reasons, what would change it, and what to run next."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace

from shortlist.choose.advice import advise
from shortlist.choose.comparing import Compared, is_drowned, make_pairs, what_to_compare
from shortlist.choose.decision import Decision, Need, NeedJudgement, PreferenceDifference, Segment
from shortlist.choose.evidence import Evidence, evidence_from
from shortlist.choose.judge import asked_and_guard, judge_all
from shortlist.choose.needs import POLICY_NEED
from shortlist.choose.needsfile import Needs
from shortlist.choose.preferences import Preference, difference, find_preference
from shortlist.choose.redraws import DRAWS, Redraws, stability
from shortlist.choose.rule import Outcome, Pairs, apply_rule
from shortlist.choose.scorecard import scorecards
from shortlist.choose.sensitivity import flips_of, sweep
from shortlist.choose.sentence import amount, say_decision
from shortlist.errors import BadInput
from shortlist.measure.causes import said_once
from shortlist.models.licence import Action
from shortlist.records import Choice, Exclusion, Flip, Run
from shortlist.stats.equivalence import WITHIN_ERROR, Comparison, compare_all
from shortlist.stats.paired import Difference

SEED = 0


@dataclass(frozen=True, slots=True)
class Manner:
    """How much is worked out beside the pick: redraws for the stability, and what limits would change it."""

    seed: int = SEED
    draws: int = DRAWS
    has_sweeps: bool = True


@dataclass(frozen=True, slots=True)
class Case:
    """One set of evidence with what is asked of it; `pairs` keeps what was computed."""

    evidence: Evidence
    needs: tuple[Need, ...]
    compared: Compared
    margins: Mapping[str, float]
    pairs: Pairs

    def outcome(self, judgements: Sequence[NeedJudgement]) -> Outcome:
        """The rule on these judgements."""
        verdicts: dict[str, list[str]] = {one.candidate: [] for one in self.evidence.candidates}
        for one in judgements:
            verdicts[one.candidate].append(one.verdict)
        contenders = [name for name, found in verdicts.items() if "fail" not in found]
        passing = frozenset(name for name in contenders if set(verdicts[name]) <= {"pass"})
        if not verdicts:
            return Outcome("not_enough_evidence", None)
        stopped = frozenset(one.candidate for one in self.evidence.candidates if one.is_stopped)
        return apply_rule(contenders, passing, self.pairs, _cheapness(self.evidence), stopped)

    def on(self, evidence: Evidence, pairs: Pairs) -> Outcome:
        """The rule on a redraw."""
        return replace(self, evidence=evidence, pairs=pairs).outcome(judge_all(evidence, self.needs))


def decide_run(
    run: Run, needs: Needs, manner: Manner = Manner(), actions: Mapping[str, Action] | None = None
) -> Decision:
    """The decision of a stored run. The same run, needs, actions and seed give the same decision, byte for byte.

    `actions` is what a licence policy says of each candidate; to be allowed by it is then a need like the others.
    """
    asked = (
        needs if actions is None or POLICY_NEED in needs.needs else replace(needs, needs=(*needs.needs, POLICY_NEED))
    )
    return decide(evidence_from(run, actions), asked, manner)


def decide(evidence: Evidence, needs: Needs, manner: Manner = Manner()) -> Decision:
    """The decision. Raises BadInput where a need or a preference does not fit what this evidence calls quality."""
    case = make_case(evidence, needs)
    judgements = judge_all(evidence, case.needs)
    outcome = case.outcome(judgements)
    reference = outcome.pick or _leader(case, judgements)
    differences = _differences(case, judgements, reference)
    sweeps = _sweeps(case, judgements) if manner.has_sweeps else {}
    figures = frozenset(need.figure for need in case.needs)
    redraws = Redraws(evidence, case.compared, case.pairs, figures, manner.seed, manner.draws)
    advice, more = advise(evidence, outcome, judgements, differences, [one.name for one in case.compared.preferences])
    choice = Choice(
        outcome.verdict,
        outcome.pick,
        outcome.equivalents,
        _excluded(judgements),
        _flips(case.needs, sweeps, outcome.pick),
        evidence.level,
        stability(redraws, case.on, outcome.pick),
        more,
    )
    made = Decision(
        choice=choice,
        sentence="",
        labels={one.candidate: one.label for one in evidence.candidates},
        needs=case.needs,
        preferences=tuple(one.name for one in case.compared.preferences),
        judgements=judgements,
        differences=differences,
        scorecards=scorecards(evidence),
        sweeps=sweeps,
        skipped=case.compared.skipped,
        advice=advice,
        notes=(*_weighed(needs), *_notes(case)),
        margins={one.name: needs.margins[one.margin] for one in case.compared.preferences},
        reference=reference,
        noisy=tuple(one.candidate for one in evidence.candidates if one.noise),
        behind=tuple(one.candidate for one in evidence.candidates if one.candidate in outcome.behind),
    )
    return replace(made, sentence=say_decision(made, case.compared.preferences))


def pick_of(evidence: Evidence, needs: Needs) -> Outcome:
    """The verdict and the pick alone: no redraws, no sweeps, no words."""
    case = make_case(evidence, needs)
    return case.outcome(judge_all(evidence, case.needs))


def make_case(evidence: Evidence, needs: Needs) -> Case:
    """The evidence beside what is asked of it. Raises BadInput."""
    for need in needs.needs:
        is_share = isinstance(need.limit, float) and need.limit <= 1
        if need.figure == "quality" and evidence.quality_basis and is_share != (evidence.quality_basis == "facets"):
            what = "facets, from 0 to 1" if evidence.quality_basis == "facets" else "ratings, from 1 to 5"
            raise BadInput(f"{need.text!r}: quality is {what} in this run", hint="write facets>=0.85 or rating>=3.5")
    _check_scales(evidence, needs)
    compared = what_to_compare(evidence, needs)
    pairs = make_pairs(evidence, compared, needs.margins)
    return Case(evidence, asked_and_guard(needs.needs), compared, needs.margins, pairs)


def _check_scales(evidence: Evidence, needs: Needs) -> None:
    """A weight on quality is declared on the scale that quality has in this run. Raises BadInput."""
    low, high = (0.0, 1.0) if evidence.quality_basis == "facets" else (1.0, 5.0)
    for one in needs.weights:
        if one.preference == "quality" and evidence.quality_basis and not low <= min(one.worst, one.best):
            raise BadInput(f"weights.quality begins below {low:g}, where {evidence.quality_basis} begin")
        if one.preference == "quality" and evidence.quality_basis and max(one.worst, one.best) > high:
            raise BadInput(f"weights.quality ends above {high:g}, where {evidence.quality_basis} end in this run")


def _weighed(needs: Needs) -> list[str]:
    """What a score is made of, on which declared scales."""
    parts = []
    for one in needs.weights:
        unit = find_preference(one.preference).unit
        parts.append(f"{one.preference} {one.weight:g} ({amount(one.worst, unit)} to {amount(one.best, unit)})")
    return [f"score: {', '.join(parts)}; values beyond an end count on"] if parts else []


def _cheapness(evidence: Evidence) -> dict[str, tuple[float, float, str]]:
    """Footprint, memory, name; what was not measured comes last."""

    def points(name: str) -> dict[str, float]:
        found = ((one.candidate, one.figures.get(name)) for one in evidence.candidates)
        return {c: float("inf") if f is None or f.point is None else f.point for c, f in found}

    sizes, peaks = points("footprint"), points("memory.peak")
    return {one.candidate: (sizes[one.candidate], peaks[one.candidate], one.label) for one in evidence.candidates}


# --- the reasons ----------------------------------------------------------------------------------------------------


def _contenders(case: Case, judgements: Sequence[NeedJudgement]) -> list[str]:
    failed = {one.candidate for one in judgements if one.verdict == "fail"}
    return [one.candidate for one in case.evidence.candidates if one.candidate not in failed]


def _leader(case: Case, judgements: Sequence[NeedJudgement]) -> str | None:
    """Without a pick: the contender that the others are shown against, ahead by points on the first preference."""
    contenders = _contenders(case, judgements)
    if not contenders or not case.compared.preferences:
        return None
    leader = contenders[0]
    for other in contenders[1:]:
        found = case.pairs.lead(leader, other, 0)
        leader = other if found is not None and found.estimate > 0 else leader
    return leader


def _differences(
    case: Case, judgements: Sequence[NeedJudgement], reference: str | None
) -> tuple[PreferenceDifference, ...]:
    """Every other candidate of which a request completed against the pick; Holm over the contenders alone."""
    if reference is None:
        return ()
    contenders = _contenders(case, judgements)
    found = []
    for place, preference in enumerate(case.compared.preferences):
        margin, alpha = case.margins[preference.margin], case.pairs.alphas[place]
        shown = [one for one in case.evidence.candidates if one.candidate != reference and (one.rounds or one.scores)]
        all_pairs = {one.candidate: _pair(case, one.candidate, reference, preference) for one in shown}
        pairs = {name: pair for name, pair in all_pairs.items() if pair is not None}
        lower = preference.lower_is_better
        inside = {name: pair for name, pair in pairs.items() if name in contenders}
        judged = compare_all(inside, margin, lower_is_better=lower, alpha=alpha)
        for name, pair in pairs.items():
            if name not in inside:
                judged |= compare_all({name: pair}, margin, lower_is_better=lower, alpha=alpha)
        found += [_shown(name, preference, one) for name, one in judged.items()]
    return tuple(found)


def _pair(case: Case, one: str, reference: str, preference: Preference) -> Difference | None:
    if case.compared.weights:
        return case.pairs.lead(reference, one, 0)
    mine, theirs = case.evidence.of(one), case.evidence.of(reference)
    return None if is_drowned(mine, theirs, preference) else difference(mine, theirs, preference)


def _shown(name: str, preference: Preference, one: Comparison) -> PreferenceDifference:
    interval = one.interval
    if interval.unit == "ratio":
        low, point, high = (None if v is None else v - 1 for v in (interval.low, interval.point, interval.high))
        interval = replace(interval, low=low, point=point, high=high, unit="share")
    unit = one.units if one.verdict == "not told apart" else ""
    more = one.more_needed if one.verdict == "not told apart" else 0
    note = WITHIN_ERROR if one.is_error_bound else ""
    return PreferenceDifference(name, preference.name, interval, one.margin, one.verdict, more, unit, note)


def _excluded(judgements: Sequence[NeedJudgement]) -> tuple[Exclusion, ...]:
    return tuple(
        Exclusion(one.candidate, one.need.text, one.verdict, one.interval)
        for one in judgements
        if one.verdict == "fail"
    )


def _sweeps(case: Case, judgements: Sequence[NeedJudgement]) -> dict[str, tuple[Segment, ...]]:
    return {
        need.text: sweep(need, judgements, case.outcome)
        for need in case.needs
        if need.is_asked and isinstance(need.limit, float)
    }


def _flips(needs: Sequence[Need], sweeps: Mapping[str, Sequence[Segment]], pick: str | None) -> tuple[Flip, ...]:
    return tuple(flip for need in needs if need.text in sweeps for flip in flips_of(need, sweeps[need.text], pick))


def _notes(case: Case) -> tuple[str, ...]:
    evidence = case.evidence
    found = []
    if evidence.looks > 1:
        found.append(
            f"this is look {evidence.looks} at the run: each test is made at {evidence.level * 100:.2g} %, "
            f"a share of 5 % over {evidence.looks} looks"
        )
    if evidence.share < 1:
        kind = "speed and memory" if evidence.are_answers_final else "a figure"
        found.append(
            f"a race: at this look each test of {kind} is made at {evidence.level_of('rounds') * 100:.2g} %, "
            f"so that all planned looks together err in {evidence.level * 100:.2g} %"
        )
    if case.compared.skipped:
        found.append(f"not measured, so not preferred by: {', '.join(case.compared.skipped)}")
    if not case.compared.preferences and len(evidence.candidates) > 1:
        found.append("nothing that was measured can be preferred by")
    found += [f"not measured: {one}" for one in evidence.skipped]
    noisy = said_once((one.label, one.noise) for one in evidence.candidates if one.noise)
    found += [f"{text}; nothing is concluded from speed" for text in noisy]
    if not evidence.candidates:
        found.append("no candidate was measured")
    return tuple(found)
