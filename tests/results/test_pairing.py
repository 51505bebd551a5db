from dataclasses import replace

import pytest

from results.two_runs import base_run, head_run
from shortlist.errors import BadInput, UnknownName
from shortlist.records import Candidate, Message, Prompt, Run
from shortlist.results.pairing import pair_candidates, same_prompts


def with_candidates(run: Run, *candidates: Candidate) -> Run:
    return replace(run, info=replace(run.info, plan=replace(run.info.plan, candidates=candidates)))


def labels(base: Run, head: Run, *asked: str) -> list[tuple[str, str]]:
    return [(pair.base.label, pair.head.label) for pair in pair_candidates(base, head, asked).pairs]


BASE, HEAD = base_run(), head_run()
TINY, SMALL, LARGE, _ = BASE.info.plan.candidates


def test_the_same_candidates_pair_by_content_whatever_they_are_called() -> None:
    renamed = with_candidates(HEAD, replace(LARGE, label="big"), replace(TINY, label="a=b"))
    assert labels(BASE, renamed) == [("tiny", "a=b"), ("large", "big")]
    assert pair_candidates(BASE, renamed).only_base == ("small", "broken")


def test_other_content_pairs_by_label_and_then_by_the_model_where_it_is_one_candidates_alone() -> None:
    other = replace(SMALL, id="0" * 16)
    assert labels(with_candidates(BASE, SMALL), with_candidates(HEAD, other, LARGE)) == [("small", "small")]
    q4 = replace(SMALL, id="1" * 16, label="small@q4_0")
    assert labels(with_candidates(BASE, SMALL, TINY), with_candidates(HEAD, q4)) == [("small", "small@q4_0")]
    twice = with_candidates(HEAD, q4, replace(q4, id="2" * 16, label="small@q8_0"), TINY)
    assert labels(with_candidates(BASE, replace(SMALL, label="old"), TINY), twice) == [("tiny", "tiny")]


def test_two_single_candidates_are_a_pair() -> None:
    one, other = replace(TINY, id="3" * 16), LARGE
    assert labels(with_candidates(BASE, one), with_candidates(HEAD, other)) == [("tiny", "large")]


def test_what_is_asked_for_is_compared_alone() -> None:
    assert labels(BASE, HEAD, "small", "tiny=large") == [("small", "small"), ("tiny", "large")]
    strange = with_candidates(HEAD, replace(TINY, label="a=b"))
    assert labels(BASE, strange, "tiny=a=b") == [("tiny", "a=b")]


@pytest.mark.parametrize(
    ("asked", "said", "hint"),
    [("smal", "candidate of BASE 'smal'", "small"), ("small=tyni", "candidate of HEAD 'tyni'", "tiny")],
)
def test_a_wrong_name_is_told_with_the_nearest(asked: str, said: str, hint: str) -> None:
    with pytest.raises(UnknownName, match=said) as caught:
        pair_candidates(BASE, HEAD, (asked,))
    assert hint in (caught.value.hint or "")


def test_runs_without_a_common_candidate_are_refused_with_the_option_to_type() -> None:
    with pytest.raises(BadInput, match="no candidate stands in both runs") as caught:
        pair_candidates(with_candidates(BASE, TINY, SMALL), with_candidates(HEAD, LARGE))
    assert caught.value.hint == "--candidate 'tiny=large'"


def test_prompts_are_the_same_by_their_words_and_equal_ids_win() -> None:
    def prompt(name: str, text: str) -> Prompt:
        return Prompt(name, (Message("user", text),))

    base = [prompt("a", "Why?"), prompt("b", "Why?"), prompt("c", "How?")]
    head = [prompt("x", "Why?"), prompt("b", "Why?"), prompt("c", "When?"), prompt("y", "Why?")]
    assert same_prompts(base, head) == {"b": "b", "x": "a"}
