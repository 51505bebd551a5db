"""A Hub on a loopback port, which speaks the Hugging Face protocol and misbehaves on demand.

It answers searches, tells what repositories hold (also of older commits), sends who asks for a large file to a storage
of another origin (as the live Hub does: 302, X-Linked-ETag, X-Linked-Size), gives small ones itself, honours Range,
and asks for a token where a repository is gated. What was asked and how many bytes went out is kept.

    with loopback_hub({"o/r": Repository({"m.gguf": data})}) as hub:
        hub.faults["m.gguf"] = [Reset(1000), Status(429, {"Retry-After": "2"})]
        ...                                        # HF_ENDPOINT=hub.url
        assert hub.sent["m.gguf"] == len(data)
"""

import hashlib
import json
import re
import socket
import struct
import threading
from collections import Counter
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any
from urllib.parse import parse_qs, quote, unquote, urlsplit

from shortlist.clock import monotonic_ns, sleep_blocking_ns

COMMIT = "c" * 40
_LFS = (".gguf", ".onnx", ".data", ".safetensors", ".bin", ".pt")
_BLOCK = 1 << 14
_SIOCOUTQ = 0x5411


@dataclass(frozen=True)
class Reset:
    """Sends up to this byte of the file, waits until it is there, then resets the connection."""

    at: int


@dataclass(frozen=True)
class Stall:
    """Sends up to this byte of the file, then nothing until the client goes."""

    at: int


@dataclass(frozen=True)
class Close:
    """Sends up to this byte of the file, then ends the connection as if that were all."""

    at: int


@dataclass(frozen=True)
class Wrong:
    """Another byte stands at this place."""

    at: int


@dataclass(frozen=True)
class Length:
    """Claims, and sends, so many bytes more (less, below zero) than the file has."""

    more: int


@dataclass(frozen=True)
class Status:
    """Answers with this status."""

    code: int
    headers: dict[str, str] = field(default_factory=dict)


@dataclass(frozen=True)
class Redirect:
    """Sends the client elsewhere."""

    to: str


@dataclass(frozen=True)
class NoRange:
    """Sends the whole file, whatever range was asked for."""


Fault = Reset | Stall | Close | Wrong | Length | Status | Redirect | NoRange


@dataclass
class Repository:
    """What the Hub has under a name; `older`: files by commit; `is_gated` asks for a token."""

    files: dict[str, bytes] = field(default_factory=dict)
    tags: tuple[str, ...] = ()
    commit: str = COMMIT
    is_gated: bool = False
    downloads: int = 0
    older: dict[str, dict[str, bytes]] = field(default_factory=dict)

    def at(self, revision: str | None) -> dict[str, bytes] | None:
        """The files of a commit, or of `main`."""
        if revision in (None, "main", self.commit):
            return self.files
        return self.older.get(revision or "")

    def renew(self, commit: str, **files: bytes | None) -> None:
        """A newer commit, in which these files have other bytes, or (None) are gone."""
        self.older[self.commit] = self.files
        changed = {**self.files, **{name.replace("__", "."): data for name, data in files.items()}}
        self.commit, self.files = commit, {path: data for path, data in changed.items() if data is not None}


@dataclass
class Hub:
    """The repositories that it has, its address, and every request that it saw: path, query and headers.

    `faults`: by file path or `api`, used up one a request, for bytes only (`resolve:PATH`: for the Hub's own answer
    before the storage's). `sent`: bytes of each file. `speed`: bytes per second of each reply, None for no limit.
    `storage_seen`: what the storage was asked, with headers. `raw`: what is answered instead, under `api`.
    """

    repositories: dict[str, Repository]
    url: str = ""
    storage: str = ""
    seen: list[tuple[str, dict[str, list[str]], dict[str, str]]] = field(default_factory=list)
    storage_seen: list[tuple[str, dict[str, str]]] = field(default_factory=list)
    faults: dict[str, list[Fault]] = field(default_factory=dict)
    raw: dict[str, bytes] = field(default_factory=dict)
    sent: Counter[str] = field(default_factory=Counter)
    speed: float | None = None
    most_at_once: int = 0
    is_over: threading.Event = field(default_factory=threading.Event)
    connections: list[socket.socket] = field(default_factory=list)
    _lock: threading.Lock = field(default_factory=threading.Lock)
    _at_once: int = 0

    def next_fault(self, key: str) -> Fault | None:
        with self._lock:
            waiting = self.faults.get(key)
            return waiting.pop(0) if waiting else None

    @contextmanager
    def sending(self) -> Iterator[None]:
        with self._lock:
            self._at_once += 1
            self.most_at_once = max(self.most_at_once, self._at_once)
        try:
            yield
        finally:
            with self._lock:
                self._at_once -= 1


def is_lfs(path: str) -> bool:
    return path.endswith(_LFS)


def sha256(data: bytes) -> str:
    return hashlib.sha256(data).hexdigest()


def git_id(data: bytes) -> str:
    return hashlib.sha1(b"blob %d\0" % len(data) + data).hexdigest()


def etag(path: str, data: bytes) -> str:
    return sha256(data) if is_lfs(path) else git_id(data)


class _Handler(BaseHTTPRequestHandler):
    """What Hub and storage have in common."""

    protocol_version = "HTTP/1.1"
    wbufsize = 0
    hub: Hub

    def log_message(self, *_: Any) -> None:
        """Quiet."""

    def setup(self) -> None:
        # what is cut at a byte must be cut there, and not a buffer later
        self.request.setsockopt(socket.SOL_SOCKET, socket.SO_SNDBUF, 1 << 15)
        self.hub.connections.append(self.request)
        super().setup()

    def handle(self) -> None:
        with suppress(ConnectionError, TimeoutError):
            super().handle()

    def say(self, status: int, body: Any, headers: dict[str, str] | None = None) -> None:
        data = body if isinstance(body, bytes) else json.dumps(body).encode()
        self.send_response(status)
        self.send_header("Content-Length", str(len(data)))
        for name, value in (headers or {}).items():
            self.send_header(name, value)
        self.end_headers()
        if self.command != "HEAD":
            self.wfile.write(data)

    def is_refused(self, fault: Fault | None) -> bool:
        """Answers a fault that needs no file."""
        if isinstance(fault, Status):
            self.say(fault.code, {"error": f"status {fault.code}"}, fault.headers)
        elif isinstance(fault, Redirect):
            self.say(302, b"", {"Location": fault.to})
        return isinstance(fault, Status | Redirect)

    def give(self, path: str, data: bytes, headers: dict[str, str]) -> None:
        """A file or a range of it, with the fault whose turn it is."""
        fault = self.hub.next_fault(path) if self.command == "GET" else None
        if self.is_refused(fault):
            return
        if isinstance(fault, Wrong):
            data = data[: fault.at] + bytes([data[fault.at] ^ 0xFF]) + data[fault.at + 1 :]
        elif isinstance(fault, Length):
            data = data + b"\0" * fault.more if fault.more > 0 else data[: fault.more]
        start, end = 0, len(data)
        asked = re.fullmatch(r"bytes=(\d+)-(\d*)", self.headers.get("Range", ""))
        if asked and not isinstance(fault, NoRange):
            start, end = int(asked[1]), min(int(asked[2] or len(data)) + 1, len(data))
            if start >= len(data):
                self.say(416, b"", {"Content-Range": f"bytes */{len(data)}"})
                return
            self.send_response(206)
            self.send_header("Content-Range", f"bytes {start}-{end - 1}/{len(data)}")
        else:
            self.send_response(200)
        self.send_header("Content-Length", str(end - start))
        self.send_header("Accept-Ranges", "bytes")
        for name, value in headers.items():
            self.send_header(name, value)
        self.end_headers()
        if self.command == "GET":
            self._send(path, memoryview(data), start, end, fault)

    def _send(self, path: str, data: memoryview, start: int, end: int, fault: Fault | None) -> None:
        stop = max(start, min(end, fault.at)) if isinstance(fault, Reset | Stall | Close) else end
        began_ns, at = monotonic_ns(), start
        with self.hub.sending():
            while at < stop and not self.hub.is_over.is_set():
                count = self.connection.send(data[at : min(at + _BLOCK, stop)])
                at += count
                self.hub.sent[path] += count
                if self.hub.speed:
                    due_ns = began_ns + round((at - start) / self.hub.speed * 1e9)
                    sleep_blocking_ns(due_ns - monotonic_ns())
            if isinstance(fault, Reset) and fault.at < end:
                self._wait_until_there()
                self.connection.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
                self.connection.close()
            elif isinstance(fault, Stall):
                self.connection.settimeout(0.05)
                while not self.hub.is_over.is_set():
                    with suppress(TimeoutError):
                        if not self.connection.recv(1):
                            break
        self.close_connection = isinstance(fault, Reset | Stall | Close) or self.hub.is_over.is_set()

    def _wait_until_there(self) -> None:
        import fcntl

        for _ in range(2000):
            if struct.unpack("i", fcntl.ioctl(self.connection, _SIOCOUTQ, b"\0" * 4))[0] == 0:
                return
            sleep_blocking_ns(1_000_000)


class _StorageHandler(_Handler):
    """Where large files lie: another origin, which must never see a token."""

    def do_GET(self) -> None:
        where = urlsplit(self.path)
        self.hub.storage_seen.append((unquote(where.path), dict(self.headers)))
        for repository in self.hub.repositories.values():
            for files in (repository.files, *repository.older.values()):
                for path, data in files.items():
                    if where.path == f"/{sha256(data)}" and unquote(where.query) == path:
                        self.give(path, data, {"ETag": f'"{sha256(data)[:32]}"'})
                        return
        self.say(404, b"")

    do_HEAD = do_GET  # noqa: N815 - the base class's name


class _HubHandler(_Handler):
    """The Hub's own pages."""

    def do_GET(self) -> None:
        where = urlsplit(self.path)
        path = unquote(where.path)
        self.hub.seen.append((path, parse_qs(where.query), dict(self.headers)))
        if path.startswith("/api/") and self.is_refused(self.hub.next_fault("api")):
            return
        if path.startswith("/api/") and "api" in self.hub.raw:
            self.say(200, self.hub.raw["api"])
        elif path == "/api/models":
            self._search(parse_qs(where.query))
        elif match := re.fullmatch(r"/api/models/([^/]+/[^/]+)/tree/([^/]+)", path):
            self._tree(match[1], match[2])
        elif match := re.fullmatch(r"/api/models/([^/]+/[^/]+)(?:/revision/(.+))?", path):
            self._info(match[1], match[2])
        elif match := re.fullmatch(r"/([^/]+/[^/]+)/resolve/([^/]+)/(.+)", path):
            self._file(match[1], match[2], match[3])
        else:
            self.say(404, {"error": "Not Found"})

    do_HEAD = do_GET  # noqa: N815 - the base class's name

    def _files(
        self, name: str, revision: str | None, *, are_open: bool = False
    ) -> tuple[Repository, dict[str, bytes]] | None:
        """What there is; `are_open`: what the live Hub tells of a gated repository too."""
        found = self.hub.repositories.get(name)
        if found is None:
            self.say(401, {"error": "Invalid username or password."}, {"X-Error-Code": "RepoNotFound"})
            return None
        if found.is_gated and not are_open and "Authorization" not in self.headers:
            restricted = {"error": f"Access to {name} is restricted"}
            self.say(403, restricted, {"X-Error-Code": "GatedRepo"})
            return None
        files = found.at(revision)
        if files is None:
            self.say(404, {"error": f"Invalid rev id: {revision}"}, {"X-Error-Code": "RevisionNotFound"})
            return None
        return found, files

    def _commit(self, found: Repository, revision: str | None) -> str:
        return revision if revision is not None and revision in found.older else found.commit

    def _search(self, asked: dict[str, list[str]]) -> None:
        wanted, form = asked["search"][0].lower(), asked.get("filter", [None])[0]
        found: list[dict[str, Any]] = [
            {"id": name, "downloads": one.downloads, "gated": one.is_gated, "tags": list(one.tags),
             "gguf": {"total": 494_032_768} if "gguf" in one.tags else None}
            for name, one in self.hub.repositories.items()
            if wanted in name.lower() and (form is None or form in one.tags)
        ]  # fmt: skip
        self.say(200, sorted(found, key=lambda one: -one["downloads"])[: int(asked["limit"][0])])

    def _info(self, name: str, revision: str | None) -> None:
        if (got := self._files(name, revision, are_open=True)) is None:
            return
        found, files = got
        siblings = [
            {"rfilename": path, "size": len(data), "blobId": git_id(data),
             **({"lfs": {"sha256": sha256(data), "size": len(data), "pointerSize": 134}} if is_lfs(path) else {})}
            for path, data in files.items()
        ]  # fmt: skip
        body = {"id": name, "sha": self._commit(found, revision), "siblings": siblings, "tags": list(found.tags),
                "gated": "manual" if found.is_gated else False}  # fmt: skip
        self.say(200, body)

    def _tree(self, name: str, revision: str) -> None:
        if (got := self._files(name, revision)) is not None:
            entries = [
                {"type": "file", "path": path, "size": len(data), "oid": git_id(data),
                 **({"lfs": {"oid": sha256(data), "size": len(data), "pointerSize": 134}} if is_lfs(path) else {})}
                for path, data in got[1].items()
            ]  # fmt: skip
            self.say(200, entries)

    def _file(self, name: str, revision: str, path: str) -> None:
        if (got := self._files(name, revision)) is None:
            return
        found, files = got
        if self.is_refused(self.hub.next_fault(f"resolve:{path}")):
            return
        headers = {"X-Repo-Commit": self._commit(found, revision)}
        data = files.get(path)
        if data is None:
            self.say(404, {"error": "Entry not found"}, {**headers, "X-Error-Code": "EntryNotFound"})
        elif is_lfs(path):
            headers |= {"X-Linked-ETag": f'"{sha256(data)}"', "X-Linked-Size": str(len(data))}
            self.say(302, b"", {**headers, "Location": f"{self.hub.storage}/{sha256(data)}?{quote(path)}"})
        else:
            self.give(path, data, {**headers, "ETag": f'"{git_id(data)}"'})


class _Server(ThreadingHTTPServer):
    daemon_threads = False
    block_on_close = True

    def handle_error(self, request: Any, client_address: Any) -> None:
        """A client that goes in the middle is what these tests are about."""


@contextmanager
def loopback_hub(repositories: dict[str, Repository]) -> Iterator[Hub]:
    hub = Hub(repositories)
    servers, threads = [], []
    for kind in (_HubHandler, _StorageHandler):
        server = _Server(("127.0.0.1", 0), type("Handler", (kind,), {"hub": hub, "timeout": 20}))
        thread = threading.Thread(target=server.serve_forever, args=(0.01,))
        thread.start()
        servers.append(server)
        threads.append(thread)
    hub.url, hub.storage = (f"http://127.0.0.1:{server.server_address[1]}" for server in servers)
    try:
        yield hub
    finally:
        hub.is_over.set()
        for connection in hub.connections:
            with suppress(OSError):  # those that are kept open for a next request
                connection.shutdown(socket.SHUT_RDWR)
        for server, thread in zip(servers, threads, strict=True):
            server.shutdown()
            server.server_close()
            thread.join()
