"""The self-test before a bench: short, at the run's own load, or what one of the last hour found."""

from dataclasses import dataclass
from math import ceil
from pathlib import Path

from shortlist.errors import EngineError, NotEnoughSamples
from shortlist.measure.known_errors import keep_error, known_error
from shortlist.measure.selftest import SHORT_NS, self_test
from shortlist.records import LoadShape, MeasuringError

NO_SELFTEST = "no-selftest"
"""The flag of a run whose measuring error is not known."""

MOST_STREAMS = 256
"""A self-test drives no more than this at once: from there on the server beside it would be what is measured."""


@dataclass(frozen=True, slots=True)
class SelfTested:
    """What the self-test found, or why it found nothing."""

    error: MeasuringError | None
    trouble: str = ""


def streams_of(load: LoadShape, request_ns: float = 0.0) -> int:
    """Requests in flight at this load. In an open loop the rate times how long one takes, to the next power of two."""
    if load.kind == "closed" or not load.rate_per_s:
        return min(load.concurrency, MOST_STREAMS)
    expected = ceil(load.rate_per_s * request_ns / 1e9)
    return min(1 << max(0, expected - 1).bit_length(), MOST_STREAMS)


async def measure_this_host(home: Path, streams: int) -> SelfTested:
    """Two seconds at so many streams; nothing is run where the last hour knows. Call it with the host's lock held."""
    known = known_error(home, streams)
    if known is not None:
        return SelfTested(known)
    try:
        found = await self_test(streams, SHORT_NS)
    except (EngineError, NotEnoughSamples) as error:
        return SelfTested(None, error.message)
    keep_error(home, found)
    return SelfTested(found)
