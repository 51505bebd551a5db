"""models.json: the workshop's bare form, the long form, and errors with their place."""

import json
from pathlib import Path

import pytest

from shortlist.errors import InvalidFile
from shortlist.models.listing import load_listing


def write(tmp_path: Path, content: object) -> Path:
    path = tmp_path / "models.json"
    path.write_text(json.dumps(content))
    return path


def test_the_workshops_bare_form_gives_tags_and_sizes(tmp_path: Path) -> None:
    listing = load_listing(write(tmp_path, {"mistral-7b": {"capabilities": ["chat"], "size_mb": 4100}, "mine": {}}))
    assert list(listing.entries) == ["mistral-7b", "mine"]
    assert listing.entries["mistral-7b"].capabilities == ["chat"]
    assert listing.entries["mistral-7b"].size_mb == 4100
    assert listing.prompts is None


def test_the_long_form_has_sources_and_prompts_beside_it_or_inside(tmp_path: Path) -> None:
    models = {"a": {"source": "notes-small"}}
    beside = load_listing(write(tmp_path, {"version": 1, "models": models, "prompts": "p.json"}))
    assert beside.prompts == tmp_path / "p.json"
    assert beside.entries["a"].source == "notes-small"
    inside = load_listing(write(tmp_path, {"models": models, "prompts": ["Why?"]}))
    assert inside.prompts == ["Why?"]


def test_a_relative_path_counts_from_the_file_that_says_it(tmp_path: Path) -> None:
    sources = {"a": {"source": "sub/x.gguf"}, "b": {"source": "hf:o/r"}, "c": {"source": "/abs/x.gguf"}}
    entries = load_listing(write(tmp_path, sources)).entries
    assert [e.source for e in entries.values()] == [str(tmp_path / "sub/x.gguf"), "hf:o/r", "/abs/x.gguf"]


@pytest.mark.parametrize(
    ("content", "place", "expected"),
    [
        ([], r"\$", "expected an object"),
        ({}, r"\$", "no model"),
        ({"a": 3}, r"\$\.models", "expected `object`"),
        ({"a": {"capability": []}}, r"\$\.models", "unknown field `capability`"),
        ({"models": {"a": {"size_mb": "big"}}}, "size_mb", "expected `float"),
        ({"version": 9, "models": {"a": {}}}, r"\$\.version", "expected 1"),
    ],
)
def test_each_mistake_names_its_place(tmp_path: Path, content: object, place: str, expected: str) -> None:
    with pytest.raises(InvalidFile, match=place) as caught:
        load_listing(write(tmp_path, content))
    assert expected in caught.value.message
