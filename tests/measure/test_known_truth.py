"""The client's stamps against the log of a server in another process, on the one clock that both can read."""

import asyncio
import json
import statistics
import subprocess
import sys
from itertools import pairwise
from pathlib import Path

import pytest
import uvloop

from measure.loopback import planned, run, spec
from shortlist.records import Sample

SERVER = Path(__file__).with_name("known_truth_server.py")
CHUNKS = 16


def drive_known_truth(streams: int) -> tuple[list[Sample], dict[int, list[int]]]:
    argv = [sys.executable, str(SERVER), str(CHUNKS), "50000000", "20000000"]
    with subprocess.Popen(argv, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True) as server:
        assert server.stdin is not None
        assert server.stdout is not None
        url = f"http://127.0.0.1:{server.stdout.readline().strip()}/v1"
        with asyncio.Runner(loop_factory=uvloop.new_event_loop) as runner:
            samples = runner.run(run(url, planned(streams * 3), spec(streams)))
        server.stdin.close()
        return samples, {int(number): stamps for number, stamps in json.loads(server.stdout.read()).items()}


def errors_ns(samples: list[Sample], log: dict[int, list[int]]) -> tuple[list[int], list[int]]:
    """Errors of TTFT and of the gaps between chunks, client's stamps less server's."""
    ttft, gaps = [], []
    for sample in samples:
        written = log[sample.seq][1:]
        seen = [chunk.ns for chunk in sample.chunks if chunk.is_content]
        assert len(seen) == len(written) == CHUNKS
        # Both TTFTs count from the sample's due time, so their difference is that of the two first-chunk stamps.
        ttft.append(seen[0] - written[0])
        gaps += [abs((b - a) - (d - c)) for (a, b), (c, d) in zip(pairwise(seen), pairwise(written), strict=True)]
    return ttft, gaps


@pytest.mark.skipif(sys.platform != "linux", reason="both processes must read one monotonic clock")
def test_at_sixty_four_streams_the_median_error_of_ttft_is_under_one_millisecond() -> None:
    # Other work on the machine only ever adds to an error, so the best of a few tries is the client's own.
    medians_ns: list[float] = []
    while len(medians_ns) < 4 and min(medians_ns, default=2e6) >= 1e6:
        samples, log = drive_known_truth(64)
        assert [s.status for s in samples] == ["ok"] * 192
        ttft, gaps = errors_ns(samples, log)
        assert min(ttft) > 0, "nothing is seen before it was written"
        medians_ns.append(max(statistics.median(ttft), statistics.median(gaps)))
    assert min(medians_ns) < 1_000_000, medians_ns
