"""results/energy.py: joules and money of runs whose truth is written down."""

from dataclasses import replace

import pytest

from results.made_run import PROMPTS, make_run
from shortlist.records import Event, Interval, Run
from shortlist.results.energy import Prices, with_prices
from shortlist.results.metrics import in_flight_ns
from shortlist.results.summary import summarise

SECOND = 10**9
TOKENS = 20 * len(PROMPTS)


def energy(run: Run, joules: float = 100.0, **changes: object) -> tuple[Event, ...]:
    """Each block of four requests took so many joules in two seconds, over a host that draws 10 W idle."""
    data = {"elapsed_ns": 2 * SECOND, "idle_watts": 10.0, "basis": "rapl", "joules": joules}
    return tuple(
        Event("exec-1", 50 + n, n, "energy", data={"block": block.id, **data, **changes})
        for n, block in enumerate(run.blocks)
    )


def prices(**given: object) -> Event:
    return Event("exec-1", 40, 0, "prices", data={"per_kwh": None, "per_hour": None, "currency": "EUR", **given})


def noted(*events: Event, run: Run | None = None) -> Run:
    whole = make_run() if run is None else run
    return replace(whole, events=(*whole.events, *events))


def figures(run: Run, label: str = "tiny") -> dict[str, Interval]:
    return dict(next(c for c in summarise(run).candidates if c.label == label).figures)


def test_whole_energy_and_what_is_above_idle_stand_beside_each_other() -> None:
    found = figures(noted(*energy(make_run())))
    assert found["energy.gross.requests"].point == pytest.approx(100 / 4 * 1000)
    assert found["energy.gross.tokens"].point == pytest.approx(100 / TOKENS * 1000)
    assert found["energy.requests"].point == pytest.approx((100 - 20) / 4 * 1000)
    assert found["energy.tokens"].point == pytest.approx((100 - 20) / TOKENS * 1000)
    assert found["power.work"].point == pytest.approx(50.0)
    assert found["power.idle"].point == pytest.approx(10.0)
    assert found["energy.requests"].basis == "rapl, above idle"
    assert {found[name].unit for name in found if name.startswith("energy")} == {"J"}


def test_an_interval_is_over_rounds() -> None:
    whole = make_run()
    drifted = [
        replace(event, data={**event.data, "joules": 100.0 + block.round})
        for event, block in zip(energy(whole), whole.blocks, strict=True)
    ]
    found = figures(noted(*drifted))["energy.gross.requests"]
    assert found.n == 5
    assert found.point == pytest.approx(103 / 4 * 1000)
    assert found.low is not None
    assert found.low < 103 / 4 * 1000


def test_without_an_idle_draw_only_the_whole_is_given_and_the_reason() -> None:
    found = figures(noted(*energy(make_run(), idle_watts=None, basis="declared")))
    assert found["energy.gross.requests"].point is not None
    assert found["energy.requests"].point is None
    assert "idle_watts" in found["energy.requests"].note


def test_bases_are_never_mixed_in_one_figure_nor_ranked_across_candidates() -> None:
    whole = make_run()
    events = list(energy(whole))
    events[0] = replace(events[0], data={**events[0].data, "basis": "declared"})
    mixed = next(c.label for c in whole.info.plan.candidates if c.id == whole.blocks[0].candidate)
    found = figures(noted(*events), mixed)
    assert found["energy.gross.requests"].point is None
    assert "declared, rapl" in found["energy.gross.requests"].note
    by_candidate = [
        replace(e, data={**e.data, "basis": "declared"}) if b.candidate == whole.blocks[0].candidate else e
        for e, b in zip(energy(whole), whole.blocks, strict=True)
    ]
    assert any("different bases" in warning for warning in summarise(noted(*by_candidate)).warnings)


def test_what_was_measured_again_after_the_meter_was_read_is_not_divided_by() -> None:
    whole = make_run()
    again = [replace(s, id=f"{s.id}-again", seq=s.seq + 50, is_accepted=False) for s in whole.samples]
    events = energy(whole, last_seq=49)
    grown = noted(*events, run=replace(whole, samples=(*whole.samples, *again)))
    assert figures(grown)["energy.gross.requests"] == figures(noted(*events))["energy.gross.requests"]


def test_a_price_of_energy_counts_the_whole_draw() -> None:
    found = figures(noted(*energy(make_run(), joules=3.6e6), prices(per_kwh=0.5)))
    assert found["cost.requests"].point == pytest.approx(0.5 / 4 * 1000)
    assert found["cost.tokens"].point == pytest.approx(0.5 / TOKENS * 1000)
    assert found["cost.requests"].unit == "EUR"
    assert found["cost.requests"].basis == "rapl energy at 0.5 EUR/kWh"


def test_a_price_of_the_machine_counts_the_time_in_flight() -> None:
    whole = make_run()
    tiny = next(c.id for c in whole.info.plan.candidates if c.label == "tiny")
    blocks = [b.id for b in whole.blocks if b.candidate == tiny]
    hours = [in_flight_ns(s for s in whole.samples if s.block == b and s.phase == "measure") / 3600e9 for b in blocks]
    found = figures(noted(prices(per_hour=3.0, currency="USD")))
    assert found["cost.requests"].point == pytest.approx(sum(hours) / 5 * 3.0 / 4 * 1000)
    assert found["cost.requests"].unit == "USD"
    assert "energy.requests" not in found


def test_both_prices_add_up() -> None:
    whole = make_run()
    events = energy(whole)
    parts = [
        figures(noted(*events, prices(**given)))["cost.requests"].point
        for given in ({"per_kwh": 0.5}, {"per_hour": 3.0}, {"per_kwh": 0.5, "per_hour": 3.0})
    ]
    assert parts[2] == pytest.approx((parts[0] or 0) + (parts[1] or 0))


def test_prices_set_later_stand_in_for_those_of_the_run() -> None:
    whole = noted(prices(per_hour=3.0))
    doubled = figures(with_prices(whole, Prices(per_hour=6.0, currency="USD")))["cost.requests"]
    assert doubled.point == pytest.approx(2 * (figures(whole)["cost.requests"].point or 0))
    assert doubled.unit == "USD"
    assert with_prices(whole, Prices()) == whole


def test_a_price_of_energy_that_is_not_known_gives_no_cost_and_says_what_to_set() -> None:
    found = figures(noted(prices(per_kwh=0.5, per_hour=3.0)))
    assert found["cost.requests"].point is None
    assert "set watts" in found["cost.requests"].note


def test_nothing_noted_nothing_told() -> None:
    assert not [name for name in figures(make_run()) if name.startswith(("energy", "cost", "power"))]


def test_a_candidate_that_answered_nothing_has_no_energy_for_a_request() -> None:
    found = figures(noted(*energy(make_run()), prices(per_hour=1.0)), "broken")
    assert not [name for name in found if name.startswith(("energy", "cost"))]
