import contextlib
import json
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from shortlist.errors import BrokenStream, ContextOverflow, EndpointError, ErrorReply
from shortlist.measure import reply
from shortlist.measure.reply import ReplyReader, error_status, not_a_stream
from shortlist.measure.sse import Frame
from shortlist.records import Usage

NAMES = [
    *("choices", "delta", "message", "content", "reasoning", "reasoning_content", "tool_calls", "index", "error"),
    *("finish_reason", "usage", "prompt_tokens", "completion_tokens", "prompt_tokens_details", "cached_tokens"),
    *("timings", "cache_n", "code", "detail", "role"),
]
LEAVES = st.one_of(st.none(), st.booleans(), st.integers(), st.floats(allow_nan=False), st.text(max_size=5))
VALUES = st.recursive(
    LEAVES,
    lambda inner: st.one_of(st.lists(inner, max_size=3), st.dictionaries(st.sampled_from(NAMES), inner, max_size=4)),
    max_leaves=20,
)
OBJECTS = st.dictionaries(st.sampled_from(NAMES), VALUES, max_size=6)


def encoded(value: Any) -> bytes:
    return json.dumps(value, ensure_ascii=False).encode("utf-8", "replace")


@given(
    st.lists(st.one_of(OBJECTS.map(encoded), VALUES.map(encoded), st.binary(max_size=20)), max_size=4), st.booleans()
)
def test_whatever_a_server_says_is_read_or_becomes_an_endpoints_error(said: list[bytes], is_cut: bool) -> None:
    reader = ReplyReader()
    with contextlib.suppress(EndpointError):
        for data in said:
            reader.take(Frame(data, 1, is_cut=is_cut))
        reader.end_stream()
    assert isinstance(reader.text + reader.reasoning, str)
    for data in said:
        with contextlib.suppress(EndpointError):
            ReplyReader().take_whole(data)
        assert isinstance(not_a_stream(data), EndpointError)
        assert error_status(500, {}, data).message.isprintable()


CHOICES = st.fixed_dictionaries({"delta": OBJECTS}, optional={"index": LEAVES, "finish_reason": LEAVES})
CHUNKS = st.fixed_dictionaries(
    {"choices": st.lists(CHOICES, max_size=2)}, optional={"usage": VALUES, "timings": VALUES, "error": VALUES}
)


@given(CHUNKS, st.sampled_from([b"", b"error", b"message"]))
def test_the_short_way_for_plain_text_reads_what_the_long_way_reads(chunk: dict[str, Any], name: bytes) -> None:
    def read(reader: ReplyReader) -> tuple[Any, ...]:
        try:
            reader.take(Frame(encoded(chunk), 5, 6, name))
        except EndpointError as error:
            return type(error), error.message
        return reader.chunks, reader.text, reader.reasoning, reader.usage, reader.finish_reason, reader.has_content

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(reply, "_plain_text", lambda _: "")
        expected = read(ReplyReader())
    assert read(ReplyReader()) == expected


def test_a_last_frame_cut_in_the_middle_is_passed_over_and_a_broken_one_is_not() -> None:
    reader = ReplyReader()
    reader.take(Frame(b'{"choices": [', 1, is_cut=True))
    assert reader.chunks == []
    with pytest.raises(BrokenStream, match="event 1"):
        reader.take(Frame(b'{"choices": [', 1))


def test_usage_repeated_in_every_chunk_keeps_the_last_and_content_stays_content() -> None:
    reader = ReplyReader()
    for count in (1, 2):
        delta = {"choices": [{"index": 0, "delta": {"content": "x"}}], "usage": {"completion_tokens": count}}
        reader.take(Frame(encoded(delta), count))
    reader.take(Frame(encoded({"choices": [], "usage": None}), 3))
    assert reader.usage == Usage(None, 2)
    assert [c.kind for c in reader.chunks] == ["text", "text", "other"]


def test_absurd_counts_are_not_measured() -> None:
    reader = ReplyReader()
    reader.take(Frame(encoded({"usage": {"prompt_tokens": -1, "completion_tokens": 10**30}}), 1))
    assert reader.usage == Usage(None, None)


def test_the_status_of_an_error_inside_a_stream_is_its_code() -> None:
    with pytest.raises(ErrorReply) as raised:
        ReplyReader().take(Frame(encoded({"error": {"message": "no", "code": 429}}), 1))
    assert raised.value.status == 429


@pytest.mark.parametrize(
    "error",
    [
        {"code": 400, "message": "too long", "type": "exceed_context_size_error", "n_prompt_tokens": 613, "n_ctx": 256},
        {"message": "maximum context length is 256 tokens", "type": "invalid_request_error",
         "code": "context_length_exceeded"},
    ],
)  # fmt: skip
def test_a_context_that_is_too_small_is_told_by_the_errors_code_or_type(error: dict[str, object]) -> None:
    told = error_status(400, {}, json.dumps({"error": error}).encode())
    assert isinstance(told, ContextOverflow)
    assert "256" in told.message
    odd = error_status(400, {}, json.dumps({"error": {"message": "x", "type": ["a"], "code": {"b": 1}}}).encode())
    assert type(odd) is ErrorReply
