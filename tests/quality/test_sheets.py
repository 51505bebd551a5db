"""A rater's sheet: blind, seeded, never the same source twice running, a tenth of it again."""

from itertools import pairwise

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from quality.rated_run import RIGHT, answering
from shortlist.quality.outputs import Output, output_key, outputs_of
from shortlist.quality.sheets import Rater, lay_out
from shortlist.records import Message, Prompt


def outputs(per_source: list[int]) -> dict[str, Output]:
    found = {}
    for number, count in enumerate(per_source):
        prompt = Prompt(f"p-{number}", (Message("user", "x"),), source=f"source {number}")
        for answer in range(count):
            key = output_key(prompt.id, f"answer {answer}")
            found[key] = Output(key, prompt, f"answer {answer}")
    return found


def test_equal_answers_of_several_candidates_are_rated_once_and_of_two_prompts_twice() -> None:
    run = answering({"tiny": {"n-001": "other"}})
    found = outputs_of(run)
    assert len(found) == 13
    assert sorted(one.text for one in found.values() if one.prompt.id == "n-001") == [RIGHT, "other"]


def test_a_prompts_id_and_text_cannot_be_shifted_into_each_other() -> None:
    assert output_key("p1", "2 is") != output_key("p12", " is")


def test_the_same_rater_gets_the_same_sheet_and_another_rater_or_seed_another() -> None:
    some = outputs([3] * 10)
    first = lay_out(some, Rater("run", "ann"))
    assert lay_out(dict(reversed(some.items())), Rater("run", "ann")) == first
    order = [item.output.key for item in first]
    for other in (Rater("run", "ben"), Rater("run", "ann", 1), Rater("run2", "ann")):
        assert [item.output.key for item in lay_out(some, other)] != order


@pytest.mark.parametrize("count", [20, 40, 90, 100, 150, 300])
def test_a_tenth_comes_again_ten_at_least_fifteen_places_later(count: int) -> None:
    items = lay_out(outputs([2] * (count // 2)), Rater("run", "ann"))
    again = [place for place, item in enumerate(items) if item.repeat]
    assert len(again) == max(10, count // 10)
    first = {item.output.key: place for place, item in enumerate(items) if not item.repeat}
    gaps = [place - first[items[place].output.key] for place in again]
    assert min(gaps) >= (15 if count >= 40 else 5)


@settings(max_examples=60)
@given(st.lists(st.integers(1, 6), min_size=1, max_size=25), st.integers(0, 9))
def test_no_source_follows_itself_where_that_can_be(per_source: list[int], seed: int) -> None:
    some = outputs(per_source)
    items = lay_out(some, Rater("run", "ann", seed))
    assert {item.output.key for item in items} == set(some)
    assert len({item.id for item in items}) == len(items)
    first = [item for item in items if not item.repeat]
    runs = sum(a.output.source == b.output.source for a, b in pairwise(first))
    unavoidable = max(0, 2 * max(per_source) - sum(per_source) - 1)
    if len(per_source) >= 8 and max(per_source) * 4 <= sum(per_source):
        every = sum(a.output.source == b.output.source for a, b in pairwise(items))
        assert every == 0
    assert runs <= unavoidable + sum(item.repeat for item in items)
    for item in items:
        if item.repeat:
            originals = [place for place, one in enumerate(items) if one.output is item.output and not one.repeat]
            assert originals[0] < items.index(item)


def test_nothing_to_rate_is_an_empty_sheet_and_one_answer_comes_once() -> None:
    assert lay_out({}, Rater("run", "ann")) == ()
    assert [item.repeat for item in lay_out(outputs([1]), Rater("run", "ann"))] == [0]
