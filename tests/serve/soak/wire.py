"""A client of the soak: HTTP/1.1 by hand on asyncio's streams, cheap enough that two cores serve the service too."""

import asyncio
import json
from dataclasses import dataclass
from typing import Any

LIMIT_S = 120.0
"""A request that has no answer after this long has none."""


@dataclass(frozen=True, slots=True)
class Got:
    """What came back. `is_left`: we went away before its end; `broken`: the server did, and how."""

    status: int = 0
    headers: dict[str, str] | None = None
    body: bytes = b""
    is_left: bool = False
    broken: str | None = None

    def header(self, name: str) -> str:
        return (self.headers or {}).get(name, "")

    @property
    def is_stream(self) -> bool:
        return self.header("content-type").startswith("text/event-stream")

    @property
    def events(self) -> list[str]:
        """The whole events of a stream."""
        frames = self.body.decode("utf-8", "replace").split("\n\n")
        return [frame.removeprefix("data: ") for frame in frames[:-1]]

    @property
    def json(self) -> Any:
        return json.loads(self.body)


@dataclass(frozen=True, slots=True)
class Ask:
    """A request. `leave_events`, `leave_s`: the client goes away after so many events, or so long."""

    method: str
    path: str
    body: bytes = b""
    headers: tuple[tuple[str, str], ...] = ()
    leave_events: int | None = None
    leave_s: float | None = None

    def data(self, port: int) -> bytes:
        told = [("Host", f"127.0.0.1:{port}"), ("Content-Length", str(len(self.body))), *self.headers]
        head = [f"{self.method} {self.path} HTTP/1.1", *(f"{name}: {value}" for name, value in told)]
        return ("\r\n".join(head) + "\r\n\r\n").encode("latin-1") + self.body


class Left(Exception):
    """Enough events came."""


class Line:
    """One client's connection: kept while the server keeps it, opened anew where it does not."""

    def __init__(self, port: int) -> None:
        self._port = port
        self._reader: asyncio.StreamReader | None = None
        self._writer: asyncio.StreamWriter | None = None

    async def ask(self, ask: Ask) -> Got:
        """One request and its reply. Never raises for what the server does: that is in what comes back."""
        parts: list[bytes] = []
        head: list[Any] = [0, {}]
        is_kept = False
        try:
            async with asyncio.timeout(ask.leave_s or LIMIT_S):
                is_kept = await self._exchange(ask, head, parts)
        except Left:
            return Got(head[0], head[1], b"".join(parts), is_left=True)
        except TimeoutError:
            told = None if ask.leave_s else f"no answer within {LIMIT_S:g} s"
            return Got(head[0], head[1], b"".join(parts), is_left=told is None, broken=told)
        except (OSError, EOFError, ValueError) as error:
            return Got(head[0], head[1], b"".join(parts), broken=f"{type(error).__name__}: {error}")
        finally:
            if not is_kept:
                self.close()
        return Got(head[0], head[1], b"".join(parts))

    def close(self) -> None:
        """Drop the connection as it is."""
        if self._writer is not None:
            self._writer.transport.abort()
        self._reader = self._writer = None

    async def _exchange(self, ask: Ask, head: list[Any], parts: list[bytes]) -> bool:
        if self._writer is None or (self._reader is not None and self._reader.at_eof()):
            self._reader, self._writer = await asyncio.open_connection("127.0.0.1", self._port)
        reader, writer = self._reader, self._writer
        assert reader is not None
        writer.write(ask.data(self._port))
        told = (await reader.readuntil(b"\r\n\r\n")).decode("latin-1").split("\r\n")
        head[0] = int(told[0].split(" ")[1])
        head[1] = {name.lower(): value for name, _, value in (line.partition(": ") for line in told[1:] if line)}
        await self._body(reader, ask, head[1], parts)
        return str(head[1].get("connection", "")).lower() != "close"

    async def _body(self, reader: asyncio.StreamReader, ask: Ask, headers: dict[str, str], parts: list[bytes]) -> None:
        if headers.get("transfer-encoding") == "chunked":
            events = 0
            while size := int(await reader.readuntil(b"\r\n"), 16):
                parts.append((await reader.readexactly(size + 2))[:-2])
                events += parts[-1].count(b"\n\n")
                if ask.leave_events is not None and events >= ask.leave_events:
                    raise Left
            await reader.readexactly(2)
        else:
            parts.append(await reader.readexactly(int(headers["content-length"])))
