"""Sends the requests of a block in their load shape and hands over one complete `Sample` for each.

While requests run, nothing is parsed or logged: stamps and raw bytes are kept. A finished request is read by one
finishing task, a few frames per turn of the event loop and, unless many wait, while no socket is being read, so that it
hardly delays the others; its slot does not wait for that.
"""

import asyncio
import contextlib
import gc
from collections import deque
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from functools import partial
from itertools import groupby
from pathlib import Path
from typing import Protocol

from shortlist.alarm import sleep_until_ns
from shortlist.clock import Clock, RunAxis
from shortlist.errors import BadInput, RequestTimeout, TooManyInFlight
from shortlist.measure.link import StampBasis
from shortlist.measure.reading import quick_switching
from shortlist.measure.recording import PlannedRequest, Recording, SampleBuilder
from shortlist.measure.transport import HttpTransport, Transport
from shortlist.measure.wire import HttpRequest, parse_target, plain_headers
from shortlist.records import Endpoint, LoadShape, Sample
from shortlist.units import duration

_FRAMES_PER_TURN = 8
_AFTER_DONE_S = 1.0
_GIVE_WAY_NS = 1_000_000
_MOST_WAITING = 512
_YOUNG_OBJECTS = 500
_YOUNG_TURNS = 5
_NEVER = 2**31 - 1
_STOP_LOOK_NS = 100_000_000
_SPARE_FILES = 64
_MOST_IN_FLIGHT = 10_000


class StopFlag(Protocol):
    """`asyncio.Event` and `threading.Event` are both such a flag."""

    def is_set(self) -> bool:
        """Send no more."""
        ...


@dataclass(frozen=True, slots=True)
class DriveSpec:
    """How to drive one block. `timeout_ns` counts from the moment that a request is begun.

    `stop`, once set, lets what is in flight finish and sends no more. `transport` replaces the one that `drive` would
    open for the endpoint, and stays open. `most_in_flight` bounds an open loop; None: what `in_flight_limit` says.
    """

    load: LoadShape
    timeout_ns: int
    clock: Clock
    axis: RunAxis
    block: str
    executor: str
    first_seq: int = 0
    stop: StopFlag | None = None
    transport: Transport | None = None
    most_in_flight: int | None = None


OnSample = Callable[[Sample], None]


async def drive(
    endpoint: Endpoint,
    headers: Mapping[str, str],
    planned: Sequence[PlannedRequest],
    spec: DriveSpec,
    on_sample: OnSample,
) -> StampBasis:
    """Send every planned request, in order, and call `on_sample` once for each as it is finished.

    Returns where the arrivals were stamped; a chunk without a lag was stamped in user space all the same.

    Requests of one phase are over before the next phase begins. In an open loop each request of a phase other than the
    warm-up goes out at its `due_offset_ns` from the phase's start, whatever became of those before it. A request that
    fails becomes a sample with its error; only `on_sample`'s own errors and BadInput come out of here. When cancelled,
    requests in flight are dropped and those already over are still handed over.
    """
    if spec.load.concurrency < 1:
        raise BadInput(f"{spec.load.concurrency} requests at once cannot be driven", hint="--concurrency 1")
    if any(_is_open(spec.load, request) and request.due_offset_ns is None for request in planned):
        raise BadInput("an open loop needs a due time for every request", hint="plan it with --rate")
    target = parse_target(endpoint.base_url)
    fields = (("Content-Type", "application/json"), ("Accept", "text/event-stream, application/json"))
    template = HttpRequest(
        "POST", target.path("/chat/completions"), (*fields, *plain_headers(headers)), is_resendable=True
    )
    transport = spec.transport or HttpTransport(target, spec.clock.now_ns)
    run = _Drive(transport, template, spec, on_sample)
    try:
        with _quiet_collector(), quick_switching():
            await run.all(planned)
        return transport.stamp_basis
    finally:
        run.hand_over_rest()
        if spec.transport is None:
            transport.close()


class _Drive:
    """The state of one call of `drive`: the queue between the slots and the finishing task."""

    def __init__(self, transport: Transport, template: HttpRequest, spec: DriveSpec, on_sample: OnSample) -> None:
        self._transport = transport
        self._template = template
        self._spec = spec
        self._on_sample = on_sample
        self._over: deque[Recording] = deque()
        self._news = asyncio.Event()
        self._is_all_sent = False
        self._is_refused = False

    async def all(self, planned: Sequence[PlannedRequest]) -> None:
        """Every phase after the other; returns when the last sample was handed over."""
        try:
            async with asyncio.TaskGroup() as group:
                group.create_task(self._finish())
                for _, phase in groupby(enumerate(planned, self._spec.first_seq), key=lambda item: item[1].phase):
                    requests = list(phase)
                    is_open = _is_open(self._spec.load, requests[0][1])
                    await (self._open_loop(requests) if is_open else self._closed_loop(requests))
                self._is_all_sent = True
                self._news.set()
        except BaseExceptionGroup as errors:
            first: BaseException = errors
            while isinstance(first, BaseExceptionGroup):
                first = first.exceptions[0]
            raise first from None

    def hand_over_rest(self) -> None:
        """What is over and not yet handed over, after a cancellation."""
        while self._over and not self._is_refused:
            builder = SampleBuilder(self._over.popleft(), self._spec.axis)
            deque(builder.steps(_FRAMES_PER_TURN), maxlen=0)
            self._deliver(builder)

    async def _prepare(self, connections: int) -> int:
        """Open connections; returns the phase's start."""
        with contextlib.suppress(TimeoutError):  # the requests themselves will run into it, and tell
            async with asyncio.timeout(self._spec.timeout_ns / 1e9):
                await self._transport.prepare(connections)
        return self._spec.clock.now_ns()

    async def _open_loop(self, requests: Sequence[tuple[int, PlannedRequest]]) -> None:
        start_ns = await self._prepare(min(self._spec.load.concurrency, len(requests)))
        most = in_flight_limit() if self._spec.most_in_flight is None else self._spec.most_in_flight
        in_flight: set[asyncio.Task[None]] = set()
        async with asyncio.TaskGroup() as sent:
            for seq, planned in sorted(requests, key=lambda item: item[1].due_offset_ns or 0):
                recording = Recording(planned, seq, start_ns + (planned.due_offset_ns or 0))
                if await self._is_stopped_before(recording.due_ns):
                    break
                if len(in_flight) >= most:
                    self._refuse(recording, most)
                    continue
                task = sent.create_task(self._record(recording))
                in_flight.add(task)
                task.add_done_callback(in_flight.discard)

    async def _is_stopped_before(self, due_ns: int) -> bool:
        """Wait until the request is due; True as soon as nothing more is to be sent."""
        stop, clock = self._spec.stop, self._spec.clock
        while not (stop is not None and stop.is_set()):
            now_ns = clock.now_ns()
            if now_ns >= due_ns:
                return False
            await sleep_until_ns(clock, due_ns if stop is None else min(due_ns, now_ns + _STOP_LOOK_NS))
        return True

    def _refuse(self, recording: Recording, most: int) -> None:
        recording.error = TooManyInFlight(
            f"{most} requests were in flight, the most that this client can hold: this one was not sent",
            hint="ulimit -n 16384, or a lower --rate",
        )
        recording.end_ns = self._spec.clock.now_ns()
        self._over.append(recording)
        self._news.set()

    async def _closed_loop(self, requests: Sequence[tuple[int, PlannedRequest]]) -> None:
        queue, count = iter(requests), min(self._spec.load.concurrency, len(requests))
        start_ns = await self._prepare(count)
        async with asyncio.TaskGroup() as slots:
            for _ in range(count):
                slots.create_task(self._slot(queue, start_ns))

    async def _slot(self, queue: Iterator[tuple[int, PlannedRequest]], free_ns: int) -> None:
        # All slots share the queue; whoever is free takes the next.
        while not (self._spec.stop is not None and self._spec.stop.is_set()):
            item = next(queue, None)
            if item is None:
                return
            recording = Recording(item[1], item[0], free_ns)
            await self._record(recording)
            ended_ns = recording.end_ns if recording.is_ended else None
            free_ns = self._spec.clock.now_ns() if ended_ns is None else ended_ns

    async def _record(self, recording: Recording) -> None:
        try:
            await self._exchange(recording)
        except Exception as error:  # noqa: BLE001 - one request's failure is a result, not the end of the block
            recording.error = error
            if not recording.is_done:
                recording.end_ns = self._spec.clock.now_ns()
        self._over.append(recording)
        self._news.set()

    async def _exchange(self, recording: Recording) -> None:
        request = replace(self._template, body=recording.planned.body)
        loop = asyncio.get_running_loop()
        try:
            async with asyncio.timeout(self._spec.timeout_ns / 1e9) as limit:
                # Some servers say [DONE] and never end the body: the reply is complete all the same.
                recording.on_done = partial(loop.call_soon_threadsafe, _shorten, limit, recording)
                await self._transport.request(request, recording)
        except TimeoutError as error:
            if not limit.expired():
                raise
            if not recording.is_done:
                raise RequestTimeout(f"no complete reply within {duration(self._spec.timeout_ns)}") from error
        finally:
            recording.on_done = None

    async def _finish(self) -> None:
        while not (self._is_all_sent and not self._over):
            if not self._over:
                self._news.clear()
                await self._news.wait()
                continue
            builder = SampleBuilder(self._over[0], self._spec.axis)
            for _ in builder.steps(_FRAMES_PER_TURN):
                await self._spec.clock.sleep_ns(0)
                while self._transport.is_reading and len(self._over) < _MOST_WAITING:
                    await self._spec.clock.sleep_ns(_GIVE_WAY_NS)
            self._over.popleft()
            self._deliver(builder)

    def _deliver(self, builder: SampleBuilder) -> None:
        try:
            self._on_sample(builder.sample(self._spec.block, self._spec.executor))
        except BaseException:
            self._is_refused = True  # a sink that failed once is not asked again
            raise


def _shorten(limit: asyncio.Timeout, recording: Recording) -> None:
    if recording.on_done is not None and not limit.expired() and not recording.is_ended:
        limit.reschedule(asyncio.get_running_loop().time() + _AFTER_DONE_S)


def _is_open(load: LoadShape, request: PlannedRequest) -> bool:
    """Warm-ups keep a fixed number in flight under every load shape."""
    return load.kind == "open" and request.phase != "warmup"


def in_flight_limit() -> int:
    """How many requests an open loop may have in flight: what file descriptors are left for, at most 10 000.

    Beyond it a request becomes a failed sample, TooManyInFlight: a client that queued it would measure itself.
    """
    try:
        import resource
    except ImportError:  # Windows has no such limit on sockets
        return _MOST_IN_FLIGHT
    most_files, _ = resource.getrlimit(resource.RLIMIT_NOFILE)
    if most_files == resource.RLIM_INFINITY:
        return _MOST_IN_FLIGHT
    try:
        open_files = sum(1 for _ in Path("/dev/fd").iterdir())
    except OSError:
        open_files = _SPARE_FILES
    return max(1, min(_MOST_IN_FLIGHT, most_files - open_files - _SPARE_FILES))


@contextlib.contextmanager
def _quiet_collector() -> Iterator[None]:
    """Only short garbage collections until the block is over: each stops every thread, also the one that reads.

    What exists now is left out, and what survives two young collections is not looked at again. Those look at a few
    thousand objects at most, and go on so that a long block does not grow by what its requests leave behind.
    """
    before = gc.get_threshold()
    gc.freeze()
    gc.set_threshold(_YOUNG_OBJECTS, _YOUNG_TURNS, _NEVER)
    try:
        yield
    finally:
        gc.set_threshold(*before)
        gc.unfreeze()
