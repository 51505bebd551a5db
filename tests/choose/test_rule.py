"""The rule itself, on differences that are given."""

from collections.abc import Mapping, Sequence

from shortlist.choose.rule import Outcome, Pairs, apply_rule
from shortlist.stats.holm import upper_bounds
from shortlist.stats.paired import Difference

CHEAP = {name: (float(place), 0.0, name) for place, name in enumerate("abcd")}


def lead(estimate: float, se: float = 0.01, df: float = 19) -> Difference:
    return Difference(estimate, se, df, 20, "clusters", "difference", "given")


def pairs(values: Mapping[str, Sequence[float]], se: Sequence[float] = (0.01,)) -> Pairs:
    """Candidates by their values, one for each preference; more is better."""

    def lead_of(x: str, y: str, place: int) -> Difference:
        return lead(values[y][place] - values[x][place], se[place])

    return Pairs(lead_of, [0.05] * len(se), [0.05] * len(se))


def outcome(
    values: Mapping[str, Sequence[float]], se: Sequence[float] = (0.01,), passing: str | None = None
) -> Outcome:
    contenders = sorted(values)
    return apply_rule(contenders, frozenset(contenders if passing is None else passing), pairs(values, se), CHEAP)


def test_no_contender_none_qualifies() -> None:
    assert outcome({}).verdict == "none_qualifies"


def test_a_lead_that_may_exceed_the_margin_blocks() -> None:
    assert outcome({"a": [0.7], "b": [0.6]}, se=[0.2]).verdict == "not_enough_evidence"


def test_under_the_margin_alone_does_not_ship_it_takes_being_told_apart() -> None:
    """b is surely not better than a by the margin, and nothing tells them apart: eight equals would ship one so."""
    assert outcome({"a": [0.62], "b": [0.60]}, se=[0.025]).verdict == "not_enough_evidence"


def test_equivalent_first_and_ahead_on_the_second_ships() -> None:
    assert outcome({"a": [0.6, 0.5], "b": [0.6, 0.9]}, se=[0.01, 0.01]) == Outcome("ship", "b")


def test_under_the_margin_first_and_ahead_on_the_second_ships() -> None:
    assert outcome({"a": [0.62, 0.9], "b": [0.60, 0.5]}, se=[0.025, 0.01]) == Outcome("ship", "a")


def test_behind_on_the_first_and_ahead_on_the_second_does_not() -> None:
    assert outcome({"a": [0.7, 0.1], "b": [0.6, 0.9]}, se=[0.01, 0.01]) == Outcome("ship", "a")


def test_equivalent_on_all_takes_the_cheapest_that_passes() -> None:
    same = {"a": [0.6], "b": [0.6], "c": [0.6]}
    assert outcome(same) == Outcome("ship_cheapest_of_equals", "a", ("b", "c"))
    assert outcome(same, passing="bc") == Outcome("ship_cheapest_of_equals", "b", ("c",))


def test_equals_that_are_not_equal_to_each_other_are_not_enough() -> None:
    """b is within the margin of a and of c, and these two are not told apart."""
    assert outcome({"a": [0.575], "b": [0.6], "c": [0.625]}).verdict == "not_enough_evidence"


def test_a_pair_without_a_comparison_blocks() -> None:
    blind = Pairs(lambda _x, _y, _place: None, [0.05], [0.05])
    assert apply_rule(["a", "b"], frozenset("ab"), blind, CHEAP).verdict == "not_enough_evidence"


def test_without_preferences_two_that_pass_are_not_enough_and_one_is() -> None:
    none = Pairs(lambda _x, _y, _place: None, [], [])
    assert apply_rule(["a", "b"], frozenset("ab"), none, CHEAP).verdict == "not_enough_evidence"
    assert apply_rule(["a"], frozenset("a"), none, CHEAP) == Outcome("ship", "a")


def test_under_the_margin_is_what_holms_upper_bounds_say() -> None:
    values = {"a": [0.6], "b": [0.58], "c": [0.62], "d": [0.3]}
    made = pairs(values, [0.015])
    for x in values:
        others = [y for y in values if y != x]
        bounds = upper_bounds({y: made.lead(x, y, 0) for y in others}, 0.05)  # type: ignore[misc]  # never None here
        open_ = {y for y, relation in made.relations(x, others).items() if relation == "open"}
        assert {y for y in others if not bounds[y].is_under_margin} <= open_
