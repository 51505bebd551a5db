"""The page's parts on what was measured: latency, quality, and how."""

from collections.abc import Sequence

from shortlist.report.gallery import Gallery
from shortlist.report.markup import Markup, joined, tag
from shortlist.report.numbers import value
from shortlist.report.pictures.latency import withheld_notes
from shortlist.report.pictures.prompts import PromptRow, grid_of
from shortlist.report.pieces import Cell, Column, Row, Table, bullets, details, figure, table
from shortlist.report.scene import Scene
from shortlist.report.verdicts import (
    ends,
    figure_name,
)
from shortlist.report.wording import comparison_line, is_loaded, load_words, repeatability_lines
from shortlist.results.figures import CandidateSummary

_LATENCIES = ("latency.mean", "latency.p50", "latency.p95", "latency.p99", "latency.max", "ttft.mean", "ttft.p95")
_LOADS = (
    "reached.concurrency",
    "reached.rate",
    "reached.completed",
    "backlog",
    "late.p99",
    "goodput",
    "goodput.share",
)


# --- latency and quality ----------------------------------------------------------------------------------------------


def latency_part(scene: Scene, drawn: Gallery) -> Markup | None:
    """Latency in numbers, as shares and over the run; None where nothing was timed."""
    summary = scene.summary
    shown = [name for name in _LATENCIES if any(_given(one, name) for one in summary.candidates)]
    if not shown:
        return None
    rows = []
    for one in scene.measured:
        cells = [Cell(str(one.n)), *(_plain(one, name) for name in shown)]
        series = None if scene.series is None else scene.series.of(one.candidate)
        cells.append(Cell("–" if series is None else str(len(series.repeated))))
        rows.append((scene.label(one.candidate), one.candidate == scene.pick, cells))
    heads = ["candidate", "n", *(figure_name(name) for name in shown), "measured again"]
    body = table(Table("Latency", "Latency counts from when a request was due.", [Column(h) for h in heads], rows))
    told = bullets(comparison_line(summary, one) for one in summary.comparisons) if summary.comparisons else None
    told = None if told is None else details("Each against the fastest, in words", told)
    causes = [
        f"{scene.label(one.candidate)}: disturbed: {span.cause}"
        for one in (() if scene.series is None else scene.series.candidates)
        for span in one.disturbed
    ]
    return joined(
        body,
        bullets(withheld_notes(scene)) if drawn.latency is None and withheld_notes(scene) else None,
        figure(drawn.latency, "Steeper is steadier; further left is quicker."),
        figure(drawn.over_time, "A slope or a step here is drift: the rounds are then not alike."),
        bullets(dict.fromkeys(causes)) if causes else None,
        told,
    )


def _plain(one: CandidateSummary, name: str) -> Cell:
    interval = one.figures.get(name)
    return Cell(value(interval), ends(interval))


def load_part(scene: Scene) -> Markup | None:
    """The load that was reached, and goodput where limits were stated; None where nothing was measured."""
    summary = scene.summary
    shown = [name for name in _LOADS if any(_given(one, name) for one in summary.candidates)]
    if not shown or not is_loaded(summary):
        return None
    rows = [
        (scene.label(one.candidate), one.candidate == scene.pick, [_plain(one, name) for name in shown])
        for one in scene.measured
    ]
    heads = [Column("candidate"), *(Column(figure_name(name)) for name in shown)]
    limits = f" Goodput counts requests with {' and '.join(summary.goodput)}." if summary.goodput else ""
    caption = f"Asked: {load_words(summary.load)}.{limits}"
    return table(Table("The load that was reached", caption, heads, rows))


def repeatability_part(scene: Scene) -> Markup | None:
    """How far the rounds repeated each other; None where nothing was asked twice."""
    lines = repeatability_lines(scene.summary)
    return bullets(lines) if lines else None


def quality_part(scene: Scene, drawn: Gallery) -> Markup | None:
    """Facets and ratings with the null candidates, prompt by prompt, and pairs; None where nothing was scored."""
    view, grid = scene.summary.quality, grid_of(scene)
    if view is None:
        return None
    parts: list[Markup | None] = [_quality_table(scene)]
    if grid is not None:
        words = "Where the candidates differ, and whether it is always on the same prompts."
        parts.append(figure(drawn.prompts, words))
        heads = [Column("prompt"), Column("cluster", is_text=True)]
        heads += [Column(scene.label(row.candidate)) for row in grid.rows]
        rows = [
            (prompt, False, [Cell(cluster, is_text=True), *(_score(row, at) for row in grid.rows)])
            for at, (prompt, cluster) in enumerate(grid.prompts)
        ]
        body = table(Table("Facets passed, prompt by prompt", "✕: a critical facet failed.", heads, rows))
        parts.append(details("The same as a table", body))
    if view.pairs:
        heads = [Column(head) for head in ("candidate", "both right", "one only", "neither", "share of both")]
        rows = [
            (
                scene.label(one.candidate),
                one.candidate == scene.pick,
                [*(Cell(str(n)) for n in (one.both, one.one, one.neither)), Cell(value(one.share), ends(one.share))],
            )
            for one in view.pairs
        ]
        caption = "Pairs of prompts with the same expected answer: right is every facet passed in every answer."
        parts += [tag("h3", "Pair consistency"), table(Table("Pair consistency", caption, heads, rows))]
    return joined(*parts)


def _quality_table(scene: Scene) -> Markup | None:
    all_of = scene.summary.candidates
    shown = [name for name in ("facets", "critical", "rating") if any(_given(one, name) for one in all_of)]
    view = scene.summary.quality
    if not shown or view is None:
        return None
    rows: list[Row] = [
        (scene.label(one.candidate), one.candidate == scene.pick, [_plain(one, name) for name in shown])
        for one in scene.measured
    ]
    rows += [
        (scene.label(name), False, [Cell(value(found), ends(found)), *[Cell("–")] * (len(shown) - 1)])
        for name, found in view.nulls.items()
        if shown[0] == "facets"
    ]
    raters = f" Raters: {', '.join(view.raters)}." if view.raters else ""
    caption = f"{view.clusters} clusters; an interval is over clusters.{raters}"
    return table(Table("Quality", caption, [Column("candidate"), *(Column(figure_name(n)) for n in shown)], rows))


def _score(row: PromptRow, at: int) -> Cell:
    score = row.scores[at]
    return Cell("–" if score is None else f"{score:.2f}" + (" ✕" if row.critical[at] else ""))


def _given(one: CandidateSummary, name: str) -> bool:
    interval = one.figures.get(name)
    return interval is not None and interval.point is not None


# --- how --------------------------------------------------------------------------------------------------------------


def manner_part(scene: Scene) -> Markup:
    """Plan, load, host, engines and versions."""
    summary = scene.summary
    generation = summary.generation
    facts: list[tuple[str, str]] = [
        ("run", summary.run),
        ("rounds", f"{summary.rounds}; each is a fresh process per candidate, in a fresh order"),
        ("prompts", str(len(summary.prompts))),
        ("looks", str(summary.looks)),
        ("load", load_words(summary.load)),
        ("temperature", f"{generation.temperature:g}"),
        ("at most", f"{generation.max_tokens} tokens"),
        ("seed", str(generation.seed)),
        ("streamed", "yes" if generation.stream else "no"),
        ("flags", ", ".join(summary.flags) or "none"),
        *(("stamps of the self-test", error.stamps) for error in (summary.measuring_error,) if error is not None),
        *(("engine", engine) for engine in summary.engines),
        *(("arrivals stamped", stamps) for stamps in summary.stamps),
        *((f"pinned, {name}", digest) for name, digest in summary.pins.items()),
        *((f"version of {name}", version) for name, version in sorted(summary.versions.items())),
    ]
    for host in summary.hosts:
        facts += _host_facts(host)
    rows = [(name, False, [Cell(fact, is_text=True)]) for name, fact in facts]
    heads = [Column("what"), Column("value", is_text=True)]
    return table(Table("How this was measured", "Plan, host and versions.", heads, rows))


def _host_facts(host: dict[str, object]) -> Sequence[tuple[str, str]]:
    if isinstance(host.get("line"), str):
        return (("host", str(host["line"])),)
    plain = ((name, fact) for name, fact in sorted(host.items()) if isinstance(fact, str | int | float))
    return tuple((f"host, {name}", str(fact)) for name, fact in plain)
