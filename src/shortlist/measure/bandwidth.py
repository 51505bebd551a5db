"""How fast this host reads memory: what a decode step cannot beat.

`python -m shortlist.measure.bandwidth THREADS BYTES` is the reader: threads of numpy sums, each over its own part of a
buffer far larger than the last cache, several passes at a time; the best stretch counts, since whatever else runs can
only slow it. It is a process of its own, so that the client stays small. numpy lets go of the interpreter's lock in a
sum, and a sum of whole numbers reads as fast as hand-written AVX2 (`benchmarks/bandwidth.py`).
"""

import json
import subprocess
import sys
import threading
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

import msgspec

from shortlist.clock import monotonic_ns
from shortlist.environment import child_environment
from shortlist.files import write_whole
from shortlist.machine import boot_id
from shortlist.process import module_argv
from shortlist.records import from_builtins, from_json, to_json

FILE_NAME = "bandwidth.json"
FEWEST_BYTES = 1 << 28
CACHE_MULTIPLE = 4
"""A buffer, or a model's weights, of so many last caches is read from memory and not from the cache."""

STEADY = 0.95
_STRETCHES = 25
_TRIES = 3
_STRETCH_NS = 16 * 10**6  # short: on a busy host a few of them are left alone
_LIMIT_S = 60
_SLICE = 1 << 20
_SYS = Path("/sys")


@dataclass(frozen=True, slots=True)
class Bandwidth:
    """Bytes read per second by so many threads.

    `is_steady`: two stretches agreed within 5 %, and no thread waited for a processor for more of the best one.
    """

    bytes_per_s: float
    threads: int
    buffer_bytes: int
    is_steady: bool


def last_cache_bytes(sys_root: Path = _SYS) -> int | None:
    """Bytes of the processors' last cache, all of its parts together; None where it is not visible."""
    by_level: dict[int, dict[str, int]] = {}
    for index in (sys_root / "devices/system/cpu").glob("cpu[0-9]*/cache/index*"):
        try:
            level, size, shared, kind = (
                (index / name).read_text(encoding="ascii").strip()
                for name in ("level", "size", "shared_cpu_list", "type")
            )
        except (OSError, UnicodeDecodeError):
            continue
        scale = {"K": 1 << 10, "M": 1 << 20, "G": 1 << 30}.get(size[-1:], 0)
        if kind != "Instruction" and level.isdigit() and size[:-1].isdigit() and scale:
            by_level.setdefault(int(level), {})[shared] = int(size[:-1]) * scale
    return sum(by_level[max(by_level)].values()) if by_level else None


def host_bandwidth(home: Path, threads: int) -> Bandwidth | None:
    """The host's read bandwidth: as kept for this boot, else measured now (a second) and kept when it was steady.

    An unsteady reading is taken again, twice at the most, and the highest counts: what else runs can only slow it. None
    where it could not be measured.
    """
    known = kept_bandwidths(home)
    if threads in known:
        return known[threads]
    readings: list[Bandwidth] = []
    while len(readings) < _TRIES and not any(one.is_steady for one in readings):
        found = measure_bandwidth(threads)
        if found is None:
            break
        readings.append(found)
    best = max(readings, key=lambda one: one.bytes_per_s, default=None)
    if best is not None and best.is_steady:
        _keep(home, {**known, threads: best})
    return best


def kept_bandwidths(home: Path) -> Mapping[int, Bandwidth]:
    """What is kept for this boot, by threads; empty after another boot, or where the file is not whole."""
    try:
        kept = json.loads((home / FILE_NAME).read_bytes())
        if kept["boot"] != boot_id():
            return {}
        return {one.threads: one for one in (from_builtins(item, Bandwidth) for item in kept["readings"])}
    except (OSError, ValueError, KeyError, TypeError, msgspec.ValidationError):
        return {}


def _keep(home: Path, readings: Mapping[int, Bandwidth]) -> None:
    try:
        home.mkdir(parents=True, exist_ok=True)
        write_whole(home / FILE_NAME, to_json({"boot": boot_id(), "readings": list(readings.values())}))
    except OSError:
        return  # it is measured again next time; nothing depends on the file


def measure_bandwidth(threads: int) -> Bandwidth | None:
    """Measured now, in a process of its own; None where that did not work."""
    import psutil

    size = max(FEWEST_BYTES, CACHE_MULTIPLE * (last_cache_bytes() or 0))
    if size > psutil.virtual_memory().available // 2:
        return None
    argv = [*module_argv("shortlist.measure.bandwidth"), str(threads), str(size)]
    try:
        done = subprocess.run(argv, capture_output=True, timeout=_LIMIT_S, env=child_environment(), check=True)
        found = from_json(done.stdout, list[Stretch])
    except (OSError, subprocess.SubprocessError, msgspec.MsgspecError):
        return None
    second, best = sorted(found, key=lambda one: one.bytes_per_s)[-2:]
    is_steady = second.bytes_per_s >= STEADY * best.bytes_per_s and (best.waited or 0.0) <= 1 - STEADY
    return Bandwidth(best.bytes_per_s, threads, size, is_steady)


# --- the reader's own process -----------------------------------------------------------------------------------------


@dataclass(frozen=True, slots=True)
class Stretch:
    """One stretch of reading. `waited`: the largest share that a thread waited for a processor; None: not visible."""

    bytes_per_s: float
    waited: float | None


def read_stretches(
    threads: int, size: int, stretches: int = _STRETCHES, stretch_ns: int = _STRETCH_NS
) -> list[Stretch]:
    """So many stretches, all threads together. A stretch lasts until its last thread is done."""
    readers = [_Reader(place, size // threads, stretch_ns) for place in range(threads)]
    for reader in readers:
        threading.Thread(target=reader.run, args=(stretches,), daemon=True).start()
    found = []
    for _ in range(stretches):
        for reader in readers:
            reader.ready.acquire()
        for reader in readers:
            reader.go.release()
        for reader in readers:
            reader.done.acquire()
        # From the first start to the last end as the readers saw them: waking this thread is no part of reading.
        took = max(reader.ended_ns for reader in readers) - min(reader.began_ns for reader in readers)
        waits = [reader.waited_ns / took for reader in readers if reader.waited_ns is not None]
        found.append(Stretch(sum(reader.read for reader in readers) / took * 1e9, max(waits, default=None)))
    return found


class _Reader:
    """One thread and its part of the buffer."""

    def __init__(self, place: int, size: int, stretch_ns: int) -> None:
        self._fill, self._elements, self._stretch_ns = place + 1, size // 8, stretch_ns
        self.ready, self.go, self.done = (threading.Semaphore(0) for _ in range(3))
        self.read = self.began_ns = self.ended_ns = 0
        self.waited_ns: int | None = None

    def run(self, stretches: int) -> None:
        import numpy as np

        # Filled by the thread that reads it (its own memory node); untouched pages are one page of zeros, in the cache.
        part = np.full(self._elements, self._fill, np.int64)
        slices = [part[start : start + _SLICE] for start in range(0, self._elements, _SLICE)]
        place = 0  # never set back: what the stretch before left in the cache is not read again before it is gone
        for _ in range(stretches):
            self.ready.release()
            self.go.acquire()
            self.read, waited = 0, _waited_ns()
            self.began_ns = self.ended_ns = monotonic_ns()
            while self.ended_ns < self.began_ns + self._stretch_ns:
                slices[place].sum()
                self.read += slices[place].nbytes
                place = (place + 1) % len(slices)
                self.ended_ns = monotonic_ns()
            after = _waited_ns()
            self.waited_ns = None if waited is None or after is None else after - waited
            self.done.release()


def _waited_ns() -> int | None:
    """How long this thread was ready to run and had no processor, so far. Source: proc(5), schedstat."""
    try:
        return int(Path("/proc/thread-self/schedstat").read_text(encoding="ascii").split()[1])
    except (OSError, ValueError, IndexError):
        return None


if __name__ == "__main__":
    sys.stdout.buffer.write(to_json(read_stretches(int(sys.argv[1]), int(sys.argv[2]))))
