"""One answer of a child of ours: what a generator is, how it is driven, and what of it may be shown when.

A generator is asked for a piece when the one before was taken, so that a stop string, `max_tokens` and a client that
left end it between two pieces. `wire.parallel` answers are made at once, each in a thread of its own; async generators
share an event loop that is theirs alone. Further requests wait in their order.
"""

import asyncio
import concurrent.futures
import contextlib
import queue
import threading
import traceback
from collections import deque
from collections.abc import AsyncIterable, AsyncIterator, Callable, Iterable
from dataclasses import dataclass
from typing import Literal, Protocol

from shortlist.engines.wire_request import Asked, Refusal, refusal_of
from shortlist.engines.wire_text import TextFilter

Finish = Literal["stop", "length"]


@dataclass(frozen=True, slots=True)
class Wire:
    """What a generator is and can do.

    `accepts`: keys of a request that it honours beside messages, max_tokens, stop and streaming, as `temperature`,
    `top_p`, `top_k`, `seed`, `ignore_eos`, or `json_schema` for `response_format`. Any other key is refused.
    """

    model: str
    context: int | None = None
    accepts: frozenset[str] = frozenset()
    parallel: int = 1
    capabilities: tuple[str, ...] = ("chat", "stream")


@dataclass(frozen=True, slots=True)
class Piece:
    """What was generated since the piece before. `tokens`: how many that took, None where they cannot be counted.

    The first piece may carry the prompt's tokens, and none of text. `finish` ends the answer; one that just ends has
    stopped by itself.
    """

    text: str = ""
    tokens: int | None = 0
    finish: Finish | None = None
    prompt_tokens: int | None = None
    cached_tokens: int | None = None


class Cancel:
    """Whether nobody wants the answer any more. Asked from any thread; callbacks run on the server's, and are short."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._is_set = False
        self._callbacks: list[Callable[[], object]] = []

    @property
    def is_set(self) -> bool:
        """The client left, or the process is to end."""
        return self._is_set

    def call(self, callback: Callable[[], object]) -> None:
        """Call this when nobody wants the answer any more; at once, if it is so already."""
        with self._lock:
            if not self._is_set:
                self._callbacks.append(callback)
                return
        callback()

    def set(self) -> None:
        """Say so, once."""
        with self._lock:
            self._is_set = True
            callbacks, self._callbacks = self._callbacks, []
        for callback in callbacks:
            callback()


class Generator(Protocol):
    """What is served."""

    @property
    def wire(self) -> Wire:
        """What it is and can do; the same for its whole life."""
        ...

    def pieces(self, asked: Asked, cancel: Cancel) -> Iterable[Piece] | AsyncIterable[Piece]:
        """One answer. May raise Refusal (`overflow` among them), or whatever goes wrong."""
        ...


@dataclass(slots=True)
class Usage:
    """What an answer took; None is not known, and is left out of the reply."""

    prompt_tokens: int | None = None
    completion_tokens: int | None = 0
    cached_tokens: int | None = None


@dataclass(frozen=True, slots=True)
class Said:
    """What a client is told next: text, the end with its reason, or an error. `tokens` of the answer until then."""

    text: str = ""
    finish: Finish | None = None
    tokens: int | None = None
    error: Refusal | None = None


class Generation:
    """One answer under way: driven by a worker, told to the server's loop in order."""

    def __init__(self, asked: Asked, post: Callable[[], object]) -> None:
        self.asked = asked
        self.cancel = Cancel()
        self.usage = Usage()
        self._post = post
        self._said: deque[Said] = deque()
        self._filter = TextFilter(asked.stop)
        self._pieces = 0
        self._is_over = False

    def drain(self) -> list[Said]:
        """What was said since the last time; on the server's loop."""
        said = []
        with contextlib.suppress(IndexError):
            while True:
                said.append(self._said.popleft())
        return said

    def take(self, piece: Piece) -> bool:
        """Count and show a piece; whether another one is wanted."""
        if self.cancel.is_set or self._is_over:
            return False
        usage = self.usage
        if piece.prompt_tokens is not None:
            usage.prompt_tokens, usage.cached_tokens = piece.prompt_tokens, piece.cached_tokens or 0
        if piece.tokens is None or usage.completion_tokens is None:
            usage.completion_tokens = None
        else:
            usage.completion_tokens += piece.tokens
        self._pieces += bool(piece.text)
        text = self._filter.take(piece.text)
        if self._filter.is_stopped:
            self._end(text, "stop")
        elif piece.finish is not None:
            self._end(text + self._filter.rest(), piece.finish)
        elif self.asked.max_tokens is not None and self._length() >= self.asked.max_tokens:
            self._end(text + self._filter.rest(), "length")
        else:
            self._say(Said(text, tokens=usage.completion_tokens))
        return not self._is_over

    def end(self) -> None:
        """The generator has no more pieces."""
        if not self._is_over:
            self._end(self._filter.rest(), "stop")

    def fail(self, error: BaseException) -> None:
        """The generator raised; it is written to the log, unless it is a refusal or nobody listens."""
        refusal = refusal_of(error)
        if refusal.status >= 500 and not self.cancel.is_set:
            traceback.print_exception(error)
        if not self._is_over:
            self._is_over = True
            self._say(Said(error=refusal))

    def _length(self) -> int:
        """Tokens so far; pieces, where tokens cannot be counted."""
        return self._pieces if self.usage.completion_tokens is None else self.usage.completion_tokens

    def _end(self, text: str, finish: Finish) -> None:
        self._is_over = True
        self._say(Said(text, finish, self.usage.completion_tokens))

    def _say(self, said: Said) -> None:
        self._said.append(said)
        self._post()


class Workers:
    """The threads that drive generators. Daemons: a generator that does not return must not keep the process alive.

    `generated`: tokens of all answers so far (pieces, where tokens cannot be counted), whoever got them.
    """

    def __init__(self, generator: Generator) -> None:
        self._generator = generator
        self._queue: queue.SimpleQueue[Generation] = queue.SimpleQueue()
        self._loop: asyncio.AbstractEventLoop | None = None
        self._lock = threading.Lock()
        self.generated = 0
        for number in range(generator.wire.parallel):
            threading.Thread(target=self._work, name=f"generation-{number}", daemon=True).start()

    def put(self, generation: Generation) -> None:
        """Drive this one when its turn comes; a cancelled one is passed over then."""
        self._queue.put(generation)

    def _work(self) -> None:
        while True:
            generation = self._queue.get()
            if generation.cancel.is_set:
                continue
            try:
                source = self._generator.pieces(generation.asked, generation.cancel)
                if isinstance(source, AsyncIterable):
                    self._drive_async(source, generation)
                else:
                    self._drive(source, generation)
                generation.end()
            except BaseException as error:  # noqa: BLE001 - it is somebody else's code, and the next request is not at fault
                generation.fail(error)

    def _drive_async(self, source: AsyncIterable[Piece], generation: Generation) -> None:
        with self._lock:
            if self._loop is None:
                self._loop = asyncio.new_event_loop()
                threading.Thread(target=self._loop.run_forever, name="generations", daemon=True).start()
        with contextlib.suppress(concurrent.futures.CancelledError):
            asyncio.run_coroutine_threadsafe(self._drive_to_end(source, generation), self._loop).result()

    def _drive(self, source: Iterable[Piece], generation: Generation) -> None:
        try:
            for piece in source:
                self._count(piece)
                if not generation.take(piece):
                    break
        finally:
            close = getattr(source, "close", None)
            if close is not None:
                close()

    async def _drive_to_end(self, source: AsyncIterable[Piece], generation: Generation) -> None:
        loop, task = asyncio.get_running_loop(), asyncio.current_task()
        assert task is not None
        generation.cancel.call(lambda: loop.call_soon_threadsafe(task.cancel))
        try:
            async for piece in source:
                self._count(piece)
                if not generation.take(piece):
                    break
        finally:
            if isinstance(source, AsyncIterator) and hasattr(source, "aclose"):
                await source.aclose()

    def _count(self, piece: Piece) -> None:
        """Before anybody is told: what is generated for nobody counts too."""
        with self._lock:
            self.generated += bool(piece.text) if piece.tokens is None else piece.tokens
