"""`shortlist model`: lists, facts with sources, filters, fit, licences and cards, as a user types them."""

import json
from pathlib import Path

import pytest

from cli.commands import shortlist
from gguf_files import llama_bytes


def test_the_list_fits_eighty_columns_and_names_models_with_size_need_and_licence(tmp_path: Path) -> None:
    done = shortlist("model", "list", cwd=tmp_path)
    assert done.code == 0
    lines = done.out.splitlines()
    assert lines[0].split() == ["MODEL", "SIZE", "NEEDS", "CTX", "LICENCE", "STATE"]
    assert max(map(len, lines)) <= 80
    assert any(line.startswith("qwen2.5-3b@q4_k_m") and "non-commercial" in line for line in lines)
    assert any(line.startswith("notes-small") and line.endswith("here") for line in lines)
    assert "nothing was asked" in done.err


def test_filters_and_json(tmp_path: Path) -> None:
    typed = ["--filter", "capability=chat", "--filter", "size<2GB", "--filter", "licence=commercial", "--json"]
    done = shortlist("model", "list", *typed, cwd=tmp_path)
    rows = done.json["data"]
    assert done.json["schema"] == "shortlist-models"
    assert all(row["size_bytes"] < 2e9 and row["licence_class"] in ("permissive", "attribution") for row in rows)
    names = {row["name"] for row in rows}
    assert {"qwen2.5-1.5b@q4_k_m", "notes-large"} <= names
    assert not any(name.startswith(("qwen2.5-3b", "llama", "gemma")) for name in names)


def test_what_is_cached_is_only_what_lies_here(tmp_path: Path) -> None:
    rows = shortlist("model", "list", "--cached", "--json", cwd=tmp_path, HF_HOME=str(tmp_path)).json["data"]
    assert {row["alias"] for row in rows} == {"notes-small", "notes-medium", "notes-large"}


def test_a_model_in_the_hugging_face_cache_is_here(tmp_path: Path) -> None:
    repository = tmp_path / "hub" / "models--ggml-org--SmolLM3-3B-GGUF"
    snapshot = repository / "snapshots" / ("a" * 40)
    snapshot.mkdir(parents=True)
    (repository / "refs").mkdir()
    (repository / "refs" / "main").write_text("a" * 40)
    with (snapshot / "SmolLM3-Q4_K_M.gguf").open("wb") as file:
        file.truncate(1_915_305_312)  # the published length, none of it on the disk
    rows = shortlist("model", "list", "--cached", "--json", cwd=tmp_path, HF_HOME=str(tmp_path)).json["data"]
    assert "smollm3-3b" in {row["alias"] for row in rows}
    with (snapshot / "SmolLM3-Q4_K_M.gguf").open("wb") as file:
        file.truncate(1_000_000)
    rows = shortlist("model", "list", "--cached", "--json", cwd=tmp_path, HF_HOME=str(tmp_path)).json["data"]
    assert "smollm3-3b" not in {row["alias"] for row in rows}, "half a file is no model"


def test_fits_counts_against_the_limit(tmp_path: Path) -> None:
    done = shortlist("model", "list", "--fits", "--json", cwd=tmp_path, SHORTLIST_MEMORY_LIMIT="4GB")
    names = {row["name"] for row in done.json["data"]}
    assert "mistral-7b@q2_k" in names, "the variant that fits stands for its model"
    assert not any(name.startswith("llama-3.1-8b") for name in names)
    assert all(row["memory_bytes"] <= 4e9 for row in done.json["data"])


def test_info_tells_each_fact_with_its_source_the_need_and_what_the_licence_asks(tmp_path: Path) -> None:
    done = shortlist("model", "info", "llama3.2:1b", cwd=tmp_path)
    assert done.code == 0
    text = " ".join(done.out.split())
    for said in (
        "llama-3.2-1b@q4_k_m",
        "131,072 [config.json as copied",
        "needed for a context of 4096",
        "community-conditional",
        'show "Built with Llama"',
        "not on this host",
        "not legal advice",
    ):
        assert said in text
    assert max(map(len, done.out.splitlines())) <= 80


def test_info_of_a_file_reads_its_header(tmp_path: Path) -> None:
    (tmp_path / "mine.gguf").write_bytes(llama_bytes())
    done = shortlist("model", "info", "mine.gguf", "--json", cwd=tmp_path)
    assert done.json["data"]["card"]["context_length"] == 256
    assert done.json["data"]["fit"]["basis"] == "GGUF header"
    assert done.json["data"]["path"] == "mine.gguf"


def test_an_unknown_name_names_the_nearest(tmp_path: Path) -> None:
    done = shortlist("model", "info", "mistral-8b", cwd=tmp_path)
    assert done.code == 2
    assert "mistral-7b" in done.err


RULES = "[classes]\npermissive = 'allow'\nuse-restricted = 'review'\nnon-commercial = 'refuse'\n"


def test_a_policy_hides_what_it_refuses_and_says_so(tmp_path: Path) -> None:
    (tmp_path / "licences.toml").write_text(RULES)
    done = shortlist("model", "list", cwd=tmp_path, SHORTLIST_LICENCE_POLICY="licences.toml")
    assert "qwen2.5-3b" not in done.out
    assert "1 model not shown: refused by licences.toml" in done.err
    assert any(line.startswith("gemma-2-2b") and line.endswith("review") for line in done.out.splitlines())


def test_bench_refuses_a_seven_billion_model_under_four_gigabytes_and_names_the_variant_that_fits(
    tmp_path: Path,
) -> None:
    done = shortlist("bench", "mistral-7b", "--plan", cwd=tmp_path, SHORTLIST_MEMORY_LIMIT="4GB")
    assert done.code == 1
    assert "mistral-7b@q4_k_m needs" in done.err
    assert "mistral-7b@q2_k fits" in done.err


def test_bench_says_how_to_download_a_model_that_is_known(tmp_path: Path) -> None:
    done = shortlist("bench", "qwen3:4b", "--plan", cwd=tmp_path, HF_HOME=str(tmp_path))
    assert done.code == 1
    assert "shortlist model download qwen3:4b" in done.err


@pytest.mark.slow
def test_bench_asks_for_a_licence_to_be_read_and_remembers_that_it_was(tmp_path: Path) -> None:
    (tmp_path / "licences.toml").write_text(RULES + "[models]\nnotes-small = 'review'\nnotes-large = 'refuse'\n")
    typed = ("bench", "notes-small", "--plan", "--threads", "1")
    policy = {"SHORTLIST_LICENCE_POLICY": "licences.toml"}
    asked = shortlist(*typed, cwd=tmp_path, **policy)
    assert asked.code == 1
    assert "--accept-licence" in asked.err
    assert shortlist(*typed, "--accept-licence", cwd=tmp_path, **policy).code == 0
    assert shortlist(*typed, cwd=tmp_path, **policy).code == 0, "it was kept"
    refused = shortlist("bench", "notes-large", "--plan", "--accept-licence", cwd=tmp_path, **policy)
    assert refused.code == 1
    assert "refused by licences.toml" in refused.err


def test_what_is_left_out_of_a_bench_stands_beside_those_who_run(tmp_path: Path) -> None:
    done = shortlist("bench", "notes-small", "qwen3:4b", "--plan", "--json", cwd=tmp_path, HF_HOME=str(tmp_path))
    assert done.code == 0
    assert "qwen3" in done.err + done.out


def test_a_card_is_made_checked_and_refused_with_places(tmp_path: Path) -> None:
    (tmp_path / "mine.gguf").write_bytes(llama_bytes())
    typed = ("model", "card", "new", "mine.gguf", "--licence", "mit", "--capability", "chat", "--out", "card.json")
    assert shortlist(*typed, cwd=tmp_path).code == 0
    again = shortlist(*typed, cwd=tmp_path)
    assert again.code == 2
    checked = shortlist("model", "card", "check", "card.json", "--json", cwd=tmp_path)
    assert checked.code == 3
    assert any("$.parameters" in problem for problem in checked.json["data"][0]["problems"])
    good = json.loads((tmp_path / "card.json").read_text()) | {"parameters": None}
    (tmp_path / "good.json").write_text(json.dumps(good))
    assert shortlist("model", "card", "check", "good.json", cwd=tmp_path).code == 0


@pytest.mark.slow
@pytest.mark.engine
def test_a_run_that_was_measured_here_replaces_the_prediction(tmp_path: Path) -> None:
    def told(*context: object) -> str:
        done = shortlist("model", "info", "notes-small", *context, "--json", cwd=tmp_path)
        return str(done.json["data"]["memory_basis"])

    assert told().startswith("predicted")
    measured = ("bench", "notes-small", "--rounds", 1, "--max-tokens", 4, "--warmup", 0, "--threads", 1)
    assert shortlist(*measured, cwd=tmp_path, BENCH_PROMPT="Hello").code == 0
    assert told() == "measured in an earlier run"
    assert told("--context", 512).startswith("predicted"), "another context was not measured"
    fit = shortlist("model", "info", "notes-small", "--json", cwd=tmp_path).json["data"]["fit"]
    assert 0.7 < fit["measured_bytes"] / (fit["weights_bytes"] + fit["engine_bytes"]) < 1.3


def test_info_tells_the_room_on_the_disk(tmp_path: Path) -> None:
    text = " ".join(shortlist("model", "info", "qwen3:4b", cwd=tmp_path, HF_HOME=str(tmp_path)).out.split())
    assert "2.50 GB to fetch" in text


@pytest.mark.parametrize("typed", [("list", "--filter", "capabilty=x"), ("card", "new", "gone.gguf"), ("info", "a@")])
def test_mistakes_are_told_with_a_hint(tmp_path: Path, typed: tuple[str, ...]) -> None:
    done = shortlist("model", *typed, cwd=tmp_path)
    assert done.code == 2
    assert len(done.err.splitlines()) >= 2
