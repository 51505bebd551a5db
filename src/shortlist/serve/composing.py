"""A response as it grows: chat events go in, the Responses API's events and its object come out."""

import os
from dataclasses import dataclass
from typing import Any, Literal

import msgspec

from shortlist.serve.replies import Problem
from shortlist.serve.response_schema import ResponseRequest

Kind = Literal["message", "reasoning"]
_PART: dict[Kind, str] = {"message": "output_text", "reasoning": "reasoning_text"}


@dataclass(slots=True)
class _Item:
    """What the model says, or what it thinks."""

    kind: Kind
    id: str
    index: int
    text: str = ""

    def part(self) -> dict[str, Any]:
        """Its text, as part of its content."""
        told: dict[str, Any] = {"type": _PART[self.kind], "text": self.text}
        if self.kind == "message":
            told |= {"annotations": [], "logprobs": []}
        return told

    def shown(self, status: str, *, is_empty: bool = False) -> dict[str, Any]:
        """The item as it stands."""
        content = [] if is_empty else [self.part()]
        rest: dict[str, Any] = {"role": "assistant"} if self.kind == "message" else {"summary": []}
        return {"id": self.id, "type": self.kind, "status": status, "content": content} | rest


class Composer:
    """One response. `take` each chat event, `end` after the last; both give the events to send."""

    def __init__(self, model: str, request: ResponseRequest, created: int) -> None:
        self._model, self._request, self._created = model, request, created
        self._id = _new_id("resp")
        self._sequence = 0
        self._items: list[_Item] = []
        self._usage: dict[str, Any] | None = None
        self._finish_reason: str | None = None
        self._has_begun = self._has_ended = False

    def take(self, told: dict[str, Any]) -> bytes:
        """A chat event."""
        events = b"" if self._has_begun else self._begin()
        if isinstance(told.get("usage"), dict):
            self._usage = told["usage"]
        for choice in told.get("choices") or ():
            delta = choice.get("delta") or {}
            self._finish_reason = choice.get("finish_reason") or self._finish_reason
            thought = delta.get("reasoning_content") or delta.get("reasoning")
            if thought:
                events += self._said("reasoning", thought)
            if delta.get("content"):
                events += self._said("message", delta["content"])
        return events

    def end(self) -> bytes:
        """Nothing more comes."""
        events = b"" if self._has_begun else self._begin()
        if not self._items or self._items[-1].kind != "message":
            events += self._opened("message")
        events += self._closed()
        self._has_ended = True
        kind = "response.incomplete" if self._is_cut else "response.completed"
        return events + self._event(kind, response=self.response())

    def error(self, told: Problem) -> bytes:
        """The last event of a stream that fails."""
        return self._event("error", code=told.code, message=told.message, param=told.param)

    def response(self) -> dict[str, Any]:
        """The response as it stands."""
        asked, text = self._request, self._request.text
        status = ("incomplete" if self._is_cut else "completed") if self._has_ended else "in_progress"
        return {
            "id": self._id,
            "object": "response",
            "created_at": self._created,
            "status": status,
            "error": None,
            "incomplete_details": {"reason": "max_output_tokens"} if self._has_ended and self._is_cut else None,
            "instructions": asked.instructions,
            "max_output_tokens": asked.max_output_tokens,
            "metadata": asked.metadata or {},
            "model": self._model,
            "output": [item.shown(self._status_of(item)) for item in self._items] if self._has_ended else [],
            "parallel_tool_calls": False,
            "previous_response_id": None,
            "store": False,
            "temperature": asked.temperature,
            "text": {"format": msgspec.to_builtins(text.format) if text and text.format else {"type": "text"}},
            "tool_choice": "none",
            "tools": [],
            "top_p": asked.top_p,
            "truncation": "disabled",
            "usage": self._used() if self._has_ended else None,
        }

    @property
    def _is_cut(self) -> bool:
        return self._finish_reason == "length"

    def _status_of(self, item: _Item) -> str:
        return "incomplete" if self._is_cut and item is self._items[-1] else "completed"

    def _used(self) -> dict[str, Any] | None:
        if self._usage is None:
            return None
        counts = {name: self._usage.get(name) or 0 for name in ("prompt_tokens", "completion_tokens", "total_tokens")}
        details = self._usage.get("prompt_tokens_details") or {}
        return {
            "input_tokens": counts["prompt_tokens"],
            "input_tokens_details": {"cached_tokens": details.get("cached_tokens") or 0},
            "output_tokens": counts["completion_tokens"],
            "output_tokens_details": {"reasoning_tokens": 0},
            "total_tokens": counts["total_tokens"],
        }

    def _begin(self) -> bytes:
        self._has_begun = True
        return self._event("response.created", response=self.response()) + self._event(
            "response.in_progress", response=self.response()
        )

    def _said(self, kind: Kind, text: str) -> bytes:
        events = b""
        if not self._items or self._items[-1].kind != kind:
            events = self._closed() + self._opened(kind)
        item = self._items[-1]
        item.text += text
        told: dict[str, Any] = {"logprobs": []} if kind == "message" else {}
        return events + self._event(f"response.{_PART[kind]}.delta", **self._place(item), delta=text, **told)

    def _opened(self, kind: Kind) -> bytes:
        item = _Item(kind, _new_id("msg" if kind == "message" else "rs"), len(self._items))
        self._items.append(item)
        shown = item.shown("in_progress", is_empty=True)
        return self._event("response.output_item.added", output_index=item.index, item=shown) + self._event(
            "response.content_part.added", **self._place(item), part=item.part()
        )

    def _closed(self) -> bytes:
        if not self._items:
            return b""
        item = self._items[-1]
        told: dict[str, Any] = {"logprobs": []} if item.kind == "message" else {}
        return (
            self._event(f"response.{_PART[item.kind]}.done", **self._place(item), text=item.text, **told)
            + self._event("response.content_part.done", **self._place(item), part=item.part())
            + self._event("response.output_item.done", output_index=item.index, item=item.shown(self._status_of(item)))
        )

    def _place(self, item: _Item) -> dict[str, Any]:
        return {"item_id": item.id, "output_index": item.index, "content_index": 0}

    def _event(self, kind: str, **told: Any) -> bytes:
        data = encoded({"type": kind, "sequence_number": self._sequence, **told})
        self._sequence += 1
        return b"event: %b\ndata: %b\n\n" % (kind.encode(), data)


def encoded(value: Any) -> bytes:
    """As JSON."""
    return msgspec.json.encode(value)


def _new_id(kind: str) -> str:
    return f"{kind}_{os.urandom(16).hex()}"
