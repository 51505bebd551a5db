"""Asks a service in Foundry Local's dialect: ours on this machine, or one on another host with a key."""

import http.client
import json
import re
import ssl
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any
from urllib.parse import quote, urlencode, urlsplit

from shortlist.errors import BadInput, ServiceError
from shortlist.serve.client import connect
from shortlist.serve.files import Files, Running
from shortlist.serve.guard import TOKEN_HEADER
from shortlist.settings import Settings

_LIMIT_S = 3600.0
_QUICK_S = 5.0
_MOST_BYTES = 64 * 10**6
_LOCAL = ("localhost", "127.0.0.1", "::1")
_PERCENT = re.compile(r"(\d+(?:\.\d+)?)%")


@dataclass(frozen=True, slots=True)
class FoundryClient:
    """One service. `url` is scheme, host and port; `running` is this home's, None for one that an endpoint names."""

    url: str
    running: Running | None = None
    headers: dict[str, str] = field(default_factory=dict, repr=False)

    @property
    def is_remote(self) -> bool:
        """Whether its files may be on another host."""
        return self.running is None

    def entries(self) -> list[dict[str, Any]]:
        """The catalogue."""
        found: list[dict[str, Any]] = self._get("/foundry/list")
        return found

    def cached(self) -> list[str]:
        """Ids of what is on its host."""
        found: list[str] = self._get("/openai/models")
        return found

    def loaded(self) -> list[str]:
        """Ids of what is loaded."""
        found: list[str] = self._get("/openai/loadedmodels")
        return found

    def place(self) -> str:
        """Where its models lie."""
        return str(self._get("/openai/status")["modelDirPath"])

    def load(self, name: str, ttl_s: int | None = None) -> None:
        """Load a model; returns when it is ready."""
        self._get(f"/openai/load/{quote(name, safe=':')}", {} if ttl_s is None else {"ttl": str(ttl_s)})

    def unload(self, name: str) -> None:
        """Unload a model; returns when its memory is free."""
        self._get(f"/openai/unload/{quote(name, safe=':')}", {"force": "false"})

    def is_there(self) -> bool:
        """Whether it answers."""
        try:
            with self._asked("GET", "/v1/models", None, _QUICK_S) as reply:
                return reply.status < 500
        except ServiceError:
            return False

    def download(self, name: str, percent: Callable[[float], None]) -> None:
        """Have it fetch a model, telling how far it is. Raises ServiceError with what it says."""
        with self._asked("POST", "/openai/download", {"model": {"Name": name}}, _LIMIT_S) as reply:
            last = ""
            for line in reply:
                text = line.decode("utf-8", "replace")
                if last or text.startswith("{"):
                    last += text
                elif match := _PERCENT.search(text):
                    percent(float(match[1]))
        told = _parsed(last.encode(), self.url)
        if not told.get("success"):
            raise ServiceError(str(told.get("errorMessage") or told.get("error") or last))

    def _connection(self, limit_s: float) -> http.client.HTTPConnection:
        if self.running is not None:
            return connect(self.running, limit_s)
        parts = urlsplit(self.url)
        where = parts.hostname or ""
        if parts.scheme != "https":
            return http.client.HTTPConnection(where, parts.port, timeout=limit_s)
        context = ssl.create_default_context()
        return http.client.HTTPSConnection(where, parts.port, timeout=limit_s, context=context)

    def _get(self, path: str, query: dict[str, str] | None = None) -> Any:
        with self._asked("GET", path + (f"?{urlencode(query)}" if query else ""), None, _LIMIT_S) as reply:
            told = _parsed(reply.read(_MOST_BYTES), self.url)
            if reply.status != http.client.OK:
                raise ServiceError(_message(told))
            return told

    @contextmanager
    def _asked(self, method: str, path: str, body: object, limit_s: float) -> Iterator[http.client.HTTPResponse]:
        connection = self._connection(limit_s)
        try:
            data = None if body is None else json.dumps(body)
            connection.request(method, path, data, {**self.headers, "Content-Type": "application/json"})
            yield connection.getresponse()
        except (OSError, http.client.HTTPException) as error:
            raise ServiceError(
                f"{self.url} does not answer: {error}", hint="shortlist foundry service status"
            ) from None
        finally:
            connection.close()


def _of_home(files: Files) -> FoundryClient | None:
    running, token = files.running(), files.read_token()
    if running is None or running.is_stopping:
        return None
    return FoundryClient(running.urls[0], running, {} if token is None else {TOKEN_HEADER: token})


def find(settings: Settings) -> FoundryClient | None:
    """The service that is meant: FOUNDRY_LOCAL_ENDPOINT's (the setting `endpoint`), else this home's that runs."""
    if settings.endpoint is not None and not _is_own(settings.endpoint, settings):
        return FoundryClient(settings.endpoint.removesuffix("/v1").rstrip("/"), None, _key(settings.api_key_file))
    return _of_home(Files(settings.home))


def _is_own(endpoint: str, settings: Settings) -> bool:
    """Whether an endpoint is the service of this home: on this machine, at the port that it has or would take."""
    parts, running = urlsplit(endpoint), Files(settings.home).running()
    port = settings.port if running is None else urlsplit(running.urls[0]).port
    return parts.hostname in _LOCAL and (parts.port or 80) == port


def _key(path: Path | None) -> dict[str, str]:
    if path is None:
        return {}
    try:
        return {"Authorization": f"Bearer {path.read_text(encoding='ascii').strip()}"}
    except (OSError, UnicodeDecodeError) as error:
        raise BadInput(f"the key file {path} cannot be read: {error}", hint="--api-key-file FILE") from None


def _parsed(data: bytes, url: str) -> Any:
    try:
        return json.loads(data)
    except ValueError:
        raise ServiceError(f"{url} does not answer as Foundry Local does", hint="is it one of ours?") from None


def _message(told: Any) -> str:
    error = told.get("error") if isinstance(told, dict) else None
    return str(error.get("message")) if isinstance(error, dict) else str(told)[:400]
