"""`shortlist selftest`: how far this host's own measuring is from the truth."""

from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from shortlist import settings, units
from shortlist.cli.output import emit, emit_json, say
from shortlist.errors import BadInput

if TYPE_CHECKING:
    from shortlist.records import MeasuringError

_MOST_STREAMS = 4096


_LEAST_RUNS = 3


@click.command(name="selftest")
@click.argument("model", required=False)
@click.option("--streams", default="1,16,64,256", show_default=True, help="How many at once, with commas.")
@click.option("--duration", default="3s", show_default=True, help="How long at each.")
@click.option("--aa", "is_aa", is_flag=True, help="Bench MODEL again and again: how far runs of one thing differ here.")
@click.option("--runs", type=click.IntRange(_LEAST_RUNS), default=6, show_default=True, help="With --aa: runs.")
@click.option("--rounds", type=click.IntRange(2), default=3, show_default=True, help="With --aa: rounds of each run.")
@click.option("--prompts", type=click.Path(path_type=Path), help="With --aa: prompts.json. [the demo's]")
@click.option("--engine", help="With --aa: what opens the model. [llamacpp]")
@click.option("--concurrency", type=int, help="With --aa: requests in flight at once. [1]")
@click.option("--threads", type=int, help="With --aa: threads of the engine. [physical cores]")
@click.option("--json", "as_json", is_flag=True, help="Print JSON.")
def command(*, streams: str, duration: str, is_aa: bool, as_json: bool, **options: Any) -> None:
    """Measure this host's measuring error.

    The real client talks to a server of ours whose every write is logged; the error is against that log. A bench runs
    two seconds of this by itself, and prints what it found.

    With --aa, MODEL (notes-small, unless another is named) is benched several times as separate runs. How far they lie
    apart beyond what their rounds vary by is kept for `compare`, for this host and engine.
    """
    if is_aa:
        _between(options, as_json=as_json)
        return
    if options["model"]:
        raise click.UsageError(f"{options['model']} is for --aa; the self-test has a server of its own")
    from shortlist.cli.bench import run_async
    from shortlist.hostlock import bench_lock
    from shortlist.records import to_builtins
    from shortlist.report.selftest import selftest_lines, selftest_warnings

    counts, span_ns = _counts(streams), units.parse_duration_ns(duration)
    if span_ns <= 0:
        raise BadInput("--duration leaves no time at all", hint="--duration 3s")
    with bench_lock("shortlist selftest"):
        errors = [run_async(_one(count, span_ns)) for count in counts]
    warnings = selftest_warnings(errors)
    if as_json:
        held = [{"error_ns": one.error_ns, "tail_ns": one.tail_ns, **to_builtins(one)} for one in errors]
        emit_json("shortlist-selftest", held, warnings)
        return
    for line in selftest_lines(errors):
        emit(line)
    for warning in warnings:
        say(f"! {warning}")


def _between(options: Mapping[str, Any], *, as_json: bool) -> None:
    """Bench the same again and again, keep the spread, print it."""
    from shortlist import demo
    from shortlist.bench.between import bench_again_and_again
    from shortlist.bench.session import Connection
    from shortlist.cli.bench import run_async
    from shortlist.cli.planning import Asked, fresh
    from shortlist.cli.progress import LineProgress
    from shortlist.records import to_builtins
    from shortlist.report.selftest import between_lines
    from shortlist.results.between_runs import keep_spread, load_spreads

    flags = {name: options[name] for name in ("engine", "concurrency", "threads", "rounds")}
    loaded = settings.load().with_flags({**flags, "max_tokens": 48, "temperature": 0, "selftest": False})
    loaded = loaded.without("endpoint", "prompt", "rate")
    load_spreads(loaded.home)  # a damaged file is told before anything is measured
    model = options["model"] or demo.demo_names()[0]
    asked = Asked(models=(model,), prompts=options["prompts"] or demo.demo_prompts_path())
    plan = fresh(loaded, asked).info.plan
    say(f"Plan    {model}: {options['runs']} runs of {units.counted(len(plan.cells), 'request')} each")
    work = bench_again_and_again(lambda: fresh(loaded, asked), options["runs"], Connection(), LineProgress(plan))
    spread = run_async(work)
    keep_spread(loaded.home, spread)
    if as_json:
        found = {name: spread.between(name) for name in spread.round_means}
        emit_json("shortlist-between-runs", {"between": found, **to_builtins(spread)})
        return
    for line in between_lines(spread):
        emit(line)


async def _one(streams: int, span_ns: int) -> "MeasuringError":
    from shortlist.measure.known_errors import keep_error
    from shortlist.measure.selftest import self_test

    say(f"{units.counted(streams, 'stream')}, about {units.about(span_ns)} …")
    found = await self_test(streams, span_ns)
    keep_error(settings.load().home, found)
    return found


def _counts(text: str) -> list[int]:
    try:
        counts = [int(part) for part in text.split(",")]
    except ValueError:
        counts = []
    if not counts or not all(1 <= count <= _MOST_STREAMS for count in counts):
        raise BadInput(
            f"{text!r} is no list of numbers of streams from 1 to {_MOST_STREAMS}", hint="--streams 1,16,64,256"
        )
    return counts
