"""Quality against latency: a cross of two intervals per candidate, the needs as lines, the pick's equals as a band."""

import math
from dataclasses import dataclass

from shortlist.choose.decision import Need
from shortlist.records import Interval
from shortlist.report.pictures.needs import domain, ticks
from shortlist.report.scales import Scale, axis_unit, linear, logarithmic
from shortlist.report.scene import Scene
from shortlist.report.svg import NOTE, Box, Pen, Picture
from shortlist.report.textsize import cut_middle, text_width
from shortlist.report.verdicts import is_upper_limit, limit_of, operator_of

_LEFT, _RIGHT, _TOP, _BOTTOM, _WIDTH = 60.0, 690.0, 46.0, 350.0, 720.0
_LATENCIES = ("latency.p95", "latency.mean", "latency.p50")


@dataclass(frozen=True, slots=True)
class _Cross:
    candidate: str
    latency: Interval
    quality: Interval

    @property
    def at(self) -> tuple[float, float]:
        """Its two points."""
        return self.latency.point or 0.0, self.quality.point or 0.0


def tradeoff(scene: Scene, name: str = "tradeoff") -> Picture | None:
    """None without a decision, without quality, or with fewer than two candidates that have both."""
    quality = scene.quality_figure()
    if scene.decision is None or quality is None:
        return None
    latency = _latency_figure(scene)
    crosses = _crosses(scene, latency, quality)
    if len(crosses) < 2:
        return None
    across, up = _need(scene, latency), _need(scene, quality)
    pen = Pen(
        name,
        _WIDTH,
        f"{scene.name_of(quality).capitalize()} against {scene.name_of(latency)}",
        "Each candidate is a cross of two 95 % intervals. Hatched: outside a need. Grey band: within the margin of "
        "the pick's quality.",
    )
    x, y = _scales(crosses, across, up)
    _band(pen, y, crosses, scene, quality)
    _ground(pen, x, y, across, up)
    _axes(pen, x, y, scene.name_of(latency), scene.name_of(quality))
    _need_lines(pen, x, y, across, up)
    _draw(pen, x, y, crosses, scene)
    pen.grow(_BOTTOM + 42)
    return pen.finish()


def _latency_figure(scene: Scene) -> str:
    needs = () if scene.decision is None else scene.decision.needs
    for need in needs:
        if need.figure.startswith(("latency.", "ttft.")):
            return need.figure
    measured = scene.measured
    for figure in _LATENCIES:
        with_interval = [one for one in measured if figure in one.figures and one.figures[figure].low is not None]
        if measured and len(with_interval) == len(measured):
            return figure
    return "latency.mean"


def _need(scene: Scene, figure: str) -> Need | None:
    needs = () if scene.decision is None else scene.decision.needs
    return next((need for need in needs if need.figure == figure and not isinstance(need.limit, str)), None)


def _crosses(scene: Scene, latency: str, quality: str) -> list[_Cross]:
    found = []
    for one in scene.measured:
        across, up = one.figures.get(latency), scene.quality(one.candidate, quality)
        if across is None or up is None or across.point is None or up.point is None:
            continue
        if across.point > 0 and math.isfinite(across.point):
            found.append(_Cross(one.candidate, across, up))
    return sorted(found, key=lambda cross: cross.candidate != scene.pick)


def _limit(need: Need | None) -> float | None:
    return None if need is None or isinstance(need.limit, str) else need.limit


def _scales(crosses: list[_Cross], across: Need | None, up: Need | None) -> tuple[Scale, Scale]:
    ends = [end for one in crosses for end in (one.latency.point, one.latency.low, one.latency.high)]
    wide = [end for end in [*ends, _limit(across)] if end is not None and end > 0 and math.isfinite(end)]
    floor = crosses[0].quality.point or 0.0
    limit = _limit(up)
    low, high = domain([one.quality for one in crosses], floor if limit is None else limit, crosses[0].quality.unit)
    return logarithmic(min(wide), max(wide), _LEFT, _RIGHT), linear(low, high, _BOTTOM, _TOP)


def _ground(pen: Pen, x: Scale, y: Scale, across: Need | None, up: Need | None) -> None:
    """One hatched area, never two on top of each other."""
    left, right = _LEFT, _RIGHT
    limit = _limit(across)
    if across is not None and limit is not None:
        edge = x(limit)
        is_upper = is_upper_limit(across)
        pen.hatch(Box(edge if is_upper else _LEFT, _TOP, _RIGHT if is_upper else edge, _BOTTOM))
        left, right = (left, edge) if is_upper else (edge, right)
    limit = _limit(up)
    if up is not None and limit is not None:
        edge = y(limit)
        pen.hatch(Box(left, _TOP, right, edge) if is_upper_limit(up) else Box(left, edge, right, _BOTTOM))


def _band(pen: Pen, y: Scale, crosses: list[_Cross], scene: Scene, quality: str) -> None:
    margins = {} if scene.decision is None else scene.decision.margins
    margin = margins.get(quality, margins.get("quality"))
    pick = next((one for one in crosses if one.candidate == scene.pick), None)
    if margin is None or pick is None:
        return
    point = pick.quality.point or 0.0
    pen.rect(Box(_LEFT, y(point + margin), _RIGHT, y(point - margin)), "band")
    words = f"equal in quality to the pick: ±{margin:g}"
    # Clear of the lines inside the plot: it stands above it, at the right.
    pen.text((_RIGHT, 14), words, "note", "end")


def _axes(pen: Pen, x: Scale, y: Scale, across: str, up: str) -> None:
    pen.line((_LEFT, _BOTTOM), (_RIGHT, _BOTTOM), "axis")
    pen.line((_LEFT, _TOP), (_LEFT, _BOTTOM), "axis")
    ticks(pen, x, "ns", _BOTTOM, about=8)
    unit = axis_unit("", y.high)
    for tick in y.ticks(6):
        pen.line((_LEFT - 4, y(tick)), (_LEFT, y(tick)), "axis")
        pen.text((_LEFT - 8, y(tick) + 4), unit.label(tick), "note", "end")
    pen.text((8, 14), f"{up} (up is better)", "note")
    pen.text(((_LEFT + _RIGHT) / 2, _BOTTOM + 36), f"{across}, log scale (left is better)", "note", "middle")


def _need_lines(pen: Pen, x: Scale, y: Scale, across: Need | None, up: Need | None) -> None:
    limit = _limit(across)
    if across is not None and limit is not None:
        pen.line((x(limit), _TOP - 8), (x(limit), _BOTTOM), "need")
        pen.keep_clear(Box(x(limit) - 2, _TOP, x(limit) + 2, _BOTTOM))
        words = f"need {operator_of(across)} {limit_of(across)}"
        half = text_width(words, is_bold=True) / 2
        pen.text((min(max(x(limit), _LEFT + half), _RIGHT - half), _TOP - 13), words, "strong", "middle")
    limit = _limit(up)
    if up is not None and limit is not None:
        pen.line((_LEFT, y(limit)), (_RIGHT, y(limit)), "need")
        pen.keep_clear(Box(_LEFT, y(limit) - 1, _RIGHT, y(limit) + 1))
        words = f"need {operator_of(up)} {limit_of(up)}"
        room = text_width(words, NOTE + 1, is_bold=True)
        for down in (15, -6):
            spot = Box(_LEFT + 6, y(limit) + down - 12, _LEFT + 6 + room, y(limit) + down + 4)
            if pen.is_free(spot, Box(_LEFT, _TOP, _RIGHT, _BOTTOM)):
                pen.text((_LEFT + 6, y(limit) + down), words, "strong halo")
                return


def _draw(pen: Pen, x: Scale, y: Scale, crosses: list[_Cross], scene: Scene) -> None:
    for one in reversed(crosses):
        point = x(one.at[0]), y(one.at[1])
        for interval, is_across in ((one.latency, True), (one.quality, False)):
            if interval.low is None and interval.high is None:
                continue
            scale = x if is_across else y
            low = scale.start if interval.low is None else scale(interval.low)
            high = scale.end if interval.high is None else scale(interval.high)
            if is_across:
                pen.line((low, point[1]), (high, point[1]), "ci")
                pen.keep_clear(Box(low, point[1] - 1, high, point[1] + 1))
            else:
                pen.line((point[0], low), (point[0], high), "ci")
                pen.keep_clear(Box(point[0] - 1, high, point[0] + 1, low))
    for one in reversed(crosses):
        style = "point pick" if one.candidate == scene.pick else "point"
        pen.marker((x(one.at[0]), y(one.at[1])), scene.shape(one.candidate), style, 1)
    inside = Box(_LEFT + 2, _TOP + 2, _RIGHT - 2, _BOTTOM - 4)
    for one in crosses:
        style = "accent strong halo" if one.candidate == scene.pick else "halo"
        text = cut_middle(scene.label(one.candidate), 190, is_bold=True)
        pen.place((x(one.at[0]), y(one.at[1])), text, inside, style)
