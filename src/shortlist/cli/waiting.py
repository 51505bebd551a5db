"""`--at 02:00`: to wait for an hour of the local clock, also over a suspended host and a clock that is set."""

import re
from collections.abc import Callable

from shortlist.clock import Clock, local_minute, next_local_ns, wall_ns
from shortlist.errors import BadInput

_AT = re.compile(r"([01]?\d|2[0-3]):([0-5]\d)")
_LOOK_EVERY_NS = 30 * 10**9


def parse_at(text: str, now: int | None = None) -> int:
    """The wall stamp at which the local clock next shows `HH:MM`. Raises BadInput."""
    match = _AT.fullmatch(text.strip())
    if match is None:
        raise BadInput(f"{text!r} is not a time of day", hint="write it like 02:00 or 23:30")
    return next_local_ns(int(match[1]), int(match[2]), wall_ns() if now is None else now)


async def wait_until(when: int, clock: Clock, tell: Callable[[str], None], wall: Callable[[], int] = wall_ns) -> None:
    """Sleep until that wall stamp. The wall is looked at again and again: monotonic time stands while a host sleeps."""
    if wall() < when:
        tell(f"waiting until {local_minute(when)}; Ctrl-C stops it, and nothing was fetched")
    while (left := when - wall()) > 0:
        await clock.sleep_ns(min(left, _LOOK_EVERY_NS))
