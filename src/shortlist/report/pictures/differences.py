"""Differences to the pick: paired, against the margin, with the verdict in words."""

import math

from shortlist.choose.decision import PreferenceDifference
from shortlist.report.pictures.needs import LEFT, draw_interval
from shortlist.report.scales import Scale, linear, spaced
from shortlist.report.scene import Scene
from shortlist.report.svg import NOTE, Box, Pen, Picture
from shortlist.report.textsize import cut_middle
from shortlist.report.verdicts import difference_words, figure_name, is_higher_better, is_relative

_RIGHT, _WIDTH, _TOP, _ROW = 500.0, 720.0, 52.0, 26.0


def differences(scene: Scene, preference: str, name: str) -> Picture | None:
    """Each candidate less the pick on one preference; None where there is nothing to compare."""
    decision = scene.decision
    if decision is None or scene.reference is None:
        return None
    rows = [one for one in decision.differences if one.preference == preference and one.difference.point is not None]
    if not rows:
        return None
    margin = max(one.margin for one in rows)
    words = figure_name(preference)
    pen = Pen(
        name,
        _WIDTH,
        f"Difference to {scene.label(scene.reference)} in {words}",
        "Paired differences with their 95 % intervals. Wholly inside the grey band: equivalent. Reaching out of it and "
        "over the line of no difference: not told apart.",
    )
    scale = linear(*_domain(rows, margin), LEFT, _RIGHT)
    bottom = _TOP + _ROW * len(rows)
    _ground(pen, scale, preference, margin, bottom)
    for place, one in enumerate(rows):
        _row(pen, scale, one, scene, _TOP + _ROW * (place + 0.5))
    pen.grow(bottom + 26)
    return pen.finish()


def _domain(rows: list[PreferenceDifference], margin: float) -> tuple[float, float]:
    ends = [-margin, margin]
    for one in rows:
        interval = one.difference
        ends += [end for end in (interval.point, interval.low, interval.high) if end is not None and math.isfinite(end)]
    room = (max(ends) - min(ends)) * 0.06
    return min(ends) - room, max(ends) + room


def _ground(pen: Pen, scale: Scale, preference: str, margin: float, bottom: float) -> None:
    pen.rect(Box(scale(-margin), _TOP, scale(margin), bottom), "band")
    pen.line((scale(0), _TOP - 4), (scale(0), bottom), "axis")
    pen.line((LEFT, bottom), (_RIGHT, bottom), "axis")
    shown = f"{margin * 100:g} %" if is_relative(preference) else f"{margin:g}"
    pen.text((8, 14), f"grey band: equal, within ±{shown}", "note")
    less, more = ("worse", "better") if is_higher_better(preference) else ("better", "worse")
    pen.text((LEFT, _TOP - 14), f"← {less}", "note")
    pen.text((_RIGHT, _TOP - 14), f"{more} →", "note", "end")
    marks = [(scale(tick), _tick(tick, preference)) for tick in scale.ticks(5)]
    for at, label in spaced(marks, NOTE):
        pen.line((at, bottom), (at, bottom + 4), "axis")
        pen.text((at, bottom + 17), label, "note", "middle")


def _tick(value: float, preference: str) -> str:
    if value == 0:
        return "0"
    text = f"{value * 100:+g} %" if is_relative(preference) else f"{value:+g}"
    return text.replace("-", "−")


def _row(pen: Pen, scale: Scale, one: PreferenceDifference, scene: Scene, y: float) -> None:
    pen.text((LEFT - 12, y + 4), cut_middle(scene.label(one.candidate), LEFT - 20), "", "end")
    draw_interval(pen, scale, one.difference, y)
    pen.marker((scale(one.difference.point or 0.0), y), scene.shape(one.candidate))
    pen.text((_RIGHT + 12, y + 4), cut_middle(difference_words(one), _WIDTH - _RIGHT - 16))
