import ctypes
import hashlib
import os
import random
import struct
import subprocess
import sys
import tracemalloc
from collections.abc import Iterator
from contextlib import contextmanager
from importlib.util import find_spec
from pathlib import Path

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from gguf_files import (
    ARRAY,
    BROKEN,
    I32,
    LLAMA,
    STRING,
    TENSORS,
    U8,
    Raw,
    TensorSpec,
    Typed,
    gguf_bytes,
    llama_bytes,
    text,
)
from shortlist.errors import InvalidModel
from shortlist.gguf import GgufHeader, LongValue, read_header, split_files
from shortlist.gguf.types import FILE_TYPES, REMOVED_TYPES, TENSOR_TYPES
from shortlist.modelfile import sha256_file

DEMO_MODELS = sorted((Path(__file__).parents[1] / "src/shortlist/demo/models").glob("*.gguf"))
FUZZ = settings(max_examples=300, suppress_health_check=[HealthCheck.function_scoped_fixture])
FEW_MB = 4_000_000


def write(folder: Path, data: bytes, name: str = "m.gguf") -> Path:
    path = folder / name
    path.write_bytes(data)
    return path


def outcome(path: Path) -> GgufHeader | InvalidModel:
    """The header or the one error that may come instead; anything else fails the test."""
    try:
        return read_header(path)
    except InvalidModel as caught:
        error = caught
    assert str(path) in error.message
    assert error.hint
    return error


@contextmanager
def few_megabytes() -> Iterator[None]:
    tracemalloc.start()
    try:
        yield
        _, peak = tracemalloc.get_traced_memory()
    finally:
        tracemalloc.stop()
    assert peak < FEW_MB


def test_a_valid_file_is_read_back_exactly(tmp_path: Path) -> None:
    data = llama_bytes()
    header = read_header(write(tmp_path, data))
    expected = {
        key: tuple(v.value if isinstance(v, Typed) else v)
        if isinstance(v, list) or getattr(v, "is_array", False)
        else v
        for key, v in ((k, v.value if isinstance(v, Typed) else v) for k, v in LLAMA.items())
    }
    epsilon = "llama.attention.layer_norm_rms_epsilon"
    expected[epsilon] = struct.unpack("<f", struct.pack("<f", expected[epsilon]))[0]
    assert dict(header.metadata) == expected
    assert (header.version, header.alignment, header.file_bytes) == (3, 32, len(data))
    assert [(t.name, t.shape, t.type, t.bytes) for t in header.tensors] == [
        (t.name, t.shape, name, t.stated_bytes)
        for t, name in zip(TENSORS, ("q8_0", "f32", "q4_0", "q4_k"), strict=True)
    ]
    last = header.tensors[-1]
    assert header.data_offset % 32 == 0
    assert header.data_offset + last.offset + (last.bytes or 0) == len(data)


def test_the_properties_say_what_the_file_says(tmp_path: Path) -> None:
    header = read_header(write(tmp_path, llama_bytes()))
    assert (header.architecture, header.name, header.licence) == ("llama", "Tiny Ünïcode", "apache-2.0")
    assert (header.context_length, header.embedding_length, header.block_count) == (256, 64, 1)
    assert (header.head_count, header.head_count_kv, header.key_length, header.value_length) == (4, 2, 16, 16)
    assert (header.vocab_size, header.quantisation, header.kind) == (4, "q8_0", "model")
    assert header.parameters == 64 * 4 + 64 + 64 * 64 + 512
    assert header.weights_bytes == sum(t.stated_bytes or 0 for t in TENSORS)
    assert (header.chat_template or "").startswith("{% for")
    assert (header.split_count, header.split_part, header.unknown_types) == (1, 1, ())


def test_what_a_file_does_not_say_is_none(tmp_path: Path) -> None:
    header = read_header(write(tmp_path, gguf_bytes({})))
    assert (header.architecture, header.context_length, header.head_count, header.vocab_size) == (None,) * 4
    assert (header.quantisation, header.licence, header.chat_template, header.key_length) == (None,) * 4
    assert header.parameters == 0


def test_stated_head_lengths_win_and_heads_may_differ_by_layer(tmp_path: Path) -> None:
    data = llama_bytes(llama__attention__key_length=32, llama__attention__head_count_kv=[2, 0, 2])
    header = read_header(write(tmp_path, data))
    assert (header.key_length, header.value_length, header.head_count_kv) == (32, 16, (2, 0, 2))


@pytest.mark.parametrize(
    ("file_type", "name"),
    [(0, "f32"), (1, "f16"), (2, "q4_0"), (15, "q4_k_m"), (32, "bf16"), (38, "mxfp4_moe"), (1024 + 15, "q4_k_m")],
)
def test_file_types_have_their_usual_names(tmp_path: Path, file_type: int, name: str) -> None:
    assert read_header(write(tmp_path, llama_bytes(general__file_type=file_type))).quantisation == name


@pytest.mark.parametrize("file_type", [None, 99])
def test_without_a_known_file_type_the_largest_tensors_name_the_quantisation(
    tmp_path: Path, file_type: int | None
) -> None:
    assert read_header(write(tmp_path, llama_bytes(general__file_type=file_type))).quantisation == "q4_0"


def test_version_2_is_read(tmp_path: Path) -> None:
    assert read_header(write(tmp_path, gguf_bytes(LLAMA, TENSORS, version=2))).version == 2


def test_another_alignment_is_honoured(tmp_path: Path) -> None:
    data = gguf_bytes({**LLAMA, "general.alignment": 256}, TENSORS, alignment=256)
    header = read_header(write(tmp_path, data))
    assert (header.alignment, header.data_offset % 256, header.tensors[1].offset) == (256, 0, 512)


def test_a_newer_tensor_type_is_flagged_and_not_an_error(tmp_path: Path) -> None:
    newer = TensorSpec("t", (64,), 57, 64)
    header = read_header(write(tmp_path, gguf_bytes(LLAMA, (*TENSORS, newer))))
    assert header.tensors[-1].bytes is None
    assert (header.unknown_types, header.weights_bytes) == (("type 57",), None)


def test_half_characters_among_the_tokens_are_no_fault(tmp_path: Path) -> None:
    header = read_header(write(tmp_path, llama_bytes(tokenizer__ggml__tokens=[b"\xe2\x82", b"ok"])))
    assert header.metadata["tokenizer.ggml.tokens"] == ("\ufffd", "ok")


def test_long_values_are_summed_up(tmp_path: Path) -> None:
    changes = {
        "tokenizer.ggml.tokens": [f"token{n}" for n in range(150_000)],
        "tokenizer.ggml.token_type": Typed(I32, [1] * 150_000, is_array=True),
        "tokenizer.json": "x" * 3_000_000,
    }
    data = gguf_bytes({**LLAMA, **changes}, TENSORS)
    path = write(tmp_path, data)
    with few_megabytes():
        header = read_header(path)
    tokens, types, long_text = (header.metadata[key] for key in changes)
    assert isinstance(tokens, LongValue)
    assert (tokens.element, tokens.length, header.vocab_size) == ("string", 150_000, 150_000)
    assert data[tokens.offset : tokens.offset + 14] == text("token0")
    assert isinstance(types, LongValue)
    assert (types.element, types.length) == ("i32", 150_000)
    assert isinstance(long_text, LongValue)
    assert (long_text.element, long_text.length) == ("byte", 3_000_000)
    assert header.tensors == read_header(write(tmp_path, gguf_bytes(LLAMA, TENSORS))).tensors


def test_the_header_of_a_huge_file_is_read_without_its_data(tmp_path: Path) -> None:
    tensor = TensorSpec("t", (1 << 20, 5000), 8, (1 << 20) * 5000 // 32 * 34)
    path = write(tmp_path, gguf_bytes(LLAMA, (tensor,)))
    with path.open("r+b") as file:
        file.truncate(6_000_000_000)  # sparse
    with few_megabytes():
        assert read_header(path).weights_bytes == 5_570_560_000


def test_a_hostile_header_cannot_fill_the_memory(tmp_path: Path) -> None:
    """Texts that each pass are refused together."""
    data = gguf_bytes([(f"k{n}", "x" * 1_000_000) for n in range(40)])
    path = write(tmp_path, data)
    assert "takes the metadata over" in str(outcome(path))


@pytest.mark.parametrize("name", BROKEN)
def test_each_breakage_has_its_own_message(tmp_path: Path, name: str) -> None:
    make, says = BROKEN[name]
    found = outcome(write(tmp_path, make()))
    assert isinstance(found, InvalidModel), f"{name} was accepted"
    assert says in found.message
    assert "\n" not in found.message


def test_the_messages_of_breakages_differ(tmp_path: Path) -> None:
    messages = {name: str(outcome(write(tmp_path, make()))) for name, (make, _) in BROKEN.items()}
    assert len(set(messages.values())) == len(messages)


def test_missing_directory_pipe_and_odd_paths_are_told_apart(tmp_path: Path) -> None:
    os.mkfifo(tmp_path / "pipe")
    (tmp_path / "loop").symlink_to(tmp_path / "loop")
    for name, says in (
        ("gone.gguf", "no such file"),
        ("", "is a directory"),
        ("pipe", "not a regular file"),
        ("loop", "cannot be opened"),
        ("x" * 300, "cannot be opened"),
        ("a\0b", "is not a path"),
    ):
        with pytest.raises(InvalidModel, match=says):
            read_header(tmp_path / name)


def test_cut_at_every_offset_a_file_is_refused(tmp_path: Path) -> None:
    data = gguf_bytes({k: LLAMA[k] for k in list(LLAMA)[:13]}, TENSORS[:2])
    path = tmp_path / "cut.gguf"
    with few_megabytes():
        for end in range(len(data)):
            path.write_bytes(data[:end])
            found = outcome(path)
            assert isinstance(found, InvalidModel), f"accepted when cut at {end} of {len(data)}"
            assert "cut short" in found.message or end == 0
    path.write_bytes(data)
    assert isinstance(outcome(path), GgufHeader)


@FUZZ
@given(flips=st.lists(st.tuples(st.integers(0, 2000), st.integers(1, 255)), min_size=1, max_size=6))
def test_flipped_bytes_give_a_header_or_invalid_model(tmp_path: Path, flips: list[tuple[int, int]]) -> None:
    data = bytearray(llama_bytes())
    for place, mask in flips:
        data[place % len(data)] ^= mask
    path = write(tmp_path, bytes(data))
    with few_megabytes():
        outcome(path)


@FUZZ
@given(tail=st.binary(max_size=400), version=st.sampled_from([2, 3]))
def test_noise_behind_the_magic_gives_a_header_or_invalid_model(tmp_path: Path, tail: bytes, version: int) -> None:
    path = write(tmp_path, b"GGUF" + struct.pack("<I", version) + tail)
    with few_megabytes():
        outcome(path)


@FUZZ
@given(tensors=st.integers(0, 3), entries=st.integers(0, 3), tail=st.binary(max_size=300))
def test_noise_behind_small_counts_gives_a_header_or_invalid_model(
    tmp_path: Path, tensors: int, entries: int, tail: bytes
) -> None:
    path = write(tmp_path, b"GGUF" + struct.pack("<IQQ", 3, tensors, entries) + tail)
    with few_megabytes():
        outcome(path)


def test_every_64_bit_field_survives_every_extreme(tmp_path: Path) -> None:
    """Lengths, counts, dimensions and offsets: each place of the header overwritten with each awkward number."""
    data = gguf_bytes({k: LLAMA[k] for k in list(LLAMA)[:13]}, TENSORS[:2])
    path = tmp_path / "extreme.gguf"
    extremes = [(1 << 64) - 1, 1 << 62, 1 << 31]
    with few_megabytes():
        for place in range(8, len(data) - 800):
            for extreme in extremes:
                path.write_bytes(data[:place] + struct.pack("<Q", extreme) + data[place + 8 :])
                outcome(path)


def test_a_text_array_that_runs_off_the_end_is_cut_short(tmp_path: Path) -> None:
    walked = Raw(struct.pack("<IIQ", ARRAY, STRING, 3000) + text("x" * 50) * 700)
    found = outcome(write(tmp_path, gguf_bytes({"a": walked})))
    assert "cut short inside its header: the value of 'a'" in str(found)


def test_parts_of_a_split_model_are_listed_and_missing_ones_named(tmp_path: Path) -> None:
    data = {n: llama_bytes(split__no=Typed(U8, n), split__count=3) for n in range(3)}
    first = write(tmp_path, data[0], "big-00001-of-00003.gguf")
    header = read_header(first)
    assert (header.split_count, header.split_part) == (3, 1)
    with pytest.raises(InvalidModel, match=r"2 are missing: big-00002-of-00003\.gguf, big-00003-of-00003\.gguf"):
        split_files(header)
    parts = [first, *(write(tmp_path, data[n], f"big-0000{n + 1}-of-00003.gguf") for n in (1, 2))]
    assert split_files(header) == tuple(parts)
    assert split_files(read_header(write(tmp_path, llama_bytes()))) == (tmp_path / "m.gguf",)
    with pytest.raises(InvalidModel, match="not named like one"):
        split_files(read_header(write(tmp_path, data[1], "renamed.gguf")))


def test_the_digest_is_that_of_the_bytes_and_progress_is_told(tmp_path: Path) -> None:
    data = random.Random(3).randbytes(2_500_000)
    told: list[int] = []
    assert sha256_file(write(tmp_path, data), told.append) == hashlib.sha256(data).hexdigest()
    assert told == [1 << 20, 2 << 20, 2_500_000]
    with pytest.raises(InvalidModel, match="no such file"):
        sha256_file(tmp_path / "gone")


@pytest.mark.skipif(not DEMO_MODELS, reason="the demo models are not built yet")
@pytest.mark.parametrize("path", DEMO_MODELS, ids=lambda path: path.stem)
def test_the_demo_models_have_a_whole_header(path: Path) -> None:
    header = read_header(path)
    assert header.architecture in ("llama", "qwen2")
    assert header.unknown_types == ()
    assert header.context_length
    assert header.vocab_size
    assert header.chat_template
    assert header.licence


def engine_library() -> str:
    spec = find_spec("xllamacpp")
    assert spec is not None
    assert spec.submodule_search_locations
    return str(next(Path(spec.submodule_search_locations[0]).glob("xllamacpp*.so")))


@pytest.mark.engine
def test_block_sizes_and_file_types_are_the_engines_own() -> None:
    library = ctypes.CDLL(engine_library())
    for name, kind in (("ggml_type_name", ctypes.c_char_p), ("llama_ftype_name", ctypes.c_char_p)):
        getattr(library, name).restype = kind
    library.ggml_type_size.restype, library.ggml_blck_size.restype = ctypes.c_size_t, ctypes.c_int64
    for number, (name, elements, size) in TENSOR_TYPES.items():
        assert library.ggml_type_name(number).decode().lower() == name
        assert (library.ggml_blck_size(number), library.ggml_type_size(number)) == (elements, size)
    assert all(library.ggml_blck_size(number) == 0 for number in REMOVED_TYPES)
    for number in range(64):
        said = library.llama_ftype_name(number).decode().lower()
        assert ("unknown" in said) == (number not in FILE_TYPES), (number, said)


LLAMA_CPP_READS = """
import ctypes, sys
class Params(ctypes.Structure):
    _fields_ = [("no_alloc", ctypes.c_bool), ("context", ctypes.c_void_p)]
library = ctypes.CDLL(sys.argv[1])
library.gguf_init_from_file.restype = ctypes.c_void_p
library.gguf_init_from_file.argtypes = [ctypes.c_char_p, Params]
for path in sys.stdin.read().split():
    print(path, bool(library.gguf_init_from_file(path.encode(), Params(True, None))))
"""


@pytest.mark.engine
def test_what_we_accept_llama_cpp_accepts(tmp_path: Path) -> None:
    """Damaged files that pass our checks never surprise the engine's own reader."""
    pick, accepted = random.Random(11), []
    for number in range(1500):
        data = bytearray(llama_bytes())
        for _ in range(pick.randint(1, 3)):
            data[pick.randrange(1300)] ^= pick.randint(1, 255)
        path = write(tmp_path, bytes(data), f"{number}.gguf")
        header = outcome(path)
        if isinstance(header, GgufHeader) and not header.unknown_types:
            accepted.append(str(path))
    assert len(accepted) > 100
    told = subprocess.run(
        [sys.executable, "-c", LLAMA_CPP_READS, engine_library()],
        input="\n".join(accepted),
        capture_output=True,
        text=True,
        check=True,
    ).stdout.splitlines()
    assert told == [f"{path} True" for path in accepted]
