"""Whether a load was reached: known stamps give known numbers, and a backlog that grows is told."""

from dataclasses import replace
from itertools import pairwise

import numpy as np
import pytest

from results.loads import requests, sample
from shortlist.records import Interval, LoadShape, Sample
from shortlist.results.reached import (
    backlog_share,
    completion_rate_per_s,
    in_flight_mean,
    is_growing,
    load_warnings,
    reached_figures,
    send_rate_per_s,
    without_far_ends,
)

OPEN = LoadShape("open", rate_per_s=20.0, arrivals="constant")
CLOSED = LoadShape(concurrency=4)


def closed_loop(slots: int, count: int, latency_ms: float = 100, pause_ms: float = 0) -> list[Sample]:
    """Slots that take turns, each a `pause` after its reply."""
    turn = latency_ms + pause_ms
    starts = [turn * (n // slots) + n % slots for n in range(count)]
    return [sample(at, at + latency_ms) for at in starts]


def queue(rate_per_s: float, service_ms: float, count: int, slots: int = 1, offset_ms: float = 0.0) -> list[Sample]:
    """Constant arrivals at a server with so many slots and one service time: first come, first served."""
    free, found = [0.0] * slots, []
    for n in range(count):
        due = offset_ms + n * 1000 / rate_per_s
        slot = min(range(slots), key=free.__getitem__)
        free[slot] = max(due, free[slot]) + service_ms
        found.append(sample(due, free[slot]))
    return found


def test_slots_that_are_always_busy_are_all_in_flight_and_the_tail_does_not_count() -> None:
    busy = closed_loop(4, 40)
    assert in_flight_mean(busy) == pytest.approx(4, abs=0.02)
    assert in_flight_mean([*busy, sample(910, 5000)]) == pytest.approx(4, abs=0.1)


def test_slots_that_stand_empty_are_missed() -> None:
    assert in_flight_mean(closed_loop(4, 80, pause_ms=25)) == pytest.approx(4 * 100 / 125, abs=0.05)


def test_where_all_began_at_once_there_is_no_stretch_to_average() -> None:
    assert in_flight_mean([sample(n, 100) for n in range(4)]) is None
    assert in_flight_mean([sample(0, 5)]) is None


def test_rates_are_gaps_over_the_time_between_first_and_last() -> None:
    some = queue(20, 30, 21)
    assert send_rate_per_s(some) == pytest.approx(20)
    assert completion_rate_per_s(some) == pytest.approx(20)
    assert completion_rate_per_s(queue(20, 100, 21)) == pytest.approx(10)
    assert send_rate_per_s(some[:1]) is None


@pytest.mark.parametrize(("service_ms", "share"), [(30, 0.0), (49, 0.0), (100, 0.5), (200, 0.75)])
def test_the_backlogs_slope_is_one_less_capacity_over_rate(service_ms: float, share: float) -> None:
    assert backlog_share(queue(20, service_ms, 200)) == pytest.approx(share, abs=0.01)


def test_a_poisson_load_under_capacity_settles() -> None:
    chance = np.random.default_rng(1)
    due = np.cumsum(chance.exponential(50, 2000))
    free, found = 0.0, []
    for at in due:
        free = max(at, free) + 25
        found.append(sample(at, free))
    assert backlog_share(found) == pytest.approx(0, abs=0.01)


def test_few_arrivals_tell_nothing() -> None:
    assert backlog_share(queue(20, 200, 9)) is None


def figures(load: LoadShape, *rounds: list[Sample]) -> dict[str, Interval]:
    latency = Interval(100e6, 90e6, 110e6, 0.95, "t", len(rounds), "ns")
    return {**reached_figures(requests(*rounds), load, 0.95), "latency.p50": latency}


def warnings(load: LoadShape, *rounds: list[Sample]) -> str:
    return " / ".join(load_warnings(requests(*rounds), figures(load, *rounds), load))


def test_growth_is_told_with_its_numbers_and_a_settled_load_says_nothing() -> None:
    told = warnings(OPEN, queue(20, 100, 60), queue(20, 101, 60))
    assert told.startswith("20.0 requests/s were asked and 9.95 completed; 50 % of the arrivals piled up")
    assert warnings(OPEN, queue(20, 30, 60), queue(20, 31, 60)) == ""


def test_growth_in_one_of_three_rounds_is_not_told_from_chance() -> None:
    assert not is_growing(figures(OPEN, queue(20, 30, 60), queue(20, 100, 60), queue(20, 30, 60)))
    assert is_growing(figures(OPEN, queue(20, 90, 60), queue(20, 100, 60), queue(20, 110, 60)))


def test_a_late_client_is_told_apart_from_a_slow_server() -> None:
    late = [sample(50 * n, 50 * n + 100, sent_ms=50 * n + 20) for n in range(60)]
    assert "the client was late: requests were sent up to 20.0 ms after" in warnings(OPEN, late)
    assert "client" not in warnings(OPEN, queue(20, 100, 60))


def test_a_client_that_cannot_keep_the_rate_is_told_with_both_rates() -> None:
    slow = [sample(50 * n, 70 * n + 100, sent_ms=70 * n) for n in range(60)]
    assert "could not keep the rate: 20.0 requests/s were planned and 14.3 sent" in warnings(OPEN, slow)


def test_a_concurrency_that_was_not_reached_is_told_with_the_number() -> None:
    assert "4 requests in flight were asked and 3.2" in warnings(CLOSED, closed_loop(4, 400, pause_ms=25))
    assert warnings(CLOSED, closed_loop(4, 400)) == ""
    assert "--repeats makes blocks longer" in warnings(CLOSED, [sample(n, 100) for n in range(4)])


def test_after_growth_a_need_can_be_failed_and_never_passed() -> None:
    def interval(unit: str) -> Interval:
        return Interval(2.0, 1.0, 3.0, 0.95, "t", 5, unit)

    names = ("latency.p95", "ttft.mean", "tokens_per_s", "goodput", "memory.peak")
    found = without_far_ends({name: interval("") for name in names})
    assert [(found[name].low, found[name].high) for name in names] == [
        (1.0, None),
        (1.0, None),
        (None, 3.0),
        (None, 3.0),
        (1.0, 3.0),
    ]
    assert "a longer block would show worse" in found["latency.p95"].note


def test_the_made_queue_is_what_it_says() -> None:
    some = queue(20, 100, 50, slots=2)
    ends = sorted(s.end_ns or 0 for s in some)
    assert all(later - first >= 99_999_999 for first, later in pairwise(ends[::2]))


def test_what_was_measured_again_after_a_wait_changes_neither_rate_nor_number_in_flight() -> None:
    plain = [replace(one, seq=place) for place, one in enumerate(closed_loop(4, 40))]
    again = sample(9000, 9100, seq=44)
    with_repeat = [*plain[:20], again, *plain[21:]]
    for name, exact in (("reached.concurrency", 4.0), ("reached.completed", 40.0)):
        assert figures(CLOSED, plain)[name].point == pytest.approx(exact, rel=0.02)
        assert figures(CLOSED, with_repeat)[name].point == pytest.approx(exact, rel=0.03)


def test_of_a_candidate_that_was_never_asked_nothing_is_said() -> None:
    never = [replace(one, sent_ns=None, status="failed") for one in queue(20, 100, 60)]
    assert warnings(LoadShape(concurrency=4), never) == ""
