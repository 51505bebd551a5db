"""Several answers of an engine as one reply: more than one choice, more than one prompt, or events in another shape.

Each answer is a request of its own to the engine, all at once; choices get their index, usage is summed up.
"""

import asyncio
import contextlib
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass, field
from typing import Any

import msgspec

from shortlist.clock import monotonic_ns
from shortlist.errors import ConnectionClosed
from shortlist.serve.bodies import streamed
from shortlist.serve.call import Call
from shortlist.serve.events import Frames, Watch, has_content, parse, payloads, used_of
from shortlist.serve.lease import Lease
from shortlist.serve.relay import EVENTS, body_of, exchange, refusal
from shortlist.serve.replies import Reply

_AHEAD = 32
"""Events that wait for the client before the engine has to."""

Reshape = Callable[[dict[str, Any]], dict[str, Any]]
"""A choice as the client is to see it. Called in the order of one answer's events."""


@dataclass(frozen=True, slots=True)
class Source:
    """One answer: what the engine is asked, the choice's index, and whether its prompt's tokens count."""

    body: dict[str, Any]
    index: int
    counts_prompt: bool
    reshape: Reshape


async def merge_whole(call: Call, lease: Lease, path: str, sources: Sequence[Source]) -> Reply:
    """All answers in one reply."""
    usage: dict[str, int] | None = None
    try:
        with _first_error():
            async with asyncio.TaskGroup() as group:
                tasks = [group.create_task(_whole(call, lease, path, source)) for source in sources]
        answers = [task.result() for task in tasks]
        usage = _summed(zip(sources, (answer.get("usage") for answer in answers), strict=True))
    finally:
        call.used = used_of(usage, call.began_ns, None, is_cancelled=call.is_gone)
    choices = [
        _choice(source, one) for source, answer in zip(sources, answers, strict=True) for one in _choices(answer)
    ]
    head = {key: value for key, value in answers[0].items() if key not in ("choices", "usage", "timings")}
    return Reply(msgspec.json.encode(head | {"model": lease.model, "choices": choices, "usage": usage}))


async def _whole(call: Call, lease: Lease, path: str, source: Source) -> dict[str, Any]:
    async with exchange(call, lease, path, source.body) as connection:
        if connection.status != 200:
            raise await refusal(connection)
        return parse(await body_of(connection))


async def merge_stream(call: Call, lease: Lease, path: str, sources: Sequence[Source], *, keeps_usage: bool) -> None:
    """The events of all answers as they come."""
    events: asyncio.Queue[tuple[Source, dict[str, Any]] | None] = asyncio.Queue(_AHEAD)
    usages: list[tuple[Source, Any]] = []
    merged = _Merged(lease.model)
    try:
        with _first_error():
            async with asyncio.TaskGroup() as group:
                for source in sources:
                    group.create_task(_feed(call, lease, path, source, (events, usages)))
                await _send(call, events, len(sources), merged)
        if keeps_usage:
            await _event(call, merged.head | {"choices": [], "usage": _summed(usages)})
        await call.finish(b"data: [DONE]\n\n")
    finally:
        call.used = used_of(_summed(usages), call.began_ns, merged.first_ns, is_cancelled=call.is_gone)


@dataclass(slots=True)
class _Merged:
    """What all events of the merged stream share: `head` is the first one's."""

    model: str
    head: dict[str, Any] = field(default_factory=dict)
    first_ns: int | None = None

    def event(self, source: Source, told: dict[str, Any]) -> dict[str, Any]:
        """An answer's event as one of the merged stream."""
        if not self.head:
            kept = {key: value for key, value in told.items() if key not in ("choices", "usage", "timings")}
            self.head = kept | {"model": self.model}
        if self.first_ns is None and has_content(told.get("choices")):
            self.first_ns = monotonic_ns()
        return self.head | {"choices": [_choice(source, one) for one in _choices(told)]}


async def _feed(
    call: Call, lease: Lease, path: str, source: Source, into: tuple[asyncio.Queue[Any], list[tuple[Source, Any]]]
) -> None:
    events, usages = into
    watch = Watch(lease.model, call.began_ns, keeps_usage=True)
    frames = Frames()
    async with exchange(call, lease, path, streamed(source.body, lease, wants_usage=True)) as connection:
        if connection.status != 200:
            raise await refusal(connection)
        while data := await connection.read():
            for payload in payloads(watch.look(frames.feed(data))):
                await events.put((source, parse(payload)))
        watch.look(frames.rest())
        if not watch.is_done:
            raise ConnectionClosed("the engine's stream ended without its last event")
    usages.append((source, watch.usage))
    await events.put(None)


async def _send(call: Call, events: asyncio.Queue[Any], left: int, merged: _Merged) -> None:
    while left:
        found = await events.get()
        if found is None:
            left -= 1
            continue
        source, told = found
        if _choices(told):
            await _event(call, merged.event(source, told))


async def _event(call: Call, told: dict[str, Any]) -> None:
    if not call.is_started:
        call.is_stream = True
        await call.start(200, EVENTS)
    data = b"data: %b\n\n" % msgspec.json.encode(told)
    await call.send({"type": "http.response.body", "body": data, "more_body": True})


def _choices(told: dict[str, Any]) -> list[dict[str, Any]]:
    found = told.get("choices")
    return [one for one in found if isinstance(one, dict)] if isinstance(found, list) else []


def _choice(source: Source, choice: dict[str, Any]) -> dict[str, Any]:
    return source.reshape(choice | {"index": source.index})


def _summed(usages: Iterable[tuple[Source, Any]]) -> dict[str, int]:
    prompt = completion = 0
    for source, usage in usages:
        counts = usage if isinstance(usage, dict) else {}
        prompt += counts.get("prompt_tokens", 0) if source.counts_prompt else 0
        completion += counts.get("completion_tokens", 0)
    return {"prompt_tokens": prompt, "completion_tokens": completion, "total_tokens": prompt + completion}


@contextlib.contextmanager
def _first_error() -> Iterator[None]:
    """The first error of several tasks, instead of a group of all of them."""
    try:
        yield
    except BaseExceptionGroup as group:
        first: BaseException = group
        while isinstance(first, BaseExceptionGroup):
            first = first.exceptions[0]
        raise first from None
