"""`shortlist config`: what is set, by whom, and what was found."""

from pathlib import Path

import pytest

from cli.commands import shortlist
from shortlist import settings


def test_set_get_and_reset_keep_a_value_and_say_where_it_comes_from(tmp_path: Path) -> None:
    home = str(tmp_path / "home")
    assert shortlist("config", "get", "rounds", cwd=tmp_path, SHORTLIST_HOME=home).out == "5\n"
    kept = shortlist("config", "set", "rounds", "7", cwd=tmp_path, SHORTLIST_HOME=home)
    assert kept.out == f"rounds = 7  ({home}/shortlist.toml)\n"
    over = shortlist("config", "set", "rounds", "8", cwd=tmp_path, SHORTLIST_HOME=home, BENCH_ROUNDS="3")
    assert over.out == "rounds = 3  (BENCH_ROUNDS)\n"
    assert "BENCH_ROUNDS counts before" in over.err
    assert shortlist("config", "reset", "rounds", cwd=tmp_path, SHORTLIST_HOME=home).out == "rounds = 5  (default)\n"
    local = shortlist("config", "set", "--project", "seed", "4", cwd=tmp_path, SHORTLIST_HOME=home)
    assert local.out == f"seed = 4  ({tmp_path}/shortlist.toml)\n"


@pytest.mark.parametrize(("args", "told"), [(["get", "round"], "rounds"), (["set", "rounds", "x"], "whole number")])
def test_a_wrong_name_or_value_is_told(tmp_path: Path, args: list[str], told: str) -> None:
    done = shortlist("config", *args, cwd=tmp_path)
    assert done.code == 2
    assert told in done.err


@pytest.mark.engine
def test_list_shows_every_setting_with_its_source_and_the_engines_and_devices_found(tmp_path: Path) -> None:
    data = shortlist("config", "list", "--json", cwd=tmp_path, BENCH_SEED="", BENCH_MAX_TOKENS="9").json["data"]
    rows = {row["name"]: row for row in data["settings"]}
    assert set(rows) == set(settings.NAMES)
    assert (rows["max_tokens"]["value"], rows["max_tokens"]["source"]) == (9, "BENCH_MAX_TOKENS")
    engines = {engine["name"]: engine for engine in data["engines"]}
    assert {"llamacpp", "remote", "fake"} <= set(engines)
    assert engines["llamacpp"]["available"]
    assert any("cpu" in device.lower() for device in engines["llamacpp"]["devices"])
    assert data["host"]
    assert set(data["meters"]) == {"bandwidth", "energy", "reasons"}
    assert len(data["meters"]["energy"]) + len(data["meters"]["reasons"]) == 2  # NVML and RAPL: read, or why not
    text = shortlist("config", "list", cwd=tmp_path).out
    assert "\nenergy " in text
    assert all(f"\n{name} " in f"\n{text}" for name in settings.NAMES)
    assert "engine llamacpp" in text
