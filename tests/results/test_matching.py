import pytest

from shortlist.errors import NotEnoughSamples
from shortlist.results.matching import matched_means, matched_percentiles, renamed

BASE = {1: {"a/0": 100.0, "b/0": 300.0}, 2: {"a/0": 110.0, "b/0": 310.0}}


def test_whole_rounds_give_their_plain_means() -> None:
    found = matched_means(BASE, BASE)
    assert found.base == found.head == pytest.approx((200, 210))
    assert found.left_out == 0


def test_a_round_that_lacks_its_slow_prompt_is_not_taken_for_a_quick_one() -> None:
    head = {1: {"a/0": 100.0}, 2: {"a/0": 110.0, "b/0": 310.0}}
    found = matched_means(BASE, head)
    assert found.head[0] == pytest.approx(100 / 105 * (105 + 307.5) / 2)
    assert found.head[1] == pytest.approx(210)


def test_prompts_that_came_later_have_rounds_of_their_own_on_the_same_scale() -> None:
    """`--resume` with further prompts: old rounds hold the old ones, new rounds the new ones."""
    grown = {**BASE, 3: {"c/0": 1000.0}, 4: {"c/0": 1010.0}}
    slower = {number: {place: value * 1.1 for place, value in one.items()} for number, one in grown.items()}
    found = matched_means(grown, slower)
    assert [after / before for before, after in zip(found.base, found.head, strict=True)] == pytest.approx([1.1] * 4)


def test_prompts_of_one_run_only_are_left_out_and_counted() -> None:
    found = matched_means(BASE, {1: {"a/0": 100.0, "z/0": 9.0}})
    assert (found.base, found.left_out) == ((100.0, 110.0), 2)
    assert found.head == pytest.approx((100.0,))


def test_nothing_in_common_is_an_error() -> None:
    with pytest.raises(NotEnoughSamples, match="no request of one prompt"):
        matched_means(BASE, {1: {"z/0": 1.0}})


def test_values_are_renamed_by_prompt_whatever_a_prompt_is_called() -> None:
    assert renamed({1: {"a/b/0": 1.0, "c/0": 2.0}, 2: {"c/0": 2.0}}, {"a/b": "x"}) == {1: {"x/0": 1.0}}


def test_percentiles_are_taken_round_by_round_where_all_rounds_hold_the_same_requests() -> None:
    rounds = {number: {f"p{n}/0": float(n + number) for n in range(21)} for number in range(1, 5)}
    found = matched_percentiles(rounds, rounds, 0.95, 0)
    assert found.base == found.head == (20.0, 21.0, 22.0, 23.0)


@pytest.mark.parametrize(
    ("prompts", "rounds", "failed", "said"),
    [(19, 10, 0, "19 requests in a round, needs 20"), (21, 3, 0, "n = 63, needs 72"), (21, 5, 1, "do not all hold")],
)
def test_a_percentile_that_says_nothing_gives_no_verdict(prompts: int, rounds: int, failed: int, said: str) -> None:
    values = {number: {f"p{n}/0": 1.0 + n for n in range(prompts)} for number in range(rounds)}
    with pytest.raises(NotEnoughSamples, match=said):
        matched_percentiles(values, values, 0.95, failed)
