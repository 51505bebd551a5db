"""Licences as SPDX: tags of the Hub, identifiers in any case, expressions and their classes."""

import pytest

from shortlist.models.licence import class_of_tag
from shortlist.models.obligations import obligations
from shortlist.models.spdx import HUB_TAGS, to_spdx


@pytest.mark.parametrize(
    ("text", "spelled"),
    [
        ("apache-2.0", "Apache-2.0"),
        ("license:MIT", "MIT"),
        ("Apache 2.0", "Apache-2.0"),
        ("llama3.2", "LicenseRef-scancode-llama-3.2-license-2024"),
        ("gemma", "LicenseRef-Gemma"),
        ("LicenseRef-Ours", "LicenseRef-Ours"),
        ("mit or apache-2.0", "MIT OR Apache-2.0"),
        ("GPL-2.0-only WITH Classpath-exception-2.0", "GPL-2.0-only WITH Classpath-exception-2.0"),
    ],
)
def test_what_people_write_becomes_spdx(text: str, spelled: str) -> None:
    found = to_spdx(text)
    assert (found.text, found.problem) == (spelled, None)


@pytest.mark.parametrize("text", ["other", "see LICENSE", "Apache-2.0 AND", "(MIT", "my own licence"])
def test_what_is_no_licence_keeps_its_text_and_says_why(text: str) -> None:
    found = to_spdx(text)
    assert found.text == text
    assert found.problem


def test_every_translation_is_a_valid_expression_of_itself() -> None:
    for spelled in HUB_TAGS.values():
        assert to_spdx(spelled).text == spelled


@pytest.mark.parametrize(
    ("expression", "found"),
    [
        ("MIT OR GPL-3.0-only", "permissive"),
        ("MIT AND CC-BY-4.0", "attribution"),
        ("Apache-2.0 AND (MIT OR CC-BY-NC-4.0)", "permissive"),
        ("Apache-2.0 AND CC-BY-NC-4.0", "non-commercial"),
        ("MIT AND LicenseRef-Gemma", "use-restricted"),
        ("MIT AND LicenseRef-Nobody-Knows", "unknown"),
        ("MIT OR LicenseRef-Nobody-Knows", "permissive"),
        ("GPL-2.0-only WITH Classpath-exception-2.0", "attribution"),
        ("MIT AND", "unknown"),
    ],
)
def test_and_takes_the_strictest_and_or_the_freest(expression: str, found: str) -> None:
    assert class_of_tag(expression) == found


def test_a_translation_is_of_its_tags_class() -> None:
    for tag, spelled in HUB_TAGS.items():
        assert class_of_tag(tag) == class_of_tag(spelled), tag


@pytest.mark.parametrize(
    ("licence", "says"),
    [
        ("Apache-2.0", "NOTICE"),
        ("LicenseRef-scancode-llama-3.2-license-2024", "Built with Llama"),
        ("LicenseRef-Gemma", "use restrictions"),
        ("LicenseRef-Qwen-Research", "no commercial use"),
        ("CC-BY-SA-4.0", "same licence"),
        ("MIT AND LicenseRef-Gemma", "use restrictions"),
        ("LicenseRef-Nobody-Knows", "somebody decide"),
        (None, "somebody decide"),
    ],
)
def test_what_a_licence_asks(licence: str | None, says: str) -> None:
    assert any(says in task for task in obligations(licence))
