"""Fit: the parts of memory, what decides, and the variant that is named in its place.

How close the prediction is to llama.cpp is measured in benchmarks/fit_error.py and, for one small model, in
tests/engines.
"""

from dataclasses import replace
from pathlib import Path

import pytest

from gguf_files import llama_bytes
from onnx_folders import FOLDER
from shortlist.errors import DoesNotFit
from shortlist.gguf.types import bytes_per_element
from shortlist.models.catalogue import Found, Library, load_library
from shortlist.models.fit import (
    Fit,
    Load,
    Room,
    fit_of_card,
    fit_of_folder,
    kv_cache_bytes,
    predict,
    require_fit,
    room,
    smaller,
)
from shortlist.models.rows import fit_of_file
from shortlist.models.shape import Weights, weights_of_card
from shortlist.onnxfolder import read_folder
from shortlist.records import Architecture, ModelCard, ModelFile, Variant

QWEN = Architecture(24, 896, 4864, 14, 2, 64, 151936)


@pytest.fixture(scope="module")
def library() -> Library:
    return load_library()


@pytest.mark.parametrize(
    ("load", "expected"),
    [
        (Load(512), 2 * 24 * 2 * 64 * 512 * 2),
        (Load(8192), 2 * 24 * 2 * 64 * 8192 * 2),
        (Load(8192, kv_type="q8_0"), 2 * 24 * 2 * 64 * 8192 * 34 // 32),
        (Load(2048, parallel=4), 2 * 24 * 2 * 64 * 8192 * 2),
        (Load(500), 2 * 24 * 2 * 64 * 512 * 2),
    ],
)
def test_keys_and_values_are_counted_by_layers_heads_context_and_type(load: Load, expected: int) -> None:
    assert kv_cache_bytes(QWEN, load) == expected


def test_a_layer_with_a_window_keeps_the_window_and_one_micro_batch() -> None:
    whole = Architecture(26, 2304, 9216, 8, 4, 256, 256000)
    half = replace(whole, window=4096, windowed_layers=13)
    per_layer = 2 * 4 * 256 * 2
    assert kv_cache_bytes(half, Load(8192)) == per_layer * 13 * (8192 + 4096 + 512)
    assert kv_cache_bytes(half, Load(1024)) == kv_cache_bytes(whole, Load(1024)), "a window larger than the context"


def test_what_the_kernel_may_drop_does_not_decide() -> None:
    fit = predict(QWEN, Weights(1000, 600, "test"), Load(512))
    assert fit.resident_bytes - fit.needed_bytes == 600


def test_a_measured_peak_goes_before_the_prediction() -> None:
    fit = predict(QWEN, Weights(1000, 0, "test"), Load(512), measured_bytes=5_000_000)
    assert fit.needed_bytes == 5_000_000
    assert "measured" in fit.how


def test_the_limit_caps_what_is_counted_on_and_never_raises_it() -> None:
    assert room(8, 4) == Room(4, "the limit that is set (memory_limit)")
    assert room(4, 8) == Room(4, "free now")
    assert room(4, None).bytes == 4


def test_q8_0_takes_34_bytes_for_32_elements() -> None:
    assert bytes_per_element("q8_0") == 34 / 32
    assert bytes_per_element("f16") == 2


def test_weights_are_the_published_size_else_estimated_and_each_says_so() -> None:
    card = ModelCard("m", parameters=1_000_000_000)
    known = weights_of_card(card, Variant("gguf", "q8_0", (ModelFile("x", 7),), source="a list"))
    guessed = weights_of_card(card, Variant("gguf", "q8_0", (ModelFile("x", None),)))
    assert known == Weights(7, 0, "size of the file: a list")
    assert guessed is not None
    assert guessed.bytes == 1_062_500_000
    assert guessed.basis.startswith("estimated")
    assert weights_of_card(card, Variant("gguf", "of nobody", (ModelFile("x", None),))) is None


def _fit(library: Library, name: str, load: Load = Load()) -> tuple[Found, Fit]:  # noqa: B008 - frozen
    found = library.find(name)
    fit = fit_of_card(found, load)
    assert fit is not None
    return found, fit


def test_a_seven_billion_model_is_refused_under_four_gigabytes_naming_the_variant_that_fits(library: Library) -> None:
    for name in ("mistral-7b", "qwen2.5-7b", "deepseek-r1-distill-qwen-7b"):
        found, fit = _fit(library, name)
        with pytest.raises(DoesNotFit, match="predicted, context 4096") as caught:
            require_fit(found, fit, Room(4 * 10**9, "the limit"), library)
        assert (caught.value.hint or "").startswith(f"{found.card.alias}@q2_k fits")


def test_where_no_variant_fits_another_model_of_the_same_capabilities_is_named(library: Library) -> None:
    found, _ = _fit(library, "mistral-7b")
    better = smaller(found, Load(), Room(2 * 10**9, "the limit"), library)
    assert better is not None
    assert set(found.card.capabilities) <= set(better[0].card.capabilities)
    assert better[1].needed_bytes <= 2 * 10**9
    assert smaller(found, Load(), Room(10**6, "the limit"), library) is None


def test_what_fits_and_what_is_not_known_pass(library: Library) -> None:
    found, fit = _fit(library, "qwen2.5-0.5b")
    require_fit(found, fit, Room(4 * 10**9, "the limit"), library)
    require_fit(found, None, Room(1, "the limit"), library)


def test_a_context_beyond_what_the_model_has_is_not_counted(library: Library) -> None:
    _, fit = _fit(library, "tinyllama-1.1b", Load(8192))
    assert fit.load.context == 2048


def test_no_prediction_is_made_for_onnx(library: Library) -> None:
    assert fit_of_card(library.find("phi-4-mini@onnx"), Load()) is None


def test_a_header_that_is_here_tells_the_shape_and_the_weights(tmp_path: Path) -> None:
    path = tmp_path / "x.gguf"
    path.write_bytes(llama_bytes())
    fit = fit_of_file(path, Load(4096))
    assert fit is not None
    assert fit.basis == "GGUF header"
    assert fit.load.context == 256, "no more than it was trained for"
    assert fit.kv_bytes == 2 * 1 * 2 * 16 * 256 * 2
    assert fit.repacked_bytes == 64 * 2 * 18 + 2 * 144, "q4_0 and q4_k are held twice"


def test_a_file_that_tells_no_shape_is_not_predicted(tmp_path: Path) -> None:
    path = tmp_path / "x.gguf"
    path.write_bytes(llama_bytes(llama__block_count=None))
    assert fit_of_file(path, Load()) is None
    path.write_bytes(b"GGUF")
    assert fit_of_file(path, Load()) is None


def test_an_onnx_folder_is_predicted_from_its_manifest_and_files() -> None:
    """The demo model's peak was counted at 72 MB."""
    fit = fit_of_folder(read_folder(FOLDER), Load())
    assert fit is not None
    assert 70e6 < fit.needed_bytes < 80e6
    assert (fit.load.context, fit.load.kv_type) == (1024, "f32")  # what the folder can, whatever was asked
    assert fit.kv_bytes == 2 * 2 * 1024 * 2 * 32 * 4
    assert fit.resident_bytes - fit.needed_bytes == fit.repacked_bytes == read_folder(FOLDER).weights_bytes
