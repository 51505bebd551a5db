"""How often our statistics are wrong, by simulation: A/A rates of speed comparisons, and coverage of intervals.

    python benchmarks/ab_rates.py [--runs 2000]

A bench of two equal candidates: 20 prompts, request noise 3 %, and a round effect, the luck that all requests of one
engine process share. "by round" is what Shortlist does; "by prompt" (average each prompt over the rounds, then treat
prompts as the sample) shows why.
"""

import argparse
import math
from typing import get_args

import numpy as np
from numpy.typing import NDArray

from shortlist.errors import NotEnoughSamples
from shortlist.records import Interval, Verdict
from shortlist.stats.distributions import t_cdf
from shortlist.stats.equivalence import compare
from shortlist.stats.intervals import cluster_t, mean_t, percentile
from shortlist.stats.paired import paired_cluster_difference, paired_log_ratio

PROMPTS = 20
NOISE = 0.03

Floats = NDArray[np.float64]


def bench(
    rng: np.random.Generator, rounds: int, round_effect: float, slower: float = 0.0, unlike: float = 0.4
) -> Floats:
    """Latencies of one candidate in seconds, rounds × prompts; `unlike` is how far prompts lie apart, on logs."""
    base = np.exp(unlike * np.linspace(-1, 1, PROMPTS))
    luck = round_effect * rng.standard_normal((rounds, 1))
    return np.asarray((1 + slower) * base * np.exp(luck + NOISE * rng.standard_normal((rounds, PROMPTS))))


def by_prompt_p(a: Floats, b: Floats) -> float:
    """The p value when prompts are taken for the unit."""
    logs = np.log(a / b).mean(axis=0)
    t = logs.mean() / (logs.std(ddof=1) / math.sqrt(logs.size))
    return 2 * t_cdf(-abs(float(t)), logs.size - 1)


def round_means(latencies: Floats) -> list[float]:
    return [float(mean) for mean in latencies.mean(axis=1)]


def speed_row(runs: int, rounds: int, effect: float) -> str:
    rng = np.random.default_rng([2, rounds, round(effect * 100)])
    by_round = by_prompt = found = 0
    words = dict.fromkeys(get_args(Verdict), 0)
    for _ in range(runs):
        a, b, c = (bench(rng, rounds, effect, slower) for slower in (0.0, 0.0, 0.1))
        difference = paired_log_ratio(round_means(a), round_means(b))
        by_round += difference.p_different <= 0.05
        by_prompt += by_prompt_p(a, b) <= 0.05
        words[compare(difference, 0.05, lower_is_better=True).verdict] += 1
        slower_one = paired_log_ratio(round_means(c), round_means(a))
        found += compare(slower_one, 0.05, lower_is_better=True).verdict == "worse"
    shares = (by_round, by_prompt, words["equivalent"], words["not told apart"], found)
    return " | ".join([f"{rounds:6}", f"{effect:6.0%}", *(f"{count / runs:10.1%}" for count in shares)])


def speed_table(runs: int) -> None:
    print(
        f"\nSpeed, {PROMPTS} prompts, request noise {NOISE:.0%}, {runs} pairs: called different at 5 %, by two units;"
    )
    print("the words for equal candidates (margin 5 %, by round); and how often 10 % slower is found")
    print("rounds | effect |   by round |  by prompt | equivalent | untold     | 10 % found")
    for rounds in (3, 5, 10):
        for effect in (0.0, 0.01, 0.02):
            print(speed_row(runs, rounds, effect))


def scores(rng: np.random.Generator, clusters: int, mean: float, alike: float) -> dict[str, dict[str, list[float]]]:
    """Pass or fail on five prompts per cluster; `alike` is the correlation inside a cluster."""
    share = rng.beta(mean * (1 / alike - 1), (1 - mean) * (1 / alike - 1), clusters)
    passed = rng.random((clusters, 5)) < share[:, None]
    return {str(c): {f"{c}-{p}": [float(x)] for p, x in enumerate(row)} for c, row in enumerate(passed)}


def plain_t_covers(table: dict[str, dict[str, list[float]]], mean: float) -> bool:
    """Whether t over cluster means, without our rule for the ends, covers."""
    means = np.array([np.mean([v for values in one.values() for v in values]) for one in table.values()])
    spread = float(means.std(ddof=1))
    if spread == 0:
        return bool(means[0] == mean)
    return 2 * t_cdf(-abs(float(means.mean()) - mean) / (spread / math.sqrt(means.size)), means.size - 1) > 0.05


def quality_row(runs: int, mean: float, alike: float, clusters: int) -> str:
    rng = np.random.default_rng([3, round(mean * 100), round(alike * 100), clusters])
    ours = plain = pairs = 0
    width = 0.0
    for _ in range(runs):
        table = scores(rng, clusters, mean, alike)
        low, high = ends(cluster_t(table, "facets"))
        ours += low - 1e-12 <= mean <= high + 1e-12
        width += high - low
        plain += plain_t_covers(table, mean)
        pairs += paired_cluster_difference(table, scores(rng, clusters, mean, alike)).p_different > 0.05
    numbers = f"{ours / runs:6.1%} | {plain / runs:7.1%} | {width / runs:5.3f} | {pairs / runs:10.1%}"
    return f"{mean:5} | {alike:5} | {clusters:8} | {numbers}"


def quality_table(runs: int) -> None:
    print(f"\nQuality, clusters × 5 prompts, nominal 95 %: coverage over {runs} redraws, of a difference of equals too")
    print(" true | alike | clusters |   ours | plain t | width | difference")
    for mean in (0.5, 0.7, 0.9, 0.97, 0.99):
        for alike in (0.05, 0.2, 0.5):
            for clusters in (6, 12, 30):
                print(quality_row(runs, mean, alike, clusters))


def ends(interval: Interval) -> tuple[float, float]:
    """Both ends. Raises NotEnoughSamples where one is missing."""
    if interval.low is None or interval.high is None:
        raise NotEnoughSamples(f"{interval.method}: {interval.note}")
    return interval.low, interval.high


def latency_row(runs: int, rounds: int, repeats: int, effect: float, unlike: float) -> str:
    rng = np.random.default_rng([4, rounds, repeats, round(effect * 100)])

    def draw(count: int, times: int) -> Floats:
        luck = effect * rng.standard_normal((count, 1))
        return np.asarray(
            np.exp(luck) * np.concatenate([bench(rng, count, 0.0, unlike=unlike) for _ in range(times)], axis=1)
        )

    truth = draw(30_000, 1)
    true = (float(truth.mean()), *(float(np.quantile(truth, q)) for q in (0.5, 0.95)))
    hits, widths = np.zeros(3), np.zeros(3)
    for run in range(runs):
        rows = [row.tolist() for row in draw(rounds, repeats)]
        seen = [mean_t([float(np.mean(row)) for row in rows], "s")]
        seen += [percentile(rows, q, "s", seed=run, draws=600) for q in (0.5, 0.95)]
        for place, (interval, value) in enumerate(zip(seen, true, strict=True)):
            low, high = ends(interval)
            hits[place] += low <= value <= high
            widths[place] += (high - low) / value
    numbers = " | ".join(
        f"{hit / runs:6.1%} ± {width / runs / 2:5.1%}" for hit, width in zip(hits, widths, strict=True)
    )
    return f"{unlike:6} | {rounds:6} | {effect:6.0%} | {rounds * repeats * PROMPTS:4} | {numbers}"


def latency_table(runs: int) -> None:
    print(
        f"\nLatency, nominal 95 %: coverage over {runs} redraws ± mean half width; prompts alike (0) and unlike (0.4)"
    )
    print("unlike | rounds | effect |    n |           mean |            p50 |            p95")
    for unlike in (0.0, 0.4):
        for rounds, repeats in ((3, 2), (5, 1), (5, 5), (10, 1)):
            for effect in (0.0, 0.01, 0.02):
                print(latency_row(runs, rounds, repeats, effect, unlike))


def main() -> None:
    parser = argparse.ArgumentParser(description="A/A rates and coverage by simulation")
    parser.add_argument("--runs", type=int, default=2000)
    runs = parser.parse_args().runs
    speed_table(runs)
    quality_table(runs)
    latency_table(max(100, runs // 5))


if __name__ == "__main__":
    main()
