"""Phases, roof, energy and cost in every form of the report: with basis or reason where measured, else absent."""

import csv
import io
import json
from dataclasses import replace

import pytest

from results.made_run import make_run
from shortlist.records import Event, Interval, Run
from shortlist.report.csv import render_csv
from shortlist.report.document import render_json
from shortlist.report.html import render_html
from shortlist.report.markdown import render_markdown
from shortlist.report.numbers import value, with_error
from shortlist.report.scene import Scene
from shortlist.report.wording import notes
from shortlist.results.summary import summarise
from shortlist.units import parse_energy_j

ROOF = {"weights_bytes": 10**8, "kv_bytes_per_token": 10**4, "window": None, "threads": 2, "is_steady": True}


def measured_run() -> Run:
    whole = make_run()
    tiny, small, *_ = whole.info.plan.candidates
    events = [
        Event("exec-1", 10, 1, "roofline", data={"candidate": tiny.id, "bytes_per_s": 4e10, **ROOF}),
        Event("exec-1", 11, 1, "roofline", data={"candidate": small.id, "reason": "the weights <b>are</b> small"}),
        Event("exec-1", 12, 1, "prices", data={"per_kwh": 0.3, "per_hour": 1.0, "currency": "CHF"}),
    ]
    spent = {"elapsed_ns": 10**9, "idle_watts": 10.0, "basis": "declared", "joules": 50.0}
    for n, block in enumerate(whole.blocks):
        events.append(Event("exec-1", 20 + n, 1, "energy", data={"block": block.id, **spent}))
    return replace(whole, events=(*whole.events, *events))


SUMMARY, PLAIN = summarise(measured_run()), summarise(make_run())


def test_markdown_shows_roof_energy_and_cost_with_their_bases() -> None:
    text = render_markdown(SUMMARY)
    assert "## Energy and cost" in text
    assert "roofline and MBU: 40.0 GB/s read by 2 threads (tiny)" in text
    assert "energy: declared" in text
    assert "declared energy at 0.3 CHF/kWh + the machine at 1 CHF/h in flight" in text
    assert "<b>are</b>" not in text


def test_the_page_has_a_part_on_energy_only_where_it_was_counted() -> None:
    assert 'id="energy"' in render_html(Scene(SUMMARY, None))
    assert 'id="energy"' not in render_html(Scene(PLAIN, None))
    assert "<b>are</b>" not in render_html(Scene(SUMMARY, None))
    assert "## Energy and cost" not in render_markdown(PLAIN)


def test_csv_has_a_column_for_each_figure_and_its_basis() -> None:
    rows = {row["model"]: row for row in csv.DictReader(io.StringIO(render_csv(SUMMARY)))}
    tiny, small = rows["tiny"], rows["small"]
    assert float(tiny["energy_gross_joules_per_1000_requests"]) == pytest.approx(50 / 4 * 1000)
    assert float(tiny["energy_joules_per_1000_requests"]) == pytest.approx(40 / 4 * 1000)
    assert (tiny["energy_basis"], tiny["cost_currency"]) == ("declared", "CHF")
    assert 0 < float(tiny["mbu"]) < 1
    assert small["mbu"] == ""
    assert float(tiny["roofline_tokens_per_sec"]) > float(tiny["decode_tokens_per_sec"])


def test_json_carries_the_reason_why_a_figure_is_withheld() -> None:
    document = json.loads(render_json(SUMMARY))
    small = next(one for one in document["data"]["candidates"] if one["label"] == "small")
    assert small["figures"]["mbu"]["point"] is None
    assert "are</b> small" in small["figures"]["mbu"]["note"]


def test_the_terminal_says_how_near_decoding_comes_to_the_roof() -> None:
    (line,) = [note for note in notes(SUMMARY) if "memory allows" in note]
    assert line.startswith("tiny: decodes ")
    assert "MBU" in line
    assert not [note for note in notes(PLAIN) if "MBU" in note]


@pytest.mark.parametrize(
    ("point", "unit", "shown"),
    [
        (25_000.0, "J", "25.0 kJ"),
        (3_600_000.0, "J", "3.60 MJ"),
        (50.0, "W", "50.0 W"),
        (12.3456, "EUR", "12.35 EUR"),
        (0.001234, "EUR", "0.00123 EUR"),
        (0.0, "EUR", "0.00 EUR"),
    ],
)
def test_energy_and_money_have_their_units(point: float, unit: str, shown: str) -> None:
    assert value(Interval(point, None, None, 0.95, "t", 3, unit)) == shown


def test_an_interval_of_money_shows_as_many_digits_as_its_point() -> None:
    assert with_error(Interval(0.00123, 0.00113, 0.00133, 0.95, "t", 3, "EUR")) == "0.00123 EUR ±0.00010"


def test_energy_is_read_in_joules_and_watt_hours() -> None:
    assert [parse_energy_j(text) for text in ("5J", "5 kJ", "5MJ", "1Wh", "2kWh")] == [
        5,
        5000,
        5 * 10**6,
        3600,
        7_200_000,
    ]
