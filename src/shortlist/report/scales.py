"""From numbers to pixels, and the round numbers that stand on an axis."""

import math
from collections.abc import Sequence
from dataclasses import dataclass

from shortlist.report.textsize import text_width

_LOG_STEPS = (1.0, 2.0, 5.0)
_TICK_GAP = 10


@dataclass(frozen=True, slots=True)
class Scale:
    """`low`…`high` on `start`…`end`; values beyond stop at the edge."""

    low: float
    high: float
    start: float
    end: float
    is_log: bool = False

    def __call__(self, value: float) -> float:
        """The pixel of a value."""
        value = min(max(value, self.low), self.high)
        low, high = (math.log(self.low), math.log(self.high)) if self.is_log else (self.low, self.high)
        at = math.log(value) if self.is_log else value
        return self.start + (at - low) / (high - low) * (self.end - self.start)

    def ticks(self, about: int = 6) -> tuple[float, ...]:
        """Round values inside the scale."""
        return _log_ticks(self.low, self.high, about) if self.is_log else _linear_ticks(self.low, self.high, about)


def linear(low: float, high: float, start: float, end: float) -> Scale:
    """A linear scale; an empty range is widened."""
    if not high > low:
        room = abs(low) * 0.1 or 1.0
        low, high = low - room, high + room
    return Scale(low, high, start, end)


def logarithmic(low: float, high: float, start: float, end: float) -> Scale:
    """A logarithmic scale over positive values, a little wider than they are."""
    if low <= 0 or high <= 0:
        raise ValueError(f"a logarithmic scale needs positive ends, not {low} and {high}")
    return Scale(low / 1.08, max(high, low * 1.2) * 1.08, start, end, is_log=True)


def _linear_ticks(low: float, high: float, about: int) -> tuple[float, ...]:
    rough = (high - low) / max(1, about)
    power = 10 ** math.floor(math.log10(rough))
    step = next(factor * power for factor in (1, 2, 2.5, 5, 10) if factor * power >= rough * 0.999)
    first = math.ceil(low / step - 1e-9)
    last = math.floor(high / step + 1e-9)
    return tuple(round(number * step, 12) for number in range(first, last + 1))


def _log_ticks(low: float, high: float, about: int) -> tuple[float, ...]:
    powers = range(math.floor(math.log10(low)), math.ceil(math.log10(high)) + 1)
    for steps in ((1.0, 1.5, 2.0, 3.0, 5.0, 7.0), _LOG_STEPS, (1.0,)):
        found = [step * 10.0**power for power in powers for step in steps if low <= step * 10.0**power <= high]
        if len(found) <= about:
            break
    if len(found) >= 2:
        return tuple(found[:: max(1, math.ceil(len(found) / about))])
    return tuple(tick for tick in _linear_ticks(low, high, about) if low <= tick <= high and tick > 0)


def spaced(labels: Sequence[tuple[float, str]], size: float) -> list[tuple[float, str]]:
    """The labels (centre, text) that stand clear of the one before."""
    kept: list[tuple[float, str]] = []
    reached = -math.inf
    for at, text in sorted(labels):
        half = text_width(text, size) / 2
        if at - half >= reached + _TICK_GAP:
            kept.append((at, text))
            reached = at + half
    return kept


# --- units ------------------------------------------------------------------------------------------------------------

_UNITS = {
    "ns": ((1e9, "s"), (1e6, "ms"), (1e3, "µs"), (1.0, "ns")),
    "B": ((1e9, "GB"), (1e6, "MB"), (1e3, "kB"), (1.0, "B")),
    "J": ((1e6, "MJ"), (1e3, "kJ"), (1.0, "J")),
    "share": ((0.01, "%"),),
}


@dataclass(frozen=True, slots=True)
class AxisUnit:
    """What an axis counts in: `value / divisor`, then the name."""

    divisor: float
    name: str

    def label(self, value: float) -> str:
        """A tick: `1.5 s`."""
        number = f"{round(value / self.divisor, 6):g}".replace("-", "−")
        return f"{number} {self.name}" if self.name else number


def axis_unit(unit: str, high: float) -> AxisUnit:
    """The unit that suits an axis that ends at `high`; an unknown unit is not written on ticks."""
    table = _UNITS.get(unit)
    if table is None:
        return AxisUnit(1.0, "")
    return next((AxisUnit(divisor, name) for divisor, name in table if abs(high) >= divisor), AxisUnit(*table[-1]))
