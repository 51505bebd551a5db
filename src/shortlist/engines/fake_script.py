"""What the fake engine is told to do, and the frames that it comes to: the truth that clients are checked against.

    ttft=50ms,gap=5ms,chunks=64         the first content 50 ms after the request arrived, then 63 more, 5 ms apart
    slots=4                             four requests are answered at once, others wait for one of them to end
    context=512                         prompt and answer have so many tokens at most
    fail=crash,every=3                  each third request takes the process down in the middle of its stream

Offsets are absolute, from the request's arrival, or from when a slot became free for it: a write that is late does not
push the next one.
"""

import hashlib
import json
import random
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any, Literal

from shortlist.errors import BadInput, UnknownName
from shortlist.units import parse_duration_ns

FAILURES = (
    "start", "refuse", "hang", "close-early", "broken-sse", "not-http",
    "error-body", "error-event", "empty", "slow", "crash",
)  # fmt: skip
"""How a fake engine can go wrong; `start` and `refuse` before any request, the others in each `every`th request."""

USAGES = ("on", "off", "late")
LATE_USAGE_NS = 250 * 10**6
PIECE_GAP_NS = 100_000
SLOW_FACTOR = 100

_PROSE = """
the decision is to ship on Friday and Zoë owns it; façade naïve größer über Ωmega 東京 会議 🙂 budget review before noon
not after deadline moved again — Łukasz agreed
"""
_WORDS = tuple(_PROSE.split())

FrameKind = Literal[
    "headers", "role", "reasoning", "text", "finish", "usage", "done", "body", "error", "broken", "close", "crash"
]


@dataclass(frozen=True, slots=True)
class Frame:
    """One write: what, and when after the request's arrival. `close` ends the connection, `crash` the process."""

    kind: FrameKind
    offset_ns: int
    data: bytes = b""


@dataclass(frozen=True, slots=True)
class FakeScript:
    """A fake engine's behaviour. Write it `key=value,key=value`; `text` comes last and runs to the end."""

    ttft: int = 50 * 10**6
    gap: int = 5 * 10**6
    chunks: int = 64
    reasoning: int = 0
    load: int = 0
    jitter: float = 0.0
    seed: int = 0
    every: int = 1
    split: int = 0
    fail: str = ""
    usage: str = "on"
    device: str = "cpu"
    log: str = ""
    text: str = ""
    slots: int = 0
    context: int = 0

    @classmethod
    def parse(cls, script: str) -> "FakeScript":
        """Raises BadInput for a wrong value, UnknownName for a wrong key; a text without `=` means the defaults."""
        if "=" not in script:
            return cls()
        head, has_text, text = script.partition("text=") if script.startswith("text=") else script.partition(",text=")
        values: dict[str, Any] = {"text": text} if has_text else {}
        for part in filter(None, (part.strip() for part in head.split(","))):
            key, equals, value = part.partition("=")
            if key not in _PARSERS or not equals:
                raise UnknownName("key of a fake engine's script", key, _PARSERS)
            values[key] = _PARSERS[key](key, value)
        if text and "chunks" not in values:
            values["chunks"] = len(text.split())
        return cls(**values)

    def fails(self, number: int) -> str:
        """How the request with this number (from 1) fails; empty for not at all."""
        return self.fail if number % self.every == 0 else ""


def _duration(_key: str, value: str) -> int:
    return parse_duration_ns(value)


def _whole(key: str, value: str) -> int:
    if not value.isascii() or not value.isdigit() or (key == "every" and int(value) < 1):
        raise BadInput(f"{key}={value}: a whole number is expected in a fake engine's script")
    return int(value)


def _percent(key: str, value: str) -> float:
    number = value.removesuffix("%")
    if not number.isascii() or not number.isdigit() or int(number) > 100:
        raise BadInput(f"{key}={value}: a percentage up to 100% is expected in a fake engine's script")
    return int(number) / 100


def _word(_key: str, value: str) -> str:
    return value


def _one_of(key: str, value: str) -> str:
    known = {"fail": FAILURES, "usage": USAGES, "device": ("cpu", "gpu")}[key]
    if value not in known:
        raise UnknownName(f"{key} of a fake engine", value, known)
    return value


_PARSERS = {
    **dict.fromkeys(("ttft", "gap", "load"), _duration),
    **dict.fromkeys(("chunks", "reasoning", "seed", "every", "split", "slots", "context"), _whole),
    **dict.fromkeys(("fail", "usage", "device"), _one_of),
    "jitter": _percent,
    "log": _word,
}


@dataclass(frozen=True, slots=True)
class Answer:
    """One request's answer as planned: pieces of text, their offsets, and what the counts say."""

    model: str
    pieces: tuple[str, ...]
    reasoning: int
    offsets_ns: tuple[int, ...]
    end_ns: int
    finish_reason: str
    prompt_tokens: int

    @property
    def usage(self) -> dict[str, Any]:
        """As OpenAI writes it; a piece is a token."""
        count = len(self.pieces)
        return {
            "prompt_tokens": self.prompt_tokens,
            "completion_tokens": count,
            "total_tokens": self.prompt_tokens + count,
            "prompt_tokens_details": {"cached_tokens": 0},
        }


def plan_answer(script: FakeScript, request: dict[str, Any], number: int) -> Answer:
    """The same prompt gets the same words, another prompt others; `max_tokens` and `stop` cut, `ignore_eos` fills up.

    A piece is a token; the context holds the prompt's words too.
    """
    messages = json.dumps(request.get("messages", []), sort_keys=True)
    sampled = request.get("seed") if request.get("temperature") else None
    digest = hashlib.sha256(f"{messages}|{sampled}".encode()).digest()
    failure = script.fails(number)
    wanted = 0 if failure == "empty" else script.reasoning + script.chunks
    limit = request.get("max_tokens") or request.get("max_completion_tokens") or wanted
    count = limit if request.get("ignore_eos") and wanted else min(wanted, limit)
    prompt_tokens = len(messages.split())
    if script.context:
        count = min(count, script.context - prompt_tokens)
    words = script.text.split() or random.Random(digest).choices(_WORDS, k=count)  # noqa: S311 - repeatable by design
    gap = script.gap * (SLOW_FACTOR if failure == "slow" else 1)
    chance = random.Random(f"{script.seed} {number}")  # noqa: S311 - repeatable by design
    offsets = [script.ttft]
    for _ in range(count):
        offsets.append(offsets[-1] + round(gap * (1 + script.jitter * chance.uniform(-1, 1))))
    pieces = tuple(words[i % len(words)] + " " for i in range(count))
    kept = _stopped(pieces, request.get("stop"))
    is_full = limit < wanted or count > wanted or (bool(wanted) and count < wanted)
    return Answer(
        model=str(request.get("model", "fake")),
        pieces=kept,
        reasoning=min(script.reasoning, len(kept)),
        offsets_ns=tuple(offsets[: len(kept)]),
        end_ns=offsets[len(kept)],
        finish_reason="length" if is_full and kept == pieces else "stop",
        prompt_tokens=prompt_tokens,
    )


def _stopped(pieces: tuple[str, ...], stop: Any) -> tuple[str, ...]:
    """The pieces before the first of the stop strings; the last one cut where it begins."""
    text = "".join(pieces)
    stops = [stop] if isinstance(stop, str) else [one for one in stop or [] if isinstance(one, str)]
    end = min((at for one in stops if one and (at := text.find(one)) >= 0), default=len(text))
    kept: list[str] = []
    for piece in pieces:
        if end <= 0:
            break
        kept.append(piece[:end])
        end -= len(piece)
    return tuple(kept)


def refusal(script: FakeScript, request: dict[str, Any]) -> Frame | None:
    """The reply to what a server without a model cannot do: hold an answer to a schema, or find room for a prompt."""
    if (request.get("response_format") or {}).get("type") not in (None, "text"):
        return error_reply(400, "unsupported_parameter", "response_format: the fake engine has no model to constrain")
    tokens = len(json.dumps(request.get("messages", []), sort_keys=True).split())
    if script.context and tokens >= script.context:
        said = f"the prompt has {tokens} tokens, and the context {script.context}"
        return error_reply(400, "exceed_context_size_error", said, n_prompt_tokens=tokens, n_ctx=script.context)
    return None


def _event(payload: bytes) -> bytes:
    body = b"data: " + payload + b"\n\n"
    return b"%x\r\n%b\r\n" % (len(body), body)


_LAST_CHUNK = b"0\r\n\r\n"
_STREAM_HEADERS = b"HTTP/1.1 200 OK\r\nContent-Type: text/event-stream\r\nTransfer-Encoding: chunked\r\n\r\n"
_ERROR = b'{"error": {"message": "the fake engine fails as told", "type": "server_error", "code": 500}}'


def json_reply(status: str, payload: bytes, offset_ns: int = 0, kind: FrameKind = "body") -> Frame:
    """A whole reply in one write."""
    head = f"HTTP/1.1 {status}\r\nContent-Type: application/json\r\nContent-Length: {len(payload)}\r\n\r\n"
    return Frame(kind, offset_ns, head.encode() + payload)


_REASONS = {400: "Bad Request", 404: "Not Found", 501: "Not Implemented"}


def error_reply(status: int, kind: str, message: str, **more: int) -> Frame:
    """An error in OpenAI's shape."""
    error = {"code": status, "message": message, "type": kind, **more}
    return json_reply(f"{status} {_REASONS[status]}", json.dumps({"error": error}).encode(), kind="error")


def frames(script: FakeScript, request: dict[str, Any], number: int) -> Iterator[Frame]:
    """Every write of one reply in its order, made as it is asked for; offsets never go back."""
    failure = script.fails(number)
    if failure == "hang":
        return
    if failure == "not-http":
        yield Frame("body", 0, b"SSH-2.0-OpenSSH_9.6\r\n")
        yield Frame("close", 0)
    elif failure == "error-body":
        yield json_reply("500 Internal Server Error", _ERROR, kind="error")
    elif request.get("stream"):
        yield from _stream(script, request, plan_answer(script, request, number), failure)
    else:
        yield from _whole_reply(script, plan_answer(script, request, number), failure)


def _stream(script: FakeScript, request: dict[str, Any], answer: Answer, failure: str) -> Iterator[Frame]:
    head = json.dumps({"id": "fake", "object": "chat.completion.chunk", "created": 0, "model": answer.model}).encode()[
        :-1
    ]
    open_choice = head + b', "choices": [{"index": 0, "finish_reason": '
    yield Frame("headers", 0, _STREAM_HEADERS)
    yield Frame("role", 0, _event(open_choice + b'null, "delta": {"role": "assistant", "content": ""}}]}'))
    breaks_at = len(answer.pieces) // 2 if failure in ("close-early", "broken-sse", "error-event", "crash") else -1
    for index, (piece, offset) in enumerate(zip(answer.pieces, answer.offsets_ns, strict=True)):
        if index == breaks_at:
            yield from _break(failure, offset)
            return
        is_thought = index < answer.reasoning
        key = b"reasoning_content" if is_thought else b"content"
        # Not escaped to ASCII, so that a cut can fall inside a character.
        text = json.dumps(piece, ensure_ascii=False).encode()
        yield Frame(
            "reasoning" if is_thought else "text",
            offset,
            _event(b'%bnull, "delta": {"%b": %b}}]}' % (open_choice, key, text)),
        )
    end = answer.end_ns
    yield Frame("finish", end, _event(open_choice + b'"%b", "delta": {}}]}' % answer.finish_reason.encode()))
    if script.usage != "off" and (request.get("stream_options") or {}).get("include_usage"):
        end += LATE_USAGE_NS if script.usage == "late" else 0
        yield Frame("usage", end, _event(head + b', "choices": [], "usage": %b}' % json.dumps(answer.usage).encode()))
    yield Frame("done", end, _event(b"[DONE]") + _LAST_CHUNK)


def _break(failure: str, offset: int) -> Iterator[Frame]:
    if failure == "crash":
        yield Frame("crash", offset)
    elif failure == "error-event":
        yield Frame("error", offset, _event(_ERROR) + _LAST_CHUNK)
    elif failure == "broken-sse":
        yield Frame("broken", offset, _event(b'{"choices": [{"delta": {"content": ') + _LAST_CHUNK)
    else:
        yield Frame("close", offset)


def _whole_reply(script: FakeScript, answer: Answer, failure: str) -> Iterator[Frame]:
    thoughts, words = answer.pieces[: answer.reasoning], answer.pieces[answer.reasoning :]
    message = {"role": "assistant", "content": "".join(words)} | (
        {"reasoning_content": "".join(thoughts)} if thoughts else {}
    )
    choice = {"index": 0, "finish_reason": answer.finish_reason, "message": message}
    reply: dict[str, Any] = {
        "id": "fake",
        "object": "chat.completion",
        "created": 0,
        "model": answer.model,
        "choices": [choice],
    }
    if script.usage != "off":
        reply["usage"] = answer.usage
    body = json.dumps(reply, ensure_ascii=False).encode()
    whole = json_reply("200 OK", body, answer.end_ns)
    half = len(whole.data) - len(body) // 2
    if failure == "crash":
        yield Frame("crash", answer.end_ns)
    elif failure == "error-event":
        yield json_reply("500 Internal Server Error", _ERROR, answer.end_ns, kind="error")
    elif failure == "broken-sse":
        yield json_reply("200 OK", body[: len(body) // 2], answer.end_ns, kind="broken")
    elif failure == "close-early":
        yield Frame("body", answer.end_ns, whole.data[:half])
        yield Frame("close", answer.end_ns)
    else:
        yield whole
