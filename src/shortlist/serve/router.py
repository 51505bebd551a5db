"""Requests that leave the model open: `auto`, `auto:TAG` and the routes that somebody has set.

Stands before the pool and is to the HTTP side what the pool is: names of models go through untouched. A route's models
are asked in their order; one that cannot be loaded, has no room, no free place in its queue or cannot do what is asked
passes the request to the next, and `Lease.route` says so. What fails later, before a byte is sent, is asked again by
`app` with the failed ones in `Demand.failed`.
"""

import contextlib
import logging
from collections.abc import AsyncIterator
from dataclasses import replace

from shortlist.errors import BadInput, NotDownloaded, ShortlistError
from shortlist.serve.checks import PASSES_ON
from shortlist.serve.chooser import Chooser
from shortlist.serve.choosing import Order
from shortlist.serve.features import BY_TEMPLATE
from shortlist.serve.lease import Demand, Lease, Listed, Models, Used
from shortlist.serve.routes import Asked, asked

log = logging.getLogger(__name__)

_MOST_TRIED = 3


class Router:
    """Implements `lease.Models` over another."""

    def __init__(self, models: Models, chooser: Chooser) -> None:
        self._models, self._chooser = models, chooser

    # --- lease.Models -----------------------------------------------------------------------------------------------

    @contextlib.asynccontextmanager
    async def lease(self, name: str, demand: Demand) -> AsyncIterator[Lease]:
        """See `lease.Models`."""
        wanted = asked(name, self._chooser.routes())
        if wanted is None:
            async with self._models.lease(name, demand) as lease:
                yield lease
            return
        found = await self._chooser.explain(wanted, demand)
        async with contextlib.AsyncExitStack() as stack:
            yield await self._first(stack, wanted, found, demand)

    def used(self, lease: Lease, used: Used) -> None:
        """See `lease.Models`."""
        self._models.used(lease, used)

    async def listed(self) -> tuple[Listed, ...]:
        """The models, then the routes that are set."""
        routes = self._chooser.routes()
        return (*await self._models.listed(), *(_shown(name) for name in sorted(routes)))

    async def about(self, name: str) -> Listed:
        """See `lease.Models`."""
        wanted = asked(name, self._chooser.routes())
        return await self._models.about(name) if wanted is None else _shown(name)

    async def _first(self, stack: contextlib.AsyncExitStack, wanted: Asked, found: Order, demand: Demand) -> Lease:
        """The first model that can be had. Raises the first failure, or NotDownloaded where nobody could be asked."""
        before = dict(demand.failed)
        tried: list[tuple[str, ShortlistError]] = [*demand.failed]
        for place in found.ranked:
            name = place.option.name
            if name in before or len(tried) >= _MOST_TRIED:
                continue
            trial = contextlib.AsyncExitStack()
            try:
                lease = await trial.enter_async_context(self._models.lease(name, replace(demand, failed=())))
            except ShortlistError as error:
                tried.append((name, error))
                log.info("%s: %s cannot be had: %s", wanted.name, name, error.message)
                continue
            missing = self._missing(name, lease, demand)
            if missing:
                await trial.aclose()
                tried.append((name, BadInput(f"{lease.model} cannot do {', '.join(missing)}")))
                continue
            stack.push_async_exit(trial)
            return replace(lease, route=_told(wanted, found, place.why, tried))
        raise _nobody(wanted, found, tried)

    def _missing(self, name: str, lease: Lease, demand: Demand) -> list[str]:
        """What this engine cannot do of what is asked; remembered for the next request."""
        has = frozenset(lease.endpoint.capabilities)
        if PASSES_ON in has:  # it alone knows what it can do
            return []
        if BY_TEMPLATE in has:  # which is looked at once the model is asked
            has |= {"tools", "reasoning_effort"}
        self._chooser.learn(name, has)
        return sorted(demand.features - has)


def _told(wanted: Asked, found: Order, why: str, tried: list[tuple[str, ShortlistError]]) -> str:
    """One line for X-Shortlist-Route: what was asked for, why this one, who was passed over."""
    tags = ",".join(found.wish.tags)
    head = wanted.name if wanted.tags or wanted.route or not tags else f"{wanted.name} (read as {tags})"
    passed = "".join(f"; passed over {name}: {error.message[:80]}" for name, error in tried)
    return f"{head}: {why}{passed}"


def _nobody(wanted: Asked, found: Order, tried: list[tuple[str, ShortlistError]]) -> ShortlistError:
    """Of several failures the first keeps its kind, and with it status and Retry-After: it is the preferred model's."""
    if tried:
        first = tried[0][1]
        if len(tried) > 1:
            told = "; ".join(f"{name}: {error.message}" for name, error in tried)
            first.message = f"{wanted.name}: every model failed: {told}"
        return first
    reasons = "; ".join(f"{one.name} {one.reason}" for one in found.excluded[:5]) or "no model is here"
    return NotDownloaded(f"no model can answer {wanted.name}: {reasons}", hint="shortlist route explain TEXT shows all")


def _shown(name: str) -> Listed:
    return Listed(name, format="route")
