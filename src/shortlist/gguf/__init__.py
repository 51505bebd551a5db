"""What a GGUF file says of itself, read within bounds before any engine sees the file.

Every count, length, offset and dimension is checked against the file's length and a cap before anything is allocated or
looped over; long arrays are walked, not kept. Layout: the GGUF specification, versions 2 and 3, little-endian.
"""

import math
import os
import re
import struct
from itertools import pairwise
from pathlib import Path
from types import MappingProxyType

from shortlist.errors import InvalidModel
from shortlist.gguf.header import GgufHeader, LongValue, Scalar, Tensor, Value
from shortlist.gguf.types import REMOVED_TYPES, TENSOR_TYPES
from shortlist.modelfile import AGAIN, DAMAGED, BoundedReader, looks_like, open_model
from shortlist.units import size

__all__ = ["GgufHeader", "LongValue", "Tensor", "read_header", "split_files"]

MAX_ENTRIES = 1 << 14
MAX_TENSORS = 1 << 15
MAX_FILE_BYTES = 1 << 44
MAX_KEY_BYTES = 65535  # the specification's own limit
MAX_TENSOR_NAME_BYTES = 127
MAX_ALIGNMENT = 1 << 20
MAX_DIMENSIONS = 4
MAX_TYPE_NUMBER = 1023  # forks of llama.cpp go to about 400
KEPT_ELEMENTS = 1024
KEPT_TEXT_BYTES = 1 << 20

_BOOL, _STRING, _ARRAY = 7, 8, 9
_SCALARS = {0: "B", 1: "b", 2: "H", 3: "h", 4: "I", 5: "i", 6: "f", 7: "?", 10: "Q", 11: "q", 12: "d"}
_VALUE_TYPES = ("u8", "i8", "u16", "i16", "u32", "i32", "f32", "bool", "string", "array", "u64", "i64", "f64")

_TEXT_KEYS = ("architecture", "name", "license", "type")
_TEXTS = frozenset({f"general.{key}" for key in _TEXT_KEYS} | {"tokenizer.chat_template", "tokenizer.ggml.model"})
_INTEGERS = frozenset({"general.alignment", "general.file_type", "split.no", "split.count", "split.tensors.count"})
_SIZES = frozenset({"context_length", "embedding_length", "block_count", "vocab_size", "attention.sliding_window"})
_ATTENTION_SIZES = ("head_count", "head_count_kv", "key_length", "value_length")
_LAYERED_SIZES = frozenset({"feed_forward_length", *(f"attention.{key}" for key in _ATTENTION_SIZES)})


def read_header(path: Path | str) -> GgufHeader:
    """The header of a GGUF file, checked. Raises InvalidModel: missing, another format, cut short or absurd."""
    path = Path(path)
    with open_model(path) as file:
        try:
            return _header(BoundedReader(path, file, os.fstat(file.fileno()).st_size))
        except OSError as error:
            raise InvalidModel(f"{path}: cannot be read: {error.strerror}") from error


def split_files(header: GgufHeader) -> tuple[Path, ...]:
    """Every part of a split model, in order; a whole one's own path. Raises InvalidModel naming those missing."""
    if header.split_count == 1:
        return (header.path,)
    match = re.fullmatch(r"(.+)-\d{5}-of-\d{5}\.gguf", header.path.name)
    if not match or header.split_count > 99999:
        raise InvalidModel(
            f"{header.path}: is one of {header.split_count} parts, but is not named like one",
            hint="name the parts NAME-00001-of-00003.gguf and so on, as they were published",
        )
    total = header.split_count
    parts = [header.path.with_name(f"{match[1]}-{n:05d}-of-{total:05d}.gguf") for n in range(1, total + 1)]
    if missing := [part.name for part in parts if not part.is_file()]:
        listed = ", ".join(missing[:3]) + (" …" if len(missing) > 3 else "")
        raise InvalidModel(
            f"{header.path}: is part {header.split_part} of {total}; {len(missing)} are missing: {listed}",
            hint=f"download the missing parts into {header.path.parent}",
        )
    return tuple(parts)


def _header(reader: BoundedReader) -> GgufHeader:
    version, tensor_count, entry_count = _opening(reader)
    metadata: dict[str, Value] = {}
    for number in range(1, entry_count + 1):
        key = reader.text(MAX_KEY_BYTES, f"the key of metadata entry {number} of {entry_count}")
        if not key or key in metadata:
            raise reader.absurd(f"the key {key[:60]!r} stands twice" if key else f"the key of entry {number} is empty")
        metadata[key] = _value(reader, f"the value of {key[:60]!r}")
        _check_kind(reader, key, metadata[key])
    alignment = metadata.get("general.alignment", 32)
    if not isinstance(alignment, int) or not 0 < alignment <= MAX_ALIGNMENT or alignment & (alignment - 1):
        raise reader.absurd(f"general.alignment is {alignment}, not a power of two up to {MAX_ALIGNMENT:,}")
    tensors = tuple(_tensor(reader, f"tensor {number} of {tensor_count}") for number in range(1, tensor_count + 1))
    data_offset = -(-reader.position // alignment) * alignment
    header = GgufHeader(reader.path, version, MappingProxyType(metadata), tensors, reader.size, data_offset, alignment)
    _check_layout(header)
    return header


def _opening(reader: BoundedReader) -> tuple[int, int, int]:
    """Version, number of tensors and of metadata entries; or what the file is instead of a GGUF."""
    if reader.size == 0:
        raise InvalidModel(f"{reader.path}: is empty", hint=AGAIN)
    head = reader.take(min(reader.size, 512), "its beginning")
    if not head.startswith(b"GGUF"):
        if b"GGUF".startswith(head):
            raise InvalidModel(f"{reader.path}: cut short: it has {reader.size} bytes", hint=AGAIN)
        what, hint = looks_like(head)
        raise InvalidModel(f"{reader.path}: is not a GGUF file: it looks like {what}", hint=hint)
    reader.rewind(4)
    (version,) = reader.unpack("I", "the version")
    if version not in (2, 3):
        swapped = int.from_bytes(version.to_bytes(4, "little"), "big")
        found = "is big-endian" if swapped in (1, 2, 3) else f"is GGUF version {version}"
        raise InvalidModel(
            f"{reader.path}: {found} (at byte 4); versions 2 and 3 in little-endian are read",
            hint="convert it again with a current llama.cpp, or download a newer file",
        )
    tensors, entries = reader.unpack("QQ", "the counts")
    for count, cap, least, noun in (
        (entries, MAX_ENTRIES, 13, "metadata entries"),
        (tensors, MAX_TENSORS, 25, "tensors"),
    ):
        if count > cap:
            raise reader.absurd(f"the header claims {count:,} {noun} (at most {cap:,})")
        reader.need(count * least, f"a list of {count:,} {noun}")
    return version, tensors, entries


def _value(reader: BoundedReader, what: str) -> Value:
    (kind,) = reader.unpack("I", what)
    if kind == _ARRAY:
        return _array(reader, what)
    if kind == _STRING:
        (length,) = reader.unpack("Q", what)
        if length > KEPT_TEXT_BYTES:
            value = LongValue("byte", length, reader.position)
            reader.skip(length, what)
            return value
        return reader.text_of(length, what)
    return _scalars(reader, kind, 1, what)[0]


def _array(reader: BoundedReader, what: str) -> Value:
    kind, count = reader.unpack("IQ", what)
    if kind == _ARRAY:
        raise reader.absurd(f"{what} is an array of arrays, which no engine reads")
    if kind == _STRING and count > KEPT_ELEMENTS:
        value = LongValue("string", count, reader.position)
        reader.skip_texts(count, what)
        return value
    if kind == _STRING:
        # a listed text may hold half a character (a byte-level token); engines take it, so it is no fault
        return tuple(reader.text(KEPT_TEXT_BYTES, f"an element of {what}", "replace") for _ in range(count))
    if count > KEPT_ELEMENTS and kind in _SCALARS:
        value = LongValue(_VALUE_TYPES[kind], count, reader.position)
        reader.skip(count * struct.calcsize("<" + _SCALARS[kind]), what)
        return value
    return _scalars(reader, kind, count, what)


def _scalars(reader: BoundedReader, kind: int, count: int, what: str) -> tuple[Scalar, ...]:
    if kind not in _SCALARS:
        raise reader.absurd(f"{what} is of the unknown type {kind}")
    reader.keep(count * 32, what)
    layout = f"<{count}{_SCALARS[kind]}"
    data = reader.take(struct.calcsize(layout), what)
    if kind == _BOOL and any(byte > 1 for byte in data):
        raise reader.absurd(f"{what} is a boolean other than 0 and 1")
    return struct.unpack(layout, data)


def _check_kind(reader: BoundedReader, key: str, value: Value) -> None:
    """The entries that we and the engines rely on are of the type that the specification gives them."""
    suffix = key.partition(".")[2]
    listed = value if suffix in _LAYERED_SIZES and isinstance(value, tuple) else (value,)
    if key in _TEXTS:
        right, expected = isinstance(value, str), "a text"
    elif key in _INTEGERS or suffix in _SIZES | _LAYERED_SIZES:
        right, expected = all(type(item) is int and item >= 0 for item in listed), "a whole number"
    else:
        return
    if not right:
        found = f"a list of {value.length:,}" if isinstance(value, LongValue) else repr(value)[:40]
        raise reader.absurd(f"{key} is {found} where {expected} is expected")


def _tensor(reader: BoundedReader, what: str) -> Tensor:
    name = reader.text(MAX_TENSOR_NAME_BYTES, f"the name of {what}")
    what = f"{what} ({name!r})"
    (dimensions,) = reader.unpack("I", what)
    if dimensions > MAX_DIMENSIONS:
        raise reader.absurd(f"{what} claims {dimensions:,} dimensions (at most {MAX_DIMENSIONS})")
    shape = reader.unpack(f"{dimensions}Q", what)
    kind, offset = reader.unpack("IQ", what)
    reader.keep(256, what)
    elements = math.prod(shape)
    if not 0 < elements < 1 << 63:
        raise reader.absurd(f"{what} has the impossible shape {shape}")
    if kind in REMOVED_TYPES:
        raise reader.absurd(
            f"{what} is of the type {REMOVED_TYPES[kind]}, which llama.cpp no longer reads",
            hint="get the model in a current type: q4_0 is repacked for the processor while it loads",
        )
    if kind > MAX_TYPE_NUMBER:
        raise reader.absurd(f"{what} is of type {kind:,} (at most {MAX_TYPE_NUMBER:,})")
    if kind not in TENSOR_TYPES:
        return Tensor(name, shape, f"type {kind}", offset, None)
    type_name, per_block, block_bytes = TENSOR_TYPES[kind]
    if per_block > 1 and (not shape or shape[0] % per_block):
        raise reader.absurd(
            f"{what} has rows of {shape[0] if shape else 1} elements, {type_name} needs {per_block} a block"
        )
    return Tensor(name, shape, type_name, offset, elements // per_block * block_bytes)


def _check_layout(header: GgufHeader) -> None:
    """Tensors are aligned, apart from one another, and inside the file."""

    def absurd(message: str) -> InvalidModel:
        return InvalidModel(f"{header.path}: {message}", hint=DAMAGED)

    names: set[str] = set()
    packed = 0
    for tensor in header.tensors:
        if tensor.name in names:
            raise absurd(f"the tensor {tensor.name!r} stands twice")
        if tensor.offset % header.alignment:
            raise absurd(
                f"the tensor {tensor.name!r} begins at {tensor.offset:,}, not a multiple of {header.alignment}"
            )
        names.add(tensor.name)
        packed += -(-(tensor.bytes or 0) // header.alignment) * header.alignment
    ordered = sorted(header.tensors, key=lambda tensor: tensor.offset)
    for before, after in pairwise(ordered):
        if before.offset + (before.bytes or 1) > after.offset:
            raise absurd(f"the tensors {before.name!r} and {after.name!r} overlap, at data offset {after.offset:,}")
    if not ordered:
        return
    last = ordered[-1]
    promised = header.data_offset + last.offset + (last.bytes or 1)
    limit = MAX_FILE_BYTES if header.unknown_types else min(MAX_FILE_BYTES, header.data_offset + packed)
    if promised > limit:
        raise absurd(
            f"the tensor {last.name!r} claims to end at byte {promised:,}; the tensors take {packed:,} bytes in all,"
            f" and a file may have {size(MAX_FILE_BYTES)}"
        )
    if promised > header.file_bytes:
        raise InvalidModel(
            f"{header.path}: cut short: the header promises {size(promised)} ({promised:,} bytes), the file has"
            f" {size(header.file_bytes)} ({header.file_bytes:,})",
            hint=AGAIN,
        )
