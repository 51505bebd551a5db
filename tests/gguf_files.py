"""Writes GGUF files for tests: valid ones, and every breakage that we know by name."""

import struct
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

U8, I8, U16, I16, U32, I32, F32, BOOL, STRING, ARRAY, U64, I64, F64 = range(13)
FORMATS = {U8: "B", I8: "b", U16: "H", I16: "h", U32: "I", I32: "i", F32: "f", BOOL: "?", U64: "Q", I64: "q", F64: "d"}


@dataclass(frozen=True)
class Typed:
    """A value with the type it shall have; `items` makes it an array of that type."""

    kind: int
    value: Any
    is_array: bool = False


@dataclass(frozen=True)
class Raw:
    """A value's bytes as they shall stand, type and all."""

    data: bytes


@dataclass(frozen=True)
class TensorSpec:
    """A tensor; `offset` None puts it behind the one before. `stated_bytes` is what it takes in the file."""

    name: str | bytes
    shape: tuple[int, ...]
    type_id: int = 0
    stated_bytes: int | None = None
    offset: int | None = None


def text(value: str | bytes) -> bytes:
    data = value.encode() if isinstance(value, str) else value
    return struct.pack("<Q", len(data)) + data


def _plain(kind: int, value: Any) -> bytes:
    return text(value) if kind == STRING else struct.pack("<" + FORMATS[kind], value)


def _kind_of(value: object) -> int:
    kinds = {bool: BOOL, int: U32, float: F32, str: STRING, bytes: STRING}
    return kinds[type(value)]


def typed_value(value: Any) -> bytes:
    """Type and value: bool, int (u32), float (f32), str, bytes (a text as it stands), lists of those, Typed, Raw."""
    if isinstance(value, Raw):
        return value.data
    if isinstance(value, list):
        value = Typed(_kind_of(value[0]) if value else U32, value, is_array=True)
    if not isinstance(value, Typed):
        value = Typed(_kind_of(value), value)
    if value.is_array:
        head = struct.pack("<IIQ", ARRAY, value.kind, len(value.value))
        return head + b"".join(_plain(value.kind, item) for item in value.value)
    return struct.pack("<I", value.kind) + _plain(value.kind, value.value)


def gguf_bytes(
    metadata: Mapping[str, Any] | Sequence[tuple[str | bytes, Any]],
    tensors: Sequence[TensorSpec] = (),
    *,
    version: int = 3,
    alignment: int = 32,
    entry_count: int | None = None,
    tensor_count: int | None = None,
) -> bytes:
    """A whole file, data zeroed; the counts can be made to lie."""
    entries = list(metadata.items()) if isinstance(metadata, Mapping) else list(metadata)
    head = b"GGUF" + struct.pack(
        "<IQQ",
        version,
        len(tensors) if tensor_count is None else tensor_count,
        len(entries) if entry_count is None else entry_count,
    )
    head += b"".join(text(key) + typed_value(value) for key, value in entries)
    end = 0
    for tensor in tensors:
        offset = -(-end // alignment) * alignment if tensor.offset is None else tensor.offset
        head += text(tensor.name) + struct.pack(f"<I{len(tensor.shape)}Q", len(tensor.shape), *tensor.shape)
        head += struct.pack("<IQ", tensor.type_id, offset)
        elements = 1
        for dimension in tensor.shape:
            elements *= dimension
        end = offset + (4 * elements if tensor.stated_bytes is None else tensor.stated_bytes)
    if not tensors:
        return head
    return head + b"\0" * (-len(head) % alignment) + b"\0" * (end if end < 1 << 24 else 0)


LLAMA: dict[str, Any] = {
    "general.architecture": "llama",
    "general.name": "Tiny Ünïcode",
    "general.license": "apache-2.0",
    "general.file_type": 7,
    "general.tags": ["test", "tiny"],
    "llama.context_length": 256,
    "llama.embedding_length": 64,
    "llama.block_count": 1,
    "llama.attention.head_count": 4,
    "llama.attention.head_count_kv": 2,
    "llama.attention.layer_norm_rms_epsilon": 1e-5,
    "tokenizer.ggml.model": "gpt2",
    "tokenizer.ggml.tokens": ["<s>", "a", "b", "é"],
    "tokenizer.ggml.add_bos_token": False,
    "tokenizer.ggml.scores": Typed(F32, [0.0, 0.5, 1.0, 1.5], is_array=True),
    "tokenizer.ggml.token_type": Typed(I32, [3, 1, 1, 1], is_array=True),
    "tokenizer.chat_template": "{% for m in messages %}{{ m.content }}{% endfor %}",
    "test.big": Typed(U64, 1 << 40),
    "test.negative": Typed(I64, -5),
    "test.double": Typed(F64, 0.1),
}
TENSORS = (
    TensorSpec("token_embd.weight", (64, 4), 8, 4 * 2 * 34),
    TensorSpec("blk.0.attn_norm.weight", (64,), 0, 256),
    TensorSpec("blk.0.attn_q.weight", (64, 64), 2, 64 * 2 * 18),
    TensorSpec("blk.0.ffn_down.weight", (256, 2), 12, 2 * 144),
)


def llama_bytes(**changes: Any) -> bytes:
    """A small, valid file; keyword arguments replace or add metadata, dots written as `__`; None leaves one out."""
    metadata = dict(LLAMA)
    for key, value in changes.items():
        metadata[key.replace("__", ".")] = value
    return gguf_bytes({key: value for key, value in metadata.items() if value is not None}, TENSORS)


def _with_tensor(spec: TensorSpec, *before: TensorSpec) -> bytes:
    return gguf_bytes(LLAMA, (*before, spec))


def _patched(offset: int, layout: str, value: int) -> bytes:
    data = bytearray(llama_bytes())
    struct.pack_into("<" + layout, data, offset, value)
    return bytes(data)


_F32_NORM = TensorSpec("a", (8,))
BROKEN: dict[str, tuple[Callable[[], bytes], str]] = {
    # name: how to make it, what the message must say
    "empty": (lambda: b"", "is empty"),
    "two bytes": (lambda: b"GG", "cut short: it has 2 bytes"),
    "zip": (lambda: b"PK\x03\x04" + b"\0" * 99, "a zip archive"),
    "pickle": (lambda: b"\x80\x02}q\0.", "a Python pickle"),
    "safetensors": (lambda: struct.pack("<Q", 40) + b'{"__metadata__":{}}', "safetensors"),
    "web page": (lambda: b"\n<!DOCTYPE html><html>", "a web page"),
    "lfs pointer": (lambda: b"version https://git-lfs.github.com/spec/v1\noid sha256:0\n", "a Git LFS pointer"),
    "old ggml": (lambda: b"tjgg\x03\0\0\0", "old GGML format"),
    "json": (lambda: b'{"error": "Repository not found"}', "JSON"),
    "zeros": (lambda: b"\0" * 4096, "nothing but zero bytes"),
    "noise": (lambda: b"\x13\x37 whatever", "it begins 13 37"),
    "version 1": (lambda: _patched(4, "I", 1), "GGUF version 1 (at byte 4)"),
    "version 99": (lambda: _patched(4, "I", 99), "GGUF version 99"),
    "big-endian": (lambda: _patched(4, "I", 3 << 24), "is big-endian"),
    "huge entry count": (lambda: _patched(16, "Q", 1 << 62), "claims 4,611,686,018,427,387,904 metadata entries"),
    "huge tensor count": (lambda: _patched(8, "Q", (1 << 64) - 1), "claims 18,446,744,073,709,551,615 tensors"),
    "too many entries for the file": (lambda: _patched(16, "Q", 9999), "a list of 9,999 metadata entries"),
    "too many tensors for the file": (lambda: _patched(8, "Q", 9999), "a list of 9,999 tensors"),
    "huge key": (lambda: _patched(24, "Q", 1 << 63), "claims 9,223,372,036,854,775,808 bytes of text"),
    "key beyond the end": (
        lambda: _patched(24, "Q", 60000),
        "cut short inside its header: the key of metadata entry 1",
    ),
    "huge text": (lambda: llama_bytes(x__y=Raw(struct.pack("<IQ", STRING, 1 << 60))), "takes the header to"),
    "huge array": (lambda: llama_bytes(x__y=Raw(struct.pack("<IIQ", ARRAY, F64, 1 << 61))), "takes the header to"),
    "array beyond the end": (lambda: llama_bytes(x__y=Raw(struct.pack("<IIQ", ARRAY, U8, 99999))), "cut short inside"),
    "huge text array": (lambda: llama_bytes(x__y=Raw(struct.pack("<IIQ", ARRAY, STRING, 1 << 40))), "listed texts to"),
    "huge text in an array": (
        lambda: llama_bytes(x__y=Raw(struct.pack("<IIQ", ARRAY, STRING, 2000) + b"\xff" * 40000)),
        "an element of the value of 'x.y' claims",
    ),
    "array of arrays": (lambda: llama_bytes(x__y=Raw(struct.pack("<IIQ", ARRAY, ARRAY, 1))), "an array of arrays"),
    "unknown value type": (lambda: llama_bytes(x__y=Raw(struct.pack("<I", 13) + b"\0" * 9)), "of the unknown type 13"),
    "unknown element type": (lambda: llama_bytes(x__y=Raw(struct.pack("<IIQ", ARRAY, 77, 4))), "the unknown type 77"),
    "boolean of 2": (lambda: llama_bytes(x__y=Raw(struct.pack("<IB", BOOL, 2))), "a boolean other than 0 and 1"),
    "key not UTF-8": (lambda: gguf_bytes([(b"\xff\xfe", 1)]), "is not valid UTF-8"),
    "text not UTF-8": (lambda: llama_bytes(general__name=b"\xc3\x28"), "'general.name' is not valid UTF-8"),
    "empty key": (lambda: gguf_bytes([("", 1)]), "the key of entry 1 is empty"),
    "duplicate key": (lambda: gguf_bytes([("a", 1), ("a", 2)]), "the key 'a' stands twice"),
    "architecture a number": (lambda: llama_bytes(general__architecture=7), "is 7 where a text is expected"),
    "context a text": (lambda: llama_bytes(llama__context_length="4k"), "is '4k' where a whole number is expected"),
    "alignment 0": (lambda: llama_bytes(general__alignment=0), "general.alignment is 0"),
    "alignment 48": (lambda: llama_bytes(general__alignment=48), "not a power of two"),
    "alignment huge": (lambda: llama_bytes(general__alignment=1 << 31), "general.alignment is 2147483648"),
    "five dimensions": (lambda: _with_tensor(TensorSpec("t", (1, 1, 1, 1, 1))), "claims 5 dimensions"),
    "huge dimension count": (
        lambda: gguf_bytes({}, tensor_count=1) + text("t") + struct.pack("<I", 1 << 31) + b"\0" * 64,
        "claims 2,147,483,648 dimensions",
    ),
    "zero dimension": (lambda: _with_tensor(TensorSpec("t", (4, 0))), "the impossible shape (4, 0)"),
    "overflowing dimensions": (
        lambda: _with_tensor(TensorSpec("t", (1 << 33, 1 << 33), 0, 0)),
        "the impossible shape (8589934592, 8589934592)",
    ),
    "broken block": (lambda: _with_tensor(TensorSpec("t", (33,), 8, 64)), "rows of 33 elements, q8_0 needs 32 a block"),
    "removed type": (lambda: _with_tensor(TensorSpec("t", (32,), 31, 64)), "q4_0_4_4, which llama.cpp no longer reads"),
    "absurd type": (lambda: _with_tensor(TensorSpec("t", (32,), 1 << 31)), "is of type 2,147,483,648"),
    "tensor name too long": (lambda: _with_tensor(TensorSpec("n" * 200, (4,))), "claims 200 bytes of text"),
    "tensor name not UTF-8": (lambda: _with_tensor(TensorSpec(b"\xff", (4,))), "is not valid UTF-8"),
    "duplicate tensor": (lambda: _with_tensor(_F32_NORM, _F32_NORM), "the tensor 'a' stands twice"),
    "misaligned tensor": (lambda: _with_tensor(TensorSpec("t", (8,), offset=4)), "begins at 4, not a multiple of 32"),
    "overlapping tensors": (
        lambda: _with_tensor(TensorSpec("t", (8,), offset=0), _F32_NORM),
        "the tensors 'a' and 't' overlap",
    ),
    "offset beyond the file": (
        lambda: _with_tensor(TensorSpec("t", (8,), offset=1 << 40)),
        "claims to end at byte 1,099,511,",
    ),
    "offset at the end of 64 bits": (
        lambda: _with_tensor(TensorSpec("t", (8,), offset=(1 << 64) - 32)),
        "claims to end at byte 18,446,744,073,709,55",
    ),
    "petabyte tensor": (lambda: _with_tensor(TensorSpec("t", (1 << 50,), 0, 0)), "claims to end at byte"),
    "data cut short": (lambda: llama_bytes()[:-1], "cut short: the header promises"),
    "no data": (lambda: _with_tensor(TensorSpec("t", (1 << 29,), 0, 0)), "the header promises 2.15 GB"),
}
