"""The licence policy: without one nothing is refused; with one each class has its action, and what was read is kept."""

from pathlib import Path

import pytest

from shortlist.errors import InvalidFile, LicenceRefused
from shortlist.models.policy import ACCEPTED_NAME, accept, check, load_policy
from shortlist.records import BaseModel, ModelCard

FREE = ModelCard("free", licence="Apache-2.0")
GEMMA = ModelCard("gemma-2-2b", licence="LicenseRef-Gemma")
RESEARCH = ModelCard("research", licence="LicenseRef-Qwen-Research")
TUNED = ModelCard("tuned", licence="MIT", base_model="o/base", bases=(BaseModel("o/base", "cc-by-nc-4.0"),))


def write(tmp_path: Path, text: str) -> Path:
    path = tmp_path / "licences.toml"
    path.write_text(text)
    return path


RULES = """\
[classes]
permissive = "allow"
use-restricted = "review"
non-commercial = "refuse"
"""


def test_without_a_file_nothing_is_refused_and_the_class_is_there() -> None:
    policy = load_policy(None)
    for card in (FREE, GEMMA, RESEARCH, TUNED, None):
        check(policy, card, what="bench")
    assert check(policy, RESEARCH, what="bench").licence_class == "non-commercial"


def test_each_class_has_its_action_and_an_unnamed_one_is_review(tmp_path: Path) -> None:
    policy = load_policy(write(tmp_path, RULES))
    assert check(policy, FREE, what="bench").licence_class == "permissive"
    with pytest.raises(LicenceRefused, match="refused by") as refused:
        check(policy, RESEARCH, what="bench")
    assert "research" in refused.value.message
    for card in (GEMMA, ModelCard("who", licence="other"), None):
        with pytest.raises(LicenceRefused, match="must be read") as review:
            check(policy, card, what="bench")
        assert "--accept-licence" in (review.value.hint or "")


def test_the_strictest_licence_of_the_chain_is_what_the_policy_sees(tmp_path: Path) -> None:
    with pytest.raises(LicenceRefused, match="of its base o/base"):
        check(load_policy(write(tmp_path, RULES)), TUNED, what="bench")


def test_a_licence_goes_before_its_class_and_a_model_before_both(tmp_path: Path) -> None:
    rules = RULES + '[licences]\n"LicenseRef-Gemma" = "allow"\n[models]\nfree = "refuse"\n'
    policy = load_policy(write(tmp_path, rules))
    check(policy, GEMMA, what="bench")
    with pytest.raises(LicenceRefused):
        check(policy, FREE, what="bench")


def test_what_was_accepted_stays_accepted_until_the_licence_changes(tmp_path: Path) -> None:
    path = write(tmp_path, RULES)
    accept(tmp_path, [GEMMA], "2026-11-26T12:00:00Z")
    policy = load_policy(path, tmp_path)
    check(policy, GEMMA, what="bench")
    with pytest.raises(LicenceRefused):
        check(policy, ModelCard("gemma-2-2b", licence="openrail"), what="bench")


def test_accepting_does_not_open_what_is_refused(tmp_path: Path) -> None:
    accept(tmp_path, [RESEARCH], "2026-11-26T12:00:00Z")
    with pytest.raises(LicenceRefused, match="refused by"):
        check(load_policy(write(tmp_path, RULES), tmp_path), RESEARCH, what="bench")


@pytest.mark.parametrize(
    ("text", "says"),
    [
        ("[classes]\npermissiv = 'allow'\n", "classes"),
        ("[classes]\npermissive = 'maybe'\n", "permissive"),
        ("[class]\n", "class"),
        ("[licences]\nwhatever = 'allow'\n", "whatever"),
        ("version = 2\n", "version"),
        ("[classes\n", "TOML"),
    ],
)
def test_a_mistake_in_the_file_is_told_with_its_place(tmp_path: Path, text: str, says: str) -> None:
    with pytest.raises(InvalidFile, match=says):
        load_policy(write(tmp_path, text))


def test_a_damaged_record_of_what_was_accepted_is_an_error_and_not_a_refusal(tmp_path: Path) -> None:
    (tmp_path / ACCEPTED_NAME).write_text("nonsense\n")
    with pytest.raises(InvalidFile, match="line 1"):
        load_policy(write(tmp_path, RULES), tmp_path)
