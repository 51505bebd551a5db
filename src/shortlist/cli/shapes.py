"""Which load a bench is asked for, and what it cannot be asked together."""

from collections.abc import Callable
from dataclasses import replace
from typing import TYPE_CHECKING, Any

import click

from shortlist.cli.output import say
from shortlist.errors import BadInput
from shortlist.settings import Settings

if TYPE_CHECKING:
    from shortlist.records import LoadShape

_OPTIONS = [
    click.option("--concurrency", type=int, help="Requests in flight at once: a closed loop. [1]"),
    click.option("--rate", type=float, help="Requests per second, whatever is in flight: an open loop."),
    click.option("--arrivals", help="With --rate: constant or poisson. [poisson]"),
    click.option("--slots", type=int, help="With --rate: requests our engine works on at once. [4]"),
]


def load_options(function: Callable[..., Any]) -> Callable[..., Any]:
    """The options of the load shape, which are settings too."""
    for option in reversed(_OPTIONS):
        function = option(function)
    return function


def load_shape(settings: Settings, in_block: int) -> "LoadShape":
    """The shape for blocks of so many requests. Raises BadInput for options that contradict each other."""
    from shortlist.records import LoadShape

    if _is_open(settings):
        return LoadShape(
            kind="open",
            concurrency=settings.slots,
            rate_per_s=settings.rate,
            arrivals=settings.arrivals,  # type: ignore[arg-type]  # the settings table allows these two only
        )
    for name, instead in (("arrivals", "--rate 2"), ("slots", "--concurrency, which is both in a closed loop")):
        if settings.source(name) == "flag":
            raise BadInput(f"--{name} is for an open loop, and no --rate was given", hint=f"add or use {instead}")
    return LoadShape(concurrency=_concurrency(settings, in_block))


def _is_open(settings: Settings) -> bool:
    """A typed --rate or --concurrency wins over the other in the environment or a file."""
    if settings.rate is None:
        return False
    sources = settings.source("concurrency"), settings.source("rate")
    if sources[0] == "default" or (sources[1] == "flag" != sources[0]):
        return True
    if sources[0] == "flag" != sources[1]:
        say(f"note: --concurrency was typed, so the rate of {settings.rate:g}/s ({sources[1]}) is left aside")
        return False
    said = " and ".join(
        f"--{name}" if source == "flag" else f"{name} ({source})"
        for name, source in zip(("concurrency", "rate"), sources, strict=True)
    )
    raise BadInput(
        f"{said} contradict each other: a closed loop keeps a number in flight, an open one keeps a rate",
        hint=f"--rate {settings.rate:g} alone; --slots says how many an engine of ours works on at once",
    )


def _concurrency(settings: Settings, in_block: int) -> int:
    """Requests in flight at once: never more than a block has."""
    if settings.concurrency > in_block:
        say(
            f"note: {in_block} requests at once instead of {settings.concurrency}: a block has no more; "
            "--repeats makes it longer"
        )
    return min(settings.concurrency, in_block)


# --- deterministic ----------------------------------------------------------------------------------------------------

_FIXED = {"temperature": 0.0, "concurrency": 1, "rate": None}


def deterministic(settings: Settings, *, prefix_cache: bool) -> Settings:
    """The settings with everything pinned that is known to move answers. Raises BadInput for what contradicts it.

    Threads become an explicit number, since kernels split sums by it; an endpoint, or a program that is not ours,
    decides its own.
    """
    from shortlist.engines import format_of
    from shortlist.machine import default_threads

    for name, value in _FIXED.items():
        source, given = settings.source(name), getattr(settings, name)
        if source != "default" and given != value:
            said = f"--{name}" if source == "flag" else source
            what = "no --rate" if value is None else f"{name} {value:g}"
            raise BadInput(
                f"--deterministic means {what}, and {said} says {given:g}",
                hint="leave out one of them" if value is None else f"--{name} {value:g}, or no --deterministic",
            )
    if prefix_cache:
        raise BadInput("--deterministic leaves the prompt cache off, and --prefix-cache would switch it on")
    if settings.rounds < 2:
        raise BadInput("--deterministic compares rounds, and one was asked", hint="--rounds 2")
    if settings.threads is not None or settings.endpoint is not None or format_of(settings.engine) is None:
        return settings
    return replace(settings, threads=default_threads(), sources={**settings.sources, "threads": "--deterministic"})
