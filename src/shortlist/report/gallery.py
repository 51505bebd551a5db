"""Which pictures a report has: those that its numbers allow, each under the name of its file."""

from dataclasses import dataclass

from shortlist.report.pictures.differences import differences
from shortlist.report.pictures.latency import latency_panels
from shortlist.report.pictures.needs import need_strip
from shortlist.report.pictures.overtime import over_time
from shortlist.report.pictures.prompts import prompt_grid
from shortlist.report.pictures.tradeoff import tradeoff
from shortlist.report.pictures.whatif import what_if
from shortlist.report.scene import Scene
from shortlist.report.svg import Picture, safe_name


@dataclass(frozen=True, slots=True)
class Gallery:
    """A report's pictures; one that cannot be drawn from what is known is None, or not in its tuple."""

    tradeoff: Picture | None
    needs: tuple[Picture, ...]
    what_if: Picture | None
    latency: Picture | None
    over_time: Picture | None
    differences: tuple[Picture, ...]
    prompts: Picture | None

    @property
    def pictures(self) -> tuple[Picture, ...]:
        """All that there are, in the order of the page."""
        row = (self.tradeoff, *self.needs, self.what_if, self.latency, self.over_time, *self.differences, self.prompts)
        return tuple(picture for picture in row if picture is not None)


def gallery(scene: Scene) -> Gallery:
    """Draw all that can be drawn."""
    decision = scene.decision
    needs = () if decision is None else decision.needs
    # The guard on errors is judged by the observed share: a strip of its interval would seem to say otherwise.
    strips = (
        need_strip(scene, need, f"need-{place}-{safe_name(need.figure)}")
        for place, need in enumerate(needs, 1)
        if need.is_asked
    )
    preferences = dict.fromkeys(one.preference for one in (() if decision is None else decision.differences))
    drawn = (differences(scene, name, f"difference-{safe_name(name)}") for name in preferences)
    return Gallery(
        tradeoff(scene),
        tuple(picture for picture in strips if picture is not None),
        what_if(scene),
        latency_panels(scene),
        over_time(scene),
        tuple(picture for picture in drawn if picture is not None),
        prompt_grid(scene),
    )
