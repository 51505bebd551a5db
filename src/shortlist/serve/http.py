"""uvicorn's HTTP protocol under `limits`: heads and bodies of bounded size and time, errors in our own shape.

uvicorn by itself keeps a head of any length for any time, takes the trailers of a chunked body for headers, and answers
a broken second request in the middle of the reply to the first.
"""

import asyncio
import os
from http import HTTPStatus
from typing import Any

import httptools
from uvicorn.protocols.http.httptools_impl import HttpToolsProtocol, RequestResponseCycle

from shortlist.clock import monotonic_ns
from shortlist.serve.limits import Crowd, Phase, peer_of
from shortlist.serve.replies import Problem

_NOT_HTTP = Problem(400, "invalid_http", "this is not HTTP/1.1 as it is written")
_HOLLOW = Problem(400, "invalid_http", "the body comes in chunks that hold next to nothing")
_FULL = Problem(
    503, "too_many_connections", "every connection that is allowed is in use", headers=((b"retry-after", b"5"),)
)
_WRAPPING_BYTES, _WRAPPING_PER_BYTE = 128 * 1024, 16


class _Refused(Exception):
    """A request that is HTTP, and more than we take."""

    def __init__(self, problem: Problem) -> None:
        super().__init__(problem.message)
        self.problem = problem


class LimitedProtocol(HttpToolsProtocol):
    """One connection: see `limits.Connection`. `_is_deaf`: what comes is thrown away unread."""

    def __init__(self, crowd: Crowd, **others: Any) -> None:
        super().__init__(**others)
        self._crowd, self._limits = crowd, crowd.limits
        self.phase = Phase.HEAD
        self.since_ns = monotonic_ns()
        self.peer = "local"
        self.body_bytes = 0
        self._wire_bytes = 0
        self._is_deaf = False
        self._answered: RequestResponseCycle | None = None

    # --- limits.Connection --------------------------------------------------------------------------------------------

    @property
    def is_closing(self) -> bool:
        """We have closed it, and it is not yet gone."""
        return self.transport.is_closing()

    @property
    def is_held(self) -> bool:
        """We do not read what comes."""
        return self.flow.read_paused

    def drop(self) -> None:
        """End it at once."""
        self._forget_requests()
        self.transport.abort()

    def cut(self, problem: Problem) -> None:
        """Take nothing more. Requests that came whole before are still answered; else this is the answer."""
        self._is_deaf = True
        cycle = self.cycle
        is_under_way = cycle is not None and not cycle.response_complete
        if is_under_way and not cycle.more_body:
            self._enter(Phase.BUSY)
            cycle.keep_alive = False
            return
        if is_under_way and (self.pipeline or cycle.response_started):
            self.drop()
            return
        if is_under_way:
            cycle.disconnected = True  # its handler waits for a body that will not come
            cycle.message_event.set()
        self._enter(Phase.ANSWERED)
        self._write(problem)

    def _write(self, problem: Problem) -> None:
        reply = problem.reply()
        lines = [
            b"HTTP/1.1 %d %b" % (reply.status, HTTPStatus(reply.status).phrase.encode()),
            b"x-request-id: req-%b" % os.urandom(12).hex().encode(),
            *(b"%b: %b" % pair for pair in reply.headers),
            b"content-length: %d" % len(reply.body),
            b"connection: close",
        ]
        self.transport.write(b"\r\n".join(lines) + b"\r\n\r\n" + reply.body)

    def _enter(self, phase: Phase) -> None:
        self.phase = phase
        self.since_ns = monotonic_ns()

    # --- asyncio ------------------------------------------------------------------------------------------------------

    def connection_made(self, transport: asyncio.Transport) -> None:  # type: ignore[override]
        """A client."""
        super().connection_made(transport)
        self.peer = peer_of(self.client[0] if self.client else None)
        if not self._crowd.enter(self):
            self._is_deaf = True
            self._write(_FULL)
            transport.close()

    def connection_lost(self, exc: Exception | None) -> None:
        """The client is gone."""
        self._crowd.leave(self)
        self._forget_requests()
        super().connection_lost(exc)

    def _forget_requests(self) -> None:
        """Nothing is written any more. uvicorn thinks of the last request that came, not of those before it."""
        self.pipeline.clear()
        if self._answered is not None and not self._answered.response_complete:
            self._answered.disconnected = True
            self._answered.message_event.set()

    def _start_asgi_task(self, cycle: RequestResponseCycle, app: Any) -> None:
        self._answered = cycle
        super()._start_asgi_task(cycle, app)

    def data_received(self, data: bytes) -> None:
        """Bytes of requests."""
        if self._is_deaf:
            return
        self._wire_bytes += len(data)
        self._unset_keepalive_if_required()
        try:
            self.parser.feed_data(data)
            self._check_sizes()
        except httptools.HttpParserUpgrade:  # answered as if it had not asked for that; what follows is not HTTP
            self._is_deaf = True
            self.cycle.keep_alive = False
        except httptools.HttpParserError as error:
            cause = error.__context__
            self.cut(cause.problem if isinstance(cause, _Refused) else _NOT_HTTP)
        except _Refused as refused:
            self.cut(refused.problem)

    def _check_sizes(self) -> None:
        if self.phase is Phase.HEAD and self._wire_bytes > self._limits.head_bytes:
            raise _Refused(_head_too_large(self._limits.head_bytes))
        wrapping = self._wire_bytes - self.body_bytes
        if self.phase is Phase.BODY and wrapping > _WRAPPING_BYTES + _WRAPPING_PER_BYTE * self.body_bytes:
            raise _Refused(_HOLLOW)

    # --- httptools ----------------------------------------------------------------------------------------------------

    def on_message_begin(self) -> None:
        """A request begins."""
        super().on_message_begin()
        self._enter(Phase.HEAD)
        self._wire_bytes = 0

    def on_url(self, url: bytes) -> None:
        """Its target, or a part of that."""
        super().on_url(url)
        if len(self.url) > self._limits.url_bytes:
            raise _Refused(Problem(414, "uri_too_long", f"the target is over {self._limits.url_bytes} bytes"))

    def on_header(self, name: bytes, value: bytes) -> None:
        """A header; after the body it is a trailer, and nobody asked for those."""
        if self.phase is Phase.HEAD:
            super().on_header(name, value)
            if len(self.headers) > self._limits.fields:
                raise _Refused(Problem(431, "headers_too_large", f"the head has over {self._limits.fields} fields"))

    def on_headers_complete(self) -> None:
        """Its head is there."""
        if not self.url.startswith(b"/") and self.url != b"*":
            raise _Refused(Problem(400, "invalid_http", "the target of a request is a path here: this is no proxy"))
        if sum(len(name) + len(value) + 4 for name, value in self.headers) > self._limits.head_bytes:
            raise _Refused(_head_too_large(self._limits.head_bytes))
        super().on_headers_complete()
        self._enter(Phase.BODY)
        self.body_bytes = self._wire_bytes = 0

    def on_body(self, body: bytes) -> None:
        """A part of its body."""
        self.body_bytes += len(body)
        super().on_body(body)

    def on_message_complete(self) -> None:
        """It is there as a whole."""
        super().on_message_complete()
        self._enter(Phase.IDLE if self.phase is Phase.ANSWERED else Phase.BUSY)

    def on_response_complete(self) -> None:
        """Its answer is written."""
        super().on_response_complete()
        if self.phase is Phase.BUSY and not self.pipeline and self.cycle.response_complete:
            self._enter(Phase.IDLE)
        elif self.phase is Phase.BODY and self.cycle.response_complete:
            self._enter(Phase.ANSWERED)


def _head_too_large(limit: int) -> Problem:
    return Problem(431, "headers_too_large", f"the head of the request is over {limit} bytes")
