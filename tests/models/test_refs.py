"""Names of models: demo names, paths, and what is not a model."""

import hashlib
from pathlib import Path

import pytest

from gguf_files import llama_bytes
from shortlist import demo
from shortlist.errors import InvalidModel, NotDownloaded, UnknownName
from shortlist.models.refs import read_card, resolve


def test_a_path_gives_a_variant_by_digest_and_a_card_from_the_header(tmp_path: Path) -> None:
    path = tmp_path / "mine.gguf"
    path.write_bytes(llama_bytes())
    model = resolve(str(path))
    (file,) = model.variant.files
    assert (model.label, model.path, file.path, file.size_bytes) == ("mine", path, "mine.gguf", path.stat().st_size)
    assert file.sha256 == hashlib.sha256(path.read_bytes()).hexdigest()
    assert model.card is not None
    assert model.card.family == "llama"
    assert model.card.sources["context_length"] == "GGUF header"


def test_a_path_is_a_path_whatever_its_ending(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "model.bin").write_bytes(llama_bytes())
    monkeypatch.chdir(tmp_path)
    assert resolve("model.bin").label == "model"


@pytest.mark.parametrize("name", demo.demo_names())
def test_a_demo_name_gives_the_shipped_file_and_its_card(name: str) -> None:
    model = resolve(name)
    assert model.path is not None
    assert model.path.is_file()
    assert model.card is not None
    assert model.card.licence == "Apache-2.0"
    assert model.variant.files[0].sha256 == hashlib.sha256(model.path.read_bytes()).hexdigest()


def test_an_unknown_name_is_told_with_its_neighbours() -> None:
    with pytest.raises(UnknownName) as caught:
        resolve("notes-lage")
    assert "notes-large" in (caught.value.hint or "")


def test_what_is_not_a_model_is_refused(tmp_path: Path) -> None:
    with pytest.raises(InvalidModel, match=r"gone\.gguf"):
        resolve(str(tmp_path / "gone.gguf"))
    with pytest.raises(InvalidModel):
        resolve(str(tmp_path))
    (tmp_path / "card.json").write_text('{"alias": 3}')
    with pytest.raises(InvalidModel, match="not a model card"):
        read_card(tmp_path / "card.json")


def cached(root: Path, repository: str, files: dict[str, bytes]) -> Path:
    """A repository in a Hugging Face cache: its `main`, and a snapshot with these files."""
    place = root / "hub" / f"models--{repository.replace('/', '--')}"
    snapshot = place / "snapshots" / ("a" * 40)
    (place / "refs").mkdir(parents=True)
    (place / "refs" / "main").write_text("a" * 40)
    for name, data in files.items():
        (snapshot / name).parent.mkdir(parents=True, exist_ok=True)
        (snapshot / name).write_bytes(data)
    return snapshot


def test_a_file_of_the_hub_that_is_cached_is_used_where_it_lies(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    snapshot = cached(tmp_path, "o/mine", {"sub/mine.gguf": llama_bytes()})
    monkeypatch.setenv("HF_HOME", str(tmp_path))
    model = resolve("hf:o/mine/sub/mine.gguf")
    assert model.path == snapshot / "sub" / "mine.gguf"
    assert model.variant.repository == "o/mine"
    assert model.variant.files[0].sha256 == hashlib.sha256(llama_bytes()).hexdigest()
    with pytest.raises(NotDownloaded, match="not here") as caught:
        resolve("hf:o/mine/other.gguf")
    assert "shortlist model download hf:o/mine/other.gguf" in (caught.value.hint or "")


def test_an_onnx_folder_that_is_cached_is_taken_whole(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    folder = "cpu_and_mobile/cpu-int4-rtn-block-32-acc-level-4"
    inside = {f"{folder}/genai_config.json": b"{}", f"{folder}/model.onnx": b"x"}
    snapshot = cached(tmp_path, "microsoft/Phi-4-mini-instruct-onnx", inside)
    monkeypatch.setenv("HF_HOME", str(tmp_path))
    model = resolve("phi-4-mini@onnx")
    assert model.path == snapshot / folder
    assert [file.path for file in model.variant.files] == ["genai_config.json", "model.onnx"]


def test_a_file_that_is_called_like_a_model_does_not_stand_in_for_it(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "mistral-7b").write_bytes(llama_bytes())
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("HF_HOME", str(tmp_path))
    with pytest.raises(NotDownloaded):
        resolve("mistral-7b")
    assert resolve("./mistral-7b").label == "mistral-7b"
