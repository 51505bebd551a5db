"""Commands talk to a running service through this: its management operations, with the token of its home."""

import http.client
import json
import ssl
from typing import Any
from urllib.parse import urlsplit

from shortlist.clock import monotonic_ns, sleep_blocking_ns
from shortlist.errors import ServiceError
from shortlist.serve.files import Files, Running
from shortlist.serve.guard import TOKEN_HEADER

_QUICK_S = 10.0
_LOAD_S = 3600.0
_MOST_BYTES = 64 * 10**6
_LOOK_NS = 50_000_000
_ANYWHERE = {"0.0.0.0": "127.0.0.1", "::": "::1"}  # noqa: S104 - what a service listens on, and where it is reached


class Client:
    """One running service of a home."""

    def __init__(self, files: Files, running: Running) -> None:
        self.files, self.running = files, running

    def status(self) -> dict[str, Any]:
        """The service and its models."""
        told: dict[str, Any] = self._ask("GET", "status", None, _QUICK_S)
        return told

    def load(self, model: str) -> dict[str, Any]:
        """Load a model; its row when it is ready."""
        told: dict[str, Any] = self._ask("POST", "load", {"model": model}, _LOAD_S)
        return told

    def unload(self, model: str | None, *, force: bool = False) -> list[dict[str, Any]]:
        """Unload a model or all; their rows when the memory is free."""
        told: list[dict[str, Any]] = self._ask("POST", "unload", {"model": model, "force": force}, _LOAD_S)
        return told

    def route(self, request: dict[str, Any]) -> dict[str, Any]:
        """Which model would answer."""
        told: dict[str, Any] = self._ask("POST", "route", request, _QUICK_S * 3)
        return told

    def shut_down(self) -> None:
        """Have it begin to end."""
        self._ask("POST", "shutdown", {}, _QUICK_S)

    def _ask(self, method: str, what: str, body: object, limit_s: float) -> Any:
        token = self.files.read_token()
        if token is None:
            raise ServiceError(f"{self.files.token} cannot be read: it is the service owner's", hint="ask as that user")
        headers = {TOKEN_HEADER: token, "Content-Type": "application/json"}
        connection = None
        try:
            connection = connect(self.running, limit_s)
            connection.request(method, f"/shortlist/v1/{what}", None if body is None else json.dumps(body), headers)
            reply = connection.getresponse()
            told = json.loads(reply.read(_MOST_BYTES))
        except (OSError, http.client.HTTPException, ValueError) as error:
            raise ServiceError(
                f"the service (pid {self.running.pid}) does not answer at {self.running.urls[0]}: {error}",
                hint="shortlist service logs; shortlist service stop",
            ) from None
        finally:
            if connection is not None:
                connection.close()
        if reply.status != http.client.OK:
            raise ServiceError(told["error"]["message"])
        return told


def connect(running: Running, limit_s: float) -> http.client.HTTPConnection:
    """To the service on this machine. With TLS it has to show the certificate that it was started with, by no name."""
    parts = urlsplit(running.urls[0])
    host = _ANYWHERE.get(parts.hostname or "", parts.hostname or "")
    if parts.scheme == "http":
        return http.client.HTTPConnection(host, parts.port, timeout=limit_s)
    context = ssl.create_default_context(cafile=running.certificate)
    context.check_hostname = False
    context.verify_flags |= ssl.VERIFY_X509_PARTIAL_CHAIN
    return http.client.HTTPSConnection(host, parts.port, timeout=limit_s, context=context)


def find(files: Files) -> Client | None:
    """The running service of a home; None where none runs, or none answers yet."""
    running = files.running()
    return None if running is None else Client(files, running)


def require(files: Files) -> Client:
    """The running service. Raises ServiceError where there is none."""
    found = find(files)
    if found is None:
        raise ServiceError(f"no service runs for {files.home}", hint="shortlist service start")
    return found


def wait_until_free(files: Files, limit_ns: int) -> bool:
    """Wait until no service has the home any more; whether that came within the limit."""
    end = monotonic_ns() + limit_ns
    while files.is_held():
        if monotonic_ns() > end:
            return False
        sleep_blocking_ns(_LOOK_NS)
    return True


def wait_until_settled(files: Files, limit_ns: int) -> Running | None:
    """Wait while a service starts or stops; the one that runs then, or None. Raises ServiceError after the limit."""
    end = monotonic_ns() + limit_ns
    while files.is_held():
        running = files.running()
        if running is not None and not running.is_stopping:
            return running
        if monotonic_ns() > end:
            raise ServiceError(
                f"a service of {files.home} has been starting or stopping for {limit_ns / 1e9:.0f} s",
                hint="shortlist service logs; shortlist service stop --force",
            )
        sleep_blocking_ns(_LOOK_NS)
    return None
