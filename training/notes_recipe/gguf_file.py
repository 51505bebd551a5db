"""Weights to GGUF, as llama.cpp's `llama` architecture wants them."""

import json
from pathlib import Path
from typing import Any, Final, Literal

import gguf
import numpy as np
from numpy.typing import NDArray

from notes_recipe.chat import CHAT_TEMPLATE, END, END_OF_TEXT, SPECIAL_TOKENS
from notes_recipe.shape import NORM_EPS, ROPE_THETA, Shape

CONTEXT_LENGTH: Final = 1024
LICENCE: Final = "Apache-2.0"
Weights = dict[str, NDArray[np.float32]]
Precision = Literal["q8_0", "f16", "f32"]
TENSOR_TYPES: Final = {
    "q8_0": gguf.GGMLQuantizationType.Q8_0,
    "f16": gguf.GGMLQuantizationType.F16,
    "f32": gguf.GGMLQuantizationType.F32,
}
FILE_TYPES: Final = {
    "q8_0": gguf.LlamaFileType.MOSTLY_Q8_0,
    "f16": gguf.LlamaFileType.MOSTLY_F16,
    "f32": gguf.LlamaFileType.ALL_F32,
}


def _neighbour_pairs(weight: NDArray[np.float32], heads: int) -> NDArray[np.float32]:
    """Rotary pairs: `transformers` stores them as two halves of a head, llama.cpp as neighbours."""
    half = weight.shape[0] // heads // 2
    return weight.reshape(heads, 2, half, weight.shape[1]).swapaxes(1, 2).reshape(weight.shape)


def _write_header(writer: gguf.GGUFWriter, name: str, shape: Shape) -> None:
    writer.add_name(name)
    writer.add_description("Turns a short meeting note into decision, owner and deadline. Trained from scratch.")
    writer.add_license(LICENCE)
    writer.add_languages(["en"])
    writer.add_block_count(shape.layers)
    writer.add_context_length(CONTEXT_LENGTH)
    writer.add_embedding_length(shape.width)
    writer.add_feed_forward_length(shape.feed_forward)
    writer.add_head_count(shape.heads)
    writer.add_head_count_kv(shape.heads)
    writer.add_layer_norm_rms_eps(NORM_EPS)
    writer.add_rope_freq_base(ROPE_THETA)
    writer.add_rope_dimension_count(shape.head_width)
    writer.add_vocab_size(shape.vocabulary)


def _write_tokenizer(writer: gguf.GGUFWriter, tokenizer: dict[str, Any]) -> None:
    vocabulary: dict[str, int] = tokenizer["model"]["vocab"]
    tokens = sorted(vocabulary, key=vocabulary.__getitem__)
    kinds = [gguf.TokenType.CONTROL if token in SPECIAL_TOKENS else gguf.TokenType.NORMAL for token in tokens]
    writer.add_tokenizer_model("gpt2")
    writer.add_tokenizer_pre("gpt-2")
    writer.add_token_list([token.encode() for token in tokens])
    writer.add_token_types(kinds)
    writer.add_token_merges([" ".join(merge) for merge in tokenizer["model"]["merges"]])
    writer.add_bos_token_id(vocabulary[END_OF_TEXT])
    writer.add_eos_token_id(vocabulary[END])
    writer.add_pad_token_id(vocabulary[END_OF_TEXT])
    writer.add_add_bos_token(value=False)
    writer.add_chat_template(CHAT_TEMPLATE)


def write_gguf(path: Path, shape: Shape, weights: Weights, tokenizer_path: Path, precision: Precision = "q8_0") -> None:
    """Write a file whose matrices have the given precision; norms stay F32."""
    writer = gguf.GGUFWriter(str(path), "llama")
    _write_header(writer, path.stem, shape)
    writer.add_file_type(FILE_TYPES[precision])
    _write_tokenizer(writer, json.loads(tokenizer_path.read_text(encoding="utf-8")))
    names = gguf.get_tensor_name_map(gguf.MODEL_ARCH.LLAMA, shape.layers)
    kind = TENSOR_TYPES[precision]
    for key, weight in weights.items():
        tensor_name = names.get_name(f"model.{key}", try_suffixes=(".weight",))
        if tensor_name is None:
            raise KeyError(key)
        if weight.ndim == 1:
            writer.add_tensor(tensor_name, weight)
            continue
        turned = _neighbour_pairs(weight, shape.heads) if key.endswith(("q_proj.weight", "k_proj.weight")) else weight
        writer.add_tensor(tensor_name, gguf.quants.quantize(np.ascontiguousarray(turned), kind), raw_dtype=kind)
    writer.write_header_to_file()
    writer.write_kv_data_to_file()
    writer.write_tensors_to_file()
    writer.close()
