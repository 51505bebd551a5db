"""Repeatability is measured: how many prompts had the same characters every time, and where the others part."""

from dataclasses import replace

from results.loads import requests, sample
from shortlist.records import Sample
from shortlist.results.repeatability import Deviation, repeatability


def answers(*texts: str) -> list[Sample]:
    return [sample(100 * n, 100 * n + 50, text=text) for n, text in enumerate(texts)]


def test_the_same_characters_in_every_round_are_identical() -> None:
    (one,) = repeatability({"x": requests(answers("a", "b"), answers("a", "b"), answers("a", "b"))}, 0.95)
    assert (one.prompts, one.identical, one.deviations) == (2, 2, ())
    assert one.share.point == 1.0
    assert one.share.low is not None
    assert one.share.low < 0.2  # two prompts are few


def test_a_deviation_names_the_first_character_that_differs_and_the_rounds() -> None:
    rounds = requests(answers("same", "Ship it on Friday"), answers("same", "Ship it on Monday"))
    (one,) = repeatability({"x": rounds}, 0.95)
    assert one.identical == 1
    assert one.deviations == (Deviation("p-1", 2, 11, 1, 2),)


def test_a_text_that_only_goes_on_differs_at_its_end() -> None:
    (one,) = repeatability({"x": requests(answers("ab"), answers("abc"))}, 0.95)
    assert one.deviations[0].at == 2


def test_reasoning_counts_too() -> None:
    first, second = answers("yes")[0], replace(answers("yes")[0], reasoning="hm")
    (one,) = repeatability({"x": requests([first], [second])}, 0.95)
    assert one.identical == 0


def test_failed_requests_and_prompts_seen_once_are_left_out() -> None:
    broken = replace(answers("b")[0], status="failed")
    assert repeatability({"x": requests(answers("a"), [broken])}, 0.95) == ()
    assert repeatability({"x": requests(answers("a", "b"))}, 0.95) == ()
