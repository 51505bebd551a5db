"""An alarm for an event loop, to the microsecond where the system has one.

libuv's timers, and asyncio's under epoll, are whole milliseconds, and libuv's may ring early; a schedule with gaps of
5 ms deserves better. Linux has timerfd: a descriptor that becomes readable at a given time of the monotonic clock.
"""

import asyncio
import contextlib
import ctypes
import functools
import os
import sys
from collections.abc import Callable
from typing import Protocol

from shortlist.clock import Clock, SystemClock, monotonic_ns

_CLOCK_MONOTONIC = 1
_ABSOLUTE = 1
_FLAGS = 0o2000000 | 0o4000  # TFD_CLOEXEC | TFD_NONBLOCK


class Alarm(Protocol):
    """Calls back once, at or after a time."""

    def set(self, due_ns: int | None) -> None:
        """Move the alarm to this monotonic time; None switches it off."""
        ...

    def close(self) -> None:
        """It rings no more."""
        ...


class _Time(ctypes.Structure):
    _fields_ = (("seconds", ctypes.c_long), ("nanoseconds", ctypes.c_long))


class _TimerSpec(ctypes.Structure):
    _fields_ = (("interval", _Time), ("value", _Time))


@functools.cache
def _libc() -> ctypes.CDLL:
    return ctypes.CDLL(None, use_errno=True)


class TimerFd:
    """Linux: a timerfd that the loop reads."""

    def __init__(self, loop: asyncio.AbstractEventLoop, ring: Callable[[], None]) -> None:
        self._libc = _libc()
        self._loop = loop
        self._ring = ring
        self._fd: int = self._libc.timerfd_create(_CLOCK_MONOTONIC, _FLAGS)
        if self._fd < 0:
            raise OSError(ctypes.get_errno(), "timerfd_create")
        loop.add_reader(self._fd, self._on_readable)

    def set(self, due_ns: int | None) -> None:
        """A time that has passed rings at once; zero, as the system call has it, would switch the timer off."""
        spec = _TimerSpec(value=_Time(*divmod(due_ns, 10**9)) if due_ns is not None else _Time())
        self._libc.timerfd_settime(self._fd, _ABSOLUTE, ctypes.byref(spec), None)

    def close(self) -> None:
        """It rings no more."""
        self._loop.remove_reader(self._fd)
        os.close(self._fd)

    def _on_readable(self) -> None:
        with contextlib.suppress(BlockingIOError):
            os.read(self._fd, 8)
        self._ring()


class LoopTimer:
    """Elsewhere: the loop's own timer."""

    def __init__(self, loop: asyncio.AbstractEventLoop, ring: Callable[[], None]) -> None:
        self._loop = loop
        self._ring = ring
        self._handle: asyncio.TimerHandle | None = None

    def set(self, due_ns: int | None) -> None:
        """Move the alarm."""
        if self._handle is not None:
            self._handle.cancel()
        self._handle = None
        if due_ns is not None:
            self._handle = self._loop.call_later(max(0, due_ns - monotonic_ns()) / 1e9, self._ring)

    def close(self) -> None:
        """It rings no more."""
        self.set(None)


def make_alarm(loop: asyncio.AbstractEventLoop, ring: Callable[[], None]) -> Alarm:
    """The finest alarm that this system has."""
    return TimerFd(loop, ring) if sys.platform == "linux" else LoopTimer(loop, ring)


async def sleep_until_ns(clock: Clock, due_ns: int) -> None:
    """Wait for a time of this clock: never shorter, and on the machine's own clock as exactly as the system can."""
    if not isinstance(clock, SystemClock):
        await clock.sleep_ns(due_ns - clock.now_ns())
        return
    loop = asyncio.get_running_loop()
    while clock.now_ns() < due_ns:
        rung = loop.create_future()
        alarm = make_alarm(loop, lambda rung=rung: rung.done() or rung.set_result(None))  # type: ignore[misc]
        try:
            alarm.set(due_ns)
            await rung
        finally:
            alarm.close()
