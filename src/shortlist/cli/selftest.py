"""`shortlist selftest`: how far this host's own measuring is from the truth."""

from typing import TYPE_CHECKING

import click

from shortlist import settings, units
from shortlist.cli.output import emit, emit_json, say
from shortlist.errors import BadInput

if TYPE_CHECKING:
    from shortlist.records import MeasuringError

_MOST_STREAMS = 4096


@click.command(name="selftest")
@click.option("--streams", default="1,16,64,256", show_default=True, help="How many at once, with commas.")
@click.option("--duration", default="3s", show_default=True, help="How long at each.")
@click.option("--json", "as_json", is_flag=True, help="Print JSON.")
def command(*, streams: str, duration: str, as_json: bool) -> None:
    """Measure this host's measuring error.

    A server of ours, whose every write is logged, drives the real client; the error is against that log. A bench runs
    two seconds of this by itself, and prints what it found.
    """
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
