"""Opens and closes engines for the pool, and notices when one ends by itself.

Each load, unload and watch is a task of its own; what it finds out it writes into the model between two awaits, and
then it wakes the pool.
"""

import asyncio
import logging
from collections.abc import Awaitable, Callable, Coroutine, Mapping
from dataclasses import dataclass
from typing import Any

from shortlist.clock import SYSTEM, Clock
from shortlist.engines import Engine
from shortlist.errors import (
    EndpointError,
    EngineCrashed,
    EngineError,
    EngineNotReady,
    HostBusy,
    ServiceError,
    ShortlistError,
)
from shortlist.serve.books import Books
from shortlist.serve.model import Model, Open
from shortlist.serve.opening import Opening
from shortlist.serve.refusals import crashed, gave_up, not_loaded, refuse
from shortlist.serve.warmth import LIMIT_S
from shortlist.units import duration, size

log = logging.getLogger(__name__)

_CIRCUIT_FAILURES = 5
_CIRCUIT_NS = 30 * 10**9
_STABLE_NS, _STABLE_REQUESTS = 10 * 10**9, 50
_WATCH_NS = 60 * 10**9
_TIDY_NS = 60 * 10**9
_PIN_AGAIN_NS = 30 * 10**9


@dataclass(frozen=True, slots=True)
class Workshop:
    """How engines are made: a test puts its own in here. `tidy` is called now and then, while some are open."""

    make_engine: Callable[[Opening], Engine]
    ask_lightly: Callable[[Open], Awaitable[None]]
    note_load: Callable[[Opening], None] = lambda _: None
    tidy: Callable[[], None] = lambda: None
    clock: Clock = SYSTEM


class Keeper:
    """Every engine of the service is started and ended here. `wake` tells the pool that something has changed."""

    def __init__(self, workshop: Workshop, books: Books, wake: Callable[[], None]) -> None:
        self._workshop, self._books, self._wake = workshop, books, wake
        self._clock = workshop.clock
        self._opening: set[asyncio.Task[None]] = set()
        self._closing: set[asyncio.Task[None]] = set()
        self._warming: set[asyncio.Task[None]] = set()
        self._measuring: set[asyncio.Task[None]] = set()
        self._tidied_ns = 0
        self._watches: dict[Open, asyncio.Task[None]] = {}

    def load(self, model: Model) -> None:
        """Begin to load; refused where the ledger says so."""
        model.charge_bytes = model.need_bytes
        try:
            self._books.post(is_new=True)
        except HostBusy as error:
            model.charge_bytes = 0
            model.pin_ns = self._clock.now_ns() + _PIN_AGAIN_NS
            refuse(model.take_waiting(), error)
            self._wake()
            return
        model.state, model.error = "loading", None
        log.info("%s: loading, %s of memory (%s)", model.label, size(model.charge_bytes), model.basis)
        _keep(self._opening, self._open(model))

    def warm(self, model: Model, opened: Open) -> None:
        """Send a light prompt, which nobody waits for."""
        if not opened.warmed:
            log.info("%s: kept with a light prompt now and then; it holds %s", model.label, size(model.charge_bytes))
        opened.warmed_ns = self._clock.now_ns()
        opened.warmed += 1
        _keep(self._warming, self._warm(model, opened))

    def measure(self) -> None:
        """Begin to read what the engines take, unless that is under way."""
        if not self._measuring:
            _keep(self._measuring, self._measure())

    def unload(self, model: Model, why: str) -> None:
        """Begin to unload. Requests that are in it are told `why`."""
        log.info("%s: unloading: %s", model.label, why)
        opened = model.open
        if opened is not None:
            opened.ended = ServiceError(f"{model.label} was unloaded: {why}", hint="send the request again")
            model.streak = 0  # it lived until it was told to go
        model.state = "unloading"
        _keep(self._closing, self._close(model))

    async def close_all(self, models: Mapping[str, Model]) -> None:
        """End what is under way and every engine."""
        ended = (*self._opening, *self._warming, *self._measuring, *self._watches.values())
        for task in ended:
            task.cancel()
        await asyncio.gather(*ended, *self._closing, return_exceptions=True)
        for model in models.values():
            if model.open is not None:
                await model.open.engine.close()
                model.open, model.state, model.charge_bytes = None, "absent", 0

    async def _open(self, model: Model) -> None:
        engine, began = self._workshop.make_engine(model.opening), self._clock.now_ns()
        is_open = False
        try:
            self._workshop.note_load(model.opening)
            endpoint = await engine.open(model.opening.spec)
            is_open = True
        except Exception as error:  # noqa: BLE001 - it may be another package's engine: no load ends the service
            self._failed(model, error)
            return
        finally:
            if not is_open:
                await engine.close()
                self._closed(model)
        now = self._clock.now_ns()
        model.open = opened = Open(engine, endpoint, now, now)
        model.state, model.wished_ns = "ready", None
        tally, took = model.tally, now - began
        tally.loads += 1
        tally.loading_ns += took
        tally.load_ns = took if tally.load_ns is None else (tally.load_ns + took) / 2
        log.info("%s: ready after %s on %s", model.label, duration(took), endpoint.device or endpoint.engine)
        self._watches[opened] = asyncio.create_task(self._watch(model, opened), name=f"watch {model.label}")
        for wish in model.load_wishes:
            if not wish.done():
                wish.set_result(None)
        model.load_wishes.clear()
        self._wake()

    def _failed(self, model: Model, error: Exception) -> None:
        full: ShortlistError = EngineError(f"{model.label}: {type(error).__name__}: {error}")
        trace: Exception | None = error
        if isinstance(error, ShortlistError):  # foreseen
            full, trace = error, None
        pause_ns = model.back_off_ns()
        model.retry_ns = self._clock.now_ns() + pause_ns
        if isinstance(full, EngineNotReady) and full.was_killed and model.streak == 1:
            log.warning("%s: killed while it was loaded, once more in %s", model.label, duration(pause_ns))
            return  # those who wait go on waiting
        model.error = not_loaded(model, full, pause_ns)
        told = "%s: not loaded, next try not before %s: %s"
        log.warning(told, model.label, duration(pause_ns), full.message, exc_info=trace)
        refuse(model.load_wishes, full)  # who manages the service may know where its files are
        refuse(model.take_waiting(), model.error)

    async def _measure(self) -> None:
        try:
            await self._books.measure()
        except OSError as error:  # a process that ends while it is looked at
            log.warning("the memory of engines could not be read: %s", error)
        if self._clock.now_ns() - self._tidied_ns >= _TIDY_NS:
            self._tidied_ns = self._clock.now_ns()
            self._workshop.tidy()

    async def _warm(self, model: Model, opened: Open) -> None:
        try:
            async with asyncio.timeout(LIMIT_S):
                await self._workshop.ask_lightly(opened)
        except (EndpointError, TimeoutError) as error:
            if opened.ended is None:
                log.warning("%s: its light prompt failed: %s", model.label, error)

    async def _close(self, model: Model) -> None:
        opened, model.open = model.open, None
        try:
            if opened is not None:
                watch = self._watches.pop(opened, None)
                if watch is not None:
                    watch.cancel()
                await opened.engine.close()
        except Exception:
            log.exception("%s: its engine could not be closed", model.label)
        finally:
            self._closed(model)

    def _closed(self, model: Model) -> None:
        model.state = "absent" if model.error is None else "failed"
        model.charge_bytes = 0
        model.is_leaving, model.idle_timeout_ns = False, None
        self._books.post()
        self._wake()

    async def _watch(self, model: Model, opened: Open) -> None:
        while True:
            asked = self._clock.now_ns()
            crash = await opened.engine.crash(_WATCH_NS)
            if crash is not None:
                break
            if self._clock.now_ns() - asked < _WATCH_NS // 2:  # an engine without a process answers at once
                await self._clock.sleep_ns(_WATCH_NS)
        del self._watches[opened]
        self._crashed(model, opened, crash)
        await opened.engine.close()

    def _crashed(self, model: Model, opened: Open, crash: EngineCrashed) -> None:
        now = self._clock.now_ns()
        if now - opened.ready_ns >= _STABLE_NS or opened.requests >= _STABLE_REQUESTS:
            model.streak = 0
        pause_ns = model.back_off_ns()
        model.tally.crashes += 1
        model.open, model.charge_bytes, model.state = None, 0, "absent"
        if model.streak >= _CIRCUIT_FAILURES:
            pause_ns = max(pause_ns, _CIRCUIT_NS)
            model.state, model.error = "failed", gave_up(model, pause_ns)
            refuse(model.take_waiting(), model.error)
        elif (opened.in_use and not model.is_leaving) or len(model.queue):
            model.wished_ns = now
        model.is_leaving = False
        opened.ended = crashed(pause_ns, crash)
        model.retry_ns = now + pause_ns
        log.warning("%s: next try in %s: %s", model.label, duration(pause_ns), crash.message)
        self._books.post()
        self._wake()


def _keep(tasks: "set[asyncio.Task[None]]", work: Coroutine[Any, Any, None]) -> None:
    task = asyncio.create_task(work)
    tasks.add(task)
    task.add_done_callback(tasks.discard)
