"""Settings: flags > environment > this folder's file > the home's file > defaults, each value with its source."""

from pathlib import Path

import pytest

from shortlist import settings
from shortlist.errors import BadInput, InvalidFile, UnknownName


def load(tmp_path: Path, **env: str) -> settings.Settings:
    return settings.load({"SHORTLIST_HOME": str(tmp_path / "home"), **env}, tmp_path)


WORKSHOP = [
    ("FOUNDRY_LOCAL_ENDPOINT", "http://box:5273/v1/", "endpoint", "http://box:5273/v1"),
    ("BENCH_MODELS", "notes-small, notes-large,", "models", ("notes-small", "notes-large")),
    ("BENCH_ROUNDS", "3", "rounds", 3),
    ("BENCH_PROMPT", "Explain this.", "prompt", "Explain this."),
    ("BENCH_STREAM", "0", "stream", False),
    ("BENCH_STREAM", "1", "stream", True),
    ("BENCH_MAX_TOKENS", "64", "max_tokens", 64),
    ("BENCH_TEMPERATURE", "0.2", "temperature", 0.2),
]


@pytest.mark.parametrize(("variable", "text", "name", "value"), WORKSHOP)
def test_each_workshop_variable_sets_its_setting_and_is_its_source(
    tmp_path: Path, variable: str, text: str, name: str, value: object
) -> None:
    loaded = load(tmp_path, **{variable: text})
    assert getattr(loaded, name) == value
    assert loaded.source(name) == variable


@pytest.mark.parametrize("name", settings.NAMES)
def test_each_setting_has_its_own_variable_and_a_line_that_tells_what_it_is(tmp_path: Path, name: str) -> None:
    texts = {
        "home": str(tmp_path / "x"),
        "endpoint": "http://h/v1",
        "upstream": "http://h/v1",
        "device": "cpu",
        "context": "64",
        "arrivals": "constant",
        "currency": "EUR",
    }
    loaded = load(tmp_path, **{f"SHORTLIST_{name.upper()}": texts.get(name, "1")})
    assert loaded.source(name) == f"SHORTLIST_{name.upper()}"
    assert len(settings.describe(name)) > 15


def test_our_own_variable_wins_over_the_workshops(tmp_path: Path) -> None:
    loaded = load(tmp_path, BENCH_ROUNDS="3", SHORTLIST_ROUNDS="7")
    assert (loaded.rounds, loaded.source("rounds")) == (7, "SHORTLIST_ROUNDS")


def test_flags_win_over_environment_over_project_file_over_home_file_over_default(tmp_path: Path) -> None:
    assert (load(tmp_path).rounds, load(tmp_path).source("rounds")) == (5, "default")
    shared = tmp_path / "home" / "shortlist.toml"
    settings.write_value(shared, "rounds", "6")
    assert (load(tmp_path).rounds, load(tmp_path).source("rounds")) == (6, str(shared))
    here = tmp_path / "shortlist.toml"
    settings.write_value(here, "rounds", "7")
    assert (load(tmp_path).rounds, load(tmp_path).source("rounds")) == (7, str(here))
    from_env = load(tmp_path, BENCH_ROUNDS="8")
    assert (from_env.rounds, from_env.source("rounds")) == (8, "BENCH_ROUNDS")
    flagged = from_env.with_flags({"rounds": 9, "seed": None})
    assert (flagged.rounds, flagged.source("rounds"), flagged.source("seed")) == (9, "flag", "default")


def test_an_empty_variable_is_not_set(tmp_path: Path) -> None:
    assert load(tmp_path, BENCH_ROUNDS="  ").rounds == 5


@pytest.mark.parametrize(
    ("variable", "text"),
    [
        ("BENCH_ROUNDS", "three"),
        ("BENCH_ROUNDS", "0"),
        ("BENCH_ROUNDS", "2.5"),
        ("BENCH_TEMPERATURE", "-1"),
        ("BENCH_TEMPERATURE", "nan"),
        ("BENCH_STREAM", "perhaps"),
        ("BENCH_MODELS", " , "),
        ("SHORTLIST_TIMEOUT", "soon"),
        ("FOUNDRY_LOCAL_ENDPOINT", "localhost:5273"),
        ("SHORTLIST_DEVICE", "tpu"),
    ],
)
def test_a_wrong_value_is_an_error_that_names_its_variable(tmp_path: Path, variable: str, text: str) -> None:
    with pytest.raises(BadInput, match=variable):
        load(tmp_path, **{variable: text})


def test_an_unknown_key_in_a_file_names_the_file_and_the_nearest_setting(tmp_path: Path) -> None:
    (tmp_path / "shortlist.toml").write_text("round = 3\n")
    with pytest.raises(InvalidFile, match=r"shortlist\.toml, at round") as caught:
        load(tmp_path)
    assert "rounds" in (caught.value.hint or "")


def test_a_file_that_is_not_toml_is_named(tmp_path: Path) -> None:
    (tmp_path / "shortlist.toml").write_text("rounds = = 3\n")
    with pytest.raises(InvalidFile, match="TOML"):
        load(tmp_path)


def test_writing_keeps_comments_and_checks_the_value_first(tmp_path: Path) -> None:
    target = tmp_path / "shortlist.toml"
    target.write_text("# ours\nrounds = 3  # few\n")
    settings.write_value(target, "stream", "no")
    settings.write_value(target, "timeout", "2m")
    settings.write_value(target, "models", "a,b")
    assert target.read_text().startswith("# ours\nrounds = 3  # few\n")
    loaded = load(tmp_path)
    assert (loaded.stream, loaded.timeout, loaded.models, loaded.rounds) == (False, 120 * 10**9, ("a", "b"), 3)
    with pytest.raises(BadInput, match="rounds"):
        settings.write_value(target, "rounds", "many")
    settings.write_value(target, "rounds", None)
    assert load(tmp_path).source("rounds") == "default"


def test_an_unknown_setting_is_told_with_its_neighbours(tmp_path: Path) -> None:
    with pytest.raises(UnknownName) as caught:
        settings.write_value(tmp_path / "shortlist.toml", "temprature", "1")
    assert "temperature" in (caught.value.hint or "")
