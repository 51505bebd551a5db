"""`report.html`: one file that runs nothing, small, whole, with every number of its pictures in a table."""

import base64
import hashlib
import re
from dataclasses import replace
from html.parser import HTMLParser
from pathlib import Path

import pytest

from report.scenes import MODELS, Size, big_scene, hostile_scene
from report.strangers import NASTY
from shortlist.report.files import write_report
from shortlist.report.gallery import gallery
from shortlist.report.html import ANSWERS_SHOWN, render_html
from shortlist.report.markup import Markup, joined, tag
from shortlist.report.scene import Scene

SMALL = big_scene(MODELS, Size(prompts=6, clusters=6, rounds=2))
FIVE = big_scene(MODELS)
VOID = {"meta", "br", "hr", "line", "rect", "circle", "path", "use"}


class Tree(HTMLParser):
    """Checks that every element is closed where it was opened; collects elements and text."""

    def __init__(self) -> None:
        super().__init__(convert_charrefs=True)
        self.open: list[str] = []
        self.elements: list[tuple[str, dict[str, str | None]]] = []
        self.text: list[str] = []

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.elements.append((tag, dict(attrs)))
        if tag not in VOID:
            self.open.append(tag)

    def handle_startendtag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.elements.append((tag, dict(attrs)))

    def handle_endtag(self, tag: str) -> None:
        assert self.open.pop() == tag

    def handle_data(self, data: str) -> None:
        self.text.append(data)


def parsed(page: str) -> Tree:
    tree = Tree()
    tree.feed(page)
    tree.close()
    assert tree.open == []
    return tree


def test_the_policy_allows_its_one_style_and_nothing_else() -> None:
    page = render_html(SMALL)
    (style,) = re.findall(r"<style>(.*?)</style>", page, re.DOTALL)
    digest = base64.b64encode(hashlib.sha256(style.encode()).digest()).decode()
    policy = next(a["content"] for t, a in parsed(page).elements if a.get("http-equiv"))
    assert policy == (
        f"default-src 'none'; style-src 'sha256-{digest}'; img-src data:; base-uri 'none'; form-action 'none'"
    )


@pytest.mark.parametrize("scene", [SMALL, Scene(SMALL.summary), replace(SMALL, series=None)])
def test_the_page_is_whole_and_holds_nothing_that_runs_or_loads(scene: Scene) -> None:
    tree = parsed(render_html(scene, all_answers=True))
    kinds = {kind for kind, _ in tree.elements}
    assert not kinds & {"script", "img", "link", "iframe", "object", "form", "base"}
    for _, attributes in tree.elements:
        assert not [name for name in attributes if name.startswith("on") or name in ("style", "src")]
        assert (attributes.get("href") or "#").startswith("#")
    ids = [attributes["id"] for _, attributes in tree.elements if attributes.get("id")]
    assert len(ids) == len(set(ids))
    assert {(a.get("href") or "#")[1:] for t, a in tree.elements if t == "a"} <= set(ids)
    assert tree.elements[0] == ("html", {"lang": "en"})


def test_the_sentence_is_the_heading_and_without_a_decision_the_run_is() -> None:
    assert SMALL.decision is not None
    assert f"<h1>{SMALL.decision.sentence.replace(chr(39), '&#x27;')}</h1>" in render_html(SMALL)
    assert "<h1>Run meeting-notes@ab5c7f3c" in render_html(Scene(SMALL.summary))


def test_every_table_has_a_caption_and_scopes_and_every_picture_a_title() -> None:
    page = render_html(SMALL)
    assert page.count("<table") == page.count("<caption>") > 5
    assert re.search(r"<th(?! scope)", page.replace("<thead", "")) is None
    assert page.count("<svg") == page.count("<desc") == len(gallery(SMALL).pictures)


def test_with_five_candidates_and_sixty_prompts_it_is_at_most_150_kb_beside_the_texts() -> None:
    page = render_html(FIVE, all_answers=True)
    assert FIVE.series is not None
    texts = sum(len(a.text.encode()) + len(a.reasoning.encode()) for one in FIVE.series.answers for a in one.answers)
    texts += sum(len(prompt.asked.encode()) for prompt in FIVE.summary.prompts)
    assert len(render_html(FIVE).encode()) <= 150_000
    assert len(page.encode()) - texts <= 150_000


def test_each_distinct_answer_stands_once_and_says_who_gave_it() -> None:
    page = render_html(SMALL, all_answers=True)
    assert SMALL.series is not None
    for one in SMALL.series.answers:
        for answer in one.answers:
            assert page.count(f"<pre>{answer.text}</pre>") == 1
    assert "<p>every round</p>" in page


def test_by_default_only_some_prompts_are_shown_and_the_page_says_so() -> None:
    page = render_html(FIVE)
    assert page.count('class="asked"') == ANSWERS_SHOWN
    assert f"{ANSWERS_SHOWN} of 60 prompts" in page
    assert "shortlist report ab5c7f3c --answers" in page
    assert render_html(FIVE, all_answers=True).count('class="asked"') == 60


@pytest.mark.parametrize("text", NASTY)
def test_strangers_text_never_becomes_markup(text: str) -> None:
    page = render_html(hostile_scene(text), all_answers=True)
    page.encode("utf-8")
    plain = render_html(hostile_scene("plain"), all_answers=True)
    tree, expected = parsed(page), parsed(plain)
    assert {kind for kind, _ in tree.elements} <= {kind for kind, _ in expected.elements}
    for _, attributes in tree.elements:
        assert not [name for name in attributes if name.startswith("on") or name == "style"]
    assert not [c for c in "\x00\x1b\x9b\u202e\u2066\u200b\ufeff" if c in page]


def test_what_is_not_markup_is_escaped_wherever_it_goes() -> None:
    assert tag("p", "<b>", title='"><b>') == '<p title="&quot;&gt;&lt;b&gt;">&lt;b&gt;</p>'
    assert joined("a\u202eb", Markup("<br>"), None) == "a\\u202eb<br>"


def test_the_pictures_stand_beside_the_page_and_old_ones_go(tmp_path: Path) -> None:
    scene = SMALL
    figures = tmp_path / "figures"
    figures.mkdir()
    (figures / "mine.svg").write_text("<svg>mine</svg>")
    paths = write_report(scene.summary, tmp_path, decision=scene.decision, series=scene.series, png=True)
    names = {path.name for path in figures.iterdir()}
    assert {"tradeoff.svg", "tradeoff.png", "need-1-latency-p95.svg", "mine.svg"} <= names
    assert {path.name for path in paths} == (names | {f"report.{end}" for end in ("html", "md", "csv", "json")}) - {
        "mine.svg"
    }
    write_report(scene.summary, tmp_path, ["md"], series=scene.series)
    assert {path.name for path in figures.iterdir()} == {"latency.svg", "over-time.svg", "prompts.svg", "mine.svg"}


def test_two_reports_of_one_run_are_the_same_bytes(tmp_path: Path) -> None:
    for folder in ("a", "b"):
        write_report(SMALL.summary, tmp_path / folder, decision=SMALL.decision, series=SMALL.series)
    files = sorted(path.relative_to(tmp_path / "a") for path in (tmp_path / "a").rglob("*.*"))
    assert len(files) == 14
    for file in files:
        assert (tmp_path / "a" / file).read_bytes() == (tmp_path / "b" / file).read_bytes()
