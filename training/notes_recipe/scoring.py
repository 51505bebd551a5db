"""The four facets of an answer: item, owner and deadline are there, and no name is invented."""

import re
import unicodedata
from collections.abc import Iterable, Mapping
from typing import Final

FACETS: Final = ("item", "owner", "deadline", "no_invented")
FIXED_WORDS: Final = frozenset({"Decision", "Owner", "Deadline"})


def folded(text: str) -> str:
    """NFKC, case folded, white space folded."""
    return " ".join(unicodedata.normalize("NFKC", text).casefold().split())


def holds(answer: str, part: str) -> bool:
    """Whether `part` stands in `answer` between word boundaries."""
    return re.search(rf"(?<!\w){re.escape(folded(part))}(?!\w)", folded(answer)) is not None


def facets(answer: str, row: Mapping[str, str]) -> dict[str, bool]:
    """Each facet of one answer; `row` has item, owner, date and note."""
    capitalised = {word for word in re.findall(r"\w+", answer) if word[0].isupper()} - FIXED_WORDS
    return {
        "item": holds(answer, row["item"]),
        "owner": holds(answer, row["owner"]),
        "deadline": holds(answer, row["date"]),
        "no_invented": bool(answer.strip()) and capitalised <= set(re.findall(r"\w+", row["note"])),
    }


def shares(scored: Iterable[Mapping[str, bool]]) -> dict[str, float]:
    """The share right per facet, `share` over all facets, and `all` four right in one answer."""
    rows = list(scored)
    out = {name: sum(row[name] for row in rows) / len(rows) for name in FACETS}
    out["share"] = sum(out[name] for name in FACETS) / len(FACETS)
    out["all"] = sum(all(row[name] for name in FACETS) for row in rows) / len(rows)
    return {name: round(value, 4) for name, value in out.items()}
