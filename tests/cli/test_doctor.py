"""`shortlist doctor`: each finding with what mends it, the exit code, and nothing that needs a network."""

import socket
from pathlib import Path
from typing import Any

import pytest

from cli.commands import Done, shortlist
from hub.loopback import Repository, loopback_hub
from models.hf_cache import lay_out, unfinished

OFFLINE = {"HF_HUB_OFFLINE": "1"}


def doctor(tmp_path: Path, *args: object, **env: str) -> Done:
    where = {"SHORTLIST_HOME": str(tmp_path / "home"), "HF_HOME": str(tmp_path / "hf"), "SHORTLIST_THREADS": "1"}
    return shortlist("doctor", *args, cwd=tmp_path, **{**where, **env})


def findings(done: Done, name: str) -> list[dict[str, Any]]:
    return [one for one in done.json["data"]["findings"] if one["name"] == name]


@pytest.mark.engine
def test_a_sound_host_has_no_failure_and_a_real_chat_with_each_model(tmp_path: Path) -> None:
    done = doctor(tmp_path, "notes-small", "notes-large", "--json", **OFFLINE)
    assert done.code == 0, done.out
    names = {one["name"] for one in done.json["data"]["findings"]}
    always = {"settings", "disk", "memory", "port", "engine", "device", "models", "cache", "policy", "network", "chat"}
    assert names - {"bench"} == always, "a bench is told of only where one runs"
    chats = findings(done, "chat")
    assert [one["state"] for one in chats] == ["ok", "ok"]
    assert all("tok/s" in one["told"] and "on cpu" in one["told"] for one in chats)
    assert "HF_HUB_OFFLINE" in findings(done, "network")[0]["told"]


def test_every_failure_has_a_command_and_the_exit_code_is_one(tmp_path: Path) -> None:
    done = doctor(tmp_path, "qwen2.5-0.5b", "nobody", "--json", **OFFLINE)
    assert done.code == 1
    missing, unknown = findings(done, "chat")
    assert missing["fix"] == "shortlist model download qwen2.5-0.5b"
    assert "unknown model" in unknown["told"]
    assert all(one["fix"] for one in done.json["data"]["findings"] if one["state"] != "ok")


def test_what_is_wrong_with_cache_policy_home_and_engine_is_found(tmp_path: Path) -> None:
    folder = lay_out(tmp_path / "hf" / "hub", "o/r", {"m.gguf": b"w" * 100, "n.gguf": b"v" * 100})
    unfinished(folder, 5000)
    next(path for path in (folder / "blobs").iterdir() if path.stat().st_size == 100).unlink()
    (tmp_path / "p.toml").write_text('[classes]\npermisive = "allow"\n')
    (tmp_path / "file").write_text("a file where a folder should be")
    env = {
        **OFFLINE,
        "SHORTLIST_LICENCE_POLICY": "p.toml",
        "SHORTLIST_ENGINE": "lamacpp",
        "SHORTLIST_STORE": str(tmp_path / "file" / "store"),
    }
    done = doctor(tmp_path, "--no-chat", "--json", **env)
    assert done.code == 1
    told = " ".join(one["told"] for one in findings(done, "cache"))
    assert "is missing" in told
    assert "a download did not end" in told
    assert "5.00 kB that no program can reach" in told
    assert findings(done, "policy")[0]["state"] == "fail"
    assert "permisive" in findings(done, "policy")[0]["told"]
    assert findings(done, "disk")[-1]["state"] == "fail"
    assert findings(done, "engine")[-1]["state"] == "fail"


def test_settings_that_cannot_be_read_are_a_finding_too(tmp_path: Path) -> None:
    done = doctor(tmp_path, "--json", SHORTLIST_ROUNDS="many")
    assert done.code == 1
    (finding,) = done.json["data"]["findings"]
    assert "SHORTLIST_ROUNDS" in finding["told"]


def test_the_hub_is_asked_once_and_one_that_cannot_be_reached_is_a_warning(tmp_path: Path) -> None:
    with loopback_hub({"o/r": Repository({"m.gguf": b"x"})}) as hub:
        good = doctor(tmp_path, "--no-chat", "--json", HF_ENDPOINT=hub.url)
        asked = len(hub.seen)
    assert findings(good, "network") == [{"name": "network", "state": "ok", "told": f"{hub.url} answers", "fix": None}]
    assert asked == 1
    gone = doctor(tmp_path, "--no-chat", "--json", HF_ENDPOINT="http://127.0.0.1:9")
    assert gone.code == 0
    assert findings(gone, "network")[0]["state"] == "warn"
    unasked = doctor(tmp_path, "--no-chat", "--no-network", "--json", HF_ENDPOINT="http://127.0.0.1:9")
    assert findings(unasked, "network")[0]["state"] == "ok"


def test_a_taken_port_is_told(tmp_path: Path) -> None:
    try:
        taken = socket.create_server(("127.0.0.1", 5273))
    except OSError:
        pytest.skip("another program of this host has port 5273")
    with taken:
        done = doctor(tmp_path, "--no-chat", "--json", **OFFLINE)
    (port,) = findings(done, "port")
    assert port["state"] == "warn"
    assert "taken" in port["told"]


def test_for_people_glyph_and_word_in_80_columns_and_ascii(tmp_path: Path) -> None:
    done = doctor(tmp_path, "qwen2.5-0.5b", **OFFLINE)
    assert "✓ ok" in done.out
    assert "✕ fail" in done.out
    assert max(map(len, done.out.splitlines())) <= 80 + len(str(tmp_path)), "only a long path is longer"
    plain = doctor(tmp_path, "qwen2.5-0.5b", "--ascii", **OFFLINE)
    assert plain.out.isascii()
    assert "x fail" in plain.out
