"""The one owner of engines: what is open, for whom, in how much memory, and who waits.

All state changes here, on the event loop, between two awaits: no lock is needed and none is held. Whatever happens (a
request comes or ends, a load or an unload is over, a process dies, a deadline passes) wakes one task, whose `_step`
looks at everything anew: it retires what is idle, decides who gets memory (`placing`, `books`), has engines opened and
closed (`keeper`), and hands free slots to those that wait (`desk`). The states of a model stand in `model`.
"""

import asyncio
import contextlib
import logging
from collections.abc import AsyncIterator, Iterable, Mapping
from typing import Any

from shortlist.errors import BrokenStream, ConnectFailed, ConnectionClosed, EngineCrashed
from shortlist.records import Generation
from shortlist.serve.books import Books
from shortlist.serve.desk import Desk
from shortlist.serve.directory import Directory, Names
from shortlist.serve.keeper import Keeper, Workshop
from shortlist.serve.lease import Demand, Lease, Listed, Used
from shortlist.serve.model import Model, Open
from shortlist.serve.placing import Placement, Room, Rules, place
from shortlist.serve.refusals import again, refuse, stopping, too_large
from shortlist.units import duration

log = logging.getLogger(__name__)

_CRASH_WAIT_NS = 10**9
_MEASURE_NS = 5 * 10**9
_PIN_AGAIN_NS = 60 * 10**9
_OPEN = ("loading", "ready", "unloading")
_ORDINARY = Generation()


class Pool:
    """Implements `lease.Models`. `await start()`, then `await stop()`; both on the loop that leases are asked on."""

    def __init__(self, names: Names, workshop: Workshop, books: Books, rules: Rules) -> None:
        self.rules = rules
        self.is_stopping = False
        self._is_closed = self._is_hurried = False
        self._directory, self._clock, self._books = Directory(names), workshop.clock, books
        self.models: Mapping[str, Model] = self._directory.models
        self._keeper = Keeper(workshop, books, self._wake)
        self._desk = Desk(self.models, rules, workshop.clock, self._wake)
        self._wakes, self._changed = asyncio.Event(), asyncio.Event()
        self._main: asyncio.Task[None] | None = None
        self._telling: set[asyncio.Task[None]] = set()
        self._measured_ns = 0

    async def start(self, pinned: Iterable[str] = (), *, port: int | None = None) -> "asyncio.Task[None]":
        """Begin; the pinned models are loaded without being waited for. The task that runs until `stop`.

        `port`: where the service answers, for a bench to know it by.
        Raises what finding a pinned model raises, and HostBusy where the ledger cannot be used.
        """
        self._books.open(self.models, port)
        for name in pinned:
            model = await self._directory.look_up(name)
            model.is_pinned = True
        self._main = asyncio.create_task(self._run(), name="pool")
        return self._main

    async def stop(self) -> None:
        """Take nothing new, let what is running end within the limit, then close every engine."""
        self.is_stopping = True
        for model in self.models.values():
            refuse(model.take_waiting(), stopping())
        self._wake()
        with contextlib.suppress(TimeoutError):
            async with asyncio.timeout(self.rules.drain_ns / 1e9):
                while any(model.in_use for model in self.models.values()) and not self._is_hurried:
                    await self._changed.wait()
        self._is_closed = True
        self._wake()
        if self._main is not None:
            await asyncio.wait([self._main])  # whoever started us looks at how it ended
        await self._keeper.close_all(self.models)
        self._books.close()

    def hurry(self) -> None:
        """A stop that is under way waits for no request any more."""
        self._is_hurried = True
        self._wake()

    # --- leases -----------------------------------------------------------------------------------------------------

    @contextlib.asynccontextmanager
    async def lease(self, name: str, demand: Demand) -> AsyncIterator[Lease]:
        """See `lease.Models`. A broken connection inside the block comes out as what ended the engine, if that did."""
        began = self._now
        model = await self._model(name)
        opened = await self._desk.enter(model, demand.client)
        entered = self._now
        try:
            yield _lease(model, opened, began, entered)
        except (ConnectFailed, ConnectionClosed, BrokenStream, EngineCrashed) as error:
            await opened.engine.crash(_CRASH_WAIT_NS)
            await self._clock.sleep_ns(0)  # the watching task writes down why
            if opened.ended is None:
                raise
            raise again(opened.ended) from error
        finally:
            self._desk.leave(model, opened, self._now - entered)

    def used(self, lease: Lease, used: Used) -> None:
        """Count a finished request."""
        model = next((m for m in self.models.values() if m.label == lease.model), None)
        if model is None:
            return
        tally = model.tally
        tally.cancelled += used.is_cancelled
        tally.prompt_tokens += used.prompt_tokens or 0
        tally.completion_tokens += used.completion_tokens or 0
        if used.total_ns is not None and used.ttft_ns is not None and used.completion_tokens:
            tally.decoded_tokens += used.completion_tokens - 1
            tally.decode_ns += used.total_ns - used.ttft_ns

    async def listed(self) -> tuple[Listed, ...]:
        """See `lease.Models`."""
        return await self._directory.listed()

    async def about(self, name: str) -> Listed:
        """See `lease.Models`."""
        return await self._directory.about(name)

    @property
    def room(self) -> Room:
        """What is free for one more model."""
        return self._books.room(self._now)

    async def _model(self, name: str) -> Model:
        """The model of a name. Raises what finding it raises, and what stands in the way of its being loaded."""
        if self.is_stopping:
            raise stopping()
        model = await self._directory.find(name)
        if self.is_stopping:
            raise stopping()
        if model.state == "failed" and model.error is not None and self._now < model.retry_ns:
            raise again(model.error, model.retry_ns - self._now)
        return model

    # --- the management's wishes ------------------------------------------------------------------------------------

    async def load(self, name: str, idle_timeout_ns: int | None = None) -> Model:
        """Load a model, with an idle timeout of its own if any; return when it is ready. Raises as `lease`."""
        model = await self._directory.find(name)
        model.idle_timeout_ns = idle_timeout_ns or model.idle_timeout_ns
        model.retry_ns = 0
        model = await self._model(name)
        if model.state != "ready":
            wish: asyncio.Future[None] = asyncio.get_running_loop().create_future()
            model.load_wishes.append(wish)
            model.wished_ns = model.wished_ns or self._now
            self._wake()
            await wish
        return model

    async def unload(self, name: str, *, force: bool = False) -> Model:
        """Unload a model when the requests in it have ended, or at once with `force`; then return. Its pin is gone."""
        model = await self._directory.find(name)
        await self._let_go([model], force=force)
        return model

    async def unload_all(self, *, force: bool = False) -> list[Model]:
        """Unload everything; the models that were open."""
        opened = [m for m in self.models.values() if m.state in _OPEN]
        await self._let_go(opened, force=force)
        return opened

    async def _let_go(self, models: list[Model], *, force: bool) -> None:
        for model in models:
            model.is_pinned, model.wished_ns = False, None
            model.is_leaving = model.state in _OPEN
        self._wake()
        while any(m.is_leaving for m in models) and not self.is_stopping:
            for model in models:
                if force and model.is_leaving and model.state == "ready":
                    self._keeper.unload(model, "somebody asked for that")
            await self._changed.wait()

    # --- the task that looks at everything ---------------------------------------------------------------------------

    @property
    def _now(self) -> int:
        return self._clock.now_ns()

    def _wake(self) -> None:
        self._wakes.set()

    async def _run(self) -> None:
        while not self._is_closed:
            self._wakes.clear()
            changed, self._changed = self._changed, asyncio.Event()
            changed.set()
            deadline = None if self.is_stopping else self._step()
            left_s = None if deadline is None else max(0, deadline - self._now) / 1e9
            with contextlib.suppress(TimeoutError):
                async with asyncio.timeout(left_s):
                    await self._wakes.wait()

    def _step(self) -> int | None:
        """Bring everything up to date; when to look again at the latest."""
        deadlines = [self._measure(), self._retire(), self._warm(), self._pin(), self._place()]
        for model in self.models.values():
            self._desk.hand_out(model)
        return min((d for d in deadlines if d is not None), default=None)

    def _measure(self) -> int | None:
        """Read what the engines take, now and then; when to do it next."""
        opened = [model.open for model in self.models.values() if model.open is not None]
        if not opened:
            return None
        if self._now - self._measured_ns >= _MEASURE_NS or any(one.ready_ns > self._measured_ns for one in opened):
            self._measured_ns = self._now
            self._keeper.measure()
        return self._measured_ns + _MEASURE_NS

    def _retire(self) -> int | None:
        """Unload what was asked to go, and what nobody has used for the idle timeout; when the next one is due."""
        due = []
        for model in self.models.values():
            if model.open is None or model.state != "ready":
                continue
            if model.is_leaving and model.in_use == 0:
                self._keeper.unload(model, "somebody asked for that")
            if not model.is_idle or model.is_pinned or self.rules.keep_alive_ns is not None:
                continue
            end = model.open.last_used_ns + model.idle_limit_ns(self.rules.idle_timeout_ns)
            if end <= self._now:
                self._keeper.unload(model, f"idle for {duration(self._now - model.open.last_used_ns)}")
            else:
                due.append(end)
        return min(due, default=None)

    def _warm(self) -> int | None:
        """Send a light prompt to what nobody has asked for so long; when the next one is due."""
        every = self.rules.keep_alive_ns
        if every is None:
            return None
        due = []
        for model in self.models.values():
            if model.open is None or not model.is_idle:
                continue
            next_ns = max(model.open.last_used_ns, model.open.warmed_ns) + every
            if next_ns <= self._now:
                self._keeper.warm(model, model.open)
                next_ns = self._now + every
            due.append(next_ns)
        return min(due, default=None)

    def _pin(self) -> int | None:
        """Wish for what is pinned and not there: at the start, after a crash, a bench or a lack of memory."""
        due = []
        for model in self.models.values():
            if not model.is_pinned or model.state not in ("absent", "failed") or model.wanted_ns is not None:
                continue
            next_ns = max(model.pin_ns, model.retry_ns)
            if next_ns <= self._now:
                model.wished_ns = self._now
            else:
                due.append(next_ns)
        return min(due, default=None)

    def _place(self) -> int | None:
        """Memory for those that want it, the longest waiting first; when to look again."""
        for model in self.models.values():
            if model.open is not None:
                model.open.is_draining = model.is_leaving
        wanting = [(since, m) for m in self.models.values() if (since := m.wanted_ns) is not None]
        deadlines: list[int] = []
        first: tuple[Model, Placement] | None = None
        for _, model in sorted(wanting, key=lambda pair: pair[0]):
            if model.retry_ns > self._now:
                deadlines.append(model.retry_ns)
                continue
            if first is not None and not self._leaves_room(model, *first):
                continue
            placement = place(model, self._books.room(self._now), self.models.values(), self._now, self.rules)
            if placement.is_now:
                self._keeper.load(model)
            elif first is None:
                self._make_room(model, placement)
                first = (model, placement) if placement.is_waiting else None
                deadlines += [] if placement.until_ns is None else [placement.until_ns]
        return min(deadlines, default=None)

    def _leaves_room(self, model: Model, first: Model, placement: Placement) -> bool:
        """Whether loading this one takes nothing from the one that waits longest."""
        coming = {m.opening.key: m for m in (*placement.evict, *placement.drain, *placement.later)}
        coming |= {m.opening.key: m for m in self.models.values() if m.state == "unloading"}
        there = self._books.room(self._now).bytes + sum(m.charge_bytes for m in coming.values())
        return there - first.need_bytes >= model.need_bytes

    def _make_room(self, model: Model, placement: Placement) -> None:
        if placement.is_hopeless:
            self._tell(asyncio.ensure_future(self._refuse_too_large(model, model.take_waiting())))
        for victim in placement.evict:
            victim.tally.evictions += 1
            self._keeper.unload(victim, f"its memory goes to {model.label}")
        for victim in placement.drain:
            if victim.open is not None:
                victim.open.is_draining = True

    async def _refuse_too_large(self, model: Model, waiting: "list[asyncio.Future[Any]]") -> None:
        room, beside = self._books.room(self._now), self._books.beside(model)
        hint = await self._directory.names.hint(model.opening, room.bytes)
        error = too_large(model, room, beside, hint)
        model.pin_ns = self._now + _PIN_AGAIN_NS
        log.warning("%s", error.message)
        refuse(waiting, error)
        self._wake()

    def _tell(self, task: "asyncio.Task[None]") -> None:
        self._telling.add(task)
        task.add_done_callback(self._telling.discard)


def _lease(model: Model, opened: Open, began: int, entered: int) -> Lease:
    context = opened.engine.settings.get("context")
    return Lease(
        model=model.label,
        endpoint=opened.endpoint,
        context=context if isinstance(context, int) else None,
        headers=opened.engine.request_headers(),
        extra_body=opened.engine.extra_body(_ORDINARY),
        waited_ns=entered - began,
        loaded_ns=max(0, opened.ready_ns - began),
    )
