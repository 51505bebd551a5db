"""A pool on a virtual-time loop. Its engines are objects of this process that keep Engine's contract.

Not the fake engine: that is a process, and a process does not wait for virtual time. What a pool does with real
processes is tested in `test_pool_engines`.
"""

import asyncio
import contextlib
from collections.abc import AsyncIterator, Callable, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, ClassVar

from shortlist.clock import LoopClock
from shortlist.engines import EngineContext, EngineInfo, LoadSpec
from shortlist.errors import EngineCrashed, EngineNotReady, UnknownName
from shortlist.ledger import Ledger, Page, own_page
from shortlist.measure.memory import MemoryReading
from shortlist.records import Endpoint, EngineOptions, Generation, ModelCard, Variant
from shortlist.serve.books import Books
from shortlist.serve.directory import Names
from shortlist.serve.keeper import Workshop
from shortlist.serve.lease import Listed
from shortlist.serve.model import Open
from shortlist.serve.opening import Opening
from shortlist.serve.placing import Rules
from shortlist.serve.pool import Pool

MB = 10**6
S = 10**9


class InProcess:
    """An engine that opens after `load_s`, and dies when it is told to."""

    name: ClassVar[str] = "in-process"
    needs_nonce: ClassVar[bool] = False

    def __init__(self, context: EngineContext) -> None:
        self.is_open = False
        self.load_s = 1.0
        self.fails = self.breaks = self.is_killed = False
        self._gone = asyncio.Event()
        self._crash: EngineCrashed | None = None

    def probe(self) -> EngineInfo:
        return EngineInfo(self.name, available=True)

    async def open(self, spec: LoadSpec) -> Endpoint:
        await asyncio.sleep(self.load_s)  # noqa: TID251 - the loop's own time
        if self.breaks:
            raise ZeroDivisionError("a stranger's engine")
        if self.is_killed:
            raise EngineNotReady(f"{spec.label} was killed", was_killed=True)
        if self.fails:
            raise EngineNotReady(f"{spec.label} did not start")
        self.is_open = True
        return Endpoint("http://in.process/v1", spec.model, None, self.name, "1", "cpu", ("chat",))

    async def close(self) -> None:
        self.is_open = False

    def request_headers(self) -> Mapping[str, str]:
        return {}

    def extra_body(self, generation: Generation) -> Mapping[str, Any]:
        return {}

    @property
    def load_ns(self) -> int | None:
        return round(self.load_s * S)

    @property
    def settings(self) -> Mapping[str, int | str | bool]:
        return {"context": 512}

    def pids(self) -> tuple[int, ...]:
        return ()

    def die(self) -> None:
        self.is_open = False
        self._crash = EngineCrashed("killed; it said: /a/log of ours", brief="its process was killed by SIGKILL")
        self._gone.set()

    async def crash(self, within_ns: int = 0) -> EngineCrashed | None:
        with contextlib.suppress(TimeoutError):
            async with asyncio.timeout(within_ns / S):
                await self._gone.wait()
        return self._crash

    def log_tail(self) -> str:
        return ""


@dataclass
class House:
    """A host with `memory` bytes, models by name and size, and every engine that was ever made for them."""

    ledger: Ledger
    memory: int
    sizes: dict[str, int]
    parallel: int = 1
    load_s: float = 1.0
    fails: set[str] = field(default_factory=set)
    breaks: set[str] = field(default_factory=set)
    made: list[tuple[str, InProcess]] = field(default_factory=list)
    most_bytes: int = 0
    asked: int = 0
    kills: int = 0
    taken: dict[str, int] = field(default_factory=dict)
    warmed: list[float] = field(default_factory=list)
    page: Page = field(default_factory=lambda: own_page("service", "the service of a test"))

    async def find(self, name: str) -> Opening:
        self.asked += 1
        await asyncio.sleep(0.01)  # noqa: TID251 - the loop's own time
        if name not in self.sizes:
            raise UnknownName("model", name, self.sizes)
        spec = LoadSpec(name, name, Variant("gguf"), EngineOptions(), None, Path(), self.parallel)
        return Opening(f"in-process {name}", name, "in-process", spec, ModelCard(name), None, self.sizes[name])

    async def hint(self, opening: Opening, free_bytes: int) -> str | None:
        fitting = [name for name, size in self.sizes.items() if size <= free_bytes]
        return f"{fitting[0]} fits" if fitting else None

    async def listed(self, loaded: frozenset[str]) -> tuple[Listed, ...]:
        return tuple(Listed(name, is_loaded=name in loaded) for name in self.sizes)

    async def about(self, name: str, loaded: frozenset[str]) -> Listed:
        return Listed((await self.find(name)).label, is_loaded=name in loaded)

    def make(self, opening: Opening) -> InProcess:
        engine = InProcess(EngineContext())
        engine.load_s, engine.fails = self.load_s, opening.label in self.fails
        engine.breaks = opening.label in self.breaks
        engine.is_killed = self.loads(opening.label) < self.kills
        self.made.append((opening.label, engine))
        return engine

    async def ask_lightly(self, opened: Open) -> None:
        self.warmed.append(asyncio.get_running_loop().time())

    def open_now(self) -> list[str]:
        return [name for name, engine in self.made if engine.is_open]

    def engine(self, name: str) -> InProcess:
        return next(engine for made, engine in reversed(self.made) if made == name)

    def loads(self, name: str) -> int:
        return sum(made == name for made, _ in self.made)

    def free(self) -> int:
        taken = sum(self.sizes[name] for name in self.open_now())
        self.most_bytes = max(self.most_bytes, taken)
        return self.memory - taken

    async def resident(self, engine: object) -> MemoryReading | None:
        """What a test says that a model takes; nothing is measured of what is in this process."""
        name = next(name for name, one in self.made if one is engine)
        taken = self.taken.get(name)
        return None if taken is None else MemoryReading(taken, 0, taken, None, "as the test says")

    def pool(self, rules: Rules) -> Pool:
        books = Books(self.ledger, self.page, self.memory_left, self.resident, rules.memory_limit_bytes)
        return Pool(
            Names(self.find, self.hint, self.listed, self.about),
            Workshop(self.make, self.ask_lightly, clock=LoopClock()),
            books,
            rules,
        )

    def memory_left(self) -> int:
        """Nothing is ever resident in a test's process: what is promised is taken off by the books themselves."""
        return self.memory


@contextlib.asynccontextmanager
async def running(house: House, rules: Rules | None = None, pinned: tuple[str, ...] = ()) -> AsyncIterator[Pool]:
    pool = house.pool(rules or Rules())
    main = await pool.start(pinned)
    try:
        yield pool
    finally:
        await pool.stop()
        assert main.done()
        main.result()
        assert house.open_now() == [], "an engine was left open"
        assert house.ledger.pages() == (), "a page was left in the ledger"


async def wait(seconds: float) -> None:
    await asyncio.sleep(seconds)  # noqa: TID251 - the loop's own time


async def until(claim: Callable[[], bool], limit_s: float = 600) -> None:
    async with asyncio.timeout(limit_s):
        while not claim():
            await wait(0.01)
