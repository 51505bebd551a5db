"""`shortlist tune` as a user meets it."""

import json
from pathlib import Path
from typing import Any

import pytest

from cli.commands import shortlist
from shortlist import profiles
from shortlist.cli.tune import command
from shortlist.engines import installed_version
from shortlist.errors import BadInput, InvalidFile, UnknownName
from shortlist.machine import default_threads
from shortlist.models.refs import resolve
from shortlist.profiles import Profile
from shortlist.records import EngineOptions
from shortlist.settings import load

MODEL = "notes-small"


def tune(*args: object) -> Any:
    """In this process: what is refused or only shown takes no engine."""
    return command.main([str(arg) for arg in args], standalone_mode=False)


def keep(threads: int) -> None:
    digest = profiles.variant_digest(resolve(MODEL).variant) or ""
    told = (profiles.this_host(), default_threads(), digest, "llamacpp", installed_version("llamacpp") or "")
    profiles.keep(load().home, Profile(*told, EngineOptions(threads=threads), MODEL, "latency", "2026-11-26T1", "0123"))


@pytest.mark.engine
def test_the_plan_shows_the_grid_and_runs_nothing(capsys: pytest.CaptureFixture[str], tmp_path: Path) -> None:
    assert tune(MODEL, "--plan", "--threads", 1, "--budget", "90s") == 0
    out = capsys.readouterr().out.splitlines()
    assert out[0] == "llamacpp default"
    assert not [line for line in out if "threads=" in line]
    assert "llamacpp kv_type=q8_0  (keeps less: wins only with --allow-output-change)" in out
    assert out[-1].startswith("at most 90 s") or out[-1].startswith("at most 2 min")
    assert not (load().home / "results.db").exists()
    from shortlist.demo import demo_model_path

    other = tmp_path / "other.gguf"
    other.write_bytes(demo_model_path("notes-medium").read_bytes())
    assert tune(MODEL, "--plan", "--any-variant", "--variant", other, "--json") == 0
    told = json.loads(capsys.readouterr().out)
    assert told["schema"] == "shortlist-tune-plan"
    assert "other" in {one["model"] for one in told["data"]["settings"]}


@pytest.mark.parametrize(
    ("args", "error", "said"),
    [
        ([], BadInput, "no model is named"),
        (["nobody"], UnknownName, "nobody"),
        ([MODEL, "--budget", "5s"], BadInput, "too short"),
        ([MODEL, "--engine", "x"], UnknownName, "engine 'x'"),
        ([MODEL, "--engine", "fake"], BadInput, "nothing to try: fake"),
        ([MODEL, "--variant", "y"], BadInput, "--variant"),
        ([MODEL, "--prompts", "none.json"], InvalidFile, "none.json"),
    ],
)
def test_what_is_wrong_is_one_clear_error(args: list[str], error: type[Exception], said: str) -> None:
    with pytest.raises(error, match=said):
        tune(*args)


def test_a_damaged_file_of_profiles_is_told_before_anything_is_measured() -> None:
    home = load().home
    (home / profiles.FILE_NAME).write_text("[")
    for args in ([MODEL], ["--list"], [MODEL, "--undo"]):
        with pytest.raises(InvalidFile, match=profiles.FILE_NAME):
            tune(*args)


def test_profiles_are_listed_and_undone_one_by_one(capsys: pytest.CaptureFixture[str]) -> None:
    assert tune("--list") == 0
    assert "no profile is kept" in capsys.readouterr().out
    keep(1)
    keep(5)
    assert tune("--list") == 0
    shown = capsys.readouterr().out.splitlines()
    assert ["threads=5" in shown[0], "threads=1" in shown[1]] == [True, True]
    assert tune("--list", "--json") == 0
    assert [one["options"]["threads"] for one in json.loads(capsys.readouterr().out)["data"]] == [1, 5]
    for gone, now in (("threads=5", "threads=1"), ("threads=1", "the defaults")):
        assert tune(MODEL, "--undo") == 0
        taken, left = capsys.readouterr().out.splitlines()
        assert (gone in taken, now in left) == (True, True)
    assert tune(MODEL, "--undo") == 0
    assert "has no profile" in capsys.readouterr().out


@pytest.mark.slow
@pytest.mark.engine
def test_a_tuning_of_a_real_model_ends_in_time_and_what_it_keeps_is_used(tmp_path: Path) -> None:
    env = {"SHORTLIST_HOME": str(tmp_path / "home")}
    done = shortlist("tune", MODEL, "--budget", "60s", "--allow-output-change", "--json", cwd=tmp_path, **env)
    assert done.code in (0, 4), done.err
    data = done.json["data"]
    assert data["took_ns"] <= 60 * 10**9
    assert {run["phase"] for run in data["runs"]} >= {"first round"}
    listed = shortlist("runs", "list", "--json", cwd=tmp_path, **env).json["data"]
    assert len(listed) == len(data["runs"])
    ran = shortlist("model", "run", MODEL, "--prompt", "Priya sends it.", "--max-tokens", 2, cwd=tmp_path, **env)
    assert ("Profile" in ran.err) == (data["profile"] is not None)
    undone = shortlist("tune", MODEL, "--undo", cwd=tmp_path, **env)
    assert ("taken away" in undone.out) == (data["profile"] is not None)
