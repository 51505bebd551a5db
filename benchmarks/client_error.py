"""How far the client's numbers are from the truth, and what it costs.

A server with a known schedule (the fake engine, in its own process) logs CLOCK_MONOTONIC before each write; the client
stamps each read on the same clock. Error = client's stamp less server's log. Run: `python benchmarks/client_error.py`.
"""

import argparse
import asyncio
import json
import sys
import tempfile
import time
from collections import defaultdict
from dataclasses import dataclass, field
from itertools import pairwise
from pathlib import Path

import numpy as np
import uvloop

from shortlist.clock import SYSTEM, RunAxis
from shortlist.engines import EngineContext, LoadSpec
from shortlist.engines.fake import Fake
from shortlist.measure.drive import DriveSpec, drive
from shortlist.measure.recording import PlannedRequest
from shortlist.measure.workload import request_body
from shortlist.records import EngineOptions, Generation, LoadShape, Message, Prompt, Sample, Variant

TTFT_NS, GAP_NS, CHUNKS = 50_000_000, 5_000_000, 64


@dataclass
class Errors:
    """Nanoseconds, one entry per request or per gap."""

    unsent_ns: list[int] = field(default_factory=list)
    unread_ns: list[int] = field(default_factory=list)
    ttft_ns: list[int] = field(default_factory=list)
    gap_ns: list[int] = field(default_factory=list)
    server_late_ns: list[int] = field(default_factory=list)


def plan(count: int, model: str) -> list[PlannedRequest]:
    prompt = Prompt("p", (Message("user", "Say something."),))
    generation = Generation(max_tokens=CHUNKS)
    return [
        PlannedRequest(None, str(n), request_body(model, prompt, generation, {"request_id": str(n)}))
        for n in range(count)
    ]


async def measure(streams: int, requests: int) -> tuple[list[Sample], dict[str, list[dict[str, int]]], float]:
    """The samples, the server's content writes by request, and the client's CPU seconds."""
    script = f"ttft={TTFT_NS // 10**6}ms,gap={GAP_NS // 10**6}ms,chunks={CHUNKS}"
    samples: list[Sample] = []
    with tempfile.TemporaryDirectory() as scratch:
        engine = Fake(EngineContext())
        endpoint = await engine.open(
            LoadSpec("fake", script, Variant("endpoint"), EngineOptions(), None, Path(scratch))
        )
        try:
            how = DriveSpec(LoadShape("closed", streams), 60 * 10**9, SYSTEM, RunAxis(0), "block", "executor")
            cpu_s = time.process_time()
            await drive(endpoint, {}, plan(requests, script), how, samples.append)
            cpu_s = time.process_time() - cpu_s
        finally:
            await engine.close()
        assert engine.write_log is not None
        log: dict[str, list[dict[str, int]]] = defaultdict(list)
        for line in engine.write_log.read_text().splitlines():
            write = json.loads(line)
            if write["kind"] == "text":
                log[str(write["request"])].append(write)
    return samples, log, cpu_s


def compare(samples: list[Sample], log: dict[str, list[dict[str, int]]]) -> Errors:
    errors = Errors()
    for sample in samples:
        writes, seen = log[sample.prompt or ""], [c.ns for c in sample.chunks if c.is_content]
        if sample.status != "ok" or len(writes) != len(seen):
            raise SystemExit(f"request {sample.prompt}: {sample.status}, {len(seen)} of {len(writes)}, {sample.error}")
        written = [w["written_ns"] for w in writes]
        errors.ttft_ns.append(seen[0] - written[0])
        errors.gap_ns += [(b - a) - (d - c) for (a, b), (c, d) in zip(pairwise(seen), pairwise(written), strict=True)]
        assert sample.sent_ns is not None
        errors.unsent_ns.append(sample.sent_ns - sample.due_ns)
        errors.unread_ns.append(writes[0]["scheduled_ns"] - TTFT_NS - sample.sent_ns)
        errors.server_late_ns += [w["written_ns"] - w["scheduled_ns"] for w in writes]
    return errors


def ms(values: list[int], percent: float) -> str:
    return f"{np.percentile(values, percent) / 1e6:8.3f}"


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--streams", default="1,16,64,256")
    parser.add_argument("--each", type=int, default=4, help="requests per stream, at least 20 in all")
    args = parser.parse_args()
    print(f"true TTFT {TTFT_NS / 1e6} ms, gap {GAP_NS / 1e6} ms, {CHUNKS} chunks; errors in ms; {sys.platform}")
    print(
        "streams requests | TTFT p50      p99 | |gap| p50     p99 | due→sent p50   p99 | sent→read p50  p99 |"
        " late p99 | CPU-s/1000"
    )
    for streams in map(int, args.streams.split(",")):
        requests = max(20, streams * args.each)
        with asyncio.Runner(loop_factory=uvloop.new_event_loop) as runner:
            samples, log, cpu_s = runner.run(measure(streams, requests))
        e = compare(samples, log)
        gaps = [abs(gap) for gap in e.gap_ns]
        print(
            f"{streams:7} {requests:8} | {ms(e.ttft_ns, 50)} {ms(e.ttft_ns, 99)} | {ms(gaps, 50)} {ms(gaps, 99)} | "
            f"{ms(e.unsent_ns, 50)} {ms(e.unsent_ns, 99)} | {ms(e.unread_ns, 50)} {ms(e.unread_ns, 99)} | "
            f"{ms(e.server_late_ns, 99)} | {cpu_s / requests * 1e3:9.2f}",
            flush=True,
        )


if __name__ == "__main__":
    main()
