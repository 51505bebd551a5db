"""gguf/step.py: bytes that a decode step reads, counted by hand for small headers."""

from collections.abc import Mapping
from pathlib import Path

import pytest

from gguf_files import LLAMA, TensorSpec, gguf_bytes
from make_random_gguf import SHAPES, plan_tensors, write_random_gguf
from shortlist.gguf import read_header
from shortlist.gguf.step import StepBytes, step_bytes

EMBEDDING = TensorSpec("token_embd.weight", (64, 4), 0)
NORM = TensorSpec("blk.0.attn_norm.weight", (64,), 0)
HEAD = TensorSpec("output.weight", (64, 4), 0)
EXPERTS = TensorSpec("blk.0.ffn_up_exps.weight", (64, 8, 4), 0)
SHARED = TensorSpec("blk.0.ffn_up_shexp.weight", (64, 8), 0)


def step(
    folder: Path, *tensors: TensorSpec, kv_type: str = "f16", metadata: Mapping[str, object] | None = None
) -> StepBytes | str:
    kept = {key: value for key, value in {**LLAMA, **(metadata or {})}.items() if value is not None}
    path = folder / "model.gguf"
    path.write_bytes(gguf_bytes(kept, tensors))
    return step_bytes([read_header(path)], kv_type)


def test_a_tied_embedding_is_read_whole_for_the_logits(tmp_path: Path) -> None:
    found = step(tmp_path, EMBEDDING, NORM)
    assert isinstance(found, StepBytes)
    assert found.weights_bytes == 4 * (64 * 4 + 64)


def test_an_embedding_beside_an_output_matrix_is_a_look_up(tmp_path: Path) -> None:
    found = step(tmp_path, EMBEDDING, NORM, HEAD)
    assert isinstance(found, StepBytes)
    assert found.weights_bytes == 4 * (64 * 4 + 64)


def test_only_the_experts_in_use_are_read_and_shared_ones_always(tmp_path: Path) -> None:
    counts = {"llama.expert_count": 4, "llama.expert_used_count": 1}
    found = step(tmp_path, EMBEDDING, HEAD, EXPERTS, SHARED, metadata=counts)
    assert isinstance(found, StepBytes)
    assert found.weights_bytes == 4 * (64 * 4 + 64 * 8 * 4 // 4 + 64 * 8)


@pytest.mark.parametrize(("kv_type", "of_one_element"), [("f16", 2), ("q8_0", 34 / 32), ("q4_0", 18 / 32)])
def test_keys_and_values_count_by_their_heads_and_type(tmp_path: Path, kv_type: str, of_one_element: float) -> None:
    found = step(tmp_path, EMBEDDING, kv_type=kv_type)  # 1 layer, 2 heads of 64 ÷ 4 elements
    assert isinstance(found, StepBytes)
    assert found.kv_bytes_per_token == 2 * (16 + 16) * of_one_element


def test_heads_that_differ_by_layer_are_added_up(tmp_path: Path) -> None:
    sizes = {"llama.block_count": 2, "llama.attention.head_count_kv": [2, 1]}
    found = step(
        tmp_path,
        EMBEDDING,
        metadata={**sizes, "llama.attention.key_length": 16, "llama.attention.value_length": 16},
    )
    assert isinstance(found, StepBytes)
    assert found.kv_bytes_per_token == 3 * 32 * 2


@pytest.mark.parametrize(
    ("metadata", "why"),
    [
        ({"llama.attention.kv_lora_rank": 8}, "compressed"),
        ({"llama.ssm.state_size": 8}, "state"),
        ({"llama.attention.head_count": None, "llama.attention.head_count_kv": None}, "sizes of keys and values"),
    ],
)
def test_what_the_header_cannot_tell_is_said(tmp_path: Path, metadata: dict[str, object], why: str) -> None:
    found = step(tmp_path, EMBEDDING, metadata=metadata)
    assert isinstance(found, str)
    assert why in found


def test_a_window_of_attention_is_kept(tmp_path: Path) -> None:
    found = step(tmp_path, EMBEDDING, metadata={"llama.attention.sliding_window": 128})
    assert isinstance(found, StepBytes)
    assert found.window == 128


def test_the_tiny_mixture_reads_half_of_its_experts(tmp_path: Path) -> None:
    path = tmp_path / "model.gguf"
    write_random_gguf(path, SHAPES["tiny-moe"], "q8_0")
    tensors = plan_tensors(SHAPES["tiny-moe"], "q8_0")
    experts = sum(t.bytes for t in tensors if "_exps." in t.name)
    others = sum(t.bytes for t in tensors if "_exps." not in t.name and t.name != "token_embd.weight")
    found = step_bytes([read_header(path)])
    assert isinstance(found, StepBytes)
    assert found.weights_bytes == others + experts // 2
