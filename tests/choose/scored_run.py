"""A stored run with facet scores: small is the best, large often and tiny mostly wrong."""

import hashlib
from dataclasses import replace

from results.made_run import Shape, make_run
from shortlist.records import Facet, Run, Score

NAMES = tuple(f"n-{number:03d}" for number in range(1, 21))
FACETS = tuple(Facet(name, "must_include", any_of=(name,)) for name in ("owner", "due", "what", "where"))
_PASSES = {"tiny": 0.4, "small": 0.95, "large": 0.7}
"""How many of the facets pass."""


def _passes(label: str, prompt: str, facet: str) -> bool:
    digest = hashlib.sha256(f"{label} {prompt} {facet}".encode()).digest()
    return int.from_bytes(digest[:4]) / 2**32 < _PASSES[label]


def scored_run(looks: int = 1) -> Run:
    """20 prompts in 10 clusters, 5 rounds."""
    run = make_run(Shape(prompts=NAMES))
    suite = run.info.plan.suite
    prompts = tuple(
        replace(prompt, facets=FACETS, cluster=f"meeting-{place // 2}") for place, prompt in enumerate(suite.prompts)
    )
    plan = replace(run.info.plan, suite=replace(suite, prompts=prompts), looks=run.info.plan.looks * looks)
    labels = {candidate.id: candidate.label for candidate in plan.candidates}
    cells = {cell.id: cell for cell in plan.cells}
    scores = []
    for sample in run.samples:
        if sample.cell is None or sample.status != "ok":
            continue
        cell = cells[sample.cell]
        parts = {facet.id: _passes(labels[cell.candidate], cell.prompt, facet.id) for facet in FACETS}
        scores.append(Score(sample.id, "facets", sum(parts.values()) / len(parts), dict(parts)))
    return replace(run, info=replace(run.info, plan=plan), scores=tuple(scores), annotations=(), choices=())
