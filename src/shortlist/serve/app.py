"""The service as an ASGI application: finds the operation, runs it, and answers for what goes wrong.

    app = build_app(State(models), [*openai.OPERATIONS, *others])

Every request passes the guard (`State.guard`) first, also those for paths that nobody answers.
"""

import asyncio
import contextlib
import logging
from collections import defaultdict
from collections.abc import Iterable, Mapping
from dataclasses import replace

from starlette.routing import Route, Router

from shortlist.errors import (
    BadRequest,
    BrokenStream,
    ConnectFailed,
    ConnectionClosed,
    ContextOverflow,
    EngineError,
    ErrorReply,
    ShortlistError,
)
from shortlist.serve import openapi
from shortlist.serve.call import ASGI, Call, Operation, Receive, Scope, Send, State
from shortlist.serve.replies import Problem, Reply, problem

log = logging.getLogger(__name__)

_DRAIN_RETRY_S = 5


def build_app(state: State, operations: Iterable[Operation]) -> ASGI:
    """The application. A later operation replaces an earlier one of the same method and path."""
    by_path: defaultdict[str, dict[str, Operation]] = defaultdict(dict)
    told = list({(operation.method, operation.path): operation for operation in operations}.values())
    for operation in (*told, openapi.operation_of(told)):
        by_path[operation.path][operation.method] = operation
    endpoints = {path: _Endpoint(state, methods) for path, methods in by_path.items()}
    routes = [Route(path, endpoint) for path, endpoint in endpoints.items()]
    return _App(endpoints, Router(routes, redirect_slashes=False, default=_Missing(state)))


class _App:
    """Plain paths by a look into a dict, the others by Starlette's router, which tries one pattern after another."""

    def __init__(self, endpoints: Mapping[str, "_Endpoint"], router: Router) -> None:
        self._plain = {path: endpoint for path, endpoint in endpoints.items() if "{" not in path}
        self._router = router

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        endpoint = self._plain.get(scope["path"]) if scope["type"] == "http" else None
        await (self._router if endpoint is None else endpoint)(scope, receive, send)


class _Endpoint:
    """One path with its methods."""

    def __init__(self, state: State, operations: Mapping[str, Operation]) -> None:
        self._state = state
        self._operations = operations
        self._allowed = ", ".join(sorted(operations))
        self._other = replace(next(iter(operations.values())), handler=self._refuse, access="open")

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        operation = self._operations.get(scope["method"], self._other)
        await run(Call(operation, self._state, scope, receive, send))

    async def _refuse(self, call: Call) -> None:
        told = f"{call.scope['method'][:20]} is not answered here, but {self._allowed}"
        await call.refuse(Problem(405, "method_not_allowed", told, headers=((b"allow", self._allowed.encode()),)))


class _Missing:
    """Every path that nobody answers."""

    def __init__(self, state: State) -> None:
        self._state = state
        self._operation = Operation("GET", "(unknown)", _nobody, "no such path", access="open")

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] == "http":
            await run(Call(self._operation, self._state, scope, receive, send))


async def _nobody(call: Call) -> None:
    told = f"there is no {call.scope['method'][:20]} {call.scope['path'][:200]} here"
    await call.refuse(Problem(404, "not_found", told))


async def run(call: Call) -> None:
    """One request from its head to its end; the one place where an error becomes a reply."""
    state = call.state
    state.active += 1
    try:
        await _answer(call)
    finally:
        state.active -= 1
        _tell(call)


async def _answer(call: Call) -> None:
    try:
        reply = call.admit()
        if reply is None and call.state.is_draining and call.operation.access != "open":
            told = "the service is shutting down"
            await call.refuse(Problem(503, "shutting_down", told, headers=((b"retry-after", b"%d" % _DRAIN_RETRY_S),)))
        elif reply is None:
            reply = await _handled(call)
        if reply is not None:
            await call.reply(reply)
    except ShortlistError as error:
        await _refused(call, error)
    except asyncio.CancelledError:
        if not call.is_gone:
            await _interrupted(call)
            raise
    except Exception:
        log.exception("request %s to %s failed", call.request_id, call.operation.path)
        told = f"the service failed at this request; its log says why under {call.request_id}"
        await _finish_stream(call, Problem(500, "internal_error", told))


async def _handled(call: Call) -> Reply | None:
    """The handler's reply; asked again, of another model, where one of a route failed before anything was sent."""
    while True:
        try:
            return await call.operation.handler(call)
        except ShortlistError as error:
            lease = call.lease
            if lease is None or not lease.route or call.is_started or not _is_the_models(error):
                raise
            log.info("request %s: %s failed and another is asked: %s", call.request_id, lease.model, error.message)
            call.failed = (*call.failed, (lease.model, error))
            call.lease = call.used = None


def _is_the_models(error: ShortlistError) -> bool:
    """Whether another model may do better: it crashed, it is too small, or it cannot do this."""
    if isinstance(error, BadRequest):
        return error.code in ("context_length_exceeded", "unsupported_parameter")
    return isinstance(error, EngineError | ContextOverflow | ConnectFailed | ConnectionClosed | BrokenStream)


async def _refused(call: Call, error: ShortlistError) -> None:
    told = problem(error)
    if told.status >= 500 and not isinstance(error, BadRequest):
        # An engine's own words may quote the prompt, and its log has them.
        shown = f"{type(error).__name__}, {told.code}" if isinstance(error, ErrorReply) else error.message
        log.warning("request %s to %s: %s", call.request_id, call.operation.path, shown)
    await _finish_stream(call, told)


async def _finish_stream(call: Call, told: Problem) -> None:
    await call.refuse(told)


async def _interrupted(call: Call) -> None:
    """The server ends before the request does."""
    with contextlib.suppress(Exception):
        await call.refuse(Problem(503, "shutting_down", "the service ended before the answer did"))


def _tell(call: Call) -> None:
    if not call.state.observers:
        return
    done = call.finished()
    for observer in call.state.observers:
        observer(done)
