"""One request to the service: what handlers see of it, and the table of operations that modules add to.

    Operation("GET", "/v1/models", list_models, "The models that are here")

A handler takes a `Call` and returns a `Reply`, or sends a stream by itself and returns None. Errors of ours that it
raises become replies; `app` does that.
"""

import asyncio
import logging
import os
import re
from collections.abc import Awaitable, Callable, Mapping, MutableMapping
from dataclasses import dataclass, field
from typing import Any, TypeVar

import msgspec

from shortlist.clock import monotonic_ns
from shortlist.errors import BadRequest, ShortlistError
from shortlist.serve.channel import Channel
from shortlist.serve.guard import Access, Guard
from shortlist.serve.lease import Lease, Models, Used
from shortlist.serve.replies import Headers, Problem, Reply
from shortlist.serve.upstream import Upstreams

log = logging.getLogger(__name__)

Scope = MutableMapping[str, Any]
Message = MutableMapping[str, Any]
Receive = Callable[[], Awaitable[Message]]
Send = Callable[[Message], Awaitable[None]]
ASGI = Callable[[Scope, Receive, Send], Awaitable[None]]
Asked = TypeVar("Asked")

CLIENT_KEY = "shortlist.client"
"""Where the name of the key that a request came with stands in the ASGI scope, once the guard has let it in."""

CHANNEL = "shortlist.channel"
"""The extension of the scope that holds the client's connection."""

_ID = re.compile(r"[^A-Za-z0-9._:-]")
_ID_LIMIT = 128
_LOGGED_BYTES = 64 * 1024
_UNKNOWN_FIELD = re.compile(r"unknown field `(.+?)`")
_PLACE = re.compile(r"^(?P<what>.*?)(?: - at `\$\.?(?P<place>.*)`)?$", re.DOTALL)


@dataclass(frozen=True, slots=True)
class Finished:
    """A request that is over, for metrics and logs. `route` is the operation's path, never the client's spelling."""

    request_id: str
    method: str
    route: str
    status: int
    client: str
    total_ns: int
    code: str | None = None
    is_cancelled: bool = False
    is_stream: bool = False
    lease: Lease | None = None
    used: Used | None = None


@dataclass(slots=True)
class State:
    """What all requests share. `observers` are called once per request, when it is over; they must be quick."""

    models: Models
    upstreams: Upstreams = field(default_factory=Upstreams)
    guard: Guard = field(default_factory=Guard)
    max_body_bytes: int = 32 * 1024 * 1024
    log_prompts: bool = False
    is_draining: bool = False
    active: int = 0
    observers: list[Callable[[Finished], None]] = field(default_factory=list)
    template_features: dict[tuple[str, str], frozenset[str]] = field(default_factory=dict)
    vocabularies: dict[tuple[str, str], int] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class Operation:
    """A route: a method and a path (`{name}` is one segment, `{name:path}` the rest) and who answers.

    `body` is the msgspec type of the request, `statuses` are those that it can answer with beside the usual ones,
    `query` names the query's parameters; all feed the OpenAPI document. `access` says who may ask (`guard`): "key" for
    what answers, "legacy" for state changes that old Foundry clients ask for, "management" for all other state.
    """

    method: str
    path: str
    handler: "Callable[[Call], Awaitable[Reply | None]]"
    summary: str
    body: Any = None
    reply: Any = None
    statuses: tuple[int, ...] = ()
    access: Access = "management"
    query: tuple[str, ...] = ()
    media_type: str = "application/json"


def request_id_of(given: str) -> str:
    """The client's own id, kept to what is safe in a header and a log; else a new one."""
    return _ID.sub("", given)[:_ID_LIMIT] or f"req-{os.urandom(12).hex()}"


class Call:
    """One request under way."""

    __slots__ = (
        "_body", "_sharing", "began_ns", "code", "error_event", "failed", "is_complete", "is_gone", "is_started",
        "is_stream", "lease", "operation", "receive", "request_id", "scope", "send", "state", "status", "used",
    )  # fmt: skip

    def __init__(self, operation: Operation, state: State, scope: Scope, receive: Receive, send: Send) -> None:
        self.operation, self.state = operation, state
        self.scope, self.receive, self.send = scope, receive, send
        self.began_ns = monotonic_ns()
        self.request_id = request_id_of(self.header("x-request-id"))
        self._sharing: Headers = ()
        self.is_started = self.is_complete = self.is_gone = self.is_stream = False
        self.status = 0
        self.error_event: Callable[[Problem], bytes] = _error_event
        self.code: str | None = None
        self.lease: Lease | None = None
        self.used: Used | None = None
        self.failed: tuple[tuple[str, ShortlistError], ...] = ()
        self._body: bytes | None = None

    def header(self, name: str) -> str:
        """A header of the request by its name in lower case; empty where there is none."""
        wanted = name.encode("latin-1")
        return next((value.decode("latin-1") for key, value in self.scope["headers"] if key == wanted), "")

    @property
    def channel(self) -> Channel:
        """The client's connection."""
        channel: Channel = self.scope["extensions"][CHANNEL]["channel"]
        return channel

    def parameter(self, name: str) -> str:
        """A part of the path."""
        parameters: Mapping[str, str] = self.scope.get("path_params", {})
        return parameters[name]

    @property
    def client(self) -> str:
        """The unit of fairness: the key's name, else the peer's address."""
        peer = self.scope.get("client")
        return str(self.scope.get(CLIENT_KEY) or (peer[0] if peer else "local"))

    def admit(self) -> Reply | None:
        """Let it in, or answer it at once (a browser's preflight). Raises BadRequest for those who may not."""
        admitted = self.state.guard.admit(self.scope, self.operation.access)
        self._sharing = admitted.headers
        if admitted.refusal is not None:
            raise admitted.refusal
        if admitted.client is not None:
            self.scope[CLIENT_KEY] = admitted.client
        return admitted.reply

    async def body(self) -> bytes:
        """The whole body, once more where it was read before. Raises BadRequest (413) for one that is too large,
        asyncio.CancelledError for a cut one.
        """
        if self._body is None:
            self._body = await self._read()
        return self._body

    async def _read(self) -> bytes:
        limit = self.state.max_body_bytes
        declared = self.header("content-length")
        if declared.isdigit() and int(declared) > limit:
            raise _too_large(limit)
        parts: list[bytes] = []
        size = 0
        while True:
            message = await self.receive()
            if message["type"] != "http.request":
                self.is_gone = True
                raise asyncio.CancelledError
            parts.append(message.get("body", b""))
            size += len(parts[-1])
            if size > limit:
                raise _too_large(limit)
            if not message.get("more_body"):
                return parts[0] if len(parts) == 1 else b"".join(parts)

    async def decode(self, kind: type[Asked]) -> Asked:
        """The body as a request of this kind. Raises BadRequest, naming the parameter."""
        data = await self.body()
        if self.state.log_prompts:
            log.info("request %s asks: %s", self.request_id, data[:_LOGGED_BYTES].decode("utf-8", "replace"))
        return decode(data, kind)

    async def start(self, status: int, headers: Headers) -> None:
        """Send the head of the reply, with the headers that each of ours carries."""
        self.is_started = True
        self._body = None  # it is not asked again
        self.status = status
        own = [(b"x-request-id", self.request_id.encode())]
        if self.lease is not None:
            own.append((b"x-shortlist-model", _latin(self.lease.model)))
            if self.lease.route:
                own.append((b"x-shortlist-route", _latin(self.lease.route)))
        await self.send({"type": "http.response.start", "status": status, "headers": [*own, *self._sharing, *headers]})

    async def reply(self, reply: Reply) -> None:
        """Send a whole reply."""
        length = (b"content-length", b"%d" % len(reply.body))
        await self.start(reply.status, (*reply.headers, length))
        await self.finish(reply.body)

    async def finish(self, data: bytes = b"") -> None:
        """Send the last of the reply."""
        self.is_complete = True
        await self.send({"type": "http.response.body", "body": data})

    async def refuse(self, problem: Problem) -> None:
        """Send an error; inside a stream that has begun, as its last event."""
        self.code = problem.code
        if not self.is_started:
            await self.reply(problem.reply())
        elif self.is_stream:
            await self.finish(self.error_event(problem))

    def finished(self) -> Finished:
        """What there is to tell when it is over."""
        return Finished(
            self.request_id, self.operation.method, self.operation.path, self.status, self.client,
            monotonic_ns() - self.began_ns, self.code, self.is_gone, self.is_stream, self.lease, self.used,
        )  # fmt: skip


def _error_event(problem: Problem) -> bytes:
    """How an error stands in a stream, where an API has no other way."""
    return b"data: %b\n\n" % problem.event()


def decode(data: bytes, kind: type[Asked]) -> Asked:
    """JSON as a request of this kind. Raises BadRequest, naming the parameter."""
    try:
        return msgspec.json.decode(data, type=kind)
    except msgspec.ValidationError as error:
        raise _invalid(str(error)) from None
    except (msgspec.DecodeError, UnicodeDecodeError, RecursionError) as error:
        raise BadRequest(f"the body is not JSON: {error}", code="invalid_json") from None


def _invalid(told: str) -> BadRequest:
    """Msgspec's word for what is wrong, as OpenAI names it."""
    match = _PLACE.match(told)
    place = (match["place"] or "") if match else ""
    what = match["what"] if match else told
    unknown = _UNKNOWN_FIELD.search(what)
    if unknown:
        name = f"{place}.{unknown[1]}" if place else unknown[1]
        return BadRequest(f"unknown parameter {name!r}", param=name, code="unknown_parameter")
    missing = re.search(r"missing required field `(.+?)`", what)
    if missing:
        name = f"{place}.{missing[1]}" if place else missing[1]
        return BadRequest(f"parameter {name!r} is missing", param=name, code="missing_required_parameter")
    return BadRequest(f"{place or 'the body'}: {what}", param=place or None, code="invalid_value")


def _too_large(limit: int) -> BadRequest:
    return BadRequest(f"the body is over {limit} bytes", code="request_too_large", status=413)


def _latin(text: str) -> bytes:
    """Text as a header's value: what is no printable ASCII becomes ?."""
    return "".join(c if " " <= c <= "~" else "?" for c in text).encode("ascii")
