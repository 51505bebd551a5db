"""Needs as people write them: `p95<2s`, `memory<4GB`, `facets>=0.85`, `licence=commercial`."""

import re
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from itertools import pairwise
from typing import Literal

from shortlist.choose.decision import Need
from shortlist.errors import BadInput, UnknownName
from shortlist.units import parse_duration_ns, parse_energy_j, parse_size_bytes

Unit = Literal["ns", "B", "J", "money", "tokens/s", "characters/s", "requests/s", "share", "rating", "score", "class"]


@dataclass(frozen=True, slots=True)
class NeedKind:
    """What a need may be about: the figure's unit, and which side is good."""

    figure: str
    unit: Unit
    lower_is_better: bool


_LOWER: Mapping[str, Unit] = {
    **dict.fromkeys(("latency.mean", "latency.p50", "latency.p95", "latency.p99"), "ns"),
    **dict.fromkeys(("ttft.mean", "ttft.p50", "ttft.p95", "tpot", "load.warm", "load.cold"), "ns"),
    **dict.fromkeys(("memory.loaded", "memory.peak", "memory.vram", "footprint"), "B"),
    **dict.fromkeys(("energy.requests", "energy.tokens", "energy.gross.requests", "energy.gross.tokens"), "J"),
    **dict.fromkeys(("cost.requests", "cost.tokens"), "money"),
    "critical": "share",
    "error_rate": "share",
}
_HIGHER: Mapping[str, Unit] = {
    "tokens_per_s": "tokens/s",
    "throughput": "tokens/s",
    "prefill_tokens_per_s": "tokens/s",
    "decode_tokens_per_s": "tokens/s",
    "characters_per_s": "characters/s",
    "goodput": "requests/s",
    "goodput.share": "share",
    "facets": "share",
    "rating": "rating",
    "quality": "score",
}
KINDS: Mapping[str, NeedKind] = {
    **{name: NeedKind(name, unit, True) for name, unit in _LOWER.items()},
    **{name: NeedKind(name, unit, False) for name, unit in _HIGHER.items()},
    "licence": NeedKind("licence", "class", False),
}
"""Every figure that can be needed. Figures without an interval, such as the longest latency, can judge nothing."""

SHORT: Mapping[str, str] = {
    "latency": "latency.mean",
    "p50": "latency.p50",
    "p95": "latency.p95",
    "p99": "latency.p99",
    "ttft": "ttft.mean",
    "memory": "memory.peak",
    "vram": "memory.vram",
    "load": "load.warm",
    "prefill": "prefill_tokens_per_s",
    "decode": "decode_tokens_per_s",
    "energy": "energy.requests",
    "cost": "cost.requests",
    "license": "licence",
}
"""What may be written for short: a mean where no percentile is named, the peak for memory, warm for a load.

Energy and cost are those of 1000 requests; a cost is counted in the currency of the settings, and written without it.
"""

_EXPRESSION = re.compile(r"\s*([A-Za-z][\w.]*)\s*(<=|>=|<|>|==|=|≤|≥)\s*(.+?)\s*")
_SIGNS = {"≤": "<=", "≥": ">=", "==": "="}
_NUMBER = re.compile(r"(\d+(?:\.\d+)?|\.\d+)\s*(%|[a-zA-Z/]+)?")
_EXAMPLES = "'p95<2s', 'memory<4GB', 'facets>=0.85' or 'licence=commercial'"
_SPELLINGS: Mapping[Unit, tuple[str, ...]] = {
    "tokens/s": ("tokens/s", "token/s", "tok/s", "t/s"),
    "characters/s": ("characters/s", "chars/s", "char/s"),
    "requests/s": ("requests/s", "req/s", "rps"),
}
_QUANTITIES: Mapping[Unit, tuple[str, str, Callable[[str], float]]] = {
    "ns": ("a time", "2s or 300ms", parse_duration_ns),
    "B": ("a size", "4GB or 500MB", parse_size_bytes),
    "J": ("an energy", "500kJ or 100Wh", parse_energy_j),
}
_RANGES: Mapping[Unit, tuple[float, float]] = {"share": (0.0, 1.0), "rating": (1.0, 5.0), "score": (0.0, 5.0)}
_RANGE_HINTS: Mapping[Unit, str] = {
    "share": "a share from 0 to 1, such as 0.85 or 85%",
    "rating": "a mean rating from 1 to 5, such as 3.5",
    "score": "a share of facets such as 0.85, or a mean rating such as 3.5",
}
GUARD = Need("error_rate<=1%", "error_rate", "<=", 0.01, is_asked=False)
"""Nobody asked, and still a candidate that fails more than one request in a hundred is no candidate."""


def parse_need(text: str) -> Need:
    """A need from one expression. Raises BadInput (what is wrong and how to write it) and UnknownName."""
    match = _EXPRESSION.fullmatch(text)
    if not match:
        raise BadInput(f"{text!r} is not a need", hint=f"write it like {_EXAMPLES}")
    name, sign, limit = match[1].lower(), _SIGNS.get(match[2], match[2]), match[3]
    figure = SHORT.get(name, name)
    if figure not in KINDS:
        raise UnknownName("figure in a need", name, {*KINDS, *SHORT} - {"license"}, hint=f"write it like {_EXAMPLES}")
    kind = KINDS[figure]
    shown = f"{name}{sign}{limit}"
    if kind.unit == "class":
        return _licence_need(shown, sign, limit)
    _check_direction(shown, sign, kind)
    value = _limit(limit, kind, shown)
    if value == 0 and sign == "<":
        raise BadInput(f"nothing can meet {shown}: no {figure} is under 0", hint=f"write a limit above 0 or {name}<=0")
    if kind.unit == "share" and len(sign) == 2 and value == (0 if kind.lower_is_better else 1):
        near = "0.01" if kind.lower_is_better else "0.95"
        raise BadInput(
            f"{shown!r}: no number of requests can show that, since a share is judged by its interval",
            hint=f"write {name}{sign[0]}={near}",
        )
    most = _RANGES.get(kind.unit, (0.0, None))[1] if kind.unit != "score" else None
    if sign == ">" and value == most:
        raise BadInput(f"nothing can meet {shown}: {limit} is the most there is", hint=f"write {name}>={limit}")
    return Need(shown, figure, sign, value)


POLICY_NEED = Need("licence=policy", "licence", "=", "policy")
"""What is asked of every candidate where a licence policy is set."""


def _licence_need(shown: str, sign: str, limit: str) -> Need:
    if sign != "=" or limit.lower() not in ("commercial", "policy"):
        raise BadInput(f"{shown!r} is not a need on a licence", hint="write licence=commercial or licence=policy")
    return Need(shown, "licence", "=", limit.lower())


def _check_direction(shown: str, sign: str, kind: NeedKind) -> None:
    good = "<" if kind.lower_is_better else ">"
    if sign == "=":
        raise BadInput(
            f"{shown!r}: a measured number is never exactly equal", hint=f"write {shown.replace('=', good + '=', 1)}"
        )
    if sign[0] != good:
        less = "less" if kind.lower_is_better else "more"
        other = good + sign[1:]
        raise BadInput(
            f"{shown!r} would keep the worse candidates: of {kind.figure} {less} is better",
            hint=f"write {shown.replace(sign, other, 1)}",
        )


def _limit(text: str, kind: NeedKind, shown: str) -> float:
    match = _NUMBER.fullmatch(text)
    if not match:
        raise BadInput(f"{shown!r}: {text!r} is not a number", hint=f"write it like {_EXAMPLES}")
    unit = match[2] or ""
    if kind.unit in _QUANTITIES:
        what, example, read = _QUANTITIES[kind.unit]
        if not unit:
            raise BadInput(f"{shown!r}: {what} needs its unit", hint=f"write it like {example}")
        return float(read(("0" + text) if text.startswith(".") else text))
    value = float(match[1])
    if unit == "%" and kind.unit in ("share", "score"):
        value /= 100
    elif unit and unit.lower() not in _SPELLINGS.get(kind.unit, ()):
        raise BadInput(f"{shown!r}: {kind.figure} is not counted in {unit}", hint=f"write it like {_EXAMPLES}")
    least, most = _RANGES.get(kind.unit, (0.0, None))
    if value < least or (most is not None and value > most):
        raise BadInput(f"{shown!r}: {text} is not {_RANGE_HINTS[kind.unit]}", hint=f"write {_RANGE_HINTS[kind.unit]}")
    return value


def check_together(needs: Iterable[Need]) -> tuple[Need, ...]:
    """The needs as given. Raises BadInput where two are about one figure, or cannot both be met."""
    by_figure: dict[str, Need] = {}
    for need in needs:
        before = by_figure.setdefault(need.figure, need)
        if before is not need:
            same = before.limit == need.limit and before.operator == need.operator
            how = "says the same as" if same else "and"
            raise BadInput(
                f"two needs on {need.figure}: {before.text!r} {how} {need.text!r}",
                hint="keep one of them" if same else f"keep the stricter one, {_stricter(before, need).text!r}",
            )
    ordered = [by_figure[name] for name in ("latency.p50", "latency.p95", "latency.p99") if name in by_figure]
    for low, high in pairwise(ordered):
        if isinstance(low.limit, float) and isinstance(high.limit, float) and low.limit > high.limit:
            raise BadInput(
                f"{low.text!r} says nothing beside {high.text!r}, which is stricter",
                hint=f"drop {low.text!r}, or correct one of them",
            )
    return tuple(by_figure.values())


def _stricter(a: Need, b: Need) -> Need:
    if not (isinstance(a.limit, float) and isinstance(b.limit, float)):
        return a
    if a.limit == b.limit:
        return a if len(a.operator) == 1 else b
    return min(a, b, key=lambda need: float(need.limit) * (1 if KINDS[need.figure].lower_is_better else -1))


def parse_needs(texts: Iterable[str]) -> tuple[Need, ...]:
    """Several expressions, checked together. Raises BadInput."""
    return check_together(parse_need(text) for text in texts)
