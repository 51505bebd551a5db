"""How near llama.cpp comes to the roof of this host's memory, on models of a real one's shape with random weights.

    python benchmarks/roofline.py [--shape qwen2.5-0.5b] [--types f16,q8_0,q4_0] [--moe] [--load] [--no-watch] ...

Makes the models on the spot (up to 1 GB each, in a temporary folder), benches them one request at a time at the default
threads, and prints bandwidth, bytes of a step, the tokens/s that these allow, those measured, and MBU; with --load cold
and warm load times too. On a busy host the decode speed is that of the other jobs: the causes are printed.
"""

import argparse
import asyncio
import tempfile
from pathlib import Path

from make_random_gguf import SHAPES, write_random_gguf
from shortlist.bench.dimensions import COLD
from shortlist.bench.job import NO_WATCH
from shortlist.bench.roster import Opening, make_roster
from shortlist.bench.session import Connection, new_session, run_session
from shortlist.quality.prompts import single_prompt
from shortlist.records import EngineOptions, Generation, Run, Suite
from shortlist.report.numbers import value, with_error
from shortlist.results.noted import noted
from shortlist.results.store import Store
from shortlist.results.summary import summarise
from shortlist.units import size

PROMPT = "The team meets on Monday. Ana owns the budget, Tom the venue; the date is open. What is left to do? " * 8


def measured(folder: Path, models: list[Path], asked: argparse.Namespace, flags: tuple[str, ...] = ()) -> Run:
    opening = Opening("llamacpp", EngineOptions(device="cpu", threads=asked.threads, context=2048))
    generation = Generation(fixed_tokens=asked.tokens, max_tokens=asked.tokens)
    suite = Suite(single_prompt(PROMPT), generation, rounds=asked.rounds)
    flags += (NO_WATCH,) if asked.no_watch else ()
    session = new_session(suite, make_roster([str(path) for path in models], None, opening), None, flags)
    with Store.open(folder / "results.db") as store:
        asyncio.run(run_session(session, store, Connection(), lambda _told: None))
        return store.load_run(session.info.id)


def print_roofs(run: Run) -> None:
    facts = {str(event.data["candidate"]): event.data for event in noted(run, "roofline")}
    print(f"{'model':22}{'GB/s':>6}{'a step':>9}{'roof':>7}  {'decode tok/s':16}{'prefill':16}{'MBU':>6}")
    for one in summarise(run).candidates:
        data = facts[one.candidate]
        if "reason" in data:
            print(f"{one.label:22}{data['reason']}")
            continue
        figures = one.figures
        told = (value(figures["roofline_tokens_per_s"]), with_error(figures["decode_tokens_per_s"]))
        rate = f"{data['bytes_per_s'] / 1e9:.1f}{'' if data['is_steady'] else '?'}"
        prefill, share = with_error(figures["prefill_tokens_per_s"]), value(figures["mbu"])
        print(
            f"{one.label:22}{rate:>6}{size(data['weights_bytes']):>9}{told[0]:>7}  {told[1]:16}{prefill:16}{share:>6}"
        )
    for warning in summarise(run).warnings:
        print(f"! {warning}")


def print_loads(cold: Run, warm: Run) -> None:
    for before, after in zip(summarise(cold).candidates, summarise(warm).candidates, strict=True):
        found = {name: figure for one in (before, after) for name, figure in one.figures.items() if "load." in name}
        print(f"{before.label:22}" + "  ".join(f"{name} {with_error(one)}" for name, one in sorted(found.items())))


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--shape", choices=SHAPES, default="qwen2.5-0.5b")
    parser.add_argument("--types", default="f16,q8_0,q4_0")
    parser.add_argument("--moe", action="store_true", help="a mixture of experts beside them")
    parser.add_argument("--load", action="store_true", help="cold loads beside the warm ones")
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--tokens", type=int, default=64)
    parser.add_argument("--threads", type=int)
    parser.add_argument("--no-watch", action="store_true", help="measure nothing again, however busy the host is")
    asked = parser.parse_args()
    with tempfile.TemporaryDirectory() as name:
        folder, models = Path(name), []
        for shape, kind in [(asked.shape, kind) for kind in asked.types.split(",")] + [
            ("moe-8x50m", "q8_0")
        ] * asked.moe:
            models.append(folder / f"{shape}-{kind}.gguf")
            write_random_gguf(models[-1], SHAPES[shape], kind)
        warm = measured(folder, models, asked)
        print_roofs(warm)
        if asked.load:
            print_loads(measured(folder, models, asked, (COLD,)), warm)


if __name__ == "__main__":
    main()
