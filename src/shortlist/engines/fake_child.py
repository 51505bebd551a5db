"""The fake engine's process: a server whose writes follow an absolute schedule and are logged as they happen.

Each write is one `send` on a bare socket, stamped just before (CLOCK_MONOTONIC, which all processes of a boot share): a
transport would queue it behind the other streams of the same turn of the loop, and the log would not be the truth.
"""

import asyncio
import gc
import heapq
import json
import os
import signal
import socket
import sys
from collections import deque
from collections.abc import Iterator
from functools import partial
from pathlib import Path
from typing import Any

import httptools

from shortlist.alarm import Alarm, make_alarm
from shortlist.clock import monotonic_ns, sleep_blocking_ns
from shortlist.engines.fake_script import PIECE_GAP_NS, FakeScript, Frame, frames, json_reply
from shortlist.errors import EngineNotReady
from shortlist.lifeline import Report, run_child

_BACKLOG = 1024


class Reply:
    """One reply under way: its frames, cut into pieces where the script says so."""

    def __init__(self, name: str, arrived_ns: int, source: Iterator[Frame], split: int) -> None:
        self.name = name
        self.arrived_ns = arrived_ns
        self._source = source
        self._split = split
        self._frame: Frame | None = None
        self._index = -1
        self._sent = 0
        self.due_ns = arrived_ns

    def advance(self) -> Frame | None:
        """Take the next write: its bytes are `piece`, its time `due_ns`. None when the reply is over."""
        if self._frame is not None and self._sent < len(self._frame.data):
            self.due_ns += PIECE_GAP_NS
            return self._frame
        self._frame = next(self._source, None)
        self._index += 1
        self._sent = 0
        if self._frame is not None:
            self.due_ns = max(self.due_ns, self.arrived_ns + self._frame.offset_ns)
        return self._frame

    def piece(self, frame: Frame) -> bytes:
        """The bytes of the write that is due now."""
        size = self._split or len(frame.data)
        return frame.data[self._sent : self._sent + size]

    def record(self, frame: Frame, written_ns: int, sent: int) -> dict[str, Any]:
        """The log's entry for the write just made; counts it as sent."""
        entry = {
            "request": self.name,
            "index": self._index,
            "kind": frame.kind,
            "scheduled_ns": self.due_ns,
            "written_ns": written_ns,
            "bytes": sent,
            "is_last_piece": self._sent + sent == len(frame.data),
        }
        self._sent += sent
        return entry


class Connection:
    """One client: parses its requests, one reply at a time."""

    def __init__(self, server: "Server", sock: socket.socket) -> None:
        self.server = server
        self.sock = sock
        self.is_open = True
        self.keeps_alive = True
        self.unsent = bytearray()
        self._parser = httptools.HttpRequestParser(self)
        self._body = bytearray()
        self._url = b""
        self._request_id: str | None = None
        self._requests: list[tuple[str, bytes, str | None]] = []
        self._seen_ns = 0

    def on_readable(self) -> None:
        """Bytes came, or the peer went."""
        self._seen_ns = monotonic_ns()
        try:
            data = self.sock.recv(1 << 18)
            self._parser.feed_data(data)
        except BlockingIOError:
            return
        except (OSError, httptools.HttpParserError):
            data = b""
        if not data:
            self.server.close(self)
        while self._requests and self.is_open:  # outside the parser, which would swallow what goes wrong here
            self.server.answer(self, *self._requests.pop(0), self._seen_ns)

    def on_url(self, url: bytes) -> None:
        """httptools: the target, perhaps in parts."""
        self._url += url

    def on_header(self, name: bytes, value: bytes) -> None:
        """httptools: one header."""
        if name.lower() == b"x-request-id":
            self._request_id = value.decode("latin-1")

    def on_body(self, data: bytes) -> None:
        """httptools: a part of the body."""
        self._body += data

    def on_message_complete(self) -> None:
        """httptools: the request is whole; its arrival is the stamp of the read that completed it."""
        self.keeps_alive = bool(self._parser.should_keep_alive())
        self._requests.append((self._url.decode("latin-1"), bytes(self._body), self._request_id))
        self._url, self._request_id = b"", None
        self._body.clear()

    def send(self, data: bytes) -> None:
        """Write now; what the socket does not take follows when it can."""
        try:
            taken = 0 if self.unsent else self.sock.send(data)
        except BlockingIOError:
            taken = 0
        except OSError:
            self.server.close(self)
            return
        if taken < len(data):
            self.unsent += data[taken:]
            self.server.loop.add_writer(self.sock, self._on_writable)

    def _on_writable(self) -> None:
        try:
            del self.unsent[: self.sock.send(self.unsent)]
        except OSError:
            self.server.close(self)
            return
        if not self.unsent:
            self.server.loop.remove_writer(self.sock)


class Server:
    """Accepts, schedules, writes, logs."""

    def __init__(self, loop: asyncio.AbstractEventLoop, script: FakeScript, log: Path) -> None:
        self.loop = loop
        self.script = script
        self._log = log
        self._entries: list[dict[str, Any]] = []
        self._due: list[tuple[int, int, Connection, Reply, Frame]] = []
        self._pushed = 0
        self._requests = 0
        self._active = 0
        self._waiting: deque[tuple[Connection, str, Iterator[Frame]]] = deque()
        self._alarm: Alarm = make_alarm(loop, self._on_alarm)
        self._listener = socket.create_server(("127.0.0.1", 0), backlog=_BACKLOG)
        self._listener.setblocking(False)
        self.port: int = self._listener.getsockname()[1]

    def accept_from_now(self) -> None:
        """Begin to serve."""
        self.loop.add_reader(self._listener, self._on_connect)

    def refuse(self) -> None:
        """Give the port back: whoever connects is refused."""
        self._listener.close()

    def answer(self, client: Connection, url: str, body: bytes, name: str | None, arrived_ns: int) -> None:
        """Start the reply to one request."""
        reply = self._frames(url, body)
        if isinstance(reply, Frame):
            client.send(reply.data)
            return
        request, source = reply
        name = name or str(request.get("request_id") or f"request-{self._requests}")
        if self.script.slots and self._active >= self.script.slots:
            self._waiting.append((client, name, source))
            return
        self._start(client, name, source, arrived_ns)
        self._on_alarm()

    def _start(self, client: Connection, name: str, source: Iterator[Frame], start_ns: int) -> None:
        self._active += 1
        self._next(client, Reply(name, start_ns, source, self.script.split))

    def close(self, client: Connection) -> None:
        """Forget a client; what was planned for it is dropped when its time comes."""
        if client.is_open:
            client.is_open = False
            self.loop.remove_reader(client.sock)
            self.loop.remove_writer(client.sock)
            client.sock.close()

    def flush(self) -> None:
        """Append the entries to the log file."""
        if self._entries:
            lines = "".join(json.dumps(entry) + "\n" for entry in self._entries)
            self._entries.clear()
            with self._log.open("a", encoding="utf-8") as log:
                log.write(lines)

    def _frames(self, url: str, body: bytes) -> Frame | tuple[dict[str, Any], Iterator[Frame]]:
        path = url.partition("?")[0]
        if path == "/v1/models":
            return json_reply("200 OK", b'{"object": "list", "data": [{"id": "fake", "object": "model"}]}')
        if path != "/v1/chat/completions":
            return json_reply(
                "404 Not Found", b'{"error": {"message": "no such path", "type": "not_found", "code": 404}}'
            )
        try:
            request = json.loads(body)
        except ValueError:
            request = None
        if not isinstance(request, dict):
            return json_reply(
                "400 Bad Request", b'{"error": {"message": "not a JSON object", "type": "bad", "code": 400}}'
            )
        self._requests += 1
        return request, frames(self.script, request, self._requests)

    def _on_connect(self) -> None:
        while True:
            try:
                sock, _ = self._listener.accept()
            except BlockingIOError:
                return
            sock.setblocking(False)
            sock.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
            client = Connection(self, sock)
            self.loop.add_reader(sock, client.on_readable)

    def _next(self, client: Connection, reply: Reply) -> None:
        frame = reply.advance()
        if frame is None:
            self._finish(client)
            return
        self._pushed += 1
        heapq.heappush(self._due, (reply.due_ns, self._pushed, client, reply, frame))

    def _finish(self, client: Connection) -> None:
        if not client.keeps_alive and not client.unsent:
            self.close(client)
        self._active -= 1
        if self._waiting:
            self._start(*self._waiting.popleft(), monotonic_ns())
        elif not self._active:
            self.flush()  # nobody's schedule is disturbed by it now

    def _on_alarm(self) -> None:
        while self._due and self._due[0][0] <= monotonic_ns():
            _, _, client, reply, frame = heapq.heappop(self._due)
            self._write(client, reply, frame)
        self._alarm.set(self._due[0][0] if self._due else None)

    def _write(self, client: Connection, reply: Reply, frame: Frame) -> None:
        if frame.kind == "crash":
            self.flush()
            sys.stderr.write("the fake engine kills itself as told\n")
            sys.stderr.flush()
            os.kill(os.getpid(), signal.SIGKILL)
        if frame.kind == "close":
            self.close(client)
        if not client.is_open:
            self._finish(client)
            return
        data = reply.piece(frame)
        written_ns = monotonic_ns()
        client.send(data)
        self._entries.append(reply.record(frame, written_ns, len(data)))
        self._next(client, reply)


def _new_loop() -> asyncio.AbstractEventLoop:
    try:
        import uvloop
    except ImportError:
        return asyncio.new_event_loop()
    return uvloop.new_event_loop()


def _main(config: dict[str, Any], report: Report) -> None:
    script = FakeScript.parse(config["script"])
    began = monotonic_ns()
    sleep_blocking_ns(script.load)
    if script.fail == "start":
        raise EngineNotReady("the fake engine does not start, as told")
    loop = _new_loop()
    server = Server(loop, script, Path(config["log"]))
    loop.add_signal_handler(signal.SIGTERM, loop.stop)
    if script.fail == "refuse":
        server.refuse()
    else:
        server.accept_from_now()
    gc.freeze()
    gc.disable()  # a collection would hold up every stream at once
    load_ns = monotonic_ns() - began
    say = partial(report, device=script.device, version=config["version"], load_ns=load_ns)
    # From inside the loop: a SIGTERM that came between the ready line and the loop's start would be lost.
    loop.call_soon(say, f"http://127.0.0.1:{server.port}")
    loop.run_forever()
    server.flush()


if __name__ == "__main__":
    run_child(_main, is_leaf=True)
