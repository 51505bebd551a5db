"""What the service costs beside the engine's own port: the same requests to both, in turns, on the same cores.

    python benchmarks/service_overhead.py truth [--streams 64] [--each 4] [--rounds 7] [--apart MS] [--fake]
    python benchmarks/service_overhead.py model [--streams 1] [--each 8] [--rounds 7] [--threads N]
    python benchmarks/service_overhead.py idle

`truth`: the known-truth server in C (first content after 50 ms, 64 chunks 5 ms apart), or engine `fake` with the same
schedule behind the whole service. `model`: llama.cpp with random weights of a true shape. Each round asks both sides,
in a random order, with our own measuring client; engine, service and client share the cores of this process. A
difference is one round's service less its direct value: the median over the rounds, and their whole range. `idle`: the
whole service without a model, from its start to its first answer. `--realtime` (root): on a host that is not free.
"""

import argparse
import asyncio
import http.client
import json
import os
import random
import subprocess
import sys
import tempfile
from collections.abc import AsyncIterator, Iterator, Sequence
from contextlib import asynccontextmanager, contextmanager
from dataclasses import dataclass, replace
from pathlib import Path
from statistics import median
from typing import Any
from urllib.parse import urlsplit

import psutil
import uvloop

from client_truth import CHUNKS, Case, compiled, known_truth, put_reader_first
from shortlist.clock import SYSTEM, RunAxis, monotonic_ns, sleep_blocking_ns
from shortlist.records import Endpoint, Generation, Message, Prompt, Sample, from_json, to_json

WORDS = "the budget review is on Friday and Zoë owns the plan that was agreed before noon by all who came "


# --- the service's process --------------------------------------------------------------------------------------------


class Given:
    """The owner of one engine that somebody else opened."""

    def __init__(self, endpoint: Endpoint, headers: dict[str, str], extra: dict[str, Any]) -> None:
        self._endpoint, self._headers, self._extra = endpoint, headers, extra

    @asynccontextmanager
    async def lease(self, name: str, demand: Any) -> AsyncIterator[Any]:  # noqa: ARG002 - the protocol's signature
        from shortlist.serve.lease import Lease

        yield Lease(self._endpoint.model, self._endpoint, None, self._headers, self._extra)

    def used(self, lease: Any, used: Any) -> None:
        """Not counted."""

    async def listed(self) -> tuple[Any, ...]:
        return ()

    async def about(self, name: str) -> Any:
        raise NotImplementedError(name)


def serve(told: dict[str, Any]) -> None:
    """Serve until the parent closes our input; the first line says where."""
    from shortlist.serve.app import build_app
    from shortlist.serve.call import State
    from shortlist.serve.openai import OPERATIONS
    from shortlist.serve.server import Listen, Server, new_loop

    async def main() -> None:
        endpoint = from_json(told["endpoint"], Endpoint)
        state = State(Given(endpoint, told["headers"], told["extra"]))
        server = Server(build_app(state, OPERATIONS), Listen(port=0))
        await server.start()
        print(server.port, flush=True)
        await asyncio.get_running_loop().run_in_executor(None, sys.stdin.read)
        await server.stop(1)

    with asyncio.Runner(loop_factory=new_loop) as runner:
        runner.run(main())


@contextmanager
def service(endpoint: Endpoint, headers: dict[str, str], extra: dict[str, Any]) -> "Iterator[tuple[int, int]]":
    """Port and pid of a service before this endpoint."""
    told = {"endpoint": to_json(endpoint).decode(), "headers": headers, "extra": extra}
    argv = [sys.executable, __file__, "--serve", json.dumps(told)]
    with subprocess.Popen(argv, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True) as process:
        assert process.stdin is not None
        assert process.stdout is not None
        yield int(process.stdout.readline()), process.pid
        process.stdin.close()


# --- one block of one side --------------------------------------------------------------------------------------------


@dataclass(frozen=True)
class Side:
    """Direct or by the service: where to ask, and what one block of it came to."""

    base_url: str
    headers: dict[str, str]


@dataclass(frozen=True)
class Figures:
    ttft_ms: float
    tokens_per_s: float
    gap_ms: float


async def block(side: Side, bodies: Sequence[bytes], asked: argparse.Namespace) -> Figures:
    from shortlist.measure.drive import DriveSpec, drive
    from shortlist.measure.recording import PlannedRequest
    from shortlist.records import LoadShape

    samples: list[Sample] = []
    planned = [PlannedRequest(None, str(n), body) for n, body in enumerate(bodies)]
    warm, measured = planned[: asked.streams], planned[asked.streams :]
    shape = LoadShape("closed", asked.streams)
    if asked.apart:
        shape = LoadShape("open", asked.streams, 1000 / asked.apart, "constant")
        measured = [replace(one, due_offset_ns=round(n * asked.apart * 1e6)) for n, one in enumerate(measured)]
    planned = [*(replace(one, phase="warmup") for one in warm), *measured]
    how = DriveSpec(shape, 600 * 10**9, SYSTEM, RunAxis(0), "block", "executor")
    endpoint = Endpoint(side.base_url, "m", None, "any", None, None)
    first = asyncio.create_task(put_reader_first()) if asked.realtime else None
    await drive(endpoint, side.headers, planned, how, samples.append)
    if first is not None:
        first.cancel()
    return figures([sample for sample in samples if sample.phase == "measure"])


def figures(samples: Sequence[Sample]) -> Figures:
    for sample in samples:
        if sample.status != "ok":
            raise SystemExit(f"a request ended as {sample.status}: {sample.error}")
    stamps = [[chunk.ns for chunk in sample.chunks if chunk.is_content] for sample in samples]
    tokens = sum(
        len(seen) if sample.usage is None else sample.usage.completion_tokens or 0
        for sample, seen in zip(samples, stamps, strict=True)
    )
    took_ns = max(seen[-1] for seen in stamps) - min(sample.due_ns for sample in samples)
    ttft = [seen[0] - sample.due_ns for sample, seen in zip(samples, stamps, strict=True)]
    gaps = [(seen[-1] - seen[0]) / max(1, len(seen) - 1) for seen in stamps]
    return Figures(median(ttft) / 1e6, tokens / took_ns * 1e9, median(gaps) / 1e6)


def compare(direct: Side, served: Side, bodies: Sequence[bytes], asked: argparse.Namespace) -> None:
    order = random.Random(1)
    pairs: list[tuple[Figures, Figures]] = []
    with asyncio.Runner(loop_factory=uvloop.new_event_loop) as runner:
        for _ in range(asked.rounds):
            sides = {"direct": direct, "served": served}
            names = order.sample(sorted(sides), 2)
            got = {name: runner.run(block(sides[name], bodies, asked)) for name in names}
            pairs.append((got["direct"], got["served"]))
            later = got["served"].ttft_ms - got["direct"].ttft_ms
            share = got["served"].tokens_per_s / got["direct"].tokens_per_s
            print(
                f"  direct {got['direct'].ttft_ms:8.2f} ms {got['direct'].tokens_per_s:8.1f}/s"
                f"   served {got['served'].ttft_ms:8.2f} ms {got['served'].tokens_per_s:8.1f}/s"
                f"   later {later:+.2f} ms   share {share:.3f}",
                flush=True,
            )
    later_ms = sorted(served.ttft_ms - direct.ttft_ms for direct, served in pairs)
    shares = sorted(served.tokens_per_s / direct.tokens_per_s for direct, served in pairs)
    gaps = sorted(served.gap_ms - direct.gap_ms for direct, served in pairs)
    print(f"TTFT later by {median(later_ms):+.3f} ms  [{later_ms[0]:+.3f} … {later_ms[-1]:+.3f}]")
    print(f"throughput    {median(shares):.4f} ×    [{shares[0]:.4f} … {shares[-1]:.4f}]")
    print(f"chunk gap     {median(gaps):+.4f} ms  [{gaps[0]:+.4f} … {gaps[-1]:+.4f}]")


def cpu_s(pid: int) -> float:
    from shortlist.clock import process_clock_ns

    return process_clock_ns(pid) / 1e9


# --- the cases --------------------------------------------------------------------------------------------------------


def truth(asked: argparse.Namespace) -> None:
    from shortlist.measure.workload import request_body

    prompt = Prompt("p", (Message("user", "Say something."),))
    count = asked.streams * (asked.each + 1)
    bodies = [request_body("known-truth", prompt, Generation(max_tokens=CHUNKS), {})] * count
    made = fake_behind(asked) if asked.fake else c_behind(2 * asked.rounds * count)
    with made as (direct, served, pid):
        before = cpu_s(pid)
        compare(direct, served, bodies, asked)
        used = (cpu_s(pid) - before) / (asked.rounds * count * CHUNKS)
        print(f"service: {used * 1e6:.1f} µs of processor per chunk; {memory_mb(pid):.1f} MB")


@contextmanager
def c_behind(requests: int) -> Iterator[tuple[Side, Side, int]]:
    """The server in C, which spins on a core of its own while streams run."""
    does = ("chat", "passes_on", "stream")
    with tempfile.TemporaryDirectory() as folder, known_truth(-1, _case(requests, compiled(folder)), []) as port:
        endpoint = Endpoint(f"http://127.0.0.1:{port}/v1", "known-truth", None, "c", None, None, does)
        with service(endpoint, {}, {}) as (served, pid):
            yield Side(endpoint.base_url, {}), Side(f"http://127.0.0.1:{served}/v1", {}), pid


def _case(requests: int, binary: str) -> Case:
    return Case("drive", 0, requests, binary)


@contextmanager
def fake_behind(asked: argparse.Namespace) -> Iterator[tuple[Side, Side, int]]:
    """Engine `fake`, which sleeps between its writes, opened by the whole service with its pool."""
    script = f"fake:ttft=50ms,gap=5ms,chunks={CHUNKS}"
    with whole_service(script, "--parallel", str(4 * asked.streams)) as (process, url):
        fetch(url, "/v1/chat/completions", {"model": "known-truth", "messages": [{"role": "user", "content": "x"}]})
        (engine,) = process.children()
        (port,) = (one.laddr.port for one in engine.net_connections("inet") if one.status == psutil.CONN_LISTEN)
        yield Side(f"http://127.0.0.1:{port}/v1", {}), Side(f"{url}/v1", {}), process.pid


def fetch(url: str, path: str, body: Any = None) -> None:
    """One plain request, whatever it says."""
    connection = http.client.HTTPConnection(urlsplit(url).netloc, timeout=60)
    connection.request("GET" if body is None else "POST", path, None if body is None else json.dumps(body))
    connection.getresponse().read()
    connection.close()


@contextmanager
def whole_service(source: str, *flags: str) -> Iterator[tuple[psutil.Process, str]]:
    """`shortlist service start --foreground` with a home of its own; its process and its address, once it answers."""
    with tempfile.TemporaryDirectory() as home:
        models = {"models": {"known-truth": {"source": source}}}
        (Path(home) / "models.json").write_text(json.dumps(models), encoding="utf-8")
        program = "from shortlist.cli import main; main()"
        argv = [sys.executable, "-c", program, "service", "start", "--foreground", "--port", "0", *flags]
        state = Path(home) / "service" / "state.json"
        environment = os.environ | {"SHORTLIST_HOME": home}
        out = subprocess.DEVNULL
        with subprocess.Popen(argv, cwd=home, env=environment, stdout=out, stderr=out) as child:
            while not state.exists() and child.poll() is None:
                sleep_blocking_ns(1_000_000)
            yield psutil.Process(child.pid), json.loads(state.read_bytes())["urls"][0]
            child.terminate()


def model(asked: argparse.Namespace) -> None:
    from make_random_gguf import SHAPES, write_random_gguf
    from shortlist.engines import EngineContext, LoadSpec
    from shortlist.engines.llamacpp import LlamaCpp
    from shortlist.records import EngineOptions, Variant

    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "random.gguf"
        write_random_gguf(path, SHAPES[asked.shape], asked.type)
        engine = LlamaCpp(EngineContext())
        options = EngineOptions(context=1024, threads=asked.threads)
        spec = LoadSpec("random", "random", Variant("gguf"), options, path, Path(folder), asked.streams)
        with asyncio.Runner() as runner:  # the child belongs to the thread and the loop that started it
            endpoint = runner.run(engine.open(spec))
            try:
                ask_model(asked, engine, endpoint)
            finally:
                runner.run(engine.close())


def ask_model(asked: argparse.Namespace, engine: Any, endpoint: Endpoint) -> None:
    from shortlist.measure.workload import request_body

    generation = Generation(max_tokens=asked.tokens, fixed_tokens=asked.tokens)
    count = asked.streams * (asked.each + 1)
    prompts = [Prompt("p", (Message("user", f"{n} {WORDS * asked.words}"),)) for n in range(count)]
    extra = dict(engine.extra_body(generation))
    bodies = [request_body("random", prompt, generation, {"ignore_eos": True}) for prompt in prompts]
    headers = dict(engine.request_headers())
    with service(endpoint, headers, extra) as (port, pid):
        direct, served = Side(endpoint.base_url, headers), Side(f"http://127.0.0.1:{port}/v1", {})
        before = cpu_s(pid)
        compare(direct, served, bodies, asked)
        chunks = asked.rounds * len(bodies) * asked.tokens
        print(f"service: {(cpu_s(pid) - before) / chunks * 1e6:.1f} µs of processor per token; {memory_mb(pid):.1f} MB")


def memory_mb(pid: int) -> float:
    status = Path(f"/proc/{pid}/status").read_text()
    return next(int(line.split()[1]) / 1000 for line in status.splitlines() if line.startswith("VmRSS"))


def idle(asked: argparse.Namespace) -> None:
    for _ in range(asked.rounds):
        began = monotonic_ns()
        with whole_service("fake:x=1") as (process, url):
            fetch(url, "/v1/models")
            ready_ms = (monotonic_ns() - began) / 1e6
            print(f"answers after {ready_ms:.0f} ms, {memory_mb(process.pid):.1f} MB resident", flush=True)


def main() -> None:
    if sys.argv[1:2] == ["--serve"]:
        serve(json.loads(sys.argv[2]))
        return
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("case", choices=("truth", "model", "idle"))
    parser.add_argument("--streams", type=int)
    parser.add_argument("--each", type=int)
    parser.add_argument("--rounds", type=int, default=7)
    parser.add_argument("--tokens", type=int, default=64)
    parser.add_argument("--apart", type=float, help="ms between the starts of two requests, whatever became of others")
    parser.add_argument("--realtime", action="store_true", help="all three before everything else on the host (root)")
    parser.add_argument("--fake", action="store_true", help="truth: engine `fake` instead of the server in C")
    parser.add_argument("--threads", type=int, help="model: threads of the engine; its own choice else")
    parser.add_argument("--words", type=int, default=0, help="model: length of the question, times 19 words")
    parser.add_argument("--shape", default="qwen2.5-0.5b")
    parser.add_argument("--type", default="q4_0")
    asked = parser.parse_args()
    if asked.realtime:  # inherited by engine and service
        os.sched_setscheduler(0, os.SCHED_FIFO, os.sched_param(10))
    asked.streams = asked.streams or (64 if asked.case == "truth" else 1)
    asked.each = asked.each or (4 if asked.case == "truth" else 8)
    print(f"{asked.case}: {json.dumps(vars(asked))} on {os.cpu_count()} cores")
    {"truth": truth, "model": model, "idle": idle}[asked.case](asked)


if __name__ == "__main__":
    main()
