"""The decision on top of the terminal, Markdown, CSV and JSON."""

import csv
import io
import json
import os
from dataclasses import replace
from pathlib import Path

import pytest

from report.scenes import MODELS, TWINS, Size, big_scene, hostile_scene
from report.strangers import NASTY
from shortlist.report.csv import render_csv
from shortlist.report.decision_text import decision_lines
from shortlist.report.document import render_json
from shortlist.report.markdown import render_markdown
from shortlist.report.scene import Scene
from shortlist.report.terminal import print_decision, print_summary
from shortlist.report.verdicts import quantity, standing_words

HERE = Path(__file__).parent
SCENE = big_scene(MODELS, Size(prompts=15, clusters=5))
SAME = big_scene(TWINS, Size(prompts=15, clusters=5, is_same=True))


def printed(scene: Scene, *, is_ascii: bool = False) -> str:
    file = io.StringIO()
    print_summary(scene.summary, file, is_ascii=is_ascii, decision=scene.decision)
    return file.getvalue()


@pytest.mark.parametrize("is_ascii", [False, True])
def test_the_terminal_is_as_it_was(is_ascii: bool) -> None:
    path = HERE / "golden" / ("decision-ascii.txt" if is_ascii else "decision.txt")
    text = printed(SCENE, is_ascii=is_ascii)
    if os.environ.get("WRITE_GOLDEN"):
        path.write_text(text, encoding="utf-8", newline="")
    assert text == path.read_bytes().decode("utf-8"), f"WRITE_GOLDEN=1 renews {path}, then read the difference"


def test_the_sentence_comes_first_everywhere() -> None:
    assert SCENE.decision is not None
    start = SCENE.decision.sentence[:30]
    assert printed(SCENE).startswith(start)
    assert printed(SCENE, is_ascii=True).isascii()
    assert render_markdown(SCENE.summary, SCENE.decision).startswith("# Ship qwen2")
    assert next(iter(json.loads(render_json(SCENE.summary, SCENE.decision))["data"])) == "decision"


@pytest.mark.parametrize("width", [60, 80, 120])
@pytest.mark.parametrize("scene", [SCENE, SAME])
@pytest.mark.parametrize("is_ascii", [False, True])
def test_no_line_but_a_command_is_wider_than_asked(scene: Scene, width: int, is_ascii: bool) -> None:
    for line in decision_lines(scene, is_ascii=is_ascii, width=width):
        assert line.cell_len <= width or line.plain.strip().startswith("shortlist ")


@pytest.mark.parametrize("text", NASTY)
def test_strangers_text_on_the_terminal_is_plain(text: str) -> None:
    scene = hostile_scene(text)
    shown = printed(scene)
    assert "\x1b" not in shown
    assert not [c for c in "\x00\x9b\u202e\u2066\u200b" if c in shown]
    assert printed(scene, is_ascii=True).isascii()


def test_the_decision_alone_is_the_top_of_the_whole() -> None:
    assert SCENE.decision is not None
    file = io.StringIO()
    print_decision(SCENE.summary, SCENE.decision, file, is_ascii=False)
    assert printed(SCENE).startswith(file.getvalue())


def test_every_strip_says_its_verdict_in_words() -> None:
    text = printed(SCENE)
    assert text.count("╎") == 15
    for word in ("✓ pass", "✕ fail", "? can't tell"):
        assert word in text


def test_csv_has_the_verdicts_at_its_end_and_json_the_whole_decision() -> None:
    assert SCENE.decision is not None
    rows = list(csv.DictReader(io.StringIO(render_csv(SCENE.summary, SCENE.decision))))
    assert [row["verdict"] for row in rows] == ["pick", "out", "passes", "out", "cannot tell"]
    assert rows[1]["need_latency.p95"] == "fail"
    assert rows[0]["choice"] == "ship"
    assert float(rows[0]["facets"]) == 0.9
    assert list(rows[0])[:6] == ["model", "rounds", "latency_avg", "latency_p95", "tokens_per_sec_avg", "sample"]
    document = json.loads(render_json(SCENE.summary, SCENE.decision))
    assert document["data"]["decision"]["choice"]["pick"] == SCENE.summary.candidates[0].candidate
    assert json.loads(render_json(SCENE.summary))["data"]["decision"] is None


def test_a_candidate_that_nobody_judged_has_empty_cells() -> None:
    assert SCENE.decision is not None
    extra = replace(SCENE.summary.candidates[0], candidate="x", label="x", status="skipped", n=0, figures={})
    summary = replace(SCENE.summary, candidates=(*SCENE.summary.candidates, extra))
    rows = list(csv.DictReader(io.StringIO(render_csv(summary, SCENE.decision))))
    assert rows[-1]["verdict"] == "not judged"
    assert rows[-1]["need_latency.p95"] == ""
    assert standing_words(SCENE.decision, "x") == "– not judged"


def test_limits_are_written_as_people_write_them() -> None:
    assert quantity(2e9, "ns") == "2 s"
    assert quantity(8e8, "ns") == "800 ms"
    assert quantity(2e9, "B") == "2 GB"
    assert quantity(0.85, "score") == "0.85"
    assert quantity(0.01, "share") == "1 %"
