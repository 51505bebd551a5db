"""Pictures: golden SVG, labels that neither touch nor leave, the same bytes twice."""

import os
import re
import sys
import xml.etree.ElementTree as ET
from dataclasses import replace
from itertools import pairwise
from pathlib import Path

import pytest

from report.scenes import MODELS, TWINS, Size, big_scene, hostile_scene
from report.strangers import NASTY
from results.test_measuring import found
from shortlist.errors import BadInput
from shortlist.records import Interval
from shortlist.report.gallery import gallery
from shortlist.report.pictures.latency import latency_panels
from shortlist.report.pictures.style import file_style
from shortlist.report.png import find_font, svg_to_png
from shortlist.report.scales import linear, logarithmic, spaced
from shortlist.report.scene import Scene
from shortlist.report.svg import Box, Pen, Picture
from shortlist.report.textsize import cut_middle, text_width, wrap_text

GOLDEN = Path(__file__).parent / "golden" / "figures"
SMALL = big_scene(MODELS, Size(prompts=6, clusters=6, rounds=2))
FIVE = big_scene(MODELS)
SAME = big_scene(TWINS, Size(prompts=12, clusters=6, rounds=3, is_same=True))
NAMES = [picture.name for picture in gallery(SMALL).pictures]


def clashes(picture: Picture) -> list[str]:
    """Labels that touch one another or leave the picture."""
    frame = Box(0, 0, picture.width, picture.height)
    found = [f"leaves: {text}" for text, box in picture.labels if not box.is_inside(frame)]
    for at, (text, box) in enumerate(picture.labels):
        found += [f"{text} / {other}" for other, taken in picture.labels[at + 1 :] if box.overlaps(taken)]
    return found


def test_every_picture_is_drawn_from_a_whole_scene() -> None:
    wanted = {
        "tradeoff",
        "need-1-latency-p95",
        "need-2-memory-peak",
        "need-3-facets",
        "what-if",
        "latency",
        "over-time",
    }
    assert set(NAMES) == wanted | {"difference-quality", "difference-latency", "prompts"}


@pytest.mark.parametrize("name", NAMES)
def test_the_svg_is_as_it_was(name: str) -> None:
    picture = next(one for one in gallery(SMALL).pictures if one.name == name)
    text = picture.file("").replace("><", ">\n<")
    path = GOLDEN / f"{name}.svg"
    if os.environ.get("WRITE_GOLDEN"):
        path.parent.mkdir(exist_ok=True, parents=True)
        path.write_text(text, encoding="utf-8", newline="")
    assert text == path.read_text(encoding="utf-8"), f"WRITE_GOLDEN=1 renews {path}, then read the difference"


@pytest.mark.parametrize("scene", [SMALL, FIVE, SAME], ids=["small", "five", "the same values"])
def test_no_label_touches_another_or_leaves_its_picture(scene: Scene) -> None:
    for picture in gallery(scene).pictures:
        assert clashes(picture) == [], picture.name


@pytest.mark.parametrize("text", NASTY)
def test_strangers_names_neither_break_a_picture_nor_its_layout(text: str) -> None:
    for picture in gallery(hostile_scene(text)).pictures:
        assert clashes(picture) == [], picture.name
        root = ET.fromstring(picture.file(file_style()))
        names = {element.tag.rpartition("}")[2] for element in root.iter()}
        assert names <= {"svg", "title", "desc", "style", "defs", "pattern", "path", "rect", "circle", "text", "use"}


def test_five_candidates_on_one_spot_are_all_named() -> None:
    drawn = gallery(SAME).tradeoff
    assert drawn is not None
    texts = [text for text, _ in drawn.labels]
    assert sum(text.startswith("the-same") for text in texts) == len(TWINS)


@pytest.mark.parametrize("scale", [1e-9, 1.0, 1e6])
def test_extreme_values_keep_the_layout(scale: float) -> None:
    def stretched(interval: Interval) -> Interval:
        ends = (None if end is None else end * scale for end in (interval.point, interval.low, interval.high))
        point, low, high = ends
        return replace(interval, point=point, low=low, high=high)

    candidates = tuple(
        replace(one, figures={name: stretched(i) for name, i in one.figures.items()})
        for one in SMALL.summary.candidates
    )
    scene = replace(SMALL, summary=replace(SMALL.summary, candidates=candidates))
    for picture in gallery(scene).pictures:
        assert clashes(picture) == [], picture.name


def test_open_and_missing_intervals_are_drawn_without_a_guess() -> None:
    assert SMALL.decision is not None
    judgements = []
    for at, one in enumerate(SMALL.decision.judgements):
        interval = one.interval
        if interval is not None:
            interval = (replace(interval, high=None), replace(interval, low=None), None, interval)[at % 4]
        judgements.append(replace(one, interval=interval))
    scene = replace(SMALL, decision=replace(SMALL.decision, judgements=tuple(judgements)))
    for picture in gallery(scene).pictures:
        assert clashes(picture) == [], picture.name
        assert "nan" not in picture.inner
        assert "inf" not in re.sub(r"<(title|desc)[^>]*>.*?</", "", picture.inner).replace("information", "")


def test_hatching_is_for_needs_and_for_what_cannot_be_told() -> None:
    hatched = {picture.name for picture in gallery(SMALL).pictures if "-h)" in picture.inner}
    assert hatched == {"tradeoff", "need-1-latency-p95", "need-2-memory-peak", "need-3-facets", "what-if"}


def test_without_a_decision_only_what_was_timed_is_drawn() -> None:
    assert [picture.name for picture in gallery(replace(SMALL, decision=None)).pictures] == [
        "latency",
        "over-time",
        "prompts",
    ]
    bare = Scene(replace(SMALL.summary, quality=None))
    assert gallery(bare).pictures == ()


def test_disturbed_requests_are_hollow_and_stay() -> None:
    drawn = gallery(FIVE).over_time
    assert drawn is not None
    assert drawn.inner.count('class="hollow"') == 3
    assert "apt took 1.4 cores" in [text for text, _ in drawn.labels]


def test_every_file_stands_alone_with_title_description_and_style() -> None:
    for picture in gallery(SMALL).pictures:
        text = picture.file(file_style())
        root = ET.fromstring(text)
        assert root.find("{*}title") is not None
        assert root.find("{*}desc") is not None
        assert "var(" not in text
        assert re.findall(r'(?:href|src)="(?!#)', text) == []


def test_a_png_is_the_same_bytes_twice() -> None:
    font = find_font()
    for picture in gallery(SMALL).pictures[:3]:
        svg = picture.file(file_style())
        first = svg_to_png(svg, font)
        assert first.startswith(b"\x89PNG")
        assert first == svg_to_png(svg, font)


def test_without_resvg_the_error_says_what_to_install(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "resvg_py", None)
    with pytest.raises(BadInput) as raised:
        svg_to_png("<svg/>", ("DejaVu Sans", ()))
    assert raised.value.hint == "pip install 'shortlist[png]'"


def test_without_a_font_the_error_says_so(tmp_path: Path) -> None:
    with pytest.raises(BadInput, match="no font"):
        find_font([tmp_path, tmp_path / "absent"])


# --- the pen ----------------------------------------------------------------------------------------------------------


def test_a_label_that_finds_no_room_is_not_written_over_another() -> None:
    pen = Pen("p", 100, "t", "d")
    inside = Box(0, 0, 60, 40)
    placed = [pen.place((30, 20), "a label", inside) for _ in range(12)]
    pen.grow(40)
    assert not all(placed)
    assert clashes(pen.finish()) == []


def test_names_are_cut_in_the_middle_to_the_room_there_is() -> None:
    for room in (20.0, 60.0, 120.0):
        shown = cut_middle("a-rather-long-name@q4_0", room)
        assert text_width(shown) <= room
        assert shown == "…" or (shown.startswith("a") and shown.endswith("0"))
    assert cut_middle("x" * 100_000, 100).count("…") == 1


def test_lines_are_broken_where_they_must() -> None:
    for line in wrap_text("one two three " + "w" * 300, 100):
        assert text_width(line, 12) <= 100


def test_ticks_are_round_and_keep_apart() -> None:
    assert linear(0, 2.6, 0, 100).ticks() == (0, 0.5, 1, 1.5, 2, 2.5)
    assert 1.0 in logarithmic(0.4, 4, 0, 100).ticks()
    kept = spaced([(float(at), "wide label") for at in range(0, 200, 5)], 11)
    assert all(b[0] - a[0] > text_width("wide label", 11) for a, b in pairwise(kept))


@pytest.mark.parametrize(("error_ns", "is_drawn"), [(0, False), (1000, False), (10**8, True), (10**12, True)])
def test_our_own_error_is_a_band_at_its_true_width_or_said_to_be_thinner_than_the_line(
    error_ns: int, is_drawn: bool
) -> None:
    summary = replace(SMALL.summary, measuring_error=found(error_ns))
    picture = latency_panels(replace(SMALL, summary=summary))
    assert picture is not None
    assert ('class="band"' in picture.inner) == is_drawn
    said = " ".join(text for text, _ in picture.labels)
    assert ("thinner than the line" in said) != is_drawn
    assert ("at its true width" in said) == is_drawn
    assert not clashes(picture)
    unknown = latency_panels(SMALL)
    assert unknown is not None
    assert "measuring error" not in " ".join(text for text, _ in unknown.labels)


def test_the_band_is_as_wide_as_the_error_on_the_pictures_own_scale() -> None:
    widths = []
    for error_ns in (5 * 10**7, 10**8):
        picture = latency_panels(replace(SMALL, summary=replace(SMALL.summary, measuring_error=found(error_ns))))
        assert picture is not None
        rect = re.search(r'<rect x="([\d.]+)" y="[\d.]+" width="([\d.]+)"[^>]*class="band"', picture.inner)
        assert rect is not None, picture.inner[:400]
        widths.append(float(rect[2]))
    assert widths[1] == pytest.approx(2 * widths[0], rel=0.03)
