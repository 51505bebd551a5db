"""Whether a model fits this host, before it is downloaded or loaded: memory, disk and speed, each with its basis.

Memory is the sum of what llama.cpp takes on a processor (docs/decisions/0011; `benchmarks/fit_error.py` measures it):
weights, the second copy of what it repacks, the KV cache, compute buffers, the vocabulary, the engine itself.
Two sums count. `needed_bytes` must be there: the copy of the file that the kernel may drop is left out, and it decides
whether a model fits. `resident_bytes` is what a measurement will show while there is room for both copies.

Measured values come in as arguments; nothing is read from results here. Seam: whatever loads or fetches a model calls
`require_fit` first, with the header where the file is here, else with the card.
"""

import math
from collections.abc import Iterable
from dataclasses import dataclass, replace

from shortlist.errors import DoesNotFit
from shortlist.gguf.types import bytes_per_element
from shortlist.models.catalogue import Found, Library
from shortlist.models.shape import Weights, weights_of_card
from shortlist.onnxfolder import READ_AT_ONCE, OnnxFolder
from shortlist.records import Architecture
from shortlist.units import size

ENGINE_BYTES = 51_000_000
"""A child with llama.cpp and no model to speak of: 25 MB of its own and 26 MB of mapped libraries."""
ONNX_ENGINE_BYTES = 70_000_000
"""A child with ONNX Runtime GenAI and no model to speak of."""
UBATCH = 512
DEFAULT_CONTEXT = 4096
_F32 = 4
_PAD = 256
_TOKEN_BYTES, _MERGE_BYTES = 155, 190
_TOKENIZER_COPIES, _LOGITS = 8.0, 1.3
_COMPUTE_WIDTH, _COMPUTE_FEED_FORWARD = 4.0, 3.3


@dataclass(frozen=True, slots=True)
class Load:
    """How a model would be opened: tokens of context for each of the requests at once, the KV cache's type."""

    context: int = DEFAULT_CONTEXT
    parallel: int = 1
    kv_type: str = "f16"
    ubatch: int = UBATCH


@dataclass(frozen=True, slots=True)
class Fit:
    """Bytes by part. `measured_bytes`: the peak of a run with this file and this load, which then counts instead."""

    weights_bytes: int
    repacked_bytes: int
    kv_bytes: int
    compute_bytes: int
    vocabulary_bytes: int
    load: Load
    basis: str
    engine_bytes: int = ENGINE_BYTES
    measured_bytes: int | None = None

    @property
    def how(self) -> str:
        """How the need is known, in words."""
        return f"predicted from {self.basis}" if self.measured_bytes is None else "measured in an earlier run"

    @property
    def model_bytes(self) -> int:
        """What depends on the model: all but the engine, both copies of what is repacked."""
        parts = (self.weights_bytes, self.repacked_bytes, self.kv_bytes, self.compute_bytes, self.vocabulary_bytes)
        return sum(parts)

    @property
    def resident_bytes(self) -> int:
        """What will be seen resident while nothing presses."""
        return self.model_bytes + self.engine_bytes

    @property
    def needed_bytes(self) -> int:
        """What must be there; the measured peak where there is one, less what the kernel may drop."""
        seen = self.resident_bytes if self.measured_bytes is None else self.measured_bytes
        return seen - self.repacked_bytes


@dataclass(frozen=True, slots=True)
class Room:
    """Memory that we count on, and why so much."""

    bytes: int
    basis: str


def room(available_bytes: int, limit_bytes: int | None) -> Room:
    """What is free, capped by the setting `memory_limit`."""
    if limit_bytes is not None and limit_bytes < available_bytes:
        return Room(limit_bytes, "the limit that is set (memory_limit)")
    return Room(available_bytes, "free now")


def predict(shape: Architecture, weights: Weights, load: Load, *, measured_bytes: int | None = None) -> Fit:
    """Memory by part for one way of loading. `measured_bytes` replaces the sum, not the parts."""
    compute = load.ubatch * _F32 * (_COMPUTE_WIDTH * shape.width + _COMPUTE_FEED_FORWARD * shape.feed_forward)
    mask = load.ubatch * _padded(load.context * load.parallel) * 2
    return Fit(
        weights_bytes=weights.bytes,
        repacked_bytes=weights.repacked_bytes,
        kv_bytes=kv_cache_bytes(shape, load),
        compute_bytes=round(compute) + mask,
        vocabulary_bytes=vocabulary_bytes(shape),
        load=load,
        basis=weights.basis,
        measured_bytes=measured_bytes,
    )


def vocabulary_bytes(shape: Architecture) -> int:
    """The tokenizer's tables; where the number of merges is not known, one for each token is counted."""
    merges = shape.vocabulary if shape.merges is None else shape.merges
    return shape.vocabulary * _TOKEN_BYTES + merges * _MERGE_BYTES


def kv_cache_bytes(shape: Architecture, load: Load) -> int:
    """Keys and values of every layer: layers with a window keep that and one micro-batch, the others the context."""
    context = _padded(load.context * load.parallel)
    windowed = min(context, _padded((shape.window or 0) + load.ubatch))
    positions = (shape.layers - shape.windowed_layers) * context + shape.windowed_layers * windowed
    return round(2 * positions * shape.kv_heads * shape.head_size * bytes_per_element(load.kv_type))


def _padded(tokens: int) -> int:
    return math.ceil(tokens / _PAD) * _PAD


def fit_of_card(found: Found, load: Load) -> Fit | None:
    """The prediction from what the card knows; None where it knows too little, and for what llama.cpp does not open."""
    card, variant = found.card, found.variant
    if card.architecture is None or variant is None or variant.format != "gguf":
        return None
    weights = weights_of_card(card, variant)
    capped = replace(load, context=min(load.context, card.context_length or load.context))
    return None if weights is None else predict(card.architecture, weights, capped)


def fit_of_folder(folder: OnnxFolder, load: Load) -> Fit | None:
    """The prediction for an ONNX folder: its files, F32 keys and values, and logits of every position read at once.

    The weights are there three times: as read, as the library packs them for the processor (counted with what it
    computes in), and mapped, which the kernel may drop (docs/decisions/0035).
    None where its manifest does not tell the shape.
    """
    sizes = (folder.layers, folder.width, folder.heads, folder.kv_heads, folder.head_size, folder.vocabulary)
    if None in sizes:
        return None
    layers, width, heads, kv_heads, head_size, vocabulary = (size or 0 for size in sizes)
    shape = Architecture(layers, width, 4 * width, heads, kv_heads, head_size, vocabulary)
    context = min(load.context, folder.context_length)
    mine = replace(load, context=context, kv_type="f32", ubatch=READ_AT_ONCE)
    fit = predict(shape, Weights(folder.weights_bytes, folder.weights_bytes, "its files and genai_config.json"), mine)
    return replace(
        fit,
        compute_bytes=fit.compute_bytes + folder.weights_bytes + round(_LOGITS * READ_AT_ONCE * vocabulary * _F32),
        vocabulary_bytes=round(_TOKENIZER_COPIES * folder.tokenizer_bytes),
        engine_bytes=ONNX_ENGINE_BYTES,
    )


def tokens_per_s_at_most(fit: Fit, read_bytes_per_s: float) -> float:
    """The ceiling that memory sets: every token reads the weights once, and half the KV cache on the way to full."""
    return read_bytes_per_s / (fit.weights_bytes + fit.kv_bytes / 2)


def require_fit(found: Found, fit: Fit | None, there: Room, library: Library) -> None:
    """Raise DoesNotFit, naming the largest smaller variant that fits, unless there is room. Unknown needs pass."""
    if fit is None or fit.needed_bytes <= there.bytes:
        return
    better = smaller(found, fit.load, there, library)
    how = "measured" if fit.measured_bytes is not None else "predicted"
    hint = f"{better[0].label} fits: {size(better[1].needed_bytes)}" if better else "no variant that we know is smaller"
    raise DoesNotFit(
        f"{found.label} needs {size(fit.needed_bytes)} of memory ({how}, context {fit.load.context}), and"
        f" {size(there.bytes)} is {there.basis}",
        hint=hint if better is None or better[0].card.alias == found.card.alias else f"{hint}; a smaller model",
    )


def smaller(found: Found, load: Load, there: Room, library: Library) -> tuple[Found, Fit] | None:
    """The largest variant that fits: of the same model, else of the models that can do the same."""
    own = _fitting((Found(found.card, variant) for variant in found.card.variants), load, there)
    if own:
        return own[-1]
    wanted = set(found.card.capabilities)
    others = (
        Found(card, variant)
        for card in library.cards.values()
        for variant in card.variants
        if card.alias != found.card.alias and wanted <= set(card.capabilities) and card.architecture is not None
    )
    fitting = _fitting(others, load, there)
    return fitting[-1] if fitting else None


def _fitting(candidates: Iterable[Found], load: Load, there: Room) -> list[tuple[Found, Fit]]:
    """Those that fit, smallest first."""
    judged = [(one, fit_of_card(one, load)) for one in candidates]
    fitting = [(one, fit) for one, fit in judged if fit is not None and fit.needed_bytes <= there.bytes]
    return sorted(fitting, key=lambda pair: (pair[1].needed_bytes, pair[0].label))
