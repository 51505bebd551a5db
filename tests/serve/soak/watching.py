"""What the soak sees of the service from outside: its memory and descriptors over time, its engines, what it leaves."""

import os
import signal
from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path
from random import Random
from statistics import linear_regression
from typing import Any

import psutil

from shortlist.clock import SYSTEM, monotonic_ns, sleep_blocking_ns
from shortlist.ledger import Ledger, Page

_WARM = 0.25
"""The part of the time that a slope leaves out: until every path was taken once."""

_LAST_NS = 5 * 10**9
"""How long a service that has said that it ended may still be there."""

_MARK = "_child"
"""In the command line of each engine process of ours."""


@dataclass(frozen=True, slots=True)
class Slope:
    """A straight line by least squares through what was seen after the warm-up."""

    name: str
    first: float
    last: float
    per_minute: float
    minutes: float

    @property
    def grown(self) -> float:
        """By how much the line rises from its beginning to its end."""
        return self.per_minute * self.minutes

    def told(self) -> str:
        """In a line."""
        slope = f"slope {self.per_minute:+.3f} a minute ({self.grown:+.2f} over {self.minutes:.1f} min)"
        return f"{self.name}: {self.first:.1f} at first, {self.last:.1f} at last, {slope}"


@dataclass(slots=True)
class Watch:
    """One service, looked at once a second; an engine of it killed now and then."""

    service: psutil.Process
    home: Path
    seed: int = 1
    resident: list[tuple[float, float]] = field(default_factory=list)
    descriptors: list[tuple[float, float]] = field(default_factory=list)
    engines: set[psutil.Process] = field(default_factory=set)
    zombies: dict[int, int] = field(default_factory=dict)
    killed: int = 0
    most_engines: int = 0

    async def look(self, until_ns: int) -> None:
        """Once a second until the time is over."""
        service, began = self.service, monotonic_ns()
        while monotonic_ns() < until_ns:
            at = (monotonic_ns() - began) / 60e9
            self.resident.append((at, service.memory_info().rss / 1e6))
            self.descriptors.append((at, float(service.num_fds())))
            self._count(service)
            await SYSTEM.sleep_ns(10**9)

    def _count(self, service: psutil.Process) -> None:
        found = engines_of(service)
        self.engines.update(found)
        self.most_engines = max(self.most_engines, len(found))
        dead = {child.pid for child in service.children(recursive=True) if _is_zombie(child)}
        self.zombies = {pid: self.zombies.get(pid, 0) + 1 for pid in dead}

    async def kill(self, every_s: float, until_ns: int) -> None:
        """SIGKILL to one of its engines, whatever it is doing: answering, opened, being opened."""
        chance, service = Random(self.seed), self.service
        while monotonic_ns() + every_s * 1e9 < until_ns:
            await SYSTEM.sleep_ns(round(every_s * 1e9))
            found = engines_of(service)
            while not found and monotonic_ns() < until_ns:
                await SYSTEM.sleep_ns(10**7)
                found = engines_of(service)
            if found:
                os.kill(chance.choice(sorted(found, key=lambda one: one.pid)).pid, signal.SIGKILL)
                self.killed += 1

    def slopes(self) -> tuple[Slope, Slope]:
        """Of the memory in MB and of the open descriptors."""
        return line_through("resident memory, MB", self.resident), line_through("open descriptors", self.descriptors)

    def left(self) -> list[str]:
        """Processes that outlived the service: engines that were seen, and whatever else has its home."""
        end = monotonic_ns() + _LAST_NS
        while (found := self._living()) and monotonic_ns() < end:
            sleep_blocking_ns(10**8)
        return [f"{one.pid} {' '.join(_command(one))[:120]}" for one in found]

    def _living(self) -> list[psutil.Process]:
        seen = {one.pid: one for one in (*self.engines, self.service) if one.is_running() and not _is_zombie(one)}
        for process in psutil.process_iter():
            try:
                if process.environ().get("SHORTLIST_HOME") == str(self.home) and process.pid != os.getpid():
                    seen[process.pid] = process
            except psutil.Error:
                continue
        return list(seen.values())


def engines_of(service: psutil.Process) -> list[psutil.Process]:
    """Its engines' processes."""
    return [child for child in service.children() if any(_MARK in part for part in _command(child))]


def page_of(pid: int) -> Page | None:
    """What the ledger of this machine says of a service."""
    return next((page for page in Ledger().pages() if (page.pid, page.kind) == (pid, "service")), None)


def disagreement(rows: list[dict[str, Any]], page: Page | None) -> str | None:
    """What the ledger and the service say of memory, where they differ."""
    told = {row["model"]: row["memory_bytes"] for row in rows if row["memory_bytes"]}
    written = {load.label: load.bytes for load in page.loads} if page else None
    return None if told == written else f"the service says {told}, the ledger {written}"


def line_through(name: str, seen: Sequence[tuple[float, float]]) -> Slope:
    """The slope of what was seen, as minutes and values."""
    warm = seen[round(len(seen) * _WARM) :]
    line = linear_regression([at for at, _ in warm], [value for _, value in warm])
    minutes = warm[-1][0] - warm[0][0]
    return Slope(name, seen[0][1], seen[-1][1], line.slope, minutes)


def _command(process: psutil.Process) -> list[str]:
    try:
        return list(process.cmdline())
    except psutil.Error:
        return []


def _is_zombie(process: psutil.Process) -> bool:
    try:
        return bool(process.status() == psutil.STATUS_ZOMBIE)
    except psutil.Error:
        return False
