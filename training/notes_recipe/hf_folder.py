"""Weights to an ordinary Hugging Face Llama folder.

Written by hand, so that `transformers` is not needed to build it.
"""

import json
import shutil
from pathlib import Path
from typing import Any

from safetensors.numpy import save_file

from notes_recipe.chat import CHAT_TEMPLATE, END, END_OF_TEXT, SPECIAL_TOKENS
from notes_recipe.gguf_file import CONTEXT_LENGTH, Weights
from notes_recipe.shape import NORM_EPS, ROPE_THETA, Shape


def _config(shape: Shape) -> dict[str, Any]:
    return {
        "architectures": ["LlamaForCausalLM"],
        "model_type": "llama",
        "attention_bias": False,
        "attention_dropout": 0.0,
        "bos_token_id": SPECIAL_TOKENS.index(END_OF_TEXT),
        "eos_token_id": SPECIAL_TOKENS.index(END),
        "pad_token_id": SPECIAL_TOKENS.index(END_OF_TEXT),
        "head_dim": shape.head_width,
        "hidden_act": "silu",
        "hidden_size": shape.width,
        "initializer_range": 0.02,
        "intermediate_size": shape.feed_forward,
        "max_position_embeddings": CONTEXT_LENGTH,
        "mlp_bias": False,
        "num_attention_heads": shape.heads,
        "num_hidden_layers": shape.layers,
        "num_key_value_heads": shape.heads,
        "pretraining_tp": 1,
        "rms_norm_eps": NORM_EPS,
        "rope_scaling": None,
        "rope_theta": ROPE_THETA,
        "tie_word_embeddings": True,
        "torch_dtype": "float32",
        "use_cache": True,
        "vocab_size": shape.vocabulary,
    }


def _tokenizer_config() -> dict[str, Any]:
    special = {"lstrip": False, "normalized": False, "rstrip": False, "single_word": False, "special": True}
    return {
        "added_tokens_decoder": {str(at): {"content": token, **special} for at, token in enumerate(SPECIAL_TOKENS)},
        "add_bos_token": False,
        "add_prefix_space": False,
        "bos_token": END_OF_TEXT,
        "chat_template": CHAT_TEMPLATE,
        "clean_up_tokenization_spaces": False,
        "eos_token": END,
        "model_max_length": CONTEXT_LENGTH,
        "pad_token": END_OF_TEXT,
        "tokenizer_class": "PreTrainedTokenizerFast",
    }


def _write_json(path: Path, content: dict[str, Any]) -> None:
    path.write_text(json.dumps(content, indent=2, ensure_ascii=False) + "\n", encoding="utf-8")


def write_hf_folder(folder: Path, shape: Shape, weights: Weights, tokenizer_path: Path) -> None:
    """Write config, F32 weights and tokenizer."""
    folder.mkdir(parents=True, exist_ok=True)
    weights_path = folder / "model.safetensors"
    save_file({f"model.{key}": weight for key, weight in weights.items()}, weights_path, {"format": "pt"})
    weights_path.chmod(0o644)  # it is written readable by its owner only
    shutil.copyfile(tokenizer_path, folder / "tokenizer.json")
    _write_json(folder / "config.json", _config(shape))
    ends = {"bos_token_id": 0, "eos_token_id": SPECIAL_TOKENS.index(END), "pad_token_id": 0}
    _write_json(folder / "generation_config.json", {"_from_model_config": True, "do_sample": False, **ends})
    _write_json(folder / "tokenizer_config.json", _tokenizer_config())
