"""benchmarks/make_random_gguf.py: files of a real model's shape, which our reader and llama.cpp both take."""

import asyncio
from pathlib import Path

import pytest

from make_random_gguf import SHAPES, TYPES, plan_tensors, write_random_gguf
from shortlist.engines import EngineContext, LoadSpec
from shortlist.engines.llamacpp import LlamaCpp
from shortlist.gguf import read_header
from shortlist.records import EngineOptions, Variant


def test_the_shape_of_qwen_has_as_many_weights_as_the_real_one() -> None:
    tensors = plan_tensors(SHAPES["qwen2.5-0.5b"], "q8_0")
    assert sum(tensor.elements for tensor in tensors) == 494_032_768


@pytest.mark.parametrize("kind", [name for name in TYPES if name != "f32"])
@pytest.mark.parametrize("shape", ["tiny", "tiny-moe"])
def test_a_file_holds_what_it_says(tmp_path: Path, shape: str, kind: str) -> None:
    path = tmp_path / "model.gguf"
    write_random_gguf(path, SHAPES[shape], kind)
    header = read_header(path)
    last = header.tensors[-1]
    assert header.quantisation == kind
    assert header.vocab_size == 1024
    assert header.data_offset + last.offset + (last.bytes or 0) <= header.file_bytes
    assert [t.name for t in header.tensors] == [t.name for t in plan_tensors(SHAPES[shape], kind)]


def test_one_seed_gives_one_file(tmp_path: Path) -> None:
    for name, seed in (("a", 1), ("b", 1), ("c", 2)):
        (tmp_path / name).mkdir()
        write_random_gguf(tmp_path / name / "model.gguf", SHAPES["tiny"], "q4_0", seed=seed)
    a, b, c = ((tmp_path / name / "model.gguf").read_bytes() for name in "abc")
    assert a == b != c


@pytest.mark.engine
@pytest.mark.parametrize("shape", ["tiny", "tiny-moe"])
def test_llama_cpp_loads_it(tmp_path: Path, shape: str) -> None:
    path = tmp_path / "model.gguf"
    write_random_gguf(path, SHAPES[shape], "q8_0")
    engine = LlamaCpp(EngineContext())

    async def opened() -> str | None:
        spec = LoadSpec("m", "m", Variant("gguf"), EngineOptions("cpu", threads=1), path, tmp_path)
        try:
            return (await engine.open(spec)).device
        finally:
            await engine.close()

    assert asyncio.run(opened()) == "cpu"
