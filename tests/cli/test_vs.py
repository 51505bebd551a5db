"""`bench --vs`, --kv-type, --gpu-layers and --speculation from outside, on a demo model."""

import json
import sys
from pathlib import Path
from typing import Any

import pytest

from cli.commands import shortlist
from shortlist.cli.planning import Asked, fresh
from shortlist.engines import EngineContext
from shortlist.engines.llamacpp import LlamaCpp
from shortlist.errors import BadInput
from shortlist.settings import load

MODEL = "notes-small"
QUICK = ("--rounds", 1, "--warmup", 0, "--max-tokens", 4)


@pytest.mark.engine
def test_a_device_that_is_not_there_fails_its_candidate_and_not_the_run(tmp_path: Path) -> None:
    if any(not device.lower().startswith("cpu") for device in LlamaCpp(EngineContext()).probe().devices):
        pytest.skip("this machine has a device that llama.cpp can use")
    done = shortlist("bench", MODEL, *QUICK, "--vs", "device=cpu,gpu", "--json", cwd=tmp_path)
    assert done.code == 0, done.err
    cpu, gpu = done.json["data"]["candidates"]
    assert (cpu["label"], cpu["status"], cpu["options"]) == ("notes-small [cpu]", "ok", ["device=cpu"])
    assert (gpu["label"], gpu["status"]) == ("notes-small [gpu]", "failed")
    assert gpu["reason"].startswith("DeviceMismatch: ")
    assert "finds none" in gpu["reason"]


@pytest.mark.engine
def test_options_are_stored_exported_shown_and_come_back(tmp_path: Path) -> None:
    typed = ("--vs", "speculation=off,ngram", "--kv-type", "q8_0", "--gpu-layers", 0, "--threads", 1)
    done = shortlist("bench", MODEL, *QUICK, *typed, "--out", "out", "--name", "guess", cwd=tmp_path)
    assert done.code == 0, done.err
    words = "notes-small [speculation=ngram] opened with threads=1, kv_type=q8_0, gpu_layers=0, speculation=ngram"
    assert words in " ".join(done.out.split())
    same = "the same answers as notes-small [speculation=off] to all of 4 prompts: notes-small [speculation=ngram]"
    assert same in " ".join(done.out.split())
    for name in ("report.csv", "report.md", "report.html", "report.json"):
        assert "speculation=ngram" in (tmp_path / "out" / name).read_text(), name
    exported = shortlist("runs", "export", cwd=tmp_path).out
    options = [one["options"] for one in json.loads(exported)["candidates"]]
    assert [one["extra"] for one in options] == [{}, {"speculation": "ngram"}]
    assert [(one["kv_type"], one["gpu_layers"]) for one in options] == [("q8_0", 0)] * 2
    (tmp_path / "run.json").write_text(exported)
    elsewhere = {"SHORTLIST_HOME": str(tmp_path / "other")}
    assert shortlist("runs", "import", "run.json", cwd=tmp_path, **elsewhere).code == 0
    assert words in " ".join(shortlist("runs", "show", cwd=tmp_path, **elsewhere).out.split())


def test_a_plan_shows_every_combination_and_a_race_takes_them(tmp_path: Path) -> None:
    asked = ("bench", MODEL, "--vs", "threads=1,2", "--vs", "prefix_cache=on,off", "--rounds", 2, "--race", "--plan")
    done = shortlist(*asked, cwd=tmp_path)
    assert done.code == 0, done.err
    for label in ("threads=1, prefix_cache=on", "threads=2, prefix_cache=off"):
        assert done.out.count(f"notes-small [{label}]") == 2
    assert "Plan    4 candidates" in done.err


@pytest.mark.parametrize(
    ("vs", "flags", "asked", "said"),
    [
        ("threads=1,2", {"threads": 2}, {}, "--threads sets what --vs threads varies"),
        ("prefix_cache=on,off", {}, {"prefix_cache": True}, "--prefix-cache sets what --vs prefix_cache varies"),
        ("threads=1,2", {"endpoint": "http://127.0.0.1:9/v1"}, {}, "--vs is for engines of ours"),
        ("prefix_cache=on,off", {}, {"deterministic": True}, "--deterministic leaves the prompt cache off"),
        ("threads=1,2", {"kv_type": "q9"}, {}, "unknown KV type 'q9'"),
        ("threads=1,2", {"speculation": "draft"}, {}, "no kind of speculation"),
    ],
)
def test_what_contradicts_it_is_bad_usage(vs: str, flags: dict[str, Any], asked: dict[str, Any], said: str) -> None:
    with pytest.raises(BadInput, match=said):
        fresh(load().with_flags(flags), Asked((MODEL,), vs=(vs,), **asked))


def test_a_command_is_one_of_the_engines_to_compare_and_all_get_the_random_text() -> None:
    """The program may keep prompts in a cache: nobody is asked otherwise than the others."""
    settings = load().with_flags({"command": f"{sys.executable} {{model}} {{port}}", "threads": 1})
    session = fresh(settings, Asked((MODEL,), vs=("engine=llamacpp,command",), repeats=1))
    assert [one.label for one in session.info.plan.candidates] == ["notes-small [llamacpp]", "notes-small [command]"]
    assert "nonce" in session.info.flags
    with pytest.raises(BadInput, match="--engine sets what --vs engine varies"):
        fresh(load().with_flags({"engine": "llamacpp"}), Asked((MODEL,), vs=("engine=llamacpp,command",)))


def test_a_resumed_run_is_not_varied(tmp_path: Path) -> None:
    done = shortlist("bench", "--resume", "last", "--vs", "threads=1,2", cwd=tmp_path)
    assert done.code == 2
    assert "vs would change it" in done.err


def test_an_engine_that_cannot_honour_an_option_refuses_it(tmp_path: Path) -> None:
    done = shortlist("bench", "ttft=1ms", "--engine", "fake", *QUICK, "--kv-type", "q8_0", "--json", cwd=tmp_path)
    assert done.code == 1
    (one,) = done.json["data"]["candidates"]
    assert one["status"] == "failed"
    assert "engine fake takes no kv_type (q8_0)" in one["reason"]


@pytest.mark.engine
def test_a_question_can_be_asked_with_them(tmp_path: Path) -> None:
    typed = ("--speculation", "ngram:4:8", "--kv-type", "q8_0", "--max-tokens", 4, "--prompt", "Hello")
    assert shortlist("model", "run", MODEL, *typed, cwd=tmp_path).code == 0
    gpu = shortlist("model", "run", MODEL, "--gpu-layers", 3, "--device", "cpu", "--prompt", "x", cwd=tmp_path)
    assert gpu.code == 2
    assert "contradict device cpu" in gpu.err


@pytest.mark.slow
@pytest.mark.engine
def test_variations_are_raced_judged_by_needs_chosen_and_compared(tmp_path: Path) -> None:
    typed = ("--vs", "speculation=off,ngram", "--threads", 1, "--max-tokens", 8, "--rounds", 3, "--race")
    for name in ("one", "two"):
        done = shortlist("bench", MODEL, *typed, "--need", "latency<60s", "--name", name, cwd=tmp_path)
        assert done.code == 0, done.err
        assert "look 1 of" in done.err
    compared = shortlist("compare", "one", "two", cwd=tmp_path)
    assert compared.code == 0, compared.err
    chosen = shortlist("choose", "two", "--need", "memory<4GB", cwd=tmp_path)
    for label in ("notes-small [speculation=off]", "notes-small [speculation=ngram]"):
        assert label in compared.out
        assert label in " ".join(chosen.out.split())


@pytest.mark.parametrize("command", [True, False])
def test_an_option_without_a_place_in_a_command_is_refused(tmp_path: Path, command: bool) -> None:
    """An engine's own options too: another engine would not know them."""
    how = ("--command", "no-such-program {model} {port}") if command else ("--engine", "fake")
    done = shortlist("bench", MODEL, *how, *QUICK, "--speculation", "ngram", "--json", cwd=tmp_path)
    assert done.code == 1
    assert "takes no speculation (ngram)" in done.json["data"]["candidates"][0]["reason"]
