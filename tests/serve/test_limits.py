"""What a client can take before its request is under way: bytes, time, connections; over real sockets."""

import asyncio
import contextlib
import socket
import threading
from collections.abc import Iterator
from typing import Any

import pytest

from serve.raw import exchange, first
from serve.services import until
from shortlist.serve.limits import Crowd, Limits, Phase, connections_possible, peer_of
from shortlist.serve.replies import Problem
from shortlist.serve.server import Listen, Server, new_loop

CHUNKED = b"POST / HTTP/1.1\r\nTransfer-Encoding: chunked\r\n\r\n"
SHORT = Limits(head_s=0.2, body_s=0.2, idle_s=0.2, linger_s=0.1, body_bytes_per_s=10**6, connections=24)


async def app(scope: Any, receive: Any, send: Any) -> None:
    """Answers with the body's size, and the trailers that should not be there."""
    size, more = 0, scope["path"] != "/early"
    while more:
        message = await receive()
        if message["type"] == "http.disconnect":
            return
        size, more = size + len(message["body"]), message["more_body"]
    body = b"%d %d" % (size, sum(name == b"x-late" for name, _ in scope["headers"]))
    await send({"type": "http.response.start", "status": 200, "headers": [(b"content-length", b"%d" % len(body))]})
    await send({"type": "http.response.body", "body": body})


@pytest.fixture(scope="module")
def server() -> Iterator[Server]:
    with serving(SHORT) as found:
        yield found


@contextlib.contextmanager
def serving(limits: Limits) -> Iterator[Server]:
    made: list[Server] = []
    ready, stopping = threading.Event(), asyncio.Event()

    async def main() -> None:
        server = Server(app, Listen(port=0, limits=limits))
        await server.start()
        made.append(server)
        loops.append(asyncio.get_running_loop())
        ready.set()
        await stopping.wait()
        await server.stop(1)

    loops: list[asyncio.AbstractEventLoop] = []

    def run() -> None:
        with asyncio.Runner(loop_factory=new_loop) as runner:
            runner.run(main())

    worker = threading.Thread(target=run)
    worker.start()
    assert ready.wait(30)
    try:
        yield made[0]
    finally:
        loops[0].call_soon_threadsafe(stopping.set)
        worker.join()


@pytest.mark.parametrize(
    ("data", "status", "code"),
    [
        (b"GET /" + b"a" * 20_000 + b" HTTP/1.1\r\n", 414, "uri_too_long"),
        (b"GET / HTTP/1.1\r\nx: " + b"a" * 400_000, 431, "headers_too_large"),
        (b"GET / HTTP/1.1\r\n" + b"x: y\r\n" * 101 + b"\r\n", 431, "headers_too_large"),
        (b"GET / HTTP/1.1\r\n" + b"x: %b\r\n" % (b"y" * 1000) * 70 + b"\r\n", 431, "headers_too_large"),
        (b"GET http://evil.example/ HTTP/1.1\r\nHost: x\r\n\r\n", 400, "invalid_http"),
        (b"CONNECT evil.example:443 HTTP/1.1\r\nHost: x\r\n\r\n", 400, "invalid_http"),
        (b"GET /\xff\xfe HTTP/1.1\r\nHost: x\r\n\r\n", 400, "invalid_http"),
        (b"GET / HTTP/1.1\r\nbroken\r\n\r\n", 400, "invalid_http"),
        (b"GET / HTTP/1.1\r\nx: a\x00b\r\n\r\n", 400, "invalid_http"),
        (b"\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03", 400, "invalid_http"),
        (b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n", 400, "invalid_http"),
        (b"POST / HTTP/1.1\r\nContent-Length: 3\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n", 400, "invalid_http"),
        (b"POST / HTTP/1.1\r\nContent-Length: 3\r\nContent-Length: 4\r\n\r\nabcd", 400, "invalid_http"),
        (b"POST / HTTP/1.1\r\nContent-Length: -1\r\n\r\n", 400, "invalid_http"),
        (CHUNKED + b"zz\r\n", 400, "invalid_http"),
        (CHUNKED + b"1;%b\r\na\r\n" % bytes(60 * [101]) * 9000, 400, "invalid_http"),
        (CHUNKED + b"0\r\nx: " + b"a" * 400_000, 400, "invalid_http"),
    ],
)  # fmt: skip
def test_what_is_too_large_or_no_http_is_answered_and_closed(
    server: Server, data: bytes, status: int, code: str
) -> None:
    said = first(exchange(server.port, data))
    assert (said.status, said.code) == (status, code)
    assert b"connection: close" in said.head
    assert b"x-request-id: req-" in said.head


@pytest.mark.parametrize(
    "begun",
    [
        b"",
        b"GET /v1/mod",
        b"GET / HTTP/1.1\r\nHost: x\r\nX: y",
        b"POST / HTTP/1.1\r\nHost: x\r\nContent-Length: 10\r\n\r\nabc",
        b"POST / HTTP/1.1\r\nHost: x\r\nTransfer-Encoding: chunked\r\n\r\n5\r\nab",
        b"\r\n\r\n\r\n",
    ],
)
def test_who_stops_in_the_middle_of_a_request_is_told_and_cut_off(server: Server, begun: bytes) -> None:
    said = first(exchange(server.port, begun))
    assert (said.status, said.code) == (408, "request_timeout")
    until(lambda: not len(server.crowd))


def test_a_byte_now_and_then_buys_no_time(server: Server) -> None:
    """Neither in the head, nor in the body, nor as empty lines between two requests."""
    whole = b"GET / HTTP/1.1\r\nHost: x\r\n\r\n"
    for begun, drip in (
        (b"GET / HTTP/1.1\r\n", b"x: y\r\n"),
        (b"POST / HTTP/1.1\r\nContent-Length: 999\r\n\r\n", b"a"),
        (whole, b"\r\n"),
    ):
        with socket.create_connection(("127.0.0.1", server.port), timeout=0.05) as sock:
            sock.sendall(begun)
            got, is_open = b"", True
            for _ in range(200):
                try:
                    sock.sendall(drip)
                    piece = sock.recv(4096)
                    got += piece
                    is_open = bool(piece)
                except TimeoutError:
                    continue
                except ConnectionError:
                    is_open = False
                if not is_open:
                    break
            assert not is_open
            assert b"408" in got or begun == whole


def test_an_idle_connection_is_closed_without_a_word(server: Server) -> None:
    got = exchange(server.port, b"GET / HTTP/1.1\r\nHost: x\r\n\r\n")
    assert got.endswith(b"\r\n\r\n0 0")


def test_trailers_do_not_become_headers(server: Server) -> None:
    """The guard has looked at those by then."""
    chunked = b"POST / HTTP/1.1\r\nHost: x\r\nTransfer-Encoding: chunked\r\n\r\n3\r\nabc\r\n0\r\nX-Late: 1\r\n\r\n"
    assert first(exchange(server.port, chunked)).body == b"3 0"


def test_a_request_before_a_broken_one_is_answered_whole_and_alone(server: Server) -> None:
    good = b"POST / HTTP/1.1\r\nHost: x\r\nContent-Length: 3\r\n\r\nabc"
    got = exchange(server.port, good + good + b"\x00\x01 nonsense\r\n\r\n" + good)
    assert got.count(b"HTTP/1.1 200 OK") == 2
    assert got.count(b"HTTP/1.1") == 2


def test_an_upgrade_is_answered_as_if_it_had_not_been_asked_for(server: Server) -> None:
    asked = b"GET / HTTP/1.1\r\nHost: x\r\nConnection: Upgrade\r\nUpgrade: websocket\r\n\r\n\x81\x85garbage"
    got = exchange(server.port, asked)
    assert first(got).body == b"0 0"
    assert got.count(b"HTTP/1.1") == 1


def test_a_body_that_nobody_wants_any_more_ends(server: Server) -> None:
    """The answer was given early: it is read, though the client sends on for ever."""
    with socket.create_connection(("127.0.0.1", server.port), timeout=10) as sock:
        sock.sendall(b"POST /early HTTP/1.1\r\nHost: x\r\nContent-Length: 99999999\r\n\r\n")
        assert sock.recv(4096).startswith(b"HTTP/1.1 200")
        is_open = True
        while is_open:
            try:
                sock.sendall(b"a" * 1000)
            except ConnectionError:
                is_open = False


def test_a_connection_goes_on_after_an_early_answer_whose_body_came_whole(server: Server) -> None:
    early = b"POST /early HTTP/1.1\r\nHost: x\r\nContent-Length: 3\r\n\r\nabc"
    assert exchange(server.port, early + early).count(b"HTTP/1.1 200 OK") == 2


def test_the_one_that_waited_longest_makes_place_and_a_request_under_way_never(server: Server) -> None:
    with contextlib.ExitStack() as stack:
        socks = [stack.enter_context(socket.create_connection(("127.0.0.1", server.port))) for _ in range(60)]
        until(lambda: server.crowd.dropped >= 60 - SHORT.connections)
        assert len(server.crowd) <= SHORT.connections
        assert first(exchange(server.port, b"GET / HTTP/1.0\r\nHost: x\r\n\r\n")).body == b"0 0"
        assert socks[0].recv(1) == b""


class Stub:
    """A member of the crowd."""

    def __init__(self, peer: str, phase: Phase, since_ns: int = 0) -> None:
        self.peer, self.phase, self.since_ns = peer, phase, since_ns
        self.body_bytes = 0
        self.is_closing = self.is_held = False
        self.is_dropped = False

    def cut(self, problem: Problem) -> None:
        raise AssertionError(problem)

    def drop(self) -> None:
        self.is_dropped = True


def test_one_peer_takes_the_places_of_no_other() -> None:
    async def main() -> None:
        crowd = Crowd(Limits(connections=8, per_peer=3))
        greedy = [Stub("10.0.0.1", Phase.BUSY) for _ in range(3)]
        assert all(crowd.enter(one) for one in greedy)
        assert not crowd.enter(Stub("10.0.0.1", Phase.HEAD))
        greedy[1].phase = Phase.IDLE
        assert crowd.enter(Stub("10.0.0.1", Phase.HEAD))
        assert greedy[1].is_dropped
        here = [Stub("127.0.0.1", Phase.HEAD, since) for since in range(5)]
        assert all(crowd.enter(one) for one in here)
        assert len(crowd) == 8
        assert crowd.enter(Stub("10.0.0.2", Phase.HEAD))
        assert [one.is_dropped for one in here] == [True, False, False, False, False]

    asyncio.run(main())


def test_who_counts_as_one_peer() -> None:
    assert peer_of("2001:db8::1") == peer_of("2001:db8::ffff:1") != peer_of("2001:db8:0:1::1")
    assert (peer_of("::1"), peer_of("10.0.0.1"), peer_of(None)) == ("::1", "10.0.0.1", "local")
    assert connections_possible(16) == 16
