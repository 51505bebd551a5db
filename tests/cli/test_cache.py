"""`shortlist cache` and `model add | remove`, as a user meets them: real files, a real cache layout, a loopback Hub."""

import json
import os
import signal
import subprocess
from itertools import islice
from pathlib import Path

import pytest

from cli.commands import Done, argv, environment, shortlist
from gguf_files import llama_bytes
from hub.loopback import Repository, loopback_hub
from models.hf_cache import FIRST, blob_name, lay_out, on_disk, unfinished
from onnx_folders import write_folder
from shortlist import demo
from shortlist.clock import sleep_blocking_ns
from shortlist.models.catalogue import load_library
from shortlist.models.moving import move_store, place_copy
from shortlist.models.refs import resolve
from shortlist.models.shelf import Added, digests, register
from shortlist.settings import load

MODEL = llama_bytes()


def run(tmp_path: Path, *args: object, **env: str) -> Done:
    where = {"SHORTLIST_HOME": str(tmp_path / "home"), "HF_HOME": str(tmp_path / "hf"), "HF_HUB_OFFLINE": "1"}
    return shortlist(*args, cwd=tmp_path, **{**where, **env})


def hub_folder(tmp_path: Path) -> Path:
    return tmp_path / "hf" / "hub"


def test_list_tells_alias_id_size_last_use_and_completeness(tmp_path: Path) -> None:
    name = "qwen2.5-0.5b-instruct-q4_k_m.gguf"
    folder = lay_out(hub_folder(tmp_path), "Qwen/Qwen2.5-0.5B-Instruct-GGUF", {name: MODEL, "README.md": b"hello"})
    lay_out(hub_folder(tmp_path), "o/split", {"m-00001-of-00002.gguf": MODEL})
    lay_out(hub_folder(tmp_path), "google/bert", {"model.safetensors": b"w" * 999, "config.json": b"{}"})
    unfinished(folder, 1234)
    done = run(tmp_path, "cache", "list", "--json")
    entries = {(one["id"], one["problem"]): one for one in done.json["data"]}
    model = entries[f"hf:Qwen/Qwen2.5-0.5B-Instruct-GGUF/{name}", None]
    assert (model["alias"], model["size_bytes"], model["is_complete"]) == ("qwen2.5-0.5b@q4_k_m", len(MODEL), True)
    assert model["last_used_by"] == "access time"
    assert entries["hf:o/split/m-00001-of-00002.gguf", "1 of 2 parts are missing"]["is_complete"] is False
    assert entries["hf:google/bert", None]["size_bytes"] == 999 + 2
    assert entries["hf:Qwen/Qwen2.5-0.5B-Instruct-GGUF", "a download did not end"]["size_bytes"] == 1234
    total = sum(one["size_bytes"] for one in done.json["data"])
    disk = sum(size for path, size in on_disk(hub_folder(tmp_path)).items() if "/blobs/" in path)
    assert total == disk, "the rows add up to what lies there"
    table = run(tmp_path, "cache", "list")
    assert max(map(len, table.out.splitlines())) <= 80
    assert "not complete" in table.out


def test_a_blob_that_went_away_makes_its_model_incomplete(tmp_path: Path) -> None:
    folder = lay_out(hub_folder(tmp_path), "o/r", {"m.gguf": MODEL})
    (folder / "blobs" / blob_name("m.gguf", MODEL)).unlink()
    (entry,) = run(tmp_path, "cache", "list", "--json").json["data"]
    assert (entry["is_complete"], entry["problem"]) == (False, "m.gguf is missing")


def test_all_parts_of_a_split_model_go_together(tmp_path: Path) -> None:
    parts = {f"m-0000{number}-of-00003.gguf": MODEL + bytes([number]) for number in (1, 2, 3)}
    lay_out(hub_folder(tmp_path), "o/r", {**parts, "other.gguf": MODEL})
    entries = {one["id"]: one for one in run(tmp_path, "cache", "list", "--json").json["data"]}
    first = entries["hf:o/r/m-00001-of-00003.gguf"]
    assert (first["is_complete"], first["size_bytes"]) == (True, 3 * (len(MODEL) + 1))
    done = run(tmp_path, "cache", "remove", "hf:o/r/m-00001-of-00003.gguf", "--yes", "--json")
    assert done.json["data"]["frees_bytes"] == 3 * (len(MODEL) + 1)
    assert [one["id"] for one in run(tmp_path, "cache", "list", "--json").json["data"]] == ["hf:o/r/other.gguf"]


def test_each_onnx_folder_of_a_repository_is_a_model_with_its_alias(tmp_path: Path) -> None:
    home = "cpu_and_mobile/cpu-int4-awq-block-128-acc-level-4"
    files = {f"{home}/genai_config.json": b"{}", f"{home}/model.onnx": b"o" * 700, "cuda/genai_config.json": b"{1}",
             "cuda/model.onnx": b"c" * 900, "README.md": b"words"}  # fmt: skip
    folder = lay_out(hub_folder(tmp_path), "microsoft/Phi-3.5-mini-instruct-onnx", files)
    entries = {one["id"]: one for one in run(tmp_path, "cache", "list", "--json").json["data"]}
    name = "hf:microsoft/Phi-3.5-mini-instruct-onnx"
    assert (entries[f"{name}/{home}"]["alias"], entries[f"{name}/{home}"]["size_bytes"]) == ("phi-3.5-mini@onnx", 702)
    assert (entries[f"{name}/cuda"]["alias"], entries[f"{name}/cuda"]["size_bytes"]) == (None, 903)
    assert entries[name]["size_bytes"] == len("words")
    freed = run(tmp_path, "cache", "remove", f"{name}/cuda", "--dry-run", "--json").json["data"]
    assert freed["frees_bytes"] == 903
    unfinished(folder, 10)
    told = {one["id"]: one["problem"] for one in run(tmp_path, "cache", "list", "--json").json["data"]}
    assert told[f"{name}/{home}"] == "a download did not end", "which folder it was for cannot be told"


def test_what_a_user_wrote_beside_the_last_added_model_is_kept(tmp_path: Path) -> None:
    (tmp_path / "mine.gguf").write_bytes(MODEL)
    assert run(tmp_path, "model", "add", "mine", "mine.gguf").code == 0
    listing = tmp_path / "home" / "models.json"
    listing.write_text(json.dumps({**json.loads(listing.read_text()), "prompts": ["Why?"]}))
    assert run(tmp_path, "model", "remove", "mine").code == 0
    assert run(tmp_path, "model", "list").code == 0
    assert json.loads((tmp_path / "home" / "models.json.old").read_text())["prompts"] == ["Why?"]


def test_location_tells_which_variable_decides(tmp_path: Path) -> None:
    done = run(tmp_path, "cache", "location", "--json")
    hub, store = done.json["data"]
    assert (hub["path"], hub["source"]) == (str(hub_folder(tmp_path)), "HF_HOME")
    assert store["path"] == str(tmp_path / "home" / "models")


@pytest.mark.slow
def test_add_names_a_file_where_it_lies_and_remove_leaves_it_there(tmp_path: Path) -> None:
    (tmp_path / "mine.gguf").write_bytes(MODEL)
    added = run(tmp_path, "model", "add", "mine", "mine.gguf", "--licence", "mit", "--capability", "chat")
    assert added.code == 0, added.err
    info = run(tmp_path, "model", "info", "mine", "--json").json["data"]
    assert (info["path"], info["licence"], info["capabilities"]) == (str(tmp_path / "mine.gguf"), "MIT", ["chat"])
    assert on_disk(tmp_path / "home").keys() == {"added.json", "models.json"}, "nothing was copied"
    (entry,) = run(tmp_path, "cache", "list", "--json").json["data"]
    assert (entry["alias"], entry["place"]) == ("mine", "added")
    gone = run(tmp_path, "model", "remove", "mine")
    assert gone.code == 0
    assert (tmp_path / "mine.gguf").read_bytes() == MODEL
    assert run(tmp_path, "model", "info", "mine").code == 2


@pytest.mark.slow
def test_add_takes_an_onnx_folder_and_refuses_pickles_ways_out_and_taken_names(tmp_path: Path) -> None:
    folder = write_folder(tmp_path / "onnx")
    assert run(tmp_path, "model", "add", "mine-onnx", folder).code == 0
    assert resolve("mine-onnx", load_library(tmp_path / "home")).variant.format == "onnx"
    asked = run(tmp_path, "model", "run", "mine-onnx", "--prompt", "hi", "--engine", "llamacpp")
    assert (asked.code, "is an ONNX model" in asked.err, "--engine onnx_genai" in asked.err) == (2, True, True)
    (folder / "weights.pt").write_bytes(b"PK\x03\x04rest")
    pickle = run(tmp_path, "model", "add", "other", folder)
    assert (pickle.code, "pickle" in pickle.err) == (2, True)
    (folder / "weights.pt").unlink()
    (folder / "out.data").symlink_to("/etc/hostname")
    out = run(tmp_path, "model", "add", "other", folder)
    assert (out.code, "leads out" in out.err) == (2, True)
    (tmp_path / "x.gguf").write_bytes(MODEL)
    for name, says in (
        ("qwen2.5-0.5b", "catalogue"),
        ("../x", "cannot be"),
        ("notes-large", "catalogue"),
        ("mine-onnx", "is "),
    ):
        refused = run(tmp_path, "model", "add", name, "x.gguf")
        assert refused.code == 2
        assert says in refused.err
    (tmp_path / "cut.gguf").write_bytes(MODEL[:100])
    assert run(tmp_path, "model", "add", "cut", "cut.gguf").code == 2


@pytest.mark.slow
def test_a_bench_is_the_last_use(tmp_path: Path) -> None:
    assert run(tmp_path, "model", "add", "mine", demo.demo_model_path("notes-small")).code == 0
    done = run(tmp_path, "bench", "mine", "--rounds", 1, "--warmup", 0, "--max-tokens", 2, "--threads", 1)
    assert done.code == 0, done.err
    (entry,) = run(tmp_path, "cache", "list", "--json").json["data"]
    assert entry["last_used_by"] == "bench"


@pytest.mark.slow
def test_remove_and_prune_show_the_plan_and_do_nothing_unasked(tmp_path: Path) -> None:
    folder = lay_out(hub_folder(tmp_path), "o/r", {"m.gguf": MODEL})
    unfinished(folder, 5000)
    before = on_disk(hub_folder(tmp_path))
    for typed in (("cache", "prune"), ("cache", "remove", "hf:o/r"), ("model", "remove", "hf:o/r/m.gguf")):
        refused = run(tmp_path, *typed)
        assert refused.code == 2
        assert "--yes" in refused.err
        assert "to be freed" in refused.out
        assert run(tmp_path, *typed, "--dry-run").code == 0
    assert on_disk(hub_folder(tmp_path)) == before
    pruned = run(tmp_path, "cache", "prune", "--yes", "--json")
    assert pruned.json["data"]["frees_bytes"] == 5000
    assert run(tmp_path, "cache", "remove", "hf:o/r", "--yes").code == 0
    assert on_disk(hub_folder(tmp_path)) == {}
    again = run(tmp_path, "cache", "remove", "hf:o/r", "--yes")
    assert again.code == 1
    assert "not in the cache" in again.err


@pytest.mark.slow
def test_verify_finds_one_flipped_byte_and_fetches_that_file_alone(tmp_path: Path) -> None:
    files = {"m.gguf": MODEL, "other.gguf": MODEL + b"\0" * 8, "config.json": b'{"a": 1}'}
    folder = lay_out(hub_folder(tmp_path), "o/r", files, FIRST)
    assert run(tmp_path, "cache", "verify").code == 0
    blob = folder / "blobs" / blob_name("m.gguf", MODEL)
    blob.write_bytes(MODEL[:50] + bytes([MODEL[50] ^ 1]) + MODEL[51:])
    told = run(tmp_path, "cache", "verify", "--dry-run")
    assert told.code == 1
    assert "broken" in told.out
    offline = run(tmp_path, "cache", "verify", "--yes")
    assert (offline.code, "HF_HUB_OFFLINE" in offline.err) == (1, True)
    with loopback_hub({"o/r": Repository(files, commit=FIRST)}) as hub:
        mended = run(tmp_path, "cache", "verify", "hf:o/r", "--yes", HF_ENDPOINT=hub.url, HF_HUB_OFFLINE="0")
        assert mended.code == 0, mended.err
        assert set(hub.sent) == {"m.gguf"}, "only what is broken is fetched"
    assert blob.read_bytes() == MODEL
    assert run(tmp_path, "cache", "verify").code == 0


def test_verify_tells_of_an_added_file_that_changed(tmp_path: Path) -> None:
    path = tmp_path / "mine.gguf"
    path.write_bytes(MODEL)
    run(tmp_path, "model", "add", "mine", path)
    path.write_bytes(MODEL[:-1] + bytes([MODEL[-1] ^ 1]))
    done = run(tmp_path, "cache", "verify", "mine", "--yes")
    assert done.code == 1
    assert "a file of yours" in done.err


@pytest.mark.parametrize("is_linkable", [True, False])
def test_a_move_that_ends_after_any_step_leaves_every_model_and_goes_on(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, is_linkable: bool
) -> None:
    def no_links(*_: object) -> None:
        raise OSError(18, "another file system")

    if not is_linkable:
        monkeypatch.setattr(os, "link", no_links)
    monkeypatch.chdir(tmp_path)
    steps, ended = 0, False
    while not ended:
        home = tmp_path / f"home{steps}"
        monkeypatch.setenv("SHORTLIST_HOME", str(home))
        for name in ("notes-small", "notes-medium"):
            place = demo.demo_model_path(name)
            copy = home / "models" / name / place.name
            place_copy(place, copy)
            register(home, f"my-{name}", Added(str(copy), "2026-11-26", digests(copy, (copy,))))
        moving = move_store(load(), tmp_path / f"target{steps}")
        told = list(islice(moving, steps))
        ended = bool(told) and told[-1].startswith("removed")
        del moving  # it never goes on from where it stands, as after a kill
        for attempt in (0, 1):
            for name in ("notes-small", "notes-medium"):
                path = resolve(f"my-{name}", load_library(home)).path
                assert path is not None
                assert path.read_bytes() == demo.demo_model_path(name).read_bytes()
            if attempt == 0 and not ended:
                list(move_store(load(), tmp_path / f"target{steps}"))
        assert load().store == tmp_path / f"target{steps}"
        assert not (home / "models").exists(), "the old place is empty and gone"
        steps += 1
    assert steps >= 6


@pytest.mark.slow
def test_a_move_killed_in_the_middle_loses_nothing(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    home = tmp_path / "home"
    monkeypatch.setenv("SHORTLIST_HOME", str(home))
    big = tmp_path / "big.gguf"
    big.write_bytes(MODEL + os.urandom(40 * 10**6))
    for number in range(3):
        assert shortlist("model", "add", f"big-{number}", big, "--copy", cwd=tmp_path).code == 0
    for round_ in range(6):
        target = tmp_path / f"target{round_}"
        process = subprocess.Popen(
            argv("cache", "move", target), cwd=tmp_path, env=environment(), stderr=subprocess.PIPE, text=True
        )
        assert process.stderr is not None
        for _ in range(round_):
            process.stderr.readline()
        process.send_signal(signal.SIGKILL)
        process.communicate()
        for number in range(3):
            path = resolve(f"big-{number}", load_library(home)).path
            assert path is not None
            assert path.stat().st_size == big.stat().st_size
    assert shortlist("cache", "move", tmp_path / "last", cwd=tmp_path).code == 0
    assert shortlist("cache", "verify", cwd=tmp_path, HF_HOME=str(tmp_path / "hf")).code == 0


@pytest.mark.slow
@pytest.mark.engine
def test_a_model_is_downloaded_listed_run_verified_and_freed(tmp_path: Path) -> None:
    data = demo.demo_model_path("notes-large").read_bytes()
    name = "hf:o/r/notes.gguf"
    with loopback_hub({"o/r": Repository({"notes.gguf": data})}) as hub:
        env = {"HF_ENDPOINT": hub.url, "HF_HUB_OFFLINE": "0"}
        assert run(tmp_path, "model", "download", name, **env).code == 0
    (entry,) = run(tmp_path, "cache", "list", "--json").json["data"]
    assert (entry["id"], entry["size_bytes"], entry["is_complete"]) == (name, len(data), True)
    typed = ("model", "run", name, "--prompt", "Priya will send the budget by Friday.")
    assert "Owner: Priya" in run(tmp_path, *typed, SHORTLIST_THREADS="1").out
    (entry,) = run(tmp_path, "cache", "list", "--json").json["data"]
    assert entry["last_used_by"] == "run"
    assert run(tmp_path, "cache", "verify", name).code == 0
    freed = run(tmp_path, "model", "remove", name, "--yes", "--json").json["data"]
    assert freed["frees_bytes"] == len(data)
    assert not any("/blobs/" in path for path in on_disk(hub_folder(tmp_path)))
    assert run(tmp_path, *typed).code == 1


@pytest.mark.slow
def test_a_download_killed_in_the_middle_is_not_complete_and_prune_gives_it_up_later(tmp_path: Path) -> None:
    data = MODEL + os.urandom(4 * 10**6)
    with loopback_hub({"o/r": Repository({"m.gguf": data})}) as hub:
        hub.speed = 2e6
        env = environment(
            HF_ENDPOINT=hub.url, HF_HOME=str(tmp_path / "hf"), SHORTLIST_HOME=str(tmp_path / "home"), HF_HUB_OFFLINE="0"
        )
        with subprocess.Popen(
            argv("model", "download", "hf:o/r/m.gguf"), cwd=tmp_path, env=env, stderr=subprocess.DEVNULL
        ) as child:
            while not (parts := list(hub_folder(tmp_path).rglob("*.incomplete"))) or parts[0].stat().st_size < 10**6:
                assert child.poll() is None
                sleep_blocking_ns(10**7)
            going = run(tmp_path, "cache", "prune", "--yes")
            assert "it may go on" in going.err
            assert parts[0].exists(), "its lock is held"
            child.kill()
    (entry,) = run(tmp_path, "cache", "list", "--json").json["data"]
    assert (entry["is_complete"], entry["problem"]) == (False, "a download did not end")
    os.utime(parts[0], (1, 1))
    left = parts[0].stat().st_size
    assert run(tmp_path, "cache", "prune", "--yes", "--json").json["data"]["frees_bytes"] == left
    assert on_disk(hub_folder(tmp_path)).keys() <= {f".locks/models--o--r/{blob_name('m.gguf', data)}.lock"}
