"""Slots of open models: handed to who comes when one is free, else in turn to those that wait."""

import asyncio
import logging
from collections.abc import Callable, Mapping

from shortlist.clock import Clock
from shortlist.serve.model import Model, Open
from shortlist.serve.placing import Rules
from shortlist.serve.refusals import queue_full
from shortlist.serve.waiting import Ticket, make_place
from shortlist.units import duration

log = logging.getLogger(__name__)

_UNMEASURED_SERVICE_NS = 5e9


class Desk:
    """Counts what is in each engine. `wake` tells the pool that somebody waits, or that an engine is idle."""

    def __init__(self, models: Mapping[str, Model], rules: Rules, clock: Clock, wake: Callable[[], None]) -> None:
        self._models, self._rules, self._clock, self._wake = models, rules, clock, wake

    @property
    def _now(self) -> int:
        return self._clock.now_ns()

    async def enter(self, model: Model, client: str) -> Open:
        """A slot of the model, at this client's turn. Raises QueueFull, or why there will be none."""
        if model.open is not None and model.free_slots > 0 and not len(model.queue):
            return self._grant(model, model.open)
        ticket = Ticket(client, self._now, asyncio.get_running_loop().create_future())
        self._add(model, ticket)
        self._wake()
        try:
            granted: Open = await ticket.granted
        except asyncio.CancelledError:
            if ticket.granted.cancelled() or ticket.granted.exception() is not None:
                model.queue.remove(ticket)
                self._wake()
            else:  # it was granted in the moment in which its client went
                self.leave(model, ticket.granted.result(), None)
            raise
        return granted

    def _add(self, model: Model, ticket: Ticket) -> None:
        queues = [m.queue for m in self._models.values()]
        waiting = sum(map(len, queues))
        if waiting >= self._rules.queue_limit:
            gives_way = make_place(queues, ticket.client) or ticket
            gives_way.refuse(queue_full(model, waiting, self._expected_s(model)))
            if gives_way is ticket:
                return
        model.queue.add(ticket)

    def _grant(self, model: Model, opened: Open) -> Open:
        now = self._now
        limit_ns = model.idle_limit_ns(self._rules.idle_timeout_ns)
        if now - opened.last_used_ns >= limit_ns:  # it would be gone, but for keep-alive or its pin
            saved_ns = round(model.tally.load_ns or 0)
            model.tally.kept_loads += 1
            model.tally.kept_ns += saved_ns
            log.info("%s: it was kept, which saved a load of %s", model.label, duration(saved_ns))
        opened.in_use += 1
        opened.requests += 1
        opened.last_used_ns = now
        return opened

    def leave(self, model: Model, opened: Open, took_ns: int | None) -> None:
        """Give a slot back after so long; None: it was never used."""
        opened.in_use -= 1
        opened.last_used_ns = self._now
        if took_ns is not None:
            model.tally.requests += 1
            before = model.tally.service_ns
            model.tally.service_ns = took_ns if before is None else before + (took_ns - before) / 8
        if opened is model.open:
            self.hand_out(model)
        if opened.in_use == 0 or opened is not model.open:
            self._wake()

    def hand_out(self, model: Model) -> None:
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
