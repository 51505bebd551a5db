"""The chunk stamps of one sample as one blob.

Layout, little-endian: version byte, chunk count (u32), three width bytes, then four columns: kind (one byte a chunk,
bit 7 set where the lag is known), arrival as differences, sizes, lags. A column's width is the smallest of 0, 1, 2, 4
and 8 bytes that holds all its values; width 0 means that all are zero. Columns are packed by `struct` at C speed: the
writer thread must not hold the interpreter while a stream is being stamped.
"""

import struct
from collections.abc import Iterator, Sequence
from itertools import accumulate, starmap
from operator import sub
from typing import get_args, overload

from shortlist.errors import StoreError
from shortlist.records import Chunk, ChunkKind

_VERSION = 1
_HEAD = struct.Struct("<BIBBB")
_KINDS: tuple[ChunkKind, ...] = get_args(ChunkKind)
_CODES = {kind: code for code, kind in enumerate(_KINDS)}
_KNOWN_LAG = 0x80
_WITHOUT_LAG = bytes(code & ~_KNOWN_LAG for code in range(256))
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
    """The blob of these chunks; `StoredChunks` gives them back exactly. Raises StoreError past 64 bits."""
    stamps = [c.ns for c in chunks]
    columns = [list(map(sub, stamps, [0, *stamps])), [c.bytes for c in chunks], [c.lag_ns or 0 for c in chunks]]
    widths = [_width(column) for column in columns]
    kinds = bytes(_CODES[c.kind] | (0 if c.lag_ns is None else _KNOWN_LAG) for c in chunks)
    packed = (_pack(column, width) for column, width in zip(columns, widths, strict=True))
    return b"".join((_HEAD.pack(_VERSION, len(chunks), *widths), kinds, *packed))


class StoredChunks(Sequence[Chunk]):
    """The chunks of a blob, made one by one as they are asked for: a run is held in a fraction of the memory.

    Equal to a tuple of the same chunks.
    """

    __slots__ = ("_blob",)

    def __init__(self, blob: bytes) -> None:
        """Raises StoreError for bytes that `encode` did not write."""
        damage = _damage(blob)
        if damage:
            raise StoreError(f"a chunk blob of {len(blob)} bytes is damaged: {damage}")
        self._blob = blob

    def __len__(self) -> int:
        count: int = _HEAD.unpack_from(self._blob)[1]
        return count

    def _rows(self) -> tuple[bytes, list[int], Sequence[int], Sequence[int]]:
        _, count, *widths = _HEAD.unpack_from(self._blob)
        offset = _HEAD.size + count
        columns = []
        for width in widths:
            columns.append(_column(self._blob, offset, count, width))
            offset += count * width
        return self._blob[_HEAD.size : _HEAD.size + count], list(accumulate(columns[0])), columns[1], columns[2]

    def __iter__(self) -> Iterator[Chunk]:
        return starmap(_chunk, zip(*self._rows(), strict=True))

    def __reversed__(self) -> Iterator[Chunk]:
        return starmap(_chunk, zip(*map(reversed, self._rows()), strict=True))

    @overload
    def __getitem__(self, index: int) -> Chunk: ...
    @overload
    def __getitem__(self, index: slice) -> tuple[Chunk, ...]: ...
    def __getitem__(self, index: int | slice) -> Chunk | tuple[Chunk, ...]:
        return tuple(self)[index]

    def __eq__(self, other: object) -> bool:
        if isinstance(other, StoredChunks):
            return self._blob == other._blob
        return tuple(self) == other if isinstance(other, tuple) else NotImplemented

    def __hash__(self) -> int:
        return hash(tuple(self))

    def __repr__(self) -> str:
        return repr(tuple(self))


def _damage(blob: bytes) -> str:
    """What is wrong with a blob; nothing for one that `encode` wrote."""
    if len(blob) < _HEAD.size:
        return "it has no head"
    version, count, *widths = _HEAD.unpack_from(blob)
    if version != _VERSION:
        return f"its version {version} is unknown"
    if not all(width in (0, *_FORMATS) for width in widths) or len(blob) != _HEAD.size + count * (1 + sum(widths)):
        return "its length is not what its head says"
    kinds = blob[_HEAD.size : _HEAD.size + count].translate(_WITHOUT_LAG)
    return "" if max(kinds, default=0) < len(_KINDS) else "it has a kind of chunk that nobody knows"


def _chunk(kind: int, ns: int, size: int, lag_ns: int) -> Chunk:
    return Chunk(ns, size, _KINDS[kind & ~_KNOWN_LAG], lag_ns if kind & _KNOWN_LAG else None)


def _column(blob: bytes, offset: int, count: int, width: int) -> tuple[int, ...]:
    return struct.unpack_from(f"<{count}{_FORMATS[width]}", blob, offset) if width else (0,) * count
