"""The page's parts on prefill, decode and load, and on energy and cost."""

from collections.abc import Sequence

from shortlist.report.dimensions import ENERGY, PHASES, energy_notes, has_any, phase_notes
from shortlist.report.markup import Markup, joined
from shortlist.report.numbers import value
from shortlist.report.pieces import Cell, Column, Table, bullets, table
from shortlist.report.scene import Scene
from shortlist.report.verdicts import ends

_LOADS = (("Load, warm", "load.warm"), ("Load, cold", "load.cold"))


def phases_part(scene: Scene) -> Markup | None:
    """Prefill and decode apart with the roof beside them, and the load; None where nothing of it was measured."""
    words = "Roofline: the tokens/s that the host's read bandwidth would allow; MBU: the share of it that was reached."
    body = _table(scene, "Prefill, decode and load", words, (*PHASES, *_LOADS))
    told = phase_notes(scene.summary)
    return joined(body, bullets(told) if told else None) if body is not None else None


def energy_part(scene: Scene) -> Markup | None:
    """Energy and cost, each with its basis; None where neither was counted."""
    if not has_any(scene.summary, ENERGY):
        return None
    words = "For 1000 requests and for 1000 output tokens. 3.6 MJ is a kilowatt-hour."
    return joined(_table(scene, "Energy and cost", words, ENERGY), bullets(energy_notes(scene.summary)))


def _table(scene: Scene, head: str, caption: str, wanted: Sequence[tuple[str, str]]) -> Markup | None:
    def is_given(name: str) -> bool:
        found = (one.figures.get(name) for one in scene.summary.candidates)
        return any(interval is not None and interval.point is not None for interval in found)

    shown = [(column, name) for column, name in wanted if is_given(name)]
    if not shown:
        return None
    rows = [
        (
            scene.label(one.candidate),
            one.candidate == scene.pick,
            [Cell(value(one.figures.get(name)), ends(one.figures.get(name))) for _, name in shown],
        )
        for one in scene.measured
    ]
    return table(Table(head, caption, [Column("candidate"), *(Column(column) for column, _ in shown)], rows))
