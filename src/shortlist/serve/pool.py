"""The one owner of engines: what is open, for whom, in how much memory, and who waits.

All state changes here, on the event loop, between two awaits: no lock is needed and none is held. Whatever happens (a
request comes or ends, a load or an unload is over, a process dies, a deadline passes) wakes one task, whose `_step`
looks at everything anew: it retires what is idle, decides who gets memory (`placing`, `books`), has engines opened and
closed (`keeper`), and hands free slots to those that wait (`waiting`). The states of a model stand in `model`.
"""

import asyncio
import contextlib
import logging
from collections import OrderedDict
from collections.abc import AsyncIterator, Awaitable, Callable, Iterable
from dataclasses import dataclass
from typing import Any

from shortlist.errors import BrokenStream, ConnectFailed, ConnectionClosed, EngineCrashed
from shortlist.records import Generation
from shortlist.serve.books import Books
from shortlist.serve.keeper import Keeper, Workshop
from shortlist.serve.lease import Demand, Lease, Listed, Used
from shortlist.serve.model import Model, Open
from shortlist.serve.opening import Opening
from shortlist.serve.placing import Placement, Room, Rules, place
from shortlist.serve.refusals import again, queue_full, refuse, stopping, too_large
from shortlist.serve.waiting import Ticket, make_place
from shortlist.units import duration

log = logging.getLogger(__name__)

_CRASH_WAIT_NS = 2 * 10**9
_MEASURE_NS = 5 * 10**9
_MOST_NAMES = 1000
_UNMEASURED_SERVICE_NS = 5e9
_ORDINARY = Generation()


@dataclass(frozen=True, slots=True)
class Names:
    """How names are looked up; all may take their time.

    The opening behind one; what would fit instead; what there is, and one of them, by which are loaded now.
    """

    find: Callable[[str], Awaitable[Opening]]
    hint: Callable[[Opening, int], Awaitable[str | None]]
    listed: Callable[[frozenset[str]], Awaitable[tuple[Listed, ...]]]
    about: Callable[[str, frozenset[str]], Awaitable[Listed]]


class Pool:
    """Implements `lease.Models`. `await start()`, then `await stop()`; both on the loop that leases are asked on."""

    def __init__(self, names: Names, workshop: Workshop, books: Books, rules: Rules) -> None:
        self.rules = rules
        self.models: dict[str, Model] = {}
        self.is_stopping = False
        self._is_closed = False
        self._names, self._clock, self._books = names, workshop.clock, books
        self._keeper = Keeper(workshop, books, self._wake)
        self._known: OrderedDict[str, Model] = OrderedDict()
        self._finding: dict[str, asyncio.Task[Opening]] = {}
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
            model = await self._look_up(name)
            model.is_pinned, model.wished_ns = True, self._now
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
                while any(model.in_use for model in self.models.values()):
                    await self._changed.wait()
        self._is_closed = True
        self._wake()
        if self._main is not None:
            await self._main
        await self._keeper.close_all(self.models)
        self._books.close()

    # --- leases -----------------------------------------------------------------------------------------------------

    @contextlib.asynccontextmanager
    async def lease(self, name: str, demand: Demand) -> AsyncIterator[Lease]:
        """See `lease.Models`. A broken connection inside the block comes out as what ended the engine, if that did."""
        began = self._now
        model, opened = await self._enter(name, demand)
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
            self._leave(model, opened, self._now - entered)

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
        return await self._names.listed(self._loaded)

    async def about(self, name: str) -> Listed:
        """See `lease.Models`."""
        return await self._names.about(name, self._loaded)

    @property
    def room(self) -> Room:
        """What is free for one more model."""
        return self._books.room()

    @property
    def _loaded(self) -> frozenset[str]:
        return frozenset(model.label for model in self.models.values() if model.state == "ready")

    async def _enter(self, name: str, demand: Demand) -> tuple[Model, Open]:
        model = await self._model(name)
        if model.open is not None and model.free_slots > 0 and not len(model.queue):
            return model, self._grant(model, model.open)
        ticket = Ticket(demand.client, self._now, asyncio.get_running_loop().create_future())
        self._add(model, ticket)
        self._wake()
        try:
            opened: Open = await ticket.granted
        except asyncio.CancelledError:
            if ticket.granted.cancelled() or ticket.granted.exception() is not None:
                model.queue.remove(ticket)
                self._wake()
            else:  # it was granted in the moment in which its client went
                self._leave(model, ticket.granted.result(), None)
            raise
        return model, opened

    def _add(self, model: Model, ticket: Ticket) -> None:
        queues = [m.queue for m in self.models.values()]
        waiting = sum(map(len, queues))
        if waiting >= self.rules.queue_limit:
            gives_way = make_place(queues, ticket.client) or ticket
            gives_way.refuse(queue_full(model, waiting, self._expected_s(model)))
            if gives_way is ticket:
                return
        model.queue.add(ticket)

    def _grant(self, model: Model, opened: Open) -> Open:
        now = self._now
        if now - opened.last_used_ns >= self.rules.idle_timeout_ns:  # it would be gone, but for keep-alive or its pin
            model.tally.kept_loads += 1
            model.tally.kept_ns += round(model.tally.load_ns or 0)
        opened.in_use += 1
        opened.requests += 1
        opened.last_used_ns = now
        return opened

    def _leave(self, model: Model, opened: Open, took_ns: int | None) -> None:
        opened.in_use -= 1
        opened.last_used_ns = self._now
        if took_ns is not None:
            model.tally.requests += 1
            before = model.tally.service_ns
            model.tally.service_ns = took_ns if before is None else before + (took_ns - before) / 8
        if opened is model.open:
            self._hand_out(model)
        if opened.in_use == 0 or opened is not model.open:
            self._wake()

    def _hand_out(self, model: Model) -> None:
        """Free slots to those that wait."""
        while model.free_slots > 0 and model.open is not None:
            ticket = model.queue.take()
            if ticket is None:
                return
            ticket.granted.set_result(self._grant(model, model.open))

    def _expected_s(self, model: Model) -> int:
        """How long one more would wait, by what requests and loads took so far."""
        service_ns = model.tally.service_ns or _UNMEASURED_SERVICE_NS
        load_ns = 0 if model.state == "ready" else model.tally.load_ns or 0
        total_ns = load_ns + service_ns * (len(model.queue) / model.opening.spec.parallel + 1)
        return max(1, min(600, round(total_ns / 1e9)))

    # --- names ------------------------------------------------------------------------------------------------------

    async def _model(self, name: str) -> Model:
        """The model of a name. Raises what finding it raises, and what stands in the way of its being loaded."""
        if self.is_stopping:
            raise stopping()
        model = self._known.get(name)
        if model is None or model.state in ("absent", "failed"):
            model = await self._look_up(name)
        if self.is_stopping:
            raise stopping()
        if model.state == "failed" and model.error is not None and self._now < model.retry_ns:
            raise again(model.error, model.retry_ns - self._now)
        return model

    async def _look_up(self, name: str) -> Model:
        """Anew for each load: files, licence policy and models.json may have changed. Many askers are one search."""
        task = self._finding.get(name)
        if task is None:
            task = self._finding[name] = asyncio.ensure_future(self._find(name))
            task.add_done_callback(lambda _: self._finding.pop(name, None))
        opening = await asyncio.shield(task)
        model = self.models.get(opening.key)
        if model is None:
            model = self.models[opening.key] = Model(opening)
        elif model.state in ("absent", "failed"):
            model.opening = opening
        self._known[name] = model
        if len(self._known) > _MOST_NAMES:
            self._known.popitem(last=False)
        return model

    async def _find(self, name: str) -> Opening:
        return await self._names.find(name)

    # --- the management's wishes ------------------------------------------------------------------------------------

    async def load(self, name: str) -> Model:
        """Load a model without asking it anything; returns when it is ready. Raises as `lease`; a back-off is ended."""
        model = await self._look_up(name)
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
        model = await self._look_up(name)
        await self._let_go([model], force=force)
        return model

    async def unload_all(self, *, force: bool = False) -> list[Model]:
        """Unload everything; the models that were open."""
        opened = [m for m in self.models.values() if m.state in ("ready", "loading")]
        await self._let_go(opened, force=force)
        return opened

    async def _let_go(self, models: list[Model], *, force: bool) -> None:
        for model in models:
            model.is_pinned, model.wished_ns = False, None
            model.is_leaving = model.state in ("ready", "loading")
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
        deadlines = [self._measure(), self._retire(), self._place()]
        for model in self.models.values():
            self._hand_out(model)
        return min((d for d in deadlines if d is not None), default=None)

    def _measure(self) -> int | None:
        """Read what the engines take, now and then; when to do it next."""
        if not any(model.open is not None for model in self.models.values()):
            return None
        if self._now - self._measured_ns >= _MEASURE_NS:
            self._measured_ns = self._now
            self._books.measure()
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
            end = model.open.last_used_ns + self.rules.idle_timeout_ns
            if end <= self._now:
                self._keeper.unload(model, f"idle for {duration(self.rules.idle_timeout_ns)}")
            else:
                due.append(end)
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
            placement = place(model, self._books.room(), self.models.values(), self._now, self.rules)
            if placement.is_now:
                self._keeper.load(model)
            elif first is None:
                self._make_room(model, placement)
                first = (model, placement) if placement.is_waiting else None
                deadlines += [] if placement.until_ns is None else [placement.until_ns]
        return min(deadlines, default=None)

    def _leaves_room(self, model: Model, first: Model, placement: Placement) -> bool:
        """Whether loading this one takes nothing from the one that waits longest."""
        coming = {m.label: m for m in (*placement.evict, *placement.drain, *placement.later)}
        coming |= {m.label: m for m in self.models.values() if m.state == "unloading"}
        there = self._books.room().bytes + sum(m.charge_bytes for m in coming.values())
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
        room, beside = self._books.room(), self._books.beside(model)
        hint = await self._names.hint(model.opening, room.bytes)
        error = too_large(model, room, beside, hint)
        log.warning("%s", error.message)
        refuse(waiting, error)

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
