"""The definitions of the numbers, on samples made by hand. Stamps are milliseconds here."""

from dataclasses import replace

import pytest
from hypothesis import given
from hypothesis import strategies as st

from shortlist.records import Chunk, ChunkKind, Sample, SampleStatus, Usage
from shortlist.results import metrics

MS = 10**6


def made(*stamps: tuple[int, ChunkKind], status: SampleStatus = "ok", tokens: int | None = 20) -> Sample:
    return Sample(
        id="s",
        cell="c",
        block="b",
        executor="e",
        phase="measure",
        status=status,
        seq=0,
        due_ns=100 * MS,
        sent_ns=110 * MS,
        end_ns=400 * MS,
        chunks=tuple(Chunk(ms * MS, 10, kind) for ms, kind in stamps),
        usage=None if tokens is None else Usage(30, tokens),
        text="x" * 50,
    )


TYPICAL = made((120, "role"), (150, "text"), (200, "text"), (300, "text"), (390, "usage"))


def test_ttft_counts_from_due_to_the_first_content_and_a_role_is_none() -> None:
    assert metrics.ttft_ns(TYPICAL) == 50 * MS
    assert metrics.service_ttft_ns(TYPICAL) == 40 * MS


@pytest.mark.parametrize("kind", ["text", "reasoning", "tool"])
def test_reasoning_and_tool_calls_are_content(kind: ChunkKind) -> None:
    assert metrics.ttft_ns(made((130, kind), (150, "text"))) == 30 * MS


def test_the_answers_own_ttft_stands_apart_from_reasoning() -> None:
    assert metrics.text_ttft_ns(made((130, "reasoning"), (150, "text"))) == 50 * MS
    assert metrics.text_ttft_ns(made((130, "reasoning"))) is None


def test_latency_ends_with_the_last_content_so_that_late_usage_does_not_stretch_it() -> None:
    assert metrics.latency_ns(TYPICAL) == 200 * MS
    assert metrics.response_end_ns(TYPICAL) == 300 * MS


def test_an_empty_reply_has_no_ttft_and_its_latency_is_the_replys_end() -> None:
    empty = made((120, "role"), status="empty", tokens=0)
    assert metrics.ttft_ns(empty) is None
    assert metrics.service_ttft_ns(empty) is None
    assert metrics.latency_ns(empty) == 300 * MS
    assert metrics.output_tokens_per_s(empty) == 0


@pytest.mark.parametrize("status", ["failed", "timeout", "partial"])
def test_a_failed_request_has_no_latency_and_no_rates(status: SampleStatus) -> None:
    broken = replace(TYPICAL, status=status)
    assert metrics.latency_ns(broken) is None
    assert metrics.output_tokens_per_s(broken) is None
    assert metrics.characters_per_s(broken) is None
    assert metrics.total_tokens_per_s(broken) is None


def test_gaps_are_between_content_chunks_only() -> None:
    assert metrics.gaps_ns(TYPICAL) == (50 * MS, 100 * MS)
    assert metrics.gaps_ns(made((150, "text"))) == ()
    assert metrics.gaps_ns(made()) == ()


def test_tpot_spreads_first_to_last_over_the_tokens_after_the_first() -> None:
    assert metrics.tpot_ns(made((150, "text"), (300, "text"), tokens=16)) == 10 * MS


@pytest.mark.parametrize("tokens", [None, 0, 15])
def test_tpot_is_withheld_under_sixteen_tokens(tokens: int | None) -> None:
    assert metrics.tpot_ns(made((150, "text"), (300, "text"), tokens=tokens)) is None


def test_tpot_is_withheld_where_everything_came_at_once() -> None:
    assert metrics.tpot_ns(made((150, "text"), tokens=40)) is None


def test_rates_divide_by_latency() -> None:
    assert metrics.output_tokens_per_s(TYPICAL) == pytest.approx(20 / 0.2)
    assert metrics.total_tokens_per_s(TYPICAL) == pytest.approx(50 / 0.2)
    assert metrics.characters_per_s(TYPICAL) == pytest.approx(50 / 0.2)


def test_no_usage_means_no_token_rates_and_characters_still_count() -> None:
    bare = replace(TYPICAL, usage=None)
    assert metrics.output_tokens_per_s(bare) is None
    assert metrics.total_tokens_per_s(bare) is None
    assert metrics.characters_per_s(bare) is not None
    assert metrics.total_tokens_per_s(replace(TYPICAL, usage=Usage(None, 3))) is None


def test_a_request_that_was_never_sent_has_nothing() -> None:
    unsent = replace(made(status="failed"), sent_ns=None, end_ns=None)
    assert metrics.response_end_ns(unsent) is None
    assert metrics.latency_ns(unsent) is None
    assert metrics.in_flight_ns([unsent]) == 0
    assert metrics.throughput_per_s([unsent]) is None


def test_zero_latency_gives_no_rate_rather_than_infinity() -> None:
    assert metrics.output_tokens_per_s(made((100, "text"))) is None


def test_overlapping_requests_are_in_flight_once() -> None:
    other = replace(TYPICAL, sent_ns=300 * MS, end_ns=700 * MS)
    later = replace(TYPICAL, sent_ns=900 * MS, end_ns=1000 * MS)
    assert metrics.in_flight_ns([later, TYPICAL, other]) == (590 + 100) * MS


def test_throughput_is_tokens_of_complete_replies_over_time_in_flight_of_all() -> None:
    broken = replace(TYPICAL, status="failed", sent_ns=500 * MS, end_ns=610 * MS, usage=Usage(1, 1000))
    assert metrics.throughput_per_s([TYPICAL, broken]) == pytest.approx(20 / 0.4)


def test_throughput_is_withheld_where_a_complete_reply_has_no_count() -> None:
    assert metrics.throughput_per_s([TYPICAL, replace(TYPICAL, usage=None)]) is None
    assert metrics.throughput_per_s([]) is None


def test_shares_count_failures_and_replies_cut_at_the_limit() -> None:
    samples = [TYPICAL, replace(TYPICAL, finish_reason="length"), replace(TYPICAL, status="timeout")]
    assert metrics.failures(samples) == 1
    assert metrics.cut_at_limit(samples) == (1, 2)


@given(st.lists(st.tuples(st.integers(0, 60), st.integers(0, 20)), max_size=12))
def test_the_union_of_intervals_is_the_number_of_covered_units(spans: list[tuple[int, int]]) -> None:
    covered = {unit for start, length in spans for unit in range(start, start + length)}
    assert metrics.union_ns((start, start + length) for start, length in spans) == len(covered)
