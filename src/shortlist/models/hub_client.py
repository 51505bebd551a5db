"""Every request to the Hub, made safe: huggingface_hub's own client behind a guard, its errors told apart.

Every request of the library's client passes the guard, redirects too; a token leaves for the endpoint alone.
Telemetry is off, and so is Xet (a binary with a network of its own, which the guard does not see) unless `fetch_by_xet`
is called. This file and `hub` alone import huggingface_hub, when something is asked. Why the bytes of a file are not
fetched by its `hf_hub_download`: docs/decisions/0022.
"""

import os
import socket
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager, suppress
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from threading import Lock
from typing import Any

from shortlist import __version__
from shortlist.clock import wall_ns
from shortlist.errors import HubError
from shortlist.models.guard import Guard

TIMEOUT_S = 10.0
_PASSING = frozenset({408, 425, 429, 500, 502, 503, 504})
_guard: Guard | None = None
_guard_lock = Lock()
_also: tuple[str, ...] = ()
_live: set[Any] = set()


@dataclass(frozen=True, slots=True)
class Incoming:
    """A file on its way: the byte that it begins with, how long the file is, its digest as the reply tells it."""

    start: int
    total: int | None
    etag: str | None
    blocks: Iterator[bytes]


def is_offline() -> bool:
    """HF_HUB_OFFLINE is set: nothing may be asked."""
    told = (os.environ.get(name, "") for name in ("HF_HUB_OFFLINE", "TRANSFORMERS_OFFLINE"))
    return any(value.upper() in ("1", "ON", "YES", "TRUE") for value in told)


def endpoint() -> str:
    """The Hub's address: HF_ENDPOINT, else Hugging Face's."""
    from huggingface_hub import constants

    return (os.environ.get("HF_ENDPOINT") or constants.ENDPOINT).rstrip("/")


def allow_hosts(hosts: tuple[str, ...]) -> None:
    """Let requests go to these hosts too: the setting `hub_hosts`."""
    global _also  # noqa: PLW0603 - the library has one client for the process, so its rule is one too
    _also = hosts


def session() -> Any:
    """The library's client, made safe: no telemetry, no Xet, and every request and redirect passes the guard."""
    global _guard  # noqa: PLW0603 - as above
    os.environ.setdefault("HF_HUB_DISABLE_TELEMETRY", "1")
    from urllib.request import getproxies

    from huggingface_hub import constants, get_session, set_client_factory
    from huggingface_hub.utils import httpx

    with _guard_lock:
        wanted = Guard(endpoint(), _also, is_proxied=not {"http", "https", "all"}.isdisjoint(getproxies()))
        if wanted != _guard:
            constants.HF_HUB_DISABLE_XET = True
            hooks: dict[str, list[Callable[..., Any]]] = {
                "request": [partial(_check_request, wanted)],
                "response": [partial(_check_peer, wanted)],
            }
            set_client_factory(lambda: httpx.Client(event_hooks=hooks, follow_redirects=True, timeout=TIMEOUT_S))
            _guard = wanted
    return get_session()


def request_headers() -> dict[str, str]:
    """Who asks, and with which token: HF_TOKEN, else that of `hf auth login`.

    The library's own `build_hf_headers` asks the endpoint one more question first, for what it tells of this host.
    """
    from huggingface_hub import constants, get_token

    token = None if constants.HF_HUB_DISABLE_IMPLICIT_TOKEN else get_token()
    return {"User-Agent": f"shortlist/{__version__}"} | ({"Authorization": f"Bearer {token}"} if token else {})


def _check_request(guard: Guard, request: Any) -> None:
    from huggingface_hub.utils import OfflineModeIsEnabled

    if is_offline():
        raise OfflineModeIsEnabled(f"{request.url}")
    guard.check(str(request.url))
    if not guard.is_home(str(request.url)):
        request.headers.pop("authorization", None)


def _check_peer(guard: Guard, response: Any) -> None:
    """The address that was in fact connected to: a name server may have told the guard another one."""
    stream = response.extensions.get("network_stream")
    peer = stream.get_extra_info("server_addr") if stream is not None else None
    if peer and not guard.is_proxied:
        guard.check_address(response.request.url.host, str(peer[0]))


@contextmanager
def open_file(repository: str, file: str, revision: str, *, start: int = 0, timeout_s: float = 0) -> Iterator[Incoming]:
    """A file from a byte on, as the Hub sends it. `timeout_s`: longest silence, HF_HUB_DOWNLOAD_TIMEOUT by default.

    Each block is what was read at once, so that nothing waits in a buffer when the connection breaks. Raises HubError,
    also from `blocks`; `is_passing` where another try may help.
    """
    from huggingface_hub import constants, hf_hub_url

    what, url = f"{repository}/{file}", hf_hub_url(repository, file, revision=revision, endpoint=endpoint())
    headers = {**request_headers(), "Accept-Encoding": "identity"} | ({"Range": f"bytes={start}-"} if start else {})
    silence_s = timeout_s or float(os.environ.get("HF_HUB_DOWNLOAD_TIMEOUT") or constants.HF_HUB_DOWNLOAD_TIMEOUT)
    with ExitStack() as stack:
        with telling(what):
            reply = stack.enter_context(session().stream("GET", url, headers=headers, timeout=silence_s))
            if reply.status_code != 416:
                raise_for_status(reply)
        if reply.headers.get("Content-Encoding", "identity") != "identity":
            raise HubError(f"{what}: it came compressed, though that was not asked for", hint="check HF_ENDPOINT")
        stack.enter_context(_breakable(reply))
        told = [one.headers for one in (*reply.history, reply)]
        etag = next((h[name] for name in ("X-Linked-ETag", "ETag") for h in told if name in h), None)
        yield Incoming(*_extent(reply, start), etag and etag.removeprefix("W/").strip('"'), _blocks(what, reply))


@contextmanager
def _breakable(reply: Any) -> Iterator[None]:
    """While it lasts, `break_off` ends this reply."""
    stream = reply.extensions.get("network_stream")
    connection = stream.get_extra_info("socket") if stream is not None else None
    if connection is not None:
        _live.add(connection)
    try:
        yield
    finally:
        _live.discard(connection)


def break_off() -> None:
    """End every reply that a thread still waits for: after Ctrl-C nobody waits for a silent server."""
    for connection in tuple(_live):
        with suppress(OSError):
            connection.shutdown(socket.SHUT_RDWR)


def _extent(reply: Any, start: int) -> tuple[int, int | None]:
    """The byte that a reply begins with, and the whole file's length. 416: it has no byte there."""
    spec, _, total = reply.headers.get("Content-Range", "").partition(" ")[2].partition("/")
    if reply.status_code == 206:
        first = spec.partition("-")[0]
        return int(first) if first.isdigit() else -1, int(total) if total.isdigit() else None
    if reply.status_code == 416:
        return start, int(total) if total.isdigit() else None
    length = reply.headers.get("Content-Length", "")
    return 0, int(length) if length.isdigit() else None


def _blocks(what: str, reply: Any) -> Iterator[bytes]:
    if reply.status_code != 416:
        with telling(what, "the connection broke"):
            yield from reply.iter_raw()


def fetch_by_xet(repository: str, file: str, revision: str, folder: Path) -> Path:
    """A file by huggingface_hub's own download, which may use Xet; it lies under `folder`. Raises HubError.

    Xet has a network of its own that the guard does not see. Not tried against a real Xet storage.
    """
    from huggingface_hub import constants, hf_hub_download

    session()
    constants.HF_HUB_DISABLE_XET = False
    try:
        with telling(f"{repository}/{file}"):
            found = hf_hub_download(repository, file, revision=revision, local_dir=folder, endpoint=endpoint())
    finally:
        constants.HF_HUB_DISABLE_XET = True
    return Path(found)


@contextmanager
def file_lock(path: Path, patience_s: float) -> Iterator[None]:
    """The lock that every user of this cache takes. Raises TimeoutError where another process has it for so long."""
    from filelock import Timeout
    from huggingface_hub.utils import WeakFileLock

    path.parent.mkdir(parents=True, exist_ok=True)
    with ExitStack() as stack:
        try:
            stack.enter_context(WeakFileLock(path, timeout=patience_s))
        except Timeout:
            raise TimeoutError(str(path)) from None
        yield


def raise_for_status(reply: Any) -> None:
    """The library's error for a bad status, its body read for what it says."""
    from huggingface_hub.utils import hf_raise_for_status

    if reply.status_code >= 400:
        reply.read()
    hf_raise_for_status(reply)


@contextmanager
def telling(what: str, broken: str = "the Hub cannot be reached") -> Iterator[None]:
    """What goes wrong between here and the Hub, as HubError: told apart by type, each with what to do."""
    from huggingface_hub import errors
    from huggingface_hub.utils import httpx

    try:
        yield
    except errors.GatedRepoError:
        page = f"{endpoint()}/{'/'.join(what.split('/')[:2])}"
        hint = f"accept its terms with your account at {page}, then set HF_TOKEN"
        raise HubError(f"{what}: the Hub gives this only to those who accepted its terms", hint=hint) from None
    except errors.RepositoryNotFoundError:
        hint = "check the name; a private repository needs HF_TOKEN"
        raise HubError(f"{what}: the Hub has no such repository, or does not show it to you", hint=hint) from None
    except errors.RevisionNotFoundError:
        raise HubError(f"{what}: the Hub has no such revision of it", hint="leave the revision out") from None
    except errors.EntryNotFoundError:
        raise HubError(f"{what}: the Hub has no such file", hint="shortlist model search NAME") from None
    except errors.OfflineModeIsEnabled:
        raise HubError(f"{what}: HF_HUB_OFFLINE is set, nothing is asked", hint="unset HF_HUB_OFFLINE") from None
    except errors.HfHubHTTPError as error:
        raise _http_error(what, error) from None
    except (httpx.HTTPError, OSError) as error:
        told = f"{what}: {broken}: {_first_line(error) or type(error).__name__}"
        raise HubError(told, hint="check the network, or HF_ENDPOINT", is_passing=True) from None


def _http_error(what: str, error: Any) -> HubError:
    """A status as HubError: what passes says when; a token refused at another origin says why it was not sent."""
    status, headers = error.response.status_code, error.response.headers
    told = f"{what}: the Hub answered: {_first_line(error)}"
    if status in _PASSING:
        return HubError(told, is_passing=True, retry_after_s=_retry_after_s(headers))
    hint = f"a token goes to {endpoint()} and nowhere else" if status in (401, 403) else None
    return HubError(told, hint=hint)


def _retry_after_s(headers: Any) -> float | None:
    """When to come again: seconds, a date, or what is left of the Hub's window."""
    told = headers.get("Retry-After", "").strip()
    if told.isdigit():
        return float(told)
    if told:
        import email.utils

        try:
            return max(0.0, email.utils.parsedate_to_datetime(told).timestamp() - wall_ns() / 1e9)
        except ValueError:
            return None
    from huggingface_hub.utils import parse_ratelimit_headers

    window = parse_ratelimit_headers(headers)
    return None if window is None or window.remaining else float(window.reset_in_seconds)


def _first_line(error: BaseException) -> str:
    return next((line.strip() for line in str(error).splitlines() if line.strip()), "")[:200]
