"""A race as a bench runs it: looks after planned rounds, and whose blocks come next.

The plan is the one that a bench without a race has, so a race that goes to the end has measured the same. A look is
stored before any block that it lets run; a race that is taken up again stands where its last look left it.
"""

from collections.abc import Callable
from dataclasses import dataclass, replace

from shortlist.choose.evidence import ERROR, evidence_from
from shortlist.choose.needs import parse_needs
from shortlist.choose.needsfile import Needs
from shortlist.choose.preferences import Weight, resolve
from shortlist.choose.stopping import stand
from shortlist.errors import BadInput
from shortlist.quality.scorers import score_run
from shortlist.records import Plan, PlannedBlock, Race, Run, Suite, TakenLook
from shortlist.results.racing import blocks_wanted, looks_of
from shortlist.stats.looks import error_shares, looks_after

FEWEST_ROUNDS = 2


def plan_race(plan: Plan, needs: Needs) -> Race:
    """The looks of a race over this plan. Raises BadInput, by name, on what cannot be raced."""
    if len(plan.candidates) < 2:
        raise BadInput("--race takes at least two candidates: there is nobody to race against", hint="leave it out")
    if plan.suite.rounds < FEWEST_ROUNDS:
        raise BadInput(
            "--race takes at least two rounds: with one there is no look before the end",
            hint="leave it out, or --rounds 5",
        )
    _check_needs(plan.suite, needs)
    after = looks_after(plan.suite.rounds)
    return Race(
        after,
        error_shares(len(after)),
        tuple(need.text for need in needs.needs),
        needs.prefer,
        {one.preference: (one.weight, one.worst, one.best) for one in needs.weights},
        dict(needs.margins),
    )


def _check_needs(suite: Suite, needs: Needs) -> None:
    """What is known only after the run cannot stop it."""
    basis = "facets" if any(prompt.facets for prompt in suite.prompts) else None
    names = [*(one.preference for one in needs.weights), *needs.prefer]
    wanted = [*(resolve(name, basis).figure for name in names), *(need.figure for need in needs.needs)]
    if "rating" in wanted:
        raise BadInput(
            "--race cannot decide by ratings: they are given when the run is over",
            hint="race by other preferences, or leave --race out and rate: shortlist annotate RUN",
        )
    scored = sorted({"facets", "quality", "critical"} & set(wanted))
    if scored and basis is None:
        raise BadInput(
            f"--race cannot decide by {' and '.join(scored)}: no prompt has facets",
            hint="give the prompts facets, or --prefer latency",
        )


def needs_of(race: Race) -> Needs:
    """What a race decides by."""
    weights = tuple(Weight(name, *one) for name, one in race.weights.items())
    return Needs(parse_needs(race.needs), race.prefer, weights, race.margins)


def smallest_level(rounds: int) -> float:
    """The error of one test at the last look: what percentiles and shares need to be judged at in the end."""
    return ERROR * error_shares(len(looks_after(rounds)))[-1]


@dataclass
class Course:
    """One race on its way. `load` gives the run as it is stored, with everything that was measured."""

    plan: Plan
    race: Race
    load: Callable[[], Run]

    def blocks(self) -> tuple[PlannedBlock, ...]:
        """What is to be run before the next look: every block of those that are measured on, up to its round.

        When the race is over, those of an extension. None left: the next look is due, or all is done.
        """
        run = self.load()
        looks = looks_of(run.events)
        over = {(b.candidate, b.round) for b in run.blocks if b.state in ("done", "failed")}
        wanted = [b for b in blocks_wanted(self.race, looks, self.plan.blocks) if (b.candidate, b.round) not in over]
        if looks and looks[-1].is_over:
            return tuple(wanted)
        last = self.race.after[len(looks)]
        waiting = looks[-1].waiting if looks else {}
        return tuple(b for b in wanted if b.candidate not in waiting and b.round <= last)

    def look(self) -> TakenLook | None:
        """The look that is due now; None after the last."""
        run = self.load()
        looks = looks_of(run.events)
        if looks and looks[-1].is_over:
            return None
        number = len(looks) + 1
        standing = stand(evidence_from(replace(run, scores=score_run(run))), needs_of(self.race))
        return TakenLook(
            number,
            self.race.after[number - 1],
            standing.outcome.verdict,
            standing.outcome.pick,
            standing.open_ if number < len(self.race.after) else (),
            standing.waiting,
            standing.out,
        )
