"""The blob of chunk stamps."""

from typing import get_args

import pytest
from hypothesis import given
from hypothesis import strategies as st

from shortlist.errors import StoreError
from shortlist.records import Chunk, ChunkKind, to_builtins, to_json
from shortlist.results.chunks import StoredChunks, encode

STAMPS = st.integers(-(2**61), 2**61)
CHUNKS = st.builds(Chunk, STAMPS, st.integers(0, 2**40), st.sampled_from(get_args(ChunkKind)), st.none() | STAMPS)


@given(st.lists(CHUNKS, max_size=40))
def test_any_chunks_come_back_exactly(chunks: list[Chunk]) -> None:
    stored = StoredChunks(encode(chunks))
    assert tuple(stored) == tuple(chunks)
    assert stored == tuple(chunks)
    assert (len(stored), list(reversed(stored))) == (len(chunks), chunks[::-1])
    assert (stored[:2], stored[-1:]) == (tuple(chunks[:2]), tuple(chunks[-1:]))


def test_packed_chunks_are_written_as_plain_ones_are() -> None:
    chunks = (Chunk(5, 7, "role"), Chunk(9, 3, "text", 2))
    stored = StoredChunks(encode(chunks))
    assert to_json({"chunks": stored}) == to_json({"chunks": chunks})
    assert to_builtins(stored) == to_builtins(chunks)


def test_a_typical_stream_takes_under_twelve_bytes_a_chunk() -> None:
    chunks = [Chunk(1_000_000_000 + n * 5_000_000 + n % 7, 200 + n % 3, "text", 40_000 + n) for n in range(150)]
    assert len(encode(chunks)) < 150 * 12


def test_unknown_lags_take_no_space() -> None:
    without = [Chunk(n * 1000, 5, "text") for n in range(100)]
    assert len(encode([Chunk(c.ns, 5, "text", 70_000) for c in without])) - len(encode(without)) == 400


def test_a_zero_lag_is_not_an_unknown_one() -> None:
    assert [c.lag_ns for c in StoredChunks(encode([Chunk(1, 1, "text", 0), Chunk(2, 1, "text", None)]))] == [0, None]


def test_a_stamp_past_64_bits_is_refused_and_not_cut() -> None:
    with pytest.raises(StoreError, match="64 bits"):
        encode([Chunk(2**70, 1, "text")])


@given(st.binary(max_size=60))
def test_strange_bytes_are_a_clear_error_or_chunks(blob: bytes) -> None:
    try:
        StoredChunks(blob)
    except StoreError as error:
        assert "chunk blob" in str(error)  # noqa: PT017 - any bytes may also happen to be a blob


@pytest.mark.parametrize("cut", [0, 1, 7, 8, 20, -1])
def test_a_blob_cut_short_is_refused(cut: int) -> None:
    blob = encode([Chunk(n, 10, "text", n) for n in range(1, 9)])
    with pytest.raises(StoreError):
        StoredChunks(blob[:cut])
