"""The usual spellings of one date, for facets that must not punish a change of form."""

import re
from typing import Final

from notes_recipe.words import MONTHS

SHORT_LENGTH: Final = 3
DAY: Final = re.compile(r"\b(\d{1,2})(?:st|nd|rd|th)?\b")
TEENS: Final = range(11, 14)


def ordinal(day: int) -> str:
    """1st, 2nd, 3rd, 4th."""
    ending = "th" if day in TEENS else {1: "st", 2: "nd", 3: "rd"}.get(day % 10, "th")
    return f"{day}{ending}"


def _day_and_month(date: str) -> tuple[int, str] | None:
    """The two parts of a date that holds nothing else."""
    for month in MONTHS:
        rest, found = re.subn(rf"\b(?:{month}|{month[:SHORT_LENGTH]}t?)\b|\bof\b", " ", date)
        day = DAY.fullmatch(rest.strip())
        if found and day:
            return int(day[1]), month
    return None


def spellings(date: str) -> list[str]:
    """`date` itself first, then other ways to write the same day."""
    ways: tuple[str, ...] = ()
    if day_and_month := _day_and_month(date):
        day, month = day_and_month
        short, nth = month[:SHORT_LENGTH], ordinal(day)
        ways = (
            f"{day} {month}",
            f"{month} {day}",
            f"{day} {short}",
            f"{short} {day}",
            f"{nth} of {month}",
            f"{nth} {month}",
            f"{month} {nth}",
        )
    elif date.startswith(("next ", "the ")):
        ways = (date.split(" ", 1)[1],)
    return list(dict.fromkeys((date, *ways)))
