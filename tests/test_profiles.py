"""Tuned profiles: found by host, variant, engine and version; never in the way of what a user asked for."""

from dataclasses import replace
from hashlib import sha256
from pathlib import Path

import pytest

from shortlist import profiles
from shortlist.errors import InvalidFile, StoreError
from shortlist.machine import default_threads
from shortlist.modelfile import sha256_file
from shortlist.profiles import Profile
from shortlist.records import EngineOptions, Interval, ModelFile, Variant

MODEL = Variant("gguf", "q4_0", (ModelFile("m.gguf", 10, "a" * 64),))
TUNED = EngineOptions(threads=3, kv_type="f32", extra={"ubatch": "128", "threads_batch": "2"})


def profile(**changes: object) -> Profile:
    plain = Profile(
        host=profiles.this_host(),
        threads=default_threads(),
        variant="a" * 64,
        engine="llamacpp",
        engine_version="1.2",
        options=TUNED,
        model="m",
        objective="latency",
        at="2026-11-26T12:00:00.000Z",
        run="0123abcd",
        ratio=Interval(1.2, 1.1, 1.3, 0.95, "t on paired log ratios", 5, "ratio"),
    )
    return replace(plain, **changes)  # type: ignore[arg-type]


def test_a_profile_fills_what_was_left_at_its_default_and_nothing_else(tmp_path: Path) -> None:
    profiles.keep(tmp_path, profile())
    bare = profiles.settle(tmp_path, MODEL, "llamacpp", "1.2", EngineOptions(context=512))
    assert bare.options == replace(TUNED, context=512)
    assert bare.profile == profile()
    asked = EngineOptions(threads=1, extra={"ubatch": "64"})
    some = profiles.settle(tmp_path, MODEL, "llamacpp", "1.2", asked)
    assert some.options == EngineOptions(threads=1, kv_type="f32", extra={"ubatch": "64"})
    everything = EngineOptions(threads=1, kv_type="f16", extra={"ubatch": "64"})
    assert profiles.settle(tmp_path, MODEL, "llamacpp", "1.2", everything) == profiles.Settled(everything)
    assert profiles.find(tmp_path, MODEL, "llamacpp", "1.2") == TUNED


def test_without_a_file_nothing_is_found_and_nothing_is_said(tmp_path: Path) -> None:
    assert profiles.settle(tmp_path, MODEL, "llamacpp", "1.2", EngineOptions()) == profiles.Settled(EngineOptions())
    assert profiles.find(tmp_path, Variant("endpoint"), "remote", None) is None


@pytest.mark.parametrize(
    ("changes", "said"),
    [
        ({"engine_version": "1.1"}, "it is for llamacpp 1.1, and 1.2 is here"),
        ({"host": "0" * 16}, "it was tuned on another machine"),
        ({"threads": default_threads() + 5}, f"threads were the default, and here {default_threads()} are"),
    ],
)
def test_a_foreign_profile_is_not_used_and_that_is_said(tmp_path: Path, changes: dict[str, object], said: str) -> None:
    profiles.keep(tmp_path, profile(**changes))
    settled = profiles.settle(tmp_path, MODEL, "llamacpp", "1.2", EngineOptions())
    assert settled.options == EngineOptions()
    assert settled.profile is None
    assert said in settled.notes[0]
    assert "shortlist tune m" in settled.notes[0]


def test_another_engine_and_another_file_have_profiles_of_their_own(tmp_path: Path) -> None:
    profiles.keep(tmp_path, profile())
    other = replace(MODEL, files=(ModelFile("m.gguf", 10, "b" * 64),))
    for variant, engine in ((other, "llamacpp"), (MODEL, "command")):
        assert profiles.settle(tmp_path, variant, engine, "1.2", EngineOptions()) == profiles.Settled(EngineOptions())


def test_a_profile_of_another_device_is_not_used(tmp_path: Path) -> None:
    profiles.keep(tmp_path, profile())
    settled = profiles.settle(tmp_path, MODEL, "llamacpp", "1.2", EngineOptions(device="cpu"))
    assert settled.options == EngineOptions(device="cpu")
    assert "tuned on device auto, and cpu is asked" in settled.notes[0]


@pytest.mark.parametrize("content", ["", "{", "[3]", '[{"host": 3}]', '[{"options": {"thread": 1}}]', "null", "\0\1"])
def test_a_damaged_file_is_told_and_never_written_over(tmp_path: Path, content: str) -> None:
    path = tmp_path / profiles.FILE_NAME
    path.write_text(content)
    settled = profiles.settle(tmp_path, MODEL, "llamacpp", "1.2", EngineOptions())
    assert settled.options == EngineOptions()
    assert str(path) in settled.notes[0]
    assert profiles.fastest_engine(tmp_path, MODEL, lambda _: "1.2") is None
    with pytest.raises(InvalidFile, match=r"profiles\.json"):
        profiles.keep(tmp_path, profile())
    assert path.read_text() == content


def test_the_newest_counts_and_undo_brings_the_older_back(tmp_path: Path) -> None:
    older, newer = profile(), profile(options=EngineOptions(threads=1))
    profiles.keep(tmp_path, older)
    profiles.keep(tmp_path, newer)
    assert profiles.find(tmp_path, MODEL, "llamacpp", "1.2") == newer.options
    assert profiles.undo(tmp_path, MODEL) == (newer, older)
    assert profiles.find(tmp_path, MODEL, "llamacpp", "1.2") == older.options
    assert profiles.undo(tmp_path, MODEL) == (older, None)
    assert profiles.undo(tmp_path, MODEL) == (None, None)
    assert profiles.find(tmp_path, MODEL, "llamacpp", "1.2") is None


def test_a_profile_that_says_the_defaults_are_fastest_changes_nothing(tmp_path: Path) -> None:
    profiles.keep(tmp_path, profile())
    profiles.keep(tmp_path, profile(options=EngineOptions()))
    asked = EngineOptions(context=512)
    assert profiles.settle(tmp_path, MODEL, "llamacpp", "1.2", asked) == profiles.Settled(asked)


def test_the_engine_found_fastest_counts_while_its_version_is_here(tmp_path: Path) -> None:
    profiles.keep(tmp_path, profile(engine="other", engine_version="7"))
    assert profiles.fastest_engine(tmp_path, MODEL, lambda _: "7") == "other"
    assert profiles.fastest_engine(tmp_path, MODEL, lambda _: "8") is None
    assert profiles.fastest_engine(tmp_path, Variant("endpoint"), lambda _: "7") is None


def test_the_file_does_not_grow_without_end(tmp_path: Path) -> None:
    foreign = profile(host="0" * 16)
    profiles.keep(tmp_path, foreign)
    for number in range(30):
        profiles.keep(tmp_path, profile(run=f"{number:08x}"))
    kept = profiles.load_profiles(tmp_path)
    assert kept[0] == foreign
    assert [one.run for one in kept[1:]] == [f"{number:08x}" for number in range(10, 30)]


def test_a_home_that_cannot_be_written_is_an_error_that_names_it(tmp_path: Path) -> None:
    (tmp_path / "home").write_text("a file stands here")
    with pytest.raises(StoreError, match="home"):
        profiles.keep(tmp_path / "home", profile())


def test_a_variant_of_several_files_has_one_digest_and_one_without_digests_none() -> None:
    files = (ModelFile("a", 1, "a" * 64), ModelFile("b", 1, "b" * 64))
    both = profiles.variant_digest(Variant("onnx", files=files))
    assert both is not None
    assert both == profiles.variant_digest(Variant("onnx", files=files[::-1]))
    assert profiles.variant_digest(Variant("onnx", files=(ModelFile("a", 1),))) is None
    assert profiles.variant_digest(Variant("endpoint")) is None


def test_the_version_is_asked_for_only_where_something_was_tuned(tmp_path: Path) -> None:
    asked: list[str] = []

    def version() -> str:
        asked.append("once")
        return "1.2"

    profiles.settle(tmp_path, MODEL, "llamacpp", version, EngineOptions())
    assert not asked
    profiles.keep(tmp_path, profile())
    assert profiles.settle(tmp_path, MODEL, "llamacpp", version, EngineOptions()).options == TUNED
    assert asked == ["once"]


def test_a_file_without_a_digest_is_read_only_where_a_profile_has_its_size(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    path, asked = tmp_path / "m.gguf", EngineOptions()
    path.write_bytes(b"weights")
    bare = Variant("gguf", "q4_0", (ModelFile("m.gguf", None),))
    profiles.keep(tmp_path, profile(variant=sha256(b"weights").hexdigest(), size_bytes=7))
    read: list[Path] = []

    def digest(file: Path) -> str:
        read.append(file)
        return sha256_file(file)

    monkeypatch.setattr(profiles, "sha256_file", digest)

    def settled() -> EngineOptions:
        return profiles.settle_files(tmp_path, bare, [path], "llamacpp", "1.2", asked).options

    assert settled() == settled() == TUNED
    assert read == [path]
    path.write_bytes(b"other weights")
    assert settled() == asked
    assert read == [path]
    path.unlink()
    gone = profiles.settle_files(tmp_path, bare, [path], "llamacpp", "1.2", asked)
    assert (gone.options, "no profile is looked for" in gone.notes[0]) == (asked, True)
