"""The self-test: a real server process whose log is the truth, the real client, and arithmetic that is exact."""

import asyncio
import sys
from dataclasses import replace

import numpy as np
import pytest
import uvloop

from shortlist.clock import SYSTEM
from shortlist.errors import NotEnoughSamples
from shortlist.measure import selftest
from shortlist.measure.truth_child import READ
from shortlist.records import CLOCK_STEP, Chunk, MeasuringError, Sample

pytestmark = pytest.mark.skipif(sys.platform != "linux", reason="both processes must read one monotonic clock")

CHUNKS, GAP_NS, SHIFT_NS = 4, 5_000_000, 3_000_000


def seen(number: int, first_ns: int, late_ns: int = 0, **changes: object) -> Sample:
    stamps = [first_ns + k * GAP_NS + late_ns for k in range(CHUNKS)]
    made = Sample("s", None, "b", "e", "measure", "ok", number, first_ns - 20_000_000, prompt=str(number))
    return replace(made, chunks=tuple(Chunk(ns, 9, "text") for ns in stamps), **changes)  # type: ignore[arg-type]


def log_of(number: int, first_ns: int) -> list[list[int]]:
    chunks = [[number, k, first_ns + k * GAP_NS - 7_000, first_ns + k * GAP_NS] for k in range(CHUNKS)]
    return [[number, READ, first_ns - 19_000_000, first_ns - 19_000_000], *chunks]


def test_a_client_that_is_late_by_so_much_is_found_late_by_so_much() -> None:
    log = np.array([*log_of(2, 90_000_000), *log_of(1, 50_000_000)], dtype=np.int64)
    found = selftest.compare([seen(1, 50_000_000, 1_000), seen(2, 90_000_000, 3_000)], log, 2, CHUNKS)
    assert (found.ttft.n, found.ttft.bias_ns, found.ttft.sd_ns) == (2, 2_000, 1_414)
    assert (found.gap.n, found.gap.bias_ns, found.gap.p99_ns) == (6, 0, 0), "a shift of all stamps moves no gap"
    assert (found.e2e.bias_ns, found.error_ns, found.tail_ns) == (2_000, 2_900, 2_980)
    assert (found.sending.bias_ns, found.late_p99_ns) == (1_000_000, 7_000)
    assert (found.requests, found.chunks, found.failed, found.stamps, found.lag_p99_ns) == (
        2,
        8,
        0,
        "socket read",
        None,
    )


def test_a_chunk_of_its_own_that_is_late_is_an_error_of_two_gaps() -> None:
    late = seen(1, 50_000_000)
    moved = [replace(c, ns=c.ns + 600) if k == 1 else c for k, c in enumerate(late.chunks)]
    found = selftest.compare(
        [replace(late, chunks=tuple(moved))], np.array(log_of(1, 50_000_000), dtype=np.int64), 1, CHUNKS
    )
    assert (found.gap.bias_ns, found.gap.sd_ns, found.ttft.bias_ns, found.e2e.bias_ns) == (0, 600, 0, 0)


def test_a_request_during_which_the_wall_clock_was_set_is_left_out() -> None:
    log = np.array([*log_of(1, 50_000_000), *log_of(2, 90_000_000)], dtype=np.int64)
    stepped = seen(1, 50_000_000, 10**9, disturbance=(CLOCK_STEP,))
    found = selftest.compare([stepped, seen(2, 90_000_000, 1_000)], log, 1, CHUNKS)
    assert (found.requests, found.failed, found.error_ns) == (1, 1, 1_000)


def test_the_kernels_stamps_are_named_and_their_lag_is_told() -> None:
    sample = seen(1, 50_000_000)
    chunks = tuple(replace(c, lag_ns=40_000 + k) for k, c in enumerate(sample.chunks))
    found = selftest.compare(
        [replace(sample, chunks=chunks)], np.array(log_of(1, 50_000_000), dtype=np.int64), 1, CHUNKS
    )
    assert (found.stamps, found.lag_p99_ns) == ("kernel", 40_003)


def test_requests_that_failed_are_counted_and_left_out_and_warm_ups_are_not_even_counted() -> None:
    log = np.array([*log_of(1, 50_000_000), *log_of(2, 90_000_000)[:-1]], dtype=np.int64)
    samples = [
        seen(0, 10_000_000, phase="warmup"),
        seen(1, 50_000_000),
        seen(2, 90_000_000),  # the server never wrote its last chunk
        seen(3, 90_000_000, status="failed"),
    ]
    found = selftest.compare(samples, log, 1, CHUNKS)
    assert (found.requests, found.failed) == (1, 2)
    with pytest.raises(NotEnoughSamples, match="none of the self-test's 2 requests"):
        selftest.compare(samples[2:], log, 1, CHUNKS)


def test_the_real_client_against_the_real_server(monkeypatch: pytest.MonkeyPatch) -> None:
    """Both ran for real: the log is on schedule, nothing is seen before it was written, a planted delay is found."""
    kept: list[tuple[list[Sample], selftest._Integers, int, int]] = []
    compare = selftest.compare

    def keep(samples: list[Sample], written: selftest._Integers, streams: int, chunks: int) -> MeasuringError:
        kept.append((samples, written, streams, chunks))
        return compare(samples, written, streams, chunks)

    monkeypatch.setattr(selftest, "compare", keep)
    with asyncio.Runner(loop_factory=uvloop.new_event_loop) as runner:
        found = runner.run(selftest.self_test(4, 300_000_000, SYSTEM))
    samples, written, streams, chunks = kept[0]
    assert (found.streams, found.failed, found.chunks) == (4, 0, found.requests * chunks)
    assert found.requests >= 8
    assert 0 <= found.ttft.p95_ns <= found.ttft.p99_ns
    content = written[written[:, 1] >= 0]
    read = {number: at for number, place, at, _ in written.tolist() if place == READ}
    expected = [read[number] + 20_000_000 + place * GAP_NS for number, place, _, _ in content.tolist()]
    assert content[:, 2].tolist() == expected, "the schedule is absolute: a late write delays no other"
    assert (content[:, 3] >= content[:, 2]).all()
    moved = [replace(s, chunks=tuple(replace(c, ns=c.ns + SHIFT_NS) for c in s.chunks)) for s in samples]
    planted = compare(moved, written, streams, chunks)
    assert planted.ttft.bias_ns == pytest.approx(found.ttft.bias_ns + SHIFT_NS, abs=1)
    assert planted.gap == found.gap
