"""The catalogue: its facts hold together, each has its source, and every name finds its model."""

import json
from pathlib import Path

import pytest

from shortlist.errors import BadInput, InvalidFile, UnknownName
from shortlist.models.cards import count_parameters, problems_of
from shortlist.models.catalogue import Library, load_library, shipped_cards
from shortlist.models.licence import find_licence
from shortlist.records import ModelCard


@pytest.fixture(scope="module")
def library() -> Library:
    return load_library()


@pytest.mark.parametrize("card", shipped_cards(), ids=lambda card: card.alias)
def test_a_shipped_card_would_pass_the_check_that_contributors_cards_must(card: ModelCard) -> None:
    assert problems_of(card) == []


@pytest.mark.parametrize("card", shipped_cards(), ids=lambda card: card.alias)
def test_no_revision_or_digest_stands_in_it_for_nothing_was_fetched(card: ModelCard) -> None:
    assert all(variant.revision is None for variant in card.variants)
    assert all(file.sha256 is None for variant in card.variants for file in variant.files)


@pytest.mark.parametrize("card", shipped_cards(), ids=lambda card: card.alias)
def test_a_file_is_about_as_large_as_its_parameters_in_its_quantisation(card: ModelCard) -> None:
    bits = {"q2_k": 3.0, "q3_k_m": 3.9, "q4_0": 4.6, "q4_k_m": 4.85, "q5_k_m": 5.7, "q6_k": 6.6, "q8_0": 8.5}
    for variant in card.variants:
        if variant.size_bytes is not None and card.parameters is not None:
            told = variant.size_bytes * 8 / card.parameters
            # A small model's large embeddings are kept finer, and Qwen's own small files keep them twice.
            assert bits[variant.quantisation or ""] * 0.93 < told < bits[variant.quantisation or ""] * 2.3


def test_what_the_issue_names_is_there(library: Library) -> None:
    wanted = (
        "mistral-7b gemma-2-2b qwen2.5-0.5b qwen2.5-1.5b qwen2.5-3b qwen2.5-7b deepseek-r1-distill-qwen-1.5b"
        " deepseek-r1-distill-qwen-7b phi-3.5-mini phi-4-mini llama-3.2-1b llama-3.2-3b smollm2-1.7b granite-3.3-2b"
    )
    assert set(wanted.split()) <= set(library.cards)


def test_published_parameter_counts_come_out_of_the_shapes(library: Library) -> None:
    published = {"llama-3.2-1b": 1_235_814_400, "smollm2-135m": 134_515_008, "mistral-7b": 7_248_023_552}
    for alias, count in published.items():
        shape = library.cards[alias].architecture
        assert shape is not None
        assert count in (count_parameters(shape, is_tied=True), count_parameters(shape, is_tied=False))


def test_a_licence_is_of_the_model_and_not_of_its_family(library: Library) -> None:
    classes = {alias: find_licence(library.cards[alias]).licence_class for alias in library.cards}
    assert classes["qwen2.5-1.5b"] == classes["qwen2.5-7b"] == "permissive"
    assert classes["qwen2.5-3b"] == "non-commercial"
    assert classes["llama-3.2-1b"] == "community-conditional"
    assert classes["gemma-2-2b"] == "use-restricted"
    assert classes["deepseek-r1-distill-qwen-7b"] == classes["mistral-7b"] == "permissive"
    assert classes["mistral-7b-v0.2"] == "unknown", "its base names no licence"


@pytest.mark.parametrize(
    ("typed", "label", "form"),
    [
        ("qwen2.5-0.5b", "qwen2.5-0.5b@q4_k_m", "gguf"),
        ("QWEN2.5-0.5B-Instruct@q8_0", "qwen2.5-0.5b@q8_0", "gguf"),
        ("qwen3:4b", "qwen3-4b@q4_k_m", "gguf"),
        ("qwen3:4b-q8_0", "qwen3-4b@q8_0", "gguf"),
        ("llama3.2:1b", "llama-3.2-1b@q4_k_m", "gguf"),
        ("mistral", "mistral-7b@q4_k_m", "gguf"),
        ("deepseek-r1:7b", "deepseek-r1-distill-qwen-7b@q4_k_m", "gguf"),
        ("Phi-4-mini-instruct-generic-cpu:5", "phi-4-mini@onnx", "onnx"),
        ("phi-3.5-mini@onnx", "phi-3.5-mini@onnx", "onnx"),
        ("notes-small", "notes-small", "gguf"),
    ],
)
def test_every_form_of_a_name_finds_its_model(library: Library, typed: str, label: str, form: str) -> None:
    found = library.find(typed)
    assert found.label == label
    assert found.variant is not None
    assert found.variant.format == form


def test_an_unknown_name_is_told_with_the_nearest_ones(library: Library) -> None:
    with pytest.raises(UnknownName) as caught:
        library.find("qwen2.5-1b")
    assert "qwen2.5-1.5b" in (caught.value.hint or "")


def test_an_unknown_quantisation_is_told_with_those_there_are(library: Library) -> None:
    with pytest.raises(UnknownName, match="variant of mistral-7b") as caught:
        library.find("mistral-7b@q4_km")
    assert "q4_k_m" in (caught.value.hint or "")


def write(folder: Path, content: object) -> Path:
    path = folder / "models.json"
    path.write_text(json.dumps(content))
    return path


def test_a_models_json_adds_models_and_overrides_facts_and_says_so(tmp_path: Path) -> None:
    home, folder = tmp_path / "home", tmp_path / "here"
    home.mkdir()
    folder.mkdir()
    write(home, {"mine": {"capabilities": ["chat"], "card": {"licence": "MIT", "context_length": 2048}}})
    path = write(folder, {"models": {"qwen2.5-3b": {"card": {"licence": "LicenseRef-Bought", "bases": []}}}})
    library = load_library(home, folder)
    assert library.find("mine").card.context_length == 2048
    changed = library.cards["qwen2.5-3b"]
    assert changed.licence == "LicenseRef-Bought"
    assert changed.sources["licence"] == str(path)
    assert changed.variants == load_library().cards["qwen2.5-3b"].variants, "what the file does not say stays"


def test_an_override_of_a_fact_that_there_is_not_is_refused_with_its_place(tmp_path: Path) -> None:
    path = write(tmp_path, {"mine": {"card": {"licens": "MIT"}}})
    with pytest.raises(InvalidFile, match=r"mine\.card\.licens") as caught:
        load_library(tmp_path)
    assert "licence" in (caught.value.hint or "")
    assert str(path) in caught.value.message


def test_a_foreign_models_json_in_this_folder_is_passed_over_and_told(tmp_path: Path) -> None:
    write(tmp_path, ["not", "ours"])
    library = load_library(None, tmp_path)
    assert any("models.json" in note for note in library.notes)
    with pytest.raises(InvalidFile):
        load_library(tmp_path)


def test_a_version_that_the_card_does_not_have_is_an_error() -> None:
    library = Library([ModelCard("m", extra={"version": 2})])
    assert library.find("m:2").card.alias == "m"
    with pytest.raises(BadInput, match="version 3"):
        library.find("m:3")
