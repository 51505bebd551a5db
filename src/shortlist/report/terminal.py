"""The table at the end of a bench. Strangers' text is shown escaped; glyphs always stand beside their word."""

import sys
import textwrap
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import TextIO

from rich.cells import cell_len
from rich.console import Console
from rich.text import Text

from shortlist.choose.decision import Decision
from shortlist.records import Interval
from shortlist.report.decision_text import cut, decision_lines
from shortlist.report.escape import ascii_only, is_ascii_wanted, one_line
from shortlist.report.numbers import value, with_error
from shortlist.report.scene import Scene
from shortlist.report.wording import GLYPHS, comparison_line, notes, repeatability_lines, run_line
from shortlist.results.figures import DETERMINISTIC, CandidateSummary, RunSummary

_NARROWEST_NAME = 12
_STYLES = {"ok": "green", "partial": "yellow", "failed": "red", "skipped": "dim"}


@dataclass(frozen=True, slots=True)
class _Column:
    head: str
    figure: str
    shown: Callable[[Interval | None], str]


# In the order of their worth: what does not fit is left out from the end, and the report has it.
_COLUMNS = (
    _Column("facets", "facets", with_error),
    _Column("latency", "latency.mean", with_error),
    _Column("p95", "latency.p95", with_error),
    _Column("goodput", "goodput", with_error),
    _Column("tok/s", "tokens_per_s", with_error),
    _Column("TTFT", "ttft.mean", value),
    _Column("memory", "memory.peak", value),
)


def print_summary(
    summary: RunSummary,
    file: TextIO | None = None,
    *,
    is_ascii: bool | None = None,
    width: int = 80,
    decision: Decision | None = None,
) -> None:
    """Print the decision, where there is one, and the table, fitting `width` columns; a command to paste stays whole.

    `NO_COLOR`, or a file that is no terminal, gives no colour.
    """
    target = sys.stdout if file is None else file
    plain = is_ascii_wanted(target) if is_ascii is None else is_ascii
    decided = decision_lines(Scene(summary, decision), is_ascii=plain, width=width)
    lines = summary_lines(summary, is_ascii=plain, width=width, is_decided=bool(decided))
    print_lines([*decided, *lines], target, width)


def print_decision(
    summary: RunSummary,
    decision: Decision,
    file: TextIO | None = None,
    *,
    is_ascii: bool | None = None,
    width: int = 80,
) -> None:
    """Print the decision alone, as `print_summary` does above the table."""
    target = sys.stdout if file is None else file
    plain = is_ascii_wanted(target) if is_ascii is None else is_ascii
    print_lines(decision_lines(Scene(summary, decision), is_ascii=plain, width=width), target, width)


def print_lines(lines: Sequence[Text], target: TextIO, width: int = 80) -> None:
    """Lines that were wrapped already; `NO_COLOR`, or a file that is no terminal, gives no colour."""
    console = Console(file=target, width=width, highlight=False, markup=False, emoji=False, soft_wrap=True)
    for line in lines:
        console.print(line)


def summary_lines(
    summary: RunSummary, *, is_ascii: bool = False, width: int = 80, is_decided: bool = False
) -> list[Text]:
    """The lines of the table and of what stands under it; a decision above it has told who is ahead already."""
    sign = ascii_only if is_ascii else str
    lines = wrapped(sign(one_line(run_line(summary))), width, "")
    lines.append(Text())
    lines += _table(summary.candidates, sign, width)
    for name, interval in (summary.quality.nulls if summary.quality else {}).items():
        lines.append(Text(sign(f"  {name} answer (the floor): {with_error(interval)} of facets")))
    lines.append(Text())
    for one in () if is_decided else summary.comparisons:
        lines += wrapped(sign(one_line(comparison_line(summary, one))), width, "  ")
    for note in notes(summary):
        lines += wrapped(sign(one_line(note)), width, "  ")
    for line in repeatability_lines(summary) if DETERMINISTIC in summary.flags else ():
        lines += wrapped(sign(one_line(line)), width, "  ")
    for warning in summary.warnings:
        lines += wrapped(sign(one_line(f"! {warning}")), width, "", "yellow")
    return lines


def wrapped(text: str, width: int, indent: str, style: str = "") -> list[Text]:
    """A sentence over as many lines as it takes."""
    found = textwrap.wrap(text, width, initial_indent=indent, subsequent_indent=indent + "  ", break_on_hyphens=False)
    return [Text(line, style=style) for line in found]


def _table(candidates: Sequence[CandidateSummary], sign: Callable[[str], str], width: int) -> list[Text]:
    names = [sign(one_line(one.label)) for one in candidates]
    states = [sign(f"{GLYPHS[one.status]} {one.status}") for one in candidates]
    cells = {
        column: [sign(column.shown(one.figures.get(column.figure))) if one.n > one.failed else "" for one in candidates]
        for column in _COLUMNS
    }
    columns = [column for column in _COLUMNS if any(text not in ("", sign("–")) for text in cells[column])]
    widths = {column: max(cell_len(text) for text in (column.head, *cells[column])) for column in columns}
    state_width = max((cell_len(state) for state in states), default=0)
    longest = max((cell_len(name) for name in names), default=0)
    while True:
        fixed = 2 + 2 + state_width + sum(2 + widths[column] for column in columns)
        name_width = min(longest, width - fixed)
        is_wide = name_width >= min(longest, _NARROWEST_NAME)
        # Two names that are cut to the same letters tell nobody which is which.
        shown = {cut(name, max(1, name_width), sign("…")) for name in names}
        if (is_wide and len(shown) == len(set(names))) or not columns:
            break
        columns.pop()
    name_width = max(1, name_width)
    head = "".join("  " + padded(column.head, widths[column]) for column in columns)
    lines = [Text(" " * (4 + name_width + state_width) + head.rstrip())] if columns else []
    for row, one in enumerate(candidates):
        line = Text("  " + padded(cut(names[row], name_width, sign("…")), name_width) + "  ")
        line.append(padded(states[row], state_width), _STYLES[one.status])
        if one.n > one.failed:
            line.append("".join("  " + padded(cells[column][row], widths[column]) for column in columns).rstrip())
        if one.reason:
            # An engine's log stands below the first line; the report and `runs export` have it.
            reason = sign(one_line(one.reason.strip().split("\n", 1)[0]))
            lines += _with_reason(line, reason, width, is_measured=one.n > one.failed)
        else:
            lines.append(line)
    return lines


def _with_reason(line: Text, reason: str, width: int, *, is_measured: bool) -> list[Text]:
    room = width - line.cell_len - 2
    if not is_measured and len(reason) <= room:
        line.append(f"  {reason}")
        return [line]
    line.rstrip()
    return [line, *wrapped(reason, width, "      ")]


def padded(text: str, width: int) -> str:
    """The text and spaces up to so many terminal cells."""
    return text + " " * max(0, width - cell_len(text))
