"""Facets: what passes, what fails, what cannot be decided."""

import math
import socket

import pytest

from shortlist.quality.facets import null_answers, score_answer, words
from shortlist.quality.limited import GIVE_UP_AFTER, Limited, OutOfReach
from shortlist.quality.spellings import contains, fold
from shortlist.records import Facet, Json, Message, Prompt


def prompt(*facets: Facet) -> Prompt:
    return Prompt(
        "p", (Message("system", "Be brief."), Message("user", "Hello"), Message("user", "there")), facets=facets
    )


def passes(text: str, facet: Facet) -> bool:
    return score_answer(text, prompt(facet)).parts[facet.id]


def test_the_score_is_facets_passed_over_all() -> None:
    p = prompt(Facet("a", "must_include", any_of=("x", "y")), Facet("b", "must_include", any_of=("z",)),
               Facet("c", "must_not_include", any_of=("w",)))  # fmt: skip
    score = score_answer("Y w", p)
    assert score.parts == {"a": True, "b": False, "c": False}
    assert math.isclose(score.value, 1 / 3)
    assert score.critical_failed == ()


def test_a_failed_critical_facet_makes_the_score_0() -> None:
    p = prompt(Facet("a", "must_include", any_of=("x",)), Facet("b", "must_not_include", any_of=("y",), critical=True))
    assert score_answer("x", p).value == 1
    failed = score_answer("x y", p)
    assert (failed.value, failed.critical_failed, failed.parts["a"]) == (0, ("b",), True)


def test_must_not_include_matches_as_must_include_does() -> None:
    for text in ("at 15:00", "at 3 p.m."):
        assert passes(text, Facet("f", "must_include", any_of=("3pm",)))
        assert not passes(text, Facet("f", "must_not_include", any_of=("3pm",)))
    assert passes("at 13:00", Facet("f", "must_not_include", any_of=("3:00",)))


def test_a_regex_ignores_case_and_folds_white_space_and_its_anchors_are_the_answers_ends() -> None:
    assert passes("Owner:\n  PRIYA", Facet("f", "must_include", regex="^owner: priya$"))
    assert not passes("Owner: Priya!", Facet("f", "must_include", regex="^owner: priya$"))
    assert not passes("by Ana", Facet("f", "must_not_include", regex=r"\bana\b"))
    assert passes("by Anabel", Facet("f", "must_not_include", regex=r"\bana\b"))
    assert passes("caf\u00e9", Facet("f", "must_include", regex="cafe\u0301"))


@pytest.mark.parametrize("kind", ["must_include", "must_not_include"])
def test_a_catastrophic_regex_ends_is_told_and_never_passes(kind: str) -> None:
    facets = (Facet("slow", kind, regex="(a+)+$"), Facet("b", "must_include", any_of=("b",)))  # type: ignore[arg-type]
    score = score_answer("a" * 5000 + " b!", prompt(*facets))
    assert score.parts == {"slow": False, "b": True}
    assert "did not end within 1 s" in score.errors["slow"]


def test_after_a_timeout_other_answers_are_still_searched() -> None:
    with Limited(limit_ns=2 * 10**8) as limited:
        with pytest.raises(OutOfReach):
            limited.search("(a+)+$", "a" * 60 + "!")
        assert limited.search("b+", "abba")
        assert not limited.search("b+", "aa")


def test_a_pattern_that_always_runs_out_of_time_is_given_up_and_told() -> None:
    with Limited(limit_ns=10**8) as limited:
        told = []
        for number in range(GIVE_UP_AFTER + 2):
            with pytest.raises(OutOfReach) as caught:
                limited.search("(a+)+$", "a" * 60 + "!" * (number + 1))
            told.append(str(caught.value))
    assert ["was not tried" in text for text in told] == [False] * GIVE_UP_AFTER + [True, True]


def test_closing_leaves_no_process_and_a_closed_one_starts_again() -> None:
    limited = Limited()
    assert limited.search("a", "a")
    child = limited._child
    limited.close()
    limited.close()
    assert child is not None
    assert child.poll() is not None
    assert limited.search("b", "b")
    limited.close()


def test_a_child_that_died_meanwhile_is_no_timeout() -> None:
    with Limited() as limited:
        assert limited.search("a", "a")
        assert limited._child is not None
        limited._child.kill()
        limited._child.wait()
        assert limited.search("b", "ab")


def test_lone_surrogates_and_nul_do_not_stop_a_search() -> None:
    assert passes("a\ud800\x00b", Facet("f", "must_include", regex="a.+b"))
    assert passes("a\ud800\x00b", Facet("f", "must_not_include", any_of=("x",)))


@pytest.mark.parametrize(
    ("text", "count"),
    [("", 0), (" \n\t", 0), ("one", 1), ("one two", 2), ("one - two", 2), ("a—b", 2), ("well-known", 1), ("... !", 0),
     ("3.5 kg", 2), ("don't", 1), ("東京", 2), ("東京 x", 3), ("राम ने", 2), ("* item\n* item", 2)],
)  # fmt: skip
def test_a_word_holds_a_letter_or_digit(text: str, count: int) -> None:
    assert words(text) == count


def test_max_words_allows_its_value_and_no_more() -> None:
    facet = Facet("f", "max_words", value=3)
    assert passes("a b c", facet)
    assert not passes("a b c d", facet)


SCHEMA: Json = {"type": "object", "required": ["owner"], "properties": {"owner": {"type": "string", "minLength": 1}}}


@pytest.mark.parametrize("text", ['{"owner": "P"}', ' \n{"owner": "P"}\n', '```json\n{"owner": "P"}\n```',
                                  '~~~\n{"owner": "P"}\n~~~', '```\n{"owner": "P"}```'])  # fmt: skip
def test_json_of_the_schema_passes_bare_or_in_one_fence(text: str) -> None:
    assert passes(text, Facet("f", "json_schema", schema=SCHEMA))


NOT_OF_THE_SCHEMA = (
    "",
    "P",
    '{"owner": 3}',
    '{"owner": "P"',
    'Here: {"owner": "P"}',
    '{"owner": NaN}',
    "[" * 50_000,
    '```json\n{"owner": "P"}\n```\nDone.',
    '```\n{}\n```\n```\n{"owner": "P"}\n```',
)


@pytest.mark.parametrize("text", NOT_OF_THE_SCHEMA, ids=range(len(NOT_OF_THE_SCHEMA)))
def test_anything_else_fails(text: str) -> None:
    score = score_answer(text, prompt(Facet("f", "json_schema", schema=SCHEMA)))
    assert score.parts == {"f": False}
    assert score.errors == {}


def test_drafts_2020_12_words_count() -> None:
    tuple_of = {"prefixItems": [{"const": 1}], "items": False}
    assert passes("[1]", Facet("f", "json_schema", schema=tuple_of))
    assert not passes("[1, 2]", Facet("f", "json_schema", schema=tuple_of))


def test_a_remote_reference_is_never_fetched_and_is_told() -> None:
    with socket.create_server(("127.0.0.1", 0)) as server:
        server.settimeout(0.3)
        url = f"http://127.0.0.1:{server.getsockname()[1]}/schema"
        score = score_answer("{}", prompt(Facet("f", "json_schema", schema={"$ref": url})))
        with pytest.raises(TimeoutError):
            server.accept()
    assert score.parts == {"f": False}
    assert "none is fetched" in score.errors["f"]


@pytest.mark.parametrize("schema", [{"pattern": "^(a+)+$"}, {"patternProperties": {"x": {}}, "$ref": "#"}])
def test_a_schema_that_does_not_end_is_told(schema: Json) -> None:
    score = score_answer(f'"{"a" * 60}!"', prompt(Facet("f", "json_schema", schema=schema)))
    assert score.parts == {"f": False}
    assert score.errors["f"]


def test_a_schema_that_is_none_is_told() -> None:
    score = score_answer("{}", prompt(Facet("f", "json_schema", schema={"type": "thing"})))
    assert "not a schema" in score.errors["f"]


def test_the_null_candidates_say_nothing_and_repeat_the_user() -> None:
    assert null_answers(prompt()) == {"empty": "", "echo": "Hello\n\nthere"}


def test_a_prompt_without_facets_has_no_score() -> None:
    with pytest.raises(ValueError, match="no facets"):
        score_answer("x", prompt())


@pytest.mark.parametrize("text", ["_Anna_", "by __Anna__.", "(_Anna_)", "**Anna**"])
def test_markdown_emphasis_does_not_hide_a_word(text: str) -> None:
    assert contains(fold(text), "Anna")


def test_an_underscore_inside_a_word_belongs_to_it() -> None:
    assert not contains(fold("deadline_date"), "date")
    assert contains(fold("the deadline_date is"), "deadline_date")
