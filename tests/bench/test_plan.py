"""The plan: every candidate in every round, in a seeded order; extended and never rewritten."""

from dataclasses import replace

import pytest

from shortlist.bench.estimate import Pace, blocks_ns
from shortlist.bench.plan import cut_rounds, extend, make_plan
from shortlist.errors import BadInput, RunMismatch
from shortlist.quality.prompts import single_prompt
from shortlist.records import (
    Candidate,
    EngineOptions,
    LoadShape,
    ModelFile,
    Plan,
    Prompt,
    Suite,
    Variant,
    content_id,
    from_json,
    make_candidate,
    to_json,
)

AT = "2026-01-01T00:00:00Z"
PROMPTS = tuple(replace(single_prompt(text)[0], id=text) for text in ("a", "b", "c", "d", "e", "f"))


def candidate(sha: str) -> Candidate:
    return make_candidate(sha, sha, "fake", Variant("gguf", files=(ModelFile("m", 1, sha),)), EngineOptions())


CANDIDATES = [candidate(sha) for sha in ("00", "11", "22")]


def plan(seed: int = 0, rounds: int = 3, prompts: tuple[Prompt, ...] = PROMPTS[:4]) -> Plan:
    return make_plan(Suite(prompts, rounds=rounds, order_seed=seed), CANDIDATES, AT)


def shape(some: Plan) -> list[tuple[int, str, list[str]]]:
    return [(b.round, b.candidate, [c.prompt for c in b.cells]) for b in some.blocks]


def test_a_round_holds_every_candidate_once_and_every_prompt_in_one_order() -> None:
    whole = plan()
    for number in (1, 2, 3):
        blocks = [b for b in whole.blocks if b.round == number]
        assert {b.candidate for b in blocks} == {c.id for c in CANDIDATES}
        orders = {tuple(c.prompt for c in b.cells) for b in blocks}
        assert len(orders) == 1
        assert set(orders.pop()) == {"a", "b", "c", "d"}
    assert len({c.id for c in whole.cells}) == len(whole.cells) == 36


def test_the_order_is_fresh_in_each_round_and_the_same_for_the_same_seed() -> None:
    rounds = {tuple(b.candidate for b in plan(rounds=9).blocks if b.round == n) for n in range(1, 10)}
    assert len(rounds) > 2
    assert shape(plan(7)) == shape(plan(7)) != shape(plan(8))


def test_a_plan_is_data_and_survives_json() -> None:
    assert from_json(to_json(plan()), Plan) == plan()


def test_a_cells_id_depends_on_content_only() -> None:
    other_order = {c.id for c in plan(seed=5).cells}
    assert other_order == {c.id for c in plan(seed=0).cells}


def test_the_same_model_twice_is_refused_by_its_labels() -> None:
    with pytest.raises(BadInput, match="are the same model"):
        make_plan(Suite(PROMPTS), [CANDIDATES[0], replace(CANDIDATES[0], label="copy")], AT)


def test_more_rounds_keep_the_old_blocks_and_count_as_a_look() -> None:
    before = plan()
    after = extend(before, 5, (), AT)
    assert after.blocks[: len(before.blocks)] == before.blocks
    assert {b.round for b in after.blocks} == {1, 2, 3, 4, 5}
    assert after.suite.rounds == 5
    assert len(after.looks) == 2
    assert after.looks[1].first_round == 4


def test_further_prompts_come_in_new_blocks_that_hold_every_candidate() -> None:
    before = plan()
    after = extend(before, None, PROMPTS, AT)
    fresh = after.blocks[len(before.blocks) :]
    assert {p for b in fresh for p in (c.prompt for c in b.cells)} == {"e", "f"}
    assert {b.candidate for b in fresh} == {c.id for c in CANDIDATES}
    assert {b.round for b in fresh} == {4, 5, 6}
    assert len({c.id for c in after.cells}) == len(after.cells) == 36 + 18
    assert after.suite.rounds == 3


def test_rounds_and_prompts_together_give_the_new_rounds_all_prompts() -> None:
    after = extend(plan(), 4, PROMPTS, AT)
    last = [b for b in after.blocks if b.round == 7]
    assert all({c.prompt for c in b.cells} == {p.id for p in PROMPTS} for b in last)
    assert len(last) == 3


def test_nothing_new_changes_nothing() -> None:
    assert extend(plan(), 3, PROMPTS[:2], AT) == plan()


def test_fewer_rounds_or_a_changed_prompt_are_refused() -> None:
    with pytest.raises(RunMismatch, match="3 rounds already"):
        extend(plan(), 2, (), AT)
    with pytest.raises(RunMismatch, match="another content"):
        extend(plan(), None, (replace(PROMPTS[0], source="changed"),), AT)


def test_cutting_for_a_budget_keeps_the_first_rounds() -> None:
    cut = cut_rounds(plan(), 1)
    assert shape(cut) == shape(plan())[:3]
    assert (cut.suite.rounds, cut.looks[0].rounds) == (1, 1)


OPEN = LoadShape("open", concurrency=4, rate_per_s=5.0, arrivals="poisson")


def open_plan(**suite: object) -> Plan:
    return make_plan(Suite(PROMPTS, rounds=3, load=OPEN, **suite), CANDIDATES, AT)  # type: ignore[arg-type]


def test_closed_cells_keep_the_ids_that_stored_runs_have() -> None:
    one = make_candidate("m", "m", "fake", Variant("gguf", files=(ModelFile("m", 1, "00"),)), EngineOptions())
    cells = make_plan(Suite(PROMPTS[:2], rounds=1), [one], AT).cells
    assert {cell.id for cell in cells} == {content_id([one.id, prompt, 1, 0]) for prompt in PROMPTS[:2]}
    assert {cell.due_offset_ns for cell in cells} == {None}


def test_an_open_round_has_one_schedule_for_every_candidate_and_each_round_its_own() -> None:
    whole = open_plan()
    by_round = {number: {tuple(c.due_offset_ns for c in b.cells) for b in whole.blocks if b.round == number}
                for number in (1, 2, 3)}  # fmt: skip
    assert all(len(schedules) == 1 for schedules in by_round.values())
    assert len(set.union(*by_round.values())) == 3
    assert all(c.due_offset_ns is not None for c in whole.cells)
    assert open_plan() == whole
    assert open_plan(order_seed=1) != whole


def test_open_and_closed_cells_are_different_cells() -> None:
    assert not {c.id for c in open_plan().cells} & {c.id for c in plan(prompts=PROMPTS).cells}


def test_more_rounds_of_an_open_plan_keep_the_old_schedules() -> None:
    assert extend(open_plan(), 5, (), AT).blocks[:9] == open_plan().blocks


def test_repeats_ask_each_prompt_so_often_in_a_block_the_first_pass_as_before() -> None:
    thrice = make_plan(Suite(PROMPTS[:4], rounds=2, repeats=3), CANDIDATES, AT)
    assert len({c.id for c in thrice.cells}) == len(thrice.cells) == 3 * 4 * 3 * 2
    for block, once in zip(thrice.blocks, plan(rounds=2).blocks, strict=True):
        assert block.cells[:4] == once.cells
        assert [c.repeat for c in block.cells] == [0] * 4 + [1] * 4 + [2] * 4


def test_an_open_loop_lasts_as_its_schedule_says() -> None:
    paces = {one.id: Pace(10**9, 5 * 10**8, "measured") for one in CANDIDATES}
    whole = open_plan(warmup=2)
    (block,) = whole.blocks[:1]
    last = max(cell.due_offset_ns or 0 for cell in block.cells)
    assert blocks_ns(whole, [block], paces) == 10**9 + 2 * 5 * 10**8 + last + 5 * 10**8


def test_more_requests_than_a_plan_can_hold_are_refused_before_they_are_laid_out() -> None:
    suite = Suite(PROMPTS[:4], rounds=5, repeats=100_000_000)
    with pytest.raises(BadInput, match="2000000000 requests are planned, and 10000000 are the most"):
        make_plan(suite, CANDIDATES[:1], AT)
