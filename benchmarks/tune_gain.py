"""What `tune` is worth: a tuning of a real one's shape with random weights, then the tuned setting beside the defaults.

    python benchmarks/tune_gain.py [--types q4_0,q8_0] [--budget 150s] [--rounds 8] [--allow-output-change] [--keep DIR]

The tuning runs as a user runs it. What it kept is then measured beside the default of every engine that opens the
file, in fresh interleaved rounds of which the tuning knew nothing, and the lower bound (95 %, one-sided) of its speed
over each is printed; where the default was kept, it is measured against itself. Then `bench` and `model run` are
asked whether they use the profile. Held: within the budget, bound of at least 0.97, and both say so.

With --keep the models and their tunings stay in DIR, and a second call measures beside the defaults only.
"""

import argparse
import asyncio
import json
import os
import subprocess
import sys
import tempfile
from collections.abc import Mapping
from dataclasses import dataclass, replace
from pathlib import Path

from make_random_gguf import SHAPES, write_random_gguf
from shortlist import profiles
from shortlist.bench.roster import Roster
from shortlist.bench.session import Connection, new_session, run_session
from shortlist.choose.evidence import evidence_from
from shortlist.choose.preferences import find_preference, lead
from shortlist.clock import monotonic_ns
from shortlist.engines import installed_version
from shortlist.engines.llamacpp import MAX_DEFAULT_CONTEXT
from shortlist.models.refs import ResolvedModel, resolve
from shortlist.quality.prompts import load_prompts
from shortlist.records import EngineOptions, Generation, Run, Suite
from shortlist.report.numbers import with_error
from shortlist.results.store import Store
from shortlist.tune.grid import Setting
from shortlist.tune.lab import Subject
from shortlist.tune.subjects import engines_for
from shortlist.units import duration

OBJECTIVE = "tokens_per_s"
LEAST = 0.97
MAIN = "from shortlist.cli import main; main()"


@dataclass(frozen=True, slots=True)
class Place:
    """Where a tuning keeps its things."""

    home: Path
    model: Path

    def run(self, *args: str) -> tuple[subprocess.CompletedProcess[str], int]:
        """The command as a user types it, and how long it took."""
        env = {**os.environ, "SHORTLIST_HOME": str(self.home), "PYTHONIOENCODING": "utf-8"}
        began = monotonic_ns()
        done = subprocess.run(
            [sys.executable, "-c", MAIN, *args], env=env, cwd=self.home, capture_output=True, text=True, check=False
        )
        return done, monotonic_ns() - began


def tuned_setting(place: Place, here: ResolvedModel, engines: tuple[str, ...]) -> Setting:
    """What the profile says; the first engine's default in other words where none was kept."""
    name = profiles.fastest_engine(place.home, here.variant, installed_version) or engines[0]
    found = profiles.find(place.home, here.variant, name, installed_version(name))
    return Setting(name, EngineOptions() if found is None else found)


def beside(place: Place, here: ResolvedModel, rounds: int) -> tuple[Run, str]:
    """The tuned setting and every engine's default, in fresh rounds; the run, and the tuned one's label."""
    engines = engines_for(here.label, here.variant)
    tuned = tuned_setting(place, here, engines)
    prompts = load_prompts(Path(profiles.__file__).with_name("tune") / "prompts.json")
    suite = Suite(prompts, Generation(32), rounds=rounds, warmup=0, order_seed=1)
    subject = Subject({"": here}, suite, EngineOptions())
    candidates = [subject.candidate(Setting(engine)) for engine in engines]
    if tuned.is_default:  # the default against itself: the same context, told
        same = replace(subject, asked=EngineOptions(context=MAX_DEFAULT_CONTEXT)).candidate(tuned)
        candidates.append(replace(same, label="kept: the default"))
    else:
        candidates.append(replace(subject.candidate(tuned), label=f"tuned: {tuned.label}"))
    assert here.path is not None
    roster = Roster(tuple(candidates), {one.id: here.path for one in candidates})
    session = replace(new_session(suite, roster, "tune-gain"), selftest_streams=1)
    with Store.open(place.home / "results.db") as store:
        asyncio.run(run_session(session, store, Connection(), lambda _told: None))
        return store.load_run(session.info.id), candidates[-1].label


def bounds(run: Run, tuned: str) -> Mapping[str, tuple[float, float]]:
    """The tuned setting's speed over each other's: the point, and the lower bound."""
    evidence = {one.label: one for one in evidence_from(run).candidates}
    preference = find_preference(OBJECTIVE)
    for label, one in evidence.items():
        print(f"  {label:44} {with_error(one.figures.get(OBJECTIVE)):>14} tok/s  {one.noise}")
    found = {}
    for label, one in evidence.items():
        ahead = lead(one, evidence[tuned], preference) if label != tuned else None
        if ahead is not None:
            found[label] = (ahead.shown(ahead.estimate), ahead.shown(ahead.lower(0.05)))
    return found


def checked(place: Place, kind: str, asked: argparse.Namespace) -> bool:
    here = resolve(str(place.model))
    told = place.home / "tuned.json"
    if not told.exists():
        further = ["--allow-output-change"] if asked.allow_output_change else []
        done, took = place.run("tune", str(place.model), "--budget", asked.budget, "--json", *further)
        if done.returncode not in (0, 4):
            print(done.stderr)
            return False
        told.write_text(json.dumps({**json.loads(done.stdout)["data"], "wall_ns": took}))
    data = json.loads(told.read_text())
    took, budget_ns = data["wall_ns"], data["budget_ns"]
    is_in_time = took <= budget_ns
    for one in data["tried"]:
        speed = "not tried" if one["speedup"] is None else f"×{one['speedup']:.3f} in {one['rounds']}"
        print(f"  {one['setting']:44} {speed:18} {one['fate']}")
    disturbed = ", ".join(f"{run['phase']} {run['disturbed']:.0%}" for run in data["runs"])
    pick = data["pick"] or "the default stays"
    print(f"{kind}: {data['outcome']}: {pick}; {duration(took)} of {duration(budget_ns)}")
    print(f"  disturbed: {disturbed}; not tried: {len(data['untried'])} of {len(data['tried'])}")
    run, tuned = beside(place, here, asked.rounds)
    found = bounds(run, tuned)
    is_bound = bool(found) and all(low >= LEAST for _, low in found.values())
    for label, (point, low) in found.items():
        print(f"  over {label}: ×{point:.3f}, at least ×{low:.3f} ({'held' if low >= LEAST else 'MISSED'})")
    says = _says(place, has_profile=data["profile"] is not None)
    print(f"  within the budget: {is_in_time}; bench and model run say what they use: {says}")
    return is_in_time and is_bound and says


def _says(place: Place, *, has_profile: bool) -> bool:
    """Whether both name the profile where there is one, and are silent where there is none."""
    model = str(place.model)
    brief = ("--max-tokens", "2")
    ran, _ = place.run("model", "run", model, "--prompt", "Hello", *brief)
    benched, _ = place.run("bench", model, "--rounds", "1", "--warmup", "0", "--no-watch", "--no-selftest", *brief)
    return all(done.returncode == 0 and ("Profile" in done.stderr) == has_profile for done in (ran, benched))


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--shape", choices=SHAPES, default="qwen2.5-0.5b")
    parser.add_argument("--types", default="q4_0,q8_0")
    parser.add_argument("--budget", default="150s")
    parser.add_argument("--rounds", type=int, default=8)
    parser.add_argument("--allow-output-change", action="store_true")
    parser.add_argument("--keep", type=Path, metavar="DIR")
    asked = parser.parse_args()
    held = True
    with tempfile.TemporaryDirectory() as name:
        for kind in asked.types.split(","):
            home = (asked.keep or Path(name)) / kind
            home.mkdir(parents=True, exist_ok=True)
            place = Place(home, home / f"{asked.shape}-{kind}.gguf")
            if not place.model.exists():
                write_random_gguf(place.model, SHAPES[asked.shape], kind)
            held &= checked(place, kind, asked)
    return 0 if held else 1


if __name__ == "__main__":
    sys.exit(main())
