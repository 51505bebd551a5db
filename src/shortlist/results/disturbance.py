"""What disturbed a run, what was done about it, and whether so much stayed disturbed that nothing can be concluded."""

from collections import Counter
from collections.abc import Mapping, Sequence
from typing import Any

from shortlist.measure.causes import summed_up
from shortlist.records import Block, Interval, Run, Sample
from shortlist.results.accepted import Requests
from shortlist.results.candidate_figures import Manner, speed_figures
from shortlist.results.figures import CandidateSummary, Disturbance, is_speed
from shortlist.results.metrics import is_complete

TOO_NOISY = 0.20
"""Over this share of a candidate's accepted requests disturbed, its speed is not concluded from."""


def summarise_disturbance(run: Run) -> Disturbance:
    """Over the whole run: how much was disturbed and by what, and what of the host was not visible."""
    measured = [sample for sample in run.samples if sample.phase == "measure" and sample.causes]
    blocks = {block.id: block for block in run.blocks}
    again = [sample for sample in measured if not sample.is_accepted]
    told = [event.data for event in run.events if event.kind == "conditions"]
    return Disturbance(
        is_watched=bool(told),
        measured_again=sum(blocks[sample.block].state != "cut" for sample in again if sample.block in blocks),
        stayed=len(measured) - len(again),
        blocks_again=len(_given_up(run.blocks, again)),
        causes=summed_up((cause for sample in measured for cause in sample.causes), most=3),
        hidden=_common(told, "hidden"),
        places=tuple(sorted({str(data["place"]) for data in told if "place" in data})),
    )


def _given_up(blocks: Sequence[Block], disturbed: Sequence[Sample]) -> set[str]:
    """Blocks that ran to their end and were run again whole; one that was interrupted has no disturbed sample yet."""
    with_causes = {sample.block for sample in disturbed}
    return {block.id for block in blocks if block.state == "cut" and block.id in with_causes}


def _common(told: Sequence[Mapping[str, Any]], name: str) -> tuple[str, ...]:
    """What every block says."""
    counts = Counter(value for data in told for value in data.get(name, ()))
    return tuple(value for value, count in counts.items() if count == len(told))


def without_disturbed(requests: Requests, manner: Manner) -> dict[str, Interval]:
    """The speed figures over what was measured in peace; empty where nothing or everything was disturbed."""
    peaceful = Requests(tuple(item for item in requests.items if not item.sample.causes))
    if len(peaceful.items) == len(requests.items) or not any(is_complete(s) for s in peaceful.samples):
        return {}
    return {name: figure for name, figure in speed_figures(peaceful, manner).items() if is_speed(name)}


def too_noisy(one: CandidateSummary) -> bool:
    """Whether so many of its accepted requests stayed disturbed that its speed says little."""
    return one.disturbed > TOO_NOISY * one.n


def noise_of(one: CandidateSummary) -> str:
    """The reason why nothing is concluded on a candidate's speed; empty where that can be."""
    if not too_noisy(one):
        return ""
    by = f" ({'; '.join(one.causes)})" if one.causes else ""
    return f"the host was too noisy: {one.disturbed} of {one.n} requests were disturbed{by}"
