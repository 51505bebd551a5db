"""The evidence's pairs, in the form that the rule asks for."""

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace

import numpy as np

from shortlist.choose.evidence import Basis, CandidateEvidence, Evidence
from shortlist.choose.needsfile import Needs
from shortlist.choose.preferences import (
    DEFAULT_WITH_QUALITY,
    DEFAULT_WITHOUT,
    Preference,
    Weight,
    is_measured,
    lead,
    paired_means,
    resolve,
    weighted_lead,
)
from shortlist.choose.rule import Pairs
from shortlist.results.figures import is_speed
from shortlist.stats.paired import Difference
from shortlist.stats.samples import prompt_means

SCORE = Preference("score", "score", "exact", "score", "", False, "better", "worse")


@dataclass(frozen=True, slots=True)
class Compared:
    """What candidates are compared on: preferences in their order, or one score made of weights.

    `measured` are the preferences themselves in either case.
    """

    preferences: tuple[Preference, ...]
    measured: tuple[Preference, ...]
    skipped: tuple[str, ...] = ()
    weights: tuple[Weight, ...] = ()

    def basis_of(self, place: int) -> Basis:
        """What the preference at this place is made of; a score of several counts as what changes with every round."""
        return "rounds" if self.weights else self.preferences[place].basis


def what_to_compare(evidence: Evidence, needs: Needs) -> Compared:
    """The preferences that any candidate was measured on; the others are skipped by name.

    Without an order: quality then latency, and where nothing was scored latency, throughput, memory, footprint.
    """
    default = DEFAULT_WITH_QUALITY if evidence.quality_basis else DEFAULT_WITHOUT
    names = [one.preference for one in needs.weights] or needs.prefer or default
    wanted = [resolve(name, evidence.quality_basis) for name in names]
    measured = [p for p in wanted if any(is_measured(one, p) for one in evidence.candidates)]
    skipped = tuple(p.name for p in wanted if p not in measured and (needs.prefer or needs.weights))
    if not needs.weights:
        return Compared(tuple(measured), tuple(measured), skipped)
    read_from = {p.name: evidence.quality_basis if p.name == "quality" else p.name for p in measured}
    weights = [replace(w, preference=read_from[w.preference] or "") for w in needs.weights if w.preference in read_from]
    return Compared((SCORE,) if measured else (), tuple(measured), skipped, tuple(weights))


def make_pairs(evidence: Evidence, compared: Compared, margins: Mapping[str, float]) -> Pairs:
    """Pairs of this evidence; nothing is computed before it is asked for."""
    by_id = {one.candidate: one for one in evidence.candidates}

    def lead_of(x: str, y: str, place: int) -> Difference | None:
        if compared.weights:
            if any(is_drowned(by_id[x], by_id[y], one) for one in compared.measured):
                return None
            return weighted_lead(by_id[x], by_id[y], compared.weights)
        if is_drowned(by_id[x], by_id[y], compared.preferences[place]):
            return None
        return lead(by_id[x], by_id[y], compared.preferences[place])

    alphas = [evidence.level_of(compared.basis_of(place)) for place in range(len(compared.preferences))]
    behind_known: dict[tuple[str, ...], bool] = {}

    def behind(one: str, others: Sequence[str]) -> bool:
        key = (one, *others)
        if key not in behind_known:
            rivals = [by_id[y] for y in others]
            first = alphas[0] if alphas else evidence.level
            behind_known[key] = is_behind_everywhere(by_id[one], rivals, compared.measured, first)
        return behind_known[key]

    return Pairs(lead_of, [margins[p.margin] for p in compared.preferences], alphas, behind)


def is_drowned(one: CandidateEvidence, other: CandidateEvidence, preference: Preference) -> bool:
    """Whether the host was too noisy to compare these two on a speed."""
    return is_speed(preference.figure) and bool(one.noise or other.noise)


def is_behind_everywhere(
    one: CandidateEvidence, others: Sequence[CandidateEvidence], preferences: Sequence[Preference], alpha: float
) -> bool:
    """Whether it is behind each of the others in every round and every cluster, on all preferences.

    On the first preference so many units must speak against it that a sign test rejects at `alpha`. Such a candidate
    is left out of Holm's families, so that adding it changes nothing for the others.
    """
    fewest = math.ceil(math.log2(1 / alpha))
    return bool(others and preferences) and all(
        _is_behind(one, other, preference, fewest if place == 0 else 1)
        for other in others
        for place, preference in enumerate(preferences)
    )


def _is_behind(one: CandidateEvidence, other: CandidateEvidence, preference: Preference, fewest: int) -> bool:
    if not (is_measured(one, preference) and is_measured(other, preference)) or is_drowned(one, other, preference):
        return False
    if preference.basis == "scores":
        mine, theirs = (prompt_means(c.scores[preference.figure]) for c in (one, other))
        if mine.keys() != theirs.keys() or any(mine[c].keys() != theirs[c].keys() for c in mine):
            return False
        steps = [sum(theirs[c].values()) - sum(mine[c].values()) for c in mine]
    elif preference.basis == "rounds":
        means_a, means_b = paired_means(one, other, preference.figure)
        steps = np.subtract(means_a, means_b).tolist()
        off = max(c.errors.get(preference.figure, 0.0) for c in (one, other))
        steps = [(step if preference.lower_is_better else -step) - off for step in steps]
    else:
        sizes = [c.figures[preference.figure].point or 0.0 for c in (one, other)]
        return sizes[0] > sizes[1]
    return min(steps, default=-1.0) >= 0 and sum(step > 0 for step in steps) >= fewest
