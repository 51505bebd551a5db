"""Goodput: requests per second that kept the stated limits; failures are misses, a small sample is withheld."""

from dataclasses import replace

import pytest

from results.loads import requests, sample
from shortlist.errors import BadInput, UnknownName
from shortlist.records import Interval, Sample
from shortlist.results.goodput import goodput_figures, limit_errors, parse_limits, window_ns


def steady(count: int = 20, latency_ms: float = 100.0) -> list[Sample]:
    """One request every 50 ms, the first content half-way."""
    return [sample(50 * n, 50 * n + latency_ms) for n in range(count)]


def figures(*rounds: list[Sample], limits: str, is_streamed: bool = True) -> dict[str, Interval]:
    return goodput_figures(requests(*rounds), parse_limits([limits]), is_streamed=is_streamed, level=0.95)


def test_the_rate_is_good_requests_over_first_due_to_last_content() -> None:
    found = figures(steady(), steady(), limits="latency<150ms")
    assert found["goodput"].point == pytest.approx(40 / (2 * 1.05))
    assert found["goodput.share"].point == 1.0
    assert found["goodput.share"].low == pytest.approx(0.912, abs=0.001)  # Clopper-Pearson, 40 of 40


def test_a_round_is_the_unit_of_the_interval() -> None:
    fast, slow = steady(), steady(latency_ms=200)
    found = figures(fast, fast, slow, limits="latency<150ms")["goodput"]
    assert found.n == 3
    assert found.point == pytest.approx(40 / (2 * 1.05 + 1.15))
    assert found.low is not None
    assert found.low < 0 < 40 / 3.25 < (found.high or 0)


def test_all_limits_must_hold() -> None:
    mixed = [sample(50 * n, 50 * n + 100, first_ms=50 * n + (10 if n % 2 else 90)) for n in range(40)]
    assert figures(mixed, limits="latency<150ms")["goodput.share"].point == 1.0
    assert figures(mixed, limits="ttft<50ms")["goodput.share"].point == 0.5
    assert figures(mixed, limits="ttft<50ms,latency<100ms")["goodput.share"].point == 0.0
    assert figures(mixed, limits="ttft<50ms,latency<=100ms")["goodput.share"].point == 0.5


def test_a_failed_request_is_a_miss_and_stretches_no_window() -> None:
    late = sample(1000, 90_000, status="timeout")
    good = steady(39)
    found = figures([*good, late], limits="latency<150ms")
    assert found["goodput.share"].point == 39 / 40
    assert window_ns([*good, late]) == window_ns(good)


def test_an_answer_too_short_for_a_tpot_keeps_its_limit() -> None:
    assert figures(steady(30), limits="tpot<1us")["goodput.share"].point == 1.0


def test_under_thirty_requests_it_is_withheld_with_the_count() -> None:
    found = figures(steady(14), steady(15), limits="latency<1s")["goodput"]
    assert (found.point, found.note) == (None, "n = 29, needs 30")
    assert figures(steady(15), steady(15), limits="latency<1s")["goodput"].point is not None


def test_a_first_token_limit_on_whole_replies_is_withheld() -> None:
    assert "not streamed" in figures(steady(40), limits="ttft<1s", is_streamed=False)["goodput"].note


def test_a_round_in_which_nothing_came_counts_to_its_end() -> None:
    dead = [replace(one, status="failed", chunks=()) for one in steady()]
    found = figures(steady(), dead, limits="latency<1s")
    assert found["goodput"].point == pytest.approx(20 / (2 * 1.05))
    assert found["goodput.share"].point == 0.5


def test_without_limits_there_is_no_goodput() -> None:
    assert goodput_figures(requests(steady()), (), is_streamed=True, level=0.95) == {}


@pytest.mark.parametrize("text", ["ttft", "ttft>1s", "ttft<", "ttft<0ms", "<1s", "ttft<1s;latency<2s"])
def test_what_is_no_limit_is_refused(text: str) -> None:
    with pytest.raises(BadInput):
        parse_limits([text])


def test_an_unknown_figure_names_those_there_are_and_one_limit_each_is_enough() -> None:
    with pytest.raises(UnknownName, match="figure of goodput"):
        parse_limits(["tttf<1s"])
    with pytest.raises(BadInput, match="two limits on ttft"):
        parse_limits(["ttft<1s", "ttft<2s"])


def test_what_was_measured_again_after_a_wait_stretches_no_window() -> None:
    plain = [replace(one, seq=place) for place, one in enumerate(steady(40))]
    with_repeat = [*plain[:20], sample(9000, 9100, seq=41), *plain[21:]]
    for samples in (plain, with_repeat):
        found = figures(samples, limits="latency<150ms")
        assert found["goodput"].point == pytest.approx(40 / 2.05)
        assert found["goodput.share"].point == 1.0


def test_our_own_error_moves_it_by_the_requests_at_an_edge_of_a_limit() -> None:
    """Ten of forty lie 0.5 ms under the limit: an error of 1 ms may have made them good, one of 0.1 ms may not."""
    mixed = requests([sample(50 * n, 50 * n + (149.5 if n < 10 else 100)) for n in range(40)])
    limits = parse_limits(["latency<150ms"])
    found = goodput_figures(mixed, limits, is_streamed=True, level=0.95)
    near = limit_errors(mixed, limits, found, 10**6)
    assert near == {"goodput.share": 0.25, "goodput": pytest.approx((found["goodput"].point or 0.0) / 4)}
    assert set(limit_errors(mixed, limits, found, 10**5).values()) == {0.0}
    assert limit_errors(mixed, limits, found, 0.0) == {}
    assert limit_errors(mixed, (), {}, 10**6) == {}
