"""How an answer is shown: as it comes, with its figures, and what a reader must know of one that was cut."""

import sys
from typing import TYPE_CHECKING, Any

from shortlist import units
from shortlist.cli.output import wants_ascii
from shortlist.records import Json

if TYPE_CHECKING:
    from shortlist.chat.conversation import Answer, Asking, Conversation
    from shortlist.chat.live import Piece


class AnswerWriter:
    """Writes an answer as it comes. On a terminal a stranger's control characters are shown as escapes; a file or a
    pipe gets the text as it is.
    """

    def __init__(self, *, asked_ascii: bool) -> None:
        self._is_terminal = sys.stdout.isatty()
        self._is_ascii = wants_ascii(asked_ascii)
        self._is_thinking = False
        self._is_line_open = False

    def piece(self, piece: "Piece") -> None:
        """New text; what the model thinks aloud goes to stderr."""
        text, thought = piece
        if thought:
            self._write(sys.stderr, thought if self._is_thinking else f"(thinking) {thought}", is_safe=True)
            self._is_thinking = True
        if text:
            if self._is_thinking:
                self._write(sys.stderr, "\n", is_safe=True)
                self._is_thinking = False
            self._write(sys.stdout, text, is_safe=self._is_terminal)
            self._is_line_open = not text.endswith("\n")

    def end(self) -> None:
        """The answer is over: the next thing begins on a line of its own."""
        if self._is_line_open or self._is_thinking:
            self._write(sys.stdout if self._is_line_open else sys.stderr, "\n", is_safe=False)
        self._is_line_open = self._is_thinking = False

    def _write(self, stream: Any, text: str, *, is_safe: bool) -> None:
        from shortlist.report.escape import ascii_only, visible

        shown = visible(text) if is_safe else text
        stream.write(ascii_only(shown) if self._is_ascii else shown)
        stream.flush()


def stats_line(answer: "Answer") -> str:
    """`31 tokens, 2410 tok/s, first after 8.12 ms`; what is not known is left out."""
    parts = []
    if answer.completion_tokens is not None:
        parts.append(units.counted(answer.completion_tokens, "token"))
    if answer.tokens_per_s is not None:
        parts.append(f"{units.rate(answer.tokens_per_s)} tok/s")
    if answer.first_ns is not None:
        parts.append(f"first after {units.duration(answer.first_ns)}")
    if answer.is_stopped:
        parts.append("stopped")
    return f"({', '.join(parts) or 'an empty answer'})"


def cut_notes(asking: "Asking", answer: "Answer") -> tuple[str, ...]:
    """What a reader must know of an answer that ended before the model did."""
    if answer.finish_reason != "length":
        return ()
    return (f"the answer was cut at {asking.generation.max_tokens} tokens: --max-tokens",)


def answer_data(model: str, talk: "Conversation", answer: "Answer") -> Json:
    """One answer as JSON."""
    value = None
    if talk.asking.schema is not None:
        import msgspec

        value = msgspec.json.decode(answer.text)
    return {
        "model": model,
        "engine": talk.endpoint.engine,
        "device": talk.endpoint.device,
        "text": answer.text,
        "reasoning": answer.reasoning,
        "value": value,
        "finish_reason": answer.finish_reason,
        "prompt_tokens": answer.prompt_tokens,
        "completion_tokens": answer.completion_tokens,
        "first_ns": answer.first_ns,
        "total_ns": answer.total_ns,
        "tokens_per_s": answer.tokens_per_s,
    }
