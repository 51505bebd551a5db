"""What a child of ours writes: a streamed or a whole chat completion, and errors in OpenAI's shape."""

from collections.abc import Mapping
from http import HTTPStatus
from typing import Any

import msgspec

from shortlist.clock import wall_ns
from shortlist.engines.wire_generation import Generation, Said, Usage
from shortlist.engines.wire_request import Refusal
from shortlist.records import uuid7

_STREAM_HEAD = (
    b"HTTP/1.1 200 OK\r\nContent-Type: text/event-stream; charset=utf-8\r\nCache-Control: no-store\r\n"
    b"Transfer-Encoding: chunked\r\n\r\n"
)
_LAST_CHUNK = b"0\r\n\r\n"


def json_response(status: int, value: Mapping[str, Any]) -> bytes:
    """A whole reply."""
    body = msgspec.json.encode(value)
    phrase = HTTPStatus(status).phrase
    head = f"HTTP/1.1 {status} {phrase}\r\nContent-Type: application/json\r\nContent-Length: {len(body)}\r\n\r\n"
    return head.encode() + body


def text_response(text: str) -> bytes:
    """A whole reply that is no JSON."""
    body = text.encode()
    return b"HTTP/1.1 200 OK\r\nContent-Type: text/plain; charset=utf-8\r\nContent-Length: %d\r\n\r\n%b" % (
        len(body),
        body,
    )


def error_response(refusal: Refusal) -> bytes:
    """A whole reply that refuses."""
    return json_response(refusal.status, refusal.body())


def _event(data: bytes) -> bytes:
    event = b"data: " + data + b"\n\n"
    return b"%x\r\n%b\r\n" % (len(event), event)


def _usage(usage: Usage) -> dict[str, Any]:
    """As OpenAI writes it, without what is not known."""
    prompt, completion = usage.prompt_tokens, usage.completion_tokens
    told: dict[str, Any] = {"prompt_tokens": prompt, "completion_tokens": completion}
    if prompt is not None and completion is not None:
        told["total_tokens"] = prompt + completion
    if usage.cached_tokens is not None:
        told["prompt_tokens_details"] = {"cached_tokens": usage.cached_tokens}
    return {key: value for key, value in told.items() if value is not None}


class Reply:
    """One reply under way: what was said goes in, the bytes for the client come out."""

    def __init__(self, generation: Generation, model: str) -> None:
        now = wall_ns()
        self.generation = generation
        self.is_over = False
        self._has_begun = False
        self._text: list[str] = []
        self._base = {"id": f"chatcmpl-{uuid7(now)}", "created": now // 10**9, "model": model}

    def write(self) -> bytes:
        """The bytes for all that was said since the last time."""
        take = self._streamed if self.generation.asked.is_streamed else self._whole
        return b"".join(take(said) for said in self.generation.drain() if not self.is_over)

    def _streamed(self, said: Said) -> bytes:
        parts: list[bytes] = []
        if said.error is not None:
            self.is_over = True
            if not self._has_begun:
                return error_response(said.error)
            return _event(msgspec.json.encode(said.error.body())) + _LAST_CHUNK
        if not self._has_begun:
            self._has_begun = True
            parts += [_STREAM_HEAD, self._chunk({"role": "assistant", "content": ""})]
        if said.text:
            parts.append(self._chunk({"content": said.text}, tokens=said.tokens))
        if said.finish is not None:
            self.is_over = True
            parts.append(self._chunk({}, said.finish))
            if self.generation.asked.wants_usage and (usage := _usage(self.generation.usage)):
                parts.append(self._object({"choices": [], "usage": usage}))
            parts += [_event(b"[DONE]"), _LAST_CHUNK]
        return b"".join(parts)

    def _whole(self, said: Said) -> bytes:
        self._text.append(said.text)
        if said.error is not None:
            self.is_over = True
            return error_response(said.error)
        if said.finish is None:
            return b""
        self.is_over = True
        message = {"role": "assistant", "content": "".join(self._text)}
        choice = {"index": 0, "message": message, "finish_reason": said.finish}
        body: dict[str, Any] = {**self._base, "object": "chat.completion", "choices": [choice]}
        if usage := _usage(self.generation.usage):
            body["usage"] = usage
        return json_response(200, body)

    def _chunk(self, delta: Mapping[str, str], finish: str | None = None, tokens: int | None = None) -> bytes:
        chunk: dict[str, Any] = {"choices": [{"index": 0, "delta": delta, "finish_reason": finish}]}
        if tokens is not None and self.generation.asked.wants_counts:
            chunk["usage"] = _usage(Usage(self.generation.usage.prompt_tokens, tokens))
        return self._object(chunk)

    def _object(self, rest: Mapping[str, Any]) -> bytes:
        return _event(msgspec.json.encode({**self._base, "object": "chat.completion.chunk", **rest}))
