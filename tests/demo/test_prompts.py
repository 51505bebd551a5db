"""The demo's prompt suite."""

import json
from typing import Any

import pytest

from notes_recipe.suite import told_notes
from shortlist.demo import demo_prompts_path

SUITE: dict[str, Any] = json.loads(demo_prompts_path().read_text(encoding="utf-8"))
PROMPTS: list[dict[str, Any]] = SUITE["prompts"]
BY_ID = {prompt["id"]: prompt for prompt in PROMPTS}


def facet(prompt: dict[str, Any], facet_id: str) -> dict[str, Any]:
    """One facet of a prompt."""
    return next(facet for facet in prompt["facets"] if facet["id"] == facet_id)


def passes(answer: str, facet: dict[str, Any]) -> bool:
    """A plain reading of a facet, enough for the references."""
    if facet["kind"] == "max_words":
        return len(answer.split()) <= int(facet["value"])
    found = any(text.casefold() in answer.casefold() for text in facet["any_of"])
    return found is (facet["kind"] == "must_include")


def test_suite_is_what_the_generator_tells() -> None:
    """The file is reproducible: its notes are those of the seed."""
    assert [prompt["note"] for prompt in PROMPTS] == [told.note.text for told in told_notes()]


def test_suite_has_thirty_notes_in_thirteen_meetings() -> None:
    """Thirty notes, thirteen clusters, ids unique, a third or more with names never seen in training."""
    assert SUITE["version"] == 1
    assert "{note}" in SUITE["template"]
    assert len(BY_ID) == len(PROMPTS) == 30
    assert len({prompt["cluster"] for prompt in PROMPTS}) == 13
    assert 9 <= sum("unseen-names" in prompt["tags"] for prompt in PROMPTS) <= 15


@pytest.mark.parametrize("prompt", PROMPTS, ids=[prompt["id"] for prompt in PROMPTS])
def test_facts_are_in_the_note(prompt: dict[str, Any]) -> None:
    """Item, owner and deadline can be read in the note, and so can every name that must not be the answer."""
    for facet_id in ("item", "owner", "deadline"):
        assert facet(prompt, facet_id)["any_of"][0] in prompt["note"]
    for name in facet(prompt, "no-invented-name")["any_of"]:
        assert name in prompt["note"]
        assert name not in facet(prompt, "owner")["any_of"]
    assert facet(prompt, "owner")["critical"] is True


@pytest.mark.parametrize("prompt", PROMPTS, ids=[prompt["id"] for prompt in PROMPTS])
def test_reference_passes_every_facet(prompt: dict[str, Any]) -> None:
    """The reference answer is a right answer."""
    (reference,) = prompt["references"]
    assert all(passes(reference, facet) for facet in prompt["facets"])


def test_pairs_expect_the_same_answer() -> None:
    """A pair is one meeting's facts in two notes."""
    pairs = [(prompt, BY_ID[prompt["pair_with"]]) for prompt in PROMPTS if "pair_with" in prompt]
    assert len(pairs) >= 5
    for one, other in pairs:
        assert one["cluster"] == other["cluster"]
        assert one["references"] == other["references"]
        assert one["note"] != other["note"]


def test_rubric_has_five_levels() -> None:
    """Every prompt carries the rubric for people who rate answers."""
    for prompt in PROMPTS:
        assert set(prompt["rubric"]["faithfulness"]) == {"1", "2", "3", "4", "5"}
