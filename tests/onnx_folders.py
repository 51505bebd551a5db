"""ONNX folders as files: one that is as it should be, and changes to it."""

import json
import shutil
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np

FOLDER = Path(__file__).parents[1] / "training" / "checkpoints" / "notes-small-onnx"
"""notes-small from its F32 checkpoint (`notes_recipe.onnx_folder`)."""


def genai_config(change: Callable[[dict[str, Any]], object] = lambda _: None) -> bytes:
    """A manifest like the model builder's, after a change."""
    decoder = {
        "session_options": {"log_id": "onnxruntime-genai", "provider_options": []},
        "filename": "model.onnx",
        "head_size": 32,
        "hidden_size": 64,
        "num_attention_heads": 2,
        "num_hidden_layers": 2,
        "num_key_value_heads": 1,
    }
    config = {
        "model": {"context_length": 1024, "decoder": decoder, "type": "llama", "vocab_size": 768, "eos_token_id": 2},
        "search": {"max_length": 1024},
    }
    change(config)
    return json.dumps(config).encode()


def folder_files(change: Callable[[dict[str, Any]], object] = lambda _: None) -> dict[str, bytes]:
    """What such a folder holds; no engine could open it, and no test here asks one to."""
    return {
        "genai_config.json": genai_config(change),
        "model.onnx": b"\x08\x07" + b"onnx" * 25,
        "model.onnx.data": b"w" * 4000,
        "tokenizer.json": b"{}",
    }


def write_folder(folder: Path, change: Callable[[dict[str, Any]], object] = lambda _: None) -> Path:
    """Those files on disk."""
    folder.mkdir(parents=True, exist_ok=True)
    for name, content in folder_files(change).items():
        (folder / name).write_bytes(content)
    return folder


SLOW_VOCABULARY = 400 * 768


def write_slow_folder(folder: Path) -> Path:
    """notes-small with a head of 78 MB, whose further rows are zero: the same answers, and a token takes milliseconds.

    That is longer than a host's scheduler takes a core away.
    """
    import onnx
    from onnx import numpy_helper

    model = onnx.load(FOLDER / "model.onnx")
    (head,) = (one for one in model.graph.initializer if one.name == "lm_head.MatMul.weight")
    weight = numpy_helper.to_array(head)
    wide = np.zeros((weight.shape[0], SLOW_VOCABULARY), weight.dtype)
    wide[:, : weight.shape[1]] = weight
    head.CopyFrom(numpy_helper.from_array(wide, head.name))
    (logits,) = (one for one in model.graph.output if one.name == "logits")
    logits.type.tensor_type.shape.dim[-1].dim_value = SLOW_VOCABULARY
    folder.mkdir()
    for name in ("genai_config.json", "inference_model.json", "tokenizer.json", "tokenizer_config.json"):
        shutil.copyfile(FOLDER / name, folder / name)
    config = json.loads((folder / "genai_config.json").read_text())
    config["model"]["vocab_size"] = SLOW_VOCABULARY
    (folder / "genai_config.json").write_text(json.dumps(config))
    onnx.save_model(model, folder / "model.onnx", save_as_external_data=True, location="model.onnx.data")
    return folder
