"""Quantities as people write and read them: `300ms`, `2.1 GB`, `18 min`. GB is 10⁹ bytes."""

import math
import re

from shortlist.errors import BadInput

_TIME_NS = {
    "ns": 1,
    "us": 10**3,
    "µs": 10**3,
    "ms": 10**6,
    "s": 10**9,
    "m": 60 * 10**9,
    "min": 60 * 10**9,
    "h": 3600 * 10**9,
}
_SIZE_BYTES = {
    "b": 1,
    "kb": 10**3,
    "mb": 10**6,
    "gb": 10**9,
    "tb": 10**12,
    "kib": 2**10,
    "mib": 2**20,
    "gib": 2**30,
    "tib": 2**40,
}
_ENERGY_J = {"j": 1, "kj": 10**3, "mj": 10**6, "wh": 3600, "kwh": 3_600_000}
_CURRENCY = re.compile("[A-Z]{3}")
_QUANTITY = re.compile(r"\s*(\d+(?:\.\d+)?)\s*([a-zA-Zµ]*)\s*")


def _parse(text: str, table: dict[str, int], kind: str, example: str, bare: str | None = None) -> int:
    match = _QUANTITY.fullmatch(text)
    unit = (match[2].lower() or bare) if match else None
    if not match or unit not in table:
        raise BadInput(f"{text!r} is not a {kind}", hint=f"write it like {example}")
    return round(float(match[1]) * table[unit])


def parse_duration_ns(text: str) -> int:
    """`10m`, `2s`, `300ms` in nanoseconds; a bare number is seconds. Raises BadInput."""
    return _parse(text, _TIME_NS, "duration", "10m, 2s or 300ms", "s")


def parse_size_bytes(text: str) -> int:
    """`2GB`, `500 MB`, `1GiB` in bytes. Raises BadInput."""
    return _parse(text, _SIZE_BYTES, "size", "2GB or 500MB", "b")


def parse_energy_j(text: str) -> int:
    """`500kJ`, `2MJ`, `100Wh` in joules; mJ is not meant, MJ is. Raises BadInput."""
    return _parse(text, _ENERGY_J, "energy", "500kJ or 100Wh")


def _three_digits(value: float) -> str:
    magnitude = abs(value)
    if magnitude >= 100:
        return f"{value:.0f}"
    return f"{value:.1f}" if magnitude >= 10 else f"{value:.2f}"


def duration(ns: float) -> str:
    """Three digits and a unit: `820 µs`, `1.24 s`, `18.0 min`."""
    for unit, size, limit in (
        ("ns", 1, 1e3),
        ("µs", 1e3, 1e6),
        ("ms", 1e6, 1e9),
        ("s", 1e9, 120e9),
        ("min", 60e9, 7200e9),
    ):
        if abs(ns) < limit * (1 - 5e-4):
            return f"{_three_digits(ns / size)} {unit}"
    return f"{_three_digits(ns / 3600e9)} h"


def about(ns: float) -> str:
    """A length of time as one says it: `about 40 s`, `18 min`, `2 h`."""
    seconds = ns / 1e9
    if seconds < 90:
        return f"{max(1, round(seconds))} s"
    return f"{round(seconds / 60)} min" if seconds < 5400 else f"{seconds / 3600:.1f} h"


def size(count: float) -> str:
    """Three digits and a unit, GB = 10⁹ bytes: `2.72 MB`."""
    for unit, divisor in (("B", 1.0), ("kB", 1e3), ("MB", 1e6)):
        if abs(count) < divisor * 999.5:
            return f"{_three_digits(count / divisor)} {unit}" if divisor > 1 else f"{count:.0f} B"
    return f"{_three_digits(count / 1e9)} GB"


def energy(joules: float) -> str:
    """Three digits and a unit: `820 J`, `1.24 MJ`; 3.6 MJ is a kilowatt-hour."""
    for unit, divisor in (("J", 1.0), ("kJ", 1e3)):
        if abs(joules) < divisor * 999.5:
            return f"{_three_digits(joules / divisor)} {unit}"
    return f"{_three_digits(joules / 1e6)} MJ"


def is_currency(unit: str) -> bool:
    """Whether a unit is a currency's three letters."""
    return _CURRENCY.fullmatch(unit) is not None


def money_decimals(amount: float) -> int:
    """Two, and more for amounts under 0.1, so that three digits show."""
    return 2 if amount == 0 or abs(amount) >= 0.1 else 2 - math.floor(math.log10(abs(amount)))


def money(amount: float, currency: str) -> str:
    """`12.30 EUR`, `0.00123 EUR`; without a currency the number alone."""
    return f"{amount:.{money_decimals(amount)}f} {currency}".rstrip()


def counted(number: int, noun: str) -> str:
    """`1 round`, `3 rounds`."""
    return f"{number} {noun}" if number == 1 else f"{number} {noun}s"


def rate(per_s: float) -> str:
    """Three digits: `54.8`; the unit stands in the column's head."""
    return _three_digits(per_s)
