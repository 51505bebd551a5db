"""Requests that no client means to send, from a seed; and clients that take their time."""

import contextlib
import json
import random
import re
import select
import socket
import threading
from collections import Counter
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field

from serve.raw import head
from serve.services import Daemon
from shortlist.clock import monotonic_ns, sleep_blocking_ns

PATHS = [
    "/v1/chat/completions",
    "/v1/completions",
    "/v1/embeddings",
    "/v1/responses",
    "/openai/load/quick",
    "/v1/models",
]


def chat_body(rng: random.Random) -> bytes:
    """A chat that is right, or nearly so."""
    body: dict[str, object] = {"model": "quick", "messages": [{"role": "user", "content": "Hi"}], "max_tokens": 2}
    odd: list[object] = [None, -1, 1e400, 2**70, "", [], {}, "\x00", "\ud800", [[]] * 50, True, "a" * 3000]
    body[rng.choice([*body, "stream", "stop", "n", "seed", "tools", "response_format", "stream_options"])] = rng.choice(
        odd
    )
    return json.dumps(body).encode()


def post(port: int, rng: random.Random, body: bytes, *fields: str) -> bytes:
    return head(port, f"POST {rng.choice(PATHS)} HTTP/1.1", f"Content-Length: {len(body)}", *fields) + body


def noise(port: int, rng: random.Random) -> bytes:
    return rng.randbytes(rng.randrange(1, 3000))


def flipped(port: int, rng: random.Random) -> bytes:
    data = bytearray(post(port, rng, chat_body(rng)))
    for _ in range(rng.randrange(1, 8)):
        data[rng.randrange(len(data))] = rng.randrange(256)
    return bytes(data)


def cut(port: int, rng: random.Random) -> bytes:
    data = post(port, rng, chat_body(rng))
    return data[: rng.randrange(1, len(data))]


def lying(port: int, rng: random.Random) -> bytes:
    length = rng.choice(["-1", "0x10", "99999999999999999999", "1e3", "", "5, 5", "+7", "10"])
    return head(port, "POST /v1/chat/completions HTTP/1.1", f"Content-Length: {length}") + b"{}"


def huge(port: int, rng: random.Random) -> bytes:
    field = rng.choice(["X", "Authorization", "Cookie", "X-Request-Id", "Origin", "Host"])
    return head(port, "GET /v1/models HTTP/1.1", *[f"{field}: {'a' * rng.randrange(9000)}"] * rng.randrange(1, 120))


def chunked(port: int, rng: random.Random) -> bytes:
    start = head(port, f"POST {rng.choice(PATHS)} HTTP/1.1", "Transfer-Encoding: chunked")
    body = chat_body(rng)
    ways = [
        b"%x\r\n%b\r\n0\r\n\r\n" % (len(body), body),
        b"ffffffffffffffffff\r\n", b"-1\r\n", b"5\r\nab", b"0\r\nX-Evil: 1\r\nHost: evil\r\n\r\n", b"1;" + b"x" * 70000,
        b"1\r\na\r\n" * 2000, b"\r\n\r\n", b"%x;a=%b\r\n%b\r\n0\r\n\r\n" % (len(body), rng.randbytes(9), body),
    ]  # fmt: skip
    return start + rng.choice(ways)


def pipelined(port: int, rng: random.Random) -> bytes:
    several = [rng.choice([flipped, chunked, fine, cut])(port, rng) for _ in range(rng.randrange(2, 12))]
    return b"".join(several)


def not_text(port: int, rng: random.Random) -> bytes:
    body = rng.choice(
        [b'{"model": "\xff\xfe"}', b"\xef\xbb\xbf{}", b"[" * 5000, b'{"a":' * 3000, b'"' + b"\\u" * 99, b"nul"]
    )
    return post(port, rng, body)


def odd_target(port: int, rng: random.Random) -> bytes:
    target = rng.choice([
        "*", "//", "/%00", "/%2e%2e/%2e%2e/etc/passwd", "/v1/models/" + "%f0%9f" * 30, "http://x/", "?a",
        "/v1/models?" + "&" * 2000, "/\u00e9", "/openapi.json#x", "/metrics\x00",
    ])  # fmt: skip
    method = rng.choice(["GET", "HEAD", "OPTIONS", "PURGE", "SUBSCRIBE", "get", "G\x00T", "CONNECT", "TRACE", "PRI"])
    return head(port, f"{method} {target} HTTP/{rng.choice(['1.1', '1.0', '0.9', '2.0', '11', ''])}")


def fine(port: int, rng: random.Random) -> bytes:
    return post(port, rng, chat_body(rng))


KINDS: list[Callable[[int, random.Random], bytes]] = [
    noise, flipped, cut, lying, huge, chunked, pipelined, not_text, odd_target, fine,
]  # fmt: skip


@dataclass
class Tally:
    """What came back: statuses, and each 5xx as a whole."""

    statuses: Counter[int] = field(default_factory=Counter)
    failed: list[bytes] = field(default_factory=list)
    good: int = 0
    bad: list[str] = field(default_factory=list)


def fuzz(port: int, count: int, seed: int, tally: Tally) -> None:
    """One after another; each on a connection of its own, whose replies are read for a moment."""
    rng = random.Random(seed)
    for number in range(count):
        data = KINDS[number % len(KINDS)](port, rng)
        got = b""
        with socket.create_connection(("127.0.0.1", port), timeout=0.05) as sock, contextlib.suppress(OSError):
            sock.sendall(data)
            if rng.random() < 0.5:
                sock.shutdown(socket.SHUT_WR)
            while piece := sock.recv(65536):
                got += piece
        for part in re.split(rb"HTTP/1\.1 (?=[1-5]\d\d [A-Z])", got)[1:]:
            status = int(part[:3])
            tally.statuses[status] += 1
            if status >= 500:
                tally.failed.append(part)


@contextlib.contextmanager
def asked_throughout(service: Daemon, tally: Tally) -> Iterator[None]:
    """A good request again and again while the block runs; each one that is not answered is written down."""
    stopping = threading.Event()

    def ask() -> None:
        while not stopping.is_set():
            try:
                status = service.chat("quick", max_tokens=2).status
            except OSError as error:
                tally.bad.append(repr(error))
                continue
            if status == 200:
                tally.good += 1
            else:
                tally.bad.append(str(status))

    with ThreadPoolExecutor(1) as threads:
        asking = threads.submit(ask)
        try:
            yield
        finally:
            stopping.set()
            asking.result()


def slow_clients(port: int, count: int, span_s: float) -> int:
    """This many who send a byte now and then, or read nothing; how many were let go by the service within the time."""
    starts = [
        b"", b"GET /v1/models HT", head(port)[:-2], head(port, "POST /v1/completions HTTP/1.1", "Content-Length: 99"),
        head(port, "POST /v1/completions HTTP/1.1", "Transfer-Encoding: chunked") + b"4\r\nab",
    ]  # fmt: skip
    with contextlib.ExitStack() as stack:
        socks: list[socket.socket] = []
        gone: set[socket.socket] = set()
        for number in range(count):
            sock = stack.enter_context(socket.create_connection(("127.0.0.1", port), timeout=10))
            sock.setblocking(False)
            with contextlib.suppress(OSError):
                sock.send(starts[number % len(starts)])
            socks.append(sock)
        end = monotonic_ns() + round(span_s * 1e9)
        while monotonic_ns() < end and len(gone) < count:
            for sock in socks:
                if sock not in gone and _is_gone(sock):
                    gone.add(sock)
            sleep_blocking_ns(200_000_000)
        return len(gone)


def _is_gone(sock: socket.socket) -> bool:
    try:
        sock.send(b"x")
        poll = select.poll()
        poll.register(sock, select.POLLIN)
        return bool(poll.poll(0)) and sock.recv(4096) == b""
    except BlockingIOError:
        return False
    except OSError:
        return True
