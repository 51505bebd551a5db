"""What `bench --race` decides and saves, by simulation on the scenes of scenes.toml, through the rule that a race uses.

    python benchmarks/race_rates.py [--runs 2000] [--scene NAME] [--growth 5] [--vary 0.5 --hot]

Every run is drawn once and decided twice: in full, and as a race that sees its rounds look by look. "same" is the share
of runs that come to the same pick (or both to none), "other" the share in which both pick and the picks differ; "wrong"
is as in decide_rates.py, of all runs. "requests" are those that the race sends, median of the runs, of the full plan's.

`--vary 0.1` draws a tenth of the variance of every score anew in each round while the race takes answers for the same
each time; with `--hot` it does not (a temperature above 0).
"""

import argparse
import sys
from collections.abc import Iterator
from dataclasses import dataclass, field, replace
from statistics import mean, median

import numpy as np

from decide_rates import Drawn, Scene, Seen, draw, evidence_of, is_right, load_scenes, meets_needs, most_wrong
from shortlist.choose.decide import pick_of
from shortlist.choose.rule import Outcome
from shortlist.choose.stopping import stand
from shortlist.stats.looks import error_shares, looks_after

GROWTH = 5.0


@dataclass(frozen=True, slots=True)
class Manner:
    """How a scene is raced. `vary`: the part of a score's variance that each round draws anew."""

    growth: float = GROWTH
    vary: float = 0.0
    is_hot: bool = False


@dataclass(frozen=True, slots=True)
class Raced:
    """One run as a race: what it came to, after which look, and the rounds of each candidate."""

    outcome: Outcome
    look: int
    rounds: tuple[int, ...]


def race(scene: Scene, drawn: Drawn, manner: Manner = Manner()) -> Raced:
    """The looks in turn, as `bench` takes them."""
    after = looks_after(scene.rounds)
    names = [f"m{place}" for place in range(len(scene.candidates))]
    rounds = dict.fromkeys(names, after[0])
    for look, (last, share) in enumerate(zip(after, error_shares(len(after), manner.growth), strict=True), 1):
        standing = stand(evidence_of(scene, drawn, Seen(tuple(rounds.values()), share, not manner.is_hot)), scene.asked)
        if standing.is_over or last == scene.rounds:
            break
        rounds.update(dict.fromkeys(standing.open_, after[look]))
    return Raced(standing.outcome, look, tuple(rounds.values()))


def with_noise(scene: Scene, drawn: Drawn, vary: float, rng: np.random.Generator) -> Drawn:
    """The same with answers that change: `vary` of each score's own variance is drawn anew in every round."""
    if not vary:
        return drawn
    own = scene.paired_sd / np.sqrt(2) * np.sqrt(vary / (1 - vary))
    noise = own * rng.standard_normal((scene.rounds, *drawn.scores.shape))
    return replace(drawn, scores=np.clip(drawn.scores + noise, 0, 1))


def leads_by_two_margins(scene: Scene) -> bool:
    """Whether in truth the best that meets the needs leads the next one by two margins on the first preference."""
    rivals = [one for one in scene.candidates if meets_needs(scene, one)]
    if scene.prefer[0] == "quality":
        values = sorted((one.quality for one in rivals), reverse=True)
        return len(values) > 1 and values[0] - values[1] >= 2 * scene.asked.margins["facets"] - 1e-9
    values = sorted(one.latency for one in rivals)
    return len(values) > 1 and values[1] / values[0] - 1 >= 2 * scene.asked.margins["speed"] - 1e-9


@dataclass
class RaceRates:
    """Counts over the runs of one scene."""

    scene: Scene
    runs: int = 0
    same: int = 0
    other: int = 0
    wrong: int = 0
    wrong_in_full: int = 0
    shipped: int = 0
    shipped_in_full: int = 0
    shares: list[float] = field(default_factory=list)

    def add(self, full: Outcome, raced: Raced) -> None:
        self.runs += 1
        pick = raced.outcome.pick
        self.same += pick == full.pick
        self.other += None not in (pick, full.pick) and pick != full.pick
        self.wrong += self._is_wrong(raced.outcome)
        self.wrong_in_full += self._is_wrong(full)
        self.shipped += pick is not None
        self.shipped_in_full += full.pick is not None
        self.shares.append(mean(raced.rounds) / self.scene.rounds)

    def _is_wrong(self, outcome: Outcome) -> bool:
        return outcome.verdict == "ship" and not is_right(self.scene, int((outcome.pick or "m0")[1:]))


def simulate_race(scene: Scene, runs: int, manner: Manner = Manner(), seed: int = 7) -> RaceRates:
    rates = RaceRates(scene)
    everything = Seen((scene.rounds,) * len(scene.candidates))
    for number in range(runs):
        rng = np.random.default_rng([seed, number])
        drawn = with_noise(scene, draw(scene, rng), manner.vary, rng)
        rates.add(pick_of(evidence_of(scene, drawn, everything), scene.asked), race(scene, drawn, manner))
    return rates


def rows(runs: int, only: str | None, manner: Manner) -> Iterator[RaceRates]:
    print(f"{runs} runs each, seeds fixed; a wrong pick is allowed in {most_wrong(runs):.1%} of runs")
    print(f"{'scene':44} |  lead |   same |  other | picks: race, full | wrong: race, full | requests |")
    for scene in load_scenes():
        if only and only != scene.name:
            continue
        rates = simulate_race(scene, runs, manner)
        numbers = (
            " ≥ 2m " if leads_by_two_margins(scene) else "      ",
            f"{rates.same / runs:6.1%}",
            f"{rates.other / runs:6.1%}",
            f"{rates.shipped / runs:7.1%}, {rates.shipped_in_full / runs:7.1%} ",
            f"{rates.wrong / runs:7.1%}, {rates.wrong_in_full / runs:7.1%} ",
            f"{median(rates.shares):7.0%} ",
        )
        print(f"{scene.name:44} |{'| '.join(numbers)}| {'ok' if holds(rates) else 'MISSED'}", flush=True)
        yield rates


def holds(rates: RaceRates) -> bool:
    """Wrong in no more runs than promised, and another outcome than the full plan's in no more either."""
    return max(rates.wrong, rates.runs - rates.same) / rates.runs <= most_wrong(rates.runs)


def main() -> int:
    parser = argparse.ArgumentParser(description="what a race decides and saves, by simulation")
    parser.add_argument("--runs", type=int, default=2000)
    parser.add_argument("--scene")
    parser.add_argument("--growth", type=float, default=GROWTH)
    parser.add_argument("--vary", type=float, default=0.0)
    parser.add_argument("--hot", action="store_true")
    asked = parser.parse_args()
    found = list(rows(asked.runs, asked.scene, Manner(asked.growth, asked.vary, asked.hot)))
    ahead = [median(rates.shares) for rates in found if leads_by_two_margins(rates.scene)]
    if ahead:
        print(f"requests, median of the {len(ahead)} scenes with a lead of two margins or more: {median(ahead):.0%}")
    return 0 if all(map(holds, found)) and (not ahead or median(ahead) <= 0.5) else 1


if __name__ == "__main__":
    sys.exit(main())
