"""How often `compare` calls two runs of one thing different, and whether the rounds that it announces find a change.

    python benchmarks/aa_rates.py [--runs 2000] [--power 500] [--jobs 2]

Each comparison is two whole runs as they are stored (requests with their stamps, memory, loads, facet scores) through
`compare_runs`: candidates 5 rounds × 20 prompts in 10 clusters, request noise 3 %, round effect 2 %, one request in two
hundred fails, answers differ from run to run. The candidates are equal, so every *better* and *worse* is false. Seeds
are fixed: the same arguments print the same table.
"""

import argparse
import math
from collections import Counter
from collections.abc import Iterable
from concurrent.futures import ProcessPoolExecutor
from dataclasses import dataclass, replace
from functools import partial

import numpy as np

from shortlist.records import (
    Block,
    Candidate,
    Cell,
    Chunk,
    EngineOptions,
    Executor,
    Facet,
    Look,
    MemoryPoint,
    Message,
    ModelFile,
    Plan,
    PlannedBlock,
    Prompt,
    Run,
    RunInfo,
    Sample,
    SampleError,
    Score,
    Suite,
    Usage,
    Variant,
    make_candidate,
)
from shortlist.results.between_runs import HostSpread
from shortlist.results.changes import MetricChange, RunComparison
from shortlist.results.compare import Asked, compare_runs
from shortlist.results.rounds import round_means, round_values

MS = 10**6
NOISE, FAILED, FACETS = 0.03, 0.005, 4
AA_RUNS, AA_ROUNDS = 6, 3
FIGURES = ("latency.mean", "ttft.mean", "tokens_per_s", "throughput", "memory.peak")


@dataclass(frozen=True, slots=True)
class Scene:
    """A host and what is run on it. `between`: spread of runs; `is_known`: a simulated `selftest --aa` measured it."""

    name: str
    candidates: int = 1
    rounds: int = 5
    prompts: int = 20
    effect: float = 0.02
    between: float = 0.0
    is_known: bool = False


SCENES = (
    Scene("one candidate"),
    Scene("three candidates", candidates=3),
    Scene("3 rounds only", rounds=3),
    Scene("rounds 6 % apart", effect=0.06),
    Scene("runs 1 % apart, not known", between=0.01),
    Scene("runs 3 % apart, not known", between=0.03),
    Scene("runs 3 % apart, known", between=0.03, is_known=True),
)
HONEST = tuple(scene for scene in SCENES if not scene.between or scene.is_known)
"""Where the promise of 5 % holds: what runs differ by is nothing, or was measured."""

POWER = Scene("10 % slower, rounds 5 % apart", rounds=3, prompts=6, effect=0.05)


@dataclass(frozen=True, slots=True)
class Planted:
    """One run to simulate: how much slower HEAD is, which rounds it has, and how many looks were taken."""

    seed: int
    slower: float = 0.0
    rounds: int = 5
    looks: int = 1


def plan_of(scene: Scene, rounds: int, looks: int) -> Plan:
    facets = tuple(Facet(f"f{n}", "must_include", any_of=("x",)) for n in range(FACETS))
    prompts = tuple(
        Prompt(f"p{n}", (Message("user", f"Note {n}"),), f"c{n // 2}", facets=facets) for n in range(scene.prompts)
    )
    candidates = tuple(_candidate(n) for n in range(scene.candidates))
    blocks = tuple(
        PlannedBlock(one.id, number, tuple(_cell(one.id, prompt.id, number) for prompt in prompts))
        for number in range(1, rounds + 1)
        for one in candidates
    )
    return Plan(Suite(prompts, rounds=rounds), candidates, blocks, (Look("", rounds, len(prompts)),) * looks)


def _candidate(number: int) -> Candidate:
    file = ModelFile("m.gguf", 10**6, f"{number:064x}")
    return make_candidate(f"m{number}", f"m{number}", "llamacpp", Variant("gguf", files=(file,)), EngineOptions())


def _cell(candidate: str, prompt: str, number: int) -> Cell:
    return Cell(f"{candidate[:6]}{prompt}-{number}", candidate, prompt, number)


def make_run(scene: Scene, planted: Planted) -> Run:
    """A stored run of the scene. Rounds are drawn one after another: a longer run begins with the shorter one's."""
    plan = plan_of(scene, planted.rounds, planted.looks)
    luck = np.random.default_rng([planted.seed, 1])
    shift = 1 + planted.slower
    shifts = {one.id: shift * math.exp(scene.between * luck.standard_normal()) for one in plan.candidates}
    memory = {one.id: 100e6 * math.exp(0.002 * luck.standard_normal()) for one in plan.candidates}
    blocks, samples, points, scores = [], [], [], []
    for number, planned in enumerate(plan.blocks):
        place = next(n for n, one in enumerate(plan.candidates) if one.id == planned.candidate)
        rng = np.random.default_rng([planted.seed, 2, planned.round, place])
        started = number * 10**12
        load = round(800 * MS * math.exp(0.1 * rng.standard_normal()))
        block = Block(
            f"{planted.seed}-{number}", planned.candidate, planned.round, 1, "done", "e", started, started + 10**11,
            load, "warm",
        )  # fmt: skip
        blocks.append(block)
        peak = round(memory[planned.candidate] / 4096) * 4096 + 4096 * int(rng.integers(0, 4))
        points.append(MemoryPoint(block.id, started, "peak", None, None, peak, "VmHWM"))
        effect = shifts[planned.candidate] * math.exp(scene.effect * rng.standard_normal())
        for seq, cell in enumerate(planned.cells):
            sample, score = _request(block, cell, seq, effect, rng)
            samples.append(sample)
            scores += [score] if score is not None else []
    info = RunInfo(f"0197a5c0-0000-7000-8000-{planted.seed:012x}", None, "", "done", plan)
    executor = Executor("e", "f00d", "boot", "tsc", {}, {})
    return Run(info, (executor,), tuple(blocks), tuple(samples), tuple(points), scores=tuple(scores))


def _request(
    block: Block, cell: Cell, seq: int, effect: float, rng: np.random.Generator
) -> tuple[Sample, Score | None]:
    prompt = int(cell.prompt[1:])
    length = round(200 * MS * math.exp(0.4 * math.sin(prompt)) * effect * math.exp(NOISE * rng.standard_normal()))
    due = block.started_ns + seq * 10**9
    passed = rng.random(FACETS) < 0.75 + 0.2 * math.sin(prompt // 2)
    text = f"{rng.integers(1 << 30)}"
    sample = Sample(
        f"{block.id}-{seq}", cell.id, block.id, "e", "measure", "ok", seq, due, due, due, due + length,
        (Chunk(due + length // 4, 1, "text"), Chunk(due + length, 1, "text")), Usage(50, 20), token_basis="usage",  # noqa: S106
        finish_reason="stop", text=text, prompt=cell.prompt, is_accepted=True,
    )  # fmt: skip
    if rng.random() < FAILED:
        return replace(sample, status="failed", chunks=(), usage=None, error=SampleError("ErrorReply", "500")), None
    parts = {f"f{n}": bool(one) for n, one in enumerate(passed)}
    return sample, Score(sample.id, "facets", float(passed.mean()), parts)


def aa_spread(scene: Scene, seed: int) -> HostSpread:
    """What `selftest --aa` would have kept of this host: round means of a few runs of one thing."""
    alone = replace(scene, candidates=1, prompts=6)
    runs = [make_run(alone, Planted(seed * 100 + 50 + n, rounds=AA_ROUNDS)) for n in range(AA_RUNS)]
    values = [next(iter(round_values(run).values())) for run in runs]
    means = {figure: tuple(round_means(one[figure]) for one in values) for figure in FIGURES}
    return HostSpread("f00d", "llamacpp", "m0", 1, "", means, {})


def compare_once(scene: Scene, seed: int, planted: Planted | None = None) -> RunComparison:
    """Two runs of the scene, HEAD as planted, compared as a user compares them."""
    head = planted or Planted(2 * seed + 1, rounds=scene.rounds)
    base = Planted(2 * seed, rounds=head.rounds, looks=head.looks)
    spread = aa_spread(scene, 2 * seed) if scene.is_known else None
    asked = Asked() if spread is None else Asked(spreads=lambda *_: spread)
    return compare_runs(make_run(scene, base), make_run(scene, head), asked)


# --- A/A --------------------------------------------------------------------------------------------------------------


@dataclass(frozen=True, slots=True)
class Rates:
    """Of `runs` comparisons: with any metric called different; verdicts; which metrics were called different."""

    runs: int
    different: int
    verdicts: Counter[str]
    metrics: Counter[str]


def one_aa(scene: Scene, seed: int) -> list[tuple[str, str]]:
    found = compare_once(scene, seed)
    return [(one.metric, one.verdict) for _, one in found.changes if one.verdict is not None]


def rates_of(runs: Iterable[list[tuple[str, str]]]) -> Rates:
    count = different = 0
    verdicts, metrics = Counter[str](), Counter[str]()
    for told in runs:
        count += 1
        wrong = {metric for metric, verdict in told if verdict in ("better", "worse")}
        different += bool(wrong)
        metrics.update(wrong)
        verdicts.update(verdict for _, verdict in told)
    return Rates(count, different, verdicts, metrics)


def aa_table(runs: int, pool: ProcessPoolExecutor, wanted: list[str] | None) -> None:
    print(f"A/A: {runs} comparisons each; any metric called better or worse, and the words said")
    print(f"{'scene':28} | {'any':>6} | equivalent | untold | which")
    for scene in SCENES:
        if wanted is not None and not scene.name.startswith(tuple(wanted)):
            continue
        rates = rates_of(pool.map(partial(one_aa, scene), range(1, runs + 1), chunksize=20))
        total = sum(rates.verdicts.values())
        shares = [rates.verdicts[word] / total for word in ("equivalent", "not told apart")]
        which = ", ".join(f"{name} {count}" for name, count in rates.metrics.most_common())
        print(
            f"{scene.name:28} | {rates.different / rates.runs:6.1%} | {shares[0]:10.1%} | {shares[1]:6.1%} | {which}",
            flush=True,
        )


# --- a planted slowdown ----------------------------------------------------------------------------------------------


@dataclass(frozen=True, slots=True)
class Found:
    """How a planted slowdown fared: told at first, announced so many rounds (None: too many), told with them."""

    at_once: bool
    announced: int | None
    later: bool


MOST_ANNOUNCED = 300


def one_slowdown(scene: Scene, slower: float, seed: int) -> Found:
    """Compare; where latency is not told apart, measure as many more rounds as were announced, and compare again."""
    first = compare_once(scene, seed, Planted(2 * seed + 1, slower, scene.rounds))
    latency = _latency(first)
    if latency.verdict == "worse":
        return Found(at_once=True, announced=0, later=True)
    if latency.more is None or latency.more > MOST_ANNOUNCED:
        return Found(at_once=False, announced=None, later=False)
    grown = Planted(2 * seed + 1, slower, scene.rounds + latency.more, looks=2)
    return Found(
        at_once=False, announced=latency.more, later=_latency(compare_once(scene, seed, grown)).verdict == "worse"
    )


def _latency(found: RunComparison) -> MetricChange:
    return next(one for _, one in found.changes if one.metric == "latency")


def power_table(runs: int, pool: ProcessPoolExecutor) -> None:
    print(f"\n{POWER.name}: {POWER.rounds} rounds at first, then as many more as were announced (a second look)")
    found = list(pool.map(partial(one_slowdown, POWER, 0.1), range(1, runs + 1), chunksize=10))
    at_once = sum(one.at_once for one in found)
    tried = [one for one in found if one.announced]
    later = sum(one.later for one in tried)
    announced = sorted(one.announced or 0 for one in tried)
    never = runs - at_once - len(tried)
    print(f"of {runs}: told at first {at_once}; announced {len(tried)}; no reasonable number {never}")
    if tried:
        middle = announced[len(announced) // 2]
        share = later / len(tried)
        print(f"median announced {middle} more rounds; then told as worse {later} of {len(tried)}: {share:.0%}")


def main() -> None:
    parser = argparse.ArgumentParser(description="A/A rates and power of compare, by simulation")
    parser.add_argument("--runs", type=int, default=2000)
    parser.add_argument("--power", type=int, default=500)
    parser.add_argument("--jobs", type=int, default=2)
    parser.add_argument("--scene", action="append", help="Only these (their beginning), `power` for the slowdown.")
    asked = parser.parse_args()
    with ProcessPoolExecutor(asked.jobs) as pool:
        aa_table(asked.runs, pool, asked.scene)
        if asked.scene is None or "power" in asked.scene:
            power_table(asked.power, pool)


if __name__ == "__main__":
    main()
