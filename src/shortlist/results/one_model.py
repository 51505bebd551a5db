"""Candidates of one file that were opened in different ways: whether they gave the same greedy answers."""

from collections.abc import Mapping
from dataclasses import dataclass

from shortlist.records import Candidate, Run
from shortlist.results.accepted import Requests


@dataclass(frozen=True, slots=True)
class SameModel:
    """Of `prompts` that both answered, `differing` were answered otherwise by `candidate` than by `against`."""

    candidate: str
    against: str
    prompts: int
    differing: tuple[str, ...]


def answers_of_one_model(run: Run, requests: Mapping[str, Requests]) -> tuple[SameModel, ...]:
    """Each further candidate of the same files against the first, by the first answer of both; greedy runs alone."""
    if run.info.plan.suite.generation.temperature:
        return ()
    first: dict[tuple[str, ...], Candidate] = {}
    found = []
    for one in run.info.plan.candidates:
        files = tuple(file.sha256 or "" for file in one.variant.files)
        if not all(files) or not files:
            continue
        base = first.setdefault(files, one)
        mine, theirs = _answers(requests.get(one.id)), _answers(requests.get(base.id))
        both = [prompt for prompt in theirs if prompt in mine]
        if one is not base and both:
            differing = tuple(prompt for prompt in both if mine[prompt] != theirs[prompt])
            found.append(SameModel(one.id, base.id, len(both), differing))
    return tuple(found)


def _answers(requests: Requests | None) -> dict[str, str]:
    found: dict[str, str] = {}
    for item in requests.complete.items if requests else ():
        found.setdefault(item.cell.prompt, item.sample.reasoning + item.sample.text)
    return found
