"""`--at`: the hour is waited for on virtual time, whatever the wall clock does meanwhile."""

import asyncio
from datetime import datetime

import pytest

from shortlist.cli.waiting import parse_at, wait_until
from shortlist.clock import LoopClock
from shortlist.errors import BadInput
from virtual_time import run_virtual

NOON_NS = round(datetime(2026, 11, 26, 12).timestamp() * 1e9)  # noqa: DTZ001 - local time is what is meant
HOUR_NS = 3600 * 10**9


def test_an_hour_that_is_over_today_is_tomorrows() -> None:
    assert parse_at("02:00", NOON_NS) - NOON_NS == 14 * HOUR_NS
    assert parse_at("23:30", NOON_NS) - NOON_NS == 11.5 * HOUR_NS
    assert parse_at("12:00", NOON_NS) - NOON_NS == 24 * HOUR_NS


@pytest.mark.parametrize("text", ["24:00", "2", "2am", "12:60", "", "-1:00"])
def test_what_is_no_hour_is_told(text: str) -> None:
    with pytest.raises(BadInput, match="is not a time of day"):
        parse_at(text)


def waited_s(when: int, steps: dict[float, int]) -> tuple[float, list[str]]:
    """Seconds of the loop until it was over; `steps`: nanoseconds that the wall clock gains at a second."""
    told: list[str] = []

    def wall() -> int:
        now_s = asyncio.get_running_loop().time()
        return NOON_NS + round(now_s * 1e9) + sum(gain for second, gain in steps.items() if now_s >= second)

    async def work() -> float:
        await wait_until(when, LoopClock(), told.append, wall)
        return asyncio.get_running_loop().time()

    return run_virtual(work()), told


def test_it_waits_to_the_second_and_says_until_when() -> None:
    passed_s, told = waited_s(parse_at("02:00", NOON_NS), {})
    assert passed_s == 14 * 3600
    assert told == ["waiting until 2026-11-27 02:00; Ctrl-C stops it, and nothing was fetched"]


def test_a_host_that_slept_for_hours_does_not_wait_them_again() -> None:
    passed_s, _ = waited_s(parse_at("02:00", NOON_NS), {600.0: 10 * HOUR_NS})
    assert passed_s == pytest.approx(4 * 3600, abs=31)


def test_an_hour_that_is_now_does_not_wait() -> None:
    assert waited_s(NOON_NS, {}) == (0.0, [])
