"""The page's parts on the decision: candidates, needs, what would change it, each against the pick."""

from shortlist.report.gallery import Gallery
from shortlist.report.markup import Markup, joined
from shortlist.report.numbers import value, with_error
from shortlist.report.pieces import Cell, Column, Row, Table, bullets, details, figure, table
from shortlist.report.scene import Scene
from shortlist.report.verdicts import (
    difference_numbers,
    difference_words,
    ends,
    figure_name,
    flip_lines,
    is_relative,
    judgement_words,
    limit_of,
    need_text,
    operator_of,
    outcome_words,
    quantity,
    standing_words,
    unit_of,
)
from shortlist.report.wording import GLYPHS, notes
from shortlist.results.figures import CandidateSummary

_COLUMNS = (
    ("latency.mean", "mean latency"),
    ("latency.p95", "latency p95"),
    ("ttft.mean", "TTFT"),
    ("tokens_per_s", "tokens/s"),
    ("memory.peak", "peak memory"),
    ("footprint", "on disk"),
)


# --- candidates -------------------------------------------------------------------------------------------------------


def _number(scene: Scene, one: CandidateSummary, figure_: str) -> Cell:
    interval = one.figures.get(figure_)
    return Cell(value(interval) + _mark(scene, one, figure_), ends(interval))


def _mark(scene: Scene, one: CandidateSummary, figure_: str) -> str:
    """Beside a number that does not meet its need, or of which it cannot be told; the verdict says it in words."""
    judgements = () if scene.decision is None else scene.decision.judgements
    found = {j.verdict for j in judgements if j.candidate == one.candidate and j.need.figure == figure_}
    return " ✕" if "fail" in found else " ?" if "cannot tell" in found else ""


def candidates_part(scene: Scene, drawn: Gallery) -> Markup:
    """Every candidate with its verdict and numbers, then quality against latency."""
    summary = scene.summary
    shown = [(name, head) for name, head in _COLUMNS if any(_given(one, name) for one in summary.candidates)]
    quality = scene.quality_figure()
    heads = ["candidate", "verdict" if scene.decision is not None else "status"]
    heads += [*([figure_name(quality)] if quality else []), *(head for _, head in shown)]
    heads += ["licence"] if scene.decision is not None else []
    rows: list[Row] = []
    for one in summary.candidates:
        cells = [Cell(_verdict(scene, one), is_text=True)]
        if quality:
            found = scene.quality(one.candidate, quality)
            cells.append(Cell(value(found) + _mark(scene, one, quality), ends(found)))
        cells += [_number(scene, one, name) for name, _ in shown]
        if scene.decision is not None:
            cells.append(Cell(scene.licence(one.candidate) or "–"))
        rows.append((scene.label(one.candidate), one.candidate == scene.pick, cells))
    rows += _null_rows(scene, quality, len(shown))
    caption = (
        f"{len(summary.candidates)} candidates, {len(summary.prompts)} prompts, {summary.rounds} rounds. "
        f"Small: {summary.level * 100:.0f} % interval."
    )
    columns = [Column(head, is_text=head in ("verdict", "status")) for head in heads]
    body = table(Table("Candidates", caption, columns, rows))
    words = "Left and up is better. A cross that touches a dashed line cannot be told from that need."
    picture = figure(drawn.tradeoff, words)
    return joined(body, bullets(notes(summary)), _reasons(scene), picture)


def _given(one: CandidateSummary, name: str) -> bool:
    interval = one.figures.get(name)
    return interval is not None and interval.point is not None


def _verdict(scene: Scene, one: CandidateSummary) -> str:
    if one.status in ("failed", "skipped") or scene.decision is None:
        return f"{GLYPHS[one.status]} {one.status}"
    return standing_words(scene.decision, one.candidate)


def _null_rows(scene: Scene, quality: str | None, columns: int) -> list[Row]:
    """The empty answer and the echo: what a candidate must be clear of."""
    view = scene.summary.quality
    if view is None or quality != "facets":
        return []
    rest = [Cell("–")] * (columns + (1 if scene.decision is not None else 0))
    return [
        (scene.label(name), False, [Cell("– the floor", is_text=True), Cell(value(found), ends(found)), *rest])
        for name, found in view.nulls.items()
    ]


def _reasons(scene: Scene) -> Markup | None:
    found = [one for one in scene.summary.candidates if one.status != "ok" and one.reason]
    lines = (f"{scene.label(one.candidate)}: {one.status}: {(one.reason or '')[:500]}" for one in found)
    return bullets(lines) if found else None


# --- needs ------------------------------------------------------------------------------------------------------------


def needs_part(scene: Scene, drawn: Gallery) -> Markup | None:
    """Every candidate against every need, then a strip per need; None without needs."""
    decision = scene.decision
    if decision is None or not decision.needs:
        return None
    rows = []
    for one in scene.summary.candidates:
        cells = []
        for need in decision.needs:
            judged = scene.judgement(one.candidate, need)
            words = judgement_words(judged)
            seen = "" if judged is None else with_error(judged.interval) if judged.interval else judged.note[:80]
            cells.append(Cell(words, seen))
        rows.append((scene.label(one.candidate), one.candidate == scene.pick, cells))
    columns = [Column("candidate"), *(Column(need_text(need)) for need in decision.needs)]
    caption = "Each need is judged by the whole interval: one that reaches over the limit cannot be told."
    pictures = [figure(picture, "") for picture in drawn.needs]
    return joined(table(Table("Needs", caption, columns, rows)), *pictures)


def what_if_part(scene: Scene, drawn: Gallery) -> Markup | None:
    """The outcome at every value of each limit; None where nothing was swept."""
    decision = scene.decision
    if decision is None or not any(decision.sweeps.values()):
        return None
    rows = []
    for need in decision.needs:
        for segment in decision.sweeps.get(need.text, ()):
            unit = unit_of(need.figure)
            low = "any" if segment.low is None else quantity(segment.low, unit)
            high = "any" if segment.high is None else quantity(segment.high, unit)
            cells = [Cell(low), Cell(high), Cell(outcome_words(decision, segment.verdict, segment.pick), is_text=True)]
            here = not isinstance(need.limit, str) and (segment.low is None or segment.low <= need.limit)
            here = here and not isinstance(need.limit, str) and (segment.high is None or need.limit <= segment.high)
            label = f"{figure_name(need.figure)} {operator_of(need)} (now {limit_of(need)})"
            rows.append((label, here, cells))
    heads = [Column("limit of"), Column("from"), Column("to"), Column("then", is_text=True)]
    caption = "One need is moved at a time, the others stay. The coloured rows are where the limits are now."
    body = table(Table("What would change this", caption, heads, rows))
    flips = flip_lines(decision)
    words = bullets(flips) if flips else None
    return joined(words, figure(drawn.what_if, "", has_title=False), details("The same as a table", body))


def against_part(scene: Scene, drawn: Gallery) -> Markup | None:
    """Paired differences to the pick, or to whoever is ahead; None where there are none."""
    decision, reference = scene.decision, scene.reference
    if decision is None or not decision.differences or reference is None:
        return None
    rows = [
        (
            scene.label(one.candidate),
            False,
            [
                Cell(figure_name(one.preference)),
                Cell(difference_numbers(one)),
                Cell("±" + _margin(one.margin, one.preference)),
                Cell(difference_words(one), is_text=True),
            ],
        )
        for one in decision.differences
    ]
    against = scene.label(reference)
    heads = [Column("candidate"), Column("in"), Column(f"against {against}"), Column("margin")]
    heads.append(Column("verdict", is_text=True))
    caption = "Paired: the same prompts, the same rounds; never judged by whether two separate intervals overlap."
    body = table(Table(f"Difference to {against}", caption, heads, rows))
    return joined(body, *(figure(picture, "") for picture in drawn.differences))


def _margin(margin: float, preference: str) -> str:
    return f"{margin * 100:g} %" if is_relative(preference) else f"{margin:g}"
