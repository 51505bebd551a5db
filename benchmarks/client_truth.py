"""How far the client's numbers are from the truth, and what it costs, against a server in C that shares no code.

    python benchmarks/client_truth.py [--streams 1,64,256] [--each 4] [--stall] [--flood] [--unstored]
                                      [--asgi 'PYTHON -m uvicorn'] [--realtime]

known_truth.c is compiled into a temporary folder, runs pinned to the last core and logs CLOCK_MONOTONIC before each
write; the client (the real `drive`, its samples stored by the real `Sink`) is pinned to the first core. Every row has
one warm-up per stream, as a bench has, and a process of its own, and stands beside a bare epoll reader that only reads
and takes the clock: the floor of any client in this language on this machine. Errors are the client's stamps less the
server's log, in milliseconds. `--asgi` puts asgi_truth.py behind a server that is not ours instead. `--stall` blocks
the event loop for 20 ms at random, about five times a second. `--flood`: chunks per second from a server that writes
as fast as the client reads. `--realtime` (root) schedules both sides before everything else on a host that is not
free, and the thread that reads before the rest of the client, as an idle host would.
"""

import argparse
import asyncio
import json
import os
import random
import select
import socket
import subprocess
import sys
import tempfile
import threading
from collections.abc import Iterator, Sequence
from contextlib import contextmanager, suppress
from dataclasses import asdict, dataclass, replace
from itertools import pairwise
from pathlib import Path
from time import process_time as process_cpu_s
from typing import Any

import numpy as np
import psutil
import uvloop

from shortlist.clock import SYSTEM, RunAxis, iso, monotonic_ns, sleep_blocking_ns, wall_ns
from shortlist.measure.drive import DriveSpec, drive
from shortlist.measure.recording import PlannedRequest
from shortlist.measure.workload import request_body
from shortlist.records import (
    Block,
    Endpoint,
    Executor,
    Generation,
    LoadShape,
    Message,
    Plan,
    Prompt,
    RunInfo,
    Sample,
    Suite,
    uuid7,
)
from shortlist.results.store import Store
from shortlist.results.writer import Sink

TTFT_NS, GAP_NS, CHUNKS = 50_000_000, 5_000_000, 64
STALL_NS, STALL_EVERY_S = 20_000_000, 0.2


@dataclass(frozen=True)
class Case:
    """What one process measures."""

    kind: str  # drive, bare
    streams: int
    requests: int
    binary: str
    is_flood: bool = False
    is_stalled: bool = False
    is_stored: bool = True
    asgi: str = ""
    is_realtime: bool = False


@contextmanager
def serving(case: Case, log: list[list[int]], *, is_pinned: bool = True) -> Iterator[int]:
    """The port of a running server; its log afterwards. Pinned: it has the last core and this process the first."""
    cores = os.sched_getaffinity(0)
    core = max(cores) if is_pinned else -1
    with asgi_truth(core, case, log) if case.asgi else known_truth(core, case, log) as port:
        if is_pinned:
            os.sched_setaffinity(0, {min(cores)})
        yield port


@contextmanager
def asgi_truth(core: int, case: Case, log: list[list[int]]) -> Iterator[int]:
    with socket.create_server(("127.0.0.1", 0)) as free:
        port = free.getsockname()[1]
    option = "--bind" if "hypercorn" in case.asgi else "--port"
    place = f"127.0.0.1:{port}" if option == "--bind" else str(port)
    quiet = ["--log-level", "warning"]
    argv = [*case.asgi.split(), "asgi_truth:app", option, place, *quiet]
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "log"
        told = os.environ | {"TRUTH_LOG": str(path), "TRUTH": f"{TTFT_NS},{GAP_NS},{CHUNKS}"}
        with subprocess.Popen(argv, cwd=Path(__file__).parent, env=told, stdout=subprocess.DEVNULL) as server:
            os.sched_setaffinity(server.pid, {core})
            while server.poll() is None:
                with suppress(OSError), socket.create_connection(("127.0.0.1", port)):
                    break
                sleep_blocking_ns(20_000_000)
            yield port
            server.terminate()
        log += [list(map(int, line.split())) for line in path.read_text().splitlines()]


@contextmanager
def known_truth(core: int, case: Case, log: list[list[int]]) -> Iterator[int]:
    argv = [case.binary, case.requests + case.streams, CHUNKS, TTFT_NS, GAP_NS, core, int(case.is_flood)]
    with subprocess.Popen(list(map(str, argv)), stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True) as server:
        assert server.stdin is not None
        assert server.stdout is not None
        yield int(server.stdout.readline())
        server.stdin.close()
        log += [list(map(int, line.split())) for line in server.stdout]


def bodies(count: int) -> list[bytes]:
    prompt = Prompt("p", (Message("user", "Say something."),))
    generation = Generation(max_tokens=CHUNKS)
    return [request_body("known-truth", prompt, generation, {"request_id": str(n)}) for n in range(count)]


# --- the client -----------------------------------------------------------------------------------------------------


async def stall() -> None:
    chance = random.Random(1)
    while True:
        await SYSTEM.sleep_ns(round(chance.expovariate(1 / STALL_EVERY_S) * 1e9))
        sleep_blocking_ns(STALL_NS)


async def put_reader_first() -> None:
    """Threads of one real-time priority do not interrupt each other, as ordinary ones do."""
    while True:
        for thread in threading.enumerate():
            if thread.name == "shortlist-reader" and thread.native_id is not None:
                os.sched_setscheduler(thread.native_id, os.SCHED_FIFO, os.sched_param(20))
                return
        await SYSTEM.sleep_ns(1_000_000)


async def drive_all(case: Case, port: int, on_sample: Any) -> None:
    planned = [PlannedRequest(None, str(n), body) for n, body in enumerate(bodies(case.requests))]
    planned = [replace(one, phase="warmup") for one in planned[: case.streams]] + planned[case.streams :]
    how = DriveSpec(LoadShape("closed", case.streams), 60 * 10**9, SYSTEM, RunAxis(0), "block", "executor")
    endpoint = Endpoint(f"http://127.0.0.1:{port}/v1", "known-truth", None, "c", None, None)
    beside = [asyncio.create_task(stall())] if case.is_stalled else []
    if case.is_realtime:
        beside.append(asyncio.create_task(put_reader_first()))
    await drive(endpoint, {}, planned, how, on_sample)
    for task in beside:
        task.cancel()


@contextmanager
def storing(folder: str) -> Iterator[Sink]:
    prompt = Prompt("p", (Message("user", "…"),))
    info = RunInfo(uuid7(wall_ns()), None, iso(wall_ns()), "running", Plan(Suite((prompt,)), (), ()))
    with Store.open(Path(folder) / "truth.db") as store:
        store.create_run(info, {})
        with Sink(store, info.id) as sink:
            sink.executor(Executor("executor", "f", "boot", "monotonic", {}, {}))
            sink.start_block(Block("block", "c", 1, 1, "running", "executor", 0))
            sink.flush()
            yield sink


def measure_drive(case: Case) -> dict[str, Any]:
    samples: list[Sample] = []
    log: list[list[int]] = []

    def take(sample: Sample) -> None:
        if sample.phase == "measure":
            samples.append(sample)
        if case.is_stored:
            sink.sample(sample)

    with tempfile.TemporaryDirectory() as folder, storing(folder) as sink, serving(case, log) as port:
        before_bytes = psutil.Process().memory_info().rss
        start_ns, cpu_s = monotonic_ns(), process_cpu_s()
        with asyncio.Runner(loop_factory=uvloop.new_event_loop) as runner:
            runner.run(drive_all(case, port, take))
        wall_s = (monotonic_ns() - start_ns) / 1e9
        if case.is_stored:
            sink.flush()
        cpu_s = process_cpu_s() - cpu_s
        added_bytes = peak_bytes_of() - before_bytes
    row = {"cpu_s": cpu_s, "wall_s": wall_s, "added_bytes": added_bytes}
    return row if case.is_flood else row | errors(samples, {line[0]: line[1:] for line in log})


def peak_bytes_of(pid: int | str = "self") -> int:
    status = Path(f"/proc/{pid}/status").read_text()
    return next(int(line.split()[1]) * 1024 for line in status.splitlines() if line.startswith("VmHWM"))


def errors(samples: Sequence[Sample], log: dict[int, list[int]]) -> dict[str, Any]:
    ttft, gaps, lags, unsent, stampless = list[int](), list[int](), list[int](), list[int](), 0
    for sample in samples:
        written = log[int(sample.prompt or "")][1:]
        seen = [c.ns for c in sample.chunks if c.is_content]
        if sample.status != "ok" or len(written) != len(seen):
            raise SystemExit(f"request {sample.prompt}: {sample.status}, {len(seen)} of {len(written)}, {sample.error}")
        ttft.append(seen[0] - written[0])
        gaps += [abs((b - a) - (d - c)) for (a, b), (c, d) in zip(pairwise(seen), pairwise(written), strict=True)]
        lags += [c.lag_ns for c in sample.chunks if c.lag_ns is not None]
        stampless += sum(c.lag_ns is None for c in sample.chunks)
        unsent.append((sample.sent_ns or 0) - sample.due_ns)
    return {"ttft": ttft, "gaps": gaps, "lags": lags, "unsent": unsent, "stampless": stampless}


# --- the floor ------------------------------------------------------------------------------------------------------


def measure_bare(case: Case) -> dict[str, Any]:
    """Reads and takes the clock, nothing else: no stamps of the kernel, no parsing, nothing kept but a number."""
    wires = [
        b"POST /v1/chat/completions HTTP/1.1\r\nHost: x\r\nContent-Length: %d\r\n\r\n%b" % (len(body), body)
        for body in bodies(case.requests)
    ]
    with serving(case, []) as port, select.epoll() as epoll:
        socks: dict[int, socket.socket] = {}
        for _ in range(case.streams):
            sock = socket.create_connection(("127.0.0.1", port))
            sock.setblocking(False)
            socks[sock.fileno()] = sock
            epoll.register(sock.fileno(), select.EPOLLIN)
        start_ns, cpu_s = monotonic_ns(), process_cpu_s()
        waiting, over, stamp_ns = iter(wires), 0, 0
        for sock in socks.values():
            sock.send(next(waiting))
        while over < case.requests:
            for fd, _ in epoll.poll():
                data = socks[fd].recv(64 * 1024)
                stamp_ns = max(stamp_ns, monotonic_ns())
                if data.endswith(b"\r\n0\r\n\r\n"):
                    over += 1
                    wire = next(waiting, None)
                    if wire is not None:
                        socks[fd].send(wire)
        row = {"cpu_s": process_cpu_s() - cpu_s, "wall_s": (monotonic_ns() - start_ns) / 1e9}
        for sock in socks.values():
            sock.close()
    return row


# --- the table ------------------------------------------------------------------------------------------------------


def in_own_process(case: Case) -> dict[str, Any]:
    argv = [sys.executable, str(Path(__file__).resolve()), "--case", json.dumps(asdict(case))]
    done = subprocess.run(argv, stdout=subprocess.PIPE, check=False, text=True)
    if done.returncode:
        raise SystemExit(f"{case} failed")
    row: dict[str, Any] = json.loads(done.stdout)
    return row


def ms(values: Sequence[int], percent: float | None = None) -> str:
    value = np.mean(values) if percent is None else np.percentile(values, percent)
    return f"{value / 1e6:8.3f}"


def print_errors(streams: Sequence[int], each: int, case: Case) -> None:
    print(
        "streams requests |     TTFT mean      p50      p99      max | |gap| p50      p99 |  lag p50      p99 |"
        " due→sent p99 | CPU-s/1000: ours   bare | added MB"
    )
    for count in streams:
        requests = max(20, count * each) + count
        case = replace(case, streams=count, requests=requests)
        row = in_own_process(case)
        bare = {"cpu_s": 0.0} if case.asgi else in_own_process(replace(case, kind="bare"))
        lags = row["lags"] or [0]
        print(
            f"{count:7} {requests:8} |      {ms(row['ttft'])} {ms(row['ttft'], 50)} {ms(row['ttft'], 99)}"
            f" {ms(row['ttft'], 100)} |  {ms(row['gaps'], 50)} {ms(row['gaps'], 99)} | {ms(lags, 50)} {ms(lags, 99)} |"
            f"     {ms(row['unsent'], 99)} |         {row['cpu_s'] / requests * 1e3:8.2f} "
            f"{bare['cpu_s'] / requests * 1e3:6.2f} | {row['added_bytes'] / 1e6:8.1f}"
            + (f"   {row['stampless']} chunks without a kernel stamp" if row["stampless"] else ""),
            flush=True,
        )


def print_flood(streams: int, requests: int, case: Case) -> None:
    case = replace(case, streams=streams, requests=requests, is_flood=True)
    print("flood, chunks/s:  streams requests |   stored  not stored   bare reader | added MB")
    stored, unstored, bare = (
        in_own_process(replace(case, kind=kind, is_stored=is_stored))
        for kind, is_stored in (("drive", True), ("drive", False), ("bare", False))
    )
    rates = [requests * CHUNKS / row["wall_s"] for row in (stored, unstored, bare)]
    print(
        f"                  {streams:7} {requests:8} | {rates[0]:8.0f}    {rates[1]:8.0f}      {rates[2]:8.0f} |"
        f" {stored['added_bytes'] / 1e6:8.1f}",
        flush=True,
    )


def compiled(folder: str) -> str:
    binary = str(Path(folder) / "known_truth")
    source = Path(__file__).with_name("known_truth.c")
    subprocess.run(["cc", "-O2", "-Wall", "-Wextra", "-Werror", "-o", binary, str(source)], check=True)
    return binary


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--streams", default="1,64,256")
    parser.add_argument("--each", type=int, default=4, help="requests per stream, at least 20 in all")
    parser.add_argument("--stall", action="store_true", help="block the event loop for 20 ms at random")
    parser.add_argument("--flood", action="store_true", help="only the rate against a server without a schedule")
    parser.add_argument("--unstored", action="store_true", help="keep the samples in memory alone")
    parser.add_argument("--asgi", default="", help="a server that is not ours, e.g. 'PYTHON -m uvicorn'")
    parser.add_argument("--realtime", action="store_true", help="before everything else on this host; needs root")
    parser.add_argument("--case", help=argparse.SUPPRESS)
    options = parser.parse_args()
    if options.case:
        case = Case(**json.loads(options.case))
        if case.is_realtime:
            os.sched_setscheduler(0, os.SCHED_FIFO, os.sched_param(10))
        print(json.dumps(measure_drive(case) if case.kind == "drive" else measure_bare(case)))
        return
    with tempfile.TemporaryDirectory() as folder:
        case = Case("drive", 0, 0, compiled(folder), asgi=options.asgi, is_realtime=options.realtime)
        if not options.flood:
            print(f"true TTFT {TTFT_NS / 1e6} ms, gap {GAP_NS / 1e6} ms, {CHUNKS} chunks; errors in ms")
            shown = replace(case, is_stalled=options.stall, is_stored=not options.unstored)
            print_errors([int(part) for part in options.streams.split(",")], options.each, shown)
        if options.flood or not (options.stall or options.asgi):
            print_flood(64, 2000, case)


if __name__ == "__main__":
    main()
