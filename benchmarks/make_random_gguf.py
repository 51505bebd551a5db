"""Write a model of a real one's shape with random weights, for what its answers do not change: speed, memory, load.

    python benchmarks/make_random_gguf.py OUT.gguf [--shape qwen2.5-0.5b] [--type f16|q8_0|q4_0] [--layers N] [--seed N]

Only numpy is needed; 0.5 billion weights take seconds, and memory stays small. Blocks of quantised types are drawn as
they stand (random quants under a scale that gives weights of 0.02), never quantised. Small tensors stay F32 and a
q4_0 model keeps its output matrix in q8_0, as llama.cpp's own quantiser does where rows are no multiple of 256. The
tokenizer is a demo model's, filled up with words that occur nowhere, each of which shows as text when it is drawn.
"""

import argparse
import struct
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, replace
from pathlib import Path
from typing import BinaryIO, Final

import numpy as np
from numpy.typing import NDArray

from shortlist.gguf import read_header
from shortlist.models.refs import resolve

WEIGHT_SPREAD: Final = 0.02
ALIGNMENT: Final = 32
CHUNK_ELEMENTS: Final = 1 << 23


@dataclass(frozen=True, slots=True)
class Shape:
    """What decides a model's bytes: heads of `head_width`, `experts` of which `experts_used` work on each token."""

    architecture: str
    width: int
    layers: int
    heads: int
    kv_heads: int
    feed_forward: int
    vocabulary: int
    context: int
    rope_base: float
    head_width: int
    is_tied: bool = True
    has_bias: bool = False
    experts: int = 0
    experts_used: int = 0


SHAPES: Final[Mapping[str, Shape]] = {
    "smollm2-135m": Shape("llama", 576, 30, 9, 3, 1536, 49152, 8192, 1e5, 64),
    "qwen2.5-0.5b": Shape("qwen2", 896, 24, 14, 2, 4864, 151936, 32768, 1e6, 64, has_bias=True),
    "qwen2.5-1.5b": Shape("qwen2", 1536, 28, 12, 2, 8960, 151936, 32768, 1e6, 128, has_bias=True),
    "llama-3.2-1b": Shape("llama", 2048, 16, 32, 8, 8192, 128256, 131072, 5e5, 64),
    "moe-8x50m": Shape("llama", 512, 16, 8, 2, 2048, 32000, 8192, 1e5, 64, is_tied=False, experts=8, experts_used=2),
    "tiny": Shape("llama", 64, 2, 2, 1, 128, 1024, 512, 1e4, 32),
    "tiny-moe": Shape("llama", 64, 2, 2, 1, 64, 1024, 512, 1e4, 32, is_tied=False, experts=4, experts_used=2),
}
"""Shapes as published with the models of that name; `moe-8x50m`, `tiny` and `tiny-moe` are made up."""

TYPES: Final[Mapping[str, tuple[int, int, int, int]]] = {
    "f32": (0, 0, 1, 4),
    "f16": (1, 1, 1, 2),
    "q4_0": (2, 2, 32, 18),
    "q8_0": (8, 7, 32, 34),
}
"""Name: ggml's tensor type, llama.cpp's file type, elements and bytes of a block."""

_U32, _I32, _F32, _BOOL, _STRING, _ARRAY = 4, 5, 6, 7, 8, 9


@dataclass(frozen=True, slots=True)
class TensorPlan:
    """One tensor to be written; `shape` in GGUF's order, rows' length first."""

    name: str
    shape: tuple[int, ...]
    type: str

    @property
    def elements(self) -> int:
        return int(np.prod(self.shape))

    @property
    def bytes(self) -> int:
        _, _, per_block, block_bytes = TYPES[self.type]
        return self.elements // per_block * block_bytes


def plan_tensors(shape: Shape, weight_type: str, head_type: str | None = None) -> list[TensorPlan]:
    """Every tensor of the model, in the file's order. `head_type` is that of the matrix which gives the logits."""
    head = head_type or ("q8_0" if weight_type == "q4_0" else weight_type)
    width, queries, keys = shape.width, shape.heads * shape.head_width, shape.kv_heads * shape.head_width
    found = [TensorPlan("token_embd.weight", (width, shape.vocabulary), head if shape.is_tied else weight_type)]
    for layer in range(shape.layers):
        matrices: dict[str, tuple[int, ...]] = {
            "attn_q": (width, queries),
            "attn_k": (width, keys),
            "attn_v": (width, keys),
            "attn_output": (queries, width),
        }
        inner = (shape.experts,) if shape.experts else ()
        suffix = "_exps" if shape.experts else ""
        matrices |= {
            f"ffn_gate{suffix}": (width, shape.feed_forward, *inner),
            f"ffn_up{suffix}": (width, shape.feed_forward, *inner),
            f"ffn_down{suffix}": (shape.feed_forward, width, *inner),
        }
        found += [TensorPlan(f"blk.{layer}.{name}.weight", dims, weight_type) for name, dims in matrices.items()]
        vectors: dict[str, tuple[int, ...]] = {"attn_norm.weight": (width,), "ffn_norm.weight": (width,)}
        if shape.has_bias:
            vectors |= {"attn_q.bias": (queries,), "attn_k.bias": (keys,), "attn_v.bias": (keys,)}
        if shape.experts:
            vectors["ffn_gate_inp.weight"] = (width, shape.experts)
        found += [TensorPlan(f"blk.{layer}.{name}", dims, "f32") for name, dims in vectors.items()]
    found.append(TensorPlan("output_norm.weight", (width,), "f32"))
    if not shape.is_tied:
        found.append(TensorPlan("output.weight", (width, shape.vocabulary), head))
    return found


# --- the header -------------------------------------------------------------------------------------------------------


def _text(value: str) -> bytes:
    data = value.encode()
    return struct.pack("<Q", len(data)) + data


def _value(value: object) -> bytes:
    """Type and value: whole numbers as u32, lists of whole numbers as i32."""
    if isinstance(value, bool):
        return struct.pack("<I?", _BOOL, value)
    if isinstance(value, int):
        return struct.pack("<II", _U32, value)
    if isinstance(value, float):
        return struct.pack("<If", _F32, value)
    if isinstance(value, str):
        return struct.pack("<I", _STRING) + _text(value)
    if isinstance(value, list | tuple) and all(isinstance(one, str) for one in value):
        return struct.pack("<IIQ", _ARRAY, _STRING, len(value)) + b"".join(_text(one) for one in value)
    if isinstance(value, list | tuple):
        return struct.pack(f"<IIQ{len(value)}i", _ARRAY, _I32, len(value), *value)
    raise TypeError(type(value))


def _shape_metadata(shape: Shape, name: str, weight_type: str) -> dict[str, object]:
    of = shape.architecture
    found: dict[str, object] = {
        "general.architecture": of,
        "general.name": name,
        "general.description": "Random weights: for speed, memory and load; its answers mean nothing.",
        "general.license": "CC0-1.0",
        "general.file_type": TYPES[weight_type][1],
        f"{of}.block_count": shape.layers,
        f"{of}.context_length": shape.context,
        f"{of}.embedding_length": shape.width,
        f"{of}.feed_forward_length": shape.feed_forward,
        f"{of}.attention.head_count": shape.heads,
        f"{of}.attention.head_count_kv": shape.kv_heads,
        f"{of}.attention.key_length": shape.head_width,
        f"{of}.attention.value_length": shape.head_width,
        f"{of}.attention.layer_norm_rms_epsilon": 1e-6,
        f"{of}.rope.freq_base": shape.rope_base,
        f"{of}.rope.dimension_count": shape.head_width,
        f"{of}.vocab_size": shape.vocabulary,
    }
    if shape.experts:
        found |= {f"{of}.expert_count": shape.experts, f"{of}.expert_used_count": shape.experts_used}
    return found


def _tokenizer(donor: str, vocabulary: int) -> dict[str, object]:
    """A demo model's tokenizer with as many tokens as asked; those added are words that no text is cut into."""
    path = resolve(donor).path
    if path is None:
        raise ValueError(f"{donor} has no file")
    metadata = read_header(path).metadata
    found = {key: value for key, value in metadata.items() if key.startswith("tokenizer.")}
    tokens, kinds = metadata["tokenizer.ggml.tokens"], metadata["tokenizer.ggml.token_type"]
    if not isinstance(tokens, tuple) or not isinstance(kinds, tuple) or len(tokens) > vocabulary:
        raise ValueError(f"the tokenizer of {donor} does not fit into {vocabulary} tokens")
    added = [f"Ġx{number:x}" for number in range(len(tokens), vocabulary)]  # Ġ is a space, byte-level
    return {
        **found,
        "tokenizer.ggml.tokens": [*map(str, tokens), *added],
        "tokenizer.ggml.token_type": [*kinds, *[1] * len(added)],
    }


def _header(metadata: Mapping[str, object], tensors: list[TensorPlan]) -> bytes:
    parts = [b"GGUF", struct.pack("<IQQ", 3, len(tensors), len(metadata))]
    parts += [_text(key) + _value(value) for key, value in metadata.items()]
    offset = 0
    for tensor in tensors:
        parts.append(_text(tensor.name) + struct.pack(f"<I{len(tensor.shape)}Q", len(tensor.shape), *tensor.shape))
        parts.append(struct.pack("<IQ", TYPES[tensor.type][0], offset))
        offset += -(-tensor.bytes // ALIGNMENT) * ALIGNMENT
    head = b"".join(parts)
    return head + b"\0" * (-len(head) % ALIGNMENT)


# --- the weights ------------------------------------------------------------------------------------------------------


def _drawn(tensor: TensorPlan, chance: np.random.Generator) -> Iterator[NDArray[np.generic]]:
    """The tensor's data, in pieces."""
    if len(tensor.shape) == 1:
        is_norm = tensor.name.endswith("norm.weight")
        yield (np.ones if is_norm else np.zeros)(tensor.elements, np.float32)
        return
    for start in range(0, tensor.elements, CHUNK_ELEMENTS):
        yield _piece(tensor.type, min(CHUNK_ELEMENTS, tensor.elements - start), chance)


def _piece(kind: str, elements: int, chance: np.random.Generator) -> NDArray[np.generic]:
    if kind in ("f32", "f16"):
        drawn = chance.random(elements, np.float32)
        drawn -= 0.5
        drawn *= WEIGHT_SPREAD * 12**0.5
        return drawn if kind == "f32" else drawn.astype(np.float16)
    _, _, per_block, block_bytes = TYPES[kind]
    blocks = np.frombuffer(bytearray(chance.bytes(elements // per_block * block_bytes)), np.uint8)
    blocks = blocks.reshape(-1, block_bytes)
    levels = 16 if kind == "q4_0" else 256
    scale = np.float16(WEIGHT_SPREAD * 12**0.5 / levels)  # a uniform draw over n levels spreads n ÷ √12
    blocks[:, :2] = np.frombuffer(scale.tobytes(), np.uint8)
    return blocks


def write_random_gguf(
    path: Path, shape: Shape, weight_type: str = "q8_0", *, head_type: str | None = None, seed: int = 0,
    donor: str = "notes-large",
) -> None:  # fmt: skip
    """Write the file; it appears under its name when it is whole."""
    tensors = plan_tensors(shape, weight_type, head_type)
    metadata = _shape_metadata(shape, path.stem, weight_type) | _tokenizer(donor, shape.vocabulary)
    partial = path.with_suffix(".partial")
    with partial.open("wb") as file:
        file.write(_header(metadata, tensors))
        chance = np.random.default_rng(seed)
        for tensor in tensors:
            _write(file, tensor, chance)
    partial.replace(path)


def _write(file: BinaryIO, tensor: TensorPlan, chance: np.random.Generator) -> None:
    file.writelines(piece.data for piece in _drawn(tensor, chance))
    file.write(b"\0" * (-tensor.bytes % ALIGNMENT))


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("out", type=Path)
    parser.add_argument("--shape", choices=SHAPES, default="qwen2.5-0.5b")
    parser.add_argument("--type", choices=[name for name in TYPES if name != "f32"], default="q8_0")
    parser.add_argument("--head-type", choices=TYPES, help="of the matrix that gives the logits")
    parser.add_argument("--layers", type=int, help="fewer layers than the shape has")
    parser.add_argument("--context", type=int, help="another context length")
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--tokenizer", default="notes-large", help="demo model that gives the tokenizer")
    asked = parser.parse_args()
    changes = {name: value for name in ("layers", "context") if (value := getattr(asked, name)) is not None}
    shape = replace(SHAPES[asked.shape], **changes)
    write_random_gguf(asked.out, shape, asked.type, head_type=asked.head_type, seed=asked.seed, donor=asked.tokenizer)
    header = read_header(asked.out)
    print(f"{asked.out}: {header.parameters:,} weights, {header.file_bytes:,} bytes, mostly {header.quantisation}")


if __name__ == "__main__":
    main()
