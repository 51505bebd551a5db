"""The first line: what to ship, what the others are, what is out and by which numbers; or what is missing."""

from collections.abc import Mapping, Sequence

from shortlist.choose.blocking import what_blocks
from shortlist.choose.decision import Decision, Need, NeedJudgement, PreferenceDifference
from shortlist.choose.needs import KINDS
from shortlist.choose.preferences import Preference
from shortlist.records import Interval
from shortlist.units import duration, energy, money, rate, size

_TOLD = 3
"""So many others are described; the table has the rest."""

_SPEEDS = ("latency", "ttft", "throughput", "tokens_per_s")

_NOUNS: Mapping[str, str] = {
    "memory.peak": "of memory",
    "memory.loaded": "of memory when loaded",
    "memory.vram": "of GPU memory",
    "footprint": "of size on disk",
    "facets": "of facets",
    "quality": "in quality",
    "rating": "in rating",
    "critical": "of critical failures",
    "error_rate": "of requests failed",
    "latency.mean": "mean latency",
    "ttft.mean": "mean time to first content",
    "throughput": "tokens/s",
    "tokens_per_s": "tokens/s",
    "characters_per_s": "characters/s",
    "prefill_tokens_per_s": "tokens/s of prefill",
    "decode_tokens_per_s": "tokens/s of decode",
    "goodput": "good requests/s",
    "goodput.share": "of requests good",
    "load.warm": "to load warm",
    "load.cold": "to load cold",
    "energy.requests": "above idle per 1000 requests",
    "energy.tokens": "above idle per 1000 tokens",
    "energy.gross.requests": "of energy per 1000 requests",
    "energy.gross.tokens": "of energy per 1000 tokens",
    "cost.requests": "of cost per 1000 requests",
    "cost.tokens": "of cost per 1000 tokens",
}


def amount(value: float, unit: str) -> str:
    """A number with its unit, three digits: `2.1 GB`, `1.62 s`, `0.85`."""
    if unit == "ns":
        return _short(duration(value))
    if unit == "B":
        return _short(size(value))
    if unit == "J":
        return _short(energy(value))
    if unit == "money":
        return money(value, "")
    if unit in ("tokens/s", "characters/s", "requests/s"):
        return rate(value)
    return f"{value:.2f}"


def _short(text: str) -> str:
    number, _, unit = text.partition(" ")
    return f"{number.rstrip('0').rstrip('.') if '.' in number else number} {unit}"


def need_amount(need: Need, value: float) -> str:
    """A value of a need's figure; small shares as per cent."""
    if need.figure in ("critical", "error_rate", "goodput.share"):
        return f"{value * 100:.3g} %"
    return amount(value, KINDS[need.figure].unit)


def need_range(need: Need, interval: Interval) -> str:
    """`1.62 s, from 1.48 s to 1.81 s`; `1 GB ± 12 kB` where three digits do not tell the ends apart."""
    if interval.point is None:
        return "not measured"
    shown = need_amount(need, interval.point)
    if interval.low is None or interval.high is None or interval.method == "exact":
        return shown
    low, high = need_amount(need, interval.low), need_amount(need, interval.high)
    if low == shown == high:
        half = interval.half_width or 0.0
        unit = KINDS[need.figure].unit
        return f"{shown} ± {amount(half, unit) if unit in ('ns', 'B', 'J') else f'{half:.2g}'}"
    return f"{shown}, from {low} to {high}"


def say_decision(decision: Decision, preferences: Sequence[Preference]) -> str:
    """The sentence of a decision, made from its own numbers."""
    choice, labels = decision.choice, decision.labels
    if choice.verdict == "none_qualifies":
        return _join(["No candidate meets the needs.", *_out(decision)])
    if choice.verdict == "not_enough_evidence" or choice.pick is None:
        return _join(["Not enough evidence.", *_open(decision, preferences), *_out(decision)])
    ship = f"Ship {labels[choice.pick]}."
    if choice.verdict == "ship_cheapest_of_equals":
        others = [labels[name] for name in choice.equivalents]
        if others:
            ship = f"Ship {labels[choice.pick]}: the smallest of {len(others) + 1} equals (with {_and(others)})."
    beside = [name for name in _contenders(decision) if name not in (choice.pick, *choice.equivalents)]
    told = [_beside(decision, name, preferences) for name in beside[:_TOLD]]
    if len(beside) > _TOLD:
        told.append(f"{len(beside) - _TOLD} more stand behind it.")
    return _join([ship, *told, *_out(decision)])


def _join(parts: Sequence[str]) -> str:
    return " ".join(part for part in parts if part)


def _and(parts: Sequence[str]) -> str:
    return parts[0] if len(parts) == 1 else f"{', '.join(parts[:-1])} and {parts[-1]}" if parts else ""


def _contenders(decision: Decision) -> list[str]:
    failed = {one.candidate for one in decision.judgements if one.verdict == "fail"}
    return [name for name in decision.labels if name not in failed]


# --- out ------------------------------------------------------------------------------------------------------------


def _out(decision: Decision) -> list[str]:
    first: dict[str, NeedJudgement] = {}
    for one in sorted(decision.judgements, key=lambda judgement: not judgement.need.is_asked):
        if one.verdict == "fail":
            first.setdefault(one.candidate, one)
    names = [name for name in decision.labels if name in first]
    said = [f"{decision.labels[name]} is out: {why_out(first[name])}." for name in names[:_TOLD]]
    rest = len(names) - _TOLD
    return [*said, f"{rest} more {'is' if rest == 1 else 'are'} out."] if rest > 0 else said


def why_out(one: NeedJudgement) -> str:
    """The numbers of a need that is not met: `2.1 GB of memory, 1 GB allowed`."""
    need = one.need
    if isinstance(need.limit, str):
        why = "is refused by the licence policy" if need.limit == "policy" else "does not allow commercial use"
        return f"its licence {why}: {one.note}"
    interval = one.interval
    if not need.is_asked:
        if interval is None or interval.point is None:
            return one.note
        return f"{round(interval.point * interval.n)} of {interval.n} requests failed"
    if interval is None or (interval.point is None and interval.low is None):
        return f"{need.text} is not met"
    value = interval.point if interval.point is not None else interval.low or 0.0
    over = "" if interval.point is not None else "over "
    word = "allowed" if need.operator[0] == "<" else "needed"
    noun = _NOUNS.get(need.figure, need.figure.replace(".", " "))
    return f"{over}{need_amount(need, value)} {noun}, {need_amount(need, need.limit)} {word}"


# --- beside the pick ------------------------------------------------------------------------------------------------


def _beside(decision: Decision, name: str, preferences: Sequence[Preference]) -> str:
    label = decision.labels[name]
    mine_untold = (one for one in decision.judgements if one.candidate == name and one.verdict == "cannot tell")
    # Of one that a race stopped nothing more has to be told.
    untold = [] if name in decision.behind else [one.need.text for one in mine_untold]
    known = {one.name: one for one in preferences}
    mine = [one for one in decision.differences if one.candidate == name]
    said = [say_difference(one, known[one.preference]) for one in _worth_saying(mine)]
    if mine and decision.choice.verdict == "ship" and _is_behind(mine[0], known[mine[0].preference]):
        said[0] = _one_sided(mine[0], known[mine[0].preference])
    tail = f", and cannot be told on {_and(untold)}" if untold else ""
    return f"{label} is {_and(said)}{tail}." if said else f"{label} cannot be told on {_and(untold)}." if untold else ""


def _worth_saying(differences: Sequence[PreferenceDifference]) -> list[PreferenceDifference]:
    """The first preference, and what differs on two others; one word on speed is enough, the table has them all."""
    speeds = [one for one in differences if one.preference in _SPEEDS]
    others = [one for one in differences[1:] if one.verdict != "equivalent" and one not in speeds[1:]]
    return [*differences[:1], *others[:2]]


def say_difference(one: PreferenceDifference, preference: Preference) -> str:
    """A candidate against the pick: `equivalent in quality`, `40 % slower`, `0.12 worse in quality`."""
    named = preference.name.replace("_", " ")
    point = one.difference.point
    if one.verdict == "equivalent" or point is None:
        return f"equivalent in {named}"
    if one.verdict == "not told apart":
        return _not_told(one, preference, named)
    word = preference.ahead if one.verdict == "better" else preference.behind
    if one.difference.unit != "share":
        return f"{abs(point):.2f} {word} in {named}"
    ratio = 1 + point
    size_up = max(ratio, 1 / ratio) if ratio > 0 else 1.0
    what = "" if preference.name in ("latency", "throughput", "memory", "footprint") else f" in {named}"
    return f"{word}{what} by a factor of {size_up:.3g}" if size_up > 2 else f"{abs(point) * 100:.0f} % {word}{what}"


def _is_behind(one: PreferenceDifference, preference: Preference) -> bool:
    """Behind the pick by its point, where a two-sided test does not tell: the rule asks one-sided."""
    point = one.difference.point
    if one.verdict != "not told apart" or point is None or abs(point) <= one.margin:
        return False
    return (point > 0) == preference.lower_is_better


def _one_sided(one: PreferenceDifference, preference: Preference) -> str:
    point = abs(one.difference.point or 0.0)
    size_of = f"{point * 100:.0f} %" if one.difference.unit == "share" else f"{point:.2f}"
    return f"{size_of} behind in {preference.name.replace('_', ' ')} (told one-sided, not two-sided)"


def _not_told(one: PreferenceDifference, preference: Preference, named: str) -> str:
    """Where the interval keeps a lead over the pick under the margin, that is said too: it is why the pick ships."""
    if one.note:
        return f"not told apart in {named}: {one.note}"
    best = one.difference.low if preference.lower_is_better else one.difference.high
    if best is None or not 0 < abs(best) < one.margin:
        return f"not told apart in {named}"
    most = f"{abs(best) * 100:.1f} %" if one.difference.unit == "share" else f"{abs(best):.2f}"
    return f"not told apart in {named} (at most {most} ahead)"


# --- not enough evidence --------------------------------------------------------------------------------------------


def _open(decision: Decision, preferences: Sequence[Preference]) -> list[str]:
    blocks = what_blocks(decision.judgements, decision.differences, decision.preferences, decision.behind)
    said = [_untold(decision, one) for one in blocks.judgements]
    if decision.reference is not None:
        said += [_pair(decision, one) for one in blocks.differences]
    if not said and not decision.labels:
        said = ["No candidate was measured."]
    elif not said and not preferences:
        said = ["Nothing that was measured tells the candidates apart."]
    elif not said and decision.noisy:
        said = [f"The host was too noisy to compare the speed of {_and([decision.labels[c] for c in decision.noisy])}."]
    elif not said:
        said = ["The candidates could not be compared."]
    rest = len(said) - 2
    return [*said[:2], f"{rest} more {'is' if rest == 1 else 'are'} open."] if rest > 0 else said


def _untold(decision: Decision, one: NeedJudgement) -> str:
    label, interval = decision.labels[one.candidate], one.interval
    if interval is None or interval.point is None or isinstance(one.need.limit, str):
        return f"{label} cannot be told on {one.need.text}: {one.note}."
    shown = need_range(one.need, interval)
    if interval.low is None or interval.high is None:
        return f"{label} cannot be told on {one.need.text}: {shown}, {interval.note or 'no interval'}."
    return f"{label} cannot be told on {one.need.text} ({shown})."


def _pair(decision: Decision, one: PreferenceDifference) -> str:
    labels, named = decision.labels, one.preference.replace("_", " ")
    against = labels[decision.reference or ""]
    why = f"; {one.note}" if one.note else ""
    return f"{labels[one.candidate]} and {against} are not told apart in {named} ({difference_numbers(one)}{why})."


def difference_numbers(one: PreferenceDifference) -> str:
    """`−0.02, from −0.06 to +0.02; margin 0.05`."""
    interval = one.difference
    point = _signed(interval.point, interval)
    ends = f", from {_signed(interval.low, interval)} to {_signed(interval.high, interval)}"
    margin = f"{one.margin * 100:.3g} %" if interval.unit == "share" else f"{one.margin:g}"
    return f"{point}{ends if interval.low is not None and interval.high is not None else ''}; margin {margin}"


def _signed(value: float | None, interval: Interval) -> str:
    if value is None:
        return "?"
    text = f"{value * 100:+.1f} %" if interval.unit == "share" else f"{value:+.2f}"
    return text.replace("-", "−")
