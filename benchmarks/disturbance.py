"""What the watch costs, what it finds, and from where on another process moves latency.

llama.cpp answers a demo model's prompts while a process beside it takes a core for a share of the time. For each share:
how much longer answers took than in the quiet passes between, and how many were called disturbed. Where the user may,
this process and its children run at the highest priority, so that work of others on the machine does not drown the
process that is planted; `--only-planted` judges by that one alone, on a machine that is never quiet.
Run: `python benchmarks/disturbance.py`.
"""

import argparse
import asyncio
import contextlib
import os
import subprocess
import sys
import tempfile
from collections import defaultdict
from collections.abc import Iterator, Sequence
from contextlib import contextmanager, nullcontext
from dataclasses import dataclass, replace
from itertools import pairwise
from pathlib import Path
from statistics import median

import numpy as np
import uvloop

import client_error
from shortlist import demo
from shortlist.clock import SYSTEM, RunAxis, sleep_blocking_ns
from shortlist.engines import EngineContext, LoadSpec, find_engine
from shortlist.measure.disturbance import Host, conditions
from shortlist.measure.drive import DriveSpec, drive
from shortlist.measure.hostwatch import HostWatch, Span
from shortlist.measure.recording import PlannedRequest
from shortlist.measure.workload import request_body
from shortlist.models.refs import resolve
from shortlist.quality.prompts import load_prompts
from shortlist.records import EngineOptions, Generation, LoadShape, Sample
from shortlist.results.metrics import latency_ns

PLANTED = "planted"
SHARES = (0.1, 0.2, 0.35, 0.6, 1.0)
TURNS = 24
BINS = (0.0, 0.02, 0.05, 0.1, 0.2, 0.4, 9.9)
_SPIN = """
import random, sys, time
share, chance = float(sys.argv[1]), random.Random(1)
while True:
    busy = chance.expovariate(1 / 0.01)
    until = time.perf_counter() + busy
    while time.perf_counter() < until: pass
    if share < 1: time.sleep(busy * (1 - share) / share)
"""


def favour(pid: int) -> None:
    """Before all others, where this user may: nice, and the session's share where the kernel groups by session."""
    with contextlib.suppress(OSError):
        os.setpriority(os.PRIO_PROCESS, pid, -20)
        Path(f"/proc/{pid}/autogroup").write_text("-20")


@contextmanager
def planted(share: float, folder: Path) -> Iterator[None]:
    """A process of that name that is busy for so much of the time."""
    link = folder / PLANTED
    if not link.exists():
        link.symlink_to(Path(sys.executable).resolve())
    process = subprocess.Popen(
        [str(link), "-S", "-c", _SPIN, str(share)], start_new_session=True, env={"PYTHONHOME": sys.base_prefix}
    )
    favour(process.pid)
    sleep_blocking_ns(10**8)
    try:
        yield
    finally:
        process.kill()
        process.wait()


@dataclass(frozen=True)
class Row:
    prompt: str
    latency_ns: int
    planted: float
    waited: float
    is_disturbed: bool


def only_planted(span: Span) -> Span:
    taken = dict(span.by_name).get(PLANTED, 0)
    return replace(span, others_ns=taken, by_name=((PLANTED, taken),), unseen_ns=0, steal_ns=0)


def row(sample: Sample, spans: Sequence[Span], cores: int) -> Row:
    end_ns = sample.end_ns or sample.due_ns
    what = conditions(spans, sample.due_ns, end_ns, Host(cores))
    alone = conditions([only_planted(span) for span in spans], sample.due_ns, end_ns, Host(cores))
    return Row(sample.prompt or "", latency_ns(sample) or 0, alone.others or 0, alone.waited or 0, what.is_disturbed)


async def passes(threads: int, repeats: int, *, is_alone: bool) -> tuple[dict[float, list[Row]], float]:
    """Rows by the share of the planted process, a quiet pass before each; and the watch's share of a core."""
    found: dict[float, list[Row]] = defaultdict(list)
    model, engine = resolve("notes-large"), find_engine("llamacpp")(EngineContext())
    generation = Generation(max_tokens=160, fixed_tokens=160)
    cores = os.cpu_count() or 1
    with tempfile.TemporaryDirectory() as scratch:
        options = EngineOptions(device="cpu", threads=threads)
        spec = LoadSpec(model.label, model.label, model.variant, options, model.path, Path(scratch))
        endpoint = await engine.open(spec)
        for pid in engine.pids():
            favour(pid)
        prompts = load_prompts(demo.demo_prompts_path())[:6]
        bodies = [(p.id, request_body(endpoint.model, p, generation, engine.extra_body(generation))) for p in prompts]
        planned = [PlannedRequest(name, name, body) for name, body in bodies]
        how = DriveSpec(LoadShape(), 60 * 10**9, SYSTEM, RunAxis(0), "block", "executor")
        try:
            await drive(endpoint, engine.request_headers(), planned, how, lambda _sample: None)
            with HostWatch(engine.pids()) as watch:
                for share in [one for _ in range(repeats) for each in SHARES for one in (0.0, each)]:
                    samples: list[Sample] = []
                    with planted(share, Path(scratch)) if share else nullcontext():
                        await drive(endpoint, engine.request_headers(), planned, how, samples.append)
                        watch.read()
                    spans = watch.spans(samples[0].due_ns - 10**9)
                    judged = [only_planted(span) for span in spans] if is_alone else spans
                    found[share] += [row(sample, judged, cores) for sample in samples]
            spans = watch.spans()
            cost = watch.cost_ns / (spans[-1].end_ns - spans[0].start_ns)
        finally:
            await engine.close()
    return found, cost


def print_table(threads: int, rows: dict[float, list[Row]]) -> None:
    """By what the planted process wanted; then by what it got during each answer."""
    usual = usual_latency(rows)
    for share, mine in sorted(rows.items()):
        print_row(f"{threads:7} {share:6.2f}", mine, usual)
    every = [one for mine in rows.values() for one in mine]
    for low, high in pairwise(BINS):
        mine = [one for one in every if low <= one.planted < high]
        if mine:
            print_row(f"{threads:7} {low:.2f}+ ", mine, usual)


def usual_latency(rows: dict[float, list[Row]]) -> dict[str, float]:
    quiet: dict[str, list[int]] = defaultdict(list)
    for one in rows[0.0]:
        quiet[one.prompt].append(one.latency_ns)
    return {prompt: median(values) for prompt, values in quiet.items()}


def print_row(head: str, mine: Sequence[Row], usual: dict[str, float]) -> None:
    ratios = [one.latency_ns / usual[one.prompt] for one in mine]
    print(
        f"{head} {len(mine):4} | {median(o.planted for o in mine):6.2f} "
        f"{median(o.waited for o in mine) * 100:7.1f} % | {np.percentile(ratios, 50):6.3f} "
        f"{np.percentile(ratios, 90):6.3f} | {sum(o.is_disturbed for o in mine) / len(mine) * 100:8.0f} %",
        flush=True,
    )


async def client_errors(streams: int) -> None:
    """The client's error against the fake engine's log, with the watch and without, in turns."""
    medians: dict[bool, list[float]] = {True: [], False: []}
    worst: dict[bool, list[float]] = {True: [], False: []}
    for turn in range(TURNS):
        is_watched = turn % 2 == 1
        with HostWatch(()) if is_watched else nullcontext():
            samples, log, _ = await client_error.measure(streams, streams * 2)
        errors = client_error.compare(samples, log).ttft_ns
        medians[is_watched].append(float(np.median(errors)) / 1e6)
        worst[is_watched].append(float(np.percentile(errors, 99)) / 1e6)
    for name, values in (("median", medians), ("99 %", worst)):
        print(
            f"TTFT error at {streams} streams, {name}: {median(values[False]):.3f} ms without the watch, "
            f"{median(values[True]):.3f} ms with it"
        )


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--repeats", type=int, default=3)
    parser.add_argument("--only-planted", action="store_true")
    args = parser.parse_args()
    favour(os.getpid())
    print("threads  share    n | planted  waited  | ratio p50   p90 | disturbed")
    for threads in (1, 2):
        with asyncio.Runner(loop_factory=uvloop.new_event_loop) as runner:
            rows, cost = runner.run(passes(threads, args.repeats, is_alone=args.only_planted))
        print_table(threads, rows)
        print(f"the watch took {cost * 100:.2f} % of a core beside {len(list(Path('/proc').glob('[0-9]*')))} processes")
    for streams in (1, 64, 256):
        with asyncio.Runner(loop_factory=uvloop.new_event_loop) as runner:
            runner.run(client_errors(streams))


if __name__ == "__main__":
    main()
