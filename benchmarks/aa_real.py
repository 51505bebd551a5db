"""Real A/A comparisons on this host: a demo model benched twice, compared, twenty times over; then a planted slowdown.

    python benchmarks/aa_real.py [--pairs 20] [--rounds 3] [--prompts 10]

Each bench is `shortlist bench notes-small --threads 1`, a process of its own with fresh engine processes, as a user
runs it. The model, the prompts and the host are the same, so every *better* and *worse* is false. The spread between
the runs is estimated from all of them, as `selftest --aa` would, and the same pairs are judged again with it. The
slowdown is planted in the fake engine, whose truth is known: 10 % more per token.
"""

import argparse
import json
import os
import subprocess
import sys
import tempfile
from collections import Counter
from pathlib import Path

from shortlist import demo
from shortlist.records import Run
from shortlist.results.between_runs import HostSpread
from shortlist.results.changes import MetricChange, RunComparison
from shortlist.results.compare import Asked, compare_runs
from shortlist.results.rounds import round_means, round_values
from shortlist.results.store import Store

MAIN = "import sys; from shortlist.cli import main; sys.argv[0] = 'shortlist'; main()"
FIGURES = ("latency.mean", "ttft.mean", "tokens_per_s", "memory.peak")
PLANTED = ("ttft=20ms,gap=4ms,chunks=16", "ttft=22ms,gap=4.4ms,chunks=16")


class Home:
    """A folder of results, and the command line run on it."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder

    def shortlist(self, *args: object) -> None:
        environment = {**os.environ, "SHORTLIST_HOME": str(self.folder), "NO_COLOR": "1"}
        command = [sys.executable, "-c", MAIN, *map(str, args)]
        done = subprocess.run(command, env=environment, cwd=self.folder, capture_output=True, text=True, check=False)
        if done.returncode:
            raise SystemExit(f"{' '.join(map(str, args))}: exit {done.returncode}\n{done.stderr}")

    def run(self, name: str) -> Run:
        with Store.open(self.folder / "results.db") as store:
            return store.load_run(store.resolve(name))


def prompts_file(folder: Path, count: int) -> Path:
    """The first of the demo's prompts, with their facets."""
    whole = json.loads(demo.demo_prompts_path().read_text(encoding="utf-8"))
    whole["prompts"] = whole["prompts"][:count]
    path = folder / "prompts.json"
    path.write_text(json.dumps(whole), encoding="utf-8")
    return path


def bench_pairs(home: Home, asked: argparse.Namespace) -> list[tuple[Run, Run]]:
    prompts = prompts_file(home.folder, asked.prompts)
    pairs = []
    for number in range(1, asked.pairs + 1):
        for side in ("base", "head"):
            options = ("--rounds", asked.rounds, "--max-tokens", 48, "--threads", 1, "--prompts", prompts)
            home.shortlist("bench", "notes-small", *options, "--name", f"{side}-{number}", "--out", home.folder / "out")
        pairs.append((home.run(f"base-{number}"), home.run(f"head-{number}")))
    return pairs


def spread_of(pairs: list[tuple[Run, Run]]) -> HostSpread:
    values = [next(iter(round_values(run).values())) for pair in pairs for run in pair]
    means = {figure: tuple(round_means(one[figure]) for one in values) for figure in FIGURES}
    return HostSpread("", "llamacpp", "notes-small", 1, "", means, {})


def told(comparisons: list[RunComparison]) -> None:
    words = Counter(str(one.verdict) for found in comparisons for _, one in found.changes)
    wrong = [[one for _, one in found.changes if one.verdict in ("better", "worse")] for found in comparisons]
    which = ", ".join(f"{number}: {shown(one)}" for number, many in enumerate(wrong, 1) for one in many)
    print(f"  any metric different: {sum(map(bool, wrong))} of {len(comparisons)}" + (f" ({which})" if which else ""))
    print(f"  words: {', '.join(f'{word} {count}' for word, count in words.most_common())}")


def shown(one: MetricChange) -> str:
    change = one.change
    return f"{one.metric} {one.verdict} " + (f"×{change.point:.3f}" if change and change.point else "")


def latency(found: RunComparison) -> MetricChange:
    return next(one for _, one in found.changes if one.metric == "latency")


def planted(home: Home) -> None:
    """Two rounds of each, compared; then as many more as were announced, and compared again."""
    rounds = 2
    print(f"\nPlanted: {PLANTED[0]} against {PLANTED[1]} (10 % slower)")
    for name, model in zip(("quick", "slow"), PLANTED, strict=True):
        options = ("--engine", "fake", "--rounds", rounds, "--max-tokens", 16, "--out", home.folder / "out")
        home.shortlist("bench", model, *options, "--name", name)
    for _ in range(3):
        one = latency(compare_runs(home.run("quick"), home.run("slow")))
        change = one.change
        numbers = "" if change is None or change.low is None or change.high is None else (
            f" ({(change.point or 0) - 1:+.1%}, {change.low - 1:+.1%} to {change.high - 1:+.1%})"
        )  # fmt: skip
        print(f"  {rounds} rounds each: {one.verdict}{numbers}, announced {one.more} more {one.note}")
        if not one.more:
            break
        rounds += one.more
        for name in ("quick", "slow"):
            home.shortlist("bench", "--resume", name, "--rounds", rounds, "--out", home.folder / "out")


def main() -> None:
    parser = argparse.ArgumentParser(description="real A/A comparisons")
    parser.add_argument("--pairs", type=int, default=20)
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--prompts", type=int, default=10)
    parser.add_argument("--planted", action="store_true", help="Only the planted slowdown.")
    asked = parser.parse_args()
    with tempfile.TemporaryDirectory() as folder:
        home = Home(Path(folder))
        if not asked.planted:
            pairs = bench_pairs(home, asked)
            print(f"{len(pairs)} real A/A comparisons, {asked.rounds} rounds × {asked.prompts} prompts each")
            print("spread between runs not known:")
            told([compare_runs(*pair) for pair in pairs])
            spread = spread_of(pairs)
            between = spread.between("latency.mean")
            known = "not known" if between is None else f"{between.sd_log:.1%}"
            print(f"spread between runs in latency: {known}; with it:")
            told([compare_runs(*pair, Asked(spreads=lambda *_: spread)) for pair in pairs])
        planted(home)


if __name__ == "__main__":
    main()
