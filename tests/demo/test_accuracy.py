"""What the shipped models can do on held-out notes, through llama.cpp."""

from itertools import pairwise
from pathlib import Path

import pytest

from notes_recipe.evaluate import read_rows
from notes_recipe.scoring import facets, shares
from shortlist.demo import demo_model_path, demo_names

HELDOUT = Path(__file__).parents[2] / "training" / "heldout"
NOTES = 60

pytestmark = [pytest.mark.engine, pytest.mark.slow]


@pytest.fixture(scope="module")
def measured() -> dict[tuple[str, str], dict[str, float]]:
    """Facet shares per model and set, on the first sixty notes of each set."""
    pytest.importorskip("xllamacpp", reason="the engine that answers is not installed")
    from notes_recipe.engine import answers

    out = {}
    for set_name in ("known_names", "unseen_names"):
        rows = read_rows(HELDOUT / f"{set_name}.jsonl")[:NOTES]
        for model in demo_names():
            given = answers(demo_model_path(model), [row["messages"] for row in rows])
            out[model, set_name] = shares(facets(answer.text, row) for answer, row in zip(given, rows, strict=True))
    return out


def test_largest_is_right(measured: dict[tuple[str, str], dict[str, float]]) -> None:
    """notes-large gets nine facets in ten."""
    assert measured["notes-large", "known_names"]["share"] >= 0.9


def test_largest_copies_names_it_never_saw(measured: dict[tuple[str, str], dict[str, float]]) -> None:
    """notes-large names the right owner seven times in ten when no name is known."""
    assert measured["notes-large", "unseen_names"]["owner"] >= 0.7


def test_smallest_is_visibly_worse(measured: dict[tuple[str, str], dict[str, float]]) -> None:
    """notes-small gets at most six facets in ten."""
    assert measured["notes-small", "known_names"]["share"] <= 0.6


@pytest.mark.parametrize("set_name", ["known_names", "unseen_names"])
def test_accuracy_rises_with_size(measured: dict[tuple[str, str], dict[str, float]], set_name: str) -> None:
    """The order of the models by facets is their order by size, on both sets."""
    share = [measured[model, set_name]["share"] for model in demo_names()]
    assert all(smaller < larger for smaller, larger in pairwise(share))
