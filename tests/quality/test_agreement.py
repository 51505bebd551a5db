"""Alpha and kappa against published values; repeatability; what is said where nothing can be."""

import math
from collections.abc import Sequence

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from shortlist.quality.agreement import agreement, coincidences, ordinal_alpha, weighted_kappa
from shortlist.records import Annotation

# Krippendorff, "Computing Krippendorff's Alpha-Reliability" (2011), section C: four observers, twelve units.
KRIPPENDORFF = ["1233214121..", "1233224125.3"]
OBSERVERS = (
    (1, 2, 3, 3, 2, 1, 4, 1, 2, 0, 0, 0),
    (1, 2, 3, 3, 2, 2, 4, 1, 2, 5, 0, 3),
    (0, 3, 3, 3, 2, 3, 4, 2, 2, 5, 1, 0),
    (1, 2, 3, 3, 2, 4, 4, 1, 2, 5, 1, 0),
)


def ratings(rows: Sequence[Sequence[int]], repeat: int = 0) -> list[Annotation]:
    return [
        Annotation(f"{unit:02d}", f"r{rater}", "faithfulness", value, "", repeat)
        for rater, row in enumerate(rows)
        for unit, value in enumerate(row)
        if value
    ]


def test_ordinal_alpha_of_krippendorffs_example_is_0_815() -> None:
    found = agreement(ratings(OBSERVERS))
    (only,) = found.dimensions
    assert only.alpha.point == pytest.approx(0.815, abs=5e-4)
    assert only.outputs == 11
    assert only.alpha.low is not None
    assert only.alpha.high is not None
    assert only.alpha.low < 0.815 < only.alpha.high


def test_weighted_kappa_of_cohens_example_is_0_348_and_unweighted_0_492() -> None:
    """Cohen (1968), table 1: 200 patients, two judges, three diagnoses; disagreement weights of his own."""
    shares = np.array([[0.44, 0.07, 0.09], [0.05, 0.20, 0.05], [0.01, 0.03, 0.06]])
    weights = np.array([[0.0, 1, 3], [1, 0, 6], [3, 6, 0]])
    assert float(weighted_kappa(shares, weights)) == pytest.approx(0.348, abs=5e-4)
    assert float(weighted_kappa(shares * 200, 1 - np.eye(3))) == pytest.approx(0.492, abs=5e-4)


@given(st.lists(st.tuples(st.integers(1, 5), st.integers(1, 5)), min_size=2, max_size=30))
def test_quadratic_kappa_is_lins_concordance(pairs: list[tuple[int, int]]) -> None:
    """Fleiss and Cohen (1973): with quadratic weights it is an intraclass correlation, 2·cov ÷ (var + var + shift²)."""
    table = np.zeros((5, 5))
    for a, b in pairs:
        table[a - 1, b - 1] += 1
    x, y = np.array(pairs, dtype=float).T
    below = x.var() + y.var() + (x.mean() - y.mean()) ** 2
    found = float(weighted_kappa(table))
    if below == 0:
        assert math.isnan(found)
    else:
        assert found == pytest.approx(2 * np.mean((x - x.mean()) * (y - y.mean())) / below)


def test_alpha_by_its_definition_for_two_raters() -> None:
    """1 - D_o / D_e with the ordinal metric written out: δ² = (Σ n_g from c to k, less half of both ends)²."""
    pairs = [(1, 2), (2, 2), (3, 5), (4, 4), (5, 5), (1, 1), (3, 3)]
    counts = {v: sum((a == v) + (b == v) for a, b in pairs) for v in range(1, 6)}
    n = sum(counts.values())

    def far(c: int, k: int) -> float:
        c, k = min(c, k), max(c, k)
        return (sum(counts[g] for g in range(c, k + 1)) - (counts[c] + counts[k]) / 2) ** 2

    observed = sum(2 * far(a, b) for a, b in pairs) / n
    expected = sum(counts[c] * counts[k] * far(c, k) for c in counts for k in counts) / (n * (n - 1))
    matrices = sum(coincidences(pair) for pair in pairs)
    assert float(ordinal_alpha(np.asarray(matrices))) == pytest.approx(1 - observed / expected)


def test_perfect_agreement_is_1_and_chance_is_about_0() -> None:
    same = (1, 2, 3, 4, 5, 1, 2, 3)
    perfect = agreement(ratings([same, same]))
    assert perfect.dimensions[0].alpha.point == pytest.approx(1)
    assert perfect.pairs[0].kappa.point == pytest.approx(1)
    rng = np.random.default_rng(3)
    random = agreement(ratings(rng.integers(1, 6, size=(2, 2000)).tolist()))
    assert abs(random.dimensions[0].alpha.point or 0) < 0.06
    assert abs(random.pairs[0].kappa.point or 0) < 0.06


def test_only_one_rater_is_said_in_words() -> None:
    found = agreement(ratings([(1, 2, 3)]))
    assert found.notes[0] == "only r0 has rated: agreement between raters needs a second one"
    assert found.dimensions[0].alpha.point is None
    assert found.pairs == ()


def test_nobody_and_strangers_are_said_in_words() -> None:
    assert agreement([]).notes == ("nobody has rated this run yet",)
    apart = agreement(ratings([(1, 2, 0, 0), (0, 0, 3, 4)]))
    assert "no two raters have rated the same output" in apart.notes[0]


def test_equal_ratings_throughout_give_no_coefficient_and_say_why() -> None:
    found = agreement(ratings([(4,) * 8, (4,) * 8]))
    assert found.dimensions[0].alpha.point is None
    assert "all ratings are the same" in found.dimensions[0].alpha.note
    assert found.pairs[0].exact.point == 1


def test_a_raters_repeats_are_for_repeatability_and_do_not_count_between_raters() -> None:
    first = ratings([(1, 2, 3, 4, 5, 3, 3, 2)])
    again = ratings([(1, 2, 3, 4, 4, 1, 3, 2)], repeat=1)
    found = agreement([*again, *first])
    (own,) = found.repeats
    assert (own.exact.point, own.within_one.point, own.exact.n) == (6 / 8, 7 / 8, 8)
    assert own.kappa.point is not None
    assert own.kappa.low is not None
    assert found.pairs == ()
    assert found.dimensions[0].outputs == 0


def test_under_six_outputs_there_is_no_interval() -> None:
    found = agreement(ratings([(1, 2, 3, 4), (1, 2, 4, 4)]))
    assert found.dimensions[0].alpha.low is None
    assert "needs 6 (2 more)" in found.dimensions[0].alpha.note


@pytest.mark.slow
def test_the_interval_covers_the_truth_of_a_large_population() -> None:
    """Two raters with noise; alpha of 20000 outputs stands for the truth, 200 draws of 40 outputs are tested."""
    rng = np.random.default_rng(11)
    truth = rng.integers(1, 6, size=20_000)
    rows = [np.clip(truth + rng.integers(-1, 2, size=truth.size), 1, 5) for _ in range(2)]
    units = np.array([coincidences((int(a), int(b))) for a, b in zip(*rows, strict=True)])
    true_alpha = float(ordinal_alpha(units.sum(axis=0)))
    covered = 0
    for draw in range(200):
        picked = rng.integers(truth.size, size=40)
        alpha = agreement(ratings([row[picked].tolist() for row in rows]), seed=draw).dimensions[0].alpha
        covered += (alpha.low or 0) <= true_alpha <= (alpha.high or 0)
    assert covered >= 176  # 95 % nominal, percentile intervals of 40 outputs cover about 93 %
