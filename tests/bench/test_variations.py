"""`--vs`: which candidates one model becomes, what they are called, and who is left out with which reason."""

from collections.abc import Mapping
from pathlib import Path
from typing import Any

import pytest

from models.hf_cache import lay_out
from shortlist import engines as engine_module
from shortlist.bench import roster, variations
from shortlist.bench.roster import Opening, make_roster
from shortlist.bench.variations import MOST, parse_variations
from shortlist.demo import demo_model_path
from shortlist.engines import EngineContext, EngineInfo, find_engine
from shortlist.engines.fake import Fake
from shortlist.errors import BadInput
from shortlist.models.catalogue import Library
from shortlist.models.names import parse_name
from shortlist.records import EngineOptions, ModelCard, ModelFile, Variant

PLAIN = EngineOptions()


def test_without_it_a_model_is_one_candidate_as_it_always_was() -> None:
    (one,) = parse_variations(())
    assert (one.suffix, one.over(PLAIN)) == ("", PLAIN)
    made = make_roster(["notes-small"], None, Opening("llamacpp", PLAIN))
    assert [c.label for c in made.candidates] == ["notes-small"]


def test_several_multiply_and_the_last_changes_fastest() -> None:
    found = parse_variations(("device=cpu,gpu", "threads=1, 2", "prefix-cache=on,off"))
    assert [one.suffix for one in found][:3] == [
        " [cpu, threads=1, prefix_cache=on]",
        " [cpu, threads=1, prefix_cache=off]",
        " [cpu, threads=2, prefix_cache=on]",
    ]
    assert len(found) == 8
    assert found[-1].over(EngineOptions(context=64)) == EngineOptions("gpu", 2, 64, prefix_cache=False)


def test_what_an_engine_alone_knows_goes_into_its_extra_options() -> None:
    (_, ngram, sized) = parse_variations(("speculation=off,ngram,ngram:4:16",))
    assert ngram.over(EngineOptions(extra={"batch": "64"})).extra == {"batch": "64", "speculation": "ngram"}
    assert sized.suffix == " [speculation=ngram:4:16]"


@pytest.mark.parametrize(
    ("typed", "said"),
    [
        (("kv=f16,q8_0",), "unknown key of --vs 'kv'"),
        (("threads=1",), "needs at least two values"),
        (("threads",), "needs at least two values"),
        (("threads=1,,2",), "needs at least two values"),
        (("threads=1,1",), "names 1 twice"),
        (("threads=1,01",), "names 01 twice"),
        (("threads=1,2", "threads=3,4"), "threads is given twice"),
        (("threads=0,1",), "not a whole number"),
        (("kv_type=f16,q9",), "unknown KV type 'q9'"),
        (("speculation=off,fast",), "no kind of speculation"),
        (("speculation=off,ngram:0:4",), "no kind of speculation"),
        (("prefix_cache=yes,no",), "unknown value 'yes'"),
        (("engine=llamacpp,lama",), "unknown engine 'lama'"),
        (("engine=llamacpp,remote",), "an endpoint is no engine of ours"),
        (("ubatch=some,1",), "not a whole number"),
    ],
)
def test_what_cannot_be_meant_is_an_error_that_says_so(typed: tuple[str, ...], said: str) -> None:
    with pytest.raises(BadInput, match=said):
        parse_variations(typed)


def test_every_key_has_an_example_that_can_be_read() -> None:
    for key, example in variations._EXAMPLES.items():
        if key != "engine":  # one of the two may not be installed
            assert len(parse_variations((example,))) == 2
    assert set(variations._EXAMPLES) == set(variations.KEYS)


def test_there_is_a_most() -> None:
    with pytest.raises(BadInput, match=f"makes 20 candidates of each model .5 threads × 4 ubatch., and {MOST}"):
        parse_variations(("threads=1,2,3,4,5", "ubatch=1,2,3,4"))


def test_labels_and_ids_tell_the_candidates_apart_and_off_is_the_default() -> None:
    opening = Opening("llamacpp", PLAIN, variations=parse_variations(("speculation=off,ngram",)))
    made = make_roster(["notes-small"], None, opening)
    plain, guessing = made.candidates
    assert plain.label == "notes-small [speculation=off]"
    assert plain.options == PLAIN
    assert (guessing.model, guessing.options.told) == ("notes-small", ("speculation=ngram",))
    alone = make_roster(["notes-small"], None, Opening("llamacpp", PLAIN)).candidates[0]
    assert plain.id == alone.id != guessing.id
    assert len(made.paths) == 2


# --- engines and formats --------------------------------------------------------------------------------------------


class Both(Fake):
    """Stands for an engine whose extra is installed."""

    def probe(self) -> EngineInfo:
        return EngineInfo("any", available=True)


class Without(Fake):
    def probe(self) -> EngineInfo:
        return EngineInfo("any", available=False, reason="pip install 'shortlist[onnx]'")


@pytest.fixture
def engines(monkeypatch: pytest.MonkeyPatch) -> dict[str, type]:
    """Patched: whether an engine's extra is installed must not matter here."""
    there: dict[str, type] = {"llamacpp": Both, "onnx_genai": Both}

    def found(name: str) -> Any:
        return there.get(name) or find_engine(name)

    for module in (engine_module, variations, roster):
        monkeypatch.setattr(module, "find_engine", found)
    return there


def duo(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, files: Mapping[str, bytes]) -> Library:
    """A model that is known in both formats; `files` of it lie in the cache."""
    for repository in ("a/duo-gguf", "a/duo-onnx"):
        mine = {name.split("/")[1]: data for name, data in files.items() if name.startswith(repository[2:])}
        if mine:
            lay_out(tmp_path, repository, mine)
    monkeypatch.setenv("HF_HUB_CACHE", str(tmp_path))
    gguf = Variant("gguf", "q8_0", (ModelFile("duo.gguf", None),), "a/duo-gguf")
    names = ("genai_config.json", "model.onnx")
    onnx = Variant("onnx", "int4", tuple(ModelFile(name, None) for name in names), "a/duo-onnx")
    return Library([ModelCard("duo", variants=(gguf, onnx))])


IN_BOTH = ("duo-onnx/genai_config.json", "duo-onnx/model.onnx")


def test_each_engine_gets_the_variant_that_it_can_open(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, engines: dict[str, type]
) -> None:
    files = {"duo-gguf/duo.gguf": demo_model_path("notes-small").read_bytes(), **dict.fromkeys(IN_BOTH, b"{}")}
    library = duo(tmp_path, monkeypatch, files)
    opening = Opening("llamacpp", PLAIN, library=library, variations=parse_variations(("engine=llamacpp,onnx_genai",)))
    made = make_roster(["duo"], None, opening)
    assert [(c.engine, c.variant.format) for c in made.candidates] == [("llamacpp", "gguf"), ("onnx_genai", "onnx")]
    assert [c.label for c in made.candidates] == ["duo@q8_0 [llamacpp]", "duo@onnx [onnx_genai]"]
    assert not made.left_out
    # What was typed exactly is not replaced: the engine that cannot open it is left out.
    exact = make_roster(["duo@q8_0"], None, opening)
    assert [c.engine for c in exact.candidates] == ["llamacpp"]
    assert exact.left_out[0].reason == "duo@q8_0 is GGUF, and engine onnx_genai opens ONNX"


def test_who_cannot_be_opened_is_skipped_with_the_reason(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, engines: dict[str, type]
) -> None:
    varied = parse_variations(("engine=llamacpp,onnx_genai",))
    path = str(demo_model_path("notes-small"))
    made = make_roster([path], None, Opening("llamacpp", PLAIN, variations=varied))
    (out,) = made.left_out
    assert (out.label, out.status) == ("notes-small [onnx_genai]", "skipped")
    assert out.reason == f"{path} is GGUF, and engine onnx_genai opens ONNX"
    half = {"duo-gguf/duo.gguf": demo_model_path("notes-small").read_bytes()}
    library = duo(tmp_path, monkeypatch, half)
    (out,) = make_roster(["duo"], None, Opening("llamacpp", PLAIN, library=library, variations=varied)).left_out
    assert out.reason == "duo@onnx is known, and its files are not here"
    engines["onnx_genai"] = Without
    (out,) = make_roster([path], None, Opening("llamacpp", PLAIN, variations=varied)).left_out
    assert out.reason == "engine onnx_genai cannot be used here: pip install 'shortlist[onnx]'"


def test_nobody_left_is_an_error(engines: dict[str, type]) -> None:
    engines["llamacpp"] = engines["onnx_genai"] = Without
    opening = Opening("llamacpp", PLAIN, variations=parse_variations(("engine=llamacpp,onnx_genai",)))
    with pytest.raises(BadInput, match="engine llamacpp cannot be used here"):
        make_roster(["notes-small"], None, opening)


def test_a_name_with_a_format_is_a_name() -> None:
    assert parse_name("duo@onnx").wanted == "onnx"
    assert find_engine("fake")(EngineContext()).probe().available
