"""Resident memory of an engine's process tree, read from the operating system: no engine reports its own.

Linux tells anonymous from file-backed pages and keeps a high-water mark (`/proc/PID/status`, proc_pid_status(5)); a
proportional share (PSS, `smaps_rollup`) counts pages shared inside the tree once, but reading it walks the page tables
and disturbs, so it belongs in a pass that is not timed. Elsewhere psutil gives the resident total alone.
"""

import asyncio
import contextlib
import sys
from collections.abc import Awaitable, Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TypeVar

import psutil

from shortlist.clock import Clock
from shortlist.errors import EngineCrashed

INTERVAL_NS = 500_000_000
_PROC = Path("/proc")

T = TypeVar("T")


@dataclass(frozen=True, slots=True)
class MemoryReading:
    """Bytes, summed over `processes` processes. File-backed pages include shared memory.

    `peak_bytes` sums each process's own high-water mark: with more than one process an upper bound, for the marks need
    not fall together. With a cgroup it is that group's peak, page cache included. `basis` says which.
    """

    anonymous_bytes: int | None
    file_bytes: int | None
    total_bytes: int
    peak_bytes: int | None
    basis: str
    processes: int = 1


def read_memory(pids: Sequence[int], *, cgroup: Path | None = None) -> MemoryReading:
    """Resident memory now and at its peak; cheap enough to read between requests.

    `cgroup` is a cgroup v2 directory that holds these processes and no others. A process that ended meanwhile is left
    out; raises EngineCrashed when none is left.
    """
    if not sys.platform.startswith("linux"):
        return _read_elsewhere(pids)
    parts = [fields for fields in map(_status, pids) if fields is not None]
    _require(parts, pids)
    anonymous = sum(f["RssAnon"] for f in parts)
    file_backed = sum(f["RssFile"] + f["RssShmem"] for f in parts)
    peak, basis = sum(f["VmHWM"] for f in parts), "VmHWM" if len(parts) == 1 else f"VmHWM, sum of {len(parts)}"
    if cgroup is not None:
        peak, basis = int((cgroup / "memory.peak").read_text("ascii")), "cgroup memory.peak"
    return MemoryReading(anonymous, file_backed, anonymous + file_backed, peak, basis, len(parts))


def read_pss(pids: Sequence[int]) -> MemoryReading:
    """Proportional share of the tree's pages; not for a timed pass.

    Where there is none, the reading and its `basis` are `read_memory`'s. Raises EngineCrashed when no process is left.
    """
    if not sys.platform.startswith("linux"):
        return _read_elsewhere(pids)
    try:
        parts = [fields for fields in (_fields(_PROC / str(pid) / "smaps_rollup") for pid in pids) if fields]
    except PermissionError:
        return read_memory(pids)
    if not parts:
        return read_memory(pids)
    anonymous = sum(f["Pss_Anon"] for f in parts)
    file_backed = sum(f["Pss_File"] + f["Pss_Shmem"] for f in parts)
    return MemoryReading(anonymous, file_backed, anonymous + file_backed, None, "PSS", len(parts))


async def watch_peak(pids: Callable[[], Sequence[int]], during: Awaitable[T], clock: Clock) -> tuple[T, MemoryReading]:
    """Run `during`, reading PSS of the tree beside it; gives its result and the largest reading.

    `pids` lists the tree anew for each reading: one at the start, one at the end, and at most two a second between.
    `peak_bytes` of the result is the largest total seen. Raises EngineCrashed, or what `during` raises.
    """
    work = asyncio.ensure_future(during)
    try:
        highest = read_pss(pids())
        while not work.done():
            pause = asyncio.ensure_future(clock.sleep_ns(INTERVAL_NS))
            await asyncio.wait((work, pause), return_when=asyncio.FIRST_COMPLETED)
            pause.cancel()
            if not (work.done() and work.exception() is not None):
                highest = max(highest, read_pss(pids()), key=lambda reading: reading.total_bytes)
        result = await work
    finally:
        if not work.done():
            work.cancel()
            with contextlib.suppress(asyncio.CancelledError):
                await work
    return result, MemoryReading(
        highest.anonymous_bytes,
        highest.file_bytes,
        highest.total_bytes,
        highest.total_bytes,
        f"{highest.basis}, sampled",
        highest.processes,
    )


def _status(pid: int) -> dict[str, int] | None:
    fields = _fields(_PROC / str(pid) / "status")
    return fields if fields and "RssAnon" in fields else None  # a zombie has a status and no memory


def _fields(path: Path) -> dict[str, int] | None:
    try:
        lines = path.read_text("utf-8", "replace").splitlines()
    except (FileNotFoundError, ProcessLookupError):
        return None
    found: dict[str, int] = {}
    for line in lines:
        name, _, value = line.partition(":")
        number, _, unit = value.strip().partition(" ")
        if unit.strip() == "kB" and number.isdigit():
            found[name] = int(number) * 1024
    return found


def _read_elsewhere(pids: Sequence[int]) -> MemoryReading:
    totals: list[int] = []
    for pid in pids:
        with contextlib.suppress(psutil.NoSuchProcess):
            totals.append(int(psutil.Process(pid).memory_info().rss))
    _require(totals, pids)
    return MemoryReading(None, None, sum(totals), None, "psutil rss", len(totals))


def _require(parts: Sequence[object], pids: Sequence[int]) -> None:
    if not parts:
        listed = ", ".join(map(str, pids)) or "an empty tree"
        raise EngineCrashed(f"no process of {listed} is left, and its memory cannot be read")
