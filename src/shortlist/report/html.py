"""`report.html`: one file that asks for nothing and runs nothing, the decision on top."""

from collections.abc import Iterable

from shortlist.report.answers_html import answers_section
from shortlist.report.decision_html import against_part, candidates_part, needs_part, what_if_part
from shortlist.report.dimensions_html import energy_part, phases_part
from shortlist.report.gallery import gallery
from shortlist.report.markup import Markup, tag
from shortlist.report.measured_html import latency_part, load_part, manner_part, quality_part, repeatability_part
from shortlist.report.pagestyle import PAGE_STYLE, security_policy
from shortlist.report.scene import Scene
from shortlist.report.verdicts import (
    footing,
)
from shortlist.report.wording import run_line

ANSWERS_SHOWN = 12


def render_html(scene: Scene, *, all_answers: bool = False) -> str:
    """The page. Needs, differences and what would change come with a decision, some pictures with a series."""
    drawn = gallery(scene)
    sections = [
        ("candidates", "Candidates", candidates_part(scene, drawn)),
        ("needs", "Needs", needs_part(scene, drawn)),
        ("change", "What would change this", what_if_part(scene, drawn)),
        ("latency", "Latency", latency_part(scene, drawn)),
        ("load", "Load", load_part(scene)),
        ("phases", "Prefill, decode and load", phases_part(scene)),
        ("energy", "Energy and cost", energy_part(scene)),
        ("against", f"Against {scene.label(scene.reference or '')}", against_part(scene, drawn)),
        ("quality", "Quality", quality_part(scene, drawn)),
        ("repeatability", "Repeatability", repeatability_part(scene)),
        ("answers", "Answers side by side", answers_section(scene, None if all_answers else ANSWERS_SHOWN)),
        ("measured", "How this was measured", manner_part(scene)),
    ]
    kept = [(ident, head, body) for ident, head, body in sections if body]
    links = (tag("li", tag("a", head, href=f"#{ident}")) for ident, head, _ in kept)
    nav = tag("nav", tag("ul", *links), aria_label="Parts of this report")
    parts = (section(ident, head, body) for ident, head, body in kept)
    top = tag("header", *_top(scene), nav)
    title = run_line(scene.summary) if scene.decision is None else scene.decision.sentence
    return page(title, top, *parts)


def section(ident: str, head: str, body: Markup) -> Markup:
    """A part of the page under its heading."""
    return tag("section", tag("h2", head, id=f"{ident}-h"), body, id=ident, aria_labelledby=f"{ident}-h")


def page(title: str, *parts: Markup) -> str:
    """A whole page that asks for nothing and runs nothing; its parts stand one below the other."""
    main = tag("main", *parts, _foot(), id="main", tabindex=-1)
    return "<!doctype html>\n" + tag("html", _head(title), _body(main), lang="en") + "\n"


def _head(title: str) -> Markup:
    meta = (
        tag("meta", charset="utf-8"),
        tag("meta", http_equiv="Content-Security-Policy", content=security_policy(PAGE_STYLE)),
        tag("meta", name="viewport", content="width=device-width,initial-scale=1"),
        tag("meta", name="referrer", content="no-referrer"),
    )
    return tag("head", *meta, tag("title", f"Shortlist: {title[:200]}"), Markup(f"<style>{PAGE_STYLE}</style>"))


def _body(main: Markup) -> Markup:
    return tag("body", tag("a", "Skip to content", href="#main", class_="skip"), main)


def _foot() -> Markup:
    words = "Made offline by Shortlist; opening this file sends nothing anywhere. The numbers are in report.json too."
    return tag("footer", tag("p", words))


def _top(scene: Scene) -> Iterable[Markup]:
    summary, decision = scene.summary, scene.decision
    about = f"{run_line(summary)} · {summary.started_at} · {summary.state}"
    if decision is None:
        yield tag("h1", run_line(summary))
        words = f"Started {summary.started_at}, {summary.state}. No needs were given, so nothing was decided."
        yield tag("p", words, class_="about")
    else:
        yield tag("p", about, class_="about")
        yield tag("h1", decision.sentence)
        yield tag("p", " ".join(footing(decision)), class_="about")
        for advice in decision.advice:
            yield tag("p", advice.text)
            if advice.command:
                yield tag("pre", tag("code", advice.command), class_="command")
    for warning in summary.warnings:
        yield tag("p", tag("strong", "Warning: "), warning, class_="warning")
