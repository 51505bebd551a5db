"""A comparison of two runs in words: what every form of it shares."""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from math import ceil

from shortlist.records import Interval, Verdict
from shortlist.report.numbers import NOTHING, ratio, value
from shortlist.results.changes import CandidateChange, Fact, Gate, GateVerdict, MetricChange, RunComparison
from shortlist.units import counted

GLYPHS: Mapping[Verdict, str] = {"better": "✓", "equivalent": "=", "worse": "✕", "not told apart": "?"}
GATE_WORDS: Mapping[GateVerdict, str] = {"pass": "gate passes", "fail": "gate FAILS", "cannot tell": "gate can't tell"}
NAMES: Mapping[str, str] = {
    "ttft": "TTFT",
    "tokens_per_s": "tok/s",
    "errors": "failed",
    "footprint": "on disk",
    "answer_tokens": "length",
}
_SHORT_NOTE = 26
_POINTS = frozenset({"critical", "errors", "goodput"})

_UNKNOWN_SPREAD = (
    "How far runs of one thing lie apart on this host is not known (shortlist selftest --aa measures it): "
    "what the host changed between the two runs would pass for a change of HEAD."
)


@dataclass(frozen=True, slots=True)
class Row:
    """One metric as people read it."""

    name: str
    base: str
    head: str
    change: str
    interval: str
    verdict: Verdict | None
    words: str


def name_of(metric: str) -> str:
    """A metric's name in print."""
    return NAMES.get(metric, metric)


def rows(candidate: CandidateChange) -> list[Row]:
    """Every metric that either run has a number for."""
    return [_row(one) for one in candidate.metrics if value(one.base) != NOTHING or value(one.head) != NOTHING]


def _row(one: MetricChange) -> Row:
    change, interval = change_parts(one)
    return Row(name_of(one.metric), value(one.base), value(one.head), change, interval, one.verdict, verdict_words(one))


def verdict_words(one: MetricChange) -> str:
    """`equivalent (±5 %)`, `not told apart (12 more rounds)`, `worse`; a dash where there is no verdict."""
    if one.verdict == "equivalent" and one.margin and not one.is_exact:
        return f"equivalent (±{margin_words(one)})"
    if one.verdict == "not told apart" and one.more:
        return f"not told apart ({_units(one)})"
    return one.verdict or (one.note if _is_short(one) else NOTHING)


def _is_short(one: MetricChange) -> bool:
    """Whether the reason why there is no verdict fits into the verdict's place."""
    return one.verdict is None and 0 < len(one.note) <= _SHORT_NOTE


def _units(one: MetricChange) -> str:
    return counted(one.more or 0, "more round" if one.units == "rounds" else "more cluster")


def margin_words(one: MetricChange) -> str:
    """`5 %`, or `0.05` of a score."""
    is_ratio = one.change is not None and one.change.unit == "ratio"
    return f"{one.margin * 100:g} %" if is_ratio else f"{one.margin:g}"


def change_parts(one: MetricChange) -> tuple[str, str]:
    """`+6.1 %` and `3.8…8.4`; a difference as `+0.01` and `−0.02…+0.03`; nothing where it was not told."""
    change = one.change
    if change is None or change.point is None:
        return "", ""
    if change.unit == "ratio":
        return _ratio_parts(change)
    scale, unit = (100, " points") if one.metric in _POINTS else (1, "")
    point = f"{_signed(change.point * scale, 1 if unit else 2)}{unit}"
    if change.low is None or change.high is None or change.method == "exact":
        return point, ""
    return point, _span(change.low * scale, change.high * scale, 1 if unit else 2)


def _ratio_parts(change: Interval) -> tuple[str, str]:
    point, _, _ = ratio(change).partition(", ")
    point = "0.0 %" if point in ("+0.0 %", "−0.0 %") else point
    if change.low is None or change.high is None or change.method == "exact":
        return point, ""
    if point.startswith("×"):
        return point, f"{change.low:.2f}…{change.high:.2f}"
    return point, _span((change.low - 1) * 100, (change.high - 1) * 100, 1)


def _span(low: float, high: float, decimals: int) -> str:
    """Both ends, with their signs unless both are above zero."""
    if low > 0:
        return f"{low:.{decimals}f}…{high:.{decimals}f}"
    return f"{_signed(low, decimals)}…{_signed(high, decimals)}"


def _signed(number: float, decimals: int) -> str:
    text = f"{number:+.{decimals}f}"
    return text[1:] if float(text) == 0 else text.replace("-", "−")


# --- the sentence -----------------------------------------------------------------------------------------------------


def sentence(comparison: RunComparison) -> str:
    """What matters, in one or two sentences: what got worse, then what got better; else how much is equivalent."""
    found = [f"{one.head_label} gives no number in HEAD: {one.broken}." for one in comparison.candidates if one.broken]
    for verdict in ("worse", "better"):
        for candidate in comparison.candidates:
            told = [one for one in candidate.metrics if one.verdict == verdict]
            if told:
                found.append(_differing(candidate, told))
    return " ".join(found) or _without_difference(comparison)


def _differing(candidate: CandidateChange, told: Iterable[MetricChange]) -> str:
    """`small is slower: latency +6.1 % (3.8…8.4), margin 5 % (p95 and tok/s too).`"""
    groups: dict[str, list[MetricChange]] = {}
    for one in told:
        groups.setdefault(one.words, []).append(one)
    said = "; ".join(f"{words}: {_most_telling(members)}" for words, members in groups.items())
    return f"{candidate.label} is {said}."


def _most_telling(members: Sequence[MetricChange]) -> str:
    """The first in numbers, the others by name: they mostly say the same again."""
    first, *others = members
    change, interval = change_parts(first)
    numbers = f"{name_of(first.metric)} {change}" + (f" ({interval})" if interval else "")
    margin = f", margin {margin_words(first)}" if first.margin else ""
    too = f" ({' and '.join(_listed([name_of(one.metric) for one in others]))} too)" if others else ""
    return f"{numbers}{margin}{too}"


def _listed(names: Sequence[str]) -> list[str]:
    return [", ".join(names[:-1]), names[-1]] if len(names) > 1 else list(names)


def _without_difference(comparison: RunComparison) -> str:
    verdicts = [one.verdict for _, one in comparison.changes]
    equal, untold = verdicts.count("equivalent"), verdicts.count("not told apart")
    if not equal and not untold:
        return "Nothing could be compared."
    if not untold:
        return "Equivalent in all that was compared."
    told = f"{equal} equivalent, " if equal else ""
    return f"No difference was told apart: of {counted(equal + untold, 'metric')} {told}{untold} not told apart."


# --- what stands below the table --------------------------------------------------------------------------------------


def footing(comparison: RunComparison) -> list[str]:
    """How much was compared and at which level, and what the host adds."""
    level = f"error level {comparison.alpha * 100:g} % for {_all_of(comparison)}"
    looks = f", for this is look {comparison.looks}" if comparison.looks > 1 else ""
    counts: dict[str, list[str]] = {}
    for one in comparison.candidates:
        if not (one.broken or one.unknown):
            counts.setdefault(_counts(one), []).append(one.label)
    if len(counts) == 1:
        return [f"{next(iter(counts))}; {level}{looks}.", *_spread(comparison)]
    said = [f"{', '.join(labels)}: {words}." for words, labels in counts.items()]
    return [f"{level.capitalize()}{looks}.", *said, *_spread(comparison)]


def _all_of(comparison: RunComparison) -> str:
    return "the 1 metric judged" if comparison.judged == 1 else f"all {comparison.judged} metrics judged together"


def _counts(one: CandidateChange) -> str:
    rounds = one.rounds
    both = counted(rounds[0], "round") + " each" if rounds[0] == rounds[1] else f"{rounds[0]} and {rounds[1]} rounds"
    clusters = f" in {counted(one.clusters, 'cluster')}" if one.clusters else ""
    same = f", {one.same_answers} answered word for word as before" if one.answers else ""
    return f"{both}, {counted(one.prompts, 'prompt')}{clusters}{same}"


def _spread(comparison: RunComparison) -> list[str]:
    known = [one for one in comparison.spreads if one is not None]
    if not known or len(known) < len(comparison.spreads):
        return [_UNKNOWN_SPREAD]
    shown = dict.fromkeys(f"{one.sd_log * 100:.1f} % over {counted(one.runs, 'run')}" for one in known)
    return [f"Runs of one thing lie apart by {', '.join(shown)} on this host (selftest --aa); intervals include it."]


def changed(comparison: RunComparison) -> list[str]:
    """What else differs between the runs, candidate by candidate; and who has no partner."""
    found = [f"Changed: {_facts(comparison.facts)}."] if comparison.facts else []
    found += [f"Changed in {one.label}: {_facts(one.facts)}." for one in comparison.candidates if one.facts]
    found += [
        f"{one.base_label} gives no number in BASE: {one.unknown}." for one in comparison.candidates if one.unknown
    ]
    if comparison.only_base:
        found.append(f"Not in HEAD: {', '.join(comparison.only_base)}.")
    if comparison.only_head:
        found.append(f"Only in HEAD: {', '.join(comparison.only_head)}.")
    return found


def _facts(facts: Iterable[Fact]) -> str:
    return "; ".join(f"{one.what} {one.base} → {one.head}" for one in facts)


def warnings(comparison: RunComparison) -> list[str]:
    """What was let pass, and what a reader must know."""
    allowed = (f"not the same, and compared by --allow: {one.text}" for one in comparison.allowed)
    return [*allowed, *comparison.warnings]


def metric_notes(candidate: CandidateChange) -> list[str]:
    """Why a metric has no verdict, or what its verdict rests on; the same note once for all that have it."""
    grouped: dict[str, list[str]] = {}
    for one in candidate.metrics:
        if one.note and not _is_short(one):
            grouped.setdefault(one.note, []).append(name_of(one.metric))
    return [f"{', '.join(names)}: {note}" for note, names in grouped.items()]


def gate_reasons(gate: Gate | None) -> list[str]:
    """Why a gate cannot tell, the same reason once for all that have it; why it fails stands in the sentence."""
    grouped: dict[tuple[str, str], list[str]] = {}
    for one in () if gate is None else gate.reasons:
        if one.verdict == "cannot tell":
            metrics = grouped.setdefault((one.candidate, one.text), [])
            metrics += [name_of(one.metric)] if one.metric else []
    return [
        ": ".join(filter(None, (" ".join(filter(None, (candidate, ", ".join(metrics)))), text)))
        for (candidate, text), metrics in grouped.items()
    ]


# --- what to type next ------------------------------------------------------------------------------------------------


def advice(comparison: RunComparison) -> list[tuple[str, str]]:
    """Sentences, each with a command to paste or none."""
    found = _more_rounds(comparison)
    clusters = max((one.more or 0 for _, one in comparison.changes if one.units == "clusters"), default=0)
    if clusters:
        found.append((f"Quality takes {counted(clusters, 'more prompt')} in clusters of their own, in both runs.", ""))
    worse = sum(len(one.worse_prompts) for one in comparison.candidates)
    if worse and comparison.base.is_stored and comparison.head.is_stored:
        command = f"shortlist runs show {comparison.head.short_id} --worse-than {comparison.base.short_id}"
        found.append((f"Read {counted(worse, 'answer')} that got worse:", command))
    return found


def _more_rounds(comparison: RunComparison) -> list[tuple[str, str]]:
    """Rounds for everything that is open, as a command per run: both must grow."""
    untold = [
        (candidate, one)
        for candidate, one in comparison.changes
        if one.verdict == "not told apart" and one.units == "rounds" and one.more
    ]
    if not untold:
        return []
    rounds = [max(_grown(one.rounds, change.more or 0)[side] for one, change in untold) for side in (0, 1)]
    names = ", ".join(dict.fromkeys(name_of(one.metric) for _, one in untold))
    sides = (comparison.base, comparison.head)
    if not all(one.can_grow for one in sides):
        return [(f"To tell {names}: {rounds[0]} rounds of BASE and {rounds[1]} of HEAD.", "")]
    commands = [f"shortlist bench --resume {one.short_id} --rounds {n}" for one, n in zip(sides, rounds, strict=True)]
    return [(f"To tell {names} (80 % power):", commands[0]), ("", commands[1])]


def _grown(rounds: tuple[int, int], more: int) -> tuple[int, int]:
    """Both runs grown by the share that the smaller one needs."""
    fewest = max(1, min(rounds))
    factor = (fewest + more) / fewest
    return ceil(rounds[0] * factor), ceil(rounds[1] * factor)
