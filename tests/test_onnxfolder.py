"""What an ONNX folder says of itself, and what is refused before an engine sees it."""

import json
import os
from collections.abc import Callable
from contextlib import suppress
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from onnx_folders import FOLDER, genai_config, write_folder
from shortlist.errors import InvalidModel
from shortlist.onnxfolder import MAX_CONFIG_BYTES, read_folder

TEMPLATE = {"user": "<u>{Content}</u>", "prompt": "<u>{Content}</u>\n<a>"}


def test_the_demo_models_folder_is_read_whole() -> None:
    folder = read_folder(FOLDER)
    assert (folder.kind, folder.context_length, folder.providers) == ("llama", 1024, ())
    assert (folder.layers, folder.width, folder.heads, folder.kv_heads, folder.head_size) == (2, 64, 2, 2, 32)
    assert folder.vocabulary == 768
    assert folder.weights_bytes == sum((FOLDER / name).stat().st_size for name in ("model.onnx", "model.onnx.data"))
    assert folder.name == "notes-small"
    assert folder.template is not None
    assert folder.template["prompt"].endswith("<|im_start|>assistant\n")


def decoder(config: dict[str, Any]) -> dict[str, Any]:
    found: dict[str, Any] = config["model"]["decoder"]
    return found


@pytest.mark.parametrize(
    ("change", "says"),
    [
        (lambda c: c.clear(), "model"),
        (lambda c: c["model"].update(context_length=0), "context_length"),
        (lambda c: c["model"].update(context_length=10**30), "context_length"),
        (lambda c: decoder(c).update(num_hidden_layers="two"), "num_hidden_layers"),
        (lambda c: decoder(c).update(filename="../../other/model.onnx"), "leads out"),
        (lambda c: decoder(c).update(filename="/etc/passwd"), "leads out"),
        (lambda c: decoder(c).update(filename="gone.onnx"), "is missing"),
        (lambda c: c["model"].update(vision={"filename": "../vision.onnx"}), "leads out"),
        (lambda c: c["model"].update(speech={"config_filename": "../speech.json"}), "leads out"),
        (lambda c: decoder(c)["session_options"].update(custom_ops_library="ops.bin"), "names code"),
        (
            lambda c: decoder(c)["session_options"].update(provider_options=[{"QNN": {"backend": "x.dll"}}]),
            "names code",
        ),
        (lambda c: decoder(c)["session_options"].update(provider_options=[{"X": {"path": "a.so"}}]), "names code"),
        (lambda c: decoder(c)["session_options"].update(provider_options="cuda"), "provider_options"),
    ],
)
def test_absurd_dangerous_or_incomplete_manifests_are_refused(
    tmp_path: Path, change: Callable[[dict[str, Any]], object], says: str
) -> None:
    with pytest.raises(InvalidModel, match=says) as caught:
        read_folder(write_folder(tmp_path / "m", change))
    assert caught.value.hint


@pytest.mark.parametrize(
    ("name", "content", "says"),
    [
        ("genai_config.json", b"{", "not JSON"),
        ("genai_config.json", b"[" * 100_000, "not JSON|bytes"),
        ("genai_config.json", b" " * (MAX_CONFIG_BYTES + 1), "at most"),
        ("genai_config.json", b"\xff\xfe", "not JSON"),
        ("model.onnx", b"PK\x03\x04torch", "pickle"),
        ("model.onnx", b"", "empty"),
        ("model.onnx", b"version https://git-lfs.github.com/spec/v1\n", "LFS"),
        ("inference_model.json", b'{"PromptTemplate": {"user": "{Content}"}}', "prompt"),
        ("inference_model.json", b'{"PromptTemplate": {"prompt": "no place"}}', "not once"),
        ("inference_model.json", b'{"PromptTemplate": {"prompt": "{Content}{Content}"}}', "not once"),
        ("inference_model.json", b'{"PromptTemplate": {"prompt": 3}}', "PromptTemplate"),
    ],
)
def test_files_that_are_not_what_they_should_be_are_refused(
    tmp_path: Path, name: str, content: bytes, says: str
) -> None:
    folder = write_folder(tmp_path / "m")
    (folder / name).write_bytes(content)
    with pytest.raises(InvalidModel, match=says):
        read_folder(folder)


def test_links_may_not_lead_out_nor_pipes_block(tmp_path: Path) -> None:
    folder = write_folder(tmp_path / "m")
    (tmp_path / "secret").write_bytes(b"x")
    (folder / "extra.data").symlink_to(tmp_path / "secret")
    with pytest.raises(InvalidModel, match="leads out"):
        read_folder(folder)
    (folder / "extra.data").unlink()
    (folder / "model.onnx").unlink()
    os.mkfifo(folder / "model.onnx")
    with pytest.raises(InvalidModel, match="missing"):
        read_folder(folder)


def test_a_snapshot_of_the_hugging_face_cache_may_link_to_its_blobs(tmp_path: Path) -> None:
    home = tmp_path / "models--o--m"
    folder = write_folder(home / "snapshots" / "abc" / "cpu")
    (home / "blobs").mkdir()
    blob = home / "blobs" / "0123"
    (folder / "model.onnx.data").rename(blob)
    (folder / "model.onnx.data").symlink_to(os.path.relpath(blob, folder))
    assert read_folder(folder).weights_bytes == 4102


def test_a_folder_built_for_a_gpu_says_so(tmp_path: Path) -> None:
    options = [{"cuda": {"enable_cuda_graph": "0"}}, {"CPU": {}}]
    folder = write_folder(tmp_path, lambda c: decoder(c)["session_options"].update(provider_options=options))
    assert read_folder(folder).providers == ("cuda",)


@settings(max_examples=20)
@given(st.data())
def test_no_manifest_breaks_the_reader(tmp_path_factory: pytest.TempPathFactory, data: st.DataObject) -> None:
    """Any JSON in any place: facts or InvalidModel, nothing else."""
    values = st.recursive(
        st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False) | st.text(max_size=8),
        lambda inside: st.lists(inside, max_size=3) | st.dictionaries(st.text(max_size=8), inside, max_size=3),
        max_leaves=8,
    )
    config = json.loads(genai_config())
    place = data.draw(st.sampled_from([config, config["model"], decoder(config), decoder(config)["session_options"]]))
    place[data.draw(st.sampled_from([*place, "other"]))] = data.draw(values)
    folder = write_folder(tmp_path_factory.mktemp("m"))
    (folder / "genai_config.json").write_text(json.dumps(config))
    with suppress(InvalidModel):
        assert read_folder(folder).context_length > 0
