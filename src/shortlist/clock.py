"""The only module that reads a clock or sleeps.

Durations are monotonic nanoseconds; wall time is for people and for placing a run in history.
Whatever waits takes a `Clock`, so that a test can run it on a virtual-time event loop.
"""

import asyncio
import threading
import time
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import Protocol


class Clock(Protocol):
    """Monotonic nanoseconds and a sleep on the same axis."""

    def now_ns(self) -> int:
        """Monotonic nanoseconds; only differences have a meaning."""
        ...

    async def sleep_ns(self, duration_ns: int) -> None:
        """Sleep at least this long; nothing or less yields once."""
        ...


class SystemClock:
    """The machine's monotonic clock."""

    def now_ns(self) -> int:
        """CLOCK_MONOTONIC on Linux: comparable between processes of one boot."""
        return time.monotonic_ns()

    async def sleep_ns(self, duration_ns: int) -> None:
        """Sleep on the event loop."""
        await asyncio.sleep(max(0, duration_ns) / 1e9)


class LoopClock:
    """The running event loop's own time: on a virtual-time loop, exact and instant."""

    def now_ns(self) -> int:
        """Nanoseconds of `loop.time()`."""
        return round(asyncio.get_running_loop().time() * 1e9)

    async def sleep_ns(self, duration_ns: int) -> None:
        """Sleep on the event loop."""
        await asyncio.sleep(max(0, duration_ns) / 1e9)


SYSTEM = SystemClock()


def sleep_blocking_ns(duration_ns: int) -> None:
    """Block this thread; for child processes and writer threads, never on an event loop."""
    time.sleep(max(0, duration_ns) / 1e9)


def wait_blocking_ns(event: threading.Event, duration_ns: int) -> bool:
    """Block this thread until the event or for so long; whether it was the event."""
    return event.wait(max(0, duration_ns) / 1e9)


def monotonic_ns() -> int:
    """The machine's monotonic clock, where no `Clock` is at hand (threads, children)."""
    return time.monotonic_ns()


def process_clock_ns(pid: int) -> int:
    """Processor time of all threads of a process so far, on Linux; of anybody's. Raises OSError where there is none."""
    return time.clock_gettime_ns((~pid << 3) | 2)  # clock_getcpuclockid(3), which Python does not wrap


def thread_cpu_ns() -> int:
    """Processor time of the calling thread."""
    return time.thread_time_ns()


def wall_ns() -> int:
    """Nanoseconds since 1970, UTC; steps when the clock is set."""
    return time.time_ns()


def next_local_ns(hour: int, minute: int, wall: int) -> int:
    """The wall stamp at which the local clock next shows this time, today or tomorrow.

    A time that a change to summer time leaves out is an hour later that day.
    """
    now = datetime.fromtimestamp(wall / 1e9).astimezone()
    for days in (0, 1, 2):
        day = (now + timedelta(days=days)).date()
        then = datetime(day.year, day.month, day.day, hour, minute).astimezone()
        if then > now:
            break
    return round(then.timestamp() * 1e9)


def local_minute(wall: int) -> str:
    """A wall stamp as the local clock shows it: `2026-11-27 02:00`."""
    return time.strftime("%Y-%m-%d %H:%M", time.localtime(wall / 1e9))


_NARROW_NS = 2_000
_TRIES = 8


def realtime_offset_ns() -> int | None:
    """CLOCK_REALTIME less CLOCK_MONOTONIC, from a read of the one between two reads of the other.

    Both are slewed alike, so that it changes only when the clock is set. None when each try was interrupted.
    """
    for _ in range(_TRIES):
        before = time.monotonic_ns()
        real = time.time_ns()
        after = time.monotonic_ns()
        if after - before <= _NARROW_NS:
            return real - (before + after) // 2
    return None


def iso(wall: int) -> str:
    """A wall stamp in nanoseconds as ISO 8601, UTC, to the millisecond."""
    return datetime.fromtimestamp(wall / 1e9, UTC).isoformat(timespec="milliseconds").replace("+00:00", "Z")


def local_hms() -> str:
    """The local time of day, for a dated progress line."""
    return time.strftime("%H:%M:%S")


@dataclass(frozen=True, slots=True)
class RunAxis:
    """The axis of one run: nanoseconds since the run started, continued over a resume or a reboot."""

    origin_ns: int

    @classmethod
    def start(cls) -> "RunAxis":
        """An axis that begins now."""
        return cls(monotonic_ns())

    @classmethod
    def resume(cls, started_wall_ns: int) -> "RunAxis":
        """The axis of a run that began at this wall time, perhaps in another boot: never before its start."""
        return cls(monotonic_ns() - max(0, wall_ns() - started_wall_ns))

    def relative(self, stamp_ns: int) -> int:
        """A monotonic stamp on the run's axis."""
        return stamp_ns - self.origin_ns
