"""The page's pieces: tables, figures, lists. Wide ones scroll inside a region that the keyboard reaches."""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass

from shortlist.report.markup import Markup, joined, tag
from shortlist.report.svg import Picture


@dataclass(frozen=True, slots=True)
class Cell:
    """A value, and what stands small below it."""

    text: str
    small: str = ""
    is_text: bool = False


@dataclass(frozen=True, slots=True)
class Column:
    """A column's head."""

    text: str
    is_text: bool = False


Row = tuple[str, bool, Sequence[Cell]]
"""Its head, whether it is the pick's, its cells."""


@dataclass(frozen=True, slots=True)
class Table:
    """A table; `name` says to a screen reader what scrolls."""

    name: str
    caption: str
    columns: Sequence[Column]
    rows: Sequence[Row]


def table(one: Table) -> Markup:
    """The table in its region."""
    head = tag("tr", *(tag("th", c.text, scope="col", class_="text" if c.is_text else None) for c in one.columns))
    rows = (
        tag("tr", tag("th", label, scope="row"), *(_cell(cell) for cell in cells), class_="picked" if picked else None)
        for label, picked, cells in one.rows
    )
    body = tag("table", tag("caption", one.caption), tag("thead", head), tag("tbody", *rows), class_="wide")
    return region(body, f"Table: {one.name}")


def _cell(cell: Cell) -> Markup:
    small = tag("small", cell.small) if cell.small else None
    return tag("td", cell.text, small, class_="text" if cell.is_text else None)


def region(inner: Markup, name: str) -> Markup:
    """What is wider than the window scrolls here and not the page."""
    return tag("div", inner, class_="scroll", role="region", tabindex=0, aria_label=name)


def figure(picture: Picture | None, caption: str, *, has_title: bool = True) -> Markup | None:
    """A picture under its title, unless that stands above it already; none where it could not be drawn."""
    if picture is None:
        return None
    words = tag("figcaption", caption) if caption else None
    title = tag("h3", picture.title) if has_title else None
    return joined(title, tag("figure", region(picture.svg(), f"Picture: {picture.title}"), words))


def bullets(lines: Iterable[str]) -> Markup:
    """A list of sentences."""
    return tag("ul", *(tag("li", line) for line in lines))


def details(summary: str, inner: Markup) -> Markup:
    """What is there for whoever asks for it."""
    return tag("details", tag("summary", summary), inner)
