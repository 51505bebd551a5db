"""How often a decision is wrong, by simulation on scenes whose truth is known (scenes.toml).

    python benchmarks/decide_rates.py [--runs 2000] [--scene NAME]

"ship" is the share of runs with the verdict `ship`. "right" is, of those, the share in which the pick meets every need
in truth and no candidate that meets them is better by more than the margin on the first preference; "wrong" is the
share of all runs that ship something else. "smallest" and "right" stand for `ship_cheapest_of_equals` likewise.
"""

import argparse
import math
import sys
import tomllib
from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from shortlist.choose.decide import pick_of
from shortlist.choose.evidence import CandidateEvidence, Evidence, with_quality
from shortlist.choose.needs import parse_needs
from shortlist.choose.needsfile import Needs
from shortlist.choose.rule import Outcome
from shortlist.records import Interval
from shortlist.stats.intervals import cluster_t, exact, mean_t, proportion

SCENES = Path(__file__).with_name("scenes.toml")
Floats = NDArray[np.float64]


@dataclass(frozen=True, slots=True)
class Truth:
    """A candidate as it is."""

    quality: float
    latency: float
    failing: float = 0.0


@dataclass(frozen=True, slots=True)
class Scene:
    """A row of scenes.toml; latencies in seconds."""

    name: str
    candidates: tuple[Truth, ...]
    prompts: int
    clusters: int
    rounds: int
    paired_sd: float
    correlation: float
    request_noise: float
    round_effect: float
    prefer: tuple[str, ...]
    needs: tuple[str, ...]
    drift: float
    ceiling: bool
    ship_at_least: float = 0.0
    ship_at_most: float = 1.0

    @property
    def asked(self) -> Needs:
        return Needs(parse_needs(self.needs), self.prefer)


def load_scenes() -> tuple[Scene, ...]:
    document = tomllib.loads(SCENES.read_text())
    return tuple(_scene({**document["defaults"], **one}) for one in document["scene"])


def _scene(fields: dict[str, Any]) -> Scene:
    tuples = {name: tuple(fields[name]) for name in ("prefer", "needs")}
    return Scene(**{**fields, **tuples, "candidates": tuple(Truth(**one) for one in fields["candidates"])})


# --- drawing --------------------------------------------------------------------------------------------------------


def draw_scores(scene: Scene, rng: np.random.Generator) -> Floats:
    """Facet scores, candidates × clusters × prompts of a cluster.

    In mid-scale each candidate's own part has half the variance of a paired difference; what a prompt does to all
    alike is beside it. At the ceiling every prompt has five facets, passed by a share that varies with the cluster.
    """
    shape = (len(scene.candidates), scene.clusters, scene.prompts // scene.clusters)
    means = np.array([one.quality for one in scene.candidates])[:, None, None]
    if scene.ceiling:
        spread = 1 / scene.correlation - 1
        shares = rng.beta(means[:, :, 0] * spread, (1 - means[:, :, 0]) * spread, shape[:2])
        return np.asarray(rng.binomial(5, shares[:, :, None], shape) / 5)
    own, alike = scene.paired_sd / math.sqrt(2), math.sqrt(scene.correlation)
    noise = alike * rng.standard_normal((*shape[:2], 1)) + math.sqrt(1 - alike**2) * rng.standard_normal(shape)
    difficulty = 0.05 * rng.standard_normal(shape[1:])
    return np.asarray(np.clip(means + difficulty + own * noise, 0, 1))


def draw_latencies(scene: Scene, rng: np.random.Generator) -> Floats:
    """Round means of latency in nanoseconds, candidates × rounds; a round's luck, requests' noise, and the drift."""
    shape = (len(scene.candidates), scene.rounds)
    truth = np.array([one.latency for one in scene.candidates])[:, None] * 1e9
    luck = scene.round_effect * rng.standard_normal(shape)
    noise = np.exp(scene.request_noise * rng.standard_normal((*shape, scene.prompts))).mean(axis=2)
    return np.asarray(truth * (1 + scene.drift * np.linspace(0, 1, scene.rounds)) * np.exp(luck) * noise)


@dataclass(frozen=True, slots=True)
class Drawn:
    """All that one run of a scene would measure: scores, round means of latency, failed requests by round."""

    scores: Floats
    latencies: Floats
    failed: Floats


def draw(scene: Scene, rng: np.random.Generator) -> Drawn:
    scores, latencies = draw_scores(scene, rng), draw_latencies(scene, rng)
    failed = [rng.binomial(scene.prompts, one.failing, scene.rounds) for one in scene.candidates]
    return Drawn(scores, latencies, np.asarray(failed))


@dataclass(frozen=True, slots=True)
class Seen:
    """How much of a run is seen: rounds by candidate (the first ones), and the share of the error that this look has.

    `are_final`: further rounds get the same answers.
    """

    rounds: tuple[int, ...]
    share: float = 1.0
    are_final: bool = False


def draw_evidence(scene: Scene, rng: np.random.Generator) -> Evidence:
    return evidence_of(scene, draw(scene, rng), Seen((scene.rounds,) * len(scene.candidates)))


def evidence_of(scene: Scene, drawn: Drawn, seen: Seen, stopped: frozenset[str] = frozenset()) -> Evidence:
    blank = Evidence((), 1, "0000", scene.rounds, scene.prompts, scene.clusters, 60 * 10**9)
    blank = replace(blank, share=seen.share, are_answers_final=seen.are_final)
    levels = {basis: 1 - blank.level_of(basis) for basis in ("rounds", "scores")}
    needs = " ".join(scene.needs)
    candidates = []
    for place, rounds in enumerate(seen.rounds):
        clustered = _clustered(drawn.scores, place, rounds)
        means = drawn.latencies[place, :rounds].tolist()
        figures: dict[str, Interval] = {"footprint": exact(1e9 + place, "B")}
        # Only what a need judges is worked out: an interval per figure and run is most of the time.
        figures["error_rate"] = _error_rate(int(drawn.failed[place, :rounds].sum()), scene.prompts * rounds)
        if "latency" in needs:
            figures["latency.mean"] = mean_t(means, "ns", level=levels["rounds"])
        if "facets" in needs:
            figures["facets"] = cluster_t(clustered, "share", level=levels["scores"])
        values = {"latency.mean": {n: {"round": value} for n, value in enumerate(means)}}
        made = CandidateEvidence(f"m{place}", f"m{place}", figures, values, {"facets": clustered})
        planned, is_stopped = scene.prompts * scene.rounds, made.candidate in stopped
        candidates.append(replace(made, planned=planned, is_stopped=is_stopped))
    return with_quality(replace(blank, candidates=tuple(candidates)))


def _clustered(scores: Floats, place: int, rounds: int) -> dict[str, dict[str, tuple[float, ...]]]:
    """One candidate's scores by cluster and prompt; with a first axis of rounds, one for each of them."""
    mine = scores[:rounds, place] if scores.ndim == 4 else scores[None, place]
    values = np.moveaxis(mine, 0, -1).tolist()
    return {f"c{c}": {f"p{p}": tuple(one) for p, one in enumerate(row)} for c, row in enumerate(values)}


def _error_rate(failed: int, total: int) -> Interval:
    return proportion(failed, total) if failed else Interval(0.0, 0.0, None, 0.95, "counted", total, "share")


# --- the truth ------------------------------------------------------------------------------------------------------


def meets_needs(scene: Scene, one: Truth) -> bool:
    values = {"latency.mean": one.latency * 1e9 * (1 + scene.drift / 2), "facets": one.quality}
    for need in scene.asked.needs:
        value, limit = values[need.figure], float(need.limit)
        if not {"<": value < limit, "<=": value <= limit, ">": value > limit, ">=": value >= limit}[need.operator]:
            return False
    return one.failing <= 0.01


def is_right(scene: Scene, pick: int) -> bool:
    """The pick meets every need in truth, and nobody who does is better by more than the margin."""
    chosen, margins = scene.candidates[pick], scene.asked.margins
    if not meets_needs(scene, chosen):
        return False
    rivals = [one for one in scene.candidates if meets_needs(scene, one)]
    if scene.prefer[0] == "quality":
        return all(one.quality - chosen.quality <= margins["facets"] + 1e-12 for one in rivals)
    return all(chosen.latency / one.latency <= 1 + margins["speed"] + 1e-12 for one in rivals)


# --- counting -------------------------------------------------------------------------------------------------------


@dataclass
class Rates:
    """Counts over the runs of one scene."""

    scene: Scene
    runs: int = 0
    verdicts: Counter[str] = field(default_factory=Counter)
    right: Counter[str] = field(default_factory=Counter)

    def add(self, outcome: Outcome) -> None:
        self.runs += 1
        self.verdicts[outcome.verdict] += 1
        if outcome.pick is not None:
            self.right[outcome.verdict] += is_right(self.scene, int(outcome.pick[1:]))

    @property
    def shipped(self) -> float:
        return self.verdicts["ship"] / self.runs

    @property
    def wrong(self) -> float:
        """The share of all runs that ship something wrong."""
        return (self.verdicts["ship"] - self.right["ship"]) / self.runs

    @property
    def right_of_shipped(self) -> float | None:
        return self.right["ship"] / self.verdicts["ship"] if self.verdicts["ship"] else None


def most_wrong(runs: int) -> float:
    """5 % and two standard errors."""
    return 0.05 + 2 * math.sqrt(0.05 * 0.95 / runs)


def simulate(scene: Scene, runs: int, seed: int = 7) -> Rates:
    rates = Rates(scene)
    for number in range(runs):
        rates.add(pick_of(draw_evidence(scene, np.random.default_rng([seed, number])), scene.asked))
    return rates


def rows(runs: int, only: str | None) -> Iterator[bool]:
    print(f"{runs} runs each, seeds fixed; a wrong pick is allowed in {most_wrong(runs):.1%} of runs")
    print(f"{'scene':44} |   ship |  right |  wrong | smallest |  right | not enough |  none |")
    for scene in load_scenes():
        if only and only != scene.name:
            continue
        rates = simulate(scene, runs)
        is_met = rates.wrong <= most_wrong(runs) and scene.ship_at_least <= rates.shipped <= scene.ship_at_most
        small = rates.verdicts["ship_cheapest_of_equals"]
        numbers = (
            f"{rates.shipped:6.1%}",
            "     –" if rates.right_of_shipped is None else f"{rates.right_of_shipped:6.1%}",
            f"{rates.wrong:6.1%}",
            f"{small / runs:8.1%}",
            f"{rates.right['ship_cheapest_of_equals'] / small:6.1%}" if small else "     –",
            f"{rates.verdicts['not_enough_evidence'] / runs:10.1%}",
            f"{rates.verdicts['none_qualifies'] / runs:5.1%}",
        )
        print(f"{scene.name:44} | {' | '.join(numbers)} | {'ok' if is_met else 'MISSED'}", flush=True)
        yield is_met


def main() -> int:
    parser = argparse.ArgumentParser(description="how often decisions are wrong, by simulation")
    parser.add_argument("--runs", type=int, default=2000)
    parser.add_argument("--scene")
    asked = parser.parse_args()
    return 0 if all(list(rows(asked.runs, asked.scene))) else 1


if __name__ == "__main__":
    sys.exit(main())
