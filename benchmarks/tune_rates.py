"""What `tune` keeps, by simulation: how often it finds what is faster, loses to the default, and covers the truth.

    python benchmarks/tune_rates.py [--runs 1000]

Each tuning runs on a virtual host: settings have true speeds, every block its own noise and every round one that all of
its blocks share; time passes on a virtual loop, in a budget of ten minutes with blocks of three seconds.
"""

import argparse
import math
import sys
from collections.abc import Mapping
from pathlib import Path

sys.path[:0] = [str(Path(__file__).parents[1] / "tests")]

from shortlist.records import EngineOptions  # noqa: E402
from shortlist.tune.grid import Conditions, settings_of  # noqa: E402
from shortlist.tune.search import Aim, Found, Search  # noqa: E402
from tune.labs import SECOND, DrawnLab  # noqa: E402 - found by the line above
from virtual_time import run_virtual  # noqa: E402

GRID = settings_of("e", ("threads", "threads_batch", "ubatch", "kv_type"), EngineOptions(), Conditions(2, 2, 2, 1200))
SCENES: Mapping[str, Mapping[str, float]] = {
    "all alike": {},
    "all a little slower": {"threads=1": 0.97, "ubatch=256": 0.98, "ubatch=64": 0.95, "kv_type=f32": 0.96},
    "one faster by 5 %": {"threads=1": 1.05},
    "one faster by 10 %": {"threads=1": 1.10},
    "one faster by 20 %": {"threads=1": 1.20, "ubatch=64": 0.9},
    "two that add up to 20 %": {"threads=1": 1.10, "ubatch=128": 1.09},
}


def tuned(lab: DrawnLab) -> Found:
    return run_virtual(Search(lab, lab.clock, Aim("tokens_per_s", 600 * SECOND)).run(GRID))


def row(name: str, own_sd: float, runs: int) -> tuple[str, bool]:
    labs = [DrawnLab(SCENES[name], seed=seed, own_sd=own_sd) for seed in range(runs)]
    found = [(tuned(lab), lab) for lab in labs]
    picks = [(one.verdicts[one.pick.label].interval, lab.truth(one.pick)) for one, lab in found if one.pick]
    lost = sum(truth < 0.97 for _, truth in picks)
    covered = sum((told.low or 0) <= truth <= (told.high or math.inf) for told, truth in picks)
    # Where nothing is faster a setting is kept by error alone, and its interval leaves the truth out by definition.
    share = f"{covered / len(picks):.1%}" if any(truth > 1 for _, truth in picks) else "–"
    text = f"| {name} | {own_sd:.0%} | {len(picks) / runs:.1%} | {lost / runs:.1%} | {share} |"
    return text, lost <= 0.01 * runs


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--runs", type=int, default=1000)
    asked = parser.parse_args()
    held = True
    print("| true speeds | noise of a block | kept | slower than 0.97 of the default | interval covers the truth |")
    print("|---|---|---|---|---|")
    for name in SCENES:
        for own_sd in (0.02, 0.10):
            text, is_held = row(name, own_sd, asked.runs)
            held &= is_held
            print(text, flush=True)
    return 0 if held else 1


if __name__ == "__main__":
    sys.exit(main())
