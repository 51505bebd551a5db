"""A server in a process of its own whose truth is known: it writes to an absolute schedule and logs every write.

Run as `python known_truth_server.py CHUNKS TTFT_NS GAP_NS`. Prints its port; when its input closes, prints one JSON
line: per request, by the number in its body, CLOCK_MONOTONIC in nanoseconds when it was read and before each write.
"""

import asyncio
import json
import sys
import time

HEAD = b"HTTP/1.1 200 OK\r\nContent-Type: text/event-stream\r\nTransfer-Encoding: chunked\r\n\r\n"


def chunk(value: object) -> bytes:
    data = b"data: " + (b"[DONE]" if value is None else json.dumps(value).encode()) + b"\n\n"
    return b"%x\r\n%b\r\n" % (len(data), data)


TOKEN = chunk({"choices": [{"index": 0, "delta": {"content": "x "}, "finish_reason": None}]})
END = chunk({"choices": [{"index": 0, "delta": {}, "finish_reason": "stop"}]}) + chunk(None) + b"0\r\n\r\n"


class Connection(asyncio.Protocol):
    def __init__(self, log: dict[int, list[int]]) -> None:
        self.log = log
        self.seen = b""

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        assert isinstance(transport, asyncio.Transport)
        self.transport = transport

    def data_received(self, data: bytes) -> None:
        self.seen += data
        _head, found, body = self.seen.partition(b"\r\n\r\n")
        if not found or not body.endswith(b"}"):
            return
        read_ns = time.monotonic_ns()  # noqa: TID251 - a server's own log must not share code with what it judges
        self.seen = b""
        self.number = json.loads(body)["n"]
        self.stamps = self.log.setdefault(self.number, [read_ns])
        self.transport.write(HEAD)
        self.plan(0)

    def plan(self, number: int) -> None:
        chunks, ttft_ns, gap_ns = map(int, sys.argv[1:4])
        if number == chunks:
            self.transport.write(END)
            return
        loop = asyncio.get_running_loop()
        # Streams are spread over one gap: in step they would measure how fast this server writes a burst.
        due_ns = self.stamps[0] + ttft_ns + number * gap_ns + self.number % 64 * gap_ns // 64
        left_s = (due_ns - time.monotonic_ns()) / 1e9  # noqa: TID251 - as above
        loop.call_later(max(0.0, left_s), self.say, number)

    def say(self, number: int) -> None:
        self.stamps.append(time.monotonic_ns())  # noqa: TID251 - as above
        self.transport.write(TOKEN)
        self.plan(number + 1)


async def main() -> None:
    log: dict[int, list[int]] = {}
    loop = asyncio.get_running_loop()
    server = await loop.create_server(lambda: Connection(log), "127.0.0.1", 0, backlog=512)
    print(server.sockets[0].getsockname()[1], flush=True)  # noqa: T201 - the port is this program's output
    await loop.run_in_executor(None, sys.stdin.read)
    print(json.dumps(log), flush=True)  # noqa: T201 - the log is this program's output


if __name__ == "__main__":
    asyncio.run(main())
