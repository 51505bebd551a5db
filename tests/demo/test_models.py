"""The shipped demo files and their cards."""

import hashlib
import json
import re
from typing import Any

import pytest

from shortlist.demo import demo_card_path, demo_model_path, demo_names

LIMIT_BYTES = 15 * 1024 * 1024


def card(name: str) -> dict[str, Any]:
    """A card's content."""
    content: dict[str, Any] = json.loads(demo_card_path(name).read_text(encoding="utf-8"))
    return content


@pytest.mark.parametrize("name", demo_names())
def test_card_names_the_file_that_ships(name: str) -> None:
    """Size and digest on the card are those of the file beside it."""
    (variant,) = card(name)["variants"]
    (file,) = variant["files"]
    content = demo_model_path(name).read_bytes()
    assert file == {
        "path": f"{name}.gguf",
        "size_bytes": len(content),
        "sha256": hashlib.sha256(content).hexdigest(),
    }


@pytest.mark.parametrize("name", demo_names())
def test_card_says_where_its_facts_come_from(name: str) -> None:
    """Alias, licence, context length and their sources are on the card."""
    content = card(name)
    assert content["alias"] == name
    assert content["schema_version"] == 1
    assert content["licence"] == "Apache-2.0"
    assert content["context_length"] == 1024
    assert set(content["sources"]) <= set(content)
    assert {"recipe", "measured"} <= set(content["extra"])


def test_models_are_small_enough_to_ship() -> None:
    """All three files together stay under 15 MB."""
    assert sum(demo_model_path(name).stat().st_size for name in demo_names()) <= LIMIT_BYTES


def test_cards_are_ordered_by_size() -> None:
    """Smallest first, in parameters and in bytes."""
    parameters = [card(name)["parameters"] for name in demo_names()]
    sizes = [demo_model_path(name).stat().st_size for name in demo_names()]
    assert parameters == sorted(parameters)
    assert sizes == sorted(sizes)


def test_unknown_name_is_an_error() -> None:
    """A path is never made up for a model that does not exist."""
    with pytest.raises(KeyError):
        demo_model_path("notes-huge")


def test_cards_hold_no_machine_paths() -> None:
    """A card speaks of files by name, never by where they were made."""
    for name in demo_names():
        assert not re.search(r"(?<![\w.])/[a-z]+/", json.dumps(card(name))), "a path of some machine"
