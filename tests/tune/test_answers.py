"""Answers of a setting beside the default's: same or not, on how many prompts, from which character on."""

from shortlist.tune.answers import Change, compare_answers, is_repeatable, merged


def test_the_first_difference_is_told() -> None:
    default = {"a": ("one two",), "b": ("three",), "c": ("only here",)}
    assert compare_answers(default, default) == Change(0, 3)
    found = compare_answers(default, {"a": ("one too",), "b": ("th",), "d": ("?",)})
    assert found == Change(2, 2, "b", 2)
    assert found.words == "other text on 2 of 2 prompts, from character 2 on"


def test_an_answer_that_the_default_gave_in_any_round_is_the_same() -> None:
    default = {"a": ("x y", "x z")}
    assert not is_repeatable(default)
    assert compare_answers(default, {"a": ("x z",)}).changed == 0
    assert compare_answers(default, {"a": ("x z", "x q")}) == Change(1, 1, "a", 2)


def test_without_a_common_prompt_nothing_is_said_to_be_the_same() -> None:
    assert compare_answers({"a": ("x",)}, {}).words == "no answer to compare"


def test_answers_of_several_runs_are_each_kept_once() -> None:
    assert merged([{"a": ("x",)}, {"a": ("x", "y"), "b": ("z",)}]) == {"a": ("x", "y"), "b": ("z",)}
