"""Which model answers, and in which words: needs exclude, then quality, then what is loaded, then speed and size."""

from typing import Any

import pytest

from shortlist.records import Interval
from shortlist.serve.choosing import Measured, Option, Wish, chosen, order


def quality(point: float, low: float | None, high: float | None) -> Interval:
    return Interval(point, low, high, 0.95, "cluster t", 20, "share")


def option(name: str, **facts: Any) -> Option:
    usual: dict[str, Any] = {"tags": ("chat", "summarise"), "context": 4096, "size_bytes": 1000}
    return Option(name, **usual | facts)


def measured(point: float, low: float, high: float, speed: float = 100.0) -> Measured:
    return Measured("0a1b2c3d", ("summarise",), quality(point, low, high), speed)


def names(wish: Wish, *options: Option) -> list[str]:
    return [place.option.name for place in order(wish, options).ranked]


SUMMARISE = Wish(("summarise",))


@pytest.mark.parametrize(
    ("wish", "facts", "reason"),
    [
        (Wish(("code",)), {}, "is not tagged code"),
        (Wish(context=5000), {}, "its context is 4096, and about 5000 tokens are needed"),
        (Wish(is_commercial=True), {"licence": "CC-BY-NC-4.0", "licence_class": "non-commercial"}, "is non-commercial"),
        (Wish(is_commercial=True), {}, "its licence (not known) is unknown"),
        (Wish(features=frozenset({"json_schema"})), {"features": frozenset({"chat"})}, "cannot do json_schema"),
        (Wish(), {"refused": "its licence (X): the policy says refuse"}, "the policy says refuse"),
    ],
)
def test_what_a_request_needs_excludes_and_says_why(wish: Wish, facts: dict[str, Any], reason: str) -> None:
    found = order(wish, [option("a", **facts)])
    assert found.ranked == ()
    assert reason in found.excluded[0].reason


def test_what_is_not_known_excludes_nobody_but_a_licence() -> None:
    wish = Wish(context=5000, features=frozenset({"json_schema"}))
    assert names(wish, option("a", context=None, features=None)) == ["a"]


def test_who_could_be_the_best_goes_first_then_the_unmeasured_then_who_is_worse() -> None:
    best = option("best", measured=measured(0.95, 0.90, 1.0, speed=10))
    close = option("close", measured=measured(0.90, 0.80, 0.97, speed=50))  # its interval reaches 0.95
    worse = option("worse", measured=measured(0.50, 0.40, 0.60, speed=900))
    assert names(SUMMARISE, worse, option("new"), best, close) == ["close", "best", "new", "worse"]


def test_a_loaded_model_goes_before_a_faster_one_of_its_group_and_never_before_a_better_one() -> None:
    fast = option("fast", measured=measured(0.9, 0.85, 0.95, speed=500))
    loaded = option("loaded", is_loaded=True, measured=measured(0.9, 0.85, 0.95, speed=5))
    bad = option("bad", is_loaded=True, measured=measured(0.3, 0.2, 0.4, speed=5000))
    assert names(SUMMARISE, fast, bad, loaded) == ["loaded", "fast", "bad"]


def test_without_measurements_the_smaller_goes_first_and_equal_ones_by_name() -> None:
    assert names(Wish(), option("b"), option("big", size_bytes=9000), option("a")) == ["a", "b", "big"]


def test_a_quality_without_an_interval_counts_by_its_point() -> None:
    best = option("best", measured=measured(0.95, 0.90, 1.0))
    few = option("few", measured=Measured("x", (), quality(0.5, None, None)))
    found = order(SUMMARISE, [few, best])
    assert [place.option.name for place in found.ranked] == ["best", "few"]
    assert "quality 0.50 (no interval) in run x" in found.ranked[1].why


def test_the_reason_names_quality_with_its_interval_speed_size_and_run() -> None:
    why = order(SUMMARISE, [option("a", is_loaded=True, measured=measured(0.94, 0.9, 0.98, speed=123.4))]).ranked[0].why
    assert why == "could be the best; loaded, quality 0.94 (0.90 to 0.98) in run 0a1b2c3d, 123 tokens/s, 1.00 kB"


def test_an_order_that_was_set_is_kept_less_those_that_cannot_answer() -> None:
    here = [option("a"), option("small", context=10), option("z", is_loaded=True)]
    found = chosen(Wish(context=100), here, ["small", "gone", "a", "z"])
    assert [place.option.name for place in found.ranked] == ["a", "z"]
    assert {one.name: one.reason for one in found.excluded} == {
        "small": "its context is 10, and about 100 tokens are needed",
        "gone": "its files are not here",
    }
