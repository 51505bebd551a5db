"""A conversation with an open model: what was said, one answer at a time, and what went wrong with the last.

An answer that is cancelled ends its connection, which makes the engine stop decoding; what came until then stays in the
conversation. A question that failed is taken back, so that the conversation can go on.
"""

import asyncio
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field, replace
from functools import partial
from typing import Any

from shortlist.chat.live import LiveReply, Piece
from shortlist.clock import SYSTEM
from shortlist.engines import Engine
from shortlist.errors import BadInput, ContextOverflow, EndpointError, RequestTimeout
from shortlist.measure.transport import HttpTransport
from shortlist.measure.wire import HttpRequest, parse_target, plain_headers
from shortlist.measure.workload import request_body
from shortlist.records import Endpoint, Generation, Json, Message, Prompt
from shortlist.units import duration

_DYING_NS = 2 * 10**9


@dataclass(frozen=True, slots=True)
class Asking:
    """How questions are asked. `schema`: JSON Schema that the engine holds the answer to; `silence_ns`: no byte for so
    long is an error.
    """

    generation: Generation
    schema: Json | None = None
    silence_ns: int = 120 * 10**9


@dataclass(frozen=True, slots=True)
class Answer:
    """One answer. Nanoseconds count from the request's first byte; None: the endpoint did not say, or nothing came."""

    text: str
    reasoning: str
    finish_reason: str | None
    prompt_tokens: int | None
    completion_tokens: int | None
    first_ns: int | None
    total_ns: int | None
    is_stopped: bool = False

    @property
    def tokens_per_s(self) -> float | None:
        """Output tokens per second of the whole answer, waiting included."""
        if not self.completion_tokens or not self.total_ns:
            return None
        return self.completion_tokens / (self.total_ns / 1e9)


@dataclass(slots=True)
class Conversation:
    """The open model and what was said so far; `answers` in order, stopped ones too."""

    engine: Engine
    endpoint: Endpoint
    asking: Asking
    messages: list[Message] = field(default_factory=list)
    answers: list[Answer] = field(default_factory=list)

    def set_system(self, text: str | None) -> None:
        """What the model is told before all else; None or nothing takes it back."""
        rest = [message for message in self.messages if message.role != "system"]
        self.messages = [Message("system", text), *rest] if text else rest

    @property
    def system(self) -> str | None:
        """What the model is told before all else."""
        return next((message.content for message in self.messages if message.role == "system"), None)

    def clear(self) -> None:
        """Forget everything but the system message."""
        self.messages = [message for message in self.messages if message.role == "system"]

    async def ask(self, text: str, on_piece: Callable[[Piece], object]) -> Answer:
        """The answer; `on_piece` is called on this loop with every piece of it.

        Raises ContextOverflow where question or answer do not fit, EndpointError, EngineCrashed. Cancelled, it keeps
        what came in `messages` and `answers`.
        """
        if not text.strip():
            raise BadInput("the question is empty")
        question = Message("user", text)
        try:
            answer = await self._exchange(question, on_piece)
            self._check_whole(answer)
        except EndpointError as error:
            crash = await self.engine.crash(0 if isinstance(error, ContextOverflow) else _DYING_NS)
            if crash is not None:
                raise crash from error
            raise
        self._keep(question, answer)
        return answer

    def _body(self, question: Message) -> bytes:
        extra: dict[str, Any] = dict(self.engine.extra_body(self.asking.generation))
        if self.asking.schema is not None:
            form = {"name": "answer", "schema": self.asking.schema, "strict": True}
            extra["response_format"] = {"type": "json_schema", "json_schema": form}
        prompt = Prompt("chat", (*self.messages, question))
        return request_body(self.endpoint.model, prompt, self.asking.generation, extra)

    async def _exchange(self, question: Message, on_piece: Callable[[Piece], object]) -> Answer:
        loop = asyncio.get_running_loop()
        silence_s = self.asking.silence_ns / 1e9
        target = parse_target(self.endpoint.base_url)
        headers: Mapping[str, str] = {"Content-Type": "application/json", **self.engine.request_headers()}
        request = HttpRequest("POST", target.path("/chat/completions"), plain_headers(headers), self._body(question))
        transport = HttpTransport(target, SYSTEM.now_ns)
        try:
            async with asyncio.timeout(silence_s) as limit:
                awake = partial(loop.call_soon_threadsafe, _put_off, limit, silence_s)
                live = LiveReply(lambda piece: loop.call_soon_threadsafe(on_piece, piece), awake)
                try:
                    await transport.request(request, live)
                except asyncio.CancelledError:
                    if not limit.expired():
                        self._keep(question, replace(_answer(live), is_stopped=True))
                    raise
                live.close(SYSTEM.now_ns())
        except TimeoutError:
            raise RequestTimeout(f"nothing came for {duration(self.asking.silence_ns)}", hint="--timeout 10m") from None
        finally:
            transport.close()
        return _answer(live)

    def _keep(self, question: Message, answer: Answer) -> None:
        self.answers.append(answer)
        if answer.text:
            self.messages += [question, Message("assistant", answer.text)]

    def _check_whole(self, answer: Answer) -> None:
        """Raise ContextOverflow for an answer that ended because the context was full."""
        limit, tokens = self.asking.generation.max_tokens, answer.completion_tokens
        if answer.finish_reason == "length" and tokens is not None and tokens < limit:
            used = f"{answer.prompt_tokens} of the question and {tokens} of the answer"
            raise ContextOverflow(f"the context is full, and the answer is cut: {used}", hint=OVERFLOW_HINT)


OVERFLOW_HINT = "start with a larger --context, or say less (in a chat: /clear)"


def _put_off(limit: asyncio.Timeout, silence_s: float) -> None:
    if not limit.expired():
        limit.reschedule(asyncio.get_running_loop().time() + silence_s)


def _answer(live: LiveReply) -> Answer:
    reply, origin = live.reply, live.sent_ns
    usage = reply.usage

    def since(ns: int | None) -> int | None:
        return None if ns is None or origin is None else ns - origin

    return Answer(
        reply.text,
        reply.reasoning,
        reply.finish_reason,
        usage.prompt_tokens if usage else None,
        usage.completion_tokens if usage else None,
        since(live.first_ns),
        since(live.last_ns),
    )
