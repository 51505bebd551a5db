"""A user's `generate` as the wire wants it: a prompt made of messages, the parameters it takes, pieces with counts.

Parameters. `generate(self, prompt, temperature=…)` gets those of a request that it names; `**params` takes all that a
request may hold. One that it does not take is refused, unless it asks for nothing. `max_tokens` and stop strings hold
for every class: the wire cuts, and counts with the class's `count_tokens(text)` where there is one.
"""

import inspect
import re
from collections.abc import AsyncIterable, AsyncIterator, Callable, Iterable, Iterator, Mapping, Sequence
from typing import Any

from shortlist.engines.wire_generation import Cancel, Piece, Wire
from shortlist.engines.wire_request import Asked, overflow
from shortlist.records import Message

SAMPLING = (
    "temperature", "top_p", "top_k", "min_p", "seed", "repetition_penalty", "presence_penalty", "frequency_penalty",
    "ignore_eos", "min_tokens",
)  # fmt: skip
_NAMES = {"system": "System", "user": "User", "assistant": "Assistant"}


class Taking:
    """Which keywords a method takes: those that it names, or any."""

    def __init__(self, method: Callable[..., Any]) -> None:
        parameters = inspect.signature(method).parameters.values()
        kinds = inspect.Parameter
        self.named = {p.name for p in parameters if p.kind in (kinds.POSITIONAL_OR_KEYWORD, kinds.KEYWORD_ONLY)}
        self.takes_any = any(p.kind is kinds.VAR_KEYWORD for p in parameters)
        self.first = next((p.name for p in parameters if p.kind is not kinds.VAR_KEYWORD), None)

    def takes(self, name: str) -> bool:
        """Whether it would get this one, and not fail on it."""
        return self.takes_any or name in self.named


def render(messages: Sequence[Message]) -> str:
    """The prompt for a class that takes one text.

    One question stands as it is, under the system's text if there is one; a conversation is written out with names,
    and ends where the answer goes on.
    """
    system = [m.content for m in messages if m.role == "system"]
    turns = [m for m in messages if m.role != "system"]
    if len(turns) == 1 and turns[0].role == "user":
        return "\n\n".join([*system, turns[0].content])
    written = [f"{_NAMES[m.role]}: {m.content}" for m in turns]
    return "\n\n".join([*system, *written, "Assistant:"])


class Answers:
    """The class as a generator of the wire. One answer at a time, unless the class says `parallel`."""

    def __init__(self, adapter: Any, alias: str, parallel: int) -> None:
        self._generate = adapter.generate
        self._taking = Taking(adapter.generate)
        count = getattr(adapter, "count_tokens", None)
        self._count: Callable[[str], int] | None = count if callable(count) else None
        accepts = {name for name in SAMPLING if self._taking.takes(name)}
        accepts |= {"json_schema"} & self._taking.named  # only one that names it promises to hold an answer to a form
        known = {"seed", "ignore_eos"} & accepts
        counts = {"usage"} if self._count else set()
        self.wire = Wire(
            alias,
            context=_whole(adapter, "context"),
            accepts=frozenset(accepts),
            parallel=min(_whole(adapter, "parallel") or 1, max(parallel, 1)),
            capabilities=tuple(sorted({"chat", "stream", *known, *counts})),
        )

    def pieces(self, asked: Asked, cancel: Cancel) -> Iterable[Piece] | AsyncIterable[Piece]:  # noqa: ARG002 - pieces end between two
        """One answer, in whatever way the class gives it."""
        messages = [{"role": m.role, "content": m.content} for m in asked.messages]
        takes_messages = "messages" in self._taking.named
        prompt = render(asked.messages)
        tokens = self._tokens("\n".join(m.content for m in asked.messages) if takes_messages else prompt)
        if tokens is not None and self.wire.context is not None and tokens >= self.wire.context:
            raise overflow(tokens, self.wire.context)
        given = self._given(asked)
        if takes_messages:
            given["messages"] = messages
        positional = () if self._taking.first == "messages" else (prompt,)
        result = self._generate(*positional, **given)
        if isinstance(result, AsyncIterable) or inspect.isawaitable(result):
            return self._later(result, tokens)
        return self._now(result, tokens)

    def _given(self, asked: Asked) -> dict[str, Any]:
        """The request's parameters that the method takes."""
        given: dict[str, Any] = dict(asked.options)
        limits: Mapping[str, Any] = {
            "max_tokens": asked.max_tokens,
            "stop": list(asked.stop) or None,
            "json_schema": asked.json_schema,
        }
        given |= {name: value for name, value in limits.items() if value is not None and self._taking.takes(name)}
        return given

    def _now(self, result: Any, prompt_tokens: int | None) -> Iterator[Piece]:
        source, cutter = _texts(result), self._cutter(prompt_tokens)
        try:
            for text in source:
                yield from cutter.cut(text)
                if cutter.is_full:
                    return
        finally:
            close = getattr(source, "close", None)
            if close is not None:
                close()

    async def _later(self, result: Any, prompt_tokens: int | None) -> AsyncIterator[Piece]:
        if not isinstance(result, AsyncIterable):
            for piece in self._now(await result, prompt_tokens):
                yield piece
            return
        cutter = self._cutter(prompt_tokens)
        try:
            async for text in result:
                for piece in cutter.cut(_text(text)):
                    yield piece
                if cutter.is_full:
                    return
        finally:
            if isinstance(result, AsyncIterator) and hasattr(result, "aclose"):
                await result.aclose()

    def _cutter(self, prompt_tokens: int | None) -> "_Cutter":
        return _Cutter(self._tokens, prompt_tokens, self.wire.context)

    def _tokens(self, text: str) -> int | None:
        if self._count is None:
            return None
        count = self._count(text)
        if not isinstance(count, int) or isinstance(count, bool) or count < 0:
            raise TypeError(f"count_tokens returned {count!r} for {text[:40]!r}, and not a number of tokens")
        return count


class _Cutter:
    """A class's texts word by word, so that `max_tokens` can end one inside: a word is the least that is counted.

    The first piece carries the prompt's tokens; where the context is full, the last one says so.
    """

    def __init__(self, count: Callable[[str], int | None], prompt_tokens: int | None, context: int | None) -> None:
        self._count, self._prompt_tokens = count, prompt_tokens
        self._room = None if prompt_tokens is None or context is None else context - prompt_tokens
        self.is_full = False

    def cut(self, text: str) -> Iterator[Piece]:
        for word in _words(text):
            tokens = self._count(word)
            if self._room is not None:
                self._room -= tokens or 0
                self.is_full = self._room <= 0
            yield Piece(word, tokens, "length" if self.is_full else None, self._prompt_tokens)
            self._prompt_tokens = None
            if self.is_full:
                return


def _words(text: str) -> list[str]:
    """The text in pieces of a word with the white space before it, the last with what follows; joined, they are it."""
    pieces = re.findall(r"\s*\S+(?:\s+$)?", text)
    return pieces or ([text] if text else [])


def _text(value: object) -> str:
    if not isinstance(value, str):
        raise TypeError(f"generate gave {type(value).__name__}, and not text")
    return value


def _texts(result: object) -> Iterable[str]:
    """What a generate returned, as an iterator of text; closing it closes the class's own generator."""
    if isinstance(result, str):
        return iter((result,))
    if result is None or isinstance(result, bytes | Mapping) or not isinstance(result, Iterable):
        raise TypeError(f"generate returned {type(result).__name__}: text, or a generator of text, is wanted")
    return _checked(result)


def _checked(result: Iterable[object]) -> Iterator[str]:
    try:
        for one in result:
            yield _text(one)
    finally:
        close = getattr(result, "close", None)
        if close is not None:
            close()


def _whole(adapter: Any, name: str) -> int | None:
    """A number that the class declares. Raises TypeError for one that is none."""
    value = getattr(adapter, name, None)
    if value is None or (isinstance(value, int) and not isinstance(value, bool) and value > 0):
        return value
    raise TypeError(f"the class says {name} = {value!r}, and that is no number of at least 1")
