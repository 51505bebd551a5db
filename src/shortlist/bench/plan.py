"""Suite × candidates as a plan: cells in a fixed, seeded order, extended and never rewritten."""

import random
from collections.abc import Sequence
from dataclasses import replace

from shortlist.errors import BadInput, RunMismatch
from shortlist.measure.arrivals import due_offsets
from shortlist.records import Candidate, Cell, Look, Plan, PlannedBlock, Prompt, Suite, content_id

MOST_CELLS = 10_000_000
"""A plan is held in memory, a few hundred bytes for each request."""


def make_plan(suite: Suite, candidates: Sequence[Candidate], at: str) -> Plan:
    """A plan over all rounds. Two candidates of one content are refused: their cells would be the same.

    Raises BadInput for more requests than a plan can hold, too.
    """
    count = len(suite.prompts) * suite.repeats * suite.rounds * len(candidates)
    if count > MOST_CELLS:
        raise BadInput(f"{count} requests are planned, and {MOST_CELLS} are the most", hint="fewer rounds or repeats")
    seen: dict[str, Candidate] = {}
    for candidate in candidates:
        if candidate.id in seen:
            first = seen[candidate.id].label
            raise BadInput(f"{candidate.label} and {first} are the same model, engine and options")
        seen[candidate.id] = candidate
    look = Look(at, suite.rounds, len(suite.prompts))
    plan = Plan(suite, tuple(candidates), (), (look,))
    return replace(plan, blocks=_blocks(plan, range(1, suite.rounds + 1), suite.prompts))


def extend(
    plan: Plan, rounds: int | None, prompts: Sequence[Prompt], at: str, left_out: frozenset[str] = frozenset()
) -> Plan:
    """The plan with further prompts, then with more rounds; the old blocks and cells stay as they are.

    New prompts get as many rounds as the suite had, in new blocks of every candidate; `rounds` is the number of rounds
    over all prompts that the user wants in the end. Nothing new gives the plan back. Candidates that a race has put
    out are `left_out` of the new blocks. Raises RunMismatch.
    """
    fresh = _new_prompts(plan, prompts)
    last = max((block.round for block in plan.blocks), default=0)
    first = last + 1
    had = plan.suite.rounds
    if rounds is not None and rounds < had:
        raise RunMismatch(f"the run has {had} rounds already, {rounds} were asked", hint=f"--rounds {had + 1} or more")
    more = 0 if rounds is None else rounds - had
    if not fresh and not more:
        return plan
    everything = (*plan.suite.prompts, *fresh)
    grown = replace(plan, suite=replace(plan.suite, prompts=everything, rounds=had + more))
    blocks = plan.blocks
    if fresh:
        blocks += _blocks(grown, range(last + 1, last + had + 1), fresh)
        last += had
    blocks += _blocks(grown, range(last + 1, last + more + 1), everything)
    blocks = tuple(b for b in blocks if b.round < first or b.candidate not in left_out)
    look = Look(at, had + more, len(everything), first_round=first if plan.blocks else 0)
    return replace(grown, blocks=blocks, looks=(*plan.looks, look))


def _new_prompts(plan: Plan, prompts: Sequence[Prompt]) -> tuple[Prompt, ...]:
    known = {prompt.id: prompt for prompt in plan.suite.prompts}
    for prompt in prompts:
        if prompt.id in known and known[prompt.id] != prompt:
            raise RunMismatch(
                f"prompt {prompt.id!r} is in the run already with another content",
                hint="give the changed prompt an id of its own, or start a new run",
            )
    return tuple(prompt for prompt in prompts if prompt.id not in known)


def _blocks(plan: Plan, rounds: Sequence[int], prompts: Sequence[Prompt]) -> tuple[PlannedBlock, ...]:
    suite = plan.suite
    blocks = []
    for number in rounds:
        # Prompts and due times are the same for every candidate of a round, so that a round compares like with like.
        chance = random.Random(f"{suite.order_seed}:{number}")  # noqa: S311 - an order, not a secret
        asked = [(prompt, 0) for prompt in chance.sample(prompts, len(prompts))]
        order = chance.sample(plan.candidates, len(plan.candidates))
        for repeat in range(1, suite.repeats):
            asked += [(prompt, repeat) for prompt in chance.sample(prompts, len(prompts))]
        due = due_offsets(suite.load, len(asked), f"{suite.order_seed}:{number}:arrivals")
        for candidate in order:
            cells = tuple(_cell(candidate, number, *one, at) for one, at in zip(asked, due, strict=True))
            blocks.append(PlannedBlock(candidate.id, number, cells))
    return tuple(blocks)


def _cell(candidate: Candidate, number: int, prompt: Prompt, repeat: int, due_offset_ns: int | None) -> Cell:
    # A closed loop has no due time: its cells keep the ids that they had before there were open ones.
    due = [] if due_offset_ns is None else [due_offset_ns]
    content = content_id([candidate.id, prompt, number, repeat, *due])
    return Cell(content, candidate.id, prompt.id, number, repeat, due_offset_ns)


def cut_rounds(plan: Plan, rounds: int) -> Plan:
    """The plan with its first rounds only (for `--budget`, before the start)."""
    suite = replace(plan.suite, rounds=rounds)
    kept = tuple(block for block in plan.blocks if block.round <= rounds)
    return replace(plan, suite=suite, blocks=kept, looks=(replace(plan.looks[0], rounds=rounds),))
