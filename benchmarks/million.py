"""A run of a million requests, as a user makes it: `shortlist bench` on a server that answers as fast as it can.

    python benchmarks/million.py [--requests 1000000] [--prompts 2000] [--chunks 8] [--concurrency 32]

Prints the memory of the benching process while requests run (each tenth of the run), requests per second, the size of
the store, and then what `runs list`, `runs show`, `choose` and `report` take: seconds and the peak of memory. The
server is known_truth.c, flooding.
"""

import argparse
import json
import os
import subprocess
import sys
import tempfile
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import psutil

from client_truth import compiled, peak_bytes_of
from shortlist.clock import monotonic_ns, sleep_blocking_ns

SHORTLIST = [sys.executable, "-c", "from shortlist.cli import main; main()"]
LOOK_NS = 250_000_000


@dataclass(frozen=True)
class Seen:
    """What a command took. `memory`: resident bytes of the process at each look, and the seconds since its start."""

    seconds: float
    peak_bytes: int
    memory: tuple[tuple[float, int], ...]
    code: int


def watched(command: Sequence[str], folder: Path, env: dict[str, str]) -> Seen:
    start_ns, memory, peak = monotonic_ns(), list[tuple[float, int]](), 0
    with (folder / "out.txt").open("a") as out:
        process = subprocess.Popen([*SHORTLIST, *command], cwd=folder, env=env, stdout=out, stderr=out)
        while process.poll() is None:
            try:
                memory.append(((monotonic_ns() - start_ns) / 1e9, psutil.Process(process.pid).memory_info().rss))
                peak = max(peak, peak_bytes_of(process.pid))
            except (psutil.NoSuchProcess, FileNotFoundError, StopIteration):
                break
            sleep_blocking_ns(LOOK_NS)
        code = process.wait()
    return Seen((monotonic_ns() - start_ns) / 1e9, peak, tuple(memory), code)


def bench(options: argparse.Namespace, folder: Path, port: int, env: dict[str, str]) -> Seen:
    (folder / "prompts.json").write_text(json.dumps([f"Say {n}." for n in range(options.prompts)]))
    rounds = options.requests // options.prompts
    command = ["bench", "truth", "--endpoint", f"http://127.0.0.1:{port}/v1", "--prompts", "prompts.json"]
    command += ["--rounds", str(rounds), "--concurrency", str(options.concurrency), "--warmup", "0"]
    return watched([*command, "--max-tokens", str(options.chunks), "--name", "million"], folder, env)


def stored_ns(folder: Path) -> Any:
    """When requests began and ended, from the store itself."""
    import sqlite3

    with sqlite3.connect(folder / "home" / "results.db") as store:
        return store.execute("SELECT count(*), min(due_ns), max(end_ns) FROM sample WHERE is_accepted").fetchone()


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--requests", type=int, default=1_000_000)
    parser.add_argument("--prompts", type=int, default=2000)
    parser.add_argument("--chunks", type=int, default=8)
    parser.add_argument("--concurrency", type=int, default=32)
    options = parser.parse_args()
    with tempfile.TemporaryDirectory() as scratch:
        folder = Path(scratch)
        env = os.environ | {"SHORTLIST_HOME": str(folder / "home"), "NO_COLOR": "1"}
        server = subprocess.Popen(
            [compiled(scratch), "1", str(options.chunks), "0", "0", "-1", "1"],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            text=True,
        )
        assert server.stdout is not None
        try:
            seen = bench(options, folder, int(server.stdout.readline()), env)
        finally:
            server.kill()
        tell_bench(seen, stored_ns(folder), folder)
        for command in (
            ["runs", "list"],
            ["runs", "show", "million"],
            ["choose", "million", "--need", "p95<2s"],
            ["report", "million", "--out", "again"],
        ):
            one = watched(command, folder, env)
            print(f"{' '.join(command):38} {one.seconds:8.1f} s  {one.peak_bytes / 1e6:8.0f} MB peak  exit {one.code}")
        sizes = {path.name: path.stat().st_size for path in sorted((folder / "again").glob("report.*"))}
        print("report: " + ", ".join(f"{name} {size / 1e6:.2f} MB" for name, size in sizes.items()))


def tell_bench(seen: Seen, stored: tuple[int, int, int], folder: Path) -> None:
    count, begin_ns, end_ns = stored
    spent = (end_ns - begin_ns) / 1e9
    print(f"{count} requests stored in {spent:.0f} s, {count / spent:.0f} a second; exit {seen.code}")
    size = sum(path.stat().st_size for path in (folder / "home").glob("results.db*"))
    print(f"store {size / 1e6:.0f} MB, {size / count:.0f} bytes a request")
    # The plan is laid before and the report written after the requests: what counts for flatness lies between.
    began = begin_ns / 1e9
    during = [(at, rss) for at, rss in seen.memory if began <= at <= began + spent]
    tenths = [during[len(during) * k // 10] for k in range(10)] if len(during) >= 10 else during
    print("memory while it ran, MB: " + " ".join(f"{rss / 1e6:.0f}" for _, rss in tenths))
    after = seen.seconds - began - spent
    print(
        f"all of bench {seen.seconds:.0f} s, of it {after:.0f} s for score, table and report; "
        f"peak {seen.peak_bytes / 1e6:.0f} MB"
    )


if __name__ == "__main__":
    main()
