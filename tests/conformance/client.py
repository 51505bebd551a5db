"""A plain client of OpenAI's API, from the standard library: nothing of ours stands between a case and the wire."""

import http.client
import json
import socket
from collections.abc import Callable, Generator, Mapping, Sequence
from contextlib import closing, suppress
from dataclasses import dataclass, field
from typing import Any
from urllib.parse import urlsplit

LIMIT_S = 120


@dataclass(frozen=True, slots=True)
class Reply:
    """A whole reply."""

    status: int
    body: bytes

    @property
    def json(self) -> dict[str, Any]:
        found = json.loads(self.body)
        assert isinstance(found, dict), found
        return found

    @property
    def text(self) -> str:
        assert self.status == 200, self.body
        content = self.json["choices"][0]["message"]["content"]
        assert isinstance(content, str)
        return content

    @property
    def finish(self) -> str | None:
        return self.json["choices"][0]["finish_reason"]  # type: ignore[no-any-return]  # a stranger's JSON

    @property
    def error(self) -> str:
        """The message of an error in OpenAI's shape; fails for a reply that is none."""
        assert 400 <= self.status < 600, (self.status, self.body)
        message = self.json["error"]["message"]
        assert isinstance(message, str)
        assert message
        return message


@dataclass(frozen=True, slots=True)
class Streamed:
    """A streamed reply: the pieces of its text in order, and what its last events said."""

    pieces: Sequence[str]
    finish: str | None
    usage: Mapping[str, Any] | None
    is_done: bool

    @property
    def text(self) -> str:
        return "".join(self.pieces)


@dataclass(frozen=True, slots=True)
class Client:
    """Requests to one endpoint; `extra` are keys that the engine wants in each chat."""

    base_url: str
    model: str
    headers: Mapping[str, str]
    extra: Mapping[str, Any] = field(default_factory=dict)

    def post(self, path: str, body: Mapping[str, Any]) -> Reply:
        with closing(self._connection()) as connection:
            self._send(connection, path, body)
            response = connection.getresponse()
            return Reply(response.status, response.read())

    def get(self, url: str) -> str:
        with closing(self._connection()) as connection:
            connection.request("GET", url, headers=dict(self.headers))
            return connection.getresponse().read().decode()

    def chat(self, prompt: str, **keys: Any) -> Reply:
        return self.post("/chat/completions", self.body(prompt, **keys))

    def events(self, prompt: str, **keys: Any) -> Generator[dict[str, Any]]:
        """Each event as it comes; closing the iterator closes the connection."""
        body = {"stream": True, "stream_options": {"include_usage": True}, **self.body(prompt, **keys)}
        with closing(self._connection()) as connection:
            self._send(connection, "/chat/completions", body)
            with closing(connection.getresponse()) as response:  # it holds the socket, once the server means to close
                assert response.status == 200, response.read()
                for line in response:
                    text = line.decode("utf-8").strip()  # strictly: no event ends inside a character
                    if text.startswith("data:"):
                        data = text.removeprefix("data:").strip()
                        yield {"done": True} if data == "[DONE]" else json.loads(data)

    def stream(self, prompt: str, **keys: Any) -> Streamed:
        events = list(self.events(prompt, **keys))
        assert not [event for event in events if "error" in event], events[-1]
        choices = [event["choices"][0] for event in events if event.get("choices")]
        finishes = [choice["finish_reason"] for choice in choices if choice.get("finish_reason")]
        usages = [event["usage"] for event in events if event.get("usage")]
        return Streamed(
            [piece for choice in choices if (piece := (choice.get("delta") or {}).get("content"))],
            finishes[-1] if finishes else None,
            usages[-1] if usages else None,
            bool(events) and "done" in events[-1],
        )

    def leave(
        self, prompt: str, is_enough: Callable[[list[dict[str, Any]]], bool], **keys: Any
    ) -> list[dict[str, Any]]:
        """Read a stream until that is enough and close the connection; the events that had arrived by then.

        On a bare socket: what was sent to us and not read yet is taken with the last look, so that an event that is
        not in the list was sent after we went.
        """
        body = json.dumps({"stream": True, **self.body(prompt, **keys)}).encode()
        place = urlsplit(self.base_url)
        headers = {"Host": place.netloc, "Content-Type": "application/json", "Content-Length": str(len(body))}
        lines = "".join(f"{name}: {value}\r\n" for name, value in {**headers, **self.headers}.items())
        with socket.create_connection((place.hostname or "", place.port or 80), timeout=LIMIT_S) as sock:
            sock.sendall(f"POST {place.path}/chat/completions HTTP/1.1\r\n{lines}\r\n".encode() + body)
            data = b""
            while not is_enough(_events(data)):
                part = sock.recv(1 << 16)
                assert part, data
                data += part
            sock.setblocking(False)
            with suppress(BlockingIOError):
                data += sock.recv(1 << 20)
        return _events(data)

    def body(self, prompt: str, **keys: Any) -> dict[str, Any]:
        plain = {"model": self.model, "messages": [{"role": "user", "content": prompt}], "temperature": 0, "seed": 0}
        return {**plain, **self.extra, **keys}

    def _connection(self) -> http.client.HTTPConnection:
        return http.client.HTTPConnection(urlsplit(self.base_url).netloc, timeout=LIMIT_S)

    def _send(self, connection: http.client.HTTPConnection, path: str, body: Mapping[str, Any]) -> None:
        data = json.dumps(body, ensure_ascii=False).encode()
        headers = {"Content-Type": "application/json", **self.headers}
        connection.request("POST", urlsplit(self.base_url).path + path, data, headers)


def _events(data: bytes) -> list[dict[str, Any]]:
    """The whole events in the bytes of a stream; chunk framing stands on lines of its own."""
    lines = [line.strip() for line in data.split(b"\n")[:-1]]
    return [json.loads(line[5:]) for line in lines if line.startswith(b"data:") and line.endswith(b"}")]
