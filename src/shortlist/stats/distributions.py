"""Student's t and the beta distribution, through the regularised incomplete beta function.

scipy is not part of the default install; these agree with it to 1e-9 (tested) for the sizes that a bench has.
Source: Press, Teukolsky, Vetterling and Flannery, Numerical Recipes, 3rd edition (2007), 6.4 and 6.14, in formulae;
DLMF 8.17 (https://dlmf.nist.gov/8.17) for the continued fraction 8.17.22.
"""

import math
from collections.abc import Callable
from functools import lru_cache
from statistics import NormalDist

_NORMAL = NormalDist()
_NEARLY_NORMAL_DF = 1e7  # from here on t and the normal agree to 1e-8 and the gamma function's rounding costs more


def _check_share(p: float) -> None:
    if not 0 < p < 1:
        raise ValueError(f"a probability between 0 and 1 is needed, not {p}")


def _continued_fraction(x: float, a: float, b: float) -> float:
    """DLMF 8.17.22 by Lentz's method; quick for x below (a + 1) / (a + b + 2)."""
    tiny = 1e-300
    c, d = 1.0, 1 / (1 - (a + b) * x / (a + 1))
    value = d
    for m in range(1, 100_000):
        even = m * (b - m) * x / ((a + 2 * m - 1) * (a + 2 * m))
        odd = -(a + m) * (a + b + m) * x / ((a + 2 * m) * (a + 2 * m + 1))
        for term in (even, odd):
            d = 1 / ((1 + term * d) or tiny)
            c = (1 + term / c) or tiny
            value *= c * d
        if abs(c * d - 1) < 1e-15:
            return value
    raise ArithmeticError(f"the incomplete beta function did not converge at x={x}, a={a}, b={b}")


def _log_beta_density(x: float, y: float, a: float, b: float) -> float:
    """Log of x^a y^b / B(a, b), y = 1 - x."""
    return a * math.log(x) + b * math.log(y) + math.lgamma(a + b) - math.lgamma(a) - math.lgamma(b)


def _incomplete_beta(x: float, y: float, a: float, b: float) -> float:
    """I_x(a, b); `y` is 1 - x, given apart because it may be known more exactly than the subtraction."""
    if x <= 0 or y <= 0:
        return 0.0 if x <= 0 else 1.0
    front = math.exp(_log_beta_density(x, y, a, b))
    if x < (a + 1) / (a + b + 2):
        return front * _continued_fraction(x, a, b) / a
    return 1 - front * _continued_fraction(y, b, a) / b


def _invert(cdf: Callable[[float], float], pdf: Callable[[float], float], p: float, low: float, high: float) -> float:
    """Where a rising `cdf` reaches `p`, between `low` and `high`: Newton's steps, halving where one leaves them."""
    x = (low + high) / 2
    for _ in range(400):
        error = cdf(x) - p
        low, high = (low, x) if error > 0 else (x, high)
        slope = pdf(x)
        step = x - error / slope if slope > 0 else math.inf
        following = step if low < step < high else (low + high) / 2
        if error == 0 or abs(following - x) <= 4e-16 * abs(x):
            return x
        x = following
    return x


def beta_cdf(x: float, a: float, b: float) -> float:
    """P(X ≤ x) for X of a beta distribution."""
    return _incomplete_beta(x, 1 - x, a, b)


@lru_cache(maxsize=4096)
def beta_quantile(p: float, a: float, b: float) -> float:
    """The x with P(X ≤ x) = p for X of a beta distribution; 0 < p < 1."""
    _check_share(p)
    return _invert(
        lambda x: beta_cdf(x, a, b),
        lambda x: math.exp(_log_beta_density(x, 1 - x, a, b)) / (x * (1 - x)),
        p,
        0.0,
        1.0,
    )


def t_cdf(t: float, df: float) -> float:
    """P(T ≤ t) for Student's t with `df` degrees of freedom, not necessarily whole; infinite ones give the normal."""
    if df <= 0:
        raise ValueError(f"degrees of freedom above zero are needed, not {df}")
    if math.isinf(t):
        return float(t > 0)
    if df > _NEARLY_NORMAL_DF:
        return _NORMAL.cdf(t)
    tail = _incomplete_beta(df / (df + t * t), t * t / (df + t * t), df / 2, 0.5) / 2
    return 1 - tail if t > 0 else tail


def _t_pdf(t: float, df: float) -> float:
    log_norm = math.lgamma((df + 1) / 2) - math.lgamma(df / 2) - math.log(df * math.pi) / 2
    return math.exp(log_norm - (df + 1) / 2 * math.log1p(t * t / df))


@lru_cache(maxsize=4096)
def t_quantile(p: float, df: float) -> float:
    """The t with P(T ≤ t) = p; 0 < p < 1. Solved in the lower tail, where nothing is lost to rounding."""
    _check_share(p)
    if df > _NEARLY_NORMAL_DF:
        return _NORMAL.inv_cdf(p)
    tail = min(p, 1 - p)
    if tail == 0.5:
        return 0.0
    low = -2.0
    while t_cdf(low, df) > tail:
        low *= 4
    lower = _invert(lambda t: t_cdf(t, df), lambda t: _t_pdf(t, df), tail, low, 0.0)
    return lower if p < 0.5 else -lower


def normal_cdf(z: float) -> float:
    """P(Z ≤ z) for the standard normal."""
    return _NORMAL.cdf(z)
