"""Intervals as people read them: a value, its unit, half the interval's width, or both ends where it is lopsided."""

from collections.abc import Callable

from shortlist.records import Interval
from shortlist.units import about, duration, energy, is_currency, money, money_decimals, rate, size

_LOPSIDED = 1.5
NOTHING = "–"

_DURATIONS = (
    (1.0, 1e3, "ns"),
    (1e3, 1e6, "µs"),
    (1e6, 1e9, "ms"),
    (1e9, 120e9, "s"),
    (60e9, 7200e9, "min"),
    (3600e9, None, "h"),
)
_SIZES = ((1.0, 999.5, "B"), (1e3, 999.5e3, "kB"), (1e6, 999.5e6, "MB"), (1e9, None, "GB"))
_ENERGIES = ((1.0, 999.5, "J"), (1e3, 999.5e3, "kJ"), (1e6, None, "MJ"))


def _scale(point: float, unit: str) -> tuple[float, str]:
    table = {"ns": _DURATIONS, "B": _SIZES, "J": _ENERGIES}.get(unit)
    if table is None and (unit == "W" or is_currency(unit)):
        return 1.0, f" {unit}"
    if table is None:
        return (0.01, " %") if unit == "share" else (1.0, "")
    for divisor, limit, name in table:
        if limit is None or abs(point) < limit:
            return divisor, f" {name}"
    raise AssertionError("the last row has no limit")


def _decimals(value: float) -> int:
    magnitude = abs(value)
    return 0 if magnitude >= 100 or magnitude == 0 else 1 if magnitude >= 10 else 2


def _shown_decimals(scaled: float, unit: str) -> int:
    if unit == "share":
        return 0
    return money_decimals(scaled) if is_currency(unit) else _decimals(scaled)


def value(interval: Interval | None) -> str:
    """The point with its unit: `1.24 s`, `2.72 MB`, `31.0`; a dash where there is none."""
    if interval is None or interval.point is None:
        return NOTHING
    shown: dict[str, Callable[[float], str]] = {
        "ns": duration,
        "B": size,
        "J": energy,
        "W": lambda watts: f"{rate(watts)} W",
        "share": lambda share: f"{share * 100:.0f} %",
    }
    if is_currency(interval.unit):
        return money(interval.point, interval.unit)
    return shown.get(interval.unit, rate)(interval.point)


def _width(half: float, decimals: int) -> str:
    while decimals < 6 and 0 < half < 0.5 * 10**-decimals:
        decimals += 1
    return f"{half:.{decimals}f}"


def with_error(interval: Interval | None) -> str:
    """`1.62 s ±0.17`; `1.62 s 1.50–1.95` where lopsided; an open end as `≥` or `≤`; the point alone without one."""
    if interval is None or interval.point is None:
        return NOTHING
    text = value(interval)
    if interval.method == "exact" or (interval.low is None and interval.high is None):
        return text
    divisor, _ = _scale(interval.point, interval.unit)
    decimals = _shown_decimals((interval.point or interval.high or 0.0) / divisor, interval.unit)
    if interval.low is None or interval.high is None:
        end, sign = (interval.low, "≥") if interval.high is None else (interval.high, "≤")
        return f"{text} {sign}{(end or 0.0) / divisor:.{decimals}f}"
    below, above = interval.point - interval.low, interval.high - interval.point
    if max(below, above) > _LOPSIDED * min(below, above):
        return f"{text} {interval.low / divisor:.{decimals}f}–{interval.high / divisor:.{decimals}f}"
    return f"{text} ±{_width((below + above) / 2 / divisor, decimals)}"


def nanoseconds(count: float | None) -> str:
    """A duration, or a dash."""
    return NOTHING if count is None else duration(count)


def ratio(interval: Interval | None) -> str:
    """A ratio as a change: `+6.1 %, 3.8 to 8.4`; past a factor of two as a factor: `×3.00, 2.97 to 3.03`."""
    if interval is None or interval.point is None:
        return NOTHING
    is_factor = not 0.5 <= interval.point <= 2
    ends = [end for end in (interval.low, interval.high) if end is not None]
    if is_factor:
        return f"×{interval.point:.2f}" + (f", {ends[0]:.2f} to {ends[1]:.2f}" if len(ends) == 2 else "")
    change = f"{_signed((interval.point - 1) * 100)} %"
    return change + (f", {_signed((ends[0] - 1) * 100)} to {_signed((ends[1] - 1) * 100)}" if len(ends) == 2 else "")


def _signed(percent: float) -> str:
    return f"{percent:+.1f}".replace("-", "−")


def more(rounds: int | None, round_ns: int | None) -> str:
    """How much is missing to tell two apart: `12 more rounds, about 9 min`."""
    if rounds is None:
        return "more rounds than is reasonable"
    length = f", about {about(rounds * round_ns)}" if round_ns else ""
    return f"{rounds} more round{'s' if rounds != 1 else ''}{length}"
