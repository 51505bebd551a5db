"""What was tuned is used by `bench` and `model run`, said, stored, and gives way to what was asked."""

from pathlib import Path

import pytest

from cli.commands import shortlist
from shortlist import profiles
from shortlist.cli.by_profile import ByProfile
from shortlist.engines import installed_version
from shortlist.machine import default_threads
from shortlist.models.refs import resolve
from shortlist.profiles import Profile
from shortlist.records import EngineOptions, Variant
from shortlist.results.store import Store
from shortlist.settings import Settings

MODEL = "notes-small"
TUNED = EngineOptions(threads=1, extra={"ubatch": "128"})


@pytest.fixture
def home(tmp_path: Path) -> Path:
    found = tmp_path / "home"
    keep(found)
    return found


def keep(home: Path, engine: str = "llamacpp", options: EngineOptions = TUNED) -> None:
    variant, version = profiles.variant_digest(resolve(MODEL).variant), installed_version(engine)
    told = (profiles.this_host(), default_threads(), variant or "", engine, version or "")
    profiles.keep(home, Profile(*told, options, MODEL, "latency", "2026-11-26T12:00:00.000Z", "0123abcd"))


def settled(home: Path, **settings: object) -> tuple[str, EngineOptions]:
    plain = Settings(home=home, **settings)  # type: ignore[arg-type]
    asked = EngineOptions(threads=plain.threads)
    return ByProfile(plain)(MODEL, resolve(MODEL).variant, plain.engine, asked)


@pytest.mark.engine
def test_a_bench_uses_the_profile_says_so_stores_it_and_a_resume_keeps_what_was_stored(tmp_path: Path) -> None:
    home = tmp_path / "home"
    typed = ("--max-tokens", 2, "--rounds", 1, "--warmup", 0)
    keep(home)
    done = shortlist("bench", MODEL, *typed, cwd=tmp_path, SHORTLIST_HOME=str(home))
    assert done.code == 0, done.err
    assert f"Profile {MODEL}: llamacpp, threads=1, ubatch=128 (tuned 2026-11-26 for latency)" in done.err
    profiles.undo(home, resolve(MODEL).variant)
    more = shortlist("bench", "--resume", "last", "--rounds", 2, cwd=tmp_path, SHORTLIST_HOME=str(home))
    assert more.code == 0, more.err
    with Store.open(home / "results.db") as store:
        run = store.load_run(store.resolve("last"))
    assert [one.options for one in run.info.plan.candidates] == [TUNED]
    assert {block.state for block in run.blocks} == {"done"}
    assert len(run.blocks) == 2
    assert profiles.FLAG in run.info.flags


@pytest.mark.engine
def test_one_question_uses_the_profile_and_says_so_unless_told_not_to(tmp_path: Path, home: Path) -> None:
    typed = ("model", "run", MODEL, "--prompt", "Priya will send it by Friday.", "--max-tokens", 2)
    done = shortlist(*typed, cwd=tmp_path, SHORTLIST_HOME=str(home))
    assert (done.code, "threads=1, ubatch=128" in done.err) == (0, True), done.err
    left = shortlist(*typed, "--no-profile", cwd=tmp_path, SHORTLIST_HOME=str(home))
    assert (left.code, "Profile" in left.err) == (0, False), left.err


def test_a_profile_gives_way_to_flags_settings_endpoints_and_pins(home: Path) -> None:
    assert settled(home) == ("llamacpp", TUNED)
    assert settled(home, threads=2)[1] == EngineOptions(threads=2, extra=TUNED.extra)
    assert settled(home, profile=False)[1] == EngineOptions()
    assert settled(home, endpoint="http://localhost:1/v1")[1] == EngineOptions()
    pinned = ByProfile(Settings(home=home), is_pinned=True)
    assert pinned(MODEL, resolve(MODEL).variant, "llamacpp", EngineOptions()) == ("llamacpp", EngineOptions())


def test_the_engine_that_was_fastest_is_used_unless_one_was_asked_for(home: Path) -> None:
    keep(home, "fake", EngineOptions())
    assert settled(home)[0] == "fake"
    assert settled(home, sources={"engine": "flag"}) == ("llamacpp", TUNED)


def test_an_engine_that_is_gone_is_passed_over(home: Path) -> None:
    kept = (home / profiles.FILE_NAME).read_text()
    (home / profiles.FILE_NAME).write_text(kept.replace('"engine":"llamacpp"', '"engine":"gone"'))
    assert settled(home) == ("llamacpp", EngineOptions())


def test_a_damaged_file_and_a_foreign_profile_are_warnings(home: Path, capsys: pytest.CaptureFixture[str]) -> None:
    (home / profiles.FILE_NAME).write_text("{")
    assert settled(home) == ("llamacpp", EngineOptions())
    assert f"{profiles.FILE_NAME}, at line 1" in capsys.readouterr().err
    (home / profiles.FILE_NAME).unlink()
    keep(home)
    kept = (home / profiles.FILE_NAME).read_text()
    (home / profiles.FILE_NAME).write_text(kept.replace(installed_version("llamacpp") or "?", "0.1"))
    assert settled(home) == ("llamacpp", EngineOptions())
    assert "it is for llamacpp 0.1" in capsys.readouterr().err


def test_a_model_without_a_file_has_no_profile(home: Path) -> None:
    asked = EngineOptions()
    assert ByProfile(Settings(home=home))("x", Variant("endpoint"), "fake", asked) == ("fake", asked)
