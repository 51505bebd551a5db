"""A sweep as files: one table and one picture, as HTML, Markdown, CSV and JSON."""

import csv
import io
import json
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from shortlist.records import Interval, to_builtins
from shortlist.report.escape import csv_cell, markdown_inline
from shortlist.report.files import FIGURES, FORMATS, check_formats, picture_files, write_files
from shortlist.report.html import page, section
from shortlist.report.markdown import bullets_md, table_md
from shortlist.report.markup import joined, tag
from shortlist.report.numbers import value, with_error
from shortlist.report.pictures.sweep import goodput_picture, sweep_picture
from shortlist.report.pieces import Cell, Column, Table, bullets, figure, table
from shortlist.report.svg import Picture
from shortlist.report.sweep_text import sweep_line, sweep_notes
from shortlist.report.verdicts import ends, figure_name
from shortlist.results.rows import finite
from shortlist.results.sweep import SweepPoint, SweepSummary

SCHEMA = "shortlist-sweep"
_SHOWN = (
    "reached.completed",
    "throughput",
    "goodput",
    "goodput.share",
    "latency.mean",
    "latency.p95",
    "ttft.mean",
    "reached.concurrency",
    "reached.rate",
    "backlog",
    "late.p99",
    "error_rate",
)


def write_sweep(
    summary: SweepSummary, out_dir: Path, formats: Sequence[str] = FORMATS, *, png: bool = False
) -> tuple[Path, ...]:
    """`report.<format>` each and the pictures; the paths. Raises BadInput, StoreError as `write_report` does."""
    check_formats(formats)
    render = {"html": sweep_html, "md": sweep_markdown, "csv": sweep_csv, "json": sweep_json}
    contents = [(out_dir / f"report.{name}", render[name](summary).encode("utf-8")) for name in dict.fromkeys(formats)]
    return write_files(out_dir, contents, picture_files(pictures(summary), out_dir / FIGURES, png=png))


def pictures(summary: SweepSummary) -> tuple[Picture, ...]:
    """Those that can be drawn."""
    drawn = (sweep_picture(summary), goodput_picture(summary) if summary.goodput else None)
    return tuple(picture for picture in drawn if picture is not None)


def _given(summary: SweepSummary) -> tuple[str, ...]:
    points = [point for curve in summary.curves for point in curve.points]
    return tuple(name for name in _SHOWN if any(_point(point, name) is not None for point in points))


def _point(point: SweepPoint, name: str) -> float | None:
    interval = point.figures.get(name)
    return None if interval is None else interval.point


def _state(point: SweepPoint) -> str:
    return "backlog grew" if point.is_growing else point.status


def sweep_markdown(summary: SweepSummary) -> str:
    """One table, then the notes."""
    shown = _given(summary)
    head = ["Model", summary.over.capitalize(), "State", "n", *(figure_name(name).capitalize() for name in shown)]
    rows = [
        [
            markdown_inline(curve.label),
            f"{point.value:g}",
            _state(point),
            str(point.n),
            *(with_error(point.figures.get(name)) for name in shown),
        ]
        for curve in summary.curves
        for point in curve.points
    ]
    parts = [
        f"# {markdown_inline(sweep_line(summary))}",
        f"Started {markdown_inline(summary.started_at)}. {markdown_inline(summary.host)}".rstrip(),
        *(f"> **Warning:** {markdown_inline(warning)}" for warning in summary.warnings),
        *(f"![{markdown_inline(one.title)}]({FIGURES}/{one.name}.svg)" for one in pictures(summary)),
        table_md(head, rows),
        bullets_md(sweep_notes(summary)),
        "Each value is a run of its own:",
        bullets_md(summary.runs),
    ]
    return "\n\n".join(part for part in parts if part) + "\n"


def sweep_html(summary: SweepSummary) -> str:
    """The page: pictures, the table, the notes."""
    shown = _given(summary)
    heads = [Column(f"candidate, {summary.over}"), Column("state", is_text=True), Column("n")]
    heads += [Column(figure_name(name)) for name in shown]
    rows = [
        (
            f"{curve.label}, {point.value:g}",
            False,
            [Cell(_state(point), is_text=True), Cell(str(point.n)), *(_cell(point.figures.get(n)) for n in shown)],
        )
        for curve in summary.curves
        for point in curve.points
    ]
    caption = f"Every candidate at every value; {summary.level * 100:.0f} % intervals over rounds."
    warnings = (tag("p", tag("strong", "Warning: "), text, class_="warning") for text in summary.warnings)
    about = f"Started {summary.started_at}. {summary.host}"
    top = tag("header", tag("h1", sweep_line(summary)), tag("p", about, class_="about"), *warnings)
    drawn = joined(*(figure(one, "") for one in pictures(summary)))
    numbers = table(Table("Sweep", caption, heads, rows))
    runs = joined(tag("p", "Each value is a run of its own:"), bullets(summary.runs))
    return page(
        sweep_line(summary),
        top,
        section("pictures", "Pictures", drawn),
        section("numbers", "Numbers", joined(numbers, bullets(sweep_notes(summary)))),
        section("runs", "Runs", runs),
    )


def _cell(interval: Interval | None) -> Cell:
    return Cell(value(interval), ends(interval))


def sweep_csv(summary: SweepSummary) -> str:
    """A row per candidate and value; each figure with its ends, durations in nanoseconds as in the JSON."""
    written = io.StringIO()
    writer = csv.writer(written, lineterminator="\r\n")
    shown = _given(summary)
    ends_of = [f"{name}{end}" for name in shown for end in ("", ".low", ".high")]
    writer.writerow(["model", summary.over, "run", "status", "n", "failed", "backlog_grew", *ends_of])
    for curve in summary.curves:
        for point in curve.points:
            numbers = [
                None if interval is None else getattr(interval, end)
                for interval in (point.figures.get(name) for name in shown)
                for end in ("point", "low", "high")
            ]
            row = [csv_cell(curve.label), point.value, point.run, point.status, point.n, point.failed]
            writer.writerow([*row, int(point.is_growing), *numbers])
    return written.getvalue()


def sweep_document(summary: SweepSummary) -> dict[str, Any]:
    """The envelope that every `--json` has."""
    data = to_builtins(summary)
    warnings = data.pop("warnings")
    return {"schema": SCHEMA, "version": 1, "data": finite(data), "warnings": warnings}


def sweep_json(summary: SweepSummary) -> str:
    """The document as ASCII JSON."""
    return json.dumps(sweep_document(summary), indent=1, allow_nan=False) + "\n"
