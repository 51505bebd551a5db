"""The rule on recorded readings: only causes outside engine and client disturb, from their limits on, by name."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from shortlist.measure.disturbance import LIMITS, Conditions, Host, conditions, judge
from shortlist.measure.hostwatch import Span

MS = 10**6
TWO_CORES = Host(2)


def span(start_ms: int, end_ms: int, **counted: object) -> Span:
    return Span(start_ms * MS, end_ms * MS, **counted)  # type: ignore[arg-type]


def quiet(start_ms: int, end_ms: int) -> Span:
    length = (end_ms - start_ms) * MS
    return span(
        start_ms,
        end_ms,
        others_ns=length // 100,
        unseen_ns=0,
        ours_ns=length * 3 // 2,
        engine_waited_ns=length // 3,
        client_waited_ns=length // 10,
        pressure_ns=length // 2,
        steal_ns=0,
    )


def during(spans: list[Span], start_ms: int, end_ms: int, host: Host = TWO_CORES) -> Conditions:
    return conditions(spans, start_ms * MS, end_ms * MS, host)


def test_an_engine_that_waits_for_its_own_threads_is_not_disturbed() -> None:
    # Two threads and the client on two cores: pressure and run-queue delay, and nobody else to blame.
    found = during([quiet(0, 1000)], 100, 900)
    assert found.causes == ()
    assert found.pressure == pytest.approx(0.5)
    assert found.severity < 1


def test_another_process_is_named_with_what_it_took() -> None:
    busy = span(0, 1000, others_ns=1400 * MS, by_name=(("apt", 1300 * MS), ("cron", 100 * MS)), ours_ns=500 * MS)
    found = during([busy], 0, 1000)
    assert found.causes == ("apt took 1.4 cores",)
    assert found.severity == pytest.approx(1.4 / 2 / LIMITS.others)


def test_several_are_named_until_two_thirds_are_explained() -> None:
    busy = span(0, 1000, others_ns=900 * MS, by_name=(("cc1", 400 * MS), ("ld", 300 * MS), ("make", 100 * MS)))
    assert during([busy], 0, 1000).causes == ("cc1, ld took 0.9 cores",)


def test_time_of_processes_that_are_gone_has_no_name() -> None:
    busy = span(0, 1000, others_ns=0, unseen_ns=900 * MS)
    assert during([busy], 0, 1000).causes == ("unseen processes took 0.9 cores",)


def test_steal_is_a_share_of_all_cores() -> None:
    found = during([span(0, 1000, steal_ns=240 * MS)], 0, 1000)
    assert found.causes == ("steal 12 %",)


def test_waiting_counts_as_far_as_others_worked() -> None:
    # Half of the work done was others' work, so half of the waiting is laid at their door.
    host = Host(64)
    waits = span(
        0, 1000, others_ns=1000 * MS, ours_ns=1000 * MS, engine_waited_ns=300 * MS, by_name=(("apt", 1000 * MS),)
    )
    found = during([waits], 0, 1000, host)
    assert found.waited == pytest.approx(0.15)
    assert found.causes == ("waited 15 % of the time for a core (apt)",)


def test_a_thermal_throttle_disturbs_and_a_low_frequency_does_not() -> None:
    assert during([span(0, 1000, throttled=1)], 0, 1000).causes == ("the processor throttled",)
    assert during([span(0, 1000, throttled=0, mhz=800)], 0, 1000).causes == ()


def test_only_the_readings_of_its_own_time_count() -> None:
    spans = [
        quiet(0, 1000),
        span(1000, 1050, others_ns=80 * MS, by_name=(("apt", 80 * MS),)),
        quiet(1050, 3000),
    ]
    assert during(spans, 0, 1000).causes == ()
    assert during(spans, 1010, 1040).causes == ("apt took 1.6 cores",)
    assert during(spans, 1100, 2900).causes == ()


def test_what_only_coarse_ticks_tell_is_judged_over_a_second() -> None:
    # One tick of 10 ms in a request of 20 ms would be half a core.
    spans = [quiet(0, 1000), span(1000, 1020, unseen_ns=10 * MS, steal_ns=10 * MS), quiet(1020, 2000)]
    assert during(spans, 1000, 1020).causes == ()


def test_on_somebody_elses_engine_here_its_work_is_not_taken_for_a_disturbance() -> None:
    host = Host(2, "this host")
    busy = span(0, 1000, others_ns=1900 * MS, by_name=(("ollama", 1900 * MS),), client_waited_ns=500 * MS)
    assert during([busy], 0, 1000, host).causes == ()
    assert during([span(0, 1000, steal_ns=500 * MS)], 0, 1000, host).causes == ("steal 25 %",)


def test_of_an_engine_elsewhere_only_what_our_client_waited_counts() -> None:
    host = Host(2, "elsewhere")
    busy = span(0, 1000, others_ns=1000 * MS, by_name=(("apt", 1000 * MS),), client_waited_ns=0, ours_ns=100 * MS)
    assert during([busy], 0, 1000, host).causes == ()
    late = span(
        0, 1000, others_ns=1900 * MS, by_name=(("apt", 1900 * MS),), client_waited_ns=400 * MS, ours_ns=100 * MS
    )
    assert during([late], 0, 1000, host).causes == ("waited 38 % of the time for a core (apt)",)


def test_without_a_reading_nothing_is_known_and_nothing_is_said() -> None:
    assert during([], 0, 1000) == Conditions()
    assert during([span(0, 10)], 20, 30) == Conditions()


def test_what_is_not_visible_is_none_and_never_zero() -> None:
    found = during([span(0, 1000, others_ns=0)], 0, 1000)
    assert (found.steal, found.pressure, found.waited, found.unseen) == (None, None, None, None)


SPANS = st.lists(
    st.tuples(st.integers(1, 300), st.integers(0, 600), st.integers(0, 300), st.integers(0, 200)), max_size=30
)


@given(SPANS, st.integers(0, 3000), st.integers(1, 1000))
def test_judging_many_at_once_says_the_same_as_one_by_one(
    rows: list[tuple[int, int, int, int]], start: int, length: int
) -> None:
    spans, at = [], 0
    for width, others, unseen, steal in rows:
        spans.append(span(at, at + width, others_ns=others * MS, unseen_ns=unseen * MS, steal_ns=steal * MS))
        at += width
    window = (start * MS, (start + length) * MS)
    alone = conditions(spans, *window, TWO_CORES)
    together = judge([window], spans, TWO_CORES)[0]
    assert together.causes == alone.causes
    assert not alone.is_disturbed or together == alone
