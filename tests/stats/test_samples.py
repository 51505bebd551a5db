"""What the statistics are computed from is checked first."""

import math

import pytest

from shortlist.errors import NotEnoughSamples
from shortlist.stats.samples import cluster_means, each_its_own, finite, logs, numbers, prompt_means, sample_sd


def test_infinities_are_numbers_and_nan_is_not() -> None:
    assert numbers([1.0, math.inf], "requests").size == 2
    with pytest.raises(NotEnoughSamples, match="requests: 1 of 2 values are not numbers"):
        numbers([1.0, math.nan], "requests")
    with pytest.raises(NotEnoughSamples, match="requests: 1 of 2 values are infinite"):
        finite([1.0, math.inf], "requests")


def test_what_was_not_measured_is_not_taken_for_a_number() -> None:
    with pytest.raises(NotEnoughSamples):
        finite([1.0, None], "requests")  # type: ignore[list-item]  # what a caller may do by mistake


@pytest.mark.parametrize("bad", [0.0, -1.0])
def test_a_ratio_needs_values_above_zero(bad: float) -> None:
    with pytest.raises(NotEnoughSamples, match="above zero"):
        logs([1.0, bad], "rounds")


def test_rounding_is_no_spread() -> None:
    assert sample_sd(finite([0.3, 0.1 + 0.2, 0.3], "x")) == 0
    assert sample_sd(finite([1.0, 1.0 + 1e-6], "x")) > 0


def test_the_step_of_reading_is_the_least_spread() -> None:
    assert sample_sd(finite([8.0, 8.0], "x"), resolution=2.0) == pytest.approx(2 / math.sqrt(12))
    assert sample_sd(finite([0.0, 80.0], "x"), resolution=2.0) == pytest.approx(80 / math.sqrt(2))


def test_means_go_inside_out_and_skip_what_is_empty() -> None:
    scores: dict[str, dict[str, list[float]]] = {"a": {"1": [0.0, 1.0], "2": [1.0]}, "b": {"3": []}}
    assert prompt_means(scores) == {"a": {"1": 0.5, "2": 1.0}}
    assert cluster_means(scores).tolist() == [0.75]
    assert each_its_own({"p": [1.0]}) == {"p": {"p": [1.0]}}


@pytest.mark.parametrize("bad", [math.nan, math.inf])
def test_a_score_that_is_no_number_names_its_prompt(bad: float) -> None:
    with pytest.raises(NotEnoughSamples, match="prompt 3"):
        prompt_means({"a": {"3": [1.0, bad]}})
