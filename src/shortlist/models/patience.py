"""When to ask a Hub again that is busy or out of reach, and how long to wait before.

Waits grow from one second to a minute, each by up to a quarter at random so that many hosts do not come at once;
Retry-After goes before.
"""

import random
from collections.abc import Callable
from dataclasses import dataclass
from threading import Event
from typing import TypeVar

from shortlist.clock import wait_blocking_ns
from shortlist.errors import HubError, Interrupted
from shortlist.units import about

_LONGEST_RETRY_AFTER_S = 3600.0

T = TypeVar("T")
Wait = Callable[[Event, int], bool]


@dataclass(frozen=True, slots=True)
class Patience:
    """When to try again, and what counts as standing still: under `slow_bytes` in `slow_ns`."""

    tries: int = 8
    first_ns: int = 10**9
    longest_ns: int = 60 * 10**9
    slow_ns: int = 30 * 10**9
    slow_bytes: int = 30_000
    silence_s: float = 0

    def wait_ns(self, tried: int, retry_after_s: float | None) -> int:
        """How long before the try after `tried` ones in vain."""
        if retry_after_s is not None:
            return round(min(retry_after_s, _LONGEST_RETRY_AFTER_S) * 1e9)
        plain = min(self.longest_ns, self.first_ns << max(0, tried - 1))
        return round(plain * random.uniform(1.0, 1.25))  # noqa: S311 - spreading, no secret


ASKING = Patience(tries=3)
"""For a question, whose answer a person waits for."""


def patiently(
    ask: Callable[[], T], noted: Callable[[str], None], patience: Patience = ASKING, wait: Wait = wait_blocking_ns
) -> T:
    """An answer of the Hub, asked again while what is in the way may pass. Raises HubError, and Interrupted."""
    stop, tried = Event(), 0
    while True:
        try:
            return ask()
        except HubError as error:
            tried += 1
            if not error.is_passing or tried > patience.tries:
                raise
            wait_ns = patience.wait_ns(tried, error.retry_after_s)
            noted(f"{error.message}; again in {about(wait_ns)}")
            if wait(stop, wait_ns):
                raise Interrupted("interrupted") from None
