"""Raw bytes to a port and back, for tests that send what no client would."""

import json
import socket
from dataclasses import dataclass
from typing import Any


@dataclass(frozen=True, slots=True)
class Said:
    status: int
    head: bytes
    body: bytes

    @property
    def code(self) -> str:
        error: dict[str, Any] = json.loads(self.body)["error"]
        return str(error["code"])


def exchange(port: int, data: bytes, *, is_ended: bool = False, limit_s: float = 30) -> bytes:
    """Send, and read until the server closes or says that it will, or the time is over."""
    with socket.create_connection(("127.0.0.1", port), timeout=limit_s) as sock:
        got = b""
        try:
            sock.sendall(data)
            if is_ended:
                sock.shutdown(socket.SHUT_WR)
            while not _is_last(got) and (piece := sock.recv(65536)):
                got += piece
        except (TimeoutError, ConnectionError):
            pass
        return got


def _is_last(got: bytes) -> bool:
    """Whether the reply at the end of what came is whole and says that nothing comes after it."""
    head, _, rest = got[max(0, got.rfind(b"HTTP/1.1 ")) :].partition(b"\r\n\r\n")
    return b"connection: close" in head and len(rest) >= _length(head)


def _length(head: bytes) -> int:
    return next((int(line[15:]) for line in head.lower().split(b"\r\n") if line.startswith(b"content-length:")), 0)


def first(got: bytes) -> Said:
    """The first reply in what came."""
    head, _, rest = got.partition(b"\r\n\r\n")
    return Said(int(head[9:12] or 0), head, rest[: _length(head)])


def head(port: int, line: str = "GET /v1/models HTTP/1.1", *fields: str) -> bytes:
    """A request's head that we would take."""
    return "\r\n".join([line, f"Host: localhost:{port}", *fields, "", ""]).encode("latin-1")
