"""Which candidates are told apart in speed: each against the fastest, round by round."""

from collections.abc import Mapping
from dataclasses import replace

from shortlist.errors import NotEnoughSamples
from shortlist.results import metrics
from shortlist.results.accepted import Measure, Requests
from shortlist.results.changes import MARGINS
from shortlist.results.figures import SpeedComparison
from shortlist.results.measuring import ratio_error
from shortlist.stats.equivalence import WITHIN_ERROR, Claim, FamilyLevels, compare_family
from shortlist.stats.paired import Difference, paired_log_ratio

SPEED_MARGIN = MARGINS["speed"]
"""A twentieth: within it two speeds are called equivalent."""

_JUDGED: tuple[tuple[str, Measure, bool], ...] = (
    ("latency.mean", metrics.latency_ns, True),
    ("tokens_per_s", metrics.output_tokens_per_s, False),
)


def paired_rounds(a: Requests, b: Requests, measure: Measure) -> tuple[list[float], list[float]]:
    """Round means of two candidates, over the prompts that both completed in that round; equally many of each."""
    means_a, means_b = [], []
    rounds_a, rounds_b = _by_round(a, measure), _by_round(b, measure)
    for number in sorted(rounds_a.keys() & rounds_b.keys()):
        both = sorted(rounds_a[number].keys() & rounds_b[number].keys())
        if both:
            means_a.append(sum(rounds_a[number][place] for place in both) / len(both))
            means_b.append(sum(rounds_b[number][place] for place in both) / len(both))
    return means_a, means_b


def _by_round(requests: Requests, measure: Measure) -> dict[int, dict[tuple[str, int], float]]:
    rounds: dict[int, dict[tuple[str, int], float]] = {}
    for item in requests.complete.items:
        value = measure(item.sample)
        if value is not None:
            rounds.setdefault(item.cell.round, {})[item.place] = value
    return rounds


def compare_speeds(
    requests: Mapping[str, Requests],
    errors: Mapping[str, Mapping[str, float]],
    *,
    level: float = 0.95,
    margin: float = SPEED_MARGIN,
) -> tuple[SpeedComparison, ...]:
    """Every candidate that was measured against the fastest, on latency and on output tokens/s.

    `errors`: candidate → figure → how far it may be off by the measuring itself, in its unit.
    """
    compared: list[SpeedComparison] = []
    for figure, measure, lower_is_better in _JUDGED:
        means = {name: one.complete.round_means(measure) for name, one in requests.items()}
        points = {name: sum(values) / len(values) for name, values in means.items() if values}
        if len(points) < 2:
            continue
        fastest = (min if lower_is_better else max)(points, key=points.__getitem__)
        differences: dict[str, Difference] = {}
        for name in points:
            if name == fastest:
                continue
            try:
                pair = paired_log_ratio(*paired_rounds(requests[name], requests[fastest], measure))
            except NotEnoughSamples as error:
                compared.append(SpeedComparison(figure, name, fastest, None, None, margin, note=str(error)))
                continue
            sides = [(errors.get(one, {}).get(figure, 0.0), points[one]) for one in (name, fastest)]
            differences[name] = replace(pair, error=ratio_error(*sides[0], *sides[1]))
        compared += _judge(figure, fastest, differences, (margin, 1 - level, lower_is_better))
    return tuple(compared)


def _judge(
    figure: str, fastest: str, differences: Mapping[str, Difference], manner: tuple[float, float, bool]
) -> list[SpeedComparison]:
    """Holm over the candidates, for difference and for equivalence each: for one pair only one of them can be wrong."""
    margin, alpha, lower_is_better = manner
    claims = {name: Claim(one, margin, lower_is_better) for name, one in differences.items()}
    judged, _ = compare_family(claims, FamilyLevels(alpha, interval=alpha))
    return [
        SpeedComparison(
            figure,
            name,
            fastest,
            one.verdict,
            one.interval,
            margin,
            one.p_different,
            one.p_equivalent,
            one.more_needed,
            WITHIN_ERROR if one.is_error_bound else "",
        )
        for name, one in judged.items()
    ]
