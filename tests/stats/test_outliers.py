"""Outliers are named by modified z-score; nothing is removed."""

import math

import pytest
from hypothesis import given
from hypothesis import strategies as st

from shortlist.errors import NotEnoughSamples
from shortlist.stats.outliers import modified_z_scores, outliers

# Seo, A review and comparison of methods for detecting outliers (University of Pittsburgh, 2006), the worked example
SEO = [3.2, 3.4, 3.7, 3.7, 3.8, 3.9, 4.0, 4.0, 4.1, 4.2, 4.7, 4.8, 14.0, 15.0]


def test_scores_are_those_of_the_worked_example() -> None:
    scores = modified_z_scores(SEO)
    assert [round(scores[i], 2) for i in (0, 11, 12, 13)] == [-1.8, 1.8, 22.48, 24.73]
    assert outliers(SEO) == (12, 13)


def test_two_far_values_are_named_where_the_plain_z_score_hides_them() -> None:
    assert outliers([2.1, 2.6, 2.4, 2.5, 2.3, 2.1, 2.3, 2.6, 8.2, 8.3]) == (8, 9)


def test_where_most_values_are_equal_the_mean_deviation_takes_over() -> None:
    values = [5.0] * 9 + [6.0]
    assert modified_z_scores(values)[9] == pytest.approx(1 / (0.1 * 1.253314))
    assert outliers(values) == (9,)


def test_equal_values_have_no_outlier() -> None:
    assert modified_z_scores([2.0] * 6) == (0.0,) * 6
    assert outliers([2.0] * 6) == ()


def test_two_values_cannot_say_which_of_them_is_far() -> None:
    assert outliers([]) == outliers([1.0]) == outliers([1.0, 100.0]) == ()


@pytest.mark.parametrize("bad", [math.nan, math.inf])
def test_a_failed_request_is_not_an_outlier(bad: float) -> None:
    with pytest.raises(NotEnoughSamples):
        outliers([1.0, 2.0, 3.0, bad])


@given(
    st.lists(st.integers(0, 10**6), min_size=3, max_size=40), st.sampled_from([0.125, 2.0, 1024.0]), st.integers(-9, 9)
)
def test_units_and_offsets_do_not_change_who_is_named(values: list[int], scale: float, offset: int) -> None:
    plain = [float(v) for v in values]
    assert outliers([scale * v + offset for v in plain]) == outliers(plain)


@given(st.lists(st.integers(0, 50), min_size=3, max_size=40))
def test_fewer_than_half_are_ever_named(values: list[int]) -> None:
    assert 2 * len(outliers([float(v) for v in values])) < len(values)
