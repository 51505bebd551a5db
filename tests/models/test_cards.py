"""Cards: made from a file's header, checked before they are proposed."""

import json
from dataclasses import replace
from pathlib import Path

import pytest

from gguf_files import llama_bytes
from shortlist.errors import BadInput, InvalidModel
from shortlist.models.cards import Told, card_json, new_card, problems_of
from shortlist.models.catalogue import read_card, shipped_cards
from shortlist.records import Architecture, BaseModel, ModelCard, ModelFile, Variant

TOLD = Told("mine", "me/mine-GGUF", "mit", ("o/base=apache-2.0",), ("chat",), "the model's page")


@pytest.fixture
def model(tmp_path: Path) -> Path:
    path = tmp_path / "Mine.gguf"
    path.write_bytes(llama_bytes())
    return path


def test_a_new_card_holds_what_the_header_and_the_person_say_each_with_its_source(model: Path) -> None:
    card = new_card(str(model), TOLD)
    assert (card.alias, card.licence, card.family, card.context_length) == ("mine", "MIT", "llama", 256)
    assert card.bases == (BaseModel("o/base", "Apache-2.0", "the model's page"),)
    assert card.sources["licence"] == "the model's page"
    assert card.sources["architecture"] == card.sources["context_length"] == "GGUF header"
    (variant,) = card.variants
    assert variant.files[0].sha256
    assert variant.repository == "me/mine-GGUF"


def test_a_new_card_is_read_back_and_its_only_problem_is_that_the_test_file_is_no_real_model(
    model: Path, tmp_path: Path
) -> None:
    path = tmp_path / "mine.card.json"
    path.write_text(card_json(new_card(str(model), TOLD)))
    assert [problem.split(":")[0] for problem in problems_of(read_card(path), tmp_path)] == ["$.parameters"]


def test_what_was_not_told_is_null_and_the_check_asks_for_it(model: Path) -> None:
    card = new_card(str(model), Told())
    assert card.alias == "mine"
    assert card.repository is None
    assert any("capabilities" in problem for problem in problems_of(card))


def test_a_bad_licence_or_base_is_refused_while_it_is_typed(model: Path) -> None:
    for told in (Told(licence="my own words"), Told(bases=("o/base=",)), Told(bases=("=MIT",))):
        with pytest.raises(BadInput):
            new_card(str(model), told)


GOOD = shipped_cards()[0]
SHAPE = Architecture(2, 64, 128, 4, 2, 16, 1000)


@pytest.mark.parametrize(
    ("changes", "says"),
    [
        ({"alias": "My Model"}, "$.alias"),
        ({"capabilities": ()}, "$.capabilities"),
        ({"variants": ()}, "$.variants"),
        ({"sources": {}}, "$.sources"),
        ({"licence": None}, "$.licence"),
        ({"licence": "apache-2.0"}, "write Apache-2.0"),
        ({"licence": "whatever"}, "$.licence"),
        ({"bases": ()}, "$.bases"),
        ({"bases": (BaseModel(GOOD.base_model or "", "MIT"),)}, "$.bases[0].source"),
        ({"architecture": None}, "$.architecture"),
        ({"architecture": replace(SHAPE, kv_heads=3)}, "evenly"),
        ({"architecture": replace(SHAPE, layers=0)}, "under 1"),
        ({"architecture": SHAPE}, "$.parameters"),
        ({"variants": (Variant("gguf", "q8_0", source="x"),)}, "$.variants[0].files"),
        ({"variants": (Variant("gguf", "q8_0", (ModelFile("x.gguf", 1),)),)}, "$.variants[0].source"),
        ({"variants": (Variant("gguf", "q8_0", (ModelFile("../x.gguf", 1),), source="x"),)}, "leads out"),
        ({"variants": (Variant("gguf", "q8_0", (ModelFile("x.gguf", 1, "ABC"),), source="x"),)}, "64 hex"),
    ],
)
def test_each_fault_is_told_with_its_place(changes: dict[str, object], says: str) -> None:
    assert any(says in problem for problem in problems_of(replace(GOOD, **changes)))  # type: ignore[arg-type]


def test_a_file_beside_the_card_must_be_what_the_card_says(tmp_path: Path) -> None:
    (tmp_path / "x.gguf").write_bytes(b"12345")
    for file, says in ((ModelFile("x.gguf", 4), "size_bytes"), (ModelFile("x.gguf", 5, "0" * 64), "sha256")):
        card = replace(GOOD, variants=(Variant("gguf", "q8_0", (file,), source="x"),))
        assert any(says in problem for problem in problems_of(card, tmp_path))


def test_an_unknown_key_is_refused_with_its_place_and_the_nearest(tmp_path: Path) -> None:
    path = tmp_path / "x.json"
    path.write_text(json.dumps({"alias": "x", "variants": [{"format": "gguf", "quantization": "q8_0"}]}))
    with pytest.raises(InvalidModel, match=r"variants\[0\].*'quantization'") as caught:
        read_card(path)
    assert "quantisation" in (caught.value.hint or "")


def test_a_demo_card_names_a_key_that_there_is(tmp_path: Path) -> None:
    card = ModelCard("x")
    assert json.loads(card_json(card))["alias"] == "x"
