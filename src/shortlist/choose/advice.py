"""What to run next, how long it takes, and the command to paste."""

import math
from collections.abc import Iterable, Sequence
from dataclasses import dataclass

from shortlist.choose.blocking import what_blocks
from shortlist.choose.decision import Advice, NeedJudgement, PreferenceDifference
from shortlist.choose.evidence import Evidence
from shortlist.choose.judge import more_to_judge
from shortlist.choose.rule import Outcome
from shortlist.records import Json
from shortlist.results.figures import is_speed
from shortlist.units import about

_NEW_PROMPTS = "more-notes.json"


@dataclass(frozen=True, slots=True)
class _Missing:
    """So many more rounds and clusters; and what no number of them would settle."""

    rounds: int = 0
    clusters: int = 0
    words: tuple[str, ...] = ()


def advise(
    evidence: Evidence,
    outcome: Outcome,
    judgements: Sequence[NeedJudgement],
    differences: Sequence[PreferenceDifference],
    preferences: Sequence[str],
) -> tuple[tuple[Advice, ...], Json | None]:
    """Advice where the evidence does not suffice, or where a contender beside the pick could not be judged."""
    blocks = what_blocks(judgements, differences, preferences, outcome.behind)
    is_open = outcome.verdict == "not_enough_evidence"
    if not is_open and not (outcome.pick and blocks.judgements):
        return (), None
    missing = _missing(evidence, blocks.judgements, blocks.differences if is_open else ())
    would = "would do" if not missing.words else "would tell the rest"
    found = [*_rounds_advice(evidence, missing.rounds, would), *_prompts_advice(evidence, missing.clusters, would)]
    found += [Advice(text, "") for text in missing.words]
    prompts = _prompts_for(evidence, missing.clusters)
    durations = [one.duration_ns for one in found if one.command]
    known = sum(one for one in durations if one is not None) if None not in durations else None
    more = {"rounds": missing.rounds, "clusters": missing.clusters, "prompts": prompts, "duration_ns": known}
    return tuple(found), more


def _missing(
    evidence: Evidence, judgements: Iterable[NeedJudgement], differences: Iterable[PreferenceDifference]
) -> _Missing:
    most = {"rounds": 0, "clusters": 0}
    words: list[str] = []
    if any(one.noise for one in evidence.candidates):
        words.append("measure again when nothing else runs on this host")
    for one in judgements:
        mine = evidence.of(one.candidate)
        if mine.noise and is_speed(one.need.figure):
            continue
        label, off = mine.label, mine.errors.get(one.need.figure, 0.0)
        more = None if one.interval is None else more_to_judge(one.need, one.interval, evidence, off)
        if more is not None:
            most[more[1]] = max(most[more[1]], more[0])
        elif one.need.figure == "licence":
            words.append(f"read the licence of {label}: {one.note}")
        elif one.interval is None:
            words.append(f"{one.need.text} cannot be judged: {one.note}{_how_to_measure(one, evidence)}")
        elif one.interval.point is None:
            words.append(f"{label} has nothing to judge {one.need.text} by: {one.note}")
        else:
            words.append(f"{label} lies so close to {one.need.text} that no reasonable number of rounds tells")
    for pair in differences:
        if pair.more and pair.more_unit:
            most[pair.more_unit] = max(most[pair.more_unit], pair.more)
        elif pair.more is None:
            label = evidence.of(pair.candidate).label
            words.append(f"no reasonable number of {pair.more_unit} tells {label} apart in {pair.preference}")
    if not most["rounds"] and not most["clusters"] and not words and evidence.candidates:
        return _Missing(clusters=_too_few_clusters(evidence), rounds=max(0, 2 - evidence.rounds))
    return _Missing(most["rounds"], most["clusters"], tuple(dict.fromkeys(words)))


def _how_to_measure(one: NeedJudgement, evidence: Evidence) -> str:
    run = evidence.run or "last"
    if one.need.figure in ("facets", "quality", "critical"):
        return f"; give the prompts facets, then: shortlist score {run}"
    return f"; rate the answers: shortlist annotate {run}" if one.need.figure == "rating" else ""


def _too_few_clusters(evidence: Evidence) -> int:
    """Where pairs could not be compared at all for want of clusters."""
    return max(0, 6 - evidence.clusters) if evidence.quality_basis else 0


def _prompts_for(evidence: Evidence, clusters: int) -> int:
    return math.ceil(clusters * evidence.prompts / evidence.clusters) if evidence.clusters else clusters


def _count(n: int, what: str) -> str:
    return f"{n} more {what}{'s' * (n != 1)}"


def _rounds_advice(evidence: Evidence, more: int, would: str) -> list[Advice]:
    if not more:
        return []
    duration = None if evidence.round_ns is None else more * evidence.round_ns
    length = "" if duration is None else f", about {about(duration)}"
    command = f"shortlist bench --resume {evidence.run or 'last'} --rounds {evidence.rounds + more}"
    return [Advice(f"{_count(more, 'round')} {would}{length} (estimate, 80 % power)", command, duration)]


def _prompts_advice(evidence: Evidence, clusters: int, would: str) -> list[Advice]:
    if not clusters:
        return []
    prompts = _prompts_for(evidence, clusters)
    duration = None
    if evidence.round_ns is not None and evidence.prompts:
        duration = round(evidence.round_ns * max(1, evidence.rounds) * prompts / evidence.prompts)
    length = "" if duration is None else f", about {about(duration)}"
    inside = "" if prompts == clusters else f" in {_count(clusters, 'cluster')}"
    command = f"shortlist bench --resume {evidence.run or 'last'} --prompts {_NEW_PROMPTS}"
    return [Advice(f"{_count(prompts, 'prompt')}{inside} {would}{length} (estimate, 80 % power)", command, duration)]
