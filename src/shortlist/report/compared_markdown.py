"""A comparison as Markdown for a pull request: short, the sentence on top, everything of strangers escaped."""

from collections.abc import Iterable

from shortlist.report.compared import (
    GATE_WORDS,
    GLYPHS,
    advice,
    changed,
    footing,
    gate_reasons,
    metric_notes,
    rows,
    sentence,
    warnings,
)
from shortlist.report.escape import markdown_block, markdown_inline
from shortlist.results.changes import CandidateChange, Gate, RunComparison

_GATE_GLYPHS = {"pass": "✓", "fail": "✕", "cannot tell": "?"}


def render_comparison(comparison: RunComparison, gate: Gate | None = None) -> str:
    """The comparison, with the gate's word where one was asked for."""
    parts = [f"### {markdown_inline(sentence(comparison))}", *_gate(gate)]
    many = len(comparison.candidates) > 1
    for candidate in comparison.candidates:
        table = _table(comparison, candidate)
        parts += [f"#### {markdown_inline(candidate.label)}"] if many and table else []
        parts += [table, _bullets(metric_notes(candidate))]
    parts += [_bullets([*footing(comparison), *changed(comparison)])]
    parts += [f"> **Warning:** {markdown_inline(one)}" for one in warnings(comparison)]
    for text, command in advice(comparison):
        parts += [markdown_inline(text)] if text else []
        parts += [markdown_block(command)] if command else []
    return "\n\n".join(part for part in parts if part) + "\n"


def _gate(gate: Gate | None) -> list[str]:
    if gate is None:
        return []
    return [f"**{_GATE_GLYPHS[gate.verdict]} {GATE_WORDS[gate.verdict]}**", _bullets(gate_reasons(gate))]


def _table(comparison: RunComparison, candidate: CandidateChange) -> str:
    shown = rows(candidate)
    if not shown:
        return ""
    heads = ["", markdown_inline(comparison.base.shown), markdown_inline(comparison.head.shown), "Change", "Verdict"]
    lines = [_row(heads), _row("---" for _ in heads)]
    for row in shown:
        change = f"{row.change}, {row.interval}" if row.interval else row.change
        glyph = f"{GLYPHS[row.verdict]} " if row.verdict else ""
        words = f"**{row.words}**" if row.verdict == "worse" else row.words
        lines.append(_row([row.name, row.base, row.head, change, f"{glyph}{words}"]))
    return "\n".join(lines)


def _row(cells: Iterable[str]) -> str:
    return f"|{'|'.join(cells)}|"


def _bullets(lines: Iterable[str]) -> str:
    return "\n".join(f"- {markdown_inline(line)}" for line in lines)
