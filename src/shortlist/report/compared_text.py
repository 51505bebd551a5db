"""A comparison on a terminal: the sentence and the gate, a table per candidate, what it rests on, what to type next."""

import re
import textwrap
from collections.abc import Callable
from typing import TextIO

from rich.cells import cell_len
from rich.text import Text

from shortlist.report.compared import (
    GATE_WORDS,
    GLYPHS,
    Row,
    advice,
    changed,
    footing,
    gate_reasons,
    metric_notes,
    rows,
    sentence,
    warnings,
)
from shortlist.report.decision_text import cut
from shortlist.report.escape import ascii_only, one_line
from shortlist.report.terminal import print_lines
from shortlist.results.changes import CandidateChange, Gate, RunComparison

_STYLES = {"worse": "red", "better": "green", "not told apart": "yellow"}
_GATE_STYLES = {"fail": "bold red", "pass": "bold green", "cannot tell": "bold yellow"}
_WIDEST_NAME = 12
_MORE = re.compile(r" more (rounds?|clusters?)\)$")


def print_comparison(
    comparison: RunComparison, gate: Gate | None, file: TextIO, *, is_ascii: bool, width: int = 80
) -> None:
    """Print it, fitting `width` columns; a command to paste stays whole."""
    print_lines(comparison_lines(comparison, gate, is_ascii=is_ascii, width=width), file, width)


def comparison_lines(
    comparison: RunComparison, gate: Gate | None = None, *, is_ascii: bool = False, width: int = 80
) -> list[Text]:
    """All lines. Strangers' text is shown escaped; glyphs stand beside their word."""
    sign = ascii_only if is_ascii else str
    lines = _head(comparison, gate, sign, width)
    many = len(comparison.candidates) > 1
    for candidate in comparison.candidates:
        shown = rows(candidate)
        if shown:
            lines += [Text(), *_table(comparison, candidate, shown, sign, width, is_titled=many)]
        for note in metric_notes(candidate):
            lines += _wrapped(sign(one_line(note)), width, "    ")
    lines.append(Text())
    for said in (*footing(comparison), *changed(comparison)):
        lines += _wrapped(sign(one_line(said)), width, "  ")
    for warning in warnings(comparison):
        lines += _wrapped(sign(one_line(f"! {warning}")), width, "  ", "yellow")
    for text, command in advice(comparison):
        lines += _wrapped(sign(one_line(text)), width, "  ") if text else []
        lines += [Text(f"    {sign(one_line(command))}")] if command else []
    return lines


def _head(comparison: RunComparison, gate: Gate | None, sign: Callable[[str], str], width: int) -> list[Text]:
    lines = _wrapped(sign(one_line(sentence(comparison))), width, "", "bold")
    if gate is None:
        return lines
    word = Text(sign(GATE_WORDS[gate.verdict]), _GATE_STYLES[gate.verdict])
    room = width - lines[-1].cell_len - word.cell_len
    if room >= 2:
        lines[-1].append(" " * room)
        lines[-1].append(word)
    else:
        lines.append(word)
    return lines + [line for why in gate_reasons(gate) for line in _wrapped(sign(one_line(why)), width, "  ")]


def _table(
    comparison: RunComparison,
    candidate: CandidateChange,
    shown: list[Row],
    sign: Callable[[str], str],
    width: int,
    *,
    is_titled: bool,
) -> list[Text]:
    heads = [
        "",
        *(sign(cut(one_line(one.shown), _WIDEST_NAME)) for one in (comparison.base, comparison.head)),
        "change",
        "",
    ]
    cells = [[sign(text) for text in (row.name, row.base, row.head, row.change, row.interval)] for row in shown]
    widths = [max(cell_len(line[place]) for line in (heads, *cells)) for place in range(5)]
    room = width - 2 - sum(widths) - 2 * 4 - 2 - 2
    is_short = any(cell_len(row.words) > room for row in shown)
    head = "  ".join(_padded(text, size) for text, size in zip(heads, widths, strict=True))
    title = [Text(sign(one_line(candidate.label)))] if is_titled else []
    lines = [*title, Text(f"  {head}  verdict")]
    for row, line in zip(shown, cells, strict=True):
        text = Text("  " + "  ".join(_padded(one, size) for one, size in zip(line, widths, strict=True)) + "  ")
        words = _MORE.sub(" more)", row.words) if is_short else row.words
        glyph = f"{GLYPHS[row.verdict]} " if row.verdict else ""
        text.append(sign(glyph + words), _STYLES.get(row.verdict or "", ""))
        text.rstrip()
        lines.append(text)
    return lines


def _wrapped(text: str, width: int, indent: str, style: str = "") -> list[Text]:
    found = textwrap.wrap(text, width, initial_indent=indent, subsequent_indent=indent, break_on_hyphens=False)
    return [Text(line, style=style) for line in found]


def _padded(text: str, width: int) -> str:
    return text + " " * max(0, width - cell_len(text))
