"""Our Student t and beta distribution agree with printed tables and with scipy."""

import math

import pytest
from hypothesis import given
from hypothesis import strategies as st
from scipy import stats as reference

from shortlist.stats.distributions import beta_cdf, beta_quantile, normal_cdf, t_cdf, t_quantile

# Fisher and Yates, Statistical Tables, table III (two-sided points of t)
PRINTED_T = [
    (0.975, 1, 12.706),
    (0.975, 2, 4.303),
    (0.975, 4, 2.776),
    (0.975, 11, 2.201),
    (0.975, 30, 2.042),
    (0.95, 1, 6.314),
    (0.95, 4, 2.132),
    (0.95, 11, 1.796),
    (0.995, 5, 4.032),
    (0.9995, 10, 4.587),
]


@pytest.mark.parametrize(("p", "df", "printed"), PRINTED_T)
def test_t_quantiles_are_those_of_the_printed_table(p: float, df: int, printed: float) -> None:
    assert t_quantile(p, df) == pytest.approx(printed, abs=5e-4)


@pytest.mark.parametrize("df", [0.7, 1, 2, 3, 4, 7.3, 11, 29, 99.5, 1000, 1e5, 1e6])
@pytest.mark.parametrize("p", [1e-10, 1e-4, 0.001, 0.025, 0.2, 0.5, 0.8, 0.975, 0.99999])
def test_t_quantile_and_cdf_agree_with_scipy(p: float, df: float) -> None:
    exact = float(reference.t.ppf(p, df))
    assert t_quantile(p, df) == pytest.approx(exact, rel=1e-9, abs=1e-9)
    assert t_cdf(exact, df) == pytest.approx(p, rel=1e-8, abs=1e-12)


@pytest.mark.parametrize(
    ("a", "b"), [(1, 1), (0.5, 0.5), (1, 12), (12, 1), (3, 40), (40, 3), (250, 251), (2, 5000), (9000, 7)]
)
@pytest.mark.parametrize("p", [1e-6, 0.001, 0.025, 0.3, 0.5, 0.95, 0.975, 0.9999])
def test_beta_quantile_and_cdf_agree_with_scipy(p: float, a: float, b: float) -> None:
    exact = float(reference.beta.ppf(p, a, b))
    assert beta_quantile(p, a, b) == pytest.approx(exact, rel=1e-9, abs=1e-12)
    assert beta_cdf(exact, a, b) == pytest.approx(float(reference.beta.cdf(exact, a, b)), rel=1e-9)


@given(st.floats(1e-9, 1 - 1e-9), st.floats(1, 500))
def test_t_cdf_undoes_its_quantile(p: float, df: float) -> None:
    assert t_cdf(t_quantile(p, df), df) == pytest.approx(p, rel=1e-9)


@given(st.floats(-50, 50), st.floats(0.5, 1e8))
def test_t_is_symmetric(t: float, df: float) -> None:
    assert t_cdf(t, df) + t_cdf(-t, df) == pytest.approx(1)


def test_infinite_degrees_of_freedom_are_the_normal() -> None:
    assert t_quantile(0.975, math.inf) == pytest.approx(1.959964, abs=1e-6)
    assert t_cdf(1.0, math.inf) == normal_cdf(1.0)


def test_the_ends_of_the_axis_are_zero_and_one() -> None:
    assert (t_cdf(-math.inf, 3), t_cdf(math.inf, 3), beta_cdf(0, 2, 3), beta_cdf(1, 2, 3)) == (0, 1, 0, 1)


@pytest.mark.parametrize("p", [0.0, 1.0, -0.1, math.nan])
def test_no_quantile_of_what_is_no_probability(p: float) -> None:
    with pytest.raises(ValueError, match="between 0 and 1"):
        t_quantile(p, 3)
    with pytest.raises(ValueError, match="between 0 and 1"):
        beta_quantile(p, 1, 1)


def test_no_t_without_degrees_of_freedom() -> None:
    with pytest.raises(ValueError, match="above zero"):
        t_cdf(1.0, 0)
