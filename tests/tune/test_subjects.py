"""Which engines and variants take part, and what is said of those that cannot."""

from dataclasses import replace
from pathlib import Path

import pytest

from shortlist.demo import demo_model_path
from shortlist.errors import BadInput, NotDownloaded, UnknownName
from shortlist.models.catalogue import Library
from shortlist.models.refs import ResolvedModel, resolve
from shortlist.records import ModelCard, ModelFile, Variant
from shortlist.tune.subjects import Others, engines_for, other_settings, other_variants

HERE = Variant("gguf", "q8_0", (ModelFile("m.gguf", 1, "a" * 64),))


def test_engines_that_are_named_take_part_and_else_ours_for_the_format() -> None:
    assert engines_for("m", HERE, ("fake", "llamacpp", "fake")) == ("fake", "llamacpp")
    assert engines_for("m", HERE) == ("llamacpp",)
    with pytest.raises(UnknownName, match="engine 'x'"):
        engines_for("m", HERE, ("x",))
    with pytest.raises(BadInput, match="opens ONNX"):
        engines_for("m", HERE, ("onnx_genai",))
    with pytest.raises(BadInput, match="no engine of ours opens endpoint"):
        engines_for("m", Variant("endpoint"))


def test_other_variants_are_those_of_the_card_that_are_here_and_those_named(tmp_path: Path) -> None:
    files = (ModelFile("gone.gguf", 1, "b" * 64),)
    card = ModelCard("some", variants=(HERE, Variant("gguf", "q4_0", files, "owner/repo")))
    library = Library([card])
    other = tmp_path / "other.gguf"
    other.write_bytes(demo_model_path("notes-small").read_bytes())
    found = other_variants(ResolvedModel("some", HERE, None, card), library, (str(other),))
    assert list(found.models) == ["other"]
    assert any("some@q4_0 is not tried: its files are not here" in note for note in found.notes)
    with pytest.raises(UnknownName):
        other_variants(ResolvedModel("some", HERE, None, card), library, ("nobody",))
    same = other_variants(resolve("notes-small"), Library([]), (str(other),))
    assert not same.models  # the same file by another name


def test_a_variant_that_nothing_here_opens_is_told() -> None:
    model = ResolvedModel("x", replace(HERE, format="endpoint"), None)
    settings, notes = other_settings(Others({"x": model, "y": ResolvedModel("y", HERE, None)}))
    assert [one.label for one in settings] == ["y llamacpp default"]
    assert notes == ("x is not tried: nothing here can open it: no engine of ours opens endpoint",)


def test_a_named_variant_that_is_not_downloaded_is_an_error() -> None:
    files = (ModelFile("gone.gguf", 1, "b" * 64),)
    library = Library([ModelCard("gone", variants=(Variant("gguf", "q4_0", files, "owner/repo"),))])
    with pytest.raises(NotDownloaded):
        other_variants(resolve("notes-small"), library, ("gone",))
