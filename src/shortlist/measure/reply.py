"""What a reply says, read after the request is over: kinds of chunks, text, usage, and what was wrong with it.

The shape is OpenAI's chat completion, with what real servers add or leave out: `reasoning_content` or `reasoning`,
usage in a late chunk or in every one, llama.cpp's `timings`, errors inside a stream of status 200.
"""

from collections.abc import Mapping, Sequence
from typing import Any

import msgspec

from shortlist.errors import BrokenStream, ConnectionClosed, ContextOverflow, EndpointError, ErrorReply
from shortlist.measure.sse import DONE, Frame
from shortlist.measure.wire import escaped
from shortlist.records import CONTENT, Chunk, ChunkKind, Usage

_MESSAGE_CHARACTERS = 300
_OVERFLOWS = ("exceed_context_size_error", "context_length_exceeded")
"""What llama.cpp calls it as `type`, and OpenAI as `code`."""
_CONTENT_ORDER: tuple[ChunkKind, ...] = ("text", "reasoning", "tool")


class _Delta(msgspec.Struct):
    content: str | None = None
    reasoning_content: Any = None
    reasoning: Any = None
    tool_calls: Any = None
    function_call: Any = None


class _Choice(msgspec.Struct):
    delta: _Delta
    index: int | None = None
    finish_reason: Any = None


class _Event(msgspec.Struct):
    choices: list[_Choice]
    usage: Any = None
    timings: Any = None
    error: Any = None


_PLAIN = msgspec.json.Decoder(_Event)


def _plain_text(data: bytes) -> str:
    """The text of a chunk that holds text and nothing else that is looked for, as nearly all do; else nothing."""
    try:
        event = _PLAIN.decode(data)
    except (msgspec.DecodeError, UnicodeDecodeError, RecursionError):
        return ""
    if len(event.choices) != 1 or not (event.usage is event.timings is event.error is None):
        return ""
    choice, delta = event.choices[0], event.choices[0].delta
    if choice.index or choice.finish_reason is not None or not (delta.tool_calls is delta.function_call is None):
        return ""
    return (delta.content or "") if delta.reasoning_content is delta.reasoning is None else ""


class ReplyReader:
    """Takes the frames of one stream, or one whole JSON body, and holds what they say.

    The stamps of `chunks` count from `origin_ns`.
    """

    def __init__(self, origin_ns: int = 0) -> None:
        self._origin_ns = origin_ns
        self.chunks: list[Chunk] = []
        self.usage: Usage | None = None
        self.cached_tokens: int | None = None
        self.finish_reason: str | None = None
        self.has_content = False
        self.is_done = False
        self._text: list[str] = []
        self._reasoning: list[str] = []

    @property
    def text(self) -> str:
        """The answer so far."""
        return "".join(self._text)

    @property
    def reasoning(self) -> str:
        """What the model thought aloud so far."""
        return "".join(self._reasoning)

    def take(self, frame: Frame) -> None:
        """One frame of a stream. Raises BrokenStream, or ErrorReply for an error event; a cut frame is passed over."""
        text = "" if frame.event else _plain_text(frame.data)
        if text:
            self._text.append(text)
            self._keep(frame, "text")
            return
        if frame.data == DONE:
            self.is_done = True
            self._keep(frame, "other")
            return
        try:
            event = _parse_object(frame.data, f"event {len(self.chunks) + 1} of the stream")
        except BrokenStream:
            if frame.is_cut:
                return
            raise
        if frame.event == b"error" or event.get("error"):
            raise error_reply(event, None)
        self._keep(frame, self._read_chunk(event))

    def end_stream(self) -> None:
        """The body is over. Raises ConnectionClosed where the stream neither finished nor said so."""
        if not self.is_done and self.finish_reason is None:
            raise ConnectionClosed(
                f"the stream stopped after {len(self.chunks)} events, without finish_reason or [DONE]"
            )

    def take_whole(self, body: bytes) -> None:
        """A reply that was not streamed. Raises BrokenStream, or ErrorReply for an error with status 200."""
        reply = _parse_object(body, "the reply")
        if reply.get("error"):
            raise error_reply(reply, None)
        self._read_counts(reply)
        choice = _first_choice(reply)
        message = choice.get("message") if choice else None
        if choice is None or not isinstance(message, dict):
            raise BrokenStream(f"the reply holds no message: {escaped(body)!r}")
        self._read_finish(choice)
        self._read_delta(message)

    def _keep(self, frame: Frame, kind: ChunkKind) -> None:
        self.chunks.append(Chunk(frame.ns - self._origin_ns, len(frame.data), kind, frame.lag_ns))
        self.has_content = self.has_content or kind in CONTENT

    def _read_chunk(self, event: Mapping[str, Any]) -> ChunkKind:
        has_usage = self._read_counts(event)
        kind, is_last = self._read_choices(event)
        if kind in CONTENT:
            return kind
        return "usage" if has_usage else "other" if is_last else kind

    def _read_choices(self, event: Mapping[str, Any]) -> tuple[ChunkKind, bool]:
        """The kind, and whether the first choice ends here. Text is the first choice's; any choice's content counts."""
        first, kind, is_last = _first_choice(event), _content_kind(event), False
        if first is not None:
            is_last = self._read_finish(first)
            delta = first.get("delta")
            if isinstance(delta, dict):
                self._read_delta(delta)
                if kind == "other" and ("role" in delta or "content" in delta):
                    kind = "role"
        return kind, is_last

    def _read_delta(self, delta: Mapping[str, Any]) -> None:
        text = _string(delta, "content")
        reasoning = _string(delta, "reasoning_content") or _string(delta, "reasoning")
        if text:
            self._text.append(text)
        if reasoning:
            self._reasoning.append(reasoning)
        self.has_content = self.has_content or _kind_of(delta) in CONTENT

    def _read_finish(self, choice: Mapping[str, Any]) -> bool:
        reason = choice.get("finish_reason")
        if not isinstance(reason, str):
            return False
        self.finish_reason = reason
        return True

    def _read_counts(self, event: Mapping[str, Any]) -> bool:
        usage, timings = event.get("usage"), event.get("timings")
        if isinstance(timings, dict) and self.cached_tokens is None:
            self.cached_tokens = _count(timings, "cache_n")
        if not isinstance(usage, dict):
            return False
        self.usage = Usage(_count(usage, "prompt_tokens"), _count(usage, "completion_tokens"))
        details = usage.get("prompt_tokens_details")
        cached = _count(details, "cached_tokens") if isinstance(details, dict) else None
        self.cached_tokens = self.cached_tokens if cached is None else cached
        return True


def not_a_stream(body: bytes) -> EndpointError:
    """Why a body of status 200 without a single event is no stream: an error said in JSON, or something else."""
    if not body:
        return BrokenStream("the reply is empty: neither an event nor an error")
    try:
        reply = msgspec.json.decode(body)
    except (msgspec.DecodeError, UnicodeDecodeError):
        reply = None
    if isinstance(reply, dict) and reply.get("error"):
        return error_reply(reply, None)
    return BrokenStream(
        f"a stream of events was asked for, and the reply reads {escaped(body)!r}", hint="try --no-stream"
    )


def error_status(status: int, headers: Mapping[str, str], body: bytes) -> EndpointError:
    """The error of a reply whose status is not 200."""
    if status in (204, 205):
        return BrokenStream(f"the reply has status {status} and no content")
    if 300 <= status < 400:
        place = escaped(headers.get("location", "nowhere"), _MESSAGE_CHARACTERS)
        return ErrorReply(f"status {status}: redirects are not followed ({place})", status=status, hint="use that URL")
    try:
        reply = msgspec.json.decode(body)
    except (msgspec.DecodeError, UnicodeDecodeError):
        reply = None
    if isinstance(reply, dict) and (reply.get("error") or reply.get("message") or reply.get("detail")):
        return error_reply(reply, status)
    return ErrorReply(f"status {status}: {escaped(body, _MESSAGE_CHARACTERS) or 'no body'}", status=status)


def error_reply(reply: Mapping[str, Any], status: int | None) -> ErrorReply:
    """An error object, in OpenAI's shape or one near it."""
    error = reply.get("error") or reply.get("message") or reply.get("detail") or reply
    said = error.get("message") if isinstance(error, dict) else error
    code = error.get("code") if isinstance(error, dict) else None
    status = status if status is not None else code if type(code) is int else None
    text = said if isinstance(said, str) else msgspec.json.encode(error).decode()
    if isinstance(error, dict) and any(error.get(key) in _OVERFLOWS for key in ("code", "type")):
        return ContextOverflow(
            _overflow(error, text), status=status, hint="a larger --context, as far as the model has it, or less text"
        )
    where = "the endpoint reports an error" if status is None else f"status {status}"
    return ErrorReply(f"{where}: {escaped(text, _MESSAGE_CHARACTERS)}", status=status)


def _overflow(error: Mapping[str, Any], text: str) -> str:
    tokens, context = _count(error, "n_prompt_tokens"), _count(error, "n_ctx")
    if tokens is None or context is None:
        return f"it does not fit the context: {escaped(text, _MESSAGE_CHARACTERS)}"
    # in these words other clients (LiteLLM) know it for what it is
    return f"this model's maximum context length is {context} tokens, and the question has {tokens} tokens"


def _parse_object(data: bytes, what: str) -> dict[str, Any]:
    try:
        value = msgspec.json.decode(data)
    except (msgspec.DecodeError, UnicodeDecodeError, RecursionError) as error:
        raise BrokenStream(f"{what} is not JSON ({error}): {escaped(data)!r}") from error
    if not isinstance(value, dict):
        raise BrokenStream(f"{what} is not a JSON object: {escaped(data)!r}")
    return value


def _first_choice(event: Mapping[str, Any]) -> dict[str, Any] | None:
    choices: Sequence[Any] | None = event.get("choices")
    if not isinstance(choices, list):
        return None
    return next((c for c in choices if isinstance(c, dict) and c.get("index") in (0, None)), None)


def _content_kind(event: Mapping[str, Any]) -> ChunkKind:
    """What the chunk holds of any choice: the tokens of all of them are counted in `usage`, and made the model work."""
    choices = event.get("choices")
    deltas = [c.get("delta") for c in choices if isinstance(c, dict)] if isinstance(choices, list) else []
    kinds = {_kind_of(delta) for delta in deltas if isinstance(delta, dict)}
    return next((kind for kind in _CONTENT_ORDER if kind in kinds), "other")


def _kind_of(delta: Mapping[str, Any]) -> ChunkKind:
    if delta.get("content"):
        return "text"
    if delta.get("reasoning_content") or delta.get("reasoning"):
        return "reasoning"
    return "tool" if delta.get("tool_calls") or delta.get("function_call") else "other"


def _string(delta: Mapping[str, Any], name: str) -> str:
    value = delta.get(name)
    if value is None or isinstance(value, str):
        return value or ""
    raise BrokenStream(f"{name} is {type(value).__name__}, not text")


def _count(counts: Mapping[str, Any], name: str) -> int | None:
    value = counts.get(name)
    return value if type(value) is int and 0 <= value < 1 << 53 else None
