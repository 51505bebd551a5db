"""What stands between the evidence and a verdict: needs that cannot be told, and pairs that are not told apart."""

from collections.abc import Collection, Iterator, Sequence
from dataclasses import dataclass

from shortlist.choose.decision import NeedJudgement, PreferenceDifference


@dataclass(frozen=True, slots=True)
class Blocking:
    """Judgements and differences of contenders that leave the decision open, in the candidates' order."""

    judgements: tuple[NeedJudgement, ...]
    differences: tuple[PreferenceDifference, ...]


def what_blocks(
    judgements: Sequence[NeedJudgement],
    differences: Sequence[PreferenceDifference],
    preferences: Sequence[str],
    behind: Collection[str] = (),
) -> Blocking:
    """Nobody that a race has left `behind` blocks.

    A pair blocks on its first preference that is not equivalent, unless that tells the two apart. Where that preference
    could not be compared at all there is no difference, and nothing below it blocks.
    """
    failed = {one.candidate for one in judgements if one.verdict == "fail"} | set(behind)
    untold = tuple(one for one in judgements if one.verdict == "cannot tell" and one.candidate not in failed)
    names = dict.fromkeys(one.candidate for one in differences if one.candidate not in failed)
    return Blocking(untold, tuple(found for name in names for found in _first_open(name, differences, preferences)))


def _first_open(
    name: str, differences: Sequence[PreferenceDifference], preferences: Sequence[str]
) -> Iterator[PreferenceDifference]:
    mine = {one.preference: one for one in differences if one.candidate == name}
    for preference in preferences:
        one = mine.get(preference)
        if one is None:
            return
        if one.verdict != "equivalent":
            if one.verdict == "not told apart":
                yield one
            return
