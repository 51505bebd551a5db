"""A request to the engine and its reply back to the client, while the client stays.

Bytes of a stream go through as they come, one write for what one read brought. When the client goes, the connection
to the engine is dropped at once, and the engine stops.
"""

import asyncio
import contextlib
from collections.abc import AsyncIterator, Iterator, Mapping
from dataclasses import replace
from typing import Any

import msgspec

from shortlist.errors import BrokenStream, ConnectFailed, ConnectionClosed, EndpointError, EngineCrashed
from shortlist.measure.reply import error_status
from shortlist.serve.bodies import streamed
from shortlist.serve.call import Call
from shortlist.serve.connection import Connection
from shortlist.serve.events import Frames, Watch, parse, renamed, used_of
from shortlist.serve.lease import Demand, Lease
from shortlist.serve.replies import JSON, Reply
from shortlist.serve.upstream import request_bytes, target_of

EVENTS = ((b"content-type", b"text/event-stream; charset=utf-8"), (b"cache-control", b"no-cache"))
REPLY_LIMIT_BYTES = 64 * 1024 * 1024
_ERROR_LIMIT_BYTES = 64 * 1024


@contextlib.asynccontextmanager
async def leased(call: Call, name: str, demand: Demand) -> AsyncIterator[Lease]:
    """A model for this request; given up when the client goes, while it waits as well as later."""
    try:
        with client_stays(call):
            async with call.state.models.lease(name, replace(demand, failed=call.failed)) as lease:
                call.lease = lease
                try:
                    yield lease
                finally:
                    if call.used is not None:
                        call.state.models.used(lease, call.used)
    except (ConnectFailed, ConnectionClosed) as error:
        if call.lease is None or call.lease.endpoint.pid is None:
            raise
        told = f"the engine of {call.lease.model} ended before its answer did"
        raise EngineCrashed(told, hint="ask again: it is started anew") from error


@contextlib.contextmanager
def client_stays(call: Call) -> Iterator[None]:
    """Cancel what is under way when the client's connection ends. The request's body must have been read."""
    task = asyncio.current_task()
    assert task is not None

    def gone() -> None:
        if not call.is_complete:
            call.is_gone = True
            task.cancel()

    channel = call.channel
    channel.watch(gone)
    try:
        yield
    finally:
        channel.watch(None)


@contextlib.asynccontextmanager
async def exchange(call: Call, lease: Lease, path: str, body: Mapping[str, Any] | None) -> AsyncIterator[Connection]:
    """One request to the lease's engine; the head of its reply is there.

    The connection is kept when the reply was read to its end, else dropped.
    """
    target = target_of(lease.endpoint.base_url)
    content = None if body is None else msgspec.json.encode(body)
    connection = await call.state.upstreams.ask(target, request_bytes(target, path, lease.headers, content))
    try:
        yield connection
    finally:
        call.state.upstreams.give_back(target, connection)


async def body_of(connection: Connection, limit_bytes: int = REPLY_LIMIT_BYTES) -> bytes:
    """The rest of the reply. Raises BrokenStream for one that is absurdly large."""
    parts = []
    size = 0
    while data := await connection.read():
        parts.append(data)
        size += len(data)
        if size > limit_bytes:
            raise BrokenStream(f"the engine's reply is over {limit_bytes} bytes")
    return b"".join(parts)


async def refusal(connection: Connection) -> EndpointError:
    """What an engine says with an error status."""
    return error_status(connection.status, connection.headers, await body_of(connection, _ERROR_LIMIT_BYTES))


async def relay_stream(call: Call, lease: Lease, path: str, body: dict[str, Any], *, keeps_usage: bool) -> None:
    """The engine's events to the client as they come. What goes wrong before the first one can still be a status."""
    watch = Watch(lease.model, call.began_ns, keeps_usage)
    try:
        async with exchange(call, lease, path, streamed(body, lease, wants_usage=keeps_usage)) as connection:
            if connection.status != 200:
                raise await refusal(connection)
            await _pump(call, connection, watch)
            if not watch.is_done:
                raise ConnectionClosed("the engine's stream ended without its last event")
        await call.finish()
    finally:
        call.used = watch.used(is_cancelled=call.is_gone)


async def _pump(call: Call, connection: Connection, watch: Watch) -> None:
    """The first events by this task, for they begin the reply; then each as it arrives, where it arrives."""
    frames = Frames()
    first = b""
    while not first and (data := await connection.read()):
        first = watch.look(frames.feed(data))
    if not first:
        return
    call.is_stream = True
    await call.start(200, EVENTS)
    channel = call.channel
    channel.write(first)

    def pass_on(data: bytes) -> None:
        events = watch.look(frames.feed(data))
        if events:
            channel.write(events)

    channel.attach(connection)
    try:
        await connection.push(pass_on)
        last = watch.look(frames.rest())
        if last:
            channel.write(last)
    finally:
        channel.attach(None)


async def relay_whole(call: Call, lease: Lease, path: str, body: dict[str, Any]) -> Reply:
    """The engine's whole reply to the client, as it is."""
    usage: Any = None
    try:
        async with exchange(call, lease, path, body) as connection:
            if connection.status != 200:
                raise await refusal(connection)
            data = await body_of(connection)
        told = parse(data)
        usage = told.get("usage")
        if told.get("model") != lease.model:
            data = renamed(told, lease.model)
    finally:
        call.used = used_of(usage, call.began_ns, None, is_cancelled=call.is_gone)
    return Reply(data, 200, (JSON,))
