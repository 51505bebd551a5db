"""Who waits for a model: a bounded queue in which each client has its turn, whatever another one piles up.

Clients are served round robin, each one's own requests in the order of their arrival. The bound is on all that wait in
the service. When it is reached, a client that has at least two fewer waiting than the greediest one takes the place of
that one's newest request; everybody else is refused.
"""

import asyncio
from collections import OrderedDict, deque
from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import Any


@dataclass(slots=True, eq=False)
class Ticket:
    """A request that waits. `granted` becomes what the pool hands out, or the error that ends the waiting."""

    client: str
    since_ns: int
    granted: "asyncio.Future[Any]" = field(repr=False)

    @property
    def is_over(self) -> bool:
        """Answered already, or nobody waits any more."""
        return self.granted.done()

    def refuse(self, error: Exception) -> None:
        """End the waiting with an error."""
        if not self.granted.done():
            self.granted.set_exception(error)


class Queue:
    """The tickets of one model."""

    def __init__(self) -> None:
        self._of: OrderedDict[str, deque[Ticket]] = OrderedDict()
        self._count = 0

    def __len__(self) -> int:
        return self._count

    def __iter__(self) -> Iterator[Ticket]:
        return (ticket for tickets in self._of.values() for ticket in tickets)

    def add(self, ticket: Ticket) -> None:
        """Behind its client's others."""
        self._of.setdefault(ticket.client, deque()).append(ticket)
        self._count += 1

    def remove(self, ticket: Ticket) -> None:
        """A ticket whose client went away; one that is not here is passed over."""
        mine = self._of.get(ticket.client)
        if mine is None or ticket not in mine:
            return
        mine.remove(ticket)
        self._count -= 1
        if not mine:
            del self._of[ticket.client]

    def take(self) -> Ticket | None:
        """The next one: the oldest of the client whose turn it is, who then goes to the end of the round."""
        while self._of:
            client, mine = next(iter(self._of.items()))
            ticket = mine.popleft()
            self._count -= 1
            if mine:
                self._of.move_to_end(client)
            else:
                del self._of[client]
            if not ticket.is_over:
                return ticket
        return None

    def clear(self) -> list[Ticket]:
        """All of them, taken out."""
        found = list(self)
        self._of.clear()
        self._count = 0
        return found

    @property
    def oldest_ns(self) -> int | None:
        """Since when the longest waiting one waits."""
        return min((mine[0].since_ns for mine in self._of.values()), default=None)

    def waiting_of(self, client: str) -> int:
        """How many of one client wait here."""
        return len(self._of.get(client, ()))

    def newest_of(self, client: str) -> Ticket | None:
        """The last that a client put here."""
        mine = self._of.get(client)
        return mine[-1] if mine else None


def greediest(queues: list[Queue]) -> tuple[str, int] | None:
    """The client that has most waiting over all of these, and how many."""
    counts: dict[str, int] = {}
    for queue in queues:
        for ticket in queue:
            counts[ticket.client] = counts.get(ticket.client, 0) + 1
    return max(counts.items(), key=lambda item: item[1]) if counts else None


def make_place(queues: list[Queue], client: str) -> Ticket | None:
    """The ticket, taken out of its queue, that gives way to a new one of `client`; None: nobody is that greedy."""
    found = greediest(queues)
    mine = sum(queue.waiting_of(client) for queue in queues)
    if found is None or found[1] < mine + 2:
        return None
    theirs = [(queue, ticket) for queue in queues if (ticket := queue.newest_of(found[0])) is not None]
    queue, newest = max(theirs, key=lambda pair: pair[1].since_ns)
    queue.remove(newest)
    return newest
