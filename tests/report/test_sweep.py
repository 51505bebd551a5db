"""A sweep's table and pictures: golden, laid out without a clash, the same numbers in every form."""

import csv
import io
import json
import os
import xml.etree.ElementTree as ET
from dataclasses import replace
from pathlib import Path

import pytest

from report.strangers import NASTY
from report.sweeps import MODELS, VALUES, made_sweep
from report.test_pictures import GOLDEN, clashes
from shortlist.report.pictures.style import file_style
from shortlist.report.pictures.sweep import goodput_picture, latency_figure, sweep_picture
from shortlist.report.sweep_files import pictures, sweep_csv, sweep_html, sweep_json, sweep_markdown, write_sweep
from shortlist.report.sweep_text import sweep_lines
from shortlist.results.sweep import SweepSummary

CLOSED, OPEN = made_sweep(), made_sweep("rate")


def golden(path: Path, text: str) -> None:
    if os.environ.get("WRITE_GOLDEN"):
        path.write_text(text, encoding="utf-8", newline="")
    assert text == path.read_text(encoding="utf-8"), f"WRITE_GOLDEN=1 renews {path}, then read the difference"


@pytest.mark.parametrize("sweep", [CLOSED, OPEN], ids=["concurrency", "rate"])
def test_the_pictures_are_as_they_were(sweep: SweepSummary) -> None:
    for picture in pictures(sweep):
        golden(GOLDEN / f"{picture.name}-{sweep.over}.svg", picture.file("").replace("><", ">\n<"))


@pytest.mark.parametrize("is_ascii", [False, True], ids=["unicode", "ascii"])
def test_the_table_is_as_it_was_and_fits_eighty_columns(is_ascii: bool) -> None:
    lines = [line.plain for line in sweep_lines(OPEN, is_ascii=is_ascii)]
    assert max(map(len, lines)) <= 80
    golden(GOLDEN.parent / f"sweep{'-ascii' if is_ascii else ''}.txt", "\n".join(lines) + "\n")


@pytest.mark.parametrize(
    "models",
    [MODELS[:1], MODELS, (*MODELS, ("a-candidate-with-a-very-long-name-that-goes-on@q4_k_m", 30.0, 1300)) * 2],
    ids=["one", "three", "eight"],
)
def test_no_label_touches_another_or_leaves_its_picture(models: tuple[tuple[str, float, float], ...]) -> None:
    for over in ("concurrency", "rate"):
        for picture in pictures(made_sweep(over, models)):
            assert clashes(picture) == [], picture.name
            texts = [text for text, _ in picture.labels]
            assert all(texts.count(f"{value:g}") >= len(models) for value in VALUES)


@pytest.mark.parametrize("scale", [1e-6, 1e6])
def test_extreme_speeds_keep_the_layout(scale: float) -> None:
    models = tuple((label, speed * scale, latency / scale) for label, speed, latency in MODELS)
    for picture in pictures(made_sweep("rate", models)):
        assert clashes(picture) == [], picture.name


@pytest.mark.parametrize("text", NASTY)
def test_strangers_names_stay_text(text: str) -> None:
    sweep = made_sweep("rate", ((text, 30.0, 1000.0), *MODELS))
    for picture in pictures(sweep):
        assert clashes(picture) == [], picture.name
        ET.fromstring(picture.file(file_style()))
    page = sweep_html(sweep)
    assert "<script" not in page
    assert "<img" not in page
    assert max(len(line.plain) for line in sweep_lines(sweep)) <= 80 or len(text) > 60


def test_latency_is_the_mean_unless_every_point_has_its_p95() -> None:
    assert latency_figure(CLOSED) == "latency.mean"


def test_a_grown_backlog_is_hollow_and_said_in_words() -> None:
    closed, grown = sweep_picture(CLOSED), sweep_picture(OPEN)
    assert closed is not None
    assert grown is not None
    assert 'class="hollow"' not in closed.inner
    assert grown.inner.count('class="hollow"') == len(MODELS)
    assert any("backlog grew" in text for text, _ in grown.labels)


def test_one_value_alone_is_no_curve() -> None:
    one = made_sweep()
    bare = replace(one, curves=tuple(replace(curve, points=curve.points[:1]) for curve in one.curves))
    assert sweep_picture(bare) is None
    assert goodput_picture(bare) is None


def test_every_form_holds_every_point(tmp_path: Path) -> None:
    write_sweep(OPEN, tmp_path)
    assert {path.name for path in tmp_path.iterdir()} == {
        "report.html",
        "report.md",
        "report.csv",
        "report.json",
        "figures",
    }
    rows = list(csv.DictReader(io.StringIO(sweep_csv(OPEN), newline="")))
    assert len(rows) == len(MODELS) * len(VALUES)
    assert rows[4]["backlog_grew"] == "1"
    assert rows[4]["latency.mean.high"] == ""
    document = json.loads(sweep_json(OPEN))
    assert (document["schema"], len(document["data"]["curves"])) == ("shortlist-sweep", len(MODELS))
    assert document["data"]["curves"][0]["points"][4]["is_growing"] is True
    markdown = sweep_markdown(OPEN)
    assert markdown.count("backlog grew") >= len(MODELS)
    assert "figures/sweep.svg" in markdown
    page = sweep_html(OPEN)
    assert page.count("<svg") == 2
    assert "Ship qwen2.5-1.5b@q4_0." in page
