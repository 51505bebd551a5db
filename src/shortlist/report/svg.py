"""The pen: an SVG picture drawn by hand, that knows where its labels stand."""

import re
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from itertools import pairwise
from typing import Literal

from shortlist.report.escape import one_line
from shortlist.report.markup import Markup, joined, tag
from shortlist.report.textsize import text_width, wrap_text

LABEL, NOTE = 12.0, 11.0
"""Font sizes in pixels, of names and of ticks and notes; the style sheet has the same two."""

Anchor = Literal["start", "middle", "end"]
_STEPS = (0, 14, 28, 44, 60, 80, 104, 132, 164, 200, 240)


@dataclass(frozen=True, slots=True)
class Box:
    """A rectangle in the picture's pixels."""

    left: float
    top: float
    right: float
    bottom: float

    def overlaps(self, other: "Box") -> bool:
        """Whether they share more than an edge."""
        across = self.left < other.right and other.left < self.right
        return across and self.top < other.bottom and other.top < self.bottom

    def is_inside(self, other: "Box") -> bool:
        """Whether it lies wholly in the other."""
        across = self.left >= other.left and self.right <= other.right
        return across and self.top >= other.top and self.bottom <= other.bottom


@dataclass(frozen=True, slots=True)
class Picture:
    """A finished picture. `labels` are its texts and where they stand, for whoever checks the layout."""

    name: str
    title: str
    description: str
    width: float
    height: float
    inner: Markup
    labels: tuple[tuple[str, Box], ...]

    def svg(self) -> Markup:
        """The picture inside a page, styled by the page."""
        ids = f"{self.name}-t {self.name}-d"
        box = f"0 0 {number(self.width)} {number(self.height)}"
        return tag("svg", self.inner, viewBox=box, role="img", aria_labelledby=ids, class_="picture")

    def file(self, style: str) -> str:
        """The picture as a file of its own, with its style in it."""
        sheet = Markup(f"<style>{style}</style>")
        width, height = number(self.width), number(self.height)
        back = tag("rect", width=width, height=height, class_="paper")
        svg = tag(
            "svg",
            sheet,
            back,
            self.inner,
            xmlns="http://www.w3.org/2000/svg",
            viewBox=f"0 0 {width} {height}",
            width=width,
            height=height,
            role="img",
            aria_labelledby=f"{self.name}-t {self.name}-d",
            class_="shortlist picture",
        )
        return svg + "\n"


def number(value: float) -> str:
    """A coordinate with at most one decimal."""
    text = f"{value:.1f}".removesuffix(".0")
    return "0" if text == "-0" else text


class Pen:
    """Draws one picture. Coordinates are pixels from the top left; classes give all colour and weight."""

    def __init__(self, name: str, width: float, title: str, description: str) -> None:
        """`name` must be unique in the page: ids inside the picture begin with it."""
        self.name, self.width, self.height = name, width, 0.0
        self.title, self.description = title, description
        self._parts: list[Markup] = []
        self._labels: list[tuple[str, Box]] = []
        self._kept_clear: list[Box] = []
        self._has_hatch = False

    def grow(self, bottom: float) -> None:
        """The picture reaches at least down to here."""
        self.height = max(self.height, bottom)

    def add(self, part: Markup) -> None:
        """Markup that was made elsewhere."""
        self._parts.append(part)

    def line(self, start: tuple[float, float], end: tuple[float, float], style: str) -> None:
        """A straight line."""
        (x1, y1), (x2, y2) = start, end
        self.path(f"M{number(x1)} {number(y1)}" + _to(x1, y1, x2, y2), style)

    def rect(self, box: Box, style: str) -> None:
        """A filled rectangle; one that is turned inside out is left away."""
        if box.right > box.left and box.bottom > box.top:
            width, height = box.right - box.left, box.bottom - box.top
            at, size = (number(box.left), number(box.top)), (number(width), number(height))
            self.add(tag("rect", x=at[0], y=at[1], width=size[0], height=size[1], class_=style))

    def hatch(self, box: Box) -> None:
        """Hatching: outside a need, or cannot tell. Nothing else is ever hatched."""
        if box.right > box.left and box.bottom > box.top:
            self._has_hatch = True
            at, size = (number(box.left), number(box.top)), (number(box.right - box.left), number(box.bottom - box.top))
            fill = f"url(#{self.name}-h)"
            self.add(tag("rect", x=at[0], y=at[1], width=size[0], height=size[1], fill=fill))

    def path(self, data: str, style: str) -> None:
        """A path from its own data; without any, nothing."""
        if data:
            self.add(tag("path", d=data, class_=style))

    def define(self, data: str, ident: str) -> None:
        """A path that is not drawn here, only where `use` asks for it."""
        self.add(tag("defs", tag("path", id=f"{self.name}-{ident}", d=data)))

    def add_circle(self, at: tuple[float, float], radius: float, style: str) -> None:
        """A small circle, such as a request that was measured again."""
        self.add(tag("circle", cx=number(at[0]), cy=number(at[1]), r=number(radius), class_=style))

    def use(self, ident: str, offset: tuple[float, float], style: str) -> None:
        """A path of this picture once more, moved."""
        self.add(tag("use", href=f"#{self.name}-{ident}", x=number(offset[0]), y=number(offset[1]), class_=style))

    def marker(self, at: tuple[float, float], shape: int, style: str = "point", size: float = 0.8) -> None:
        """A candidate's point: its shape is its own over all pictures; small, so that its interval is seen."""
        self._kept_clear.append(Box(at[0] - 7, at[1] - 7, at[0] + 7, at[1] + 7))
        self.path(_marker(at[0], at[1], shape, size), style)

    def keep_clear(self, box: Box) -> None:
        """Labels that are placed later stay out of this box."""
        self._kept_clear.append(box)

    def text(self, at: tuple[float, float], text: str, style: str = "", anchor: Anchor = "start") -> None:
        """A text on its base line; `note` in the style makes it small, `strong` bold."""
        text = one_line(text)
        box = text_box(at, text, style, anchor)
        self._labels.append((text, box))
        self.add(
            tag(
                "text",
                text,
                x=number(at[0]),
                y=number(at[1]),
                class_=style or None,
                text_anchor=None if anchor == "start" else anchor,
            )
        )

    def paragraph(self, at: tuple[float, float], text: str, room: float) -> float:
        """A note in as many lines as it takes; the base line after the last."""
        x, y = at
        for line in wrap_text(text, room, NOTE):
            self.text((x, y), line, "note")
            y += 15
        return y

    def is_free(self, box: Box, inside: Box) -> bool:
        """Whether a label here would touch no other label, no point, and stay inside."""
        taken = [other for _, other in self._labels] + self._kept_clear
        return box.is_inside(inside) and not any(box.overlaps(other) for other in taken)

    def place(self, at: tuple[float, float], text: str, inside: Box, style: str = "") -> bool:
        """Write beside a point where there is room, with a thin line to it from afar; False: there is none."""
        for distance in _STEPS:
            for dx, dy, anchor in _around(distance):
                spot = at[0] + dx, at[1] + dy
                if not self.is_free(text_box(spot, text, style, anchor), inside):
                    continue
                if distance:
                    self.line(at, (spot[0] + (-3 if anchor == "start" else 3), spot[1] - 4), "lead")
                self.text(spot, text, style, anchor)
                return True
        return False

    def finish(self) -> Picture:
        """The picture as it is now."""
        title = tag("title", self.title, id=f"{self.name}-t")
        description = tag("desc", self.description, id=f"{self.name}-d")
        hatch = _hatch(self.name) if self._has_hatch else None
        inner = joined(title, description, hatch, *self._parts)
        labels = tuple(self._labels)
        return Picture(self.name, self.title, self.description, self.width, self.height, inner, labels)


def text_box(at: tuple[float, float], text: str, style: str = "", anchor: Anchor = "start") -> Box:
    """Where a text stands at most."""
    size = NOTE if "note" in style else LABEL
    width = text_width(text, size, is_bold="strong" in style)
    left = at[0] - {"start": 0.0, "middle": width / 2, "end": width}[anchor]
    return Box(left, at[1] - size * 0.95, left + width, at[1] + size * 0.25)


def polyline(points: Sequence[tuple[float, float]]) -> str:
    """Path data through the points, in relative steps: what a step line consists of is short then."""
    if not points:
        return ""
    placed = [(round(x, 1), round(y, 1)) for x, y in points]
    parts = [f"M{number(placed[0][0])} {number(placed[0][1])}"]
    for (x1, y1), (x2, y2) in pairwise(placed):
        dx, dy = _short(x2 - x1), _short(y2 - y1)
        if dy == "0":
            parts.append("" if dx == "0" else f"h{dx}")
        else:
            parts.append(f"v{dy}" if dx == "0" else f"l{_pair(dx, dy)}")
    return "".join(parts)


def dots(points: Iterable[tuple[float, float]]) -> str:
    """Path data of round dots: strokes of no length, drawn with round caps, each placed from the one before."""
    placed = [(round(x, 1), round(y, 1)) for x, y in points]
    if not placed:
        return ""
    moves = (f"m{_pair(_short(x2 - x1), _short(y2 - y1))}h0" for (x1, y1), (x2, y2) in pairwise(placed))
    return f"M{number(placed[0][0])} {number(placed[0][1])}h0" + "".join(moves)


def _short(step: float) -> str:
    """A step with at most one decimal and no needless nought."""
    text = number(step)
    return text.replace("0.", ".") if text.startswith(("0.", "-0.")) else text


def _pair(dx: str, dy: str) -> str:
    return dx + dy if dy.startswith("-") else f"{dx} {dy}"


def _to(x1: float, y1: float, x2: float, y2: float) -> str:
    if number(y1) == number(y2):
        return f"H{number(x2)}"
    return f"V{number(y2)}" if number(x1) == number(x2) else f"L{number(x2)} {number(y2)}"


def _around(distance: float) -> tuple[tuple[float, float, Anchor], ...]:
    near = 10 + distance * 0.6
    return (
        (near, -6 - distance, "start"),
        (near, 14 + distance, "start"),
        (-near, -6 - distance, "end"),
        (-near, 14 + distance, "end"),
        (10 + distance, 4, "start"),
        (-10 - distance, 4, "end"),
    )


_SHAPES = (
    ((-5, 0), "a5 5 0 1 0 10 0a5 5 0 1 0 -10 0z"),
    ((0, -6.5), "l6.5 6.5l-6.5 6.5l-6.5 -6.5z"),
    ((-4.6, -4.6), "h9.2v9.2h-9.2z"),
    ((0, -6.2), "l6 10.6h-12z"),
    ((0, 6.2), "l6 -10.6h-12z"),
    ((-2, -6), "h4v4h4v4h-4v4h-4v-4h-4v-4h4z"),
    ((-6, -4), "h12l-3 9h-6z"),
    ((-2.6, -6), "h5.2l3.4 6l-3.4 6h-5.2l-3.4 -6z"),
)
"""Where each shape starts from its middle, and its outline: lengths only, so that it can be made smaller."""


def _marker(x: float, y: float, shape: int, size: float) -> str:
    (dx, dy), outline = _SHAPES[shape % len(_SHAPES)]
    start = f"M{number(x + dx * size)} {number(y + dy * size)}"
    if size == 1:
        return start + outline
    if shape % len(_SHAPES) == 0:  # an arc's flags are no lengths
        radius, across = number(5 * size), number(10 * size)
        return f"{start}a{radius} {radius} 0 1 0 {across} 0a{radius} {radius} 0 1 0 -{across} 0z"
    return start + re.sub(r"\d+(\.\d+)?", lambda found: number(float(found[0]) * size), outline)


def _hatch(name: str) -> Markup:
    stroke = tag("path", d="M0 0V6", class_="hatch")
    pattern = tag(
        "pattern",
        stroke,
        id=f"{name}-h",
        width=6,
        height=6,
        patternUnits="userSpaceOnUse",
        patternTransform="rotate(45)",
    )
    return tag("defs", pattern)


def safe_name(text: str) -> str:
    """A text as part of an id or a file's name."""
    return "".join(c if c.isascii() and c.isalnum() else "-" for c in text.lower()).strip("-") or "x"
