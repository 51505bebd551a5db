"""Strangers' text made safe to show: the one place where it happens.

What a model answers, an endpoint's error says, or a file is called may hold anything. It is never rendered as Markdown,
HTML, a terminal sequence or a spreadsheet formula; what cannot be seen is written as an escape.
"""

import re
import unicodedata
from typing import TextIO

_UNSEEN = frozenset({"Cc", "Cf", "Cs", "Co", "Cn", "Zl", "Zp"})
# Everywhere: what opens a span, a cell or a link. At the start: what opens a block. Bare addresses would become links.
_MARKDOWN = re.compile(r"([\\`*_\[\]|~$]|:(?=//)|(?<=[wW]{3})\.|^[-+#>=](?=.)|(?<=^\d)[.)]|(?<=^\d\d)[.)])")
_FORMULA = frozenset("=+-@|%\t\r\n＝＋－＠")
_ASCII = {
    "✓": "+",
    "✕": "x",
    "±": "+-",
    "–": "-",
    "−": "-",
    "×": "x",
    "·": "|",
    "…": "...",
    "→": "->",
    "µ": "u",
    "≥": ">=",
    "≤": "<=",
    "%\u202f": "%",
}


def _escape_of(character: str) -> str:
    code = ord(character)
    if code <= 0xFF:
        return {"\t": "\\t", "\n": "\\n", "\r": "\\r"}.get(character, f"\\x{code:02x}")
    return f"\\u{code:04x}" if code <= 0xFFFF else f"\\U{code:08x}"


def visible(text: str, keep: str = "\n\t") -> str:
    """The text with control, bidirectional, unpaired and unassigned characters as escapes; `keep` stays as it is."""
    return "".join(
        character if character in keep or unicodedata.category(character) not in _UNSEEN else _escape_of(character)
        for character in text
    )


def one_line(text: str, limit: int | None = None) -> str:
    """The text on one line, its white space folded; longer than `limit` it ends in an ellipsis."""
    line = visible(" ".join(text.split()), keep="")
    return line if limit is None or len(line) <= limit else line[: max(0, limit - 1)] + "…"


def markdown_inline(text: str, limit: int | None = None) -> str:
    """The text inside a paragraph or a table's cell, with nothing that Markdown or HTML would read."""
    html = one_line(text, limit).replace("&", "&amp;").replace("<", "&lt;")
    return _MARKDOWN.sub(r"\\\1", html)


def markdown_cell(text: str) -> str:
    """A whole text inside a table's cell, line by line, with nothing that Markdown or HTML would read."""
    return "<br>".join(markdown_inline(line) for line in text.strip("\n").split("\n"))


def markdown_block(text: str) -> str:
    """The text as a fenced block, its fence longer than any inside."""
    longest = max((len(run) for run in re.findall(r"`+", text)), default=0)
    fence = "`" * max(3, longest + 1)
    return f"{fence}text\n{visible(text)}\n{fence}"


def csv_cell(text: str) -> str:
    """The text for a cell; one that a spreadsheet would take for a formula begins with an apostrophe."""
    shown = visible(text, keep="\n")
    return f"'{shown}" if shown.lstrip()[:1] in _FORMULA or shown[:1] in _FORMULA else shown


def ascii_only(text: str) -> str:
    """The text in ASCII: our signs have plain spellings, all else becomes escapes."""
    for sign, plain in _ASCII.items():
        text = text.replace(sign, plain)
    return text.encode("ascii", "backslashreplace").decode("ascii")


def is_ascii_wanted(file: TextIO) -> bool:
    """Whether the file's encoding, which follows the locale, cannot show our signs."""
    try:
        "✓✕±–×·…µ".encode(file.encoding or "ascii")
    except (UnicodeEncodeError, LookupError):
        return True
    return False
