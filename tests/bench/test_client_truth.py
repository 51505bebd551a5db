"""The real client against the fake engine's log of its own writes: one clock, two processes."""

import asyncio
import statistics
import sys

import pytest
import uvloop

import client_error

STREAMS = 64


@pytest.mark.skipif(sys.platform != "linux", reason="both processes must read one monotonic clock")
def test_at_64_streams_the_median_error_of_ttft_is_under_one_millisecond() -> None:
    # Other work on the machine only ever adds to an error, so the best of a few tries is the client's own.
    medians_ns: list[float] = []
    while len(medians_ns) < 5 and min(medians_ns, default=1e6) >= 1e6:
        with asyncio.Runner(loop_factory=uvloop.new_event_loop) as runner:
            samples, log, _ = runner.run(client_error.measure(STREAMS, STREAMS * 3))
        errors_ns = client_error.compare(samples, log).ttft_ns
        assert len(errors_ns) == STREAMS * 3
        assert min(errors_ns) > 0, "nothing is seen before it was written"
        medians_ns.append(statistics.median(errors_ns))
    assert min(medians_ns) < 1e6, medians_ns
