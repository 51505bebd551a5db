"""A race in words: the looks that are planned, and what each of them came to."""

from shortlist import units
from shortlist.choose.evidence import ERROR
from shortlist.records import Plan, Race, TakenLook

_VERDICTS = {
    "ship": "decided",
    "ship_cheapest_of_equals": "decided",
    "none_qualifies": "no candidate meets the needs",
    "not_enough_evidence": "no further round can decide it",
}


def planned_looks(race: Race, plan: Plan, *, are_answers_final: bool) -> list[str]:
    """What is looked at when, by what, and at which error; the first line goes behind `Race`."""
    each = "every round" if len(race.after) == plan.suite.rounds else f"rounds {', '.join(map(str, race.after))}"
    least, most = (f"{100 * ERROR * share:.2g} %" for share in (race.shares[0], race.shares[-1]))
    lines = [
        f"{units.counted(len(race.after), 'look')}, after {each}",
        "a candidate is stopped as soon as the decision cannot change",
        f"each test at {least} at the first look to {most} at the last; 5 % together",
    ]
    if are_answers_final and any(prompt.facets for prompt in plan.suite.prompts):
        lines.append("quality at 5 % from the first: every round gets the same answers")
    return lines


def cells_after(plan: Plan, look: TakenLook) -> int:
    """The most requests that a race still sends: those of the later rounds of all that it is not done with."""
    going = () if look.is_over else (*look.open_, *look.waiting)
    return sum(len(block.cells) for block in plan.blocks if block.round > look.after and block.candidate in going)


class LookTeller:
    """Says what changed since the look before."""

    def __init__(self, plan: Plan) -> None:
        self._labels = {c.id: c.label for c in plan.candidates}
        self._states: dict[str, str] = {}

    def lines(self, race: Race, look: TakenLook) -> list[str]:
        """One line for each candidate that is stopped, waits or is taken up again, and one for the race."""
        told = []
        for candidate, label in self._labels.items():
            state = "out" if candidate in look.out else "waiting" if candidate in look.waiting else ""
            if state == self._states.get(candidate, ""):
                continue
            self._states[candidate] = state
            why = look.out.get(candidate) or look.waiting.get(candidate)
            words = {"out": "is stopped", "waiting": "waits", "": "is taken up again"}[state]
            told.append(f"{label} {words}{f': {why}' if why else ''}")
        head = f"look {look.number} of {len(race.after)}"
        if look.is_over:
            is_last = look.number == len(race.after) and look.verdict == "not_enough_evidence"
            why = "every round is measured" if is_last else _VERDICTS.get(look.verdict, look.verdict)
            told.append(f"the race is over: {why}")
        elif not told:
            told.append(f"{units.counted(len(look.open_), 'candidate')} measured on")
        return [f"{head}  {line}" for line in told]
