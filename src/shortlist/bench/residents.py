"""`--resident`: every candidate's engine is loaded before the first block and stays so until the run is over.

A service that keeps several models loaded is measured as it will be: the others hold their memory and do nothing. What
it costs: a candidate's rounds share one process, so an interval over rounds leaves out what differs between processes.
"""

from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from pathlib import Path

from shortlist.bench.hold import NO_HOLD, Hold
from shortlist.engines import Engine, LoadSpec
from shortlist.errors import BadInput, DoesNotFit, EndpointError, EngineError
from shortlist.ledger import Loaded
from shortlist.measure.memory import read_memory
from shortlist.models.fit import DEFAULT_CONTEXT, Load
from shortlist.records import Candidate, Endpoint, Suite
from shortlist.units import size


@dataclass(slots=True)
class _Open:
    engine: Engine
    endpoint: Endpoint
    load_ns: int | None


class Residents:
    """The engines that stay open. Owns them: `close` ends all. What is open is written into the ledger."""

    def __init__(
        self, make: Callable[[Candidate], Engine], spec: Callable[[Candidate], LoadSpec], hold: Hold = NO_HOLD
    ) -> None:
        self._make, self._spec, self._hold = make, spec, hold
        self._open: dict[str, _Open] = {}
        self._loads: dict[str, Loaded] = {}
        self._is_filled = False

    async def open_all(self, candidates: Iterable[Candidate]) -> None:
        """Open each, once; one that cannot be opened is tried again, and its error told, when its block comes."""
        if self._is_filled:
            return
        self._is_filled = True
        for candidate in candidates:
            try:
                await self._opened(candidate)
            except (EngineError, EndpointError, BadInput):
                continue

    async def take(self, candidate: Candidate) -> tuple[Engine, Endpoint, int | None]:
        """Engine, endpoint, and how long the load took the first time that it is asked for. Raises as `Engine.open`."""
        found = self._open.get(candidate.id) or await self._opened(candidate)
        load_ns, found.load_ns = found.load_ns, None
        return found.engine, found.endpoint, load_ns

    def keep_load(self, candidate: Candidate, load_ns: int | None) -> None:
        """The block that was told how long the load took does not count: the next one is told."""
        if candidate.id in self._open:
            self._open[candidate.id].load_ns = load_ns

    async def drop(self, candidate: Candidate) -> None:
        """End an engine that failed; its next block opens a fresh one."""
        found = self._open.pop(candidate.id, None)
        if found is not None:
            await found.engine.close()
            self._book(candidate, None)

    async def close(self) -> None:
        """End all of them."""
        for found in self._open.values():
            await found.engine.close()
        self._open.clear()
        if self._loads:
            self._loads.clear()
            self._hold.book(())

    async def _opened(self, candidate: Candidate) -> _Open:
        engine = self._make(candidate)
        self._book(candidate, Loaded(candidate.label, candidate.variant.size_bytes or 0, "its size on disk"))
        is_open = False
        try:
            endpoint = await engine.open(self._spec(candidate))
            is_open = True
        finally:
            if not is_open:
                self._book(candidate, None)
        if engine.pids():
            taken = read_memory(engine.pids())
            anonymous = taken.total_bytes if taken.anonymous_bytes is None else taken.anonymous_bytes
            self._book(candidate, Loaded(candidate.label, taken.total_bytes, "measured", anonymous))
        found = self._open[candidate.id] = _Open(engine, endpoint, engine.load_ns)
        return found

    def _book(self, candidate: Candidate, load: Loaded | None) -> None:
        if load is None:
            self._loads.pop(candidate.id, None)
        else:
            self._loads[candidate.id] = load
        self._hold.book(self._loads.values())


def check_room(candidates: Iterable[Candidate], paths: Mapping[str, Path], suite: Suite, free_bytes: int) -> None:
    """Raise DoesNotFit where all candidates together need more memory than is free, naming each one's share.

    Predicted from the files' headers; where one cannot tell, its size on disk stands for it.
    """
    needed = {candidate.label: _needed(candidate, paths.get(candidate.id), suite) for candidate in candidates}
    total = sum(needed.values())
    if total > free_bytes:
        parts = ", ".join(f"{label} {size(count)}" for label, count in needed.items())
        raise DoesNotFit(
            f"--resident keeps all candidates loaded: they need {size(total)} ({parts}) and {size(free_bytes)} is free",
            hint="leave out --resident, or name fewer candidates",
        )


def _needed(candidate: Candidate, path: Path | None, suite: Suite) -> int:
    from shortlist.models.rows import fit_of_file  # the catalogue's tables are not wanted in every bench

    load = Load(
        candidate.options.context or DEFAULT_CONTEXT, suite.load.concurrency, candidate.options.kv_type or "f16"
    )
    fit = None if path is None else fit_of_file(path, load)
    return (candidate.variant.size_bytes or 0) if fit is None else fit.needed_bytes
