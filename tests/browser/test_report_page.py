"""`report.html` in a real browser: silent, self-contained, accessible, inert, and nothing on top of anything."""

from pathlib import Path

import pytest

from browser.chromium import Page
from report.scenes import MODELS, TWINS, Size, big_scene, hostile_scene
from report.strangers import NASTY
from shortlist.report.files import write_report
from shortlist.report.scene import Scene

pytestmark = pytest.mark.browser

OVERLAPS = """(() => { const found = [];
for (const svg of document.querySelectorAll('svg.picture')) {
  const frame = svg.getBoundingClientRect();
  const texts = [...svg.querySelectorAll('text')].map(t => [t.textContent, t.getBoundingClientRect()]);
  texts.forEach(([a, x], i) => {
    if (x.left < frame.left - .5 || x.right > frame.right + .5 || x.top < frame.top - .5
        || x.bottom > frame.bottom + .5)
      found.push('leaves: ' + a);
    for (const [b, y] of texts.slice(i + 1))
      if (x.left < y.right - 1 && y.left < x.right - 1 && x.top < y.bottom - 3 && y.top < x.bottom - 3)
        found.push(a + ' / ' + b);
  });
} return found; })()"""

SPILLS = """(() => { const width = document.documentElement.clientWidth;
const found = [];
if (document.documentElement.scrollWidth > width) found.push('page ' + document.documentElement.scrollWidth);
for (const e of document.querySelectorAll('main > *, section > *, header > *')) {
  const r = e.getBoundingClientRect();
  if (r.right > width + .5) found.push(e.tagName + ' ' + e.textContent.slice(0, 40));
} return found; })()"""


@pytest.fixture(scope="module")
def reports(tmp_path_factory: pytest.TempPathFactory) -> dict[str, str]:
    folder = tmp_path_factory.mktemp("reports")
    scenes = {"five": big_scene(MODELS), "twins": big_scene(TWINS, Size(is_same=True))}
    found = {name: written(scene, folder / name) for name, scene in scenes.items()}
    bare = Scene(scenes["five"].summary)
    found["bare"] = written(bare, folder / "bare")
    return found


def written(scene: Scene, folder: Path) -> str:
    write_report(scene.summary, folder, ["html"], scene.decision, scene.series, all_answers=True)
    return (folder / "report.html").as_uri()


@pytest.mark.parametrize("name", ["five", "twins", "bare"])
@pytest.mark.parametrize("scheme", ["light", "dark"])
def test_opening_it_asks_for_nothing_and_says_nothing(
    page: Page, reports: dict[str, str], name: str, scheme: str
) -> None:
    page.scheme(scheme)
    page.open(reports[name])
    assert page.requests == [reports[name]]
    assert page.messages == []


@pytest.mark.parametrize("name", ["five", "twins"])
@pytest.mark.parametrize("width", [320, 1100])
def test_no_two_labels_touch_and_none_leaves_its_picture(
    page: Page, reports: dict[str, str], name: str, width: int
) -> None:
    page.open(reports[name], width)
    assert page.run("document.querySelectorAll('svg.picture text').length") > 100
    assert page.run(OVERLAPS) == []


@pytest.mark.parametrize("name", ["five", "twins", "bare"])
@pytest.mark.parametrize("width", [320, 640, 1100])
def test_the_page_never_scrolls_sideways(page: Page, reports: dict[str, str], name: str, width: int) -> None:
    page.open(reports[name], width)
    assert page.run(SPILLS) == []


@pytest.mark.parametrize("name", ["five", "bare"])
@pytest.mark.parametrize("scheme", ["light", "dark"])
@pytest.mark.parametrize("width", [320, 1100])
def test_axe_finds_no_violation(
    page: Page, reports: dict[str, str], axe: str, name: str, scheme: str, width: int
) -> None:
    page.scheme(scheme)
    page.open(reports[name], width)
    page.run(axe + "; 0")
    found = page.run(
        "axe.run(document, {resultTypes: ['violations']}).then(r => r.violations.map("
        "v => v.id + ': ' + v.nodes.slice(0, 3).map(n => n.html.slice(0, 200)).join(' | ')))"
    )
    assert found == []


def test_the_keyboard_reaches_the_content_and_every_region_that_scrolls(page: Page, reports: dict[str, str]) -> None:
    page.open(reports["five"], 320)
    page.press("Tab")
    assert page.run("document.activeElement.className") == "skip"
    unreachable = page.run(
        "[...document.querySelectorAll('*')].filter(e => e.scrollWidth > e.clientWidth + 1 && e.tabIndex < 0 && "
        "getComputedStyle(e).overflowX === 'auto').map(e => e.outerHTML.slice(0, 80))"
    )
    assert unreachable == []


@pytest.mark.parametrize("text", [text for text in NASTY if text.strip()])
def test_strangers_text_is_shown_and_does_nothing(page: Page, tmp_path: Path, text: str) -> None:
    address = written(hostile_scene(text), tmp_path)
    page.open(address)
    assert page.requests == [address]
    assert page.messages == []
    kinds = page.run("[...new Set([...document.querySelectorAll('body *')].map(e => e.localName))]")
    assert not {"script", "img", "iframe", "object", "embed", "base", "form", "b"} & set(kinds)
    assert page.run("[...document.querySelectorAll('a')].every(a => a.getAttribute('href').startsWith('#'))")
    assert page.run(
        "[...document.querySelectorAll('*')].every(e => ![...e.attributes].some(a => /^on|^style$/.test(a.name)))"
    )
    assert page.run(OVERLAPS) == []


def test_a_drawn_label_is_never_wider_than_it_was_counted(page: Page, reports: dict[str, str]) -> None:
    from shortlist.report.gallery import gallery

    page.open(reports["five"])
    scene = big_scene(MODELS)
    counted = [(text, box.right - box.left) for picture in gallery(scene).pictures for text, box in picture.labels]
    drawn = page.run(
        "[...document.querySelectorAll('svg.picture text')].map(t => [t.textContent, t.getComputedTextLength()])"
    )
    widths: dict[str, float] = {}
    for text, width in drawn:
        widths[text] = max(widths.get(text, 0.0), width)
    too_wide = {text: (widths[text], width) for text, width in counted if text in widths and widths[text] > width * 1.2}
    assert too_wide == {}
