"""A model's shape and what its weights take: by a header that is here, else by the card's facts."""

from collections.abc import Mapping
from dataclasses import dataclass

from shortlist.gguf import GgufHeader
from shortlist.records import Architecture, ModelCard, Variant

_WINDOW_EVERY: Mapping[str, int] = {"gemma2": 2, "gemma3": 6}
"""Every n-th layer sees everything, those between have the window. What is not here counts as seeing everything."""

REPACKED = frozenset({"q4_0", "q4_k", "iq4_nl"})
"""Types that llama.cpp copies into another order for the processor while it loads: a second copy in memory.

Measured on x86-64 with AVX2 (benchmarks/fit_error.py); assumed elsewhere.
"""
_REPACKED_SHARE: Mapping[str, float] = {"q4_0": 0.95, "iq4_nl": 0.95, "q4_k_s": 0.9, "q4_k_m": 0.7}
"""Where only the card is there: how much of a file of this name is of those types. By llama.cpp's own mixtures."""

BITS_PER_WEIGHT: Mapping[str, float] = {
    "q2_k": 3.01,
    "q3_k_s": 3.50,
    "q3_k_m": 3.89,
    "q3_k_l": 4.22,
    "q4_0": 4.55,
    "q4_k_s": 4.57,
    "q4_k_m": 4.83,
    "q5_0": 5.54,
    "q5_k_s": 5.52,
    "q5_k_m": 5.67,
    "q6_k": 6.56,
    "q8_0": 8.50,
    "f16": 16.0,
    "bf16": 16.0,
    "f32": 32.0,
    "int4": 5.0,
}
"""Bits of file per parameter: Mistral-7B's published files where there is one, else the type's own bits and a tenth."""


@dataclass(frozen=True, slots=True)
class Weights:
    """What lies in a model's files: bytes in all, those that get a second copy, and how we know."""

    bytes: int
    repacked_bytes: int
    basis: str


def shape_of_header(header: GgufHeader) -> Architecture | None:
    """The decoder's shape as a GGUF header tells it; None where it does not say enough (another kind of model)."""
    heads, kv_heads = _most(header.head_count), _most(header.head_count_kv)
    key, value = header.key_length, header.value_length
    sizes = (header.block_count, header.embedding_length, heads, kv_heads, key, header.vocab_size)
    if any(size is None or size < 1 for size in sizes) or value is None:
        return None
    layers, width = header.block_count or 0, header.embedding_length or 0
    every = _WINDOW_EVERY.get(header.architecture or "")
    window = header.sliding_window if every else None
    return Architecture(
        layers=layers,
        width=width,
        feed_forward=header.feed_forward_length or 4 * width,
        heads=heads or 0,
        kv_heads=kv_heads or 0,
        head_size=-(-((key or 0) + value) // 2),
        vocabulary=header.vocab_size or 0,
        window=window,
        merges=header.merges,
        windowed_layers=layers - layers // every if every and window else 0,
    )


def weights_of_header(header: GgufHeader) -> Weights | None:
    """Bytes of the tensors by their types; None where a type is unknown. A split model's caller adds the parts."""
    total = header.weights_bytes
    if total is None:
        return None
    repacked = sum(t.bytes or 0 for t in header.tensors if t.type in REPACKED and len(t.shape) == 2)
    return Weights(total, repacked, "GGUF header")


def weights_of_card(card: ModelCard, variant: Variant) -> Weights | None:
    """By the published size of the files, else by parameters and bits; None where neither is known."""
    share = _REPACKED_SHARE.get(variant.quantisation or "", 0.0) if variant.format == "gguf" else 0.0
    total = variant.size_bytes
    if total is not None:
        return Weights(total, round(total * share), f"size of the file: {variant.source or 'card'}")
    bits = BITS_PER_WEIGHT.get(variant.quantisation or "")
    if bits is None or card.parameters is None:
        return None
    total = round(card.parameters * bits / 8)
    return Weights(total, round(total * share), f"estimated: {card.parameters:,} parameters of {bits:g} bits")


def _most(value: int | tuple[int, ...] | None) -> int | None:
    """The largest where layers differ: an upper bound of what they take."""
    return max(value, default=None) if isinstance(value, tuple) else value
