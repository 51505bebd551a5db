"""Any URL that speaks OpenAI's API: nothing is started, so nothing is known of its device, memory or load time."""

import asyncio
import logging
import socket
import ssl
import stat
from collections.abc import Mapping
from pathlib import Path
from types import MappingProxyType
from typing import Any, ClassVar
from urllib.parse import SplitResult, urlsplit

from shortlist.engines import EngineContext, EngineInfo, LoadSpec, refuse_options
from shortlist.errors import (
    BadInput,
    BrokenStream,
    ConnectFailed,
    EndpointError,
    EngineCrashed,
    ErrorReply,
    InvalidFile,
)
from shortlist.records import Endpoint, Generation
from shortlist.units import duration

log = logging.getLogger(__name__)

_HEAD_LIMIT_BYTES = 1 << 16
_KEY_LIMIT_BYTES = 1 << 14
_LOOPBACK = ("localhost", "127.0.0.1", "::1")
_ABSENT = (404, 405, 501)


class Remote:
    """An endpoint that others run. The key is read from its file when the endpoint is opened, and kept here alone."""

    name: ClassVar[str] = "remote"
    needs_nonce: ClassVar[bool] = True

    def __init__(self, context: EngineContext) -> None:
        self._context = context
        self._headers: Mapping[str, str] = {}

    def probe(self) -> EngineInfo:
        """Says only whether there is a URL; asking it is for `open`."""
        url = self._context.endpoint_url
        return EngineInfo(self.name, available=bool(url), reason=None if url else "no --endpoint URL was given")

    async def open(self, spec: LoadSpec) -> Endpoint:
        """Ask GET {base}/models. A server that has no such page is taken as it is; one that refuses the key is not."""
        refuse_options(self.name, spec.options, "whoever runs the endpoint decides that")
        base = base_url(self._context.endpoint_url or "")
        self._headers = MappingProxyType(_request_headers(self._context, urlsplit(base)))
        try:
            async with asyncio.timeout(spec.timeout_ns / 1e9):
                status, headers = await _get(f"{base}/models", self._headers)
        except TimeoutError:
            raise ConnectFailed(f"{base} did not answer within {duration(spec.timeout_ns)}", hint=_HINT) from None
        _check_status(base, status, headers)
        return Endpoint(
            base_url=base,
            model=spec.model,
            pid=None,
            engine=self.name,
            engine_version=headers.get("server"),
            device=None,
            capabilities=("chat", "passes_on", "stream"),
        )

    async def close(self) -> None:
        """Forget the key."""
        self._headers = {}

    def request_headers(self) -> Mapping[str, str]:
        """The key and the user's headers."""
        return self._headers

    def extra_body(self, generation: Generation) -> Mapping[str, Any]:
        """A fixed length in the words that vLLM, SGLang and llama-server share; a strict server refuses them aloud."""
        if generation.fixed_tokens is None:
            return {}
        count = generation.fixed_tokens
        return {"ignore_eos": True, "min_tokens": count}

    @property
    def load_ns(self) -> int | None:
        """Not measured."""
        return None

    @property
    def settings(self) -> Mapping[str, int | str | bool]:
        """Nothing is ours to settle."""
        return {}

    def pids(self) -> tuple[int, ...]:
        """Not our processes."""
        return ()

    async def crash(self, within_ns: int = 0) -> EngineCrashed | None:  # noqa: ARG002 - the contract's signature
        """Never known of a remote."""
        return None

    def log_tail(self) -> str:
        """There is none."""
        return ""


_HINT = "check --endpoint; it is the part of the URL before /chat/completions, as in http://localhost:5273/v1"


def base_url(url: str) -> str:
    """The URL before `/chat/completions`, no slash at its end; a bare host gets `/v1`. Raises BadInput."""
    try:
        parts = urlsplit(url.strip())
        port_is_valid = parts.port is None or parts.port > 0
    except ValueError as error:
        raise BadInput(f"{url!r} is not a URL: {error}", hint=_HINT) from error
    if parts.scheme not in ("http", "https") or not parts.hostname or not port_is_valid:
        raise BadInput(f"{url!r} is not an http:// or https:// URL", hint=_HINT)
    if parts.username is not None or parts.query or parts.fragment:
        raise BadInput("an endpoint's URL holds no user name, query or fragment", hint="give keys with --api-key-file")
    path = parts.path.rstrip("/").removesuffix("/chat/completions")
    return f"{parts.scheme}://{parts.netloc}{path or '/v1'}"


def is_on_this_host(url: str) -> bool:
    """Whether a URL leads to this machine, as far as its address tells: loopback, our name, or an interface of ours."""
    import psutil

    host = urlsplit(url).hostname or ""
    if host in _LOOPBACK or host.startswith("127.") or host == socket.gethostname().lower():
        return True
    return any(host == address.address for of in psutil.net_if_addrs().values() for address in of)


def _request_headers(context: EngineContext, base: SplitResult) -> dict[str, str]:
    headers = dict(context.headers)
    for name, value in headers.items():
        is_name = bool(name) and name.isascii() and all(c.isalnum() or c in "!#$%&'*+-.^_`|~" for c in name)
        if not is_name or not value.isprintable() or not value.isascii():
            raise BadInput(f"header {name!r} cannot be sent", hint="--header 'Name: value', ASCII, on one line")
    if context.api_key_file is not None:
        headers["Authorization"] = f"Bearer {read_key(context.api_key_file)}"
        if base.scheme == "http" and base.hostname not in _LOOPBACK:
            log.warning("the key for %s travels unencrypted over http", base.hostname)
    return headers


def read_key(path: Path) -> str:
    """The key in a file: its only line. Raises InvalidFile; the key itself is never in a message."""
    try:
        with path.open("rb") as file:
            mode = path.stat().st_mode
            text = file.read(_KEY_LIMIT_BYTES + 1)
    except OSError as error:
        raise InvalidFile(path, "", f"the API key cannot be read: {error.strerror}") from error
    if mode & (stat.S_IRGRP | stat.S_IROTH):
        log.warning("%s can be read by other users of this machine: chmod 600 it", path)
    key = text.strip()
    if not key or len(text) > _KEY_LIMIT_BYTES or not key.isascii() or not key.decode("ascii").isprintable():
        raise InvalidFile(path, "", "one line with one API key was expected")
    return key.decode("ascii")


async def _get(url: str, headers: Mapping[str, str]) -> tuple[int, dict[str, str]]:
    """Status and headers of a GET, the body unread. Raises EndpointError."""
    parts = urlsplit(url)
    is_tls = parts.scheme == "https"
    host = parts.hostname or ""
    try:
        reader, writer = await asyncio.open_connection(
            host,
            parts.port or (443 if is_tls else 80),
            ssl=ssl.create_default_context() if is_tls else None,
            limit=_HEAD_LIMIT_BYTES,
        )
    except (OSError, UnicodeError) as error:  # UnicodeError: a label of the host's name that IDNA refuses
        raise ConnectFailed(f"no connection to {url}: {error}", hint=_HINT) from error
    try:
        sent = {"Host": parts.netloc, "Accept": "application/json", "Connection": "close", **headers}
        lines = "".join(f"{name}: {value}\r\n" for name, value in sent.items())
        writer.write(f"GET {parts.path} HTTP/1.1\r\n{lines}\r\n".encode())
        head = await reader.readuntil(b"\r\n\r\n")
    except (asyncio.IncompleteReadError, asyncio.LimitOverrunError, OSError) as error:
        raise BrokenStream(f"{url} gave no HTTP reply", hint=_HINT) from error
    finally:
        writer.transport.abort()  # one reply is all that was wanted; a polite close may wait for ever
    return _parse_head(url, head)


def _parse_head(url: str, head: bytes) -> tuple[int, dict[str, str]]:
    first, *lines = head.decode("latin-1").split("\r\n")
    protocol, _, rest = first.partition(" ")
    if not protocol.startswith("HTTP/1.") or not rest[:3].isdigit():
        raise BrokenStream(f"{url} does not answer in HTTP: {first[:80]!r}", hint=_HINT)
    pairs = (line.partition(":") for line in lines if ":" in line)
    return int(rest[:3]), {name.strip().lower(): value.strip()[:200] for name, _, value in pairs}


def _check_status(base: str, status: int, headers: Mapping[str, str]) -> None:
    if status in (200, *_ABSENT):
        return
    failure: EndpointError
    if status in (401, 403):
        failure = ErrorReply(
            f"{base} refuses the key ({status})", status=status, hint="--api-key-file FILE, or --header"
        )
    elif 300 <= status < 400:
        failure = ErrorReply(
            f"{base} redirects to {headers.get('location')}", status=status, hint="give that URL instead"
        )
    else:
        failure = ErrorReply(f"{base}/models answers with status {status}", status=status, hint=_HINT)
    raise failure
