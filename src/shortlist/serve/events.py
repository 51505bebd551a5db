"""Server-sent events of a reply on their way through: whole frames only, parsed where there is something to see."""

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

import msgspec

from shortlist.clock import monotonic_ns
from shortlist.errors import BrokenStream
from shortlist.measure.reply import error_reply
from shortlist.serve.lease import Used

FRAME_LIMIT_BYTES = 8 * 1024 * 1024
_DATA = b"data:"
_LAST = b"data: [DONE]"
_START = b"data: {"


class Frames:
    """Cuts what arrives at the ends of events: a client never gets half of one, whatever becomes of the engine."""

    def __init__(self) -> None:
        self._tail = b""

    def feed(self, data: bytes) -> bytes:
        """The whole events that this completes. Raises BrokenStream for one without an end."""
        if self._tail:
            data = self._tail + data
        if b"\r" in data:  # JSON holds none: these end lines
            data = data.replace(b"\r\n", b"\n")
        if data.endswith(b"\n\n"):
            self._tail = b""
            return data
        end = data.rfind(b"\n\n") + 2
        if end == 1:
            end = 0
        self._tail = data[end:]
        if len(self._tail) > FRAME_LIMIT_BYTES:
            raise BrokenStream(f"one event of the engine's stream is over {FRAME_LIMIT_BYTES} bytes")
        return data[:end]

    def rest(self) -> bytes:
        """The last event, where the engine left out the blank line behind it."""
        return _LAST + b"\n\n" if self._tail.strip() == _LAST else b""


class _Seen(msgspec.Struct):
    """What is looked at in every event; decoding this much of one takes a third of a microsecond."""

    model: Any = None
    choices: msgspec.Raw = msgspec.Raw()
    usage: Any = None
    error: Any = None


_seen = msgspec.json.Decoder(_Seen)


@dataclass(slots=True)
class Watch:
    """What is seen of a stream while its bytes go through: the first content, the usage, the end.

    Bytes are changed only where they must be: a usage that the client did not ask for, another model's name.
    """

    model: str
    began_ns: int
    keeps_usage: bool
    first_ns: int | None = None
    usage: dict[str, Any] | None = None
    is_done: bool = False

    def look(self, data: bytes) -> bytes:
        """The events to send on. Raises ErrorReply for an error that the engine put into the stream, BrokenStream."""
        if self.first_ns is not None and data.find(b"\n") == len(data) - 2 and data.startswith(_START):
            told = self._decoded(data[6:-2])  # one event in one line, as nearly all are
            if not told.usage and not told.error:
                return data if told.model == self.model else self._renamed(data[:-2], told) + b"\n\n"
        if not data:
            return data
        events = data[:-2].split(b"\n\n")
        sent = [self._event(event) for event in events]
        return data if sent == events else b"".join(event + b"\n\n" for event in sent if event)

    def _event(self, event: bytes) -> bytes:
        payload = _payload(event)
        if payload is None:
            return event
        if payload == b"[DONE]":
            self.is_done = True
            return event
        told = self._decoded(payload)
        if told.error:
            raise error_reply({"error": told.error}, None)
        if told.usage:
            self.usage = told.usage
            if not self.keeps_usage and bytes(told.choices) in (b"[]", b""):
                return b""
        if self.first_ns is None and has_content(parse(payload).get("choices")):
            self.first_ns = monotonic_ns()
        return event if told.model == self.model else self._renamed(event, told)

    def _renamed(self, event: bytes, told: _Seen) -> bytes:
        """The event under our name: the bytes of the other are swapped, and looked at again."""
        old, new = msgspec.json.encode(told.model), msgspec.json.encode(self.model)
        for key in (b'"model":', b'"model": '):
            if key + old in event:
                swapped = event.replace(key + old, key + new, 1)
                payload = _payload(swapped)
                if payload is not None and self._decoded(payload).model == self.model:
                    return swapped
        return b"data: " + renamed(parse(_payload(event) or b"{}"), self.model)

    @staticmethod
    def _decoded(payload: bytes) -> _Seen:
        try:
            return _seen.decode(payload)
        except (msgspec.DecodeError, UnicodeDecodeError, RecursionError) as error:
            raise BrokenStream(f"the engine sent an event that is not JSON: {error}") from None

    def used(self, *, is_cancelled: bool) -> Used:
        """What the request cost, as far as it was seen."""
        return used_of(self.usage, self.began_ns, self.first_ns, is_cancelled=is_cancelled)


def _payload(event: bytes) -> bytes | None:
    """An event's data; None for a comment."""
    if event.startswith(_DATA) and b"\n" not in event:
        return event[len(_DATA) :].strip()
    lines = [line[len(_DATA) :].strip() for line in event.split(b"\n") if line.startswith(_DATA)]
    return b"\n".join(lines) if lines else None


def payloads(events: bytes) -> Iterator[bytes]:
    """The data of whole events, without comments and the last one."""
    for event in events[:-2].split(b"\n\n") if events else ():
        payload = _payload(event)
        if payload is not None and payload != b"[DONE]":
            yield payload


def renamed(told: dict[str, Any], model: str) -> bytes:
    """A reply or an event under the name that ours carry."""
    return msgspec.json.encode(told | {"model": model})


def parse(payload: bytes) -> dict[str, Any]:
    """One event's JSON object. Raises BrokenStream."""
    try:
        told = msgspec.json.decode(payload)
    except (msgspec.DecodeError, UnicodeDecodeError, RecursionError) as error:
        raise BrokenStream(f"the engine sent an event that is not JSON: {error}") from None
    if not isinstance(told, dict):
        raise BrokenStream("the engine sent an event that is not a JSON object")
    return told


def has_content(choices: Any) -> bool:
    """Whether an event holds text, thoughts or a tool call; the role alone is not content."""
    for choice in choices if isinstance(choices, list) else ():
        delta = choice.get("delta") if isinstance(choice, dict) else None
        if isinstance(choice, dict) and choice.get("text"):
            return True
        if isinstance(delta, dict) and any(
            delta.get(name) for name in ("content", "reasoning_content", "reasoning", "tool_calls")
        ):
            return True
    return False


def used_of(usage: Any, began_ns: int, first_ns: int | None, *, is_cancelled: bool = False) -> Used:
    """A usage object as counts, beside the times."""
    counts = usage if isinstance(usage, dict) else {}
    prompt, completion = (
        value if type(value := counts.get(name)) is int else None for name in ("prompt_tokens", "completion_tokens")
    )
    ttft_ns = None if first_ns is None else first_ns - began_ns
    return Used(prompt, completion, ttft_ns, monotonic_ns() - began_ns, is_cancelled)
