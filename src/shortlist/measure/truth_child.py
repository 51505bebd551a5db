"""The known-truth server's process: it writes to an absolute schedule and logs when it did, for the self-test.

Lean on purpose: it shares a host with the client that it judges. Each write is one `send` on a bare socket, stamped
just before; the client's clock is the same CLOCK_MONOTONIC. A reply's chunks are due at `ttft_ns` + k · `gap_ns` after
its request was read, however late the ones before them were; the reply ends one gap after the last.
"""

import asyncio
import gc
import heapq
import re
import signal
import socket
from array import array
from functools import partial
from pathlib import Path
from typing import Any

from shortlist.alarm import Alarm, make_alarm
from shortlist.clock import monotonic_ns
from shortlist.lifeline import Report, run_child

READ = -1
"""The place of a request's own entry in the log: when it was read, in both stamps."""

_BACKLOG = 4096
_NUMBER = re.compile(rb'"number": ?(\d+)')
_HEAD = b"HTTP/1.1 200 OK\r\nContent-Type: text/event-stream\r\nTransfer-Encoding: chunked\r\n\r\n"


def _frame(data: bytes) -> bytes:
    event = b"data: " + data + b"\n\n"
    return b"%x\r\n%b\r\n" % (len(event), event)


_TOKEN = _frame(b'{"choices":[{"index":0,"delta":{"content":"x "},"finish_reason":null}]}')
_LAST = _frame(b'{"choices":[{"index":0,"delta":{},"finish_reason":"stop"}]}') + _frame(b"[DONE]") + b"0\r\n\r\n"


class TruthServer:
    """Accepts, schedules, writes and logs. The log holds number, place, scheduled and written, four by four."""

    def __init__(self, loop: asyncio.AbstractEventLoop, config: dict[str, Any]) -> None:
        self._loop = loop
        self._ttft_ns: int = config["ttft_ns"]
        self._gap_ns: int = config["gap_ns"]
        self._chunks: int = config["chunks"]
        self._log = array("q")
        self._due: list[tuple[int, int, int, socket.socket]] = []
        self._alarm: Alarm = make_alarm(loop, self._ring)
        self._listener = socket.create_server(("127.0.0.1", 0), backlog=_BACKLOG)
        self._listener.setblocking(False)
        self.port: int = self._listener.getsockname()[1]
        loop.add_reader(self._listener, self._on_connect)

    def save(self, path: Path) -> None:
        """The log as a file of 64-bit integers."""
        with path.open("wb") as file:
            self._log.tofile(file)

    def _on_connect(self) -> None:
        while True:
            try:
                sock, _ = self._listener.accept()
            except BlockingIOError:
                return
            sock.setblocking(False)
            sock.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
            self._loop.add_reader(sock, self._on_readable, sock)

    def _on_readable(self, sock: socket.socket) -> None:
        # The client writes a request with one call and no other before its reply is over: one read has it whole.
        now = monotonic_ns()
        try:
            data = sock.recv(1 << 16)
        except BlockingIOError:
            return
        except OSError:
            data = b""
        found = _NUMBER.search(data)
        if found is None:
            self._drop(sock)
            return
        number = int(found[1])
        self._log.extend((number, READ, now, now))
        heapq.heappush(self._due, (now + self._ttft_ns, number, 0, sock))
        self._send(sock, _HEAD)
        self._ring()

    def _ring(self) -> None:
        due, log, now = self._due, self._log, monotonic_ns()
        while due and due[0][0] <= now:
            at_ns, number, place, sock = due[0]
            if place < self._chunks:
                heapq.heapreplace(due, (at_ns + self._gap_ns, number, place + 1, sock))
                now = monotonic_ns()
                log.extend((number, place, at_ns, now))
                self._send(sock, _TOKEN)
            else:
                heapq.heappop(due)
                self._send(sock, _LAST)
        self._alarm.set(due[0][0] if due else None)

    def _send(self, sock: socket.socket, data: bytes) -> None:
        try:
            if sock.fileno() >= 0 and sock.send(data) < len(data):
                self._drop(sock)  # a peer this far behind gets no more: its request counts as failed
        except OSError:
            self._drop(sock)

    def _drop(self, sock: socket.socket) -> None:
        if sock.fileno() >= 0:
            self._loop.remove_reader(sock)
            sock.close()


def _main(config: dict[str, Any], report: Report) -> None:
    loop = asyncio.new_event_loop()
    server = TruthServer(loop, config)
    loop.add_signal_handler(signal.SIGTERM, loop.stop)
    gc.freeze()
    gc.disable()  # a collection would hold up every stream at once
    loop.call_soon(partial(report, device=None, version=None), f"http://127.0.0.1:{server.port}")
    loop.run_forever()
    server.save(Path(config["log"]))


if __name__ == "__main__":
    run_child(_main, is_leaf=True)
