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
import sys
from collections import deque
from collections.abc import Iterator
from functools import partial
from pathlib import Path
from typing import Any

from shortlist.alarm import Alarm, make_alarm
from shortlist.clock import monotonic_ns, sleep_blocking_ns
from shortlist.engines.child_http import Connection, Listener, Request, new_loop
from shortlist.engines.fake_script import PIECE_GAP_NS, FakeScript, Frame, error_reply, frames, json_reply, refusal
from shortlist.errors import EngineNotReady
from shortlist.lifeline import Report, run_child


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
        self.listener = Listener(loop, self)

    def answer(self, client: Connection, request: Request) -> None:
        """Start the reply to one request."""
        reply = self._frames(request.target, request.body)
        if isinstance(reply, Frame):
            client.send(reply.data)
            return
        body, source = reply
        name = request.headers.get("x-request-id") or str(body.get("request_id") or f"request-{self._requests}")
        if self.script.slots and self._active >= self.script.slots:
            self._waiting.append((client, name, source))
            return
        self._start(client, name, source, request.arrived_ns)
        self._on_alarm()

    def refuse_large(self, client: Connection) -> None:
        """Say so, and no more."""
        client.send(json_reply("413 Content Too Large", b'{"error": {"message": "too large", "code": 413}}').data)

    def left(self, client: Connection) -> None:
        """What was planned for it is dropped when its time comes."""

    def _start(self, client: Connection, name: str, source: Iterator[Frame], start_ns: int) -> None:
        self._active += 1
        self._next(client, Reply(name, start_ns, source, self.script.split))

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
        if path == "/v1/embeddings":
            return error_reply(501, "not_supported_error", "the fake engine has no model, and makes no embeddings")
        if path != "/v1/chat/completions":
            return error_reply(404, "not_found", "no such path")
        try:
            request = json.loads(body)
        except ValueError:
            request = None
        if not isinstance(request, dict):
            return error_reply(400, "bad", "not a JSON object")
        refused = refusal(self.script, request)
        if refused is not None:
            return refused
        self._requests += 1
        return request, frames(self.script, request, self._requests)

    def _next(self, client: Connection, reply: Reply) -> None:
        frame = reply.advance()
        if frame is None:
            self._finish(client)
            return
        self._pushed += 1
        heapq.heappush(self._due, (reply.due_ns, self._pushed, client, reply, frame))

    def _finish(self, client: Connection) -> None:
        if not client.keeps_alive:
            client.close_when_sent()
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
            client.close()
        if not client.is_open:
            self._finish(client)
            return
        data = reply.piece(frame)
        written_ns = monotonic_ns()
        client.send(data)
        self._entries.append(reply.record(frame, written_ns, len(data)))
        self._next(client, reply)


def _main(config: dict[str, Any], report: Report) -> None:
    script = FakeScript(**config["script"])
    began = monotonic_ns()
    sleep_blocking_ns(script.load)
    if script.fail == "start":
        raise EngineNotReady("the fake engine does not start, as told")
    loop = new_loop()
    server = Server(loop, script, Path(config["log"]))
    loop.add_signal_handler(signal.SIGTERM, loop.stop)
    if script.fail == "refuse":
        server.listener.refuse()
    else:
        server.listener.accept_from_now()
    gc.freeze()
    gc.disable()  # a collection would hold up every stream at once
    load_ns = monotonic_ns() - began
    say = partial(report, device=script.device, version=config["version"], load_ns=load_ns)
    # From inside the loop: a SIGTERM that came between the ready line and the loop's start would be lost.
    loop.call_soon(say, f"http://127.0.0.1:{server.listener.port}")
    loop.run_forever()
    server.flush()


if __name__ == "__main__":
    run_child(_main, is_leaf=True)
