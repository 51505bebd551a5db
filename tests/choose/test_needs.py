"""Needs as people write them."""

import pytest

from shortlist.choose.needs import KINDS, parse_need, parse_needs
from shortlist.errors import BadInput, UnknownName
from shortlist.results.figures import FIGURES


@pytest.mark.parametrize(
    ("text", "figure", "operator", "limit"),
    [
        ("latency.p95<2s", "latency.p95", "<", 2e9),
        ("p95<2s", "latency.p95", "<", 2e9),
        (" p95 <= 1.5 s ", "latency.p95", "<=", 1.5e9),
        ("latency<800ms", "latency.mean", "<", 8e8),
        ("ttft.p50<300ms", "ttft.p50", "<", 3e8),
        ("ttft<300ms", "ttft.mean", "<", 3e8),
        ("throughput>20", "throughput", ">", 20.0),
        ("tokens_per_s>=20 tok/s", "tokens_per_s", ">=", 20.0),
        ("memory<4GB", "memory.peak", "<", 4e9),
        ("memory.loaded<500MB", "memory.loaded", "<", 5e8),
        ("footprint<2GB", "footprint", "<", 2e9),
        ("facets>=0.85", "facets", ">=", 0.85),
        ("facets>=85%", "facets", ">=", 0.85),
        ("FACETS ≥ .85", "facets", ">=", 0.85),
        ("quality>=0.8", "quality", ">=", 0.8),
        ("rating>=3.5", "rating", ">=", 3.5),
        ("critical<=0.02", "critical", "<=", 0.02),
        ("critical<=2%", "critical", "<=", 0.02),
        ("error_rate<=0.01", "error_rate", "<=", 0.01),
        ("licence=commercial", "licence", "=", "commercial"),
        ("license=commercial", "licence", "=", "commercial"),
    ],
)
def test_an_expression_is_read_with_its_unit(text: str, figure: str, operator: str, limit: float | str) -> None:
    need = parse_need(text)
    assert (need.figure, need.operator, need.limit, need.is_asked) == (figure, operator, limit, True)


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("", "is not a need"),
        ("p95", "is not a need"),
        ("p95<", "is not a need"),
        ("<2s", "is not a need"),
        ("p95<2s<3s", "is not a number"),
        ("p95<fast", "is not a number"),
        ("p95<-2s", "is not a number"),
        ("p95<2", "needs its unit"),
        ("memory<4", "needs its unit"),
        ("memory<4s", "is not a size"),
        ("p95<2GB", "is not a duration"),
        ("p95=2s", "never exactly equal"),
        ("p95>2s", "of latency.p95 less is better"),
        ("facets<=0.5", "of facets more is better"),
        ("throughput<20", "of throughput more is better"),
        ("throughput>20GB", "is not counted in GB"),
        ("facets>=85", "a share from 0 to 1"),
        ("rating>=0.5", "from 1 to 5"),
        ("rating>=7", "from 1 to 5"),
        ("facets>1", "the most there is"),
        ("critical<0", "no critical is under 0"),
        ("licence=mit", "is not a need on a licence"),
        ("licence>=commercial", "is not a need on a licence"),
    ],
)
def test_a_malformed_need_is_refused_with_its_reason(text: str, said: str) -> None:
    with pytest.raises(BadInput, match=said) as refused:
        parse_need(text)
    assert refused.value.hint


def test_a_typing_error_names_the_nearest_figures() -> None:
    with pytest.raises(UnknownName) as refused:
        parse_need("latancy<2s")
    assert "latency" in refused.value.near


def test_figures_without_an_interval_cannot_be_needed() -> None:
    with pytest.raises(UnknownName):
        parse_need("latency.max<2s")


@pytest.mark.parametrize(
    ("texts", "said"),
    [
        (("p95<2s", "latency.p95<2s"), "says the same"),
        (("memory<2GB", "memory<4GB"), "two needs on memory.peak"),
        (("p50<3s", "p95<2s"), "says nothing beside"),
    ],
)
def test_duplicates_and_contradictions_are_told(texts: tuple[str, ...], said: str) -> None:
    with pytest.raises(BadInput, match=said):
        parse_needs(texts)


def test_the_stricter_of_two_is_named() -> None:
    with pytest.raises(BadInput) as refused:
        parse_needs(("facets>=0.8", "facets>=0.9"))
    assert "facets>=0.9" in (refused.value.hint or "")


def test_every_need_on_speed_or_size_is_a_figure_that_runs_have() -> None:
    judged_elsewhere = {"facets", "rating", "quality", "critical", "licence"}
    assert set(KINDS) - judged_elsewhere <= set(FIGURES)


@pytest.mark.parametrize("text", ["error_rate<=0", "critical<=0%", "facets>=1", "facets>=100%"])
def test_a_need_that_no_number_of_requests_can_show_is_refused(text: str) -> None:
    with pytest.raises(BadInput, match="no number of requests"):
        parse_need(text)


@pytest.mark.parametrize(
    ("text", "figure", "limit"),
    [
        ("load<5s", "load.warm", 5e9),
        ("load.cold<5s", "load.cold", 5e9),
        ("prefill>100", "prefill_tokens_per_s", 100.0),
        ("decode>=20tok/s", "decode_tokens_per_s", 20.0),
        ("energy<500kJ", "energy.requests", 500e3),
        ("energy.tokens<0.1Wh", "energy.tokens", 360.0),
        ("cost<=0.5", "cost.requests", 0.5),
    ],
)
def test_load_phases_energy_and_cost_can_be_needed(text: str, figure: str, limit: float) -> None:
    need = parse_need(text)
    assert (need.figure, need.limit) == (figure, limit)


@pytest.mark.parametrize(("text", "said"), [("energy<5", "needs its unit"), ("cost<5EUR", "not counted in EUR")])
def test_energy_has_a_unit_and_cost_has_that_of_the_settings(text: str, said: str) -> None:
    with pytest.raises(BadInput, match=said):
        parse_need(text)
