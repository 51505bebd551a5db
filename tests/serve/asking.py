"""A client for the tests: plain sockets and http.client, nothing of ours."""

import http.client
import json
import socket
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

from serve.house import House


@dataclass
class Answer:
    status: int
    headers: dict[str, str]
    body: bytes

    @property
    def json(self) -> Any:
        return json.loads(self.body)

    @property
    def error(self) -> dict[str, Any]:
        error: dict[str, Any] = self.json["error"]
        assert set(error) == {"message", "type", "param", "code"}
        return error

    @property
    def events(self) -> list[Any]:
        """The events of a stream; the last may be "[DONE]"."""
        frames = self.body.decode().split("\n\n")
        assert frames.pop() == ""
        assert all(frame.startswith("data: ") for frame in frames)
        told = [frame.removeprefix("data: ") for frame in frames]
        return [one if one == "[DONE]" else json.loads(one) for one in told]

    @property
    def text(self) -> str:
        chunks = [event["choices"][0]["delta"] for event in self.events if event != "[DONE]" and event["choices"]]
        return "".join(delta.get("content") or "" for delta in chunks)


def ask(house: House, path: str, body: Any = None, headers: dict[str, str] | None = None, method: str = "") -> Answer:
    """One request on a connection of its own."""
    data = body if isinstance(body, bytes) or body is None else json.dumps(body).encode()
    connection = http.client.HTTPConnection("127.0.0.1", house.port, timeout=60)
    try:
        connection.request(method or ("GET" if data is None else "POST"), path, data, headers or {})
        reply = connection.getresponse()
        return Answer(reply.status, {k.lower(): v for k, v in reply.getheaders()}, reply.read())
    finally:
        connection.close()


def chat(house: House, text: str = "Summarise: the budget review is on Friday.", **keys: Any) -> Answer:
    """One chat completion."""
    body = {"model": house.models.name, "messages": [{"role": "user", "content": text}], **keys}
    return ask(house, "/v1/chat/completions", body)


def open_stream(house: House, **keys: Any) -> socket.socket:
    """A socket on which a streamed chat was asked for, nothing read yet."""
    body = {"model": house.models.name, "messages": [{"role": "user", "content": "Go on"}], "stream": True, **keys}
    data = json.dumps(body).encode()
    sock = socket.create_connection(("127.0.0.1", house.port), timeout=60)
    head = f"POST /v1/chat/completions HTTP/1.1\r\nHost: 127.0.0.1:{house.port}\r\nContent-Length: {len(data)}\r\n\r\n"
    sock.sendall(head.encode() + data)
    return sock


def pieces(sock: socket.socket) -> Iterator[bytes]:
    """What arrives, until the peer closes."""
    while data := sock.recv(65536):
        yield data
