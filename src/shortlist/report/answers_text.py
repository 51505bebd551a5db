"""Answers that got worse, on a terminal: what was asked, both answers, what was lost. Strangers' text, escaped."""

import textwrap
from collections.abc import Sequence
from typing import TextIO

from rich.text import Text

from shortlist.report.escape import ascii_only, one_line, visible
from shortlist.report.terminal import print_lines
from shortlist.results.figures import Answer
from shortlist.results.worse_answers import WorseAnswer
from shortlist.units import counted


def print_worse_answers(found: Sequence[WorseAnswer], file: TextIO, *, is_ascii: bool, width: int = 80) -> None:
    """Print them, the largest loss first."""
    sign = ascii_only if is_ascii else str
    lines = [Text("No answer got worse." if not found else f"{counted(len(found), 'answer')} got worse.", "bold")]
    for one in found:
        lost = f", lost: {', '.join(one.lost)}" if one.lost else ""
        head = f"{one.candidate}, {one.prompt}: {one.figure} {one.before:.2f} → {one.after:.2f}{lost}"
        lines += [Text(), *(Text(line, "bold") for line in textwrap.wrap(sign(one_line(head)), width))]
        for name, text in (("ASKED", one.asked), ("BASE", _said(one.base)), ("HEAD", _said(one.head))):
            lines += _block(name, sign(visible(text)), width)
    print_lines(lines, file, width)


def _said(answer: Answer | None) -> str:
    if answer is None:
        return "(no answer)"
    if answer.error is not None:
        return f"{answer.error.type}: {answer.error.message}"
    return answer.text or "(empty)"


def _block(name: str, text: str, width: int) -> list[Text]:
    """A name in the margin, the text beside it, its own line breaks kept."""
    found: list[Text] = []
    for line in text.split("\n"):
        for part in textwrap.wrap(line, width - 8, break_on_hyphens=False) or [""]:
            found.append(Text(f"{name if not found else '':<8}{part}".rstrip()))
    return found
