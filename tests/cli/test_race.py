"""`shortlist bench --race` from outside: the plan, what each look says, and what was not measured."""

import json
from pathlib import Path

import pytest

from cli.commands import shortlist

QUICK = ("--engine", "fake", "--warmup", "0")
GOOD, POOR = (f"ttft=2ms,gap=0ms,text={' '.join(f'w{n}' for n in range(1, words + 1))}" for words in (12, 2))


def prompts_file(folder: Path) -> Path:
    path = folder / "prompts.json"
    facet = {"id": "word", "kind": "must_include"}
    asked = [{"id": f"p{n:02d}", "input": f"Say {n}", "facets": [{**facet, "any_of": [f"w{n}"]}]} for n in range(1, 13)]
    path.write_text(json.dumps({"version": 1, "prompts": asked}))
    return path


def test_a_race_says_its_looks_before_each_stop_as_it_comes_and_what_was_left_out(tmp_path: Path) -> None:
    done = shortlist("bench", GOOD, POOR, *QUICK, "--prompts", prompts_file(tmp_path), "--race", cwd=tmp_path)
    assert done.code == 0, done.err
    assert "Race    5 looks, after every round" in done.err
    assert f"look 1 of 5  {POOR} is stopped: worse than {GOOD} in quality by 0." in done.err
    assert "look 1 of 5  the race is over: decided" in done.err
    assert done.out.startswith("Ship ")
    assert "race over at look 1 of 5, 24 of 120 requests" in " ".join(done.out.split())
    shown = shortlist("runs", "show", "--json", cwd=tmp_path).json["data"]
    assert [one["status"] for one in shown["candidates"]] == ["partial", "partial"]
    assert "stopped at look 1" in shown["candidates"][1]["reason"]
    (folder,) = tmp_path.glob("shortlist-*")
    for name in ("report.csv", "report.md", "report.html"):
        assert "stopped at look 1" in (folder / name).read_text()
    assert shortlist("choose", "--prefer", "quality", cwd=tmp_path).out.startswith("Ship ")
    assert "nothing is left to run" in shortlist("bench", "--resume", "last", cwd=tmp_path).err


@pytest.mark.slow
def test_the_plan_shows_where_the_looks_are(tmp_path: Path) -> None:
    asked = ("bench", GOOD, POOR, *QUICK, "--race", "--rounds", 2, "--plan", "--prompts", prompts_file(tmp_path))
    lines = shortlist(*asked, cwd=tmp_path).out.splitlines()
    assert [line.split()[0] for line in lines] == ["round", "round", "look", "round", "round", "look"]
    assert shortlist(*asked, "--json", cwd=tmp_path).json["data"]["race"]["after"] == [1, 2]


@pytest.mark.slow
def test_what_cannot_be_raced_is_bad_usage(tmp_path: Path) -> None:
    for more, said in (
        ((GOOD, POOR, *QUICK, "--need", "rating>=3"), "ratings: they are given when the run is over"),
        (("--resume", "last"), "race would change it"),
        ((GOOD, POOR, "--deterministic"), "--deterministic promises the same requests again"),
        ((GOOD, POOR, *QUICK, "--budget", "1ms"), "--race takes at least 2 rounds, and 1ms holds 0"),
    ):
        done = shortlist("bench", *more, "--race", cwd=tmp_path)
        assert (done.code, done.out) == (2, "")
        assert said in done.err
