"""What a decision consists of: the choice, and every judgement that it rests on. Reports print it, no more."""

from collections.abc import Mapping
from dataclasses import dataclass, field

from shortlist.records import Choice, Interval, NeedVerdict, Scorecard, Verdict


@dataclass(frozen=True, slots=True)
class Need:
    """A hard constraint: `latency.p95 < 2 s`. `limit` is in the figure's own unit (ns, B, tokens/s, share, rating).

    `figure` is a name of `results.figures.FIGURES`, `facets`, `critical`, `rating` or `licence`; `text` is as the user
    wrote it. `is_asked` is False for the guard on errors that nobody asked for, judged by the observed share.
    """

    text: str
    figure: str
    operator: str
    limit: float | str
    is_asked: bool = True


@dataclass(frozen=True, slots=True)
class NeedJudgement:
    """One need for one candidate. No interval: the figure was not measured, and `note` says why."""

    candidate: str
    need: Need
    verdict: NeedVerdict
    interval: Interval | None
    note: str = ""


@dataclass(frozen=True, slots=True)
class PreferenceDifference:
    """A candidate against the pick on one preference, paired.

    `difference` is candidate less pick in the preference's unit (facets, rating) or candidate over pick less one
    (speed, memory). `verdict` is the candidate's: better, equivalent, worse than the pick, or not told apart. `more`
    counts further rounds or prompts (`more_unit`) that would tell; None: beyond reason. `note`: why it is not told
    apart, where that is not the spread.
    """

    candidate: str
    preference: str
    difference: Interval
    margin: float
    verdict: Verdict
    more: int | None = None
    more_unit: str = ""
    note: str = ""


@dataclass(frozen=True, slots=True)
class Segment:
    """A stretch of one need's limit over which the outcome stays the same; ends None: unbounded on that side."""

    low: float | None
    high: float | None
    verdict: str
    pick: str | None


@dataclass(frozen=True, slots=True)
class Advice:
    """What to run next, how long it takes, and the command to paste."""

    text: str
    command: str
    duration_ns: int | None = None


@dataclass(frozen=True, slots=True)
class Decision:
    """A choice with all that it was made from. Candidates are named by id; `labels` gives what people call them.

    `sentence` is the first line that is printed. `skipped` preferences were not measured. `sweeps` holds, for each
    need by its text, the exact break points of what would change the pick (the Choice's flips are taken from them).
    Of the `noisy` candidates the host disturbed so much that nothing is concluded from their speed.
    `differences` are against `reference`: the pick, and without one the contender that is ahead by points. `behind` are
    those that a race stopped and that need not be told any more.
    """

    choice: Choice
    sentence: str
    labels: Mapping[str, str]
    needs: tuple[Need, ...]
    preferences: tuple[str, ...]
    judgements: tuple[NeedJudgement, ...]
    differences: tuple[PreferenceDifference, ...]
    scorecards: tuple[Scorecard, ...]
    sweeps: Mapping[str, tuple[Segment, ...]] = field(default_factory=dict)
    skipped: tuple[str, ...] = ()
    advice: tuple[Advice, ...] = ()
    notes: tuple[str, ...] = ()
    margins: Mapping[str, float] = field(default_factory=dict)
    reference: str | None = None
    noisy: tuple[str, ...] = ()
    behind: tuple[str, ...] = ()
