"""A decision in words: limits, verdicts and standings, the same in every form of the report."""

from collections.abc import Mapping
from typing import Literal

from shortlist.choose.decision import Decision, Need, NeedJudgement, PreferenceDifference
from shortlist.records import Interval, NeedVerdict, Verdict
from shortlist.report.numbers import value
from shortlist.units import duration, energy, is_currency, money, rate, size

NEED_WORDS: Mapping[NeedVerdict, str] = {"pass": "✓ pass", "fail": "✕ fail", "cannot tell": "? can't tell"}
NOT_MEASURED = "? not measured"
GUARD = "(guard)"
MONEY = "money"
"""The unit of a cost where the currency is not at hand: a limit of a need, which is written without it."""

NAMES: Mapping[str, str] = {
    "latency.mean": "mean latency",
    "latency.p50": "median latency",
    "latency.p95": "latency p95",
    "latency.p99": "latency p99",
    "latency.max": "longest latency",
    "ttft.mean": "mean TTFT",
    "ttft.p50": "median TTFT",
    "ttft.p95": "TTFT p95",
    "tokens_per_s": "tokens/s",
    "characters_per_s": "characters/s",
    "throughput": "throughput",
    "goodput": "goodput",
    "goodput.share": "good requests",
    "reached.concurrency": "in flight",
    "reached.rate": "sent/s",
    "reached.completed": "completed/s",
    "backlog": "arrivals that piled up",
    "late.p99": "client late, p99",
    "total_tokens_per_s": "total tokens/s",
    "memory.peak": "peak memory",
    "memory.loaded": "memory when loaded",
    "memory.vram": "GPU memory",
    "footprint": "size on disk",
    "facets": "facets passed",
    "rating": "rating",
    "quality": "quality",
    "critical": "critical failures",
    "error_rate": "failed requests",
    "licence": "licence",
    "latency": "latency",
    "ttft": "time to first token",
    "prefill_tokens_per_s": "prefill tokens/s",
    "decode_tokens_per_s": "decode tokens/s",
    "roofline_tokens_per_s": "roofline tokens/s",
    "mbu": "MBU",
    "load.warm": "warm load",
    "load.cold": "cold load",
    "energy.requests": "energy per 1000",
    "energy.tokens": "energy per 1000 tokens",
    "energy.gross.requests": "whole energy per 1000",
    "energy.gross.tokens": "whole energy per 1000 tokens",
    "power.work": "draw at work",
    "power.idle": "draw idle",
    "cost.requests": "cost per 1000",
    "cost.tokens": "cost per 1000 tokens",
    "memory": "memory",
}
_SIGNS = {"<": "<", "<=": "≤", ">": ">", ">=": "≥", "=": "=", "==": "="}
_HIGHER_IS_BETTER = frozenset(
    {
        *("quality", "facets", "rating", "throughput", "tokens_per_s", "characters_per_s"),
        *("prefill_tokens_per_s", "decode_tokens_per_s", "goodput", "goodput.share"),
    }
)

Standing = Literal["pick", "equivalent", "out", "cannot tell", "passes", "not judged"]


def figure_name(figure: str) -> str:
    """What people call a figure."""
    return NAMES.get(figure, figure)


def is_higher_better(figure: str) -> bool:
    """Whether more of it is better."""
    return figure in _HIGHER_IS_BETTER


def unit_of(figure: str, interval: Interval | None = None) -> str:
    """The unit that a figure's limit is in: the interval's own where there is one."""
    if interval is not None and interval.unit:
        return interval.unit
    head = figure.partition(".")[0]
    if head in ("latency", "ttft", "tpot", "gap", "load"):
        return "ns"
    if head in ("memory", "footprint"):
        return "B"
    if head == "energy":
        return "J"
    if head == "cost":
        return MONEY
    return "share" if head in ("error_rate", "critical", "length_share") or figure == "goodput.share" else ""


def quantity(amount: float, unit: str) -> str:
    """A number with its unit, shorter than a measured one: `2 s`, `800 ms`, `0.85`."""
    if unit == "share":
        return f"{round(amount * 100, 1):g} %"
    if unit == MONEY or is_currency(unit):
        return money(amount, unit if is_currency(unit) else "")
    text = {"ns": duration, "B": size, "J": energy}.get(unit, rate)(amount)
    digits, _, name = text.partition(" ")
    if "." in digits and (unit in ("ns", "B", "J") or amount >= 1):
        digits = digits.rstrip("0").rstrip(".")
    return f"{digits} {name}" if name else digits


def limit_of(need: Need, interval: Interval | None = None) -> str:
    """A need's limit with its unit."""
    return need.limit if isinstance(need.limit, str) else quantity(need.limit, unit_of(need.figure, interval))


def operator_of(need: Need) -> str:
    """The sign as people read it."""
    return _SIGNS.get(need.operator, need.operator)


def need_text(need: Need) -> str:
    """`latency p95 < 2 s`."""
    return f"{figure_name(need.figure)} {operator_of(need)} {limit_of(need)}" + ("" if need.is_asked else f" {GUARD}")


def is_upper_limit(need: Need) -> bool:
    """Whether smaller values meet the need."""
    return need.operator in ("<", "<=")


def judgement_words(judged: NeedJudgement | None) -> str:
    """Glyph and word."""
    if judged is None:
        return "–"
    if judged.interval is None and judged.verdict == "cannot tell" and not isinstance(judged.need.limit, str):
        return NOT_MEASURED
    return NEED_WORDS[judged.verdict]


def judgements_of(decision: Decision, candidate: str) -> Mapping[str, NeedJudgement]:
    """A candidate's judgements by the need's text."""
    return {judged.need.text: judged for judged in decision.judgements if judged.candidate == candidate}


def standing(decision: Decision, candidate: str) -> Standing:
    """Where a candidate stands in the decision."""
    if candidate == decision.choice.pick:
        return "pick"
    verdicts = {judged.verdict for judged in judgements_of(decision, candidate).values()}
    if "fail" in verdicts:
        return "out"
    if "cannot tell" in verdicts:
        return "cannot tell"
    if candidate in decision.choice.equivalents:
        return "equivalent"
    return "passes" if verdicts or not decision.needs else "not judged"


def standing_words(decision: Decision, candidate: str) -> str:
    """Glyph and words: `✕ out: latency p95, memory, peak`."""
    where = standing(decision, candidate)
    judged = judgements_of(decision, candidate).values()
    failed = ", ".join(figure_name(one.need.figure) for one in judged if one.verdict == "fail")
    open_ = ", ".join(figure_name(one.need.figure) for one in judged if one.verdict == "cannot tell")
    if where == "pick":
        return "✓ ship, cheapest of equals" if decision.choice.verdict == "ship_cheapest_of_equals" else "✓ ship"
    return {
        "out": f"✕ out: {failed}",
        "cannot tell": f"? {'stopped by the race, ' if candidate in decision.behind else ''}can't tell: {open_}",
        "equivalent": "= equivalent",
        "passes": _passes(decision, candidate),
        "not judged": "– not judged",
    }[where]


def _passes(decision: Decision, candidate: str) -> str:
    for one in decision.differences:
        if one.candidate == candidate and one.verdict != "equivalent":
            return f"✓ passes, {_against_pick(one.verdict)} in {figure_name(one.preference)}"
    return "✓ passes all needs" if decision.needs else "– no needs given"


def _against_pick(verdict: Verdict) -> str:
    return {"not told apart": "not told apart"}.get(verdict, verdict)


def difference_words(one: PreferenceDifference) -> str:
    """`not told apart (+9 prompts)`."""
    if one.verdict != "not told apart":
        return one.verdict
    if one.note:
        return f"not told apart: {one.note}"
    if one.more is None:
        return "not told apart"
    unit = one.more_unit or "more"
    unit = unit[:-1] if one.more == 1 and unit.endswith("s") else unit
    return f"not told apart (+{one.more} {unit})"


def is_relative(preference: str) -> bool:
    """Whether a difference on this preference is a ratio less one (speed, memory) rather than in its own unit."""
    return preference not in ("quality", "facets", "rating")


def signed(amount: float, preference: str) -> str:
    """A difference: `+6.1 %` for ratios, `−0.02` for scores."""
    text = f"{amount * 100:+.1f} %" if is_relative(preference) else f"{amount:+.2f}"
    return text.replace("-", "−")


def difference_numbers(one: PreferenceDifference) -> str:
    """`−0.02, −0.06 to +0.02`."""
    interval = one.difference
    if interval.point is None:
        return "–"
    text = signed(interval.point, one.preference)
    if interval.low is None and interval.high is None:
        return text
    low = "−∞" if interval.low is None else signed(interval.low, one.preference)
    high = "+∞" if interval.high is None else signed(interval.high, one.preference)
    return f"{text}, {low} to {high}"


def ends(interval: Interval | None) -> str:
    """An interval's two ends: `1.48–1.81 s`; empty where it has none."""
    if interval is None or interval.method == "exact" or (interval.low is None and interval.high is None):
        return ""
    low = None if interval.low is None else value(Interval(interval.low, None, None, 0, "", 0, interval.unit))
    high = None if interval.high is None else value(Interval(interval.high, None, None, 0, "", 0, interval.unit))
    if low is None or high is None:
        return f"≤ {high}" if low is None else f"≥ {low}"
    number, _, name = low.partition(" ")
    return f"{number}–{high}" if name and high.endswith(f" {name}") else f"{low}–{high}"


def label_of(decision: Decision, candidate: str | None) -> str:
    """What people call a candidate; nobody is `nobody`."""
    return "nobody" if candidate is None else decision.labels.get(candidate, candidate)


def outcome_words(decision: Decision, verdict: str, pick: str | None) -> str:
    """What a segment of a sweep comes to: the pick's name, or why there is none."""
    if pick is not None:
        return label_of(decision, pick)
    return {"none_qualifies": "none qualifies", "not_enough_evidence": "can't tell"}.get(verdict, verdict)


def flip_lines(decision: Decision) -> tuple[str, ...]:
    """What would change the pick: `b if latency p95 < 800 ms`."""
    needs = {need.text: need for need in decision.needs}
    found = []
    for flip in decision.choice.flips:
        need = needs.get(flip.need)
        if need is None or isinstance(need.limit, str):
            continue
        to = quantity(flip.to_value, unit_of(need.figure))
        beyond = "or less" if flip.to_value < flip.from_value else "or more"
        what = label_of(decision, flip.pick) if flip.pick is not None else "no pick"
        found.append(f"{what} if the limit of {figure_name(need.figure)} were {to} {beyond}")
    return tuple(found)


def footing(decision: Decision) -> tuple[str, ...]:
    """What a decision rests on: error level, stability, what was not measured, and what it cannot say."""
    choice = decision.choice
    first = f"Made at an error level of {choice.level * 100:.3g} %."
    if choice.stability is not None:
        first += f" Same outcome in {choice.stability * 100:.0f} % of redraws."
    found = [first]
    if decision.preferences:
        found.append("Preferred in this order: " + ", ".join(figure_name(name) for name in decision.preferences) + ".")
    if decision.skipped:
        found.append("Preferences not measured, so skipped: " + ", ".join(decision.skipped) + ".")
    return (*found, *decision.notes)
