"""A sweep in the terminal: one table, a candidate's values below each other, then what must be said of it."""

import sys
from collections.abc import Callable
from typing import TextIO

from rich.text import Text

from shortlist.report.escape import ascii_only, is_ascii_wanted, one_line
from shortlist.report.numbers import NOTHING, with_error
from shortlist.report.terminal import padded, print_lines, wrapped
from shortlist.results.sweep import SweepPoint, SweepSummary
from shortlist.units import counted, duration

COLUMNS = (
    ("latency", "latency.mean"),
    ("requests/s", "reached.completed"),
    ("goodput", "goodput"),
    ("p95", "latency.p95"),
    ("tok/s, all", "throughput"),
    ("TTFT", "ttft.mean"),
)
"""In the order of their worth for a narrow terminal."""

_ORDER = ("requests/s", "tok/s, all", "goodput", "latency", "p95", "TTFT")


def sweep_line(summary: SweepSummary) -> str:
    """What was swept, in one line."""
    values = ", ".join(f"{value:g}" for value in summary.values)
    repeats = f" × {summary.repeats} repeats" if summary.repeats > 1 else ""
    shape = f"{counted(summary.prompts, 'prompt')} × {counted(summary.rounds, 'round')}{repeats}"
    return f"Sweep {summary.name}@{summary.sweep} · {summary.over} {values} · {shape} each"


def sweep_notes(summary: SweepSummary) -> tuple[str, ...]:
    """What stands under the table."""
    found = [f"± is half the {summary.level * 100:.0f} % interval over rounds; low–high where it is lopsided."]
    if summary.measuring_errors:
        found.append(_measuring_words(summary))
    if summary.goodput:
        found.append(f"goodput: requests/s with {' and '.join(summary.goodput)}")
    if any(point.is_growing for curve in summary.curves for point in curve.points):
        found.append("! the backlog grew: latency depends on how long was measured, and has no upper end")
    found += [f"{summary.over} {value}: {sentence}" for value, sentence in summary.decisions.items()]
    return tuple(found)


def _measuring_words(summary: SweepSummary) -> str:
    """How far our own measuring may be off at each value."""
    errors = [one for one in summary.measuring_errors if one is not None]
    known = dict.fromkeys(f"±{duration(one.error_ns)} at {counted(one.streams, 'stream')}" for one in errors)
    if len(errors) < len(summary.measuring_errors):
        known["not known for the rest" if known else "not known"] = None
    return f"Measuring error: {', '.join(known)}; not in the ± above"


def cells(point: SweepPoint, figures: tuple[str, ...]) -> list[str]:
    """A point's numbers; the mark stands beside latency, where it matters."""
    if point.n <= point.failed:
        return [f"{point.status}", *[NOTHING] * (len(figures) - 1)]
    texts = [with_error(point.figures.get(figure)) for figure in figures]
    marked = point.is_growing
    return [
        f"{text} !" if marked and figure.startswith("latency") and text != NOTHING else text
        for text, figure in zip(texts, figures, strict=True)
    ]


def print_sweep(
    summary: SweepSummary, file: TextIO | None = None, *, is_ascii: bool | None = None, width: int = 80
) -> None:
    """The table, its notes, the warnings and the names of the runs."""
    target = sys.stdout if file is None else file
    plain = is_ascii_wanted(target) if is_ascii is None else is_ascii
    print_lines(sweep_lines(summary, is_ascii=plain, width=width), target, width)


def sweep_lines(summary: SweepSummary, *, is_ascii: bool = False, width: int = 80) -> list[Text]:
    """All lines, fitting `width` columns."""
    sign = ascii_only if is_ascii else str
    lines = [*wrapped(sign(one_line(sweep_line(summary))), width, ""), Text()]
    lines += _table(summary, sign, width)
    lines.append(Text())
    for note in sweep_notes(summary):
        lines += wrapped(sign(one_line(note)), width, "  ")
    for warning in summary.warnings:
        lines += wrapped(sign(one_line(f"! {warning}")), width, "", "yellow")
    if summary.runs:
        lines += wrapped(sign(f"Each value is a run: shortlist report '{summary.runs[-1]}'"), width, "")
    return lines


def _table(summary: SweepSummary, sign: Callable[[str], str], width: int) -> list[Text]:
    figures = dict(COLUMNS)
    points = [point for curve in summary.curves for point in curve.points]
    wanted = [head for head, figure in COLUMNS if any(cells(point, (figure,))[0] != NOTHING for point in points)]
    first = max(len(summary.over), *(len(f"{value:g}") for value in summary.values))
    while True:
        shown = [head for head in _ORDER if head in wanted]
        rows = {id(point): [sign(text) for text in cells(point, tuple(figures[h] for h in shown))] for point in points}
        widths = [max(len(head), *(len(row[at]) for row in rows.values())) for at, head in enumerate(shown)]
        if 2 + first + sum(2 + one for one in widths) <= width or len(wanted) < 2:
            break
        wanted.pop()
    head = "".join("  " + padded(one, size) for one, size in zip(shown, widths, strict=True))
    lines = [Text(("  " + padded(summary.over, first) + head).rstrip())]
    for curve in summary.curves:
        lines.append(Text(sign(one_line(curve.label))))
        for point in curve.points:
            row = "".join("  " + padded(text, size) for text, size in zip(rows[id(point)], widths, strict=True))
            lines.append(Text((f"  {point.value:>{first}g}" + row).rstrip()))
    return lines
