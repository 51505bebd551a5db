"""`shortlist demo`: the three models tell themselves apart, and it ends with a decision."""

import json
from pathlib import Path

import pytest

from cli.commands import shortlist

pytestmark = pytest.mark.engine


def test_the_demo_ends_with_a_decision_and_the_models_differ_as_they_should(tmp_path: Path) -> None:
    done = shortlist("demo", "--rounds", 3, "--json", cwd=tmp_path, SHORTLIST_THREADS="1")
    assert done.code == 0, done.err
    data = done.json["data"]
    facets = {one["label"]: one["figures"]["facets"]["point"] for one in data["candidates"]}
    nulls = {name: one["point"] for name, one in data["quality"]["nulls"].items()}
    assert facets["notes-large"] >= 0.9
    assert facets["notes-small"] < facets["notes-medium"] < facets["notes-large"]
    assert nulls.keys() == {"empty", "echo"}
    assert max(nulls.values()) <= facets["notes-large"] - 0.3
    decision = data["decision"]
    ids = {label: candidate for candidate, label in decision["labels"].items()}
    # On a host that is too busy it may not be told; no other pick is right.
    assert decision["choice"]["pick"] in {ids["notes-large"], None}
    differences = {(d["candidate"], d["preference"]): d for d in decision["differences"]}
    small = differences[ids["notes-small"], "quality"]
    assert small["verdict"] == "worse"
    assert small["difference"]["high"] < 0
    (folder,) = tmp_path.glob("shortlist-*")
    assert {p.name for p in folder.iterdir()} == {"report.html", "report.md", "report.csv", "report.json", "figures"}
    assert json.loads((folder / "report.json").read_text())["schema"]


@pytest.mark.slow
def test_the_demo_does_not_heed_an_endpoint_a_prompt_or_a_load_of_the_environment(tmp_path: Path) -> None:
    env = {"FOUNDRY_LOCAL_ENDPOINT": "http://127.0.0.1:9/v1", "BENCH_PROMPT": "Hi", "SHORTLIST_THREADS": "1"}
    env["SHORTLIST_RATE"] = "50"
    done = shortlist("demo", "--rounds", 1, cwd=tmp_path, **env)
    assert done.code == 0, done.err
    assert "3 candidates × 30 prompts" in done.err
    assert "llamacpp" not in done.err
