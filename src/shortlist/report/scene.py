"""What every picture and table of one report shares: names, shapes, the pick."""

from dataclasses import dataclass

from shortlist.choose.decision import Decision, Need, NeedJudgement
from shortlist.records import Interval
from shortlist.report.verdicts import figure_name
from shortlist.results.figures import CandidateSummary, RunSummary
from shortlist.results.series import Series

NULLS = {"empty": "empty answer (null)", "echo": "echo of the prompt (null)"}


@dataclass(frozen=True, slots=True)
class Scene:
    """A run, its decision and its series; each of the last two may be missing, and with it what it is drawn from."""

    summary: RunSummary
    decision: Decision | None = None
    series: Series | None = None

    @property
    def pick(self) -> str | None:
        """The candidate that was picked."""
        return None if self.decision is None else self.decision.choice.pick

    @property
    def reference(self) -> str | None:
        """Whom differences are against: the pick, and without one whoever is ahead."""
        return None if self.decision is None else self.decision.reference or self.decision.choice.pick

    @property
    def measured(self) -> tuple[CandidateSummary, ...]:
        """Candidates with at least one complete request, in the run's order."""
        return tuple(one for one in self.summary.candidates if one.n > one.failed)

    def label(self, candidate: str) -> str:
        """What people call a candidate, a null one too."""
        if candidate in NULLS:
            return NULLS[candidate]
        if self.decision is not None and candidate in self.decision.labels:
            return self.decision.labels[candidate]
        return self.summary.label_of(candidate)

    def shape(self, candidate: str) -> int:
        """Its shape in every picture, by its place in the run."""
        order = [one.candidate for one in self.summary.candidates]
        return order.index(candidate) if candidate in order else len(order) + list(NULLS).index(candidate) % 2

    def judgement(self, candidate: str, need: Need) -> NeedJudgement | None:
        """How a candidate was judged on a need."""
        if self.decision is None:
            return None
        found = (one for one in self.decision.judgements if one.candidate == candidate and one.need.text == need.text)
        return next(found, None)

    def quality_figure(self) -> str | None:
        """Facets, else ratings: whichever was measured."""
        for name in ("facets", "rating"):
            if any(self.quality(one.candidate, name) is not None for one in self.summary.candidates):
                return name
        return None

    def quality(self, candidate: str, figure: str) -> Interval | None:
        """A candidate's quality with its interval: the decision's, else the run's."""
        for card in () if self.decision is None else self.decision.scorecards:
            if card.candidate == candidate and figure in card.quality:
                return card.quality[figure]
        own = next((one for one in self.summary.candidates if one.candidate == candidate), None)
        return None if own is None else own.figures.get(figure)

    def licence(self, candidate: str) -> str | None:
        """The licence's class; None without a decision."""
        cards = () if self.decision is None else self.decision.scorecards
        return next((card.licence for card in cards if card.candidate == candidate), None)

    def name_of(self, figure: str) -> str:
        """What people call a figure."""
        return figure_name(figure)
