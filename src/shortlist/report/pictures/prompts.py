"""Prompt by prompt: where the candidates differ, prompts of one cluster beside each other."""

import math
from collections.abc import Sequence
from dataclasses import dataclass
from itertools import groupby

from shortlist.report.scene import Scene
from shortlist.report.svg import NOTE, Box, Pen, Picture, number, text_box
from shortlist.report.textsize import cut_middle

_LEFT, _RIGHT, _WIDTH, _TOP = 196.0, 710.0, 720.0, 26.0
_ROW, _CLUSTER_GAP, _WIDEST, _NARROWEST = 22.0, 5.0, 22.0, 8.0


@dataclass(frozen=True, slots=True)
class PromptRow:
    """A candidate's share of facets passed per prompt (None: not scored), and where a critical one failed."""

    candidate: str
    scores: tuple[float | None, ...]
    critical: tuple[bool, ...]


@dataclass(frozen=True, slots=True)
class PromptGrid:
    """Prompts with their clusters, those of one cluster side by side, and a row per candidate."""

    prompts: tuple[tuple[str, str], ...]
    rows: tuple[PromptRow, ...]


def grid_of(scene: Scene) -> PromptGrid | None:
    """The run's facet scores as rows, clusters in the order they first appear; None where no facet was scored."""
    quality = scene.summary.quality
    if quality is None:
        return None
    order = {name: place for place, name in enumerate(dict.fromkeys(one.cluster for one in quality.prompts))}
    prompts = sorted(quality.prompts, key=lambda one: order[one.cluster])
    found = [{figure.candidate: figure for figure in one.figures} for one in prompts]
    rows = []
    for one in scene.summary.candidates:
        figures = [of_prompt.get(one.candidate) for of_prompt in found]
        scores = tuple(None if figure is None else figure.facets for figure in figures)
        if any(score is not None for score in scores):
            critical = tuple(figure is not None and figure.has_critical_failure for figure in figures)
            rows.append(PromptRow(one.candidate, scores, critical))
    return PromptGrid(tuple((one.prompt, one.cluster) for one in prompts), tuple(rows)) if rows else None


def prompt_grid(scene: Scene, name: str = "prompts") -> Picture | None:
    """A square per prompt and candidate, filled to the share of facets passed; None where nothing was scored."""
    grid = grid_of(scene)
    if grid is None:
        return None
    pen = Pen(
        name,
        _WIDTH,
        "Facets passed, prompt by prompt",
        "A square per prompt: the filled height is the share of facets passed, a cross is a failed critical facet. "
        "Prompts of one cluster stand together.",
    )
    top = _TOP
    width, bands = _bands(grid)
    for band in bands:
        _band(pen, scene, grid, (width, band), top)
        top += len(grid.rows) * _ROW + 34
    pen.text((_LEFT, top - 12), "✕ a critical facet failed in an answer, which then scores 0", "note")
    pen.grow(top)
    return pen.finish()


def _clusters(grid: PromptGrid) -> list[tuple[str, list[int]]]:
    numbered = list(enumerate(grid.prompts))
    return [(name, [at for at, _ in found]) for name, found in groupby(numbered, key=lambda item: item[1][1])]


def _bands(grid: PromptGrid) -> tuple[float, list[list[tuple[str, list[int]]]]]:
    """A cell's width, and the clusters in as few bands as leave a cell wide enough, about as many in each."""
    clusters = _clusters(grid)
    room = _RIGHT - _LEFT
    needed = len(grid.prompts) * _NARROWEST + len(clusters) * _CLUSTER_GAP
    count = math.ceil(needed / room)
    in_band = math.ceil(len(grid.prompts) / count)
    most = int((room - _CLUSTER_GAP) // _NARROWEST)
    bands: list[list[tuple[str, list[int]]]] = [[]]
    for name, members in clusters:
        for start in range(0, len(members), most):  # a cluster wider than a band goes on in the next
            part = members[start : start + most]
            if bands[-1] and _count(bands[-1]) + len(part) / 2 > in_band:
                bands.append([])
            bands[-1].append((name, part))
    width = min((room - len(band) * _CLUSTER_GAP) / max(1, _count(band)) for band in bands)
    return min(_WIDEST, width), bands


def _count(band: Sequence[tuple[str, list[int]]]) -> int:
    return sum(len(members) for _, members in band)


def _band(
    pen: Pen, scene: Scene, grid: PromptGrid, placed: tuple[float, Sequence[tuple[str, list[int]]]], top: float
) -> None:
    (width, band), x = placed, _LEFT
    frames: list[str] = []
    fills: list[str] = []
    picked: list[str] = []
    crosses: list[str] = []
    for name, members in band:
        room = max(len(members) * width, 40)
        words = cut_middle(name, room, NOTE)
        if pen.is_free(text_box((x, top - 7), words, "note"), Box(0, 0, _WIDTH, top)) and len(words) > 1:
            pen.text((x, top - 7), words, "note")
        for member in members:
            for place, row in enumerate(grid.rows):
                cell = Box(x, top + place * _ROW, x + width - 2, top + place * _ROW + _ROW - 5)
                frames.append(_path(cell))
                score = row.scores[member]
                if score is not None:
                    filled = Box(cell.left, cell.bottom - (cell.bottom - cell.top) * score, cell.right, cell.bottom)
                    (picked if row.candidate == scene.pick else fills).append(_path(filled) if score > 0 else "")
                if row.critical[member]:
                    crosses.append(_cross(cell))
            x += width
        x += _CLUSTER_GAP
    for data, style in ((frames, "cell"), (fills, "fill"), (picked, "fill fillpick"), (crosses, "cross")):
        pen.path("".join(data), style)
    for place, row in enumerate(grid.rows):
        style = "accent strong" if row.candidate == scene.pick else ""
        label = cut_middle(scene.label(row.candidate), _LEFT - 20, is_bold=True)
        pen.text((_LEFT - 12, top + place * _ROW + 13), label, style, "end")


def _path(box: Box) -> str:
    width, height = number(box.right - box.left), number(box.bottom - box.top)
    return f"M{number(box.left)} {number(box.top)}h{width}v{height}h-{width}z"


def _cross(cell: Box) -> str:
    left, top, right, bottom = (cell.left + 1, cell.top + 4, cell.right - 1, cell.bottom - 4)
    down = f"M{number(left)} {number(top)}L{number(right)} {number(bottom)}"
    return f"{down}M{number(right)} {number(top)}L{number(left)} {number(bottom)}"
