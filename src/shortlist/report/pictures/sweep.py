"""A sweep: what comes out against how long it takes, one panel per candidate, a point per swept value."""

import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass

from shortlist.records import Interval
from shortlist.report.pictures.needs import draw_interval, ticks
from shortlist.report.scales import Scale, axis_unit, linear, logarithmic
from shortlist.report.svg import Box, Pen, Picture, polyline
from shortlist.report.textsize import cut_middle
from shortlist.report.verdicts import figure_name
from shortlist.results.sweep import SweepCurve, SweepPoint, SweepSummary

_WIDTH, _ACROSS, _LEFT, _GAP = 720.0, 2, 64.0, 52.0
_PANEL = (_WIDTH - _LEFT - 14 - _GAP * (_ACROSS - 1)) / _ACROSS
_HEIGHT, _HEAD, _FOOT, _TOP = 176.0, 40.0, 56.0, 4.0

Reading = Callable[[SweepPoint], Interval | None]


@dataclass(frozen=True, slots=True)
class _Frame:
    """One panel: where it stands, and its scales in the picture's pixels."""

    left: float
    top: float
    x: Scale
    y: Scale


def latency_figure(summary: SweepSummary) -> str:
    """p95 where every point has its interval, else the mean."""
    points = [point for curve in summary.curves for point in curve.points if point.n > point.failed]
    with_p95 = [point for point in points if (one := point.figures.get("latency.p95")) is not None and one.low]
    return "latency.p95" if points and len(with_p95) == len(points) else "latency.mean"


def output_figure(summary: SweepSummary) -> str:
    """What comes out: tokens/s of a closed loop, completed requests/s of an open one."""
    return "throughput" if summary.over == "concurrency" else "reached.completed"


def sweep_picture(summary: SweepSummary, name: str = "sweep") -> Picture | None:
    """Output against latency; None where no candidate has two points. The knee is where latency turns upwards."""
    across, up = output_figure(summary), latency_figure(summary)
    out = "throughput in tokens/s" if across == "throughput" else "requests/s completed"
    return _draw(
        summary,
        name,
        (_of(across), _of(up)),
        (
            f"{out[0].upper()}{out[1:]} against {figure_name(up)}, over {summary.axis}",
            f"{out} (right is better)",
            f"{figure_name(up)}, log scale (down is better)",
        ),
        is_log=True,
    )


def goodput_picture(summary: SweepSummary, name: str = "sweep-goodput") -> Picture | None:
    """Goodput over the swept value; None without goodput."""
    return _draw(
        summary,
        name,
        (_swept, _of("goodput")),
        (f"Goodput over {summary.axis}", summary.axis, f"requests/s with {' and '.join(summary.goodput)}"),
        is_log=False,
    )


def _of(figure: str) -> Reading:
    return lambda point: point.figures.get(figure)


def _swept(point: SweepPoint) -> Interval:
    return Interval(point.value, point.value, point.value, 1.0, "exact", 1, "")


def _placed(curve: SweepCurve, read: tuple[Reading, Reading]) -> list[tuple[SweepPoint, Interval, Interval]]:
    found = []
    for point in curve.points:
        x, y = read[0](point), read[1](point)
        if x is not None and y is not None and x.point is not None and y.point is not None and y.point >= 0:
            found.append((point, x, y))
    return found


def _draw(
    summary: SweepSummary,
    name: str,
    read: tuple[Reading, Reading],
    words: tuple[str, str, str],
    *,
    is_log: bool,
) -> Picture | None:
    curves = [(curve, placed) for curve in summary.curves if len(placed := _placed(curve, read)) > 1]
    if not curves:
        return None
    growing = any(point.is_growing for _, placed in curves for point, _, _ in placed)
    description = (
        f"One panel per candidate; a point for each value of {summary.over}, with its two "
        f"{summary.level * 100:.0f} % intervals, and the grey lines are the other candidates."
    )
    pen = Pen(name, _WIDTH, words[0], description)
    x_ends = [_ends(x) for _, placed in curves for _, x, _ in placed]
    y_ends = [_ends(y) for _, placed in curves for _, _, y in placed]
    high_x = max(high for _, high in x_ends) * 1.06
    low_y, high_y = min(low for low, _ in y_ends), max(high for _, high in y_ends)
    for place, (curve, placed) in enumerate(curves):
        left = _LEFT + (place % _ACROSS) * (_PANEL + _GAP)
        top = _TOP + _HEAD + (place // _ACROSS) * (_HEIGHT + _HEAD + _FOOT)
        x = linear(0, high_x, left, left + _PANEL)
        ends = (top + _HEIGHT, top)
        y = logarithmic(low_y, high_y, *ends) if is_log else linear(0, high_y * 1.06 or 1.0, *ends)
        frame = _Frame(left, top, x, y)
        pen.text((left, top - 24), cut_middle(curve.label, _PANEL, is_bold=True), "strong")
        pen.text((left, top - 8), words[2], "note")
        _axes(pen, frame, placed[0][2].unit, words[1])
        for other, others in curves:
            if other is not curve:
                pen.path(_line(frame, others), "ghost")
        _points(pen, frame, placed, place)
    bottom = _TOP + (_HEAD + _HEIGHT + _FOOT) * math.ceil(len(curves) / _ACROSS)
    notes = [f"The number at a point: {summary.axis}." + (" Grey: the other candidates." if len(curves) > 1 else "")]
    if growing:
        notes.append("Hollow: the backlog grew, so a longer measurement would show worse.")
    bottom = pen.paragraph((8, bottom + 6), " ".join(notes), _WIDTH - 16)
    pen.grow(bottom)
    return pen.finish()


def _ends(one: Interval) -> tuple[float, float]:
    point = one.point or 0.0
    known = [point, *(end for end in (one.low, one.high) if end is not None and math.isfinite(end))]
    # An interval of few rounds may reach below zero, where a logarithmic axis has no place.
    low = min(known)
    return (low if low > 0 else point / 2 or 1.0), max(known)


def _axes(pen: Pen, frame: _Frame, unit: str, across: str) -> None:
    bottom = frame.top + _HEIGHT
    pen.line((frame.left, bottom), (frame.left + _PANEL, bottom), "axis")
    pen.line((frame.left, frame.top), (frame.left, bottom), "axis")
    ticks(pen, frame.x, "", bottom, about=5)
    count = axis_unit(unit, frame.y.high)
    own = Scale(frame.y.low / count.divisor, frame.y.high / count.divisor, frame.y.start, frame.y.end, frame.y.is_log)
    reached = math.inf
    for tick in own.ticks(5):
        at = own(tick)
        if at <= reached - 16:
            pen.line((frame.left - 4, at), (frame.left, at), "axis")
            pen.text((frame.left - 7, at + 4), count.label(tick * count.divisor), "note", "end")
            reached = at
    pen.text((frame.left + _PANEL / 2, bottom + 36), across, "note", "middle")


def _line(frame: _Frame, placed: Sequence[tuple[SweepPoint, Interval, Interval]]) -> str:
    return polyline([(frame.x(x.point or 0.0), frame.y(y.point or 0.0)) for _, x, y in placed])


def _points(
    pen: Pen,
    frame: _Frame,
    placed: Sequence[tuple[SweepPoint, Interval, Interval]],
    shape: int,
) -> None:
    pen.path(_line(frame, placed), "lead")
    spots = []
    for _, x, y in placed:
        at = frame.x(x.point or 0.0), frame.y(y.point or 0.0)
        spots.append(at)
        draw_interval(pen, frame.x, x, at[1])
        _upright(pen, frame, y, at[0])
        pen.keep_clear(Box(at[0] - 6, at[1] - 6, at[0] + 6, at[1] + 6))
    for (point, _, _), at in zip(placed, spots, strict=True):
        pen.marker(at, shape, "hollow" if point.is_growing else "point")
    inside = Box(frame.left + 3, frame.top, frame.left + _PANEL + 8, frame.top + _HEIGHT - 2)
    for (point, _, _), at in zip(placed, spots, strict=True):
        pen.place(at, f"{point.value:g}", inside, "halo")


def _upright(pen: Pen, frame: _Frame, one: Interval, at: float) -> None:
    """A vertical interval; an open end runs to the panel's edge."""
    if one.method == "exact" or (one.low is None and one.high is None):
        return
    low = frame.y.start if one.low is None or one.low <= 0 else frame.y(one.low)
    high = frame.y.end if one.high is None else frame.y(one.high)
    pen.line((at, low), (at, high), "ci")
    pen.keep_clear(Box(at - 1, high, at + 1, low))
