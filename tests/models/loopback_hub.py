"""A Hub on a loopback port: it answers searches, tells what repositories hold, and gives byte ranges of their files."""

import hashlib
import json
import re
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any
from urllib.parse import parse_qs, urlsplit

COMMIT = "c" * 40


@dataclass
class Repository:
    """What the Hub has under a name; `gated` asks for a token."""

    files: dict[str, bytes] = field(default_factory=dict)
    tags: tuple[str, ...] = ()
    commit: str = COMMIT
    is_gated: bool = False
    downloads: int = 0


@dataclass
class Hub:
    """The repositories that it has, its address, and every request that it saw: path, query and headers."""

    repositories: dict[str, Repository]
    url: str = ""
    seen: list[tuple[str, dict[str, list[str]], dict[str, str]]] = field(default_factory=list)


@contextmanager
def loopback_hub(repositories: dict[str, Repository]) -> Iterator[Hub]:
    hub = Hub(repositories)

    class Handler(BaseHTTPRequestHandler):
        protocol_version = "HTTP/1.1"

        def log_message(self, *_: Any) -> None:
            """Quiet."""

        def do_GET(self) -> None:
            where = urlsplit(self.path)
            hub.seen.append((where.path, parse_qs(where.query), dict(self.headers)))
            if where.path == "/api/models":
                self._search(parse_qs(where.query))
            elif match := re.fullmatch(r"/api/models/([^/]+/[^/]+)(?:/revision/(.+))?", where.path):
                self._info(match[1])
            elif match := re.fullmatch(r"/([^/]+/[^/]+)/resolve/[^/]+/(.+)", where.path):
                self._file(match[1], match[2])
            else:
                self._say(404, {"error": "Not Found"})

        def _say(self, status: int, body: Any, **headers: str) -> None:
            data = body if isinstance(body, bytes) else json.dumps(body).encode()
            self.send_response(status)
            self.send_header("Content-Length", str(len(data)))
            for name, value in headers.items():
                self.send_header(name.replace("_", "-"), value)
            self.end_headers()
            self.wfile.write(data)

        def _known(self, name: str) -> Repository | None:
            found = hub.repositories.get(name)
            if found is None:
                self._say(401, {"error": "Invalid username or password."}, X_Error_Code="RepoNotFound")
            elif found.is_gated and "Authorization" not in self.headers:
                self._say(403, {"error": f"Access to {name} is restricted"}, X_Error_Code="GatedRepo")
                return None
            return found

        def _search(self, asked: dict[str, list[str]]) -> None:
            wanted, form = asked["search"][0].lower(), asked.get("filter", [None])[0]
            found: list[dict[str, Any]] = [
                {"id": name, "downloads": one.downloads, "gated": one.is_gated, "tags": list(one.tags),
                 "gguf": {"total": 494_032_768} if "gguf" in one.tags else None}
                for name, one in hub.repositories.items()
                if wanted in name.lower() and (form is None or form in one.tags)
            ]  # fmt: skip
            self._say(200, sorted(found, key=lambda one: -one["downloads"])[: int(asked["limit"][0])])

        def _info(self, name: str) -> None:
            if (found := self._known(name)) is not None:
                siblings = [
                    {"rfilename": path, "size": len(data),
                     "lfs": {"sha256": hashlib.sha256(data).hexdigest(), "size": len(data), "pointerSize": 134}}
                    for path, data in found.files.items()
                ]  # fmt: skip
                body = {"id": name, "sha": found.commit, "siblings": siblings, "tags": list(found.tags),
                        "gated": "manual" if found.is_gated else False}  # fmt: skip
                self._say(200, body)

        def _file(self, name: str, path: str) -> None:
            if (found := self._known(name)) is None:
                return
            data = found.files.get(path)
            if data is None:
                self._say(404, {"error": "Entry not found"}, X_Error_Code="EntryNotFound")
            elif match := re.fullmatch(r"bytes=(\d+)-(\d+)", self.headers.get("Range", "")):
                start, end = int(match[1]), min(int(match[2]), len(data) - 1)
                self._say(206, data[start : end + 1], Content_Range=f"bytes {start}-{end}/{len(data)}")
            else:
                self._say(200, data)

    server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    hub.url = f"http://127.0.0.1:{server.server_address[1]}"
    thread = threading.Thread(target=server.serve_forever, args=(0.01,))
    thread.start()
    try:
        yield hub
    finally:
        server.shutdown()
        server.server_close()
        thread.join()
