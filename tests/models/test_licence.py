"""Licence classes."""

import pytest

from shortlist.models.licence import STRICTNESS, class_of_tag, commercial_use, find_licence
from shortlist.records import ModelCard


@pytest.mark.parametrize(
    ("tag", "found"),
    [
        ("Apache-2.0", "permissive"),
        ("apache 2.0", "permissive"),
        ("MIT", "permissive"),
        ("cc-by-sa-4.0", "attribution"),
        ("llama3.2", "community-conditional"),
        ("gemma", "use-restricted"),
        ("openrail", "use-restricted"),
        ("cc-by-nc-4.0", "non-commercial"),
        ("license:cc-by-nc-4.0", "non-commercial"),
        ("other", "unknown"),
        ("", "unknown"),
        (None, "unknown"),
    ],
)
def test_tags_of_spdx_and_of_the_hub(tag: str | None, found: str) -> None:
    assert class_of_tag(tag) == found


def test_a_family_says_nothing() -> None:
    assert find_licence(ModelCard("qwen2.5-3b", family="qwen2")).licence_class == "unknown"


def test_the_strictest_along_the_chain_applies_and_names_whose_it_is() -> None:
    base = ModelCard("base", licence="cc-by-nc-4.0")
    found = find_licence(ModelCard("tuned", base_model="base", licence="mit"), [base])
    assert (found.licence_class, found.of) == ("non-commercial", "base")


def test_a_base_that_nobody_knows_means_review() -> None:
    found = find_licence(ModelCard("tuned", base_model="somebody/base", licence="mit"))
    assert found.licence_class == "unknown"
    assert commercial_use(found) == "cannot tell"
    assert "somebody/base" in found.note


def test_no_card_means_review() -> None:
    assert commercial_use(find_licence(None)) == "cannot tell"


def test_only_the_two_free_classes_pass_and_only_the_last_fails() -> None:
    cards = {
        "mit": "pass",
        "cc-by-4.0": "pass",
        "llama3": "cannot tell",
        "gemma": "cannot tell",
        "cc-by-nc-4.0": "fail",
    }
    for tag, verdict in cards.items():
        assert commercial_use(find_licence(ModelCard("m", licence=tag))) == verdict


def test_unknown_is_stricter_than_what_can_be_read_and_less_than_a_ban() -> None:
    assert STRICTNESS[-2:] == ("unknown", "non-commercial")
