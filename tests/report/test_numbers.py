"""Intervals as people read them."""

import pytest

from shortlist.records import Interval
from shortlist.report.numbers import more, ratio, value, with_error


def seen(point: float | None, low: float | None, high: float | None, unit: str = "ns", method: str = "t") -> Interval:
    return Interval(point, low, high, 0.95, method, 5, unit)


@pytest.mark.parametrize(
    ("interval", "shown"),
    [
        (seen(1.62e9, 1.45e9, 1.79e9), "1.62 s ±0.17"),
        (seen(1.24e9, 1.238e9, 1.242e9), "1.24 s ±0.002"),
        (seen(1.62e9, 1.60e9, 1.95e9), "1.62 s 1.60–1.95"),
        (seen(204e6, None, None), "204 ms"),
        (seen(204e6, 190e6, None), "204 ms ≥190"),
        (seen(204e6, None, 220e6), "204 ms ≤220"),
        (seen(None, None, None), "–"),
        (seen(2_720_000, 2_720_000, 2_720_000, "B", "exact"), "2.72 MB"),
        (seen(31.0, 30.0, 32.0, "tokens/s"), "31.0 ±1.0"),
        (seen(0.25, 0.09, 0.49, "share"), "25 % ±20"),
        (seen(0.0, 0.0, 0.17, "share"), "0 % 0–17"),
        (seen(0.0, 0.0, 0.0), "0.00 ns ±0"),
        (None, "–"),
    ],
)
def test_a_value_stands_with_its_error(interval: Interval | None, shown: str) -> None:
    assert with_error(interval) == shown


def test_the_value_alone_has_three_digits_and_a_unit() -> None:
    assert value(seen(1.41e9, None, None, "B")) == "1.41 GB"
    assert value(seen(0.125, None, None, "share")) == "12 %"


@pytest.mark.parametrize(
    ("interval", "shown"),
    [
        (seen(1.061, 1.038, 1.084, "ratio"), "+6.1 %, +3.8 to +8.4"),
        (seen(0.986, 0.97, 1.003, "ratio"), "−1.4 %, −3.0 to +0.3"),
        (seen(3.0, 2.9, 3.1, "ratio"), "×3.00, 2.90 to 3.10"),
        (seen(1.5, None, None, "ratio"), "+50.0 %"),
        (None, "–"),
    ],
)
def test_a_ratio_is_a_change_or_a_factor(interval: Interval | None, shown: str) -> None:
    assert ratio(interval) == shown


def test_what_is_missing_is_said_in_rounds_and_time() -> None:
    assert more(1, 30 * 10**9) == "1 more round, about 30 s"
    assert more(12, None) == "12 more rounds"
    assert more(None, 10**9) == "more rounds than is reasonable"
