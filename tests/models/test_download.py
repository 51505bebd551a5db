"""Which files make a model, that they come all or none, and that no name leads out of the cache."""

from collections.abc import Iterator
from pathlib import Path
from threading import Event

import pytest

from hub.loopback import COMMIT, Hub, Repository, Status, Wrong, git_id, loopback_hub
from hub.told import Told
from shortlist.errors import DoesNotFit, HubError, UnknownName, Unverified
from shortlist.models import download
from shortlist.models.blobs import Blobs, safe_path
from shortlist.models.cache import find_files
from shortlist.models.catalogue import Found
from shortlist.models.contact import ask
from shortlist.models.download import carry_out, choose_files, plan, require_room
from shortlist.models.hub import Contact, contact
from shortlist.models.kinds import check_content, check_name
from shortlist.models.transfer import Line
from shortlist.records import ModelCard, ModelFile, Variant

ONNX = {
    "cpu/genai_config.json": b'{"model": {}}',
    "cpu/model.onnx": b"\x08\x07" + b"o" * 50_000,
    "cpu/model.onnx.data": b"d" * 400_000,
    "cpu/tokenizer.json": b"{}",
    "cpu/run.py": b"print()",
    "README.md": b"# read",
}
FOLDER = Variant("onnx", "int4", (), "o/onnx", folder="cpu")


@pytest.fixture
def hub(monkeypatch: pytest.MonkeyPatch) -> Iterator[Hub]:
    from huggingface_hub import close_session

    with loopback_hub({"o/onnx": Repository(dict(ONNX))}) as found:
        monkeypatch.setenv("HF_ENDPOINT", found.url)
        yield found
        close_session()


def bring(root: Path, variant: Variant = FOLDER) -> tuple[Path, ...]:
    told = Told()
    found = Found(ModelCard("m", variants=(variant,)), variant)
    planned = plan(found, contact(str(variant.repository)), root, ref="main")
    return carry_out(planned, Line(told, Event(), wait=told.wait))


def test_a_folder_comes_whole_several_files_at_once_and_without_its_scripts(hub: Hub, tmp_path: Path) -> None:
    hub.speed = 2e6
    paths = bring(tmp_path)
    assert {path.name: path.read_bytes() for path in paths} == {
        Path(name).name: data for name, data in ONNX.items() if name.startswith("cpu/") and not name.endswith(".py")
    }
    assert hub.most_at_once > 1
    assert find_files(tmp_path, FOLDER) is not None


@pytest.mark.parametrize("name", sorted(name for name in ONNX if name.startswith("cpu/") and not name.endswith(".py")))
def test_one_file_that_fails_leaves_no_model_and_the_next_try_has_it(hub: Hub, tmp_path: Path, name: str) -> None:
    hub.faults[name] = [Wrong(1)]
    with pytest.raises(Unverified, match="its digest is"):
        bring(tmp_path)
    assert find_files(tmp_path, FOLDER) is None
    assert not (tmp_path / "models--o--onnx" / "snapshots").exists()
    assert not (tmp_path / "models--o--onnx" / "refs").exists()
    bring(tmp_path)
    assert find_files(tmp_path, FOLDER) is not None


def test_what_is_there_is_not_fetched_again(hub: Hub, tmp_path: Path) -> None:
    bring(tmp_path)
    sent = dict(hub.sent)
    bring(tmp_path)
    assert dict(hub.sent) == sent


def listing(*names: str, **sizes: int) -> Contact:
    files = {name: ModelFile(name, 10, "a" * 64) for name in names}
    return Contact("o/r", COMMIT, files, None, is_gated=False)


def chosen(told: Contact, *files: str) -> tuple[str, ...]:
    variant = Variant("gguf", None, tuple(ModelFile(name, None) for name in files), "o/r")
    return choose_files(Found(ModelCard("m", variants=(variant,)), variant), told)[0]


def test_a_repositorys_name_alone_means_its_preferred_file() -> None:
    told = listing("m-Q8_0.gguf", "m-Q4_K_M.gguf", "m-Q4_K_S.gguf", "mmproj-m-Q4_K_M.gguf", "README.md")
    assert chosen(told) == ("m-Q4_K_M.gguf",)
    assert chosen(listing("only.gguf")) == ("only.gguf",)
    with pytest.raises(UnknownName, match="GGUF file"):
        chosen(listing("a.gguf", "b.gguf"))


def test_all_parts_of_a_split_file_come() -> None:
    parts = tuple(f"m-0000{number}-of-00003.gguf" for number in (1, 2, 3))
    assert chosen(listing(*parts), parts[0]) == parts
    with pytest.raises(HubError, match="one of 3 parts"):
        chosen(listing(*parts[:2]), parts[0])


@pytest.mark.parametrize(
    "path",
    [
        "../x.gguf",
        "a/../../x.gguf",
        "/etc/x.gguf",
        "a//x.gguf",
        "a\\..\\x.gguf",
        "C:x.gguf",
        "a/./x",
        "nul.gguf",
        "x\n.gguf",
        "x\u202e.gguf",
        "x. ",
        "",
    ],
)
def test_a_path_that_is_none_is_refused(path: str) -> None:
    with pytest.raises(Unverified):
        safe_path(path)


def test_a_link_in_the_cache_does_not_lead_out_of_it(hub: Hub, tmp_path: Path) -> None:
    outside, inside = tmp_path / "outside", tmp_path / "cache" / "models--o--onnx" / "snapshots"
    outside.mkdir()
    inside.mkdir(parents=True)
    (inside / COMMIT).symlink_to(outside)
    with pytest.raises(Unverified, match="leads out of the cache"):
        bring(tmp_path / "cache")
    assert list(outside.iterdir()) == []


@pytest.mark.parametrize("name", ["o/../x", "o", "o/a--b", "o/.x", "../../etc"])
def test_a_repository_that_is_none_is_refused(tmp_path: Path, name: str) -> None:
    with pytest.raises(Unverified):
        Blobs(tmp_path, name)


@pytest.mark.parametrize("name", ["pytorch_model.bin", "m.pt", "m.ckpt", "m.pkl", "run.py", "lib.so", "x.gguf.exe"])
def test_pickles_and_programs_are_refused_by_their_name(name: str) -> None:
    with pytest.raises(Unverified, match="is not fetched"):
        check_name(name)


@pytest.mark.parametrize(
    ("name", "head"),
    [
        ("m.gguf", b"PK\x03\x04"),
        ("m.gguf", b"<!doctype html>"),
        ("m.onnx", b"\x80\x04\x95"),
        ("m.safetensors", b"\x80\x02"),
        ("tokenizer.json", b"\x7fELF"),
        ("notes.txt", b"#!/bin/sh"),
    ],
)
def test_pickles_and_programs_are_refused_by_their_content(tmp_path: Path, name: str, head: bytes) -> None:
    (tmp_path / "f").write_bytes(head + b"x" * 100)
    with pytest.raises(Unverified):
        check_content(name, tmp_path / "f")


def test_a_disk_without_room_is_told_before_a_byte(hub: Hub, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    found = Found(ModelCard("m", variants=(FOLDER,)), FOLDER)
    planned = plan(found, contact("o/onnx"), tmp_path)
    # a full disk takes root to make; what is asked of it is one number
    monkeypatch.setattr(download, "room_on_disk", lambda _: 64_000_000 + planned.to_fetch_bytes - 1)
    with pytest.raises(DoesNotFit, match="are to be fetched"):
        require_room([planned], tmp_path)
    monkeypatch.setattr(download, "room_on_disk", lambda _: 64_000_000 + planned.to_fetch_bytes)
    require_room([planned], tmp_path)
    assert not hub.sent


def test_a_hub_that_tells_another_digest_of_a_pinned_commit_is_not_believed(hub: Hub, tmp_path: Path) -> None:
    ask("o/onnx", tmp_path)
    hub.repositories["o/onnx"].files["cpu/model.onnx"] = b"\x08\x07other"
    with pytest.raises(Unverified, match="tells another digest"):
        ask("o/onnx", tmp_path)


def test_a_pinned_commit_is_what_comes_although_there_is_a_newer_one(hub: Hub, tmp_path: Path) -> None:
    ask("o/onnx", tmp_path)
    hub.repositories["o/onnx"].renew("d" * 40, README__md=b"newer")
    assert ask("o/onnx", tmp_path).contact.revision == COMMIT
    assert ask("o/onnx", tmp_path, "main").contact.revision == "d" * 40


@pytest.mark.parametrize("body", [b"[]", b'{"sha": 3}', b"not JSON", b'{"sha": "x", "siblings": [{}]}'])
def test_an_answer_that_is_none_is_told(hub: Hub, body: bytes) -> None:
    hub.raw["api"] = body
    with pytest.raises(HubError):
        contact("o/onnx")


def test_a_small_files_digest_is_gits() -> None:
    assert git_id(b"hello\n") == "ce013625030ba8dba906f756967f9e9ca394464a"


def test_a_busy_hub_is_told_as_passing(hub: Hub) -> None:
    hub.faults["api"] = [Status(429, {"Retry-After": "3"})]
    with pytest.raises(HubError) as busy:
        contact("o/onnx")
    assert (busy.value.is_passing, busy.value.retry_after_s) == (True, 3.0)
