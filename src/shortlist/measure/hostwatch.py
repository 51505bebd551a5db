"""What else happens on this host while an engine is measured: a thread reads counters at a low rate, others judge.

Linux gives the processor time of each process in nanoseconds for one system call (clock_gettime(2) on a process's
clock), the time that a thread waited for a core (`/proc/PID/task/TID/schedstat`), what the hypervisor took (`steal` in
`/proc/stat`), pressure (`/proc/pressure/cpu`), frequency and throttling (`/sys/devices/system/cpu`). What is not there
is None here and named in `hidden`. Elsewhere psutil tells the processors' time as a whole.
"""

import contextlib
import os
import re
import sys
import threading
from collections import deque
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Self

import psutil

from shortlist.clock import monotonic_ns, process_clock_ns, thread_cpu_ns

INTERVAL_NS = 50 * 10**6
_COST_SHARE = 0.005
"""Of one core: what the thread may use at most. Where a reading costs more, it reads less often."""

_THREADS_EVERY_NS = 200 * 10**6
_NAMED_FROM_NS = 10**6
_MOST_NAMES = 3
_PROC, _SYS = Path("/proc"), Path("/sys")
_TICK_NS = 10**9 // os.sysconf("SC_CLK_TCK") if hasattr(os, "sysconf") else 10**7
_KTHREADD = 2


@dataclass(frozen=True, slots=True)
class Span:
    """A stretch between two readings. Nanoseconds of processor time, over all cores; None: not visible here.

    `others_ns`: processes that are neither engine nor client, with the largest by name in `by_name`; kernel threads are
    left out, for nobody can say whom they work for. `unseen_ns`: time that no visible process accounts for.
    `ours_ns`: engine and client. `engine_waited_ns`, `client_waited_ns`: what the engine's threads and our event loop
    waited for a core. `pressure_ns`: time in which anybody waited for one.
    """

    start_ns: int
    end_ns: int
    others_ns: int | None = None
    by_name: tuple[tuple[str, int], ...] = ()
    unseen_ns: int | None = None
    ours_ns: int | None = None
    engine_waited_ns: int | None = None
    client_waited_ns: int | None = None
    pressure_ns: int | None = None
    steal_ns: int | None = None
    throttled: int | None = None
    mhz: int | None = None


class HostWatch:
    """Reads the host between `start` and `stop`, in a thread of its own. `ours` are the engine's processes.

    Use it as a context. `spans` may be read at any time; `read` takes a reading now.
    """

    def __init__(
        self, ours: Sequence[int], *, interval_ns: int = INTERVAL_NS, proc: Path = _PROC, sys_root: Path = _SYS
    ) -> None:
        is_linux = sys.platform.startswith("linux") or proc != _PROC
        self._reader: LinuxReader | PsutilReader = LinuxReader(ours, proc, sys_root) if is_linux else PsutilReader(ours)
        self._interval_ns = interval_ns
        self._lock, self._stop = threading.Lock(), threading.Event()
        self._thread: threading.Thread | None = None
        self._spans: deque[Span] = deque()
        self.cost_ns = 0

    def __enter__(self) -> Self:
        self.read()
        self._thread = threading.Thread(target=self._run, name="shortlist-watch", daemon=True)
        self._thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._stop.set()
        if self._thread is not None:
            self._thread.join()
        self._reader.close()

    @property
    def hidden(self) -> tuple[str, ...]:
        """What cannot be seen from here."""
        return self._reader.hidden

    def read(self) -> None:
        """One more reading; the first one only sets the start."""
        with self._lock:
            span = self._reader.read(monotonic_ns())
            if span is not None:
                self._spans.append(span)

    def spans(self, since_ns: int = 0) -> tuple[Span, ...]:
        """Every stretch that ended after this moment, in order."""
        with self._lock:
            return tuple(span for span in self._spans if span.end_ns > since_ns)

    def _run(self) -> None:
        pause_ns = self._interval_ns
        while not self._stop.wait(pause_ns / 1e9):
            before = thread_cpu_ns()
            self.read()
            cost_ns = thread_cpu_ns() - before
            self.cost_ns += cost_ns
            pause_ns = max(self._interval_ns, round(cost_ns / _COST_SHARE))


class LinuxReader:
    """Cumulative counters of `/proc` and `/sys`, as differences. Every file may be missing, or go while it is read."""

    def __init__(self, ours: Sequence[int], proc: Path = _PROC, sys_root: Path = _SYS) -> None:
        self._proc = proc
        self._roots = set(ours)
        self._engine = tuple(ours)
        self._files = {name: _open(proc / name) for name in ("stat", "pressure/cpu")}
        self._threads: dict[int, int] = {}
        self._threads_due_ns = 0
        self._loop_thread = threading.main_thread().native_id or 0
        cpus = sorted((sys_root / "devices/system/cpu").glob("cpu[0-9]*"))
        self._throttles = _opened(cpus, "thermal_throttle/core_throttle_count")
        self._mhz = _opened(cpus, "cpufreq/scaling_cur_freq")
        self._kinds: dict[int, str] = {}
        self._names: dict[int, str] = {}
        self._last: _Counters | None = None

    @property
    def hidden(self) -> tuple[str, ...]:
        """What has no file here, or an unreadable one."""
        last = self._last
        if last is None:
            return ()
        shown = {
            "other processes": last.busy_ns,
            "steal": last.steal_ns,
            "CPU pressure": last.pressure_ns,
            "run-queue delay": last.waits.get(self._loop_thread),
            "frequency": last.mhz,
            "throttling": last.throttles,
        }
        return tuple(name for name, value in shown.items() if value is None)

    def close(self) -> None:
        """Let go of every file."""
        for descriptor in (*self._files.values(), *self._threads.values(), *self._throttles, *self._mhz):
            if descriptor is not None:
                os.close(descriptor)
        self._files, self._threads, self._throttles, self._mhz = {}, {}, (), ()

    def read(self, now_ns: int) -> Span | None:
        """The stretch since the last reading; None for the first."""
        if now_ns >= self._threads_due_ns:
            self._threads_due_ns = now_ns + _THREADS_EVERY_NS
            self._follow_threads()
        after, before = self._counters(now_ns), self._last
        self._last = after
        return None if before is None else self._span(before, after)

    def _counters(self, now_ns: int) -> "_Counters":
        busy_ns, steal_ns = host_times(_text(self._files["stat"]))
        waits = {tid: wait for tid, fd in self._threads.items() if (wait := run_delay_ns(_text(fd))) is not None}
        throttles = [int(text) for fd in self._throttles if (text := _text(fd).strip()).isdigit()]
        khz = [int(text) for fd in self._mhz if (text := _text(fd).strip()).isdigit()]
        return _Counters(
            now_ns,
            self._processes(),
            busy_ns,
            steal_ns,
            stalled_ns(_text(self._files["pressure/cpu"])),
            waits,
            sum(throttles) if throttles else None,
            max(khz) // 1000 if khz else None,
        )

    def _processes(self) -> dict[int, int]:
        found = {}
        for entry in os.listdir(self._proc):  # noqa: PTH208 - a Path each would cost more than the reading
            if entry.isdigit():
                spent = self._cpu_ns(int(entry))
                if spent is not None:
                    found[int(entry)] = spent
        return found

    def _cpu_ns(self, pid: int) -> int | None:
        if self._proc == _PROC:
            with contextlib.suppress(OSError):
                return process_clock_ns(pid)
        fields = _stat_fields(self._proc / str(pid) / "stat")
        return (int(fields[11]) + int(fields[12])) * _TICK_NS if fields else None

    def _span(self, before: "_Counters", after: "_Counters") -> Span:
        others: dict[int, int] = {}
        seen_ns = ours_ns = 0
        for pid, spent in after.processes.items():
            was = before.processes.get(pid, 0)
            if spent < was:  # the number was given to another process
                self._kinds.pop(pid, None)
                self._names.pop(pid, None)
                was = 0
            if spent > was:
                seen_ns += spent - was
                kind = self._kind(pid)
                if kind == "other":
                    others[pid] = spent - was
                elif kind == "ours":
                    ours_ns += spent - was
        busy_ns = _less(after.busy_ns, before.busy_ns)
        waits = {tid: max(0, wait - before.waits.get(tid, wait)) for tid, wait in after.waits.items()}
        engine_waits = [wait for tid, wait in waits.items() if tid != self._loop_thread]
        return Span(
            before.ns,
            after.ns,
            others_ns=sum(others.values()),
            by_name=self._named(others),
            unseen_ns=None if busy_ns is None else busy_ns - seen_ns,
            ours_ns=ours_ns,
            engine_waited_ns=sum(engine_waits) if engine_waits else None,
            client_waited_ns=waits.get(self._loop_thread),
            pressure_ns=_less(after.pressure_ns, before.pressure_ns),
            steal_ns=_less(after.steal_ns, before.steal_ns),
            throttled=_less(after.throttles, before.throttles),
            mhz=after.mhz,
        )

    def _kind(self, pid: int) -> str:
        """`ours` (the client, the engine and its children), `kernel` or `other`."""
        known = self._kinds.get(pid)
        if known is None:
            fields = _stat_fields(self._proc / str(pid) / "stat")
            parent = int(fields[1]) if fields else 0
            if pid == os.getpid():
                known = "ours"
            elif pid in self._roots or parent in self._roots:
                self._roots.add(pid)
                known = "ours"
            else:
                known = "kernel" if _KTHREADD in (pid, parent) else "other"
            self._kinds[pid] = known
        return known

    def _named(self, others: Mapping[int, int]) -> tuple[tuple[str, int], ...]:
        largest = sorted((item for item in others.items() if item[1] >= _NAMED_FROM_NS), key=lambda item: -item[1])
        by_name: dict[str, int] = {}
        for pid, spent in largest[: 4 * _MOST_NAMES]:
            if pid not in self._names:
                self._names[pid] = clean_name(_read(self._proc / str(pid) / "comm"))
            by_name[self._names[pid]] = by_name.get(self._names[pid], 0) + spent
        return tuple(sorted(by_name.items(), key=lambda item: -item[1])[:_MOST_NAMES])

    def _follow_threads(self) -> None:
        """The engine's threads as they are now, and the thread of our event loop."""
        wanted: dict[int, Path] = {}
        for pid in self._engine:
            with contextlib.suppress(OSError):
                for task in (self._proc / str(pid) / "task").iterdir():
                    wanted[int(task.name)] = task / "schedstat"
        loop = self._loop_thread
        wanted[loop] = self._proc / str(os.getpid()) / "task" / str(loop) / "schedstat"
        for tid in self._threads.keys() - wanted.keys():
            os.close(self._threads.pop(tid))
        for tid in wanted.keys() - self._threads.keys():
            descriptor = _open(wanted[tid])
            if descriptor is not None:
                self._threads[tid] = descriptor


class PsutilReader:
    """Where there is no `/proc`: the processors' time as a whole, less what engine and client used."""

    hidden = ("names of other processes", "CPU pressure", "run-queue delay", "steal", "frequency", "throttling")

    def __init__(self, ours: Sequence[int]) -> None:
        self._ours = (os.getpid(), *ours)
        self._last: tuple[int, int] | None = None

    def close(self) -> None:
        """Nothing is held."""

    def read(self, now_ns: int) -> Span | None:
        """The stretch since the last reading; None for the first."""
        times = psutil.cpu_times()
        busy = times.user + times.system + getattr(times, "nice", 0.0)
        for pid in self._ours:
            with contextlib.suppress(psutil.Error):
                spent = psutil.Process(pid).cpu_times()
                busy -= spent.user + spent.system
        before, self._last = self._last, (now_ns, round(busy * 1e9))
        return None if before is None else Span(before[0], now_ns, unseen_ns=self._last[1] - before[1])


@dataclass(frozen=True, slots=True)
class _Counters:
    ns: int
    processes: dict[int, int]
    busy_ns: int | None
    steal_ns: int | None
    pressure_ns: int | None
    waits: dict[int, int]
    throttles: int | None
    mhz: int | None


# --- texts of the kernel --------------------------------------------------------------------------------------------


def host_times(text: str) -> tuple[int | None, int | None]:
    """Busy and stolen time over all cores from `/proc/stat` (proc_stat(5)); interrupts left out, guests in user."""
    words = text.partition("\n")[0].split()
    if len(words) < 5 or words[0] != "cpu" or not all(word.isdigit() for word in words[1:]):
        return None, None
    ticks = [int(word) for word in words[1:]]
    return sum(ticks[:3]) * _TICK_NS, ticks[7] * _TICK_NS if len(ticks) > 7 else None


def stalled_ns(text: str) -> int | None:
    """Time in which at least one task waited for a core, from `/proc/pressure/cpu`."""
    found = re.search(r"^some .*\btotal=(\d+)", text, re.MULTILINE)
    return int(found[1]) * 1000 if found else None


def run_delay_ns(text: str) -> int | None:
    """Time that a thread waited for a core: the second number of its `schedstat`."""
    words = text.split()
    return int(words[1]) if len(words) >= 2 and words[1].isdigit() else None


def clean_name(text: str) -> str:
    """A process's name, which it gives itself: printable and short."""
    kept = "".join(letter for letter in text.strip() if letter.isprintable())
    return " ".join(kept.split())[:32] or "a process without a name"


def _less(after: int | None, before: int | None) -> int | None:
    return None if after is None or before is None else max(0, after - before)


def _stat_fields(path: Path) -> list[str] | None:
    """The fields of `/proc/PID/stat` after the name, from the state on; the name may hold anything."""
    fields = _read(path).rpartition(")")[2].split()
    return fields if len(fields) > 12 else None


def _read(path: Path) -> str:
    try:
        return path.read_text("utf-8", "replace")
    except OSError:
        return ""


def _open(path: Path) -> int | None:
    try:
        return os.open(path, os.O_RDONLY)
    except OSError:
        return None


def _opened(cpus: Sequence[Path], name: str) -> tuple[int, ...]:
    return tuple(_descriptors(cpu / name for cpu in cpus))


def _descriptors(paths: Iterator[Path]) -> Iterator[int]:
    for path in paths:
        descriptor = _open(path)
        if descriptor is not None:
            yield descriptor


def _text(descriptor: int | None) -> str:
    """A small file from its beginning, through a descriptor that stays open; empty where it cannot be read."""
    if descriptor is None:
        return ""
    try:
        return os.pread(descriptor, 4096, 0).decode("ascii", "replace")
    except OSError:
        return ""
