"""The chunk stamps of one sample as one blob.

Layout, little-endian: version byte, chunk count (u32), three width bytes, then four columns: kind (one byte a chunk,
bit 7 set where the lag is known), arrival as differences, sizes, lags. A column's width is the smallest of 0, 1, 2, 4
and 8 bytes that holds all its values; width 0 means that all are zero. Columns are packed by `struct` at C speed: the
writer thread must not hold the interpreter while a stream is being stamped.
"""

import struct
from collections.abc import Sequence
from itertools import accumulate
from operator import sub
from typing import get_args

from shortlist.errors import StoreError
from shortlist.records import Chunk, ChunkKind

_VERSION = 1
_HEAD = struct.Struct("<BIBBB")
_KINDS: tuple[ChunkKind, ...] = get_args(ChunkKind)
_CODES = {kind: code for code, kind in enumerate(_KINDS)}
_KNOWN_LAG = 0x80
_FORMATS = {1: "b", 2: "h", 4: "i", 8: "q"}


def _width(values: Sequence[int]) -> int:
    if not any(values):
        return 0
    bits = max(max(values).bit_length(), (~min(values)).bit_length()) + 1
    return next((width for width in _FORMATS if bits <= 8 * width), 0)


def _pack(values: Sequence[int], width: int) -> bytes:
    if not width and any(values):
        raise StoreError("a chunk stamp does not fit in 64 bits")
    return struct.pack(f"<{len(values)}{_FORMATS[width]}", *values) if width else b""


def encode(chunks: Sequence[Chunk]) -> bytes:
    """The blob of these chunks; `decode` gives them back exactly. Raises StoreError past 64 bits."""
    stamps = [c.ns for c in chunks]
    columns = [list(map(sub, stamps, [0, *stamps])), [c.bytes for c in chunks], [c.lag_ns or 0 for c in chunks]]
    widths = [_width(column) for column in columns]
    kinds = bytes(_CODES[c.kind] | (0 if c.lag_ns is None else _KNOWN_LAG) for c in chunks)
    packed = (_pack(column, width) for column, width in zip(columns, widths, strict=True))
    return b"".join((_HEAD.pack(_VERSION, len(chunks), *widths), kinds, *packed))


def _column(blob: bytes, offset: int, count: int, width: int) -> tuple[int, ...]:
    return struct.unpack_from(f"<{count}{_FORMATS[width]}", blob, offset) if width else (0,) * count


def decode(blob: bytes) -> tuple[Chunk, ...]:
    """The chunks of a blob. Raises StoreError for bytes that `encode` did not write."""
    try:
        version, count, *widths = _HEAD.unpack_from(blob)
        if version != _VERSION or len(blob) != _HEAD.size + count * (1 + sum(widths)):
            raise StoreError(f"a chunk blob of {len(blob)} bytes is damaged, or of an unknown version ({version})")
        offset = _HEAD.size
        kinds = blob[offset : offset + count]
        offset += count
        columns = []
        for width in widths:
            columns.append(_column(blob, offset, count, width))
            offset += count * width
        rows = zip(kinds, accumulate(columns[0]), columns[1], columns[2], strict=True)
        return tuple(
            Chunk(ns, size, _KINDS[kind & ~_KNOWN_LAG], lag if kind & _KNOWN_LAG else None)
            for kind, ns, size, lag in rows
        )
    except (struct.error, KeyError, IndexError) as error:
        raise StoreError(f"a chunk blob of {len(blob)} bytes is damaged ({error})") from error
