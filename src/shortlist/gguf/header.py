"""What a GGUF header holds, once it has been read and checked."""

import math
from collections import Counter
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

from shortlist.gguf.types import FILE_TYPES

_GUESSED = 1024  # llama.cpp adds it to a file type that it worked out from the tensors


@dataclass(frozen=True, slots=True)
class LongValue:
    """A value too long to keep: its element type (`byte` for a text), how many there are, and where they begin."""

    element: str
    length: int
    offset: int


Scalar = bool | int | float | str
Value = Scalar | tuple[Scalar, ...] | LongValue


@dataclass(frozen=True, slots=True)
class Tensor:
    """One tensor's entry; `offset` counts from the data's start, `bytes` is None for a type that we do not know."""

    name: str
    shape: tuple[int, ...]
    type: str
    offset: int
    bytes: int | None

    @property
    def elements(self) -> int:
        """Product of the shape."""
        return math.prod(self.shape)


@dataclass(frozen=True, slots=True)
class GgufHeader:
    """A checked header. A property is None where the file does not say."""

    path: Path
    version: int
    metadata: Mapping[str, Value]
    tensors: tuple[Tensor, ...]
    file_bytes: int
    data_offset: int
    alignment: int

    @property
    def architecture(self) -> str | None:
        """`llama`, `qwen2`, …"""
        return self._text("general.architecture")

    @property
    def name(self) -> str | None:
        """What its maker calls it."""
        return self._text("general.name")

    @property
    def licence(self) -> str | None:
        """As written; not necessarily an SPDX name."""
        return self._text("general.license")

    @property
    def chat_template(self) -> str | None:
        """Jinja source; untrusted."""
        return self._text("tokenizer.chat_template")

    @property
    def kind(self) -> str:
        """`model` unless the file says `adapter`, `mmproj`, `imatrix` or another."""
        return self._text("general.type") or "model"

    @property
    def context_length(self) -> int | None:
        """Tokens that it was trained for."""
        return self._int("context_length")

    @property
    def embedding_length(self) -> int | None:
        """Width of the residual stream."""
        return self._int("embedding_length")

    @property
    def block_count(self) -> int | None:
        """Layers."""
        return self._int("block_count")

    @property
    def feed_forward_length(self) -> int | None:
        """Width inside the feed-forward part; the widest where layers differ."""
        widths = self._per_layer("feed_forward_length")
        return max(widths, default=None) if isinstance(widths, tuple) else widths

    @property
    def sliding_window(self) -> int | None:
        """Tokens that a layer with a sliding window looks back; which layers have one is the architecture's matter."""
        return self._int("attention.sliding_window")

    @property
    def head_count(self) -> int | tuple[int, ...] | None:
        """Attention heads; a tuple where layers differ."""
        return self._per_layer("attention.head_count")

    @property
    def head_count_kv(self) -> int | tuple[int, ...] | None:
        """Heads of keys and values; those of the queries where the file does not say."""
        heads = self._per_layer("attention.head_count_kv")
        return self.head_count if heads is None else heads

    @property
    def key_length(self) -> int | None:
        """Elements of one key head; None where layers differ.

        Width over heads where the file does not say, as llama.cpp has it.
        """
        return self._head_length("attention.key_length")

    @property
    def value_length(self) -> int | None:
        """Elements of one value head; None where layers differ.

        Width over heads where the file does not say, as llama.cpp has it.
        """
        return self._head_length("attention.value_length")

    @property
    def vocab_size(self) -> int | None:
        """As stated, else the number of tokens listed."""
        return self._int("vocab_size") or self._count("tokenizer.ggml.tokens")

    @property
    def merges(self) -> int:
        """Rules of the byte-pair tokenizer; 0 where it is of another kind."""
        return self._count("tokenizer.ggml.merges") or 0

    @property
    def quantisation(self) -> str | None:
        """`q4_k_m`, `q8_0`, `f16`, …: the stated file type, else the tensor type that holds most parameters."""
        stated = self.metadata.get("general.file_type")
        name = FILE_TYPES.get(stated & ~_GUESSED) if isinstance(stated, int) else None
        if name:
            return name
        held: Counter[str] = Counter()
        for tensor in self.tensors:
            held[tensor.type] += tensor.elements
        return held.most_common(1)[0][0] if held else None

    @property
    def parameters(self) -> int:
        """Elements over all tensors of this file: one part's where the model is split."""
        return sum(tensor.elements for tensor in self.tensors)

    @property
    def weights_bytes(self) -> int | None:
        """Bytes over all tensors of this file; None where a type is unknown."""
        sizes = [tensor.bytes for tensor in self.tensors]
        return None if None in sizes else sum(count for count in sizes if count is not None)

    @property
    def unknown_types(self) -> tuple[str, ...]:
        """Tensor types newer than this reader: their sizes were not checked."""
        return tuple(sorted({tensor.type for tensor in self.tensors if tensor.bytes is None}))

    @property
    def split_count(self) -> int:
        """How many files the model is split over; 1 for a whole one."""
        count = self.metadata.get("split.count")
        return count if isinstance(count, int) and count > 1 else 1

    @property
    def split_part(self) -> int:
        """Which part this is, from 1."""
        number = self.metadata.get("split.no")
        return number + 1 if isinstance(number, int) and self.split_count > 1 else 1

    def _count(self, key: str) -> int | None:
        listed = self.metadata.get(key)
        return len(listed) if isinstance(listed, tuple) else listed.length if isinstance(listed, LongValue) else None

    def _text(self, key: str) -> str | None:
        value = self.metadata.get(key)
        return value if isinstance(value, str) else None

    def _int(self, key: str) -> int | None:
        value = self.metadata.get(f"{self.architecture}.{key}")
        return value if isinstance(value, int) else None

    def _per_layer(self, key: str) -> int | tuple[int, ...] | None:
        value = self.metadata.get(f"{self.architecture}.{key}")
        return tuple(v for v in value if isinstance(v, int)) if isinstance(value, tuple) else self._int(key)

    def _head_length(self, key: str) -> int | None:
        heads, width = self.head_count, self.embedding_length
        derived = width // heads if isinstance(heads, int) and heads > 0 and width else None
        stated = self._per_layer(key)
        return derived if stated is None else stated if isinstance(stated, int) else None
