"""What became of each request of the soak: as it should be, or `Wrong` with the evidence."""

import json
from collections.abc import Collection
from typing import Any

from serve.soak.truth import Question, text_of
from serve.soak.wire import Got

EXPECTED = {
    "queue_full": 429,
    "engine_crashed": 502,
    "engine_failed": 502,
    "service_unavailable": 503,
}
"""What a good question may be refused with: a full queue, a killed engine, one killed while it was opened, and one that
somebody unloaded by force."""

_WAITS = ("queue_full",)


class Wrong(Exception):
    """A claim of the soak does not hold."""


def of_chat(question: Question, got: Got, request_id: str, known: Collection[str]) -> str:
    """The outcome of a good question: answered, streamed, left, or the code of a clear error."""
    if got.broken is not None:
        raise Wrong(f"no answer, no error: {got.broken} after {got.status} and {got.body[-200:]!r}")
    if got.is_left and not got.status:
        return "left"
    same_id(got, request_id)
    if got.status != 200:
        return refusal(got)
    if got.header("x-shortlist-model") != question.model:
        raise Wrong(f"{question.model} was asked, {got.header('x-shortlist-model')} answered")
    return _of_stream(question, got, known) if got.is_stream else _of_whole(question, got, known)


def same_id(got: Got, request_id: str) -> None:
    """The reply is this request's."""
    if got.header("x-request-id") != request_id:
        raise Wrong(f"request {request_id} got the reply of {got.header('x-request-id')!r}")


def refusal(got: Got) -> str:
    """The code of a refusal that a good question may meet."""
    code = code_of(got)
    if EXPECTED.get(code) != got.status:
        raise Wrong(f"unexpected refusal: {got.status} {got.body[:500]!r}")
    if code in _WAITS and not got.header("retry-after").isdigit():
        raise Wrong(f"{code} without Retry-After")
    return code


def code_of(got: Got) -> str:
    """The code of an error in OpenAI's shape."""
    try:
        return _code(got.json)
    except ValueError:
        raise Wrong(f"an error that is no JSON: {got.status} {got.body[:500]!r}") from None


def _code(told: Any) -> str:
    error = told.get("error") if isinstance(told, dict) else None
    if not isinstance(error, dict) or set(error) != {"message", "type", "param", "code"} or not error["message"]:
        raise Wrong(f"an error in another shape: {told!r}")
    return str(error["code"])


def _of_whole(question: Question, got: Got, known: Collection[str]) -> str:
    if got.is_left:
        return "left"
    told = got.json
    if told["model"] != question.model or text_of(got) not in known:
        raise Wrong(f"{question.model} on {question.name}: {told['model']} said {text_of(got)!r}, known: {known}")
    return "answered"


def _of_stream(question: Question, got: Got, known: Collection[str]) -> str:
    text, events = text_of(got), got.events
    if got.is_left or (events and '"error"' in events[-1] and events[-1] != "[DONE]"):
        if not any(one.startswith(text) for one in known):
            raise Wrong(f"{question.model} on {question.name}: {text!r} begins none of {known}")
        return "left" if got.is_left else f"{_broken(events[-1])} in the stream"
    if not events or events[-1] != "[DONE]":
        raise Wrong(f"a stream ended without [DONE] and without an error: {events[-2:]}")
    if text not in known:
        raise Wrong(f"{question.model} on {question.name}: the stream said {text!r}, known: {known}")
    return "streamed"


def _broken(event: str) -> str:
    code = _code(json.loads(event))
    if code not in EXPECTED:
        raise Wrong(f"unexpected end of a stream: {event}")
    return code
