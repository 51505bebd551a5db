"""A real service in the background, with a home of its own, on a port that the system chose; asked as a user asks."""

import contextlib
import http.client
import json
import os
import signal
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

import psutil

from cli.commands import Done, shortlist
from serve.asking import Answer
from shortlist.clock import monotonic_ns, sleep_blocking_ns
from shortlist.serve.files import Files

MODELS = {
    "quick": {"source": "fake:ttft=2ms,gap=1ms,chunks=4"},
    "slow": {"source": "fake:ttft=50ms,gap=50ms,chunks=40"},
    "dies": {"source": "fake:ttft=2ms,gap=5ms,chunks=20,fail=crash"},
    "never": {"source": "fake:fail=start"},
}
ECHO = """
class Echo:
    context = 2000

    def load(self, weights_path):
        pass

    def generate(self, prompt, **params):
        return prompt
"""
"""The least that is an adapter: it repeats what it was asked."""


@dataclass(slots=True)
class Daemon:
    """One home, and the service that runs for it."""

    home: Path

    def run(self, *args: object) -> Done:
        return shortlist(*args, cwd=self.home, SHORTLIST_HOME=str(self.home))

    def start(self, *args: object) -> Done:
        return self.run("service", "start", "--port", 0, *args)

    @property
    def state(self) -> dict[str, Any]:
        told: dict[str, Any] = json.loads((self.home / "service" / "state.json").read_bytes())
        return told

    @property
    def pid(self) -> int:
        return int(self.state["pid"])

    @property
    def port(self) -> int:
        return urlsplit(self.state["urls"][0]).port or 0

    def rows(self) -> dict[str, dict[str, Any]]:
        return {row["model"]: row for row in self.run("service", "ps", "--json").json["data"]}

    def children(self) -> list[psutil.Process]:
        return list(psutil.Process(self.pid).children(recursive=True))

    @property
    def files(self) -> Files:
        return Files(self.home)

    def ask(self, path: str, body: object = None, method: str | None = None, **headers: Any) -> Answer:
        connection = http.client.HTTPConnection("127.0.0.1", self.port, timeout=60)
        try:
            data = None if body is None else json.dumps(body)
            method = method or ("GET" if body is None else "POST")
            connection.request(method, path, data, headers)
            reply = connection.getresponse()
            return Answer(reply.status, {k.lower(): v for k, v in reply.getheaders()}, reply.read())
        finally:
            connection.close()

    def chat(self, model: str, text: str = "Summarise: we meet at noon.", **keys: Any) -> Answer:
        return self.ask(
            "/v1/chat/completions", {"model": model, "messages": [{"role": "user", "content": text}], **keys}
        )


@contextlib.contextmanager
def daemon(home: Path, *args: object, models: Mapping[str, object] = MODELS) -> Iterator[Daemon]:
    """Started when the block begins, gone when it ends, whatever happened meanwhile."""
    (home / "models.json").write_text(json.dumps(models))
    found = Daemon(home)
    done = found.start(*args)
    assert done.code == 0, done.err
    pid = found.pid
    try:
        yield found
    finally:
        if found.run("service", "stop").code != 0:
            with contextlib.suppress(ProcessLookupError):
                os.kill(pid, signal.SIGKILL)


def until(claim: Any, limit_s: float = 30) -> None:
    end = monotonic_ns() + round(limit_s * 1e9)
    while not claim():
        assert monotonic_ns() < end, "it did not come true"
        sleep_blocking_ns(20_000_000)
