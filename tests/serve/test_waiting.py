"""The queue: each client in turn, its own in order, and who gives way when there is no place left."""

import asyncio
from collections.abc import Iterable

from hypothesis import given
from hypothesis import strategies as st

from shortlist.serve.waiting import Queue, Ticket, greediest, make_place

LOOP = asyncio.new_event_loop()
LOOP.close()


def ticket(client: str, at: int) -> Ticket:
    return Ticket(client, at, asyncio.Future(loop=LOOP))


def queue(clients: Iterable[str]) -> Queue:
    found = Queue()
    for at, client in enumerate(clients):
        found.add(ticket(client, at))
    return found


def taken(found: Queue) -> list[tuple[str, int]]:
    told = []
    while one := found.take():
        told.append((one.client, one.since_ns))
    return told


def test_clients_take_turns_and_each_ones_requests_keep_their_order() -> None:
    assert taken(queue("aaabac")) == [("a", 0), ("b", 3), ("c", 5), ("a", 1), ("a", 2), ("a", 4)]


@given(st.lists(st.sampled_from("abcd"), max_size=40))
def test_nobody_is_passed_by_more_than_once_by_each_other_client(clients: list[str]) -> None:
    order = taken(queue(clients))
    assert sorted(order) == sorted(zip(clients, range(len(clients)), strict=True))
    for client in set(clients):
        places = [place for place, (who, _) in enumerate(order) if who == client]
        stamps = [order[place][1] for place in places]
        assert stamps == sorted(stamps)
        for before, after in zip([-1, *places], places, strict=False):
            assert after - before <= len(set(clients))


def test_what_is_over_is_passed_over() -> None:
    found = queue("ab")
    next(iter(found)).granted.cancel()
    assert taken(found) == [("b", 1)]
    assert (len(found), found.oldest_ns) == (0, None)


def test_what_was_taken_away_is_gone_and_taking_it_again_changes_nothing() -> None:
    found = Queue()
    one, other = ticket("a", 1), ticket("a", 2)
    found.add(one)
    found.add(other)
    assert found.oldest_ns == 1
    found.remove(one)
    found.remove(one)
    assert (len(found), found.oldest_ns) == (1, 2)
    found.remove(other)
    assert (len(found), found.take()) == (0, None)


def test_the_greediest_ones_newest_gives_way_to_who_has_less() -> None:
    first, second = queue("aab"), queue("aac")
    assert greediest([first, second]) == ("a", 4)
    gives_way = make_place([first, second], "new")
    assert gives_way is not None
    assert gives_way.client == "a"
    assert len(first) + len(second) == 5


def test_who_has_nearly_as_much_waiting_is_refused_himself() -> None:
    full = [queue("aab")]
    assert make_place(full, "a") is None
    assert make_place(full, "b") is None
    assert make_place(full, "c") is not None
