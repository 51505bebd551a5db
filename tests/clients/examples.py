"""Code blocks of a page of the docs, in order; those marked `no-run` are left out."""

import re
from pathlib import Path

DOCS = Path(__file__).parents[2] / "docs"
_BLOCK = re.compile(r"^```(\w+)([^\n]*)\n(.*?)^```$", re.MULTILINE | re.DOTALL)


def blocks(page: str, language: str) -> list[str]:
    """Every block of a language."""
    found = _BLOCK.finditer((DOCS / page).read_text(encoding="utf-8"))
    return [one[3] for one in found if one[1] == language and "no-run" not in one[2]]
