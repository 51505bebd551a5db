"""The weights of a shipped file as F32, to make other formats of it."""

from pathlib import Path

import gguf
import numpy as np
from numpy.typing import NDArray

from notes_recipe.gguf_file import Weights


def weights_of_gguf(path: Path, heads: int) -> Weights:
    """A shipped file's weights as F32, under the names and in the order of rotary pairs that `transformers` has."""
    reader = gguf.GGUFReader(path)
    names = gguf.get_tensor_name_map(gguf.MODEL_ARCH.LLAMA, 64)
    known = {names.get_name(key, try_suffixes=(".weight",)): key.removeprefix("model.") for key in _keys()}
    found: Weights = {}
    for tensor in reader.tensors:
        weight = gguf.quants.dequantize(tensor.data, tensor.tensor_type).astype(np.float32)
        key = known[tensor.name]
        turned = key.endswith(("q_proj.weight", "k_proj.weight"))
        found[key] = np.ascontiguousarray(_half_pairs(weight, heads) if turned else weight)
    return found


def _keys() -> list[str]:
    inside = ("self_attn.q_proj", "self_attn.k_proj", "self_attn.v_proj", "self_attn.o_proj", "mlp.gate_proj",
              "mlp.up_proj", "mlp.down_proj", "input_layernorm", "post_attention_layernorm")  # fmt: skip
    layers = [f"model.layers.{layer}.{part}.weight" for layer in range(64) for part in inside]
    return ["model.embed_tokens.weight", "model.norm.weight", *layers]


def _half_pairs(weight: NDArray[np.float32], heads: int) -> NDArray[np.float32]:
    """Rotary pairs: neighbours, as llama.cpp stores them, to the two halves of a head."""
    half = weight.shape[0] // heads // 2
    return weight.reshape(heads, half, 2, weight.shape[1]).swapaxes(1, 2).reshape(weight.shape)
