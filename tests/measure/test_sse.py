from collections.abc import Sequence
from itertools import pairwise

import pytest
from hypothesis import given
from hypothesis import strategies as st

from shortlist.errors import BrokenStream
from shortlist.measure.sse import Frame, FrameSplitter

EVENTS = ['{"t": "né"}', '{"t": "🙂 日本"}', "two\nlines", "", "[DONE]"]
STREAMS = {
    name: "".join("".join(f"data: {line}{end}" for line in e.split("\n")) + end for e in EVENTS).encode()
    for name, end in {"lf": "\n", "crlf": "\r\n", "cr": "\r"}.items()
}


def split(pieces: Sequence[bytes]) -> list[Frame]:
    splitter = FrameSplitter()
    frames = [frame for ns, piece in enumerate(pieces) for frame in splitter.feed(piece, ns)]
    return frames + splitter.finish(len(pieces))


@pytest.mark.parametrize("end", STREAMS)
def test_every_single_cut_gives_the_same_frames_stamped_by_the_read_that_completes_them(end: str) -> None:
    stream = STREAMS[end]
    completed_at = [byte for byte in range(len(stream) + 1) for _ in split_count(stream, byte)]
    for cut in range(1, len(stream)):
        frames = split([stream[:cut], stream[cut:]])
        assert [f.data.decode() for f in frames] == EVENTS
        assert [f.ns for f in frames] == [0 if at <= cut else 1 for at in completed_at]
        assert not any(f.is_cut for f in frames)


def split_count(stream: bytes, length: int) -> range:
    """How many more frames a prefix of this length completes than the one before it."""
    splitter, shorter = FrameSplitter(), FrameSplitter()
    return range(len(splitter.feed(stream[:length], 0)) - len(shorter.feed(stream[: max(0, length - 1)], 0)))


@given(st.sampled_from(sorted(STREAMS)), st.lists(st.integers(0, 200)))
def test_any_cuts_give_the_same_frames(end: str, cuts: list[int]) -> None:
    stream = STREAMS[end]
    places = [0, *sorted(min(c, len(stream)) for c in cuts), len(stream)]
    pieces = [stream[a:b] for a, b in pairwise(places)]
    assert [f.data.decode() for f in split(pieces)] == EVENTS


@given(st.binary(max_size=300), st.lists(st.integers(0, 300)))
def test_any_bytes_cut_anywhere_split_as_they_do_in_one_piece(stream: bytes, cuts: list[int]) -> None:
    places = [0, *sorted(min(c, len(stream)) for c in cuts), len(stream)]
    pieces = [stream[a:b] for a, b in pairwise(places)]
    assert [f.data for f in split(pieces)] == [f.data for f in split([stream])]


LINES = st.sampled_from(["data: x", "data: ", "data:y", "data", ": c", "event: error", "id: 4", "\ufeff", ""])
ENDS = st.sampled_from(["\n", "\n\n", "\n\n", "\r\n", "\r\n\r\n", "\r", "\n\n\n"])


@given(st.lists(st.tuples(LINES, ENDS), max_size=12), st.lists(st.integers(0, 120), max_size=6))
def test_the_short_way_for_plain_events_gives_what_the_long_way_gives(
    lines: list[tuple[str, str]], cuts: list[int]
) -> None:
    stream = "".join(line + end for line, end in lines).encode()
    places = [0, *sorted(min(c, len(stream)) for c in cuts), len(stream)]
    short, long = FrameSplitter(), FrameSplitter()
    for ns, (a, b) in enumerate(pairwise(places)):
        assert short.feed(stream[a:b], ns, ns) == long._feed_any(stream[a:b], ns, ns)
    assert short.finish(99) == long.finish(99)


def test_a_byte_order_mark_is_dropped_even_when_cut() -> None:
    assert [f.data for f in split([b"\xef", b"\xbb", b"\xbfdata: x\n\n"])] == [b"x"]


def test_comments_and_unknown_fields_are_no_frames() -> None:
    assert split([b": ping\n\nid: 4\nretry: 10\n\n:\n\n"]) == []


def test_an_event_name_belongs_to_its_frame_alone() -> None:
    frames = split([b"event: error\ndata: a\n\ndata:b\n\n"])
    assert [(f.event, f.data) for f in frames] == [(b"error", b"a"), (b"", b"b")]


def test_a_frame_without_its_blank_line_is_given_at_the_end_and_marked_as_cut() -> None:
    assert split([b"data: [DO", b"NE]"]) == [Frame(b"[DONE]", 2, None, b"", is_cut=True)]


def test_an_endless_frame_is_refused() -> None:
    splitter = FrameSplitter(limit_bytes=1000)
    splitter.feed(b"data: " + b"x" * 900, 0)
    with pytest.raises(BrokenStream, match="over 1000 bytes"):
        splitter.feed(b"x" * 200, 1)
