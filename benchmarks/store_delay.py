"""How long a finished sample takes to be on the disk: from `Sink.sample()` to its acknowledgement.

    python benchmarks/store_delay.py [--seconds 5] [--rates 1,50,500] [--folder DIR]

A sample has 150 chunks. The delay holds the gathering window (10 ms), the encoding and the flush of the disk; 100 ms
are what a user is promised. The folder should lie on the disk that results will be kept on: a tmpfs flushes for free.
"""

import argparse
import json
import tempfile
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path

import numpy as np

from shortlist.clock import iso, monotonic_ns, sleep_blocking_ns, wall_ns
from shortlist.records import Block, Chunk, Executor, Message, Plan, Prompt, RunInfo, Sample, Suite, Usage, uuid7
from shortlist.results.store import Store
from shortlist.results.writer import Sink

CHUNKS = 150


def typical_sample() -> Sample:
    """A reply of 150 chunks, 5 ms apart, with kernel stamps."""
    chunks = tuple(Chunk(10**9 + n * 5_000_000 + n * 37 % 1000, 190, "text", 30_000 + n) for n in range(CHUNKS))
    return Sample(
        id="",
        cell=None,
        block="b",
        executor="e",
        phase="measure",
        status="ok",
        seq=0,
        due_ns=9 * 10**8,
        sent_ns=9 * 10**8,
        end_ns=chunks[-1].ns,
        chunks=chunks,
        usage=Usage(60, CHUNKS),
        token_basis="usage",  # noqa: S106 - how tokens were counted, no password
        text="word " * CHUNKS,
    )


def measure(folder: Path, rate_per_s: float, seconds: float) -> list[int]:
    """Delays in nanoseconds of samples given at an even rate."""
    given: dict[str, int] = {}
    delays: list[int] = []

    def on_ack(ids: Sequence[str]) -> None:
        now = monotonic_ns()
        delays.extend(now - given[name] for name in ids)

    info = RunInfo(uuid7(wall_ns()), None, iso(wall_ns()), "running", Plan(Suite((_prompt(),)), (), ()))
    sample = typical_sample()
    with Store.open(folder / f"rate-{rate_per_s:g}.db") as store:
        store.create_run(info, {})
        with Sink(store, info.id, on_ack) as sink:
            sink.executor(Executor("e", "f", "boot", "monotonic", {}, {}))
            sink.start_block(Block("b", "c", 1, 1, "running", "e", 0))
            sink.flush()
            start = monotonic_ns()
            for number in range(max(5, round(rate_per_s * seconds))):
                sleep_blocking_ns(start + round(number / rate_per_s * 1e9) - monotonic_ns())
                name = f"s-{number:07d}"
                given[name] = monotonic_ns()
                sink.sample(replace(sample, id=name, seq=number))
            sink.flush()
    return delays


def _prompt() -> Prompt:
    return Prompt("p", (Message("user", "…"),))


def main() -> None:
    """Print one row per rate, and the same as JSON."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--seconds", type=float, default=5.0)
    parser.add_argument("--rates", default="1,50,500")
    parser.add_argument("--folder", type=Path)
    options = parser.parse_args()
    rows = []
    print("samples/s       n    median       p99       max   (ms from sample() to the disk)")
    for rate in (float(part) for part in options.rates.split(",")):
        with tempfile.TemporaryDirectory(dir=options.folder) as folder:
            delays = np.array(measure(Path(folder), rate, options.seconds)) / 1e6
        middle, late, worst = float(np.median(delays)), float(np.percentile(delays, 99)), float(delays.max())
        rows.append({"samples_per_s": rate, "n": len(delays), "median_ms": middle, "p99_ms": late, "max_ms": worst})
        print(f"{rate:9g} {len(delays):7d} {middle:9.1f} {late:9.1f} {worst:9.1f}")
    print(json.dumps({"store_delay": rows}))


if __name__ == "__main__":
    main()
