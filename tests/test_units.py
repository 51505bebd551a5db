"""Units: what is printed can be read back, and a wrong quantity is an error."""

import pytest

from shortlist import units
from shortlist.errors import BadInput


@pytest.mark.parametrize(
    ("text", "ns"),
    [("10m", 600e9), ("2s", 2e9), ("300ms", 3e8), ("1.5 h", 5400e9), ("3", 3e9), ("7 µs", 7e3), ("2 min", 120e9)],
)
def test_durations_are_read_in_nanoseconds(text: str, ns: float) -> None:
    assert units.parse_duration_ns(text) == ns


@pytest.mark.parametrize(("text", "count"), [("2GB", 2e9), ("500 mb", 5e8), ("1GiB", 2**30), ("12", 12)])
def test_sizes_are_read_in_bytes_and_gb_is_ten_to_the_nine(text: str, count: float) -> None:
    assert units.parse_size_bytes(text) == count


@pytest.mark.parametrize("text", ["", "fast", "-3s", "3 parsecs", "1e3s", "inf", "3s extra"])
def test_what_is_not_a_duration_is_an_error(text: str) -> None:
    with pytest.raises(BadInput):
        units.parse_duration_ns(text)


@pytest.mark.parametrize(
    ("ns", "text"),
    [
        (820e3, "820 µs"),
        (999.96e6, "1.00 s"),
        (1.24e9, "1.24 s"),
        (57.3e6, "57.3 ms"),
        (119e9, "119 s"),
        (1080e9, "18.0 min"),
    ],
)
def test_durations_are_printed_with_three_digits(ns: float, text: str) -> None:
    assert units.duration(ns) == text


@pytest.mark.parametrize(
    ("count", "text"), [(0, "0 B"), (999, "999 B"), (2.72e6, "2.72 MB"), (999.6e6, "1.00 GB"), (1.41e9, "1.41 GB")]
)
def test_sizes_are_printed_with_three_digits(count: float, text: str) -> None:
    assert units.size(count) == text
