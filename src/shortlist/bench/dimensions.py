"""What a bench measures beside its requests: the roof that memory sets, energy, prices, and whether a load was cold.

All of it is kept as events: `roofline` (one per candidate), `idle`, `energy` (one per block) and `prices`. What cannot
be measured is noted with its reason.
"""

import asyncio
from collections.abc import Callable, Mapping, Sequence
from dataclasses import asdict, dataclass
from functools import cache
from pathlib import Path
from typing import Literal

from shortlist.bench.roster import ENDPOINT
from shortlist.clock import Clock
from shortlist.errors import InvalidModel
from shortlist.gguf import read_header, split_files
from shortlist.gguf.step import step_bytes
from shortlist.machine import default_threads
from shortlist.measure.bandwidth import CACHE_MULTIPLE, Bandwidth, host_bandwidth, last_cache_bytes
from shortlist.measure.energy import Counter, Declared, Sources, find_sources
from shortlist.models.adapters import read_adapter, weight_files
from shortlist.pagecache import cached_share, drop_file_cache
from shortlist.records import Candidate, Json, Plan, Sample
from shortlist.results.energy import Prices
from shortlist.units import size

COLD = "cold"
"""The run's flag: every load begins with the file dropped from memory."""

IDLE_NS = 3 * 10**9
"""How long the host is watched with no engine loaded, where its energy can be read."""

_FOLLOW_NS = 60 * 10**9  # a package's counter wraps after minutes at full draw

Note = Callable[[str, Json], None]


@dataclass(frozen=True, slots=True)
class Tariff:
    """What is declared of the host's draw and price."""

    declared: Declared = Declared()
    prices: Prices = Prices()


@dataclass(slots=True)
class _Window:
    """The measured part of a block: from the end of its last warm-up to the end of its last request.

    What is measured again afterwards, when the host is quiet, is not in it; `last_seq` is the last sample that is.
    """

    block: str
    warmups_left: int
    began_ns: int | None = None
    joules: float = 0.0
    followed_ns: int = 0
    last_seq: int = -1


class Dimensions:
    """Notes a run's further dimensions. One block is open at a time."""

    def __init__(self, tariff: Tariff, clock: Clock, note: Note, sources: Sources | None = None) -> None:
        self._tariff, self._clock, self._note = tariff, clock, note
        self._sources = find_sources() if sources is None else sources
        self._counter = Counter(self._sources.readable) if self._sources.readable else None
        self._idle_watts = tariff.declared.idle_watts
        self._window: _Window | None = None

    async def begin(self, plan: Plan, paths: Mapping[str, Path], home: Path) -> None:
        """Before the first block: bandwidth where it will be needed, the idle draw where it can be read, prices."""
        for facts in await asyncio.to_thread(roofline_facts, plan, paths, home):
            self._note("roofline", facts)
        if self._tariff.prices.are_given:
            self._note("prices", asdict(self._tariff.prices))
        if self._counter is None:
            return
        try:
            before, began = self._counter.read(), self._clock.now_ns()
            await self._clock.sleep_ns(IDLE_NS)
            joules, took = self._counter.read() - before, self._clock.now_ns() - began
        except OSError as error:
            self._lose(error)
            return
        self._idle_watts = joules / took * 1e9
        self._note("idle", {"basis": self._counter.basis, "watts": self._idle_watts, "elapsed_ns": took})

    def open_block(self, block: str, warmups: int) -> None:
        """The engine is loaded and `warmups` requests go before those that count."""
        self._window = _Window(block, warmups)
        if not warmups:
            self._start(self._window)

    def saw(self, sample: Sample) -> None:
        """A request is over. A counter is read once when the last warm-up ends, then once a minute at the most."""
        window = self._window
        if window is None:
            return
        window.last_seq = max(window.last_seq, sample.seq)
        if sample.phase == "warmup" and window.warmups_left:
            window.warmups_left -= 1
            if not window.warmups_left:
                self._start(window)
        elif self._counter is not None and self._clock.now_ns() - window.followed_ns > _FOLLOW_NS:
            self._read(window)

    def close_block(self) -> None:
        """The block's last request is over: note what it took."""
        window, self._window = self._window, None
        if window is None or window.began_ns is None:
            return
        took = self._clock.now_ns() - window.began_ns
        facts: Json = {
            "block": window.block,
            "last_seq": window.last_seq,
            "elapsed_ns": took,
            "idle_watts": self._idle_watts,
        }
        if self._counter is not None:
            joules = self._read(window)
            if joules is not None:
                self._note("energy", {**facts, "basis": self._counter.basis, "joules": joules - window.joules})
        elif self._tariff.declared.watts is not None:
            self._note("energy", {**facts, "basis": "declared", "joules": self._tariff.declared.watts * took / 1e9})

    def _start(self, window: _Window) -> None:
        window.joules = self._read(window) or 0.0
        window.began_ns = self._clock.now_ns()

    def _read(self, window: _Window) -> float | None:
        if self._counter is None:
            return None
        window.followed_ns = self._clock.now_ns()
        try:
            return self._counter.read()
        except OSError as error:
            self._lose(error)
            return None

    def _lose(self, error: OSError) -> None:
        self._counter, self._window = None, None
        self._tariff = Tariff(prices=self._tariff.prices)  # one run is not counted on two bases without a word
        self._note("warning", {"message": f"energy can no longer be read, and is not counted from here on: {error}"})


# --- the roof ---------------------------------------------------------------------------------------------------------


def roofline_facts(plan: Plan, paths: Mapping[str, Path], home: Path) -> list[Json]:
    """For each candidate what its decode steps read and how fast this host can; or the reason why that is not known."""
    found: list[Json] = []
    read = cache(lambda threads: host_bandwidth(home, threads))  # one reading for all candidates of as many threads
    for candidate in plan.candidates:
        facts = _facts(plan, candidate, paths.get(candidate.id), read)
        found.append({"candidate": candidate.id, **({"reason": facts} if isinstance(facts, str) else facts)})
    return found


def _facts(plan: Plan, candidate: Candidate, path: Path | None, read: Callable[[int], Bandwidth | None]) -> Json | str:
    if plan.suite.load.kind != "closed" or plan.suite.load.concurrency != 1:
        return "more than one request may be in flight, and they share each read of the weights"
    if ENDPOINT in candidate.options.extra or path is None or candidate.variant.format != "gguf":
        return "the engine reads no GGUF file of ours"
    cache = last_cache_bytes()
    if cache is None:
        return "the size of the last cache is not visible here"
    if (candidate.variant.size_bytes or 0) < CACHE_MULTIPLE * cache:
        return _too_small(candidate.variant.size_bytes or 0, cache)
    kv_type = (candidate.options.kv_type or "f16").lower()
    try:
        step = step_bytes([read_header(part) for part in split_files(read_header(path))], kv_type)
    except InvalidModel as error:
        return error.message
    if isinstance(step, str):
        return step
    if step.weights_bytes < CACHE_MULTIPLE * cache:
        return _too_small(step.weights_bytes, cache)
    threads = candidate.options.threads or default_threads()
    bandwidth = read(threads)
    if bandwidth is None:
        return "the host's read bandwidth could not be measured: too little free memory, or the reader failed"
    return {**asdict(step), "kv_type": kv_type, "last_cache_bytes": cache, **asdict(bandwidth)}


def _too_small(weights_bytes: int, cache: int) -> str:
    return f"the weights ({size(weights_bytes)}) are under {CACHE_MULTIPLE} times the last cache ({size(cache)})"


# --- the load ---------------------------------------------------------------------------------------------------------


def load_kind(candidate: Candidate, path: Path | None, *, is_cold_asked: bool) -> tuple[Literal["cold", "warm"], str]:
    """How the load that comes now is to be called: `cold` only where that was asked for and seen to; else why not."""
    if not is_cold_asked:
        return "warm", ""
    if path is not None and candidate.variant.format == "adapter":
        return drop_model([file for _, file in weight_files(read_adapter(path))])
    if path is None:
        return drop_model([])
    first = path / candidate.variant.files[0].path if path.is_dir() and candidate.variant.files else path
    return drop_model([first, *(first.with_name(file.path) for file in candidate.variant.files[1:])])


def drop_model(files: Sequence[Path]) -> tuple[Literal["cold", "warm"], str]:
    """Drop a model's files from memory before it is loaded: `cold` once all of them were seen to be gone.

    Else `warm` and why.
    """
    if not files:
        return "warm", "it has no file of ours that could be dropped from memory"
    for file in files:
        try:
            if drop_file_cache(file):
                continue
            share = cached_share(file)
        except OSError as error:
            return "warm", f"{file.name} cannot be dropped from memory: {error.strerror}"
        if share is None:
            return "warm", f"whether {file.name} is in memory cannot be told here (another system, or somebody's file)"
        return "warm", f"{share * 100:.0f} % of {file.name} stay in memory: another process has it mapped"
    return "cold", ""
