"""Two stored runs of one plan: what BASE measured, and HEAD with a change planted in it."""

import hashlib
from collections.abc import Mapping
from dataclasses import dataclass, field, replace

from choose.scored_run import FACETS, NAMES, scored_run
from results.made_run import Shape, make_run
from shortlist.records import Run, Sample, Score, content_id

BASE_ID = "0197a5c0-0000-7000-8000-000000007f3c"
HEAD_ID = "0197a5c1-0000-7000-8000-0000000091ab"


@dataclass(frozen=True, slots=True)
class Change:
    """What is planted in HEAD: latency × `slower`, a share of `forgotten` facets, by candidate's label."""

    slower: Mapping[str, float] = field(default_factory=dict)
    forgotten: Mapping[str, float] = field(default_factory=dict)
    seed: int = 5


def base_run() -> Run:
    """20 prompts in 10 clusters, 5 rounds; three candidates that work and one that does not."""
    run = scored_run()
    return replace(run, info=replace(run.info, id=BASE_ID, name="main"))


def head_run(change: Change = Change()) -> Run:
    """The same plan, measured again on the same host with other noise, and what was planted."""
    base = base_run()
    run = make_run(Shape(prompts=NAMES, seed=change.seed))
    labels = {one.id: one.label for one in base.info.plan.candidates}
    owner = {block.id: labels[block.candidate] for block in run.blocks}
    samples = [_slowed(one, change.slower.get(owner[one.block], 1.0)) for one in run.samples]
    scores = tuple(_forgotten(one, owner, run, change) for one in base.scores)
    info = replace(run.info, id=HEAD_ID, name="head", plan=base.info.plan)
    return renamed_inside(replace(run, info=info, samples=tuple(samples), scores=scores, annotations=(), choices=()))


def renamed_inside(run: Run, mark: str = "head") -> Run:
    """Other ids for everything that happened, so that both runs fit into one store."""

    def other(name: str) -> str:
        return content_id([mark, name])

    executors = {one.id: f"{mark}-{one.id}" for one in run.executors}
    return replace(
        run,
        executors=tuple(replace(one, id=executors[one.id]) for one in run.executors),
        blocks=tuple(replace(one, id=other(one.id), executor=executors[one.executor]) for one in run.blocks),
        samples=tuple(
            replace(one, id=other(one.id), block=other(one.block), executor=executors[one.executor])
            for one in run.samples
        ),
        memory_points=tuple(replace(one, block=other(one.block)) for one in run.memory_points),
        events=(),
        scores=tuple(replace(one, sample=other(one.sample)) for one in run.scores),
    )


def _slowed(sample: Sample, factor: float) -> Sample:
    if factor == 1 or sample.status != "ok" or sample.end_ns is None:
        return sample

    def later(ns: int) -> int:
        return sample.due_ns + round((ns - sample.due_ns) * factor)

    chunks = tuple(replace(chunk, ns=later(chunk.ns)) for chunk in sample.chunks)
    return replace(sample, chunks=chunks, end_ns=later(sample.end_ns))


def _forgotten(score: Score, owner: Mapping[str, str], run: Run, change: Change) -> Score:
    """Facets lost by prompt, the same in every round, as a model that got worse forgets."""
    sample = next(one for one in run.samples if one.id == score.sample)
    label = owner[sample.block]
    parts = {facet.id: score.parts[facet.id] and not _is_lost(label, sample, facet.id, change) for facet in FACETS}
    return Score(score.sample, score.scorer, sum(parts.values()) / len(parts), parts)


def _is_lost(label: str, sample: Sample, facet: str, change: Change) -> bool:
    digest = hashlib.sha256(f"lost {label} {sample.prompt} {facet}".encode()).digest()
    return int.from_bytes(digest[:4]) / 2**32 < change.forgotten.get(label, 0.0)
